import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Basic } from "../../src/config/schema/Basic.ts"
import * as Dingtalk from "../../src/notification/target/Dingtalk.ts"
import * as Generic from "../../src/notification/target/Generic.ts"
import * as Wecom from "../../src/notification/target/Wecom.ts"
import * as Webhook from "../../src/notification/Webhook.ts"
import * as Receiver from "./Receiver.ts"

const basic = (table: object) => Schema.decodeUnknownSync(Basic)(table)

const of = (table: object): Webhook.Webhook => {
  const webhook = Webhook.of(basic(table))
  if (webhook === null) throw new Error("no webhook")
  return webhook
}

describe("of", () => {
  it("is null without an address", () => {
    assert.isNull(Webhook.of(basic({})))
    assert.isNull(Webhook.of(basic({ webhook: "  " })))
  })

  it.each(["hook", "ftp://h/x", "file:///etc/passwd", "https://", "//h/x"])("is null for %s", (url) => {
    assert.isNull(Webhook.of(basic({ webhook: url })))
  })

  it.each([
    [undefined, Generic.format],
    ["normal", Generic.format],
    ["toString", Generic.format],
    ["wecom", Wecom.format],
    ["WeCom", Wecom.format],
    ["DINGTALK", Dingtalk.format]
  ])("webhook_type %s", (type, format) => {
    const table = { webhook: "http://h", ...(type === undefined ? {} : { webhook_type: type }) }
    assert.strictEqual(of(table).format, format)
  })

  it("tells people the host only, and takes credentials out of the address", () => {
    const webhook = of({ webhook: "https://us%40r:p%2Fw@h.example:8443/robot?key=k", name: "edge-1" })
    assert.strictEqual(webhook.host, "h.example:8443")
    assert.strictEqual(webhook.url, "https://h.example:8443/robot?key=k")
    assert.strictEqual(webhook.headers["authorization"], `Basic ${btoa("us@r:p/w")}`)
    assert.strictEqual(webhook.name, "edge-1")
    assert.strictEqual(of({ webhook: "http://h" }).name, "pingap")
    assert.strictEqual(of({ webhook: "http://h", name: "" }).name, "pingap")
  })
})

describe("post", () => {
  const attempt = (url: string) => Effect.flip(Webhook.post(of({ webhook: url }), "{}"))

  it.live("posts JSON, and takes any 2xx", () =>
    Effect.gen(function* () {
      const receiver = yield* Receiver.make(Receiver.status(202))
      yield* Webhook.post(of({ webhook: `${receiver.url}/a?b=c`, webhook_notifications: [] }), '{"a":"é"}')
      const { body, headers, method, url } = yield* receiver.next
      assert.deepStrictEqual([method, url, body], ["POST", "/a?b=c", '{"a":"é"}'])
      assert.strictEqual(headers["content-type"], "application/json")
      assert.match(headers["user-agent"] ?? "", /^pingap\//)
    })
  )

  it.live.each([
    [302, false],
    [307, false],
    [400, false],
    [404, false],
    [408, true],
    [429, true],
    [500, true],
    [503, true]
  ] as const)("status %d is a failure; worth another attempt: %s", ([status, isTransient]) =>
    Effect.gen(function* () {
      const elsewhere = yield* Receiver.make()
      const receiver = yield* Receiver.make((response) => {
        response.writeHead(status, { location: elsewhere.url })
        response.end()
      })
      const error = yield* attempt(receiver.url)
      assert.strictEqual(error.message, `${receiver.host}: status ${status}`)
      assert.strictEqual(error.isTransient, isTransient)
      assert.strictEqual(yield* elsewhere.waiting, 0)
    })
  )

  it.live("names the code of a connection that fails, not the address", () =>
    Effect.gen(function* () {
      const receiver = yield* Effect.scoped(Receiver.make())
      const refused = yield* attempt(`${receiver.url}/hunter2`)
      assert.strictEqual(refused.message, `${receiver.host}: ECONNREFUSED`)
      const cutting = yield* Receiver.make((response) => response.destroy())
      const cut = yield* attempt(`${cutting.url}/hunter2?key=hunter2`)
      assert.match(cut.message, /^127\.0\.0\.1:\d+: [A-Z_]+$/)
      assert.isTrue(cut.isTransient)
    })
  )

  it.live("does not wait for an answer that never ends", () =>
    Effect.gen(function* () {
      const receiver = yield* Receiver.make((response) => {
        response.writeHead(200)
        response.write("x".repeat(64 * 1024))
      })
      yield* Effect.timeout(Webhook.post(of({ webhook: receiver.url }), "{}"), "5 seconds")
    })
  )

  it.effect("gives up after 30 seconds, and lets the connection go", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const receiver = yield* Receiver.make((response) => {
        response.on("close", () => Deferred.doneUnsafe(closed, Effect.void))
      })
      const running = yield* Effect.forkChild(attempt(receiver.url))
      yield* receiver.next
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(running.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(running)
      assert.strictEqual(error.message, `${receiver.host}: no answer in time`)
      assert.isTrue(error.isTransient)
      yield* Deferred.await(closed)
    })
  )
})
