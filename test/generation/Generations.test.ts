/** From snapshots to generations: what is built, in which order, what is shared, when it is let go. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as App from "../../src/App.ts"
import * as MemorySource from "../../src/config/source/Memory.ts"
import type { Generation } from "../../src/generation/Generation.ts"
import { Generations } from "../../src/generation/Generations.ts"
import { AccessLog } from "../../src/log/AccessLog.ts"
import { AppLog } from "../../src/log/AppLog.ts"
import { Environment } from "../../src/platform/Environment.ts"
import { define, PluginError } from "../../src/plugin/Plugin.ts"
import { Plugins } from "../../src/plugin/Plugins.ts"
import { unbuilt } from "../../src/proxy/Failure.ts"
import type { UpstreamRuntime } from "../../src/proxy/Runtime.ts"
import { UpstreamError, Upstreams } from "../../src/upstream/Upstreams.ts"
import { fakeExchange } from "../support/FakeExchange.ts"

/** Everything below is a recorder: `+name` when something is opened, `-name` when it is closed. */
const recorder = (content: string) =>
  Effect.gen(function* () {
    const events: Array<string> = []
    const log: Array<string> = []
    const source = yield* MemorySource.make(content)
    const opened = (name: string) =>
      Effect.acquireRelease(
        Effect.sync(() => events.push(`+${name}`)),
        () => Effect.sync(() => events.push(`-${name}`))
      )
    const plugin = define({
      category: "recorded",
      description: "Records its life.",
      options: Schema.Struct({ value: Schema.String }),
      make: ({ value }, { name }) =>
        Effect.gen(function* () {
          if (value === "broken") return yield* new PluginError({ category: "recorded", message: "is broken" })
          yield* opened(`${name}=${value}`)
          return { request: () => undefined }
        })
    })
    const upstreams = Layer.succeed(Upstreams, {
      pool: (name, conf) =>
        conf.sni === "broken"
          ? Effect.fail(new UpstreamError({ upstream: name, message: "cannot be" }))
          : Effect.as(opened(`up ${name}`), {
              name,
              counters: { processing: 0, accepted: 0 },
              open: () => null
            } as UpstreamRuntime)
    })
    const accessLog = Layer.succeed(AccessLog, {
      open: (server, directive) =>
        Effect.as(opened(`log ${server} ${directive}`), { write: () => {}, measured: directive !== "tiny" }),
      drain: Effect.void,
      targets: Effect.succeed([])
    })
    const layer = Generations.layer.pipe(
      Layer.provide(accessLog),
      Layer.provide(upstreams),
      Layer.provide(App.config()),
      Layer.provide(Plugins.layer({ extra: [plugin] })),
      Layer.provide(source.layer),
      Layer.provide(AppLog.layerCapture(log)),
      Layer.provide(Layer.succeed(Environment, { hostname: "machine", env: {} }))
    )
    /** Replaces the configuration; the result is the generation that comes of it. */
    const reload = Effect.fnUntraced(function* (next: string) {
      const generations = yield* Generations
      const { id } = generations.current()
      yield* source.set(next)
      while (generations.current().id === id) yield* Effect.yieldNow
      for (let i = 0; i < 5; i++) yield* Effect.yieldNow
      events.push(`published ${generations.current().id}`)
      return generations.current()
    })
    return { events, log, layer, reload, source }
  })

const site = (parts: {
  readonly up?: string
  readonly value?: string
  readonly log?: string
  readonly more?: string
}): string => `
[servers.web]
addr = "127.0.0.1:1,[::1]:2"
locations = ["lo", "gone"]
access_log = "${parts.log ?? "tiny"}"
[locations.lo]
upstream = "one"
plugins = ["p"]
[locations.gone]
path = "/gone"
[upstreams.one]
addrs = ["${parts.up ?? "127.0.0.1:1"}"]
[plugins.p]
category = "recorded"
value = "${parts.value ?? "a"}"
${parts.more ?? ""}`

describe("a generation", () => {
  it.effect("is built in the order of its parts' needs, shared where nothing changed, and closed in reverse", () =>
    Effect.gen(function* () {
      const { events, layer, reload } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        const first = (yield* Generations).current()
        const second = yield* reload(site({ more: `[plugins.q]\ncategory = "recorded"\nvalue = "b"` }))
        assert.deepStrictEqual([first.id, second.id], [1, 2])
        yield* reload(site({ value: "c" }))
        events.push("end")
      }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(events, [
        // The recording upstreams and logs do not share; the registry of plugins does.
        "+up one",
        "+p=a",
        "+log web tiny",
        "+up one",
        "+q=b",
        "+log web tiny",
        "-log web tiny",
        "-up one",
        "published 2",
        "+up one",
        "+p=c",
        "+log web tiny",
        "-log web tiny",
        "-q=b",
        "-p=a",
        "-up one",
        "published 3",
        "end",
        "-log web tiny",
        "-p=c",
        "-up one"
      ])
    })
  )

  it.effect("lives as long as somebody holds it", () =>
    Effect.gen(function* () {
      const { events, layer, reload } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        const first = (yield* Generations).current()
        first.servers[0]!.runtime.retain()
        first.retain()
        yield* reload(site({ value: "b" }))
        assert.notInclude(events, "-p=a")
        first.release()
        for (let i = 0; i < 5; i++) yield* Effect.yieldNow
        assert.notInclude(events, "-p=a")
        first.servers[0]!.runtime.release()
        for (let i = 0; i < 5; i++) yield* Effect.yieldNow
        assert.include(events, "-p=a")
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("keeps the last version of what cannot be built any more, with its state", () =>
    Effect.gen(function* () {
      const { events, layer, log, reload } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        const next = yield* reload(site({ value: "broken" }))
        assert.isNull(next.locations.get("lo")!.broken)
        assert.deepStrictEqual(
          events.filter((event) => event.includes("p=")),
          ["+p=a"]
        )
        assert.deepStrictEqual(log, [
          "ERROR Plugin recorded invalid, message: create plugin p failed, is broken; its previous version goes on name=p"
        ])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("has a location that answers with an error for what never could be built", () =>
    Effect.gen(function* () {
      const { layer, log } = yield* recorder(
        site({ value: "broken" }).replace(`addrs = ["127.0.0.1:1"]`, `addrs = ["127.0.0.1:1"]\nsni = "broken"`)
      )
      yield* Effect.gen(function* () {
        const { locations } = (yield* Generations).current()
        assert.strictEqual(locations.get("lo")!.broken, unbuilt)
        assert.isNull(locations.get("lo")!.upstream)
        assert.isNull(locations.get("gone")!.broken)
        assert.include(log, "ERROR cannot be; what needs it answers 503 name=one")
        assert.include(
          log,
          "ERROR Plugin recorded invalid, message: create plugin p failed, is broken; what needs it answers 503 name=p"
        )
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("carries counters by name from one to the next", () =>
    Effect.gen(function* () {
      const { layer, reload } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        const counters = ({ locations, servers }: Generation) => [
          servers[0]!.runtime.counters,
          locations.get("lo")!.counters
        ]
        const first = counters((yield* Generations).current())
        const next = counters(yield* reload(site({ value: "b" })))
        assert.strictEqual(first[0], next[0])
        assert.strictEqual(first[1], next[1])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("says which sockets it wants and how connections are held", () =>
    Effect.gen(function* () {
      const { layer } = yield* recorder(
        site({ log: "{:service_time}" }).replace(
          "access_log",
          `tcp_idle = "1m"\nreuse_port = true\nmax_connections = 7\nkeepalive_timeout = "3s"\nmax_head_size = "1KiB"\naccess_log`
        )
      )
      yield* Effect.gen(function* () {
        const generation = (yield* Generations).current()
        const [server] = generation.servers
        const socket = { reusePort: true, keepAliveMillis: 60_000, maxConnections: 7 }
        assert.deepStrictEqual(server!.addresses, [
          { host: "127.0.0.1", port: 1, ...socket },
          { host: "::1", port: 2, ...socket }
        ])
        assert.strictEqual(server!.connection.keepAliveMillis, 3_000)
        assert.strictEqual(server!.connection.limits.headBytes, 1_024)
        assert.isTrue(server!.runtime.measured)
        assert.strictEqual(generation.graceMillis, 300_000)
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("routes by the server's own list", () =>
    Effect.gen(function* () {
      const { layer } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        const { locations, servers } = (yield* Generations).current()
        const { runtime } = servers[0]!
        const routed = (uri: string) => runtime.route(fakeExchange({ uri }))
        assert.strictEqual(routed("/gone/x"), locations.get("gone"))
        assert.strictEqual(routed("/"), locations.get("lo"))
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("is announced once per change of content, the newest last", () =>
    Effect.gen(function* () {
      const { layer, reload, source } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        const seen: Array<number> = []
        yield* (yield* Generations).changes.pipe(
          Stream.runForEach(({ id }) => Effect.sync(() => seen.push(id))),
          Effect.forkScoped({ startImmediately: true })
        )
        yield* source.set(`# nothing\n${site({})}`)
        yield* reload(site({ value: "b" }))
        yield* source.set("this is no configuration")
        yield* reload(site({ value: "c" }))
        assert.deepStrictEqual(seen, [1, 2, 3])
      }).pipe(Effect.provide(layer))
    })
  )
})
