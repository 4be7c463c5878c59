import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as Query from "../../src/model/Query.ts"

describe("Query", () => {
  it.each([
    ["apikey=123", "apikey", ""],
    ["apikey=123&name=pingap", "apikey", "name=pingap"],
    ["key=val", "key", ""],
    ["key1=val1&key2=val2", "key1", "key2=val2"],
    ["key1=val1&key2=val2", "key2", "key1=val1"],
    ["key1=v1&key2=v2&key3=v3", "key2", "key1=v1&key3=v3"],
    ["key=val", "nonexistent", "key=val"],
    ["", "key", ""],
    ["a=1&key&b=2&key=3&key=", "key", "a=1&b=2"],
    ["keys=1&akey=2", "key", "keys=1&akey=2"],
    ["a=key", "key", "a=key"]
  ])("QU1 QU2 %s without %s is %s", (query, name, expected) => {
    assert.strictEqual(Query.remove(query, name), expected)
  })

  it.each([
    ["size=1", "size", "1"],
    ["resize=2&size=1", "size", "1"],
    ["size&size=1", "size", "1"],
    ["size=&size=1", "size", ""],
    ["size", "size", undefined],
    ["a=size=1", "size", undefined],
    ["a=b&c=%20+x=y&d", "c", "%20+x=y"],
    ["sizesize=1", "size", undefined],
    ["", "size", undefined],
    ["=1", "", undefined]
  ])("QU3 %s: %s is %s", (query, name, expected) => {
    assert.strictEqual(Query.value(query, name), expected)
  })

  it("finds what a split finds", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "=", "&"), maxLength: 12 })
    fc.assert(
      fc.property(text, fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 2 }), (query, name) => {
        const item = query.split("&").find((item) => item.startsWith(`${name}=`))
        assert.strictEqual(Query.value(query, name), item?.slice(name.length + 1))
        assert.strictEqual(Query.value(Query.remove(query, name), name), undefined)
      })
    )
  })
})
