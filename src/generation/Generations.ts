/**
 * The service that turns snapshots of the configuration into generations, one after the other.
 *
 *   Config.changes ──▶ build (only what changed; the rest is shared) ──▶ link ──▶ publish ──▶ release the old one
 *
 * A pool, plugin instance or location whose configuration did not change is the same object in both generations. The
 * old generation's scope closes when its last request has ended. An entity that cannot be built keeps its previous
 * version and is reported, then tried again from time to time; without a previous version, the locations that need it
 * answer 503. A location never runs without a plugin that its configuration names: it fails closed.
 *
 * A configuration that comes while another one is being built takes its place: the older is given up.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { Config } from "../config/Config.ts"
import type { PluginConf, ProxyConfig, UpstreamConf } from "../config/ConfigSchema.ts"
import * as Diff from "../config/Diff.ts"
import type { Snapshot } from "../config/Snapshot.ts"
import { AccessLog, type OpenedLog } from "../log/AccessLog.ts"
import * as IpRules from "../model/IpRules.ts"
import { Defects } from "../platform/Defects.ts"
import { Environment } from "../platform/Environment.ts"
import { logLines } from "../platform/LogLines.ts"
import * as Slices from "../platform/Slices.ts"
import { VERSION } from "../platform/Version.ts"
import * as Pipeline from "../plugin/Pipeline.ts"
import { builtinInstances, creationFailure, type Instance, Plugins } from "../plugin/Plugins.ts"
import * as ErrorPage from "../proxy/ErrorPage.ts"
import type { UpstreamRuntime } from "../proxy/Runtime.ts"
import { Upstreams } from "../upstream/Upstreams.ts"
import { CounterTable } from "./CounterTable.ts"
import { Entities } from "./Entities.ts"
import type { Generation } from "./Generation.ts"
import { Locations, type Note } from "./Locations.ts"
import type { ReloadProblem, ReloadReport } from "./ReloadReport.ts"
import { Servers } from "./Servers.ts"

/** First wait before what could not be built is tried again, and the longest; it doubles in between. */
const RETRY_MILLIS = 5_000
const MAX_RETRY_MILLIS = 300_000

/** A configuration that no generation came of: the one before goes on. What is broken in it is a mistake of ours. */
export class GenerationError extends Data.TaggedError("GenerationError")<{
  readonly config: ProxyConfig
  readonly message: string
}> {}

export class Generations extends Context.Service<
  Generations,
  {
    /** The published generation. */
    readonly current: () => Generation
    /** The current generation, then each newer one when it has been published. */
    readonly changes: Stream.Stream<Generation>
    /** What became of each reload since the stream was started. */
    readonly reports: Stream.Stream<ReloadReport>
    /** The newest configuration that could not be built as a whole, if there was one, then each other such. */
    readonly failures: Stream.Stream<GenerationError>
  }
>()("pingap/generation/Generations") {
  static readonly layer = Layer.effect(
    Generations,
    Effect.gen(function* () {
      const config = yield* Config
      const builder = yield* makeBuilder
      const root = yield* Effect.scope
      const fork = Effect.runForkWith(yield* Effect.context<never>())
      const reports = yield* PubSub.sliding<ReloadReport>(16)
      const failed = yield* SubscriptionRef.make<GenerationError | null>(null)

      // Only building may be interrupted: what was built is either published or let go.
      const prepare = Effect.fnUntraced(function* (
        id: number,
        snapshot: Snapshot,
        interruptible: Interruptible = (self) => self
      ) {
        const scope = yield* Scope.fork(root)
        const close = Effect.catchCause(Scope.close(scope, Exit.void), (cause) =>
          Effect.logError("Something of a replaced configuration did not close", cause)
        )
        const usage = new Usage(() => fork(close))
        const built = yield* interruptible(builder(id, snapshot, usage)).pipe(
          Scope.provide(scope),
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
        )
        return { ...built, usage }
      })

      const first = yield* config.current
      let live = yield* prepare(1, first)
      live.publish()
      yield* logFindings(live)
      const published = yield* SubscriptionRef.make(live.generation)

      const replace = (next: typeof live): Effect.Effect<void> =>
        Effect.suspend(() => {
          const old = live
          live = next
          next.publish()
          return Effect.andThen(
            SubscriptionRef.set(published, next.generation),
            Effect.sync(() => old.usage.retire())
          )
        })

      // From the arrival of a snapshot to its generation.
      const apply = (snapshot: Snapshot) =>
        Effect.uninterruptibleMask(
          Effect.fnUntraced(function* (interruptible) {
            const started = performance.now()
            const diff = Diff.between(live.generation.snapshot.config, snapshot.config)
            const next = yield* prepare(live.generation.id + 1, snapshot, interruptible)
            yield* replace(next)
            const { generation, problems } = next
            const report = { generation: generation.id, diff, problems, millis: performance.now() - started }
            yield* logReport(report)
            yield* logFindings(next)
            yield* PubSub.publish(reports, report)
          })
        ).pipe(
          Effect.tapCause((cause) => {
            if (Cause.hasInterruptsOnly(cause)) return Effect.void
            const message = `could not be built: ${Cause.pretty(cause).split("\n", 1)[0]}`
            return SubscriptionRef.set(failed, new GenerationError({ config: snapshot.config, message }))
          })
        )

      // Builds again what could not be built, and publishes it when something could be this time.
      const improve = Effect.uninterruptibleMask(
        Effect.fnUntraced(function* (interruptible) {
          const { problems } = live
          const next = yield* prepare(live.generation.id + 1, live.generation.snapshot, interruptible)
          if (next.problems.length >= problems.length) {
            next.usage.retire()
            return
          }
          yield* replace(next)
          const still = new Set(next.problems.map(nameOf))
          for (const problem of problems) {
            if (!still.has(nameOf(problem))) yield* Effect.logInfo(`${nameOf(problem)} works now`)
          }
        })
      )
      const retry = Effect.gen(function* () {
        for (let wait = RETRY_MILLIS; live.problems.length > 0; wait = Math.min(2 * wait, MAX_RETRY_MILLIS)) {
          yield* Effect.sleep(wait)
          yield* improve
        }
      })

      yield* config.changes.pipe(
        Stream.filter((snapshot) => snapshot.config !== live.generation.snapshot.config),
        // The first configuration may be one that is tried again.
        Stream.map((snapshot): Snapshot | undefined => snapshot),
        (changes) => Stream.concat(Stream.succeed(undefined), changes),
        Stream.switchMap((snapshot) =>
          Stream.fromEffectDrain(
            Effect.andThen(snapshot === undefined ? Effect.void : apply(snapshot), retry).pipe(
              Effect.catchCause((cause) => Effect.logError("The new configuration could not be built", cause))
            )
          )
        ),
        Stream.runDrain,
        Effect.catchCause((cause) => Effect.logError("Configuration changes are not followed any more", cause)),
        Effect.annotateLogs({ category: "config" }),
        Effect.forkScoped
      )
      return {
        current: () => live.generation,
        changes: SubscriptionRef.changes(published),
        reports: Stream.fromPubSub(reports),
        failures: Stream.filter(SubscriptionRef.changes(failed), (failure) => failure !== null)
      }
    })
  )
}

type Interruptible = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const nameOf = ({ name, section }: ReloadProblem): string => `${section}.${name}`

const logReport = ({ diff, generation, millis }: ReloadReport): Effect.Effect<void> =>
  Effect.andThen(
    Effect.logInfo("configuration is applied", {
      changes: Diff.summary(diff),
      generation,
      took: `${Math.round(millis)}ms`
    }),
    logLines(Effect.logInfo, Diff.format(diff))
  )

const logFindings = ({ notes, problems }: Pick<Built, "problems" | "notes">): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (const { kept, message, name } of problems) {
      const effect = kept ? "its previous version goes on" : "what needs it answers 503"
      yield* Effect.annotateLogs(Effect.logError(`${message}; ${effect}`), { name })
    }
    for (const { level, location, message } of notes) {
      yield* Effect.annotateLogs(level === "error" ? Effect.logError(message) : Effect.logWarning(message), {
        location
      })
    }
  })

/** Counts the requests that hold a generation and lets it go after it was replaced and the last one ended. */
class Usage {
  private active = 1
  private readonly onUnused: () => void

  constructor(onUnused: () => void) {
    this.onUnused = onUnused
  }

  readonly retain = (): void => {
    this.active++
  }

  readonly release = (): void => {
    if (--this.active === 0) this.onUnused()
  }

  retire(): void {
    this.release()
  }
}

interface Built {
  readonly generation: Generation
  readonly problems: ReadonlyArray<ReloadProblem>
  readonly notes: ReadonlyArray<Note>
  /** What was built is what the next configuration is compared with. */
  readonly publish: () => void
}

interface PoolConf {
  readonly conf: UpstreamConf
  /** `basic.upstream_keepalive_pool_size` */
  readonly maxIdle: number
}

const makeBuilder = Effect.gen(function* () {
  const plugins = yield* Plugins
  const upstreams = yield* Upstreams
  const accessLog = yield* AccessLog
  const environment = yield* Environment
  const { report } = yield* Defects
  const runner = yield* Pipeline.makeRunner
  const serverCounters = new CounterTable()
  const locationCounters = new CounterTable()
  const pools = new Entities<PoolConf, UpstreamRuntime>({
    section: "upstreams",
    // A remark is no reason to drop connections.
    isSame: (a, b) => a.maxIdle === b.maxIdle && (a.conf === b.conf || isSameBut("remark", a.conf, b.conf)),
    build: (name, { conf, maxIdle }) => upstreams.pool(name, conf, maxIdle)
  })
  const instances = new Entities<PluginConf, Instance>({
    section: "plugins",
    isSame: (a, b) => isSameBut("remark", a, b),
    build: (name, conf) =>
      Effect.mapError(plugins.instance(name, conf), (error) => ({ message: creationFailure(name, error) }))
  })
  const locations = new Locations({
    environment,
    runner,
    counters: (name) => locationCounters.of(name),
    reportRewrite: (location, path, result) =>
      runner(Effect.logError("A rewrite gave no path, the old one stays", { location, path, result }))
  })
  const servers = new Servers((name) => serverCounters.of(name))

  const openLogs = Effect.fnUntraced(function* ({ servers: confs }: ProxyConfig) {
    const logs = new Map<string, OpenedLog | null>()
    for (const [name, { access_log, global_certificates }] of Object.entries(confs)) {
      // Without TLS there is nothing that such a server could do.
      if (global_certificates) continue
      logs.set(name, access_log === undefined ? null : yield* accessLog.open(name, access_log))
    }
    return logs
  })

  return Effect.fnUntraced(function* (
    id: number,
    snapshot: Snapshot,
    usage: Usage
  ): Effect.fn.Return<Built, never, Scope.Scope> {
    const { config } = snapshot
    const { basic } = config
    const maxIdle = basic.upstream_keepalive_pool_size
    const pooled = yield* pools.assemble(
      Object.entries(config.upstreams).map(([name, conf]) => [name, { conf, maxIdle }] as const)
    )
    // Built-in instances come last and win over plugins of the same name (spec: config 11).
    const plugged = yield* instances.assemble(
      new Map([
        ...Object.entries(config.plugins),
        ...builtinInstances.map(({ name, table }) => [name, table as PluginConf] as const)
      ])
    )
    const parts = { pools: pooled.values, instances: plugged.values }
    const located = yield* Slices.run(locations.assemble(config.locations, parts))
    const served = yield* Slices.run(
      servers.assemble(config, located.built, yield* openLogs(config), {
        trusted: IpRules.compile(basic.trusted_proxies ?? IpRules.DEFAULT_TRUSTED),
        errorPage: ErrorPage.compile(basic.error_template, VERSION),
        report,
        upstream: (name) => pooled.values.get(name) ?? null,
        retain: usage.retain,
        release: usage.release
      })
    )
    return {
      generation: {
        id,
        snapshot,
        servers: served.servers,
        // For who wants to look inside, which is rare.
        get locations() {
          return new Map(Array.from(located.built, ([name, { runtime }]) => [name, runtime]))
        },
        graceMillis: basic.grace_period,
        retain: usage.retain,
        release: usage.release
      },
      problems: [...pooled.problems, ...plugged.problems],
      notes: [...located.notes, ...served.notes],
      publish: () => {
        for (const part of [pooled, plugged, located, served]) part.publish()
        serverCounters.keep(config.servers)
        locationCounters.keep(config.locations)
      }
    }
  })
})

const isSameBut = (key: string, a: object, b: object): boolean => Equal.equals({ ...a, [key]: "" }, { ...b, [key]: "" })
