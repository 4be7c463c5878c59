import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ConfigSource, type ConfigSourceError } from "../../../src/config/ConfigSource.ts"
import { format } from "../../../src/config/Diagnostic.ts"
import type { RawDocument } from "../../../src/config/Draft.ts"
import * as File from "../../../src/config/source/File.ts"

let folder = ""
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pingap-config-"))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const write = (path: string, content: string | Uint8Array): string => {
  const full = join(folder, path)
  mkdirSync(dirname(full), { recursive: true })
  writeFileSync(full, content)
  return full
}

const read = (path: string): Effect.Effect<ReadonlyArray<RawDocument>, ConfigSourceError> =>
  Effect.flatMap(ConfigSource, (source) => source.read).pipe(Effect.provide(File.layer(path)))

const shown = (documents: ReadonlyArray<RawDocument>): ReadonlyArray<string> =>
  documents.map(({ file, text }) => `${relative(folder, file)}: ${text}`)

describe("File", () => {
  it.effect("reads one file, whatever its name, and drops the query", () =>
    Effect.gen(function* () {
      const path = write("pingap.conf", "a = 1")
      assert.deepStrictEqual(shown(yield* read(`${path}?separation=true`)), ["pingap.conf: a = 1"])
    })
  )

  it.effect("reads every TOML file of a folder in alphabetical order", () =>
    Effect.gen(function* () {
      write("servers.toml", "s")
      write("locations.toml", "l")
      write("upstreams/api.toml", "u")
      write("upstreams/deep/web.toml", "w")
      write("upstreams/api.toml.bak", "no")
      write("other.hcl", "no")
      write(".hidden.toml", "no")
      write("..data/servers.toml", "no")
      const expected = ["locations.toml: l", "servers.toml: s", "upstreams/api.toml: u", "upstreams/deep/web.toml: w"]
      assert.deepStrictEqual(shown(yield* read(folder)), expected)
    })
  )

  it.effect("follows links, once", () =>
    Effect.gen(function* () {
      write("..data/a.toml", "a")
      symlinkSync(join(folder, "..data/a.toml"), join(folder, "a.toml"))
      symlinkSync(folder, join(folder, "loop"))
      assert.deepStrictEqual(shown(yield* read(folder)), ["a.toml: a"])
    })
  )

  it.effect("of an empty folder is nothing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read(folder), [])
    })
  )

  it.effect("that does not exist is an error that names it", () =>
    Effect.gen(function* () {
      const path = join(folder, "conf")
      const error = yield* Effect.flip(read(`${path}?separation`))
      assert.strictEqual(
        format(error.diagnostic),
        `${path}: error: no configuration at ${path}\n  hint: check the path after -c`
      )
    })
  )

  it.live("in another format is read as TOML, converted once", () =>
    Effect.gen(function* () {
      const hcl = write("one/pingap.hcl", 'upstream "api" {\n  addrs = ["127.0.0.1:1"]\n}\n')
      yield* Effect.gen(function* () {
        const source = yield* ConfigSource
        const [document] = yield* source.read
        assert.strictEqual(document!.file, hcl)
        assert.match(document!.text, /^\[upstreams\.api\]\naddrs = \[ ?"127\.0\.0\.1:1",? ?\]\n/)
        assert.strictEqual((yield* source.read)[0], document)
      }).pipe(Effect.provide(File.layer(hcl)))
      write("two/pingap.kdl", 'upstream "api" addrs="127.0.0.1:1"\n')
      const [kdl] = yield* read(join(folder, "two"))
      assert.match(kdl!.text, /addrs = \[ ?"127\.0\.0\.1:1",? ?\]/)
    })
  )

  it.effect("with bytes that are not UTF-8 says where they begin", () =>
    Effect.gen(function* () {
      const bytes = Buffer.concat([Buffer.from('a = "é"\nb = "'), Buffer.from([0xff, 0xfe]), Buffer.from('"\n')])
      const error = yield* Effect.flip(read(write("a.toml", bytes)))
      assert.deepStrictEqual([error.message, error.line, error.column], ["text is not valid UTF-8", 2, 6])
    })
  )

  it.effect("keeps a replacement character that was written", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(shown(yield* read(write("a.toml", "a = '\ufffd'"))), ["a.toml: a = '\ufffd'"])
    })
  )

  it.effect("that is neither a file nor a folder is refused", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read("/dev/null"))
      assert.strictEqual(error.message, "is neither a file nor a folder")
    })
  )

  it.effect.skipIf(process.getuid?.() === 0)("without permission names the owner and the mode", () =>
    Effect.gen(function* () {
      const path = write("a.toml", "a = 1")
      chmodSync(path, 0o200)
      const error = yield* Effect.flip(read(path))
      assert.match(error.message, /^permission denied, owner \d+:\d+, mode 0200$/)
      assert.match(error.hint ?? "", /chown .* chmod/)
    })
  )
})
