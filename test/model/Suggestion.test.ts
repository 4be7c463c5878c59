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

  it("takes the one that begins alike among equally near ones", () => {
    assert.strictEqual(Suggestion.suggest("fiels", ["files", "fields"]), "fields")
    assert.strictEqual(Suggestion.suggest("fiels", ["fields", "files"]), "fields")
    assert.strictEqual(Suggestion.suggest("cat", ["bat", "car"]), "car")
  })

  it.each([
    ["max-retry-window", "max_retry_window"],
    ["Max_Retry_Window", "max_retry_window"],
    ["maxRetryWindow", "max_retry_window"],
    ["basic_auth", "basic-auth"]
  ])("%s: joined differently", (word, expected) => {
    assert.strictEqual(Suggestion.suggest(word, ["max_retries", expected, "max_window"]), expected)
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
