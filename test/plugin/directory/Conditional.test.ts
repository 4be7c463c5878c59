import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Fields } from "../../../src/model/Fields.ts"
import { allowsRange, evaluate, formatDate, parseDate } from "../../../src/plugin/builtin/directory/Conditional.ts"

// RFC 9110 5.6.7 gives this moment in its three forms.
const IMF = "Sun, 06 Nov 1994 08:49:37 GMT"
const AT = 784_111_777
const BEFORE = formatDate(AT - 1)
const AFTER = formatDate(AT + 1)
const ETAG = 'W/"3e8-2ebcb3e1"'
const OPAQUE = '"3e8-2ebcb3e1"'

describe("dates", () => {
  const NOW = Date.UTC(2026, 0, 1)
  const cases: ReadonlyArray<readonly [text: string, expected: number | null]> = [
    [IMF, AT],
    ["Sunday, 06-Nov-94 08:49:37 GMT", AT],
    ["Sun Nov  6 08:49:37 1994", AT],
    ["Thursday, 01-Jan-76 00:00:00 GMT", Date.UTC(2076, 0, 1) / 1_000],
    ["Friday, 01-Jan-77 00:00:00 GMT", Date.UTC(1977, 0, 1) / 1_000],
    ["Thu, 31 Dec 1998 23:59:60 GMT", Date.UTC(1999, 0, 1) / 1_000],
    ["Sun, 06 Nov 1994 08:49:37 UTC", null],
    ["Sun, 6 Nov 1994 08:49:37 GMT", null],
    ["Sun, 31 Feb 1994 08:49:37 GMT", null],
    ["Sun, 06 Nov 1994 24:00:00 GMT", null],
    ["1994-11-06T08:49:37Z", null],
    ["784111777", null],
    ["", null]
  ]
  for (const [text, expected] of cases) {
    it(`${text} is ${expected}`, () => assert.strictEqual(parseDate(text, NOW), expected))
  }

  it("what is written can be read", () => {
    fc.assert(
      fc.property(fc.nat(4_102_444_800), (seconds) => assert.strictEqual(parseDate(formatDate(seconds)), seconds))
    )
  })
})

describe("preconditions, RFC 9110 13.2.2", () => {
  const cases: ReadonlyArray<readonly [name: string, fields: Record<string, string>, expected: 200 | 304 | 412]> = [
    ["none", {}, 200],
    ["If-Match: any", { "If-Match": "*" }, 200],
    ["If-Match: a weak tag never matches", { "If-Match": ETAG }, 412],
    ["If-Match: another", { "If-Match": '"x"' }, 412],
    ["If-Match hides If-Unmodified-Since", { "If-Match": "*", "If-Unmodified-Since": BEFORE }, 200],
    ["If-Unmodified-Since: same", { "If-Unmodified-Since": IMF }, 200],
    ["If-Unmodified-Since: later", { "If-Unmodified-Since": AFTER }, 200],
    ["If-Unmodified-Since: earlier", { "If-Unmodified-Since": BEFORE }, 412],
    ["If-Unmodified-Since: no date", { "If-Unmodified-Since": "yesterday" }, 200],
    ["If-None-Match: same", { "If-None-Match": ETAG }, 304],
    ["If-None-Match: weak comparison", { "If-None-Match": OPAQUE }, 304],
    ["If-None-Match: in a list", { "If-None-Match": `"x, y", ${ETAG}` }, 304],
    ["If-None-Match: any", { "If-None-Match": "*" }, 304],
    ["If-None-Match: another", { "If-None-Match": 'W/"3e8-2ebcb3e2"' }, 200],
    ["If-None-Match: unquoted", { "If-None-Match": "3e8-2ebcb3e1" }, 200],
    ["If-None-Match hides If-Modified-Since", { "If-None-Match": '"x"', "If-Modified-Since": IMF }, 200],
    ["If-Modified-Since: same", { "If-Modified-Since": IMF }, 304],
    ["If-Modified-Since: later", { "If-Modified-Since": AFTER }, 304],
    ["If-Modified-Since: earlier", { "If-Modified-Since": BEFORE }, 200],
    ["If-Modified-Since: no date", { "If-Modified-Since": "0" }, 200],
    ["a failed condition comes first", { "If-Unmodified-Since": BEFORE, "If-None-Match": ETAG }, 412],
    ["then the tag", { "If-Unmodified-Since": AFTER, "If-None-Match": ETAG }, 304]
  ]
  for (const [name, fields, expected] of cases) {
    it(`${name}: ${expected}`, () =>
      assert.strictEqual(evaluate(Fields.of(Object.entries(fields)), { etag: ETAG, modified: AT }), expected))
  }

  it("two lines of If-None-Match are one list", () => {
    const fields = Fields.of([
      ["If-None-Match", '"x"'],
      ["If-None-Match", ETAG]
    ])
    assert.strictEqual(evaluate(fields, { etag: ETAG, modified: AT }), 304)
  })

  it("a file without a date has no validators", () => {
    const none = { etag: "", modified: 0 }
    for (const name of ["If-None-Match", "If-Modified-Since", "If-Unmodified-Since"]) {
      assert.strictEqual(evaluate(Fields.of([[name, name === "If-None-Match" ? '""' : IMF]]), none), 200, name)
    }
  })
})

describe("If-Range", () => {
  const now = (AT + 3_600) * 1_000
  const cases: ReadonlyArray<readonly [value: string | undefined, now: number, expected: boolean]> = [
    [undefined, now, true],
    [IMF, now, true],
    [BEFORE, now, false],
    [AFTER, now, false],
    [IMF, AT * 1_000 + 500, false],
    [ETAG, now, false],
    [OPAQUE, now, false],
    ["*", now, false]
  ]
  for (const [value, at, expected] of cases) {
    it(`${value} ${at === now ? "later" : "in the same second"}: ${expected}`, () => {
      const fields = Fields.of(value === undefined ? [] : [["If-Range", value]])
      assert.strictEqual(allowsRange(fields, { etag: ETAG, modified: AT }, at), expected)
    })
  }
})
