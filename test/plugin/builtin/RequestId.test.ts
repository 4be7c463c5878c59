import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { isValue } from "../../../src/model/Fields.ts"
import { RequestId } from "../../../src/plugin/builtin/RequestId.ts"
import { fakeExchange, withResponse } from "../../support/FakeExchange.ts"
import { hooksOf, noticesOf, refusalOf } from "../../support/PluginHooks.ts"

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const sending = (id: string) => fakeExchange({ fields: [["X-Request-Id", id]] })

describe("request_id", () => {
  it.effect("RI1: makes nanoids of a size, in a field of a name", () =>
    Effect.gen(function* () {
      const { request } = yield* hooksOf(RequestId, { algorithm: "nanoid", size: 10, header_name: "uid" })
      const exchange = fakeExchange()
      assert.isUndefined(request?.(exchange))
      assert.match(exchange.requestId, /^[A-Za-z0-9_-]{10}$/)
      assert.strictEqual(exchange.header("uid"), exchange.requestId)
      assert.isUndefined(exchange.header("x-request-id"))
    })
  )

  it.effect("RI2: refuses a step it cannot run at", () =>
    Effect.map(refusalOf(RequestId, { step: "response" }), (message) =>
      assert.strictEqual(
        message,
        "Plugin request_id invalid, message: Request id should be executed at request or proxy upstream step"
      )
    )
  )

  it.effect("runs at request for a step that does not exist, and at proxy_upstream when told", () =>
    Effect.gen(function* () {
      assert.deepEqual(Object.keys(yield* hooksOf(RequestId, { step: "later" })), ["request", "upstreamResponse"])
      const chosen = yield* hooksOf(RequestId, { step: "proxy_upstream" })
      assert.deepEqual(Object.keys(chosen), ["proxyUpstream", "upstreamResponse"])
    })
  )

  it.effect("RI3: keeps the id of the client", () =>
    Effect.gen(function* () {
      const { request } = yield* hooksOf(RequestId, {})
      const exchange = sending("123")
      assert.isUndefined(request?.(exchange))
      assert.strictEqual(exchange.requestId, "123")
      assert.strictEqual(exchange.fields.text, "X-Request-Id: 123\r\n")
    })
  )

  it.effect("RI4: makes one where there is none", () =>
    Effect.gen(function* () {
      const nano = yield* hooksOf(RequestId, { algorithm: "nanoid", size: 10 })
      const plain = yield* hooksOf(RequestId, {})
      const [first, second, third] = [fakeExchange(), fakeExchange(), fakeExchange()]
      nano.request?.(first)
      plain.request?.(second)
      plain.request?.(third)
      assert.strictEqual(first.requestId.length, 10)
      assert.match(second.requestId, UUID)
      assert.strictEqual(second.header("x-request-id"), second.requestId)
      assert.isTrue(third.requestId > second.requestId)
    })
  )

  const sizes: ReadonlyArray<readonly [configured: number, used: number]> = [
    [0, 8],
    [-1, 8],
    [128, 128],
    [5000, 128]
  ]
  for (const [size, used] of sizes) {
    it.effect(`uses ${used} for a size of ${size}`, () =>
      Effect.gen(function* () {
        const { request } = yield* hooksOf(RequestId, { algorithm: "nanoid", size })
        const exchange = fakeExchange()
        request?.(exchange)
        assert.strictEqual(exchange.requestId.length, used)
      })
    )
  }

  it.effect("replaces what could harm a log, and cuts what is long", () =>
    Effect.gen(function* () {
      const { request } = yield* hooksOf(RequestId, {})
      for (const id of ["", "a b", 'x"y', "{}", "é", "a\tb", "a,b", "<script>"]) {
        const exchange = sending(id)
        request?.(exchange)
        assert.match(exchange.requestId, UUID, id)
        assert.deepEqual(exchange.fields.getAll("x-request-id"), [exchange.requestId])
      }
      const long = sending("a".repeat(200))
      request?.(long)
      assert.strictEqual(long.requestId, "a".repeat(128))
      assert.strictEqual(long.header("x-request-id"), long.requestId)
    })
  )

  it.effect("has an id of at most 128 safe characters, whatever is sent", () =>
    Effect.gen(function* () {
      const { request } = yield* hooksOf(RequestId, {})
      fc.assert(
        fc.property(fc.string({ maxLength: 300, unit: "binary" }).filter(isValue), (id) => {
          const exchange = sending(id)
          request?.(exchange)
          assert.match(exchange.requestId, /^[\w.~:@+/=-]{1,128}$/)
          assert.strictEqual(exchange.header("x-request-id"), exchange.requestId)
        })
      )
    })
  )

  it.effect("adds the id to the upstream's response under its fixed name", () =>
    Effect.gen(function* () {
      const { request, upstreamResponse } = yield* hooksOf(RequestId, { header_name: "uid" })
      const exchange = fakeExchange({ fields: [["uid", "abc"]] })
      request?.(exchange)
      upstreamResponse?.(withResponse(exchange, 200, [["x-request-id", "upstream's own"]]))
      assert.deepEqual(exchange.response.entries(), [["X-Request-Id", "abc"]])
    })
  )

  for (const header_name of ["a b", "x:", "é"]) {
    it.effect(`refuses header_name ${JSON.stringify(header_name)}`, () =>
      Effect.map(refusalOf(RequestId, { header_name }), (message) =>
        assert.strictEqual(message, "Plugin header_name invalid, message: invalid HTTP header name")
      )
    )
  }

  it.effect("refuses to write fields that the proxy owns", () =>
    Effect.gen(function* () {
      for (const header_name of ["Host", "Content-Length", "transfer-encoding"]) {
        const message = yield* refusalOf(RequestId, { header_name })
        assert.strictEqual(
          message,
          `Plugin header_name invalid, message: ${header_name} is written by the proxy itself`
        )
      }
    })
  )

  it.effect("says what it does not know", () =>
    Effect.gen(function* () {
      assert.deepEqual(yield* noticesOf(RequestId, { algorithm: "ulid" }), [
        'algorithm: "ulid" is not known, expected uuid or nanoid; uuid is used'
      ])
      assert.deepEqual(yield* noticesOf(RequestId, { algorithm: "nanoid", size: 500 }), [
        "size: 500 is out of range, 128 is used"
      ])
    })
  )
})
