import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { logLines } from "../../src/platform/LogLines.ts"

describe("a text of several lines", () => {
  it.each<readonly [text: string, lines: ReadonlyArray<string>]>([
    ["one", ["one"]],
    ["one\n  two\n\n \t\nthree\n", ["one", "  two", "three"]],
    ["", []],
    ["\n\n", []]
  ])("%j is logged line by line", (text, expected) => {
    const lines: Array<string> = []
    Effect.runSync(logLines((line) => Effect.sync(() => lines.push(line)), text))
    assert.deepStrictEqual(lines, expected)
  })

  it("is as many records as it has lines, in order", () => {
    const lines: Array<string> = []
    const text = Array.from({ length: 1_000 }, (_, index) => `line ${index}`).join("\n")
    Effect.runSync(logLines((line) => Effect.sync(() => lines.push(line)), text))
    assert.strictEqual(lines.join("\n"), text)
  })
})
