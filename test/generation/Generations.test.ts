/** From snapshots to generations: what is built, in which order, what is shared, when it is let go. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import fc from "fast-check"
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
import { eventually } from "../support/RawClient.ts"

/**
 * Everything below is a recorder: `+name` when something is opened, `-name` when it is closed. A plugin whose value is
 * among `broken` cannot be built, nor can an upstream with that `sni`; one with the value `never` is never ready.
 */
const recorder = (content: string) =>
  Effect.gen(function* () {
    const events: Array<string> = []
    const log: Array<string> = []
    const broken = new Set(["broken"])
    const attempts: Array<string> = []
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
          attempts.push(`${name}=${value}`)
          if (broken.has(value)) return yield* new PluginError({ category: "recorded", message: "is broken" })
          yield* opened(`${name}=${value}`)
          if (value === "never") return yield* Effect.never
          return { request: () => undefined }
        })
    })
    const upstreams = Layer.succeed(Upstreams, {
      pool: (name, conf) =>
        broken.has(conf.sni)
          ? Effect.fail(new UpstreamError({ upstream: name, message: "cannot be" }))
          : Effect.as(opened(`up ${name}`), {
              name,
              counters: { processing: 0, accepted: 0 },
              open: () => null
            } as UpstreamRuntime)
    })
    const accessLog = Layer.succeed(AccessLog, {
      open: (server, directive) =>
        directive === "die"
          ? Effect.die(new Error("boom"))
          : Effect.as(opened(`log ${server} ${directive}`), { write: () => {}, measured: directive !== "tiny" }),
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
    return { events, log, layer, reload, source, broken, attempts }
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
        // The recording log does not share.
        "+up one",
        "+p=a",
        "+log web tiny",
        "+q=b",
        "+log web tiny",
        "-log web tiny",
        "published 2",
        "+p=c",
        "+log web tiny",
        "-log web tiny",
        "-q=b",
        "-p=a",
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
        assert.match(log[0]!, /^INFO configuration is applied changes="1 plugin modified" generation=2 took=\d+ms /)
        assert.deepStrictEqual(log.slice(1), [
          "INFO [MODIFIED] plugins.p category=config",
          `INFO - value = "***" category=config`,
          `INFO + value = "***" (changed) category=config`,
          "ERROR Plugin recorded invalid, message: create plugin p failed, is broken; its previous version goes on " +
            "category=config name=p"
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
        const socket = { reusePort: true, ipv6Only: false, keepAliveMillis: 60_000, maxConnections: 7 }
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

/** Lets everything happen that waits for no clock. */
const settle = Effect.promise(async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
})

/** Collects a stream from now on. */
const collect = <A>(stream: Stream.Stream<A>) =>
  Effect.gen(function* () {
    const seen: Array<A> = []
    yield* stream.pipe(
      Stream.runForEach((value) => Effect.sync(() => seen.push(value))),
      Effect.forkScoped({ startImmediately: true })
    )
    return seen
  })

/** What is open after these events. */
const openAfter = (events: ReadonlyArray<string>): ReadonlyArray<string> => {
  const open: Array<string> = []
  for (const event of events) {
    if (event.startsWith("+")) open.push(event.slice(1))
    else if (event.startsWith("-")) {
      const at = open.indexOf(event.slice(1))
      assert.notStrictEqual(at, -1, `${event} was not open`)
      open.splice(at, 1)
    }
  }
  return open.sort()
}

describe("the newest configuration wins", () => {
  it.effect("over one that is still being built, without waiting for it, and nothing of that stays open", () =>
    Effect.gen(function* () {
      const { events, layer, log, reload, source } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        const generations = yield* Generations
        yield* source.set(site({ value: "never", more: '[plugins.q]\ncategory = "recorded"\nvalue = "b"' }))
        yield* settle
        assert.strictEqual(generations.current().id, 1)
        assert.include(events, "+p=never")
        // No clock moves: it is not the time-out of the plugin that makes room.
        yield* reload(site({ value: "c" }))
        yield* settle
        assert.deepStrictEqual(openAfter(events), ["log web tiny", "p=c", "up one"])
        assert.deepStrictEqual(
          log.filter((line) => line.startsWith("ERROR")),
          []
        )
      }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(openAfter(events), [])
    })
  )

  it.effect("also when it is the one that is in force: what was on its way does not come", () =>
    Effect.gen(function* () {
      const { attempts, events, layer, source } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        const generations = yield* Generations
        yield* source.set(site({ value: "never" }))
        yield* settle
        yield* source.set(site({}))
        yield* settle
        yield* TestClock.adjust("1 minute")
        yield* settle
        assert.deepStrictEqual(generations.current().snapshot.config.plugins["p"]!["value"], "a")
        assert.deepStrictEqual(openAfter(events), ["log web tiny", "p=a", "up one"])
        // What is in force was never built again.
        assert.deepStrictEqual(attempts, ["p=a", "p=never"])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("with the difference to what is in force, not to what was overtaken", () =>
    Effect.gen(function* () {
      const { layer, reload, source } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        const reports = yield* collect((yield* Generations).reports)
        yield* source.set(site({ value: "never", up: "127.0.0.1:2" }))
        yield* settle
        yield* reload(site({ up: "127.0.0.1:2" }))
        yield* settle
        assert.lengthOf(reports, 1)
        assert.deepStrictEqual(
          reports[0]!.diff.modified.map(({ changes, name, section }) => [section, name, changes.map(({ key }) => key)]),
          [["upstreams", "one", ["addrs"]]]
        )
      }).pipe(Effect.provide(layer))
    })
  )

  it("whenever it comes: one generation is open at the end, and all that were published have a report", async () => {
    const changes = fc.array(
      fc.record({ value: fc.constantFrom("a", "b", "c", "never", "broken"), turns: fc.nat(120) }),
      { minLength: 1, maxLength: 8 }
    )
    // After so many steps of a fiber others have their turn, so that changes come between any two of them.
    const patience = fc.integer({ min: 5, max: 60 })
    const run = (script: ReadonlyArray<{ readonly value: string; readonly turns: number }>, ops: number) =>
      Effect.gen(function* () {
        const { events, layer, source } = yield* recorder(site({}))
        yield* Effect.gen(function* () {
          const generations = yield* Generations
          const reports = yield* collect(generations.reports)
          const published = yield* collect(generations.changes)
          for (const { turns, value } of script) {
            yield* source.set(site({ value }))
            for (let i = 0; i < turns; i++) yield* Effect.yieldNow
          }
          yield* source.set(site({ value: "last" }))
          const isLast = () => generations.current().snapshot.config.plugins["p"]!["value"] === "last"
          yield* Effect.promise(() => eventually(isLast, "the last configuration"))
          const open = () => openAfter(events).join()
          const told = () => reports.map(({ generation }) => generation).join()
          const known = () =>
            published
              .slice(1)
              .map(({ id }) => id)
              .join()
          yield* Effect.promise(() =>
            eventually(
              () => open() === "log web tiny,p=last,up one" && told() === known(),
              () => `one generation that is told of; open is ${open()}, told ${told()} of ${known()}`
            )
          )
        }).pipe(Effect.provide(layer))
        assert.deepStrictEqual(openAfter(events), [])
      }).pipe(Effect.scoped, Effect.provideService(References.MaxOpsBeforeYield, ops))
    await fc.assert(
      fc.asyncProperty(changes, patience, (script, ops) => Effect.runPromise(run(script, ops))),
      { numRuns: 200 }
    )
  }, 60_000)
})

describe("what could not be built", () => {
  /** The seconds at which it was tried again. */
  const secondsOf = Effect.fnUntraced(function* (attempts: ReadonlyArray<string>, until: number) {
    const seconds: Array<number> = []
    let count = attempts.length
    for (let second = 5; second <= until; second += 5) {
      yield* TestClock.adjust("5 seconds")
      yield* settle
      if (attempts.length > count) seconds.push(second)
      assert.isAtMost(attempts.length, count + 1)
      count = attempts.length
    }
    return seconds
  })

  it.effect("is tried again after 5 seconds, then after twice as long each time, at most 5 minutes", () =>
    Effect.gen(function* () {
      const { attempts, layer, reload } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        yield* reload(site({ value: "broken" }))
        yield* settle
        assert.deepStrictEqual(attempts, ["p=a", "p=broken"])
        const waits: Array<number> = []
        let last = 0
        for (const at of yield* secondsOf(attempts, 1_500)) {
          waits.push(at - last)
          last = at
        }
        assert.deepStrictEqual(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("makes no generation and no noise while nothing gets better, and leaves nothing open", () =>
    Effect.gen(function* () {
      const { events, layer, log, reload } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        const generations = yield* Generations
        const published = yield* collect(generations.changes)
        const reports = yield* collect(generations.reports)
        const kept = yield* reload(site({ value: "broken" }))
        yield* settle
        const said = log.length
        yield* TestClock.adjust("10 minutes")
        yield* settle
        assert.strictEqual(generations.current(), kept)
        assert.deepStrictEqual([published.length, reports.length, log.length], [2, 1, said])
        assert.deepStrictEqual(openAfter(events), ["log web tiny", "p=a", "up one"])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("works as soon as it can, and says so", () =>
    Effect.gen(function* () {
      const { broken, events, layer, log, reload } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        const generations = yield* Generations
        const kept = yield* reload(site({ value: "broken" }))
        yield* settle
        broken.delete("broken")
        yield* TestClock.adjust("5 seconds")
        yield* settle
        assert.isAbove(generations.current().id, kept.id)
        assert.strictEqual(generations.current().snapshot, kept.snapshot)
        assert.deepStrictEqual(openAfter(events), ["log web tiny", "p=broken", "up one"])
        assert.strictEqual(log.at(-1), "INFO plugins.p works now category=config")
        const { id } = generations.current()
        yield* TestClock.adjust("10 minutes")
        yield* settle
        assert.strictEqual(generations.current().id, id)
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("at the start is tried again like any other", () =>
    Effect.gen(function* () {
      const { broken, layer } = yield* recorder(site({ value: "broken" }))
      yield* Effect.gen(function* () {
        const generations = yield* Generations
        const broke = () => generations.current().locations.get("lo")!.broken
        assert.strictEqual(broke(), unbuilt)
        yield* settle
        broken.delete("broken")
        yield* TestClock.adjust("5 seconds")
        yield* settle
        assert.isNull(broke())
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("is published in part when a part of it works", () =>
    Effect.gen(function* () {
      const two = (value: string, other: string): string =>
        site({ value, more: `[plugins.q]\ncategory = "recorded"\nvalue = "${other}"` })
      const { broken, events, layer, log } = yield* recorder(two("broken", "other"))
      broken.add("other")
      yield* Effect.gen(function* () {
        yield* settle
        broken.delete("other")
        yield* TestClock.adjust("5 seconds")
        yield* settle
        assert.include(openAfter(events), "q=other")
        assert.include(log, "INFO plugins.q works now category=config")
        broken.delete("broken")
        // The waits go on where they were.
        yield* TestClock.adjust("10 seconds")
        yield* settle
        assert.deepStrictEqual(openAfter(events), ["log web tiny", "p=broken", "q=other", "up one"])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("is not tried any more when a new configuration does not ask for it", () =>
    Effect.gen(function* () {
      const { attempts, layer, reload } = yield* recorder(site({ value: "broken" }))
      yield* Effect.gen(function* () {
        yield* reload(site({ value: "c" }))
        const count = attempts.length
        yield* TestClock.adjust("10 minutes")
        yield* settle
        assert.strictEqual(attempts.length, count)
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("begins with the first wait again when a new configuration asks for it", () =>
    Effect.gen(function* () {
      const { attempts, layer, reload } = yield* recorder(site({ value: "broken" }))
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("1 minute")
        yield* settle
        yield* reload(site({ value: "broken", up: "127.0.0.1:2" }))
        yield* settle
        assert.deepStrictEqual(yield* secondsOf(attempts, 20), [5, 15])
      }).pipe(Effect.provide(layer))
    })
  )
})

describe("a report", () => {
  it.effect("tells what changed, what could not be built, and how long it took", () =>
    Effect.gen(function* () {
      const { layer, reload } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        const reports = yield* collect((yield* Generations).reports)
        const generation = yield* reload(
          site({ value: "broken", more: '[plugins.q]\ncategory = "recorded"\nvalue = "b"' }).replace(
            'addrs = ["127.0.0.1:1"]',
            'addrs = ["127.0.0.1:1"]\nsni = "broken"'
          )
        )
        yield* settle
        assert.lengthOf(reports, 1)
        const [report] = reports
        assert.strictEqual(report!.generation, generation.id)
        assert.deepStrictEqual(report!.diff.added, [{ section: "plugins", name: "q" }])
        assert.deepStrictEqual(
          report!.diff.modified.map(({ name, section }) => `${section}.${name}`),
          ["upstreams.one", "plugins.p"]
        )
        assert.deepStrictEqual(
          report!.problems.map(({ kept, name, section }) => `${section}.${name} ${kept}`),
          ["upstreams.one true", "plugins.p true"]
        )
        assert.isAtLeast(report!.millis, 0)
        assert.isBelow(report!.millis, 10_000)
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("is there for each generation that a configuration gave, in order", () =>
    Effect.gen(function* () {
      const { layer, reload, source } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        const reports = yield* collect((yield* Generations).reports)
        yield* reload(site({ value: "b" }))
        yield* source.set("not a configuration")
        yield* reload(site({ value: "c" }))
        yield* settle
        assert.deepStrictEqual(
          reports.map(({ diff, generation }) => [generation, diff.modified.map(({ name }) => name)]),
          [
            [2, ["p"]],
            [3, ["p"]]
          ]
        )
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("shows no value", () =>
    Effect.gen(function* () {
      const { layer, log, reload } = yield* recorder(site({ value: "hunter2" }))
      yield* Effect.gen(function* () {
        const reports = yield* collect((yield* Generations).reports)
        yield* reload(site({ value: "hunter3" }))
        yield* settle
        assert.notMatch(JSON.stringify([reports, log]), /hunter/)
      }).pipe(Effect.provide(layer))
    })
  )
})

describe("what did not change", () => {
  it.effect("is the same object in the next generation", () =>
    Effect.gen(function* () {
      const many = (path: string): string =>
        site({
          more: Array.from({ length: 100 }, (_, index) => `[locations.l${index}]\npath = "/l${index}"\n`).join("")
        }).replace('path = "/l7"', `path = "${path}"`)
      const { layer, reload } = yield* recorder(many("/x"))
      yield* Effect.gen(function* () {
        const first = (yield* Generations).current()
        const second = yield* reload(many("/y"))
        const changed = [...second.locations].filter(([name, location]) => first.locations.get(name) !== location)
        assert.deepStrictEqual(
          changed.map(([name]) => name),
          ["l7"]
        )
        const third = yield* reload(`${many("/y")}[upstreams.more]\naddrs = ["127.0.0.1:9"]\n`)
        assert.deepStrictEqual([...third.locations.values()], [...second.locations.values()])
        for (const [name, location] of third.locations) assert.strictEqual(location, second.locations.get(name))
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("is a pool whose remark changed, and a plugin whose remark did", () =>
    Effect.gen(function* () {
      const remarked = (remark: string): string =>
        site({})
          .replace("[upstreams.one]", `[upstreams.one]\nremark = "${remark}"`)
          .replace("[plugins.p]", `[plugins.p]\nremark = "${remark}"`)
      const { events, layer, reload } = yield* recorder(remarked("a"))
      yield* Effect.gen(function* () {
        const first = (yield* Generations).current()
        const second = yield* reload(remarked("b"))
        assert.strictEqual(second.locations.get("lo"), first.locations.get("lo"))
        yield* settle
        assert.deepStrictEqual(
          events.filter((event) => /^[+-](up|p=)/.test(event)),
          ["+up one", "+p=a"]
        )
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("is no pool when the number of idle connections for all of them changed", () =>
    Effect.gen(function* () {
      const { events, layer, reload } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        yield* reload(`${site({})}[basic]\nupstream_keepalive_pool_size = 7\n`)
        assert.deepStrictEqual(
          events.filter((event) => event === "+up one"),
          ["+up one", "+up one"]
        )
      }).pipe(Effect.provide(layer))
    })
  )
})

describe("counters", () => {
  it.effect("begin anew for a name that was gone, unless something is still in progress", () =>
    Effect.gen(function* () {
      const without = site({})
        .replace('"lo", "gone"', '"gone"')
        .replace(/\[locations\.lo\][^[]*\[[^[]*/, "")
      const { layer, reload } = yield* recorder(site({}))
      const counters = (generation: Generation) => generation.locations.get("lo")!.counters
      yield* Effect.gen(function* () {
        const first = (yield* Generations).current()
        counters(first).processing = 1
        assert.isFalse((yield* reload(without)).locations.has("lo"))
        const second = yield* reload(site({}))
        assert.strictEqual(counters(second), counters(first))
        counters(first).processing = 0
        yield* reload(without)
        const third = yield* reload(site({}))
        assert.deepStrictEqual(counters(third), { processing: 0, accepted: 0 })
        assert.notStrictEqual(counters(third), counters(first))
      }).pipe(Effect.provide(layer))
    })
  )
})

describe("time marks", () => {
  it.effect("are taken while a header of a location reads them", () =>
    Effect.gen(function* () {
      const reading = site({}).replace("[locations.gone]", '[locations.gone]\nproxy_set_headers = ["A: :service_time"]')
      const { layer, reload } = yield* recorder(site({}))
      const measured = ({ servers }: Generation) => servers[0]!.runtime.measured
      yield* Effect.gen(function* () {
        assert.isFalse(measured((yield* Generations).current()))
        assert.isTrue(measured(yield* reload(reading)))
        assert.isFalse(measured(yield* reload(site({}))))
      }).pipe(Effect.provide(layer))
    })
  )
})

describe("a configuration whose building dies", () => {
  it.effect("changes nothing, is told, and does not keep the next one from coming", () =>
    Effect.gen(function* () {
      const { events, layer, log, reload, source } = yield* recorder(site({}))
      yield* Effect.gen(function* () {
        const generations = yield* Generations
        yield* source.set(site({ log: "die" }))
        yield* settle
        assert.strictEqual(generations.current().id, 1)
        assert.match(log.find((line) => line.startsWith("ERROR"))!, /^ERROR The new configuration could not be built /)
        assert.deepStrictEqual(openAfter(events), ["log web tiny", "p=a", "up one"])
        const next = yield* reload(site({ log: "combined" }))
        assert.strictEqual(next.snapshot.config.servers["web"]!.access_log, "combined")
      }).pipe(Effect.provide(layer))
    })
  )
})
