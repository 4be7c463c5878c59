/**
 * Every arrow of the application's graph is a layer that can be replaced: the source, the upstreams, the sockets, the
 * clock, the log, the list of plugins.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as App from "../src/App.ts"
import { ConfigSource, ConfigSourceError } from "../src/config/ConfigSource.ts"
import * as MemorySource from "../src/config/source/Memory.ts"
import { Generations } from "../src/generation/Generations.ts"
import { AccessLog } from "../src/log/AccessLog.ts"
import { AppLog } from "../src/log/AppLog.ts"
import { Environment } from "../src/platform/Environment.ts"
import { Timekeeper } from "../src/platform/Timekeeper.ts"
import { define, type PluginDefinition } from "../src/plugin/Plugin.ts"
import { Plugins } from "../src/plugin/Plugins.ts"
import { type BodyTransform, FULL } from "../src/proxy/Body.ts"
import { respond, respondStream, text } from "../src/proxy/Response.ts"
import { Listeners } from "../src/server/Listeners.ts"
import * as FakeUpstreams from "./support/FakeUpstreams.ts"
import { StrictUpstream } from "./support/StrictUpstream.ts"
import * as TestProxy from "./support/TestProxy.ts"

/** A server with one location for everything. */
const config = (location: string, rest = ""): string => `
[servers.test]
addr = "127.0.0.1:0"
locations = ["lo"]
access_log = "{method} {uri} {status} {:upstream_addr}"
[locations.lo]
${location}
${rest}`

const UP = `[upstreams.up]\naddrs = ["127.0.0.1:1"]\n`

const ask = Effect.fnUntraced(function* (path: string, init?: RequestInit) {
  const proxy = yield* App.Proxy
  const response = yield* proxy.handle(new Request(`http://test${path}`, init))
  return `${response.status} ${yield* Effect.promise(() => response.text())}`
})

describe("the source", () => {
  it.effect("may be a text in memory", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* ask("/ping"), "200 pong")
    }).pipe(Effect.provide(TestProxy.layer(config(`plugins = ["pingap:ping"]`))))
  )

  it.effect("may be anything that delivers documents; what it cannot deliver is the error", () =>
    Effect.gen(function* () {
      const source = Layer.succeed(ConfigSource, {
        read: Effect.fail(new ConfigSourceError({ file: "ether", message: "is silent" })),
        changes: Stream.never
      })
      const error = yield* Effect.flip(Effect.provide(ask("/"), TestProxy.layer(source)))
      assert.match(String(error), /ether: error: is silent/)
    })
  )

  it.effect("is refused with every finding", () =>
    Effect.gen(function* () {
      const wrong = config(`upstream = "missing"\nrewrite = "(" `, `[plugins.a]\ncategory = "mock"\nstatus = "ok"`)
      const error = yield* Effect.flip(Effect.provide(ask("/"), TestProxy.layer(wrong)))
      assert.match(String(error), /memory:\d+:\d+: error: locations\.lo\.upstream: .*missing/)
      assert.match(String(error), /memory:\d+:\d+: error: locations\.lo\.rewrite: /)
    })
  )
})

describe("the upstreams", () => {
  const lines: Array<string> = []
  // The same list as App.layer, with other members; nothing listens.
  const layer = App.Proxy.layer.pipe(
    Layer.provide(
      Layer.effect(
        Listeners,
        Effect.map(Generations, (generations) => ({
          addresses: Effect.succeed([]),
          serving: Stream.map(generations.changes, (generation) => ({ generation, errors: [] })),
          generation: Effect.sync(() => generations.current().id),
          connections: Effect.succeed(0)
        }))
      )
    ),
    Layer.provide(Generations.layer),
    Layer.provide(FakeUpstreams.layer),
    Layer.provide(Timekeeper.layer),
    Layer.provide(AccessLog.layerCapture(lines)),
    Layer.provide(App.config()),
    Layer.provide(Plugins.layer()),
    Layer.provide(
      MemorySource.layer(
        config(`upstream = "up"\nrewrite = "^/old/(.*)$ /$1"\nproxy_set_headers = ["X-Home: $HOME"]`, UP)
      )
    ),
    Layer.provide(Layer.succeed(Environment, { hostname: "h", env: { HOME: "/nowhere" } }))
  )

  it.effect("may answer without a socket, behind an access log that is a list", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* ask("/old/a?b=c"), "200 up: GET /a?b=c")
      assert.strictEqual(yield* ask("/p", { method: "POST", body: "hello" }), "200 up: POST /p hello")
      assert.deepStrictEqual(lines, ["GET /a?b=c 200 fake:up", "POST /p 200 fake:up"])
    }).pipe(Effect.provide(layer))
  )
})

describe("the clock", () => {
  it.effect("may be a test's: a delay passes when it is told to", () =>
    Effect.gen(function* () {
      const answer = yield* Effect.forkChild(ask("/"))
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(answer.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(answer), "200 at last")
    }).pipe(
      Effect.provide(
        TestProxy.layer(
          config(`plugins = ["slow"]`, `[plugins.slow]\ncategory = "mock"\ndelay = "1m"\ndata = "at last"`)
        )
      )
    )
  )

  it.effect("moves the data plane's time-outs too", () =>
    Effect.gen(function* () {
      const silent = yield* Effect.acquireRelease(
        Effect.promise(() => StrictUpstream.start()),
        (upstream) => Effect.promise(() => upstream[Symbol.asyncDispose]())
      )
      silent.onRequest = () => undefined
      yield* Effect.gen(function* () {
        const answer = yield* Effect.forkChild(ask("/"))
        yield* Effect.promise(() => silent.received())
        yield* TestClock.adjust("29 seconds")
        assert.isUndefined(answer.pollUnsafe())
        yield* TestClock.adjust("2 seconds")
        assert.match(yield* Fiber.join(answer), /^504 [\s\S]*Upstream did not answer in time/)
      }).pipe(
        Effect.provide(
          TestProxy.layer(
            config(`upstream = "up"`, `[upstreams.up]\naddrs = ["127.0.0.1:${silent.port}"]\nread_timeout = "30s"\n`)
          )
        )
      )
    })
  )
})

describe("the log", () => {
  it.effect("may be a list of lines, access log included", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      yield* ask("/ping")
      yield* Effect.logWarning("attention", { why: "test" })
      ;(yield* AppLog).error("plain")
      assert.deepStrictEqual(log, ["INFO GET /ping 200 ", "WARN attention why=test", "ERROR plain"])
    }).pipe(Effect.provide(TestProxy.layer(config(`plugins = ["pingap:ping"]`), { log })))
  })
})

describe("plugins of one's own", () => {
  const run = (
    // biome-ignore lint/suspicious/noExplicitAny: plugins with options of any type
    plugin: PluginDefinition<any, any>,
    options = ""
  ) => {
    const location = `upstream = "up"\nplugins = ["own"]`
    const content = config(location, `${UP}[plugins.own]\ncategory = "${plugin.category}"\n${options}`)
    const log: Array<string> = []
    const layer = App.Proxy.layer.pipe(
      Layer.provide(Listeners.layer),
      Layer.provide(Generations.layer),
      Layer.provide(FakeUpstreams.layer),
      Layer.provide(Timekeeper.layer),
      Layer.provide(AccessLog.layer),
      Layer.provide(App.config()),
      Layer.provide(Plugins.layer({ extra: [plugin] })),
      Layer.provide(MemorySource.layer(content)),
      Layer.provide(AppLog.layerCapture(log))
    )
    return { log, layer }
  }

  it.effect("decide at once", () => {
    const { layer } = run(
      define({
        category: "teapot",
        description: "Refuses coffee.",
        options: Schema.Struct({ path: Schema.String }),
        make: ({ path }) => {
          const refusal = respond(418, [], "short and stout")
          return Effect.succeed({ request: (exchange) => (exchange.path === path ? refusal : undefined) })
        }
      }),
      `path = "/coffee"`
    )
    return Effect.gen(function* () {
      assert.strictEqual(yield* ask("/coffee"), "418 short and stout")
      assert.strictEqual(yield* ask("/tea"), "200 up: GET /tea")
    }).pipe(Effect.provide(layer))
  })

  it.effect("decide as an effect, which ends when the client leaves", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const verdict = yield* Deferred.make<string>()
      const { layer } = run(
        define({
          category: "oracle",
          description: "Asks somebody else.",
          options: Schema.Struct({}),
          make: () =>
            Effect.succeed({
              request: (exchange) =>
                Deferred.await(verdict).pipe(
                  Effect.map((answer) => (answer === "pass" ? undefined : text(answer))),
                  Effect.onInterrupt(() => Effect.sync(() => events.push(`gave up on ${exchange.path}`)))
                )
            })
        })
      )
      yield* Effect.gen(function* () {
        const [stays, leaves] = [yield* Effect.forkChild(ask("/stays")), yield* Effect.forkChild(ask("/leaves"))]
        yield* Effect.yieldNow
        yield* Fiber.interrupt(leaves)
        assert.deepStrictEqual(events, ["gave up on /leaves"])
        yield* Deferred.succeed(verdict, "pass")
        assert.strictEqual(yield* Fiber.join(stays), "200 up: GET /stays")
        assert.deepStrictEqual(events, ["gave up on /leaves"])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("that throw, die or fail closed leave their trace in the log and nothing else", () => {
    const { layer, log } = run(
      define({
        category: "clumsy",
        description: "Breaks.",
        options: Schema.Struct({}),
        make: () =>
          Effect.succeed({
            request: (exchange) => {
              if (exchange.path === "/throws") throw new Error("thrown")
              return exchange.path === "/dies" ? Effect.die("dead") : undefined
            }
          })
      })
    )
    return Effect.gen(function* () {
      assert.match(yield* ask("/throws"), /^500 [\s\S]*A plugin failed/)
      assert.match(yield* ask("/dies"), /^500 [\s\S]*A plugin failed/)
      assert.strictEqual(yield* ask("/works"), "200 up: GET /works")
      assert.deepStrictEqual(
        log.filter((line) => line.startsWith("ERROR")).map((line) => /(thrown|dead)/.exec(line)?.[0]),
        ["thrown", "dead"]
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect("rewrite bodies on their way in both directions", () => {
    const transform =
      (change: (body: string) => string): BodyTransform =>
      (next) => ({
        write: (chunk) => next.write(Buffer.from(change(chunk.toString("latin1")), "latin1")),
        end: (trailers) => next.end(trailers),
        abort: (failure) => next.abort(failure)
      })
    const { layer } = run(
      define({
        category: "loud",
        description: "Shouts, and hears only whispers.",
        options: Schema.Struct({}),
        make: () =>
          Effect.succeed({
            requestBody: () => transform((body) => body.toLowerCase()),
            response: (exchange) => exchange.response.set("X-Loud", "yes"),
            responseBody: () => transform((body) => body.replace("up", "UP"))
          })
      })
    )
    return Effect.gen(function* () {
      const proxy = yield* App.Proxy
      const response = yield* proxy.handle(new Request("http://test/", { method: "PUT", body: "HELLO" }))
      assert.strictEqual(response.headers.get("x-loud"), "yes")
      assert.strictEqual(yield* Effect.promise(() => response.text()), "UP: PUT / hello")
    }).pipe(Effect.provide(layer))
  })

  it.effect("stream responses, no faster than they are read", () => {
    let sent = 0
    let cancelled = false
    const piece = Buffer.alloc(1_000, "x")
    const { layer } = run(
      define({
        category: "endless",
        description: "Never ends.",
        options: Schema.Struct({}),
        make: () =>
          Effect.succeed({
            request: () =>
              respondStream(200, [], (sink) => {
                const resume = () => {
                  do sent++
                  while (!cancelled && sink.write(piece) !== FULL)
                }
                const cancel = () => {
                  cancelled = true
                }
                resume()
                return { resume, cancel }
              })
          })
      })
    )
    return Effect.gen(function* () {
      const proxy = yield* App.Proxy
      const response = yield* proxy.handle(new Request("http://test/"))
      const reader = response.body!.getReader()
      for (let i = 1; i <= 5; i++) {
        const { value } = yield* Effect.promise(() => reader.read())
        assert.strictEqual(value?.length, 1_000)
        assert.isAtMost(sent, i + 2)
      }
      yield* Effect.promise(() => reader.cancel())
      assert.isTrue(cancelled)
    }).pipe(Effect.provide(layer))
  })
})

describe("a reload", () => {
  /** Counts requests, and records its life. */
  const counter = (events: Array<string>) =>
    define({
      category: "counter",
      description: "Counts.",
      options: Schema.Struct({ from: Schema.Int }),
      make: ({ from }, { name }) =>
        Effect.gen(function* () {
          yield* Effect.acquireRelease(
            Effect.sync(() => events.push(`+${name}/${from}`)),
            () => Effect.sync(() => events.push(`-${name}/${from}`))
          )
          let count = from
          return { request: () => text(String(++count)) }
        })
    })

  const content = (from: number, rest = ""): string =>
    config(`plugins = ["count"]\n${rest}`, `[plugins.count]\ncategory = "counter"\nfrom = ${from}`)

  it.effect("keeps the state of a plugin that did not change, and rebuilds one that did", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const source = yield* MemorySource.make(content(0))
      const request = Effect.gen(function* () {
        events.push(yield* ask("/"))
      })
      // Publishing is asynchronous; a new number says that it has happened.
      const reload = Effect.fnUntraced(function* (next: string) {
        const proxy = yield* App.Proxy
        const before = yield* proxy.generation
        yield* source.set(next)
        while ((yield* proxy.generation) === before) yield* Effect.yieldNow
        events.push(`generation ${yield* proxy.generation}`)
      })
      yield* Effect.gen(function* () {
        yield* request
        yield* request
        yield* reload(content(0, `client_max_body_size = 1000`))
        yield* request
        yield* reload(content(40))
        yield* request
        yield* reload(config(`plugins = ["pingap:ping"]`))
      }).pipe(Effect.provide(TestProxy.layer(source.layer, { plugins: [counter(events)] })))
      assert.deepStrictEqual(events, [
        "+count/0",
        "200 1",
        "200 2",
        "generation 2",
        "200 3",
        "+count/40",
        "-count/0",
        "generation 3",
        "200 41",
        "-count/40",
        "generation 4"
      ])
    })
  )
})
