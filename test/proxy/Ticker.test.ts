/** The clock of the data plane: deadlines, stalls, dates. */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { TICK_MILLIS, Ticker, type Timed } from "../../src/proxy/Ticker.ts"

const unexpected = (error: unknown) => assert.fail(String(error))
const START = Date.parse("2026-01-01T00:00:00Z")

describe("deadlines", () => {
  it("are met late by at most two ticks, never early", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.array(fc.integer({ min: 1, max: TICK_MILLIS }), { minLength: 300, maxLength: 300 }),
        (millis, ticks) => {
          const ticker = new Ticker(START, unexpected)
          const deadline = ticker.in(millis)
          let passed = 0
          for (const tick of ticks) {
            passed += tick
            ticker.tick(tick, START)
            if (ticker.now >= deadline) {
              assert.isAtLeast(passed, millis)
              assert.isAtMost(passed, millis + 2 * TICK_MILLIS)
              return
            }
          }
          assert.isBelow(passed, millis + 2 * TICK_MILLIS)
        }
      ),
      { numRuns: 200 }
    )
  })

  it("of 0 are none", () => assert.strictEqual(new Ticker(START, unexpected).in(0), 0))

  it("do not all pass at once after a stall, nor does time run backwards", () => {
    const ticker = new Ticker(START, unexpected)
    const deadline = ticker.in(1_000)
    ticker.tick(3_600_000, START + 3_600_000)
    assert.isBelow(ticker.now, deadline)
    const { now } = ticker
    ticker.tick(-5_000, START)
    assert.strictEqual(ticker.now, now)
  })
})

describe("members", () => {
  it("may leave, remove others, and bring new ones while they are called", () => {
    const ticker = new Ticker(START, unexpected)
    const events: Array<string> = []
    const make = (name: string, act: () => void = () => {}): Timed => ({
      checkDeadlines: (now) => {
        events.push(`${name} ${now}`)
        act()
      }
    })
    const last = make("last")
    const first = make("first", () => {
      ticker.delete(first)
      ticker.delete(last)
    })
    ticker.add(first)
    ticker.add(make("second"))
    ticker.add(last)
    ticker.tick(100, START)
    ticker.tick(100, START)
    assert.deepStrictEqual(events, ["first 100", "second 100", "second 200"])
  })
})

it("the date follows the wall clock, wherever it goes", () => {
  const ticker = new Ticker(START, unexpected)
  assert.strictEqual(ticker.dateLine, "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n")
  ticker.tick(100, START + 999)
  assert.strictEqual(ticker.dateLine, "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n")
  ticker.tick(100, START + 1_000)
  assert.strictEqual(ticker.dateLine, "Date: Thu, 01 Jan 2026 00:00:01 GMT\r\n")
  ticker.tick(100, 0)
  assert.strictEqual(ticker.dateLine, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n")
})

it("a member that throws is reported and keeps nobody from its deadline", () => {
  const reported: Array<unknown> = []
  const ticker = new Ticker(START, (error) => reported.push(error))
  const seen: Array<number> = []
  ticker.add({
    checkDeadlines: () => {
      throw new Error("broken member")
    }
  })
  ticker.add({ checkDeadlines: (now) => seen.push(now) })
  ticker.tick(100, START)
  assert.deepStrictEqual(seen, [100])
  assert.deepStrictEqual(reported.map(String), ["Error: broken member"])
})
