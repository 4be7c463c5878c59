/** `--sync` on real folders: what is copied, and what is refused before anything is written. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { sync } from "../../src/cli/command/Sync.ts"

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pingap-sync-"))
})
afterEach(() => rmSync(folder, { recursive: true }))

const write = (name: string, text: string): string => {
  const file = join(folder, name)
  mkdirSync(join(file, ".."), { recursive: true })
  writeFileSync(file, text)
  return file
}

/** Every file below the folder with its text. */
const files = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => statSync(join(folder, name)).isFile())
      .sort()
      .map((name) => [name, readFileSync(join(folder, name), "utf8")])
  )

const CONF = `[basic]
name = "a"
[upstreams.api]
addrs = ["127.0.0.1:80"]
`

const copy = (conf: string, target: string, strict = false) =>
  Effect.result(sync({ conf: join(folder, conf), target: join(folder, target), strict }))

const refused = Effect.fnUntraced(function* (conf: string, target: string, message: string, strict = false) {
  const before = files()
  const result = yield* copy(conf, target, strict)
  assert.include(Result.isFailure(result) ? result.failure.message : "copied", message)
  assert.deepStrictEqual(files(), before)
})

describe("a copy", () => {
  it.live("is in the layout of its place, and takes the place of a configuration that was there", () =>
    Effect.gen(function* () {
      write("pingap.toml", CONF)
      write("to/old/more.toml", "[upstreams.old]\naddrs = []\n")
      assert.deepStrictEqual(yield* copy("pingap.toml", "to"), Result.succeed(0))
      assert.deepStrictEqual(Object.keys(files()), ["pingap.toml", "to/basic.toml", "to/upstreams.toml"])
      // The same place in another layout is no other place.
      assert.deepStrictEqual(yield* copy("to", "to?separation"), Result.succeed(0))
      assert.deepStrictEqual(Object.keys(files()), ["pingap.toml", "to/basic.toml", "to/upstreams/api.toml"])
    })
  )
})

describe("nothing is written", () => {
  it.live("where documents are that are no configuration", () =>
    Effect.gen(function* () {
      write("pingap.toml", CONF)
      write("project/Cargo.toml", '[package]\nname = "x"\n')
      write("project/deep/basic.toml", "[basic]\n")
      yield* refused("pingap.toml", "project", "project/Cargo.toml is not a configuration of pingap, and would be lost")
      write("broken/basic.toml", "[basic\n")
      yield* refused("pingap.toml", "broken", "broken/basic.toml is not a configuration")
      write("notes.txt", "some words\n")
      yield* refused("pingap.toml", "notes.txt", "notes.txt is not a configuration")
    })
  )

  it.live("when there is nothing to copy", () =>
    Effect.gen(function* () {
      mkdirSync(join(folder, "empty"))
      write("blank.toml", "\n  \n")
      write("to/basic.toml", CONF)
      yield* refused("empty", "to", "empty: error: holds no configuration; nothing was copied")
      yield* refused("blank.toml", "to", "blank.toml: error: holds no configuration")
    })
  )

  it.live("into the place that is copied, or around it", () =>
    Effect.gen(function* () {
      write("conf/basic.toml", CONF)
      yield* refused("conf", "conf/copy", "conf/copy: error: is inside of ")
      yield* refused("conf/basic.toml", "conf", "conf/basic.toml: error: is inside of ")
    })
  )

  it.live("when something is wrong", () =>
    Effect.gen(function* () {
      write("pingap.toml", `${CONF}adrs = 1\n`)
      yield* refused("pingap.toml", "to", "error: upstreams.api.adrs: unknown key is ignored", true)
      assert.deepStrictEqual(yield* copy("pingap.toml", "to"), Result.succeed(0))
    })
  )
})
