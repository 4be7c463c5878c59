import { assert, describe, it } from "@effect/vitest"
import * as Cookie from "../../src/model/Cookie.ts"
import { Fields } from "../../src/model/Fields.ts"

describe("Cookie", () => {
  it.each([
    ["session", "abc"],
    ["id", "123"],
    ["theme", "dark"],
    ["lang", undefined],
    ["the", undefined]
  ])("CQ1 %s is %s", (name, expected) => {
    const fields = Fields.of([
      ["Cookie", "id=123; session=abc; theme=dark"],
      ["Cookie", "lang=en"]
    ])
    assert.strictEqual(Cookie.value(fields, name), expected)
  })

  it.each([
    ["name=pingap", "name", "pingap"],
    ["a=1;b=2", "b", "2"],
    ["a=1 ;  b=2 ", "a", "1"],
    ["a=1 ;  b=2 ", "b", "2"],
    ["a=x=y==", "a", "x=y=="],
    ["a=; b=2", "a", ""],
    ["a; a=1", "a", "1"],
    ["xa=1; a=2", "a", "2"],
    ["a=1; a=2", "a", "1"],
    [";;a=1", "a", "1"],
    ["", "a", undefined]
  ])("%s: %s is %s", (cookies, name, expected) => {
    assert.strictEqual(Cookie.find(cookies, name), expected)
  })

  it("has no value without a Cookie field", () => {
    assert.strictEqual(Cookie.value(new Fields(""), "a"), undefined)
  })
})
