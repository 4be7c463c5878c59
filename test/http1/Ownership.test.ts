/** Which names are owned, in any case, and which only look alike. */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as Own from "../../src/http1/Ownership.ts"

const OWNED: ReadonlyArray<readonly [name: string, field: number]> = [
  ["te", Own.TE],
  ["host", Own.HOST],
  ["date", Own.DATE],
  ["expect", Own.EXPECT],
  ["upgrade", Own.UPGRADE],
  ["trailer", Own.TRAILER],
  ["forwarded", Own.FORWARDING],
  ["x-real-ip", Own.FORWARDING],
  ["connection", Own.CONNECTION],
  ["keep-alive", Own.DROP],
  ["content-length", Own.CONTENT_LENGTH],
  ["http2-settings", Own.DROP],
  ["x-forwarded-for", Own.FORWARDING],
  ["x-forwarded-host", Own.FORWARDING],
  ["x-forwarded-port", Own.FORWARDING],
  ["x-forwarded-proto", Own.FORWARDING],
  ["proxy-connection", Own.DROP],
  ["proxy-authorization", Own.DROP],
  ["transfer-encoding", Own.TRANSFER_ENCODING]
]

describe("classify", () => {
  for (const [name, field] of OWNED) {
    it(name, () => {
      fc.assert(
        fc.property(fc.mixedCase(fc.constant(name)), fc.string(), (mixed, before) => {
          assert.strictEqual(Own.classify(`${before}${mixed}: x\r\n`, before.length, mixed.length), field)
        }),
        { numRuns: 50 }
      )
    })
  }

  it("nothing else is owned", () => {
    const names = new Set(OWNED.map(([name]) => name))
    const near = fc
      .tuple(fc.constantFrom(...names), fc.nat(), fc.constantFrom(..."abxz-_09@`[{"))
      .map(([name, at, put]) => {
        const i = at % name.length
        return name.slice(0, i) + put + name.slice(i + 1)
      })
    fc.assert(
      fc.property(near, (name) => {
        if (!names.has(name.toLowerCase())) assert.strictEqual(Own.classify(name, 0, name.length), Own.FREE)
      }),
      { numRuns: 1_000 }
    )
  })
})

describe("look-alikes", () => {
  it("are the owned names with _ for any of their -", () => {
    for (const [name, field] of OWNED) {
      if (!name.includes("-") || field === Own.DATE) continue
      assert.isTrue(Own.isLookAlike(name.replaceAll("-", "_")))
      assert.isTrue(Own.isLookAlike(name.replace("-", "_").toUpperCase()))
    }
    for (const name of ["x_request_id", "_", "content_type", "x_forwarded", "keep_alives"])
      assert.isFalse(Own.isLookAlike(name))
  })
})

describe("nominated", () => {
  for (const [value, names] of [
    ["close", []],
    ["keep-alive, Upgrade", []],
    ["x", ["x"]],
    [" X ,, y\t", ["x", "y"]],
    ["Host, Content-Length, Transfer-Encoding, Authorization, Cookie, Date", []],
    ["X-Forwarded-For, X-Real-IP, Forwarded, TE, Trailer", []],
    ["", []]
  ] as const) {
    it(JSON.stringify(value), () => assert.deepStrictEqual(Own.nominated(value), [...names]))
  }
})

it("listHas", () => {
  for (const [list, token, has] of [
    ["close", "close", true],
    ["CLOSE", "close", true],
    ["a, close ,b", "close", true],
    ["closed", "close", false],
    ["a close", "close", false],
    ["", "close", false]
  ] as const) {
    assert.strictEqual(Own.listHas(list, token), has, list)
  }
})
