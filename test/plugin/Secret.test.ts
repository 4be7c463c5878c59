import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { equal, Secrets } from "../../src/plugin/Secret.ts"

describe("equal", () => {
  const cases: ReadonlyArray<readonly [string, string, boolean]> = [
    ["abc123", "abc123", true],
    ["", "", true],
    ["abc123", "abc124", false],
    ["abc", "abcd", false]
  ]
  for (const [a, b, expected] of cases) {
    it(`"${a}" and "${b}"`, () => assert.strictEqual(equal(a, b), expected))
  }
})

describe("Secrets", () => {
  it("finds a secret by its position, and nothing else", () => {
    const secrets = new Secrets(["one", "two", "schlüssel"])
    assert.strictEqual(secrets.find("one"), 0)
    assert.strictEqual(secrets.find("two"), 1)
    assert.isFalse(secrets.has("three"))
    assert.isFalse(secrets.has(""))
  })

  it("compares with the bytes on the wire", () => {
    const secrets = new Secrets(["schlüssel"])
    assert.isTrue(secrets.has(Buffer.from("schlüssel", "utf8").toString("latin1")))
    assert.isFalse(secrets.has("schlüssel"))
  })

  it("agrees with plain comparison", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 4 }), { maxLength: 5 }),
        fc.string({ maxLength: 4 }),
        (list, text) => {
          assert.strictEqual(new Secrets(list).has(text), list.includes(text))
        }
      )
    )
  })
})
