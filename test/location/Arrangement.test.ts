/** Matchers that take over from a similar one find what a matcher of its own would find. */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as Matcher from "../../src/location/Matcher.ts"
import { Ranks } from "../../src/location/Ranks.ts"
import { Fields } from "../../src/model/Fields.ts"
import { now } from "../../src/model/Sliced.ts"

const HOSTS = ["a.com", "b.com", "x.a.com", "y.x.a.com", "other"]
const PATHS = ["/", "/a", "/a/b", "/ab", "/b"]

const rules = fc.record({
  name: fc.constantFrom("l", "m"),
  host: fc.constantFrom("", "a.com", "b.com", "a.com,b.com", "*.a.com", "*.x.a.com,b.com", "~^(?<sub>.)\\.a", "*bad"),
  path: fc.constantFrom("", "/", "/a", "=/a", "/a/b", "~^/a", "~b$", "~("),
  weight: fc.option(fc.nat({ max: 3 }), { nil: undefined }),
  match_query: fc.constantFrom(undefined, ["q:1"])
})

type LocationRule = Matcher.LocationRule

const change = fc.record({ at: fc.nat({ max: 40 }), rule: fc.option(rules, { nil: null }) })

/** One rule replaced, or one more at the end, or the last one gone. */
const applied = (list: ReadonlyArray<LocationRule>, { at, rule }: { at: number; rule: LocationRule | null }) => {
  if (rule === null) return list.slice(0, -1)
  const next = [...list]
  next[Math.min(at, list.length)] = rule
  return next
}

const answers = ({ matcher }: Matcher.Compiled): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (const host of HOSTS) {
    for (const path of PATHS) {
      for (const query of ["", "q=1"]) {
        const variables: Array<readonly [string, string]> = []
        const index = matcher.match({
          host,
          path,
          query,
          fields: new Fields(""),
          addVariables: (captures) => void variables.push(...captures)
        })
        found.push(`${host}${path}?${query} ${index} ${variables.join()}`)
      }
    }
  }
  return found
}

describe("a matcher that takes over from another", () => {
  it("finds what a new one finds, change after change", () => {
    fc.assert(
      fc.property(fc.array(rules, { maxLength: 30 }), fc.array(change, { maxLength: 12 }), (start, changes) => {
        let list: ReadonlyArray<LocationRule> = start
        let compiled = Matcher.compile(list)
        for (const next of changes) {
          list = applied(list, next)
          compiled = now(Matcher.compiling(list, compiled))
          const fresh = Matcher.compile(list.map((rule) => ({ ...rule })))
          assert.deepStrictEqual(answers(compiled), answers(fresh))
          assert.deepStrictEqual(compiled.errors, fresh.errors)
        }
      }),
      { numRuns: 300 }
    )
  })

  it("keeps the trees of other hosts, and packs all anew before what is left behind outgrows them", () => {
    const list = Array.from({ length: 500 }, (_, index) => ({
      name: `l${index}`,
      host: `h${index % 50}.com`,
      path: `/p/${index}`
    }))
    let compiled = Matcher.compile(list)
    const { size } = compiled.arrangement
    const untouched = compiled.arrangement.exact.get("h7.com")
    let packedAnew = 0
    for (let round = 0; round < 400; round++) {
      const before = compiled
      list[3] = { ...list[3]!, path: `/changed/${round}` }
      compiled = now(Matcher.compiling([...list], before))
      if (compiled.arrangement.trees.size < before.arrangement.trees.size) packedAnew++
      else assert.strictEqual(compiled.arrangement.exact.get("h7.com"), before.arrangement.exact.get("h7.com"))
      if (round === 0) assert.strictEqual(compiled.arrangement.exact.get("h7.com"), untouched)
      assert.isBelow(compiled.arrangement.trees.size, 2.2 * size)
    }
    assert.isAtLeast(packedAnew, 1)
    assert.isAtMost(packedAnew, 20)
  })
})

describe("ranks", () => {
  const weights = fc.array(fc.nat({ max: 0xffff }), { minLength: 1, maxLength: 200 })
  const order = (ranks: Ranks, list: ReadonlyArray<number>): ReadonlyArray<number> => {
    const all = ranks.all(list)
    const found = Array.from(list, (_, index) => index).sort((a, b) => all[a]! - all[b]!)
    // A rank leads back to its rule.
    for (const index of found) {
      const rank = all[index]!
      assert.strictEqual(ranks.mask === 0 ? ranks.positions[rank] : rank & ranks.mask, index)
      assert.isBelow(rank, 0x3fffffff)
    }
    return found
  }
  const expected = (list: ReadonlyArray<number>): ReadonlyArray<number> =>
    Array.from(list, (_, index) => index).sort((a, b) => list[b]! - list[a]! || a - b)

  it("are in the order of selection", () => {
    fc.assert(fc.property(weights, (list) => assert.deepStrictEqual(order(Ranks.of(list), list), expected(list))))
  })

  it.each([
    ["few weights", 20_000, 7],
    ["as many as there is room for", 32_000, 30_000],
    ["more than there is room for", 40_000, 40_000]
  ])("of long lists with %s too", (_, length, distinct) => {
    const list = Array.from({ length }, (_, index) => (index * 7919) % distinct)
    assert.deepStrictEqual(order(Ranks.of(list), list), expected(list))
  })

  it("do not exist for what has no room", () => {
    const list = Array.from({ length: 20_000 }, (_, index) => index % 3)
    const ranks = Ranks.of(list)
    assert.isAtLeast(ranks.of(2, 20_000), 0)
    assert.strictEqual(ranks.of(7, 1), -1)
    assert.strictEqual(ranks.of(1, 1_000_000), -1)
    assert.strictEqual(Ranks.of([1, 2]).of(1, 16_383), -1)
  })
})
