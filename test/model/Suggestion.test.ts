import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Suggestion from "../../src/model/Suggestion.ts"

describe("suggest", () => {
  it.each([
    ["upstrem", "upstream"],
    ["UPSTREAM", "upstream"],
    ["ustpream", "upstream"],
    ["locaton", "location"],
    ["plugin", "plugins"],
    ["zebra", undefined],
    ["", undefined]
  ])("%s: %s", (word, expected) => {
    assert.strictEqual(Suggestion.suggest(word, ["location", "upstream", "plugins"]), expected)
  })

  it("takes the nearest", () => {
    assert.strictEqual(Suggestion.suggest("api1", ["api12", "api", "api1x2"]), "api12")
    assert.strictEqual(Suggestion.suggest("tcp_fast_open", ["tcp_idle", "tcp_fastopen"]), "tcp_fastopen")
  })

  it("is never far away, whatever the words", () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.string()), (word, words) => {
        const suggestion = Suggestion.suggest(word, words)
        return suggestion === undefined || (suggestion !== word && words.includes(suggestion))
      })
    )
  })
})
