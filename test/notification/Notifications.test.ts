import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Config } from "../../src/config/Config.ts"
import * as Memory from "../../src/config/source/Memory.ts"
import { AppLog } from "../../src/log/AppLog.ts"
import { LocalAddresses } from "../../src/notification/LocalAddresses.ts"
import type { Notification } from "../../src/notification/Notification.ts"
import { Notifications } from "../../src/notification/Notifications.ts"
import { Environment } from "../../src/platform/Environment.ts"
import * as Receiver from "./Receiver.ts"

const notice = (message: string, more: Partial<Notification> = {}): Notification => ({
  category: "restart",
  level: "info",
  title: "Title",
  message,
  ...more
})

const basic = (url: string, more = 'webhook_notifications = ["restart", "tls_validity"]'): string =>
  `[basic]\nwebhook = ${JSON.stringify(url)}\n${more}\n`

const machine = Layer.merge(
  Layer.succeed(Environment, { hostname: "edge", env: {} }),
  Layer.succeed(LocalAddresses, () => ["10.0.0.1", "fe80::1"])
)

/** The service on a configuration that can be replaced. */
const start = Effect.fnUntraced(function* (toml: string) {
  const source = yield* Memory.make(toml)
  const scope = yield* Effect.acquireRelease(Scope.make(), Scope.close)
  const context = yield* Layer.buildWithScope(
    Notifications.layer.pipe(Layer.provideMerge(Config.layer()), Layer.provide([source.layer, machine])),
    scope
  )
  const { send } = Context.get(context, Notifications)
  return {
    send: (...list: ReadonlyArray<Notification>) => Effect.forEach(list, send, { discard: true }),
    set: (text: string) => Effect.andThen(source.set(text), Context.get(context, Config).reload),
    close: Scope.close(scope, Exit.void)
  }
})

/** Runs a test under a log whose lines about notifications it can read. */
const logged = <E>(body: (log: () => ReadonlyArray<string>) => Effect.Effect<void, E, Scope.Scope>) => {
  const lines: Array<string> = []
  return Effect.provide(
    Effect.scoped(body(() => lines.filter((line) => line.includes("category=webhook")))),
    AppLog.layerCapture(lines, "debug")
  )
}

const messages = (receiver: Receiver.Receiver, count: number) =>
  Effect.map(Effect.replicateEffect(receiver.next, count), (requests) =>
    requests.map(({ body }) => (JSON.parse(body) as { readonly message: string }).message)
  )

describe("Notifications", () => {
  it.live("logs every notification, and sends what the configuration allows", () =>
    logged((log) =>
      Effect.gen(function* () {
        const receiver = yield* Receiver.make()
        const { send } = yield* start(basic(`${receiver.url}/hunter2`))
        yield* send(
          notice("one"),
          notice("two", { category: "reload_config", level: "error" }),
          notice("three", { category: "tls_validity", level: "warn" })
        )
        assert.strictEqual(
          (yield* receiver.next).body,
          '{"name":"pingap","level":"info","hostname":"edge","ip":"10.0.0.1;fe80::1","category":"restart","message":"one"}'
        )
        assert.deepStrictEqual(yield* messages(receiver, 1), ["three"])
        assert.deepStrictEqual(log(), [
          "DEBUG Title: one category=webhook notification=restart",
          "DEBUG Title: two category=webhook notification=reload_config",
          "DEBUG Title: three category=webhook notification=tls_validity"
        ])
      })
    )
  )

  it.live.each([
    ["no address", "[basic]\nwebhook_notifications = ['restart']\n"],
    ["an empty list", "[basic]\nwebhook = 'http://127.0.0.1:1/'\n"]
  ] as const)("only logs with %s", ([, toml]) =>
    logged((log) =>
      Effect.gen(function* () {
        const { close, send } = yield* start(toml)
        yield* send(notice("one"))
        yield* close
        assert.deepStrictEqual(log(), ["DEBUG Title: one category=webhook notification=restart"])
      })
    )
  )

  it.live("follows the configuration: address, form, name, list", () =>
    logged(() =>
      Effect.gen(function* () {
        const [first, second] = [yield* Receiver.make(), yield* Receiver.make()]
        const { send, set } = yield* start("")
        yield* send(notice("nobody"))
        yield* set(basic(first.url))
        yield* send(notice("one"))
        assert.deepStrictEqual(yield* messages(first, 1), ["one"])
        yield* set(basic(second.url, "name = 'edge-1'\nwebhook_type = 'dingtalk'\nwebhook_notifications = ['restart']"))
        yield* send(notice("two", { category: "tls_validity" }), notice("three"))
        const { markdown } = JSON.parse((yield* second.next).body)
        assert.strictEqual(markdown.title, "restart")
        assert.match(markdown.text, /^ <font color="comment">edge-1\(info\)<\/font>\n(?:.*\n)*\s+>message: three$/)
        assert.strictEqual(yield* first.waiting, 0)
      })
    )
  )

  it.live("tries up to three times, and only what may end better", () =>
    logged((log) =>
      Effect.gen(function* () {
        const failing = yield* Receiver.make(Receiver.status(500, 503, 200, 404, 204))
        const { close, send } = yield* start(basic(`${failing.url}/hunter2?key=hunter2`))
        yield* send(notice("one"), notice("two"), notice("three"))
        assert.deepStrictEqual(yield* messages(failing, 5), ["one", "one", "one", "two", "three"])
        yield* close
        assert.strictEqual(yield* failing.waiting, 0)
        assert.deepStrictEqual(log().slice(3), [
          `WARN a notification was not delivered notification=restart host=${failing.host} reason="status 404" category=webhook`
        ])
        assert.notInclude(log().join("\n"), "hunter2")
      })
    )
  )

  it.live("does not wait for a receiver that hangs; the oldest notifications give way and are counted", () =>
    logged((log) =>
      Effect.gen(function* () {
        const answer = yield* Deferred.make<void>()
        const receiver = yield* Receiver.make((response, count) => {
          if (count > 1) response.end()
          else
            Deferred.await(answer)
              .pipe(Effect.runPromise)
              .then(() => response.end())
        })
        const { send } = yield* start(basic(receiver.url))
        const list = Array.from({ length: 150 }, (_, index) => notice(`${index}`))
        yield* send(list[0]!)
        assert.deepStrictEqual(yield* messages(receiver, 1), ["0"])
        yield* send(...list.slice(1))
        yield* Deferred.succeed(answer, undefined)
        assert.deepStrictEqual(
          yield* messages(receiver, 100),
          list.slice(50).map(({ message }) => message)
        )
        assert.deepStrictEqual(log().slice(150), [
          "WARN the webhook is too slow, the oldest notifications were dropped dropped=49 category=webhook"
        ])
      })
    )
  )

  it.live("sends what is queued before it closes, and nothing after", () =>
    logged((log) =>
      Effect.gen(function* () {
        const receiver = yield* Receiver.make()
        const { close, send } = yield* start(basic(receiver.url))
        yield* send(notice("one"), notice("two"), notice("three"))
        yield* close
        assert.deepStrictEqual(yield* messages(receiver, 3), ["one", "two", "three"])
        yield* send(notice("four"))
        assert.strictEqual(log().length, 4)
        assert.strictEqual(yield* receiver.waiting, 0)
      })
    )
  )

  it.effect("closes after two seconds even when the receiver hangs, and says what was lost", () =>
    logged((log) =>
      Effect.gen(function* () {
        const receiver = yield* Receiver.make(() => undefined)
        const { close, send } = yield* start(basic(receiver.url))
        yield* send(notice("one"), notice("two"), notice("three"))
        yield* receiver.next
        const closing = yield* Effect.forkChild(close, { startImmediately: true })
        yield* TestClock.adjust("1999 millis")
        assert.isUndefined(closing.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        yield* Fiber.join(closing)
        assert.deepStrictEqual(log().slice(3), [
          "WARN notifications were not sent before the end unsent=3 category=webhook"
        ])
      })
    )
  )

  it.live("cuts long messages, and keeps control characters out of the log", () =>
    logged((log) =>
      Effect.gen(function* () {
        const receiver = yield* Receiver.make()
        const { send } = yield* start(basic(receiver.url))
        yield* send(notice(`\u001b[31m\n${"x".repeat(20_000)}`))
        const [message] = yield* messages(receiver, 1)
        assert.strictEqual(Buffer.byteLength(message!), 8 * 1024)
        assert.notMatch(log().join(""), /[\x00-\x1f]/)
      })
    )
  )

  it.live("goes nowhere with an address that cannot be used, which is not repeated", () =>
    logged((log) =>
      Effect.gen(function* () {
        const { send } = yield* start(basic("gopher://h/hunter2"))
        yield* send(notice("one"), notice("two"))
        assert.lengthOf(
          log().filter((line) => !line.includes("Title")),
          0
        )
        assert.notInclude(log().join("\n"), "hunter2")
      })
    )
  )

  it.effect("can be captured, and left out", () =>
    Effect.gen(function* () {
      const list: Array<Notification> = []
      const send = Effect.flatMap(Notifications, ({ send }) => send(notice("one")))
      yield* Effect.provide(send, Notifications.layerCapture(list))
      yield* Effect.provide(send, Notifications.layerNone)
      assert.deepStrictEqual(list, [notice("one")])
    })
  )
})
