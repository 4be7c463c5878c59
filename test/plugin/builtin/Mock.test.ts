import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { Fields } from "../../../src/model/Fields.ts"
import { Mock } from "../../../src/plugin/builtin/Mock.ts"
import { compile, makeRunner } from "../../../src/plugin/Pipeline.ts"
import type { LocalResponse } from "../../../src/proxy/Response.ts"
import { PENDING } from "../../../src/proxy/Runtime.ts"
import { fakeExchange, fieldOf } from "../../support/FakeExchange.ts"
import { hooksOf, noticesOf, refusalOf } from "../../support/PluginHooks.ts"

const unavailable = {
  path: "/vicanso/pingap",
  status: 500,
  headers: ["Content-Type: application/json"],
  data: '{"message":"Mock Service Unavailable"}'
}

const answer = (table: Record<string, unknown>) =>
  Effect.map(hooksOf(Mock, table), ({ request }) => request?.(fakeExchange()) as LocalResponse)

describe("mock", () => {
  it.effect("MO1: runs at request", () =>
    Effect.map(hooksOf(Mock, { ...unavailable, path: "/" }), (hooks) =>
      assert.deepEqual(Object.keys(hooks), ["request"])
    )
  )

  it.effect("MO2: runs at proxy_upstream", () =>
    Effect.map(hooksOf(Mock, { step: "proxy_upstream" }), (hooks) =>
      assert.deepEqual(Object.keys(hooks), ["proxyUpstream"])
    )
  )

  for (const step of ["response", "early_request", "later"]) {
    it.effect(`MO3: refuses step ${step}`, () =>
      Effect.map(refusalOf(Mock, { step }), (message) =>
        assert.strictEqual(
          message,
          `Plugin mock invalid, message: Invalid step(${step}), expect one of: request, proxy_upstream`
        )
      )
    )
  }

  it.effect("MO4: answers its path", () =>
    Effect.gen(function* () {
      const { request } = yield* hooksOf(Mock, unavailable)
      const response = request?.(fakeExchange({ uri: "/vicanso/pingap?size=1" })) as LocalResponse
      assert.strictEqual(response.status, 500)
      assert.strictEqual(response.body, unavailable.data)
      assert.strictEqual(fieldOf(response, "content-type"), "application/json")
      assert.strictEqual(fieldOf(response, "cache-control"), "private, no-cache")
    })
  )

  it.effect("MO5: leaves other paths alone", () =>
    Effect.map(hooksOf(Mock, unavailable), ({ request }) =>
      assert.isUndefined(request?.(fakeExchange({ uri: "/vicanso?size=1" })))
    )
  )

  it.effect("answers every path without one", () =>
    Effect.map(answer({ data: "ü" }), (response) => {
      assert.strictEqual(response.status, 200)
      assert.strictEqual(Buffer.from(response.body as string, "latin1").toString(), "ü")
    })
  )

  it.effect("keeps fields of the same name, and lets them replace Cache-Control", () =>
    Effect.map(answer({ headers: ["Set-Cookie: a=1", "Set-Cookie: b=2", "cache-control: max-age=5"] }), (response) =>
      assert.deepEqual(new Fields(response.fields).entries(), [
        ["Set-Cookie", "a=1"],
        ["Set-Cookie", "b=2"],
        ["cache-control", "max-age=5"]
      ])
    )
  )

  const statuses: ReadonlyArray<readonly [configured: number, sent: number]> = [
    [0, 200],
    [99, 200],
    [103, 200],
    [200, 200],
    [599, 599],
    [999, 999],
    [1000, 200],
    [-1, 200]
  ]
  for (const [configured, sent] of statuses) {
    it.effect(`sends ${sent} for status ${configured}`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* answer({ status: configured })).status, sent)
        const notices = yield* noticesOf(Mock, { status: configured })
        assert.strictEqual(notices.length, configured === sent || configured === 0 ? 0 : 1)
      })
    )
  }

  it.effect("sends no body with 204 and 304", () =>
    Effect.gen(function* () {
      for (const status of [204, 304]) assert.strictEqual((yield* answer({ status, data: "x" })).body, "")
    })
  )

  it.effect("leaves framing to the proxy", () =>
    Effect.gen(function* () {
      const headers = ["Content-Length: 5", "Transfer-Encoding: chunked", "X-A: 1"]
      const response = yield* answer({ headers })
      assert.strictEqual(response.fields, "Cache-Control: private, no-cache\r\nX-A: 1\r\n")
      assert.deepEqual(
        (yield* noticesOf(Mock, { headers })).map((text) => text.slice(0, text.indexOf(":"))),
        ["headers.0", "headers.1"]
      )
    })
  )

  it.effect("waits before it answers", () =>
    Effect.gen(function* () {
      const hooks = yield* hooksOf(Mock, { data: "late", delay: "1m 30s" })
      const outcomes: Array<unknown> = []
      const runner = yield* makeRunner
      const { request } = compile([{ name: "mock", hooks }], {
        runner,
        proceed: (_, outcome) => outcomes.push(outcome)
      })
      assert.strictEqual(request?.run(fakeExchange()), PENDING)
      yield* TestClock.adjust("89 seconds")
      assert.deepEqual(outcomes, [])
      yield* TestClock.adjust("1 second")
      assert.strictEqual((outcomes[0] as LocalResponse).body, "late")
    })
  )

  it.effect("refuses a delay that is none", () =>
    Effect.map(refusalOf(Mock, { delay: "10" }), (message) =>
      assert.strictEqual(message, "Plugin mock invalid, message: time unit needed, for example 10sec or 10ms")
    )
  )
})
