import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Directive from "../../src/log/Directive.ts"

const file = (path: string, more: Partial<Directive.FileTarget> = {}): Directive.FileTarget => ({
  path,
  rolling: "daily",
  maxPending: 1000,
  flushMillis: 10_000,
  ...more
})

describe("access_log directive", () => {
  const cases: ReadonlyArray<readonly [text: string, format: string, file: Directive.FileTarget | null]> = [
    ["{when} {host} {method} {path}", "{when} {host} {method} {path}", null],
    ["/var/log/pingap.log {when} {host} {method} {path}", "{when} {host} {method} {path}", file("/var/log/pingap.log")],
    ["combined", "combined", null],
    ["some-text", "some-text", null],
    ["/var/log/a.log combined", "combined", file("/var/log/a.log")],
    ["/var/log/a.log tiny", "tiny", file("/var/log/a.log")],
    ["a.log combined {method}", "a.log combined {method}", null],
    ["two words", "two words", null],
    [
      "~/a.log?rolling=hourly&channel_buffer=50&flush_timeout=500ms short",
      "short",
      file("~/a.log", { rolling: "hourly", maxPending: 50, flushMillis: 500 })
    ],
    ["a.log?rolling=monthly&channel_buffer=x&flush_timeout=soon common", "common", file("a.log")],
    ["a.log?channel_buffer=0&flush_timeout=0 common", "common", file("a.log")],
    ["[{when}] {method}", "[{when}] {method}", null],
    ["?rolling=daily {method}", "{method}", null],
    ["/a.log {method}\n", "{method}", file("/a.log")],
    ["\n{method} {uri}\r\n", "{method} {uri}", null],
    ["", "", null]
  ]
  for (const [text, format, target] of cases) {
    it(`AL1 AL2 21.1 ${JSON.stringify(text)}`, () => {
      assert.deepStrictEqual(Directive.parse(text), { format, file: target })
    })
  }

  it("has no complaint about good directives", () => {
    for (const text of [
      "combined",
      "/a.log tiny",
      "{when} {:location}",
      "a?rolling=never&channel_buffer=1&flush_timeout=1s {uri}"
    ]) {
      assert.deepStrictEqual(Directive.check(text), [], text)
    }
  })

  it("names what is probably a mistake", () => {
    assert.deepStrictEqual(Directive.check("{methd} {:loc}{method}"), ["unknown tag {methd}", "unknown tag {:loc}"])
    assert.deepStrictEqual(Directive.check("combine"), [
      '"combine" is neither a preset (combined, common, short, tiny) nor holds a tag'
    ])
    assert.deepStrictEqual(Directive.check("a?rolling=monthly&size=1&channel_buffer=many&flush_timeout=1 {uri}"), [
      'unknown rolling "monthly", daily is used',
      'unknown parameter "size"',
      'channel_buffer "many" is not a number of lines, 1000 is used',
      'flush_timeout "1" is not a duration, 10s is used'
    ])
    assert.deepStrictEqual(Directive.check("?rolling=daily {uri}"), [
      "the target names no file, lines go to the application log"
    ])
  })

  it("accepts any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        assert.isArray(Directive.check(text))
        const { file } = Directive.parse(text)
        return file === null || (file.path !== "" && file.maxPending > 0 && file.flushMillis >= 1)
      })
    )
  })
})
