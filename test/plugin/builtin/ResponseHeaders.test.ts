import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { isValue } from "../../../src/model/Fields.ts"
import { Environment } from "../../../src/platform/Environment.ts"
import { ResponseHeaders } from "../../../src/plugin/builtin/ResponseHeaders.ts"
import type { FieldPairs } from "../../../src/proxy/Response.ts"
import { type FakeOptions, fakeExchange, withResponse } from "../../support/FakeExchange.ts"
import { hooksOf, noticesOf, refusalOf } from "../../support/PluginHooks.ts"

const rh1 = {
  add_headers: ["X-Service:1", "X-Service:2"],
  set_headers: ["X-Response-Id:123"],
  remove_headers: ["Content-Type"]
}

/** The fields of a response after a table's operations, as `name: value`. */
const edit = (table: Record<string, unknown>, fields: FieldPairs, request: FakeOptions = {}) =>
  hooksOf(ResponseHeaders, table).pipe(
    Effect.provideService(Environment, { hostname: "box", env: { HOME: "/root" } }),
    Effect.map(({ response, upstreamResponse }) => {
      const exchange = withResponse(fakeExchange(request), 200, fields)
      ;(response ?? upstreamResponse)?.(exchange)
      return exchange.response.entries().map(([name, value]) => `${name}: ${value}`)
    })
  )

describe("response_headers", () => {
  it.effect("RH1: adds, sets and removes", () =>
    Effect.map(edit(rh1, [["Content-Type", "text/html"]]), (fields) =>
      assert.deepEqual(fields, ["x-service: 1", "x-service: 2", "x-response-id: 123"])
    )
  )

  it.effect("RH2: sets what is absent after the other operations", () =>
    Effect.map(
      edit({ ...rh1, set_headers_not_exists: ["X-Response-Id:abc", "X-Tag:userTag"] }, [
        ["Content-Type", "application/json"]
      ]),
      (fields) => assert.deepEqual(fields, ["x-service: 1", "x-service: 2", "x-response-id: 123", "x-tag: userTag"])
    )
  )

  const cases: ReadonlyArray<
    readonly [
      title: string,
      table: Record<string, unknown>,
      before: FieldPairs,
      after: ReadonlyArray<string>,
      request?: FakeOptions
    ]
  > = [
    ["add keeps what is there", { add_headers: ["Vary: a"] }, [["Vary", "b"]], ["Vary: b", "vary: a"]],
    [
      "remove takes every value",
      { remove_headers: ["x-a"] },
      [
        ["X-A", "1"],
        ["X-B", "2"],
        ["x-a", "3"]
      ],
      ["X-B: 2"]
    ],
    ["add comes before remove", { add_headers: ["X-A: 1"], remove_headers: ["X-A"] }, [], []],
    [
      "set replaces every value",
      { set_headers: ["X-A: 9"] },
      [
        ["X-A", "1"],
        ["x-a", "2"]
      ],
      ["x-a: 9"]
    ],
    ["set wins over add", { add_headers: ["X-A: 1"], set_headers: ["X-A: 2"] }, [], ["x-a: 2"]],
    ["absent only", { set_headers_not_exists: ["X-A: 9"] }, [["X-A", "1"]], ["X-A: 1"]],
    [
      "rename moves every value",
      { rename_headers: ["X-Old:X-New"] },
      [
        ["X-Old", "1"],
        ["x-old", "2"]
      ],
      ["x-new: 1", "x-new: 2"]
    ],
    [
      "rename keeps the values of the new name",
      { rename_headers: ["a : b"] },
      [
        ["b", "1"],
        ["a", "2"]
      ],
      ["b: 1", "b: 2"]
    ],
    ["rename of nothing does nothing", { rename_headers: ["a:b"] }, [["c", "1"]], ["c: 1"]],
    ["rename to itself does nothing", { rename_headers: ["A:a"] }, [["A", "1"]], ["A: 1"]],
    ["hostname", { set_headers: ["X-Server: $hostname"] }, [], ["x-server: box"]],
    ["environment", { set_headers: ["X-Home: $HOME"] }, [], ["x-home: /root"]],
    ["host", { set_headers: ["X-Host: $host"] }, [], ["x-host: a.com"], { fields: [["Host", "a.com"]] }],
    ["literal", { set_headers: ["X-Id: UUID"] }, [], ["x-id: UUID"]],
    ["no value adds nothing", { add_headers: ["X-O: $http_origin"] }, [["X-A", "1"]], ["X-A: 1"]],
    ["no value sets nothing", { set_headers: ["X-O: $http_origin"] }, [["X-O", "1"]], []],
    [
      "a value of the request",
      { set_headers: ["X-O: $http_origin"] },
      [],
      ["x-o: https://a.com"],
      {
        fields: [["Origin", "https://a.com"]]
      }
    ]
  ]
  for (const [title, table, before, after, request] of cases) {
    it.effect(title, () => Effect.map(edit(table, before, request), (fields) => assert.deepEqual(fields, after)))
  }

  it.effect("runs where mode says, whatever step says", () =>
    Effect.gen(function* () {
      const set_headers = ["X-A: 1"]
      const phases = (table: Record<string, unknown>) =>
        Effect.map(hooksOf(ResponseHeaders, { set_headers, ...table }), (hooks) => Object.keys(hooks))
      assert.deepEqual(yield* phases({}), ["response"])
      assert.deepEqual(yield* phases({ mode: "upstream" }), ["upstreamResponse"])
      assert.deepEqual(yield* phases({ mode: "other", step: "upstream_response" }), ["response"])
      assert.deepEqual(yield* hooksOf(ResponseHeaders, {}), {})
    })
  )

  const refusals: ReadonlyArray<readonly [table: Record<string, unknown>, message: string]> = [
    [{ set_headers: ["a b: c"] }, "invalid header name: a b - invalid HTTP header name"],
    [{ remove_headers: ["a b"] }, "invalid header name: a b - invalid HTTP header name"],
    [{ rename_headers: ["a:"] }, "invalid header name:  - invalid HTTP header name"],
    [{ add_headers: ["a: b\nc"] }, "invalid header value of a - failed to parse header value"],
    [{ add_headers: ["plain"] }, 'header "plain" has no colon, expected "Name: value"']
  ]
  for (const [table, message] of refusals) {
    it.effect(`refuses ${JSON.stringify(table)}`, () =>
      Effect.map(refusalOf(ResponseHeaders, table), (text) =>
        assert.strictEqual(text, `Plugin response_headers invalid, message: ${message}`)
      )
    )
  }

  it.effect("never touches framing", () =>
    Effect.gen(function* () {
      const table = {
        add_headers: ["Transfer-Encoding: chunked"],
        remove_headers: ["Content-Length"],
        set_headers: ["Content-Length: 1"],
        set_headers_not_exists: ["Connection: close"],
        rename_headers: ["X-A:Upgrade", "Content-Length:X-B", "x"]
      }
      assert.deepEqual(yield* edit(table, [["X-A", "1"]]), ["X-A: 1"])
      assert.deepEqual(
        (yield* noticesOf(ResponseHeaders, table)).map((notice) => notice.slice(0, notice.indexOf(":"))),
        [
          "add_headers.0",
          "remove_headers.0",
          "set_headers.0",
          "set_headers_not_exists.0",
          "rename_headers.0",
          "rename_headers.1",
          "rename_headers.2"
        ]
      )
    })
  )

  it.effect("leaves out variables of the environment that are absent or cannot be sent", () =>
    Effect.gen(function* () {
      const { response } = yield* hooksOf(ResponseHeaders, {
        add_headers: ["X-A: $BAD", "X-B: $ABSENT", "X-C: $GOOD"],
        set_headers: ["X-D: $BAD"]
      }).pipe(Effect.provideService(Environment, { hostname: "box", env: { BAD: "a\r\nX-Evil: 1", GOOD: "1" } }))
      const exchange = withResponse(fakeExchange(), 200, [["X-D", "1"]])
      response?.(exchange)
      assert.strictEqual(exchange.response.text, "x-c: 1\r\n")
    })
  )

  it.effect("leaves a well-formed block, whatever the client sends", () =>
    Effect.gen(function* () {
      const { response } = yield* hooksOf(ResponseHeaders, {
        set_headers: ["X-Path: $http_x-a"],
        add_headers: ["X: y"]
      })
      fc.assert(
        fc.property(fc.string({ maxLength: 40, unit: "binary" }).filter(isValue), (value) => {
          const exchange = withResponse(fakeExchange({ fields: [["X-A", value]] }), 200)
          response?.(exchange)
          assert.match(exchange.response.text, /^x: y\r\n(x-path: [\t\x20-\x7e\x80-\xff]*\r\n)?$/)
        })
      )
    })
  )
})
