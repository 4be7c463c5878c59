/**
 * The service that turns snapshots of the configuration into generations, one after the other.
 *
 *   Config.changes ──▶ build (only what changed; the rest is shared) ──▶ link ──▶ publish ──▶ release the old one
 *
 * Entities are held by reference count through the scope of their generation: a pool or plugin instance whose
 * configuration is equal in both generations lives on with its state. The old scope closes when its last request has
 * ended. An entity that cannot be built keeps its previous version and is reported; without one, the locations that
 * need it answer 503. A location never runs without a plugin that its configuration names: it fails closed.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { Config } from "../config/Config.ts"
import type { LocationConf, PluginConf, ServerConf, UpstreamConf } from "../config/ConfigSchema.ts"
import type { Snapshot } from "../config/Snapshot.ts"
import * as Rewrite from "../location/Rewrite.ts"
import * as Routes from "../location/Routes.ts"
import * as UpstreamFields from "../location/UpstreamFields.ts"
import { AccessLog } from "../log/AccessLog.ts"
import * as Address from "../model/Address.ts"
import * as IpRules from "../model/IpRules.ts"
import { Defects } from "../platform/Defects.ts"
import { Environment } from "../platform/Environment.ts"
import { VERSION } from "../platform/Version.ts"
import * as Pipeline from "../plugin/Pipeline.ts"
import { builtinInstances, creationFailure, type Instance, Plugins } from "../plugin/Plugins.ts"
import * as ContextValue from "../proxy/ContextValue.ts"
import * as ErrorPage from "../proxy/ErrorPage.ts"
import { unbuilt } from "../proxy/Failure.ts"
import { proceed } from "../proxy/Lifecycle.ts"
import type { Counters, LocationRuntime, ServerRuntime, UpstreamRuntime } from "../proxy/Runtime.ts"
import { Upstreams } from "../upstream/Upstreams.ts"
import type { ConnectionOptions, Generation, ListenAddress, ServerEntry } from "./Generation.ts"

export class Generations extends Context.Service<
  Generations,
  {
    /** The published generation. */
    readonly current: () => Generation
    /** The current generation, then each newer one when it has been published. */
    readonly changes: Stream.Stream<Generation>
  }
>()("pingap/generation/Generations") {
  static readonly layer = Layer.effect(
    Generations,
    Effect.gen(function* () {
      const config = yield* Config
      const builder = yield* makeBuilder
      const root = yield* Effect.scope
      const fork = Effect.runForkWith(yield* Effect.context<never>())

      const prepare = Effect.fnUntraced(function* (snapshot: Snapshot) {
        const scope = yield* Scope.fork(root)
        const close = Effect.catchCause(Scope.close(scope, Exit.void), (cause) =>
          Effect.logError("Something of a replaced configuration did not close", cause)
        )
        const usage = new Usage(() => fork(close))
        const generation = yield* builder(snapshot, usage).pipe(
          Scope.provide(scope),
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
        )
        return { generation, usage }
      })

      let applied = yield* config.current
      let live = yield* prepare(applied)
      const published = yield* SubscriptionRef.make(live.generation)

      yield* config.changes.pipe(
        Stream.filter((snapshot) => snapshot !== applied),
        Stream.runForEach((snapshot) =>
          prepare(snapshot).pipe(
            Effect.flatMap((next) => {
              const old = live
              applied = snapshot
              live = next
              return Effect.andThen(
                SubscriptionRef.set(published, next.generation),
                Effect.sync(() => old.usage.retire())
              )
            }),
            Effect.catchCause((cause) => Effect.logError("The new configuration could not be built", cause))
          )
        ),
        Effect.catchCause((cause) => Effect.logError("Configuration changes are not followed any more", cause)),
        Effect.forkScoped
      )
      return { current: () => live.generation, changes: SubscriptionRef.changes(published) }
    })
  )
}

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

type Build = (snapshot: Snapshot, usage: Usage) => Effect.Effect<Generation, never, Scope.Scope>

const makeBuilder: Effect.Effect<Build, never, Plugins | Upstreams | AccessLog> = Effect.gen(function* () {
  const plugins = yield* Plugins
  const upstreams = yield* Upstreams
  const accessLog = yield* AccessLog
  const environment = yield* Environment
  const { report } = yield* Defects
  // What lives longer than a generation: counters by name, and the last configuration of each entity that could be built.
  const serverCounters = new CounterTable()
  const locationCounters = new CounterTable()
  const goodPlugins = new Map<string, PluginConf>()
  const goodUpstreams = new Map<string, UpstreamConf>()
  let id = 0

  const buildUpstreams = Effect.fnUntraced(function* ({ basic, upstreams: confs }: Snapshot["config"]) {
    const pools = new Map<string, UpstreamRuntime>()
    forgetMissing(goodUpstreams, confs)
    for (const [name, conf] of Object.entries(confs)) {
      const pool = yield* orPrevious(name, conf, goodUpstreams, (value) =>
        upstreams.pool(name, value, basic.upstream_keepalive_pool_size)
      )
      if (pool !== undefined) pools.set(name, pool)
    }
    return pools
  })

  const buildPlugins = Effect.fnUntraced(function* (confs: Snapshot["config"]["plugins"]) {
    const instances = new Map<string, Instance>()
    forgetMissing(goodPlugins, confs)
    // Built-in instances come last and win over plugins of the same name (spec: config 11).
    for (const [name, table] of [
      ...Object.entries(confs),
      ...builtinInstances.map((b) => [b.name, b.table] as const)
    ]) {
      const instance = yield* orPrevious(name, table as PluginConf, goodPlugins, (value) =>
        plugins.instance(name, value).pipe(Effect.mapError((error) => ({ message: creationFailure(name, error) })))
      )
      if (instance !== undefined) instances.set(name, instance)
    }
    return instances
  })

  const buildLocation = Effect.fnUntraced(function* (
    name: string,
    conf: LocationConf,
    pools: ReadonlyMap<string, UpstreamRuntime>,
    instances: ReadonlyMap<string, Instance>,
    runner: Pipeline.Runner
  ) {
    const problems: Array<string> = []
    const members: Array<Instance> = []
    for (const plugin of conf.plugins ?? []) {
      const instance = instances.get(plugin)
      if (instance === undefined) problems.push(`plugin ${plugin} is not there`)
      else members.push(instance)
    }
    let reported = false
    const reportRewrite: Rewrite.OnInvalid = (exchange, result) => {
      if (reported) return
      reported = true
      runner(
        Effect.logError("A rewrite gave no path, the old one stays", { location: name, path: exchange.path, result })
      )
    }
    const rewrite = (conf.rewrite ?? "") === "" ? null : Rewrite.compile(conf.rewrite!, reportRewrite)
    if (rewrite instanceof Rewrite.RewriteError) problems.push(`rewrite: ${rewrite.message}`)
    for (const problem of problems) yield* Effect.logError(`${problem}; the location answers 503`, { location: name })
    for (const problem of UpstreamFields.problems(conf)) {
      yield* Effect.logWarning(problem, { location: name })
    }
    const upstreamName = conf.upstream ?? ""
    const isVariable = upstreamName.startsWith("$")
    return {
      name,
      counters: locationCounters.of(name),
      maxBodyBytes: conf.client_max_body_size,
      maxProcessing: conf.max_processing,
      maxRetries: conf.max_retries ?? 0,
      maxRetryWindowMillis: conf.max_retry_window ?? 0,
      rewrite: rewrite instanceof Rewrite.RewriteError ? null : rewrite,
      upstreamFields: UpstreamFields.compile(conf, environment),
      upstream: isVariable ? null : (pools.get(upstreamName) ?? null),
      upstreamVariable: isVariable ? upstreamName.slice(1) : "",
      named: (other) => pools.get(other) ?? null,
      ...Pipeline.compile(members, { runner, proceed }),
      broken: problems.length > 0 ? unbuilt : null
    } satisfies LocationRuntime
  })

  const buildServer = Effect.fnUntraced(function* (
    name: string,
    conf: ServerConf,
    snapshot: Snapshot,
    locations: ReadonlyMap<string, LocationRuntime>,
    common: Pick<ServerRuntime, "trusted" | "errorPage" | "report" | "retain" | "release">
  ) {
    const names = (conf.locations ?? []).filter((location) => locations.has(location))
    const rules = names.map((location) => ({ ...snapshot.config.locations[location]!, name: location }))
    const routes = Routes.compile(
      rules,
      names.map((location) => locations.get(location)!)
    )
    for (const error of routes.errors) yield* Effect.logError(`locations.${error.location}: ${error.message}`)
    const log = conf.access_log === undefined ? null : yield* accessLog.open(name, conf.access_log)
    const runtime: ServerRuntime = {
      name,
      counters: serverCounters.of(name),
      route: routes.route,
      measured: (log?.measured ?? false) || names.some((location) => readsMarks(snapshot.config, location)),
      accessLog: log?.write ?? null,
      ...common
    }
    return { name, runtime, addresses: addressesOf(conf), connection: connectionOf(conf) } satisfies ServerEntry
  })

  return Effect.fnUntraced(function* (snapshot, usage) {
    const { config } = snapshot
    const runner = yield* Pipeline.makeRunner
    const pools = yield* buildUpstreams(config)
    const instances = yield* buildPlugins(config.plugins)
    const locations = new Map<string, LocationRuntime>()
    for (const [name, conf] of Object.entries(config.locations)) {
      locations.set(name, yield* buildLocation(name, conf, pools, instances, runner))
    }
    const { basic } = config
    const { release, retain } = usage
    const common = {
      trusted: IpRules.compile(basic.trusted_proxies ?? IpRules.DEFAULT_TRUSTED),
      errorPage: ErrorPage.compile(basic.error_template, VERSION),
      report,
      retain,
      release
    }
    const servers: Array<ServerEntry> = []
    for (const [name, conf] of Object.entries(config.servers)) {
      if (conf.global_certificates) {
        yield* Effect.logError(`servers.${name}: TLS listeners are not supported yet; the server is not started`)
        continue
      }
      servers.push(yield* buildServer(name, conf, snapshot, locations, common))
    }
    return { id: ++id, snapshot, servers, locations, graceMillis: basic.grace_period, retain, release }
  })
})

// Builds an entity, or its last version that could be built, or nothing: reported, and felt only where it is needed.
const orPrevious = <Conf, A, E extends { readonly message: string }>(
  name: string,
  conf: Conf,
  good: Map<string, Conf>,
  build: (conf: Conf) => Effect.Effect<A, E, Scope.Scope>
): Effect.Effect<A | undefined, never, Scope.Scope> =>
  Effect.gen(function* () {
    const built = yield* Effect.result(build(conf))
    if (built._tag === "Success") {
      good.set(name, conf)
      return built.success
    }
    const previous = good.get(name)
    const kept = previous === undefined ? "what needs it answers 503" : "its previous version goes on"
    yield* Effect.logError(`${built.failure.message}; ${kept}`, { name })
    if (previous === undefined) return undefined
    const again = yield* Effect.result(build(previous))
    return again._tag === "Success" ? again.success : undefined
  })

// What was taken out of the configuration does not come back because its successor is broken.
const forgetMissing = <Conf>(good: Map<string, Conf>, confs: Readonly<Record<string, unknown>>): void => {
  for (const name of good.keys()) if (!Object.hasOwn(confs, name)) good.delete(name)
}

// A header value such as `:upstream_connect_time`, of a location or of one of its plugins, reads time marks.
const readsMarks = (config: Snapshot["config"], location: string): boolean => {
  const conf = config.locations[location]!
  const sources = [
    conf.proxy_add_headers,
    conf.proxy_set_headers,
    ...(conf.plugins ?? []).map((name) => config.plugins[name])
  ]
  return sources.some(mentionsMark)
}

const mentionsMark = (value: unknown): boolean => {
  if (typeof value === "string") {
    const key = /(?:^|\s):([a-z_]+)\s*$/.exec(value)?.[1]
    return key !== undefined && ContextValue.readsMarks(key)
  }
  return typeof value === "object" && value !== null && Object.values(value).some(mentionsMark)
}

class CounterTable {
  private readonly table = new Map<string, Counters>()

  of(name: string): Counters {
    let counters = this.table.get(name)
    if (counters === undefined) {
      counters = { processing: 0, accepted: 0 }
      this.table.set(name, counters)
    }
    return counters
  }
}

const addressesOf = (conf: ServerConf): ReadonlyArray<ListenAddress> => {
  const addresses = Address.parseListenList(conf.addr)
  if (addresses instanceof Address.AddressError) return []
  return addresses.map((address) => ({
    host: address.kind === "unix" ? address.path : address.host,
    port: address.kind === "unix" ? -1 : address.port,
    reusePort: conf.reuse_port ?? false,
    keepAliveMillis: conf.tcp_idle ?? 0,
    maxConnections: conf.max_connections
  }))
}

const connectionOf = (conf: ServerConf): ConnectionOptions => ({
  limits: { headBytes: conf.max_head_size, lineBytes: conf.max_field_size, fieldCount: conf.max_header_count },
  headMillis: conf.header_read_timeout,
  headIdleMillis: conf.header_idle_timeout,
  keepAliveMillis: conf.keepalive_timeout,
  maxRequests: conf.keepalive_requests,
  readMillis: conf.downstream_read_timeout,
  writeMillis: conf.downstream_write_timeout
})
