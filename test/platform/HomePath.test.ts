import { homedir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { absolutePath } from "../../src/platform/HomePath.ts"

describe("absolutePath", () => {
  it("UT2 expands the home directory", () => {
    assert.strictEqual(absolutePath("~/logs/a.log", "/home/x"), "/home/x/logs/a.log")
    assert.strictEqual(absolutePath("~", "/home/x"), "/home/x")
    assert.strictEqual(absolutePath("/~/a", "/home/x"), "/~/a")
    assert.strictEqual(absolutePath("a.log", "/home/x"), `${process.cwd()}/a.log`)
    assert.strictEqual(absolutePath("~/conf"), join(homedir(), "conf"))
    assert.strictEqual(absolutePath("~"), homedir())
    assert.strictEqual(absolutePath("~user/conf"), join(process.cwd(), "~user/conf"))
  })

  it("leaves no slash at the end", () => {
    assert.strictEqual(absolutePath("~/", "/home/x"), "/home/x")
    assert.strictEqual(absolutePath("~/logs/", "/home/x"), "/home/x/logs")
    assert.strictEqual(absolutePath("/var/log/"), "/var/log")
  })
})
