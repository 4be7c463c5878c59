/** Chains of hooks: order, waiting, interruption, failing closed, and bodies through several stages. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { compile, type Member, makeRunner } from "../../src/plugin/Pipeline.ts"
import type { Decision, Hooks } from "../../src/plugin/Plugin.ts"
import type { BodySink, BodyTransform, Flow } from "../../src/proxy/Body.ts"
import type { Exchange } from "../../src/proxy/Exchange.ts"
import { pluginFailed, shuttingDown } from "../../src/proxy/Failure.ts"
import { respond } from "../../src/proxy/Response.ts"
import { PENDING } from "../../src/proxy/Runtime.ts"
import { fakeExchange, through, withResponse } from "../support/FakeExchange.ts"

const teapot = respond(418)

interface Harness {
  readonly events: Array<string>
  readonly chains: (members: ReadonlyArray<Member>) => ReturnType<typeof compile>
}

/** Everything that happens, in one list: hooks, outcomes, log lines. */
const harness = Effect.gen(function* () {
  const events: Array<string> = []
  const logger = Logger.make(({ message, fiber }) => {
    const { plugin } = fiber.getRef(References.CurrentLogAnnotations)
    events.push(`log ${Array.isArray(message) ? message[0] : message}: ${plugin}`)
  })
  const runner = yield* makeRunner.pipe(Effect.provide(Logger.layer([logger])))
  const proceed = (_: Exchange, outcome: unknown) => {
    const text =
      outcome === undefined
        ? "on"
        : outcome === pluginFailed
          ? "failed"
          : outcome === shuttingDown
            ? "stopping"
            : "response"
    events.push(`proceed ${text}`)
  }
  return { events, chains: (members) => compile(members, { runner, proceed }) } satisfies Harness
})

const member = (name: string, hooks: Hooks): Member => ({ name, hooks })
const request = (name: string, hook: NonNullable<Hooks["request"]>): Member => member(name, { request: hook })

describe("request chains", () => {
  it.effect("leaves out steps that no plugin takes part in", () =>
    Effect.gen(function* () {
      const { chains } = yield* harness
      for (const chain of Object.values(chains([member("idle", {})]))) assert.isNull(chain)
      const some = chains([member("a", { proxyUpstream: () => undefined, responseBody: () => undefined })])
      assert.isNotNull(some.proxyUpstream)
      assert.isNotNull(some.responseBody)
      assert.isNull(some.request)
    })
  )

  it.effect("M12: runs hooks in list order at every step, whatever the request asks to upgrade to", () =>
    Effect.gen(function* () {
      const { events, chains } = yield* harness
      const seen = (name: string): Member =>
        member(name, {
          earlyRequest: () => void events.push(`early ${name}`),
          request: () => void events.push(`request ${name}`)
        })
      const { early, request } = chains([seen("a"), seen("b")])
      for (const fields of [
        [],
        [["Upgrade", "x"]],
        [
          ["Connection", "Upgrade"],
          ["Upgrade", "websocket"]
        ]
      ] as const) {
        events.length = 0
        const exchange = fakeExchange({ fields: fields as ReadonlyArray<readonly [string, string]> })
        assert.isUndefined(early?.run(exchange))
        assert.isUndefined(request?.run(exchange))
        assert.deepEqual(events, ["early a", "early b", "request a", "request b"])
      }
    })
  )

  it.effect("stops at the first response", () =>
    Effect.gen(function* () {
      const { events, chains } = yield* harness
      const { request: chain } = chains([
        request("a", () => undefined),
        request("b", () => teapot),
        request("c", () => void events.push("c"))
      ])
      assert.strictEqual(chain?.run(fakeExchange()), teapot)
      assert.deepEqual(events, [])
    })
  )

  it.effect("takes an effect that ends at once without waiting", () =>
    Effect.gen(function* () {
      const { events, chains } = yield* harness
      const { request: chain } = chains([
        request("a", () => Effect.succeed(undefined)),
        request("b", () => Effect.sync((): Decision => void events.push("b"))),
        request("c", () =>
          Effect.gen(function* () {
            yield* Effect.void
            return teapot
          })
        )
      ])
      const exchange = fakeExchange()
      assert.strictEqual(chain?.run(exchange), teapot)
      assert.isNull(exchange.interrupt)
      assert.deepEqual(events, ["b"])
    })
  )

  it.effect("waits for an effect, goes on with the following hooks and proceeds once", () =>
    Effect.gen(function* () {
      const { events, chains } = yield* harness
      const { request: chain } = chains([
        request("a", () => Effect.as(Effect.sleep("1 second"), undefined)),
        request("b", () => void events.push("b")),
        request("c", () => Effect.as(Effect.sleep("1 second"), teapot)),
        request("d", () => void events.push("d"))
      ])
      const exchange = fakeExchange()
      assert.strictEqual(chain?.run(exchange), PENDING)
      assert.isNotNull(exchange.interrupt)
      assert.deepEqual(events, [])
      yield* TestClock.adjust("1 second")
      assert.deepEqual(events, ["b"])
      assert.isNotNull(exchange.interrupt)
      yield* TestClock.adjust("1 second")
      assert.deepEqual(events, ["b", "proceed response"])
      assert.isNull(exchange.interrupt)
    })
  )

  it.effect("interrupts the effect when the client leaves, and never proceeds", () =>
    Effect.gen(function* () {
      const { events, chains } = yield* harness
      const { request: chain } = chains([
        request("a", () =>
          Effect.as(Effect.sleep("1 second"), undefined).pipe(
            Effect.onInterrupt(() => Effect.sync(() => events.push("interrupted")))
          )
        ),
        request("b", () => void events.push("b"))
      ])
      const exchange = fakeExchange()
      assert.strictEqual(chain?.run(exchange), PENDING)
      exchange.interrupt?.()
      assert.isNull(exchange.interrupt)
      yield* TestClock.adjust("1 minute")
      assert.deepEqual(events, ["interrupted"])
    })
  )

  it.effect("answers that the process stops when the generation's scope closes first", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { events, chains } = yield* Scope.provide(harness, scope)
      const { request: chain } = chains([request("a", () => Effect.never)])
      const exchange = fakeExchange()
      assert.strictEqual(chain?.run(exchange), PENDING)
      yield* Scope.close(scope, Exit.void)
      assert.deepEqual(events, ["proceed stopping"])
      assert.strictEqual(chain?.run(fakeExchange()), shuttingDown)
    })
  )

  const misdeeds: ReadonlyArray<readonly [string, NonNullable<Hooks["request"]>]> = [
    [
      "throws",
      () => {
        throw new Error("boom")
      }
    ],
    ["returns an effect that dies", () => Effect.die("boom")],
    ["returns an effect that fails", () => Effect.fail("boom") as unknown as Effect.Effect<Decision>],
    ["returns a promise", (() => Promise.resolve(undefined)) as unknown as NonNullable<Hooks["request"]>],
    ["returns null", (() => null) as unknown as NonNullable<Hooks["request"]>],
    ["has an effect of null", (() => Effect.succeed(null)) as unknown as NonNullable<Hooks["request"]>]
  ]
  for (const [title, hook] of misdeeds) {
    it.effect(`fails closed with one log line when a hook ${title}`, () =>
      Effect.gen(function* () {
        const { events, chains } = yield* harness
        const { request: chain } = chains([request("auth", hook), request("b", () => void events.push("b"))])
        assert.strictEqual(chain?.run(fakeExchange()), pluginFailed)
        assert.deepEqual(events, ["log Plugin failed: auth"])
      })
    )
  }

  it.effect("fails closed when an effect dies after a wait", () =>
    Effect.gen(function* () {
      const { events, chains } = yield* harness
      const { request: chain } = chains([
        request("auth", () => Effect.andThen(Effect.sleep("1 second"), Effect.die("boom")))
      ])
      assert.strictEqual(chain?.run(fakeExchange()), PENDING)
      yield* TestClock.adjust("1 second")
      assert.deepEqual(events, ["log Plugin failed: auth", "proceed failed"])
    })
  )
})

describe("response chains", () => {
  it.effect("run in list order, and one that throws does not stop the others", () =>
    Effect.gen(function* () {
      const { events, chains } = yield* harness
      const { response } = chains([
        member("a", { response: (exchange) => exchange.response.append("x-a", "1") }),
        member("b", {
          response: () => {
            throw new Error("boom")
          }
        }),
        member("c", { response: (exchange) => exchange.response.append("x-c", exchange.response.get("x-a") ?? "") })
      ])
      const exchange = withResponse(fakeExchange(), 200)
      response?.(exchange)
      assert.strictEqual(exchange.response.text, "x-a: 1\r\nx-c: 1\r\n")
      assert.deepEqual(events, ["log Plugin failed: b"])
    })
  )
})

/** Writes `tag` around every piece. */
const tagging =
  (tag: string): BodyTransform =>
  (next) => ({
    write: (chunk): Flow => next.write(Buffer.from(`${tag}(${chunk.toString()})`)),
    end: (trailers) => {
      next.write(Buffer.from(`.${tag}`))
      next.end(trailers)
    },
    abort: (failure) => next.abort(failure)
  })

const failingAt =
  (at: "write" | "end"): BodyTransform =>
  (next: BodySink) => ({
    write: (chunk) => {
      if (at === "write") throw new Error("boom")
      return next.write(chunk)
    },
    end: () => {
      throw new Error("boom")
    },
    abort: (failure) => next.abort(failure)
  })

describe("body chains", () => {
  it.effect("M13: put the first plugin nearest the source, and leave out those that pass", () =>
    Effect.gen(function* () {
      const { chains } = yield* harness
      const { responseBody } = chains([
        member("a", { responseBody: () => tagging("a") }),
        member("b", { responseBody: () => undefined }),
        member("c", { responseBody: () => tagging("c") }),
        member("d", { responseBody: () => tagging("d") })
      ])
      const transform = responseBody?.(fakeExchange())
      assert.strictEqual(through(transform!, ["x"]).body, "d(c(a(x)))d(c(.a))d(.c).d")
    })
  )

  it.effect("are absent for an exchange that no plugin wants to rewrite", () =>
    Effect.gen(function* () {
      const { chains } = yield* harness
      assert.isNull(chains([member("a", { requestBody: () => undefined })]).requestBody?.(fakeExchange()) ?? null)
    })
  )

  for (const at of ["write", "end"] as const) {
    it.effect(`break the body when a stage throws in ${at}`, () =>
      Effect.gen(function* () {
        const { events, chains } = yield* harness
        const { responseBody } = chains([
          member("a", { responseBody: () => tagging("a") }),
          member("b", { responseBody: () => failingAt(at) })
        ])
        const { sink, source } = through(responseBody!(fakeExchange())!, ["x", "y"])
        assert.strictEqual(sink.failure, pluginFailed)
        assert.isFalse(sink.ended)
        assert.strictEqual(source.cancelled, at === "write")
        assert.deepEqual(events, ["log Plugin failed: b"])
      })
    )
  }

  it.effect("break the body when a hook throws while it decides", () =>
    Effect.gen(function* () {
      const { events, chains } = yield* harness
      const { upstreamBody } = chains([
        member("a", {
          upstreamBody: () => {
            throw new Error("boom")
          }
        })
      ])
      for (const pieces of [["x"], []]) {
        events.length = 0
        const { sink } = through(upstreamBody!(fakeExchange())!, pieces)
        assert.strictEqual(sink.failure, pluginFailed)
        assert.isFalse(sink.ended)
        assert.strictEqual(sink.body, "")
        assert.deepEqual(events, ["log Plugin failed: a"])
      }
    })
  )

  it.effect("pass a reader's wish for more to the nearest stage that holds something back", () =>
    Effect.gen(function* () {
      const { chains } = yield* harness
      const told: Array<string> = []
      const holding =
        (name: string): BodyTransform =>
        (next, source) => ({
          write: (chunk) => next.write(chunk),
          end: (trailers) => next.end(trailers),
          abort: (failure) => next.abort(failure),
          resume: () => {
            told.push(name)
            source.resume()
          }
        })
      const { responseBody } = chains([
        member("a", { responseBody: () => holding("a") }),
        member("b", { responseBody: () => tagging("b") }),
        member("c", { responseBody: () => holding("c") }),
        member("d", { responseBody: () => tagging("d") })
      ])
      const source = { resume: () => void told.push("source"), cancel: () => void told.push("cancel") }
      const stage = responseBody!(fakeExchange())!(through(tagging("z"), []).sink, source)
      stage.resume?.()
      assert.deepEqual(told, ["c", "a", "source"])
    })
  )
})
