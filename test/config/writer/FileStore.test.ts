/** The writer on files, in each of their layouts. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ConfigStore } from "../../../src/config/ConfigStore.ts"
import * as File from "../../../src/config/source/File.ts"
import { crudSuite } from "./CrudSuite.ts"
import { writerOn } from "./Writers.ts"

const root = mkdtempSync(join(tmpdir(), "pingap-writer-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let count = 0
const storeAt = (path: string) =>
  Effect.map(Layer.build(File.layer(path, { events: false })), (context) => Context.get(context, ConfigStore))
const fresh = (path: string) => () => storeAt(join(root, `${++count}`, path))

crudSuite("a single file", fresh("pingap.toml"))
crudSuite("a folder with a file per section", fresh("conf"))
crudSuite("a folder with a file per item", fresh("conf?separation"))
crudSuite("a folder with history", fresh("conf?separation=true&enable_history=true"))

describe("the writer on files", () => {
  it.live("5.3 leaves nothing outside the folder, and 5.4 makes a file of the single one", () =>
    Effect.gen(function* () {
      const folder = join(root, `${++count}`)
      const items = yield* writerOn(yield* storeAt(join(folder, "conf?separation")))
      yield* Effect.ignore(items.save("upstreams", "../../evil", { addrs: ["127.0.0.1:1"] }))
      assert.isFalse(existsSync(join(folder, "evil.toml")))
      const single = yield* writerOn(yield* storeAt(join(folder, "pingap.toml")))
      assert.strictEqual(yield* single.exportText, "")
      yield* single.save("upstreams", "a", { addrs: ["127.0.0.1:1"] })
      assert.isTrue(statSync(join(folder, "pingap.toml")).isFile())
      assert.deepStrictEqual(
        readdirSync(folder).filter((name) => !name.startsWith(".")),
        ["pingap.toml"]
      )
    })
  )

  it.live("5.5 moves a single file into a file per item, and keeps it in history", () =>
    Effect.gen(function* () {
      const folder = join(root, `${++count}`, "conf")
      mkdirSync(folder, { recursive: true })
      writeFileSync(
        join(folder, "pingap.toml"),
        "[basic]\nname = 'x'\n\n# demo\n[upstreams.demo]\naddrs = ['127.0.0.1:1']\n"
      )
      const writer = yield* writerOn(yield* storeAt(`${folder}?separation=true&enable_history=true`))
      const before = yield* writer.list("upstreams")
      const [gone, ...others] = yield* writer.relayout
      assert.match(gone!, /pingap\.toml$/)
      assert.deepStrictEqual(others, [])
      const files = readdirSync(folder, { recursive: true })
        .map(String)
        .filter((name) => !name.startsWith("."))
      assert.deepStrictEqual(files.sort(), ["basic.toml", "upstreams", "upstreams/demo.toml"])
      assert.strictEqual(
        readFileSync(join(folder, "upstreams/demo.toml"), "utf8"),
        "# demo\n[upstreams.demo]\naddrs = ['127.0.0.1:1']\n"
      )
      assert.strictEqual(readdirSync(`${folder}-history`).length, 1)
      assert.deepStrictEqual((yield* writer.list("upstreams"))[0]?.revision, before[0]?.revision)
      assert.deepStrictEqual(yield* writer.relayout, [])
    })
  )

  it.live("lists what history keeps, and saves it again", () =>
    Effect.gen(function* () {
      const writer = yield* writerOn(yield* storeAt(join(root, `${++count}`, "conf?separation&enable_history=true")))
      for (const port of [1, 2, 3]) yield* writer.save("upstreams", "a", { addrs: [`127.0.0.1:${port}`] })
      const versions = yield* writer.history("upstreams", "a")
      assert.deepStrictEqual(
        versions.map(({ table }) => table["addrs"]),
        [["127.0.0.1:2"], ["127.0.0.1:1"]]
      )
      yield* writer.restore("upstreams", "a", versions[1]!.id)
      assert.deepStrictEqual((yield* writer.get("upstreams", "a"))?.table["addrs"], ["127.0.0.1:1"])
      assert.strictEqual((yield* writer.history("upstreams", "a")).length, 3)
    })
  )
})
