/** Shares and spread of the weighted rotation. */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as RoundRobin from "../../../src/upstream/picker/RoundRobin.ts"

const count = (weights: ReadonlyArray<number>, picks: number): Array<number> => {
  const pick = RoundRobin.make(weights)
  const counts = weights.map(() => 0)
  for (let i = 0; i < picks; i++) counts[pick()]!++
  return counts
}

describe("examples", () => {
  for (const [weights, order] of [
    [[1], "a"],
    [[7], "a"],
    [[1, 1], "ab"],
    [[1, 1, 1], "abc"],
    [[3, 3], "ab"],
    [[5, 1, 1], "aabacaa"],
    [[2, 1], "aba"],
    [[10, 5, 5], "abca"]
  ] as const) {
    it(weights.join(":"), () => {
      const pick = RoundRobin.make(weights)
      const picks = Array.from({ length: order.length * 3 }, () => "abc"[pick()])
      assert.strictEqual(picks.join(""), order.repeat(3))
    })
  }

  it("5:1:1 over 7,000 picks", () => assert.deepStrictEqual(count([5, 1, 1], 7_000), [5_000, 1_000, 1_000]))
})

describe("properties", () => {
  const weights = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 12 })

  it("one cycle gives each its weight, exactly", () => {
    fc.assert(
      fc.property(weights, (weights) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        assert.deepStrictEqual(count(weights, total), weights)
      })
    )
  })

  it("no beginning is more than one pick off its share per backend", () => {
    fc.assert(
      fc.property(weights, (weights) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        const pick = RoundRobin.make(weights)
        const counts = weights.map(() => 0)
        for (let n = 1; n <= total; n++) {
          counts[pick()]!++
          counts.forEach((got, i) => void assert.isBelow(Math.abs(got - (n * weights[i]!) / total), weights.length))
        }
      })
    )
  })

  it("any weights: a bounded cycle, nobody left out, shares as near as the bound allows", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 2, maxLength: 10 }), (weights) => {
        const cycle = RoundRobin.compile(weights)
        assert.isAtMost(cycle.length, 10_000 + weights.length)
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        weights.forEach((weight, i) => {
          const got = cycle.reduce((sum, index) => sum + (index === i ? 1 : 0), 0)
          assert.isAtLeast(got, 1)
          assert.isAtMost(Math.abs(got / cycle.length - weight / total), 0.002)
        })
      }),
      { numRuns: 30 }
    )
  })
})
