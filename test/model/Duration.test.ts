import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as Duration from "../../src/model/Duration.ts"

const DAY = 86_400

describe("Duration.parse", () => {
  // Test vectors 1.1; seconds.
  const seconds: ReadonlyArray<readonly [string, number]> = [
    ["30s", 30],
    ["3000s", 3_000],
    ["300sec", 300],
    ["300secs", 300],
    ["50seconds", 50],
    ["1second", 1],
    ["100m", 6_000],
    ["12min", 720],
    ["12mins", 720],
    ["1minute", 60],
    ["7minutes", 420],
    ["2h", 7_200],
    ["7hr", 25_200],
    ["7hrs", 25_200],
    ["1hour", 3_600],
    ["24hours", DAY],
    ["1day", DAY],
    ["2days", 2 * DAY],
    ["365d", 365 * DAY],
    ["1week", 604_800],
    ["7weeks", 4_233_600],
    ["104wks", 62_899_200],
    ["100wk", 60_480_000],
    ["52w", 31_449_600],
    ["1month", 2_630_016],
    ["3months", 7_890_048],
    ["12M", 31_560_192],
    ["1year", 31_557_600],
    ["7years", 220_903_200],
    ["15yrs", 473_364_000],
    ["10yr", 315_576_000],
    ["17y", 536_479_200],
    ["0", 0],
    ["0.0s", 0],
    ["0.2s", 0.2],
    ["1.2s", 1.2],
    ["1.02s", 1.02],
    ["300.0sec", 300],
    ["12.1min", 726],
    ["1.5minutes", 90],
    ["2.5h", 9_000],
    ["0.5h", 1_800],
    ["1.5d", 129_600],
    ["2h 15m", 8_100]
  ]
  it.each(seconds)("1.1 %s is %d s", (text, expected) => {
    assert.strictEqual(Duration.parse(text), expected * 1_000)
  })

  const nanos: ReadonlyArray<readonly [string, number]> = [
    ["17nsec", 17],
    ["17nanos", 17],
    ["33ns", 33],
    ["3usec", 3_000],
    ["78us", 78_000],
    ["163µs", 163_000],
    ["31msec", 31_000_000],
    ["31millis", 31_000_000],
    ["6ms", 6_000_000],
    ["31.1ms", 31_100_000],
    ["31.000001ms", 31_000_001],
    ["3.1us", 3_100],
    ["3.001us", 3_001],
    ["1.123456789s", 1_123_456_789],
    ["20 min 17 nsec ", 1_200_000_000_017],
    ["1.234s0.345ms0.678us0ns", 1_234_345_678],
    ["7.120us 3ns", 7_123]
  ]
  it.each(nanos)("1.1 %s is %d ns", (text, expected) => {
    const millis = Duration.parse(text)
    assert.isNumber(millis)
    assert.strictEqual(Math.round((millis as number) * 1_000_000), expected)
  })

  const precision = "number is too large or cannot be represented without a lack of precision"
  const unknown = (unit: string) =>
    `unknown time unit "${unit}", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)`
  const refused: ReadonlyArray<readonly [string, string]> = [
    ["1.s", "invalid character at 2"],
    ["1..s", "invalid character at 2"],
    [".1s", "expected number at 0"],
    [".", "expected number at 0"],
    ["31.0000001ms", precision],
    ["17.5nsec", precision],
    ["3.0001us", precision],
    ["0.0000000002s", precision],
    ["0.00000005d", precision],
    ["100000000000000000000s", precision],
    ["", "value was empty"],
    [" ", "value was empty"],
    ["10", "time unit needed, for example 10sec or 10ms"],
    ["1h 10", "time unit needed, for example 10sec or 10ms"],
    ["10 x", unknown("x")],
    ["1a", unknown("a")],
    ["5S", unknown("S")],
    ["-5s", "expected number at 0"],
    ["5s!", "expected number at 2"],
    ["5!s", "invalid character at 1"]
  ]
  it.each(refused)("1.1 refuses %j: %s", (text, message) => {
    const error = Duration.parse(text)
    assert.instanceOf(error, Duration.DurationError)
    assert.strictEqual((error as Duration.DurationError).message, message)
  })

  it("returns for any text", () => {
    const texts = fc.oneof(fc.string(), fc.stringMatching(/^[0-9. smhdwMyµun]*$/))
    fc.assert(
      fc.property(texts, (text) => {
        const result = Duration.parse(text)
        return result instanceof Duration.DurationError || result >= 0
      }),
      { numRuns: 2_000 }
    )
  })

  it("reads a long run of digits without delay", () => {
    assert.instanceOf(Duration.parse(`${"9".repeat(1_000_000)}s`), Duration.DurationError)
  })
})

describe("Duration.format", () => {
  it.each([
    [0, "0s"],
    [60_000, "1m"],
    [5_400_000, "1h 30m"],
    [2 * DAY * 1_000, "2days"],
    [1_500, "1s 500ms"],
    [31_557_600_000, "1year"],
    [0.000017, "17ns"],
    [999.9999999, "1s"]
  ])("%d ms is %s", (millis, text) => {
    assert.strictEqual(Duration.format(millis), text)
  })

  it("is read back as the same duration", () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 31 }), (millis) => Duration.parse(Duration.format(millis)) === millis),
      { numRuns: 2_000 }
    )
  })
})

describe("Duration.human", () => {
  it.each([
    [512, "512ms"],
    [0, "0ms"],
    [1_000, "1s"],
    [1_112, "1.1s"],
    [59_999, "59.9s"],
    [62_000, "1m"],
    [110_000, "1.8m"],
    [3_700_000, "1h"],
    [5_400_000, "1.5h"],
    [7_100_000, "1.9h"]
  ])("1.3 %d ms is %s", (millis, text) => {
    assert.strictEqual(Duration.human(millis), text)
  })
})
