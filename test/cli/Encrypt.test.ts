/** `pingap encrypt` and standard output as the built program has them. */
import { spawnSync } from "node:child_process"
import { closeSync, existsSync, openSync } from "node:fs"
import { join } from "node:path"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Secret from "../../src/config/Secret.ts"
import { ensureBuilt, ROOT } from "../support/Program.ts"

beforeAll(ensureBuilt)

const run = (
  args: ReadonlyArray<string>,
  options: { readonly input?: string | Buffer; readonly env?: Record<string, string>; readonly out?: number } = {}
) => {
  const { HOME = "", PATH = "" } = process.env
  const { env, input = "", out } = options
  const { status, stderr, stdout } = spawnSync(process.execPath, [join(ROOT, "dist/main.js"), ...args], {
    env: { HOME, PATH, ...env },
    input,
    stdio: ["pipe", out ?? "pipe", "pipe"],
    encoding: "utf8"
  })
  return { status, stderr, stdout }
}

describe("encrypt", () => {
  const env = { PINGAP_SECRET: "a passphrase" }

  it("prints what only the passphrase opens, without the end of the line", () => {
    const { status, stderr, stdout } = run(["encrypt"], { input: "hünter2\n", env })
    assert.deepStrictEqual([status, stderr], [0, ""])
    assert.deepStrictEqual(Secret.decrypt(stdout, "a passphrase"), Result.succeed("hünter2"))
    assert.isTrue(Result.isFailure(Secret.decrypt(stdout, "another")))
  })

  it.each([
    ["without a passphrase", { input: "text" }, 2, "the passphrase is needed in PINGAP_SECRET"],
    ["without a text", { input: "\n", env }, 2, "the text to encrypt is needed on standard input"],
    ["what is no text", { input: Buffer.from([0xff, 0xfe, 0x41]), env }, 1, "the text to encrypt is not valid UTF-8"]
  ])("refuses %s", (_, options, code, message) => {
    const { status, stderr, stdout } = run(["encrypt"], options)
    assert.deepStrictEqual([status, stderr, stdout], [code, `pingap: ${message}\n`, ""])
  })
})

describe("standard output that takes nothing", () => {
  it.skipIf(!existsSync("/dev/full")).each([["schema"], ["--help"], ["--template"]])("ends %s with an error", (arg) => {
    const out = openSync("/dev/full", "w")
    const { status, stderr } = run([arg], { out })
    closeSync(out)
    assert.strictEqual(status, 1)
    assert.match(stderr, /^standard output cannot be written: ENOSPC[^\n]*\n$/)
  })
})
