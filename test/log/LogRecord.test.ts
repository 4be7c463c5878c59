import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as LogRecord from "../../src/log/LogRecord.ts"
import * as Timestamp from "../../src/log/Timestamp.ts"

const MOMENT = Date.UTC(2025, 0, 31, 2, 20, 30, 123)
const timestamps = Timestamp.make(() => 480)
const text = LogRecord.text(timestamps)
const json = LogRecord.json(timestamps)

const cyclic: Record<string, unknown> = {}
cyclic["self"] = cyclic

describe("text records", () => {
  it("hold time, level, message and fields", () => {
    assert.strictEqual(
      text(MOMENT, "info", "config applied", { category: "config", count: 3, took: "1.5 s", empty: "", ok: true }),
      '2025-01-31T10:20:30.123+08:00 INFO config applied category=config count=3 took="1.5 s" empty="" ok=true'
    )
    assert.strictEqual(text(MOMENT, "warn", "plain", undefined), "2025-01-31T10:20:30.123+08:00 WARN plain")
  })

  it("stay on one line", () => {
    const line = text(MOMENT, "error", "a\nb\tc\x1b[31m\x9b\u2028\u202e", {
      "k ey=": 'v\n"q"',
      cause: new Error("x\ny")
    })
    assert.match(line, /ERROR a\\nb\\tc\\x1b\[31m\\x9b\\u2028\\u202e k_ey_="v\\n\\"q\\"" cause="Error: x\\ny\\n {4}at /)
    assert.isFalse(/[\n\r\x1b]/.test(line))
  })

  it("keep other scripts readable", () => {
    assert.match(text(MOMENT, "info", "Ort café 日本", { ort: "café" }), /Ort café 日本 ort=café$/)
  })

  it("write every kind of value", () => {
    const fields = { list: [1, "a b"], nothing: null, missing: undefined, big: 10n, cyclic, fn: Symbol("s") }
    assert.match(
      text(MOMENT, "info", "m", fields),
      /m list=\[1,"a b"\] nothing=null missing=undefined big=10 cyclic=\[object Object\] fn=Symbol\(s\)$/
    )
  })

  it("cut what is no message any more", () => {
    assert.isBelow(text(MOMENT, "info", "x".repeat(1e6), { y: "y".repeat(1e6) }).length, 40_000)
  })
})

describe("JSON records", () => {
  it("hold timestamp, level and fields", () => {
    assert.deepStrictEqual(JSON.parse(json(MOMENT, "warn", "degraded", { category: "health", count: 2 })), {
      timestamp: "2025-01-31T10:20:30.123+08:00",
      level: "WARN",
      fields: { message: "degraded", category: "health", count: 2 }
    })
  })

  it("survive fields that cannot be written", () => {
    assert.deepStrictEqual(JSON.parse(json(MOMENT, "info", "m", { cyclic })).fields, { message: "m" })
    assert.strictEqual(JSON.parse(json(MOMENT, "info", "m", { big: 10n })).fields.big, "10")
  })

  it("any record is one line and keeps its message", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.dictionary(fc.string(), fc.anything()), (message, fields) => {
        assert.isFalse(/[\r\n\x00-\x1f\x7f-\x9f]/.test(text(MOMENT, "info", message, fields)))
        const line = json(MOMENT, "info", message, fields)
        assert.isFalse(/[\r\n\x00-\x1f\x7f-\x9f]/.test(line))
        if (!Object.hasOwn(fields, "message")) assert.strictEqual(JSON.parse(line).fields.message, message)
      })
    )
  })
})

describe("durations", () => {
  for (const [millis, expected] of [
    [1_000, "1.0s"],
    [60_000, "1.0m"],
    [3_600_000, "1.0h"],
    [86_400_000, "1.0d"],
    [1_540, "1.5s"],
    [20, "0.0s"]
  ] as const) {
    it(`FD3 ${millis} ms is ${expected}`, () => assert.strictEqual(LogRecord.duration(millis), expected))
  }
})
