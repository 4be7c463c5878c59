import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const source = new URL("../../src/", import.meta.url).href

/** Runs a program of its own whose log is `target`, and returns what it left behind. */
const exitOf = (target: string, ending: string, waitMillis = 20) => {
  const program = `
    import * as Effect from "effect/Effect"
    import { AppLog } from "${source}log/AppLog.ts"
    const main = Effect.gen(function*() {
      const log = yield* AppLog
      ${waitMillis === 0 ? "" : `yield* Effect.sleep(${waitMillis})`}
      log.info("first")
      yield* Effect.logWarning("last")
      ${ending}
    })
    Effect.runFork(Effect.provide(main, AppLog.layer({ target: ${JSON.stringify(target)}, bufferBytes: 65536, env: {} })))
  `
  const { stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    cwd: new URL("../..", import.meta.url),
    encoding: "utf8"
  })
  return { stderr, status }
}

const messages = (text: string): Array<string> =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => line.split(" ").slice(1).join(" "))

describe("a process that ends", () => {
  it("before its log file was opened leaves its records in it, too", () => {
    const directory = fs.mkdtempSync(join(tmpdir(), "pingap-log-"))
    const path = join(directory, "new", "app.log")
    const { status } = exitOf(`${path}?rolling=never`, "process.exit(3)", 0)
    const text = fs.readFileSync(path, "utf8")
    fs.rmSync(directory, { recursive: true })
    assert.strictEqual(status, 3)
    assert.deepStrictEqual(messages(text), ["INFO first", "WARN last"])
  })

  for (const [how, ending, expected] of [
    ["by itself", "", 0],
    ["at once", "process.exit(3)", 3],
    ["by an exception in a callback", 'setTimeout(() => { throw new Error("crash") }); yield* Effect.sleep(60_000)', 1]
  ] as const) {
    it(`${how} leaves its records on standard error`, () => {
      const { stderr, status } = exitOf("", ending)
      assert.strictEqual(status, expected)
      const records = messages(stderr).filter((line) => /^(INFO|WARN)/.test(line))
      assert.deepStrictEqual(records, ["INFO first", "WARN last"])
    })

    it(`${how} leaves its records in the file`, () => {
      const directory = fs.mkdtempSync(join(tmpdir(), "pingap-log-"))
      const path = join(directory, "app.log")
      const { status } = exitOf(`${path}?rolling=never`, ending)
      const text = fs.readFileSync(path, "utf8")
      fs.rmSync(directory, { recursive: true })
      assert.strictEqual(status, expected)
      assert.deepStrictEqual(messages(text), ["INFO first", "WARN last"])
    })
  }
})
