import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { problemOf } from "../../src/plugin/Base64.ts"

describe("problemOf", () => {
  const cases: ReadonlyArray<readonly [text: string, problem: string | undefined]> = [
    ["", undefined],
    ["MTIz", undefined],
    ["YWRtaW46MTIzMTIz", undefined],
    ["YQ==", undefined],
    ["YWI=", undefined],
    ["1", "Invalid input length: 1"],
    ["MTIz1", "Invalid input length: 5"],
    ["MTIz\n", "Invalid symbol 10, offset 4."],
    ["YQ", "Invalid padding"],
    ["YQ=", "Invalid padding"],
    ["Y===", "Invalid symbol 61, offset 1."],
    ["YQ==MTIz", "Invalid symbol 61, offset 2."],
    ["MT=z", "Invalid symbol 61, offset 2."],
    ["M-Iz", "Invalid symbol 45, offset 1."],
    ["MTIz====", "Invalid symbol 61, offset 4."],
    ["YR==", "Invalid last symbol 82, offset 1."],
    ["YWJ=", "Invalid last symbol 74, offset 2."]
  ]
  for (const [text, problem] of cases) {
    it(JSON.stringify(text), () => assert.strictEqual(problemOf(text), problem))
  }

  it("accepts exactly what encoders write", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        assert.isUndefined(problemOf(Buffer.from(bytes).toString("base64")))
      })
    )
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (text) => {
        const canonical = Buffer.from(text, "base64").toString("base64") === text
        assert.strictEqual(problemOf(text) === undefined, canonical)
      })
    )
  })
})
