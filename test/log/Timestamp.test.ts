import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Timestamp from "../../src/log/Timestamp.ts"

const MOMENT = Date.UTC(2025, 0, 31, 2, 20, 30, 7)

describe("timestamps", () => {
  it("writes local time with its offset", () => {
    const at = (minutes: number) => Timestamp.make(() => minutes).local(MOMENT)
    assert.strictEqual(at(480), "2025-01-31T10:20:30.007+08:00")
    assert.strictEqual(at(-210), "2025-01-30T22:50:30.007-03:30")
    assert.strictEqual(at(0), "2025-01-31T02:20:30.007+00:00")
  })

  it("follows a change to summer time in the second it happens", () => {
    const change = Date.UTC(2025, 2, 30, 1, 0, 0)
    const timestamps = Timestamp.make((millis) => (millis < change ? 60 : 120))
    assert.strictEqual(timestamps.local(change - 1), "2025-03-30T01:59:59.999+01:00")
    assert.strictEqual(timestamps.local(change), "2025-03-30T03:00:00.000+02:00")
    assert.strictEqual(timestamps.local(change - 1), "2025-03-30T01:59:59.999+01:00")
  })

  it("agrees with the system's zone", () => {
    const date = new Date(MOMENT)
    const text = Timestamp.make().local(MOMENT)
    assert.strictEqual(Date.parse(text), MOMENT)
    assert.strictEqual(text.slice(11, 13), String(date.getHours()).padStart(2, "0"))
  })

  it("is never stale, however moments jump", () => {
    const timestamps = Timestamp.make(() => 330)
    const moments = fc.array(
      fc.integer({ min: 0, max: 4e12 }).chain((base) => fc.constantFrom(base, base + 1, base + 999))
    )
    fc.assert(
      fc.property(moments, (all) => {
        for (const moment of all) {
          assert.strictEqual(timestamps.utc(moment), new Date(moment).toISOString())
          assert.strictEqual(Date.parse(timestamps.local(moment)), moment)
        }
      })
    )
  })
})
