import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { BasicAuth } from "../../../src/plugin/builtin/BasicAuth.ts"
import { compile, makeRunner } from "../../../src/plugin/Pipeline.ts"
import type { LocalResponse } from "../../../src/proxy/Response.ts"
import { PENDING } from "../../../src/proxy/Runtime.ts"
import { fakeExchange, fieldOf } from "../../support/FakeExchange.ts"
import { hooksOf, refusalOf } from "../../support/PluginHooks.ts"

const CHALLENGE = 'Basic realm="Access to the staging site"'
const admin = { authorizations: ["YWRtaW46MTIzMTIz"], hide_credentials: true }
const sending = (...values: ReadonlyArray<string>) =>
  fakeExchange({ fields: values.map((value) => ["Authorization", value] as const) })

const refused = (response: unknown, text: string): void => {
  const { status, body, fields } = response as LocalResponse
  assert.deepEqual({ status, body }, { status: 401, body: text })
  assert.strictEqual(fieldOf(response as LocalResponse, "www-authenticate"), CHALLENGE)
  assert.isTrue(fields.includes("Cache-Control: private, no-cache\r\n"))
}

describe("basic_auth", () => {
  it.effect("BA1: takes several credentials, at request", () =>
    Effect.gen(function* () {
      const hooks = yield* hooksOf(BasicAuth, { authorizations: ["MTIz", "NDU2"], delay: "10s" })
      assert.deepEqual(Object.keys(hooks), ["request"])
      assert.isUndefined(hooks.request?.(sending("Basic MTIz")))
      assert.isUndefined(hooks.request?.(sending("Basic NDU2")))
      assert.isDefined(hooks.request?.(sending("Basic MTIzNDU2")))
    })
  )

  it.effect("BA2: refuses what is not base64", () =>
    Effect.map(refusalOf(BasicAuth, { authorizations: ["1"] }), (message) =>
      assert.strictEqual(message, "Plugin basic_auth, base64 decode error Invalid input length: 1")
    )
  )

  for (const authorizations of [undefined, [], [""]]) {
    it.effect(`refuses authorizations = ${JSON.stringify(authorizations)}`, () =>
      Effect.map(refusalOf(BasicAuth, authorizations === undefined ? {} : { authorizations }), (message) =>
        assert.strictEqual(message, "Plugin basic_auth invalid, message: basic authorizations can't be empty")
      )
    )
  }

  it.effect("refuses a delay that is none", () =>
    Effect.map(refusalOf(BasicAuth, { ...admin, delay: "10" }), (message) =>
      assert.strictEqual(message, "Plugin basic_auth invalid, message: time unit needed, for example 10sec or 10ms")
    )
  )

  it.effect("BA3: lets the right credential pass and hides it", () =>
    Effect.gen(function* () {
      const { request } = yield* hooksOf(BasicAuth, admin)
      const exchange = sending("Basic YWRtaW46MTIzMTIz")
      assert.isUndefined(request?.(exchange))
      assert.isUndefined(exchange.header("authorization"))
    })
  )

  it.effect("leaves the credential for the upstream unless told to hide it", () =>
    Effect.gen(function* () {
      const { request } = yield* hooksOf(BasicAuth, { ...admin, hide_credentials: false })
      const exchange = sending("Basic YWRtaW46MTIzMTIz")
      assert.isUndefined(request?.(exchange))
      assert.strictEqual(exchange.header("authorization"), "Basic YWRtaW46MTIzMTIz")
    })
  )

  for (const value of [
    "Basic YWRtaW46MTIzMTIa",
    "basic YWRtaW46MTIzMTIz",
    "Basic  YWRtaW46MTIzMTIz",
    "Basic YWRtaW46MTIzMTI",
    "Basic YWRtaW46MTIzMTIzMTIz",
    "YWRtaW46MTIzMTIz",
    "Basic",
    "Bearer YWRtaW46MTIzMTIz",
    "Basic \xff"
  ]) {
    it.effect(`BA4: refuses ${JSON.stringify(value)}`, () =>
      Effect.gen(function* () {
        const { request } = yield* hooksOf(BasicAuth, admin)
        const exchange = sending(value)
        refused(request?.(exchange), "Invalid user or password")
        assert.strictEqual(exchange.header("authorization"), value)
      })
    )
  }

  it.effect("refuses a second Authorization beside the right one", () =>
    Effect.gen(function* () {
      const { request } = yield* hooksOf(BasicAuth, admin)
      refused(request?.(sending("Basic YWRtaW46MTIzMTIz", "Basic eA==")), "Invalid user or password")
    })
  )

  it.effect("BA5: asks for a missing or empty credential at once", () =>
    Effect.gen(function* () {
      const { request } = yield* hooksOf(BasicAuth, { ...admin, delay: "10s" })
      refused(request?.(fakeExchange()), "Authorization is missing")
      refused(request?.(sending("")), "Authorization is missing")
    })
  )

  it.effect("waits before it refuses a wrong credential, and lets right ones pass meanwhile", () =>
    Effect.gen(function* () {
      const hooks = yield* hooksOf(BasicAuth, { ...admin, delay: "10s" })
      const outcomes: Array<unknown> = []
      const runner = yield* makeRunner
      const { request } = compile([{ name: "auth", hooks }], {
        runner,
        proceed: (_, outcome) => outcomes.push(outcome)
      })
      assert.strictEqual(request?.run(sending("Basic eA==")), PENDING)
      assert.isUndefined(request?.run(sending("Basic YWRtaW46MTIzMTIz")))
      yield* TestClock.adjust("9 seconds")
      assert.deepEqual(outcomes, [])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(outcomes.length, 1)
      refused(outcomes[0], "Invalid user or password")
    })
  )

  it.effect("stops waiting when the client leaves", () =>
    Effect.gen(function* () {
      const hooks = yield* hooksOf(BasicAuth, { ...admin, delay: "10s" })
      const outcomes: Array<unknown> = []
      const runner = yield* makeRunner
      const { request } = compile([{ name: "auth", hooks }], {
        runner,
        proceed: (_, outcome) => outcomes.push(outcome)
      })
      const exchange = sending("Basic eA==")
      assert.strictEqual(request?.run(exchange), PENDING)
      exchange.interrupt?.()
      yield* TestClock.adjust("1 minute")
      assert.deepEqual(outcomes, [])
    })
  )
})
