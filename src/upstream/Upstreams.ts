/**
 * How the pool of an upstream is made: backends, a picker, connections. Which pools live, and which of them a reload
 * hands on, is the business of generations.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { UpstreamConf } from "../config/ConfigSchema.ts"
import * as Address from "../model/Address.ts"
import { Defects } from "../platform/Defects.ts"
import { Timekeeper } from "../platform/Timekeeper.ts"
import type { UpstreamRuntime } from "../proxy/Runtime.ts"
import { Backend } from "./Backend.ts"
import { Pool } from "./Pool.ts"
import * as RoundRobin from "./picker/RoundRobin.ts"

/** Why an upstream could not be built. */
export class UpstreamError extends Data.TaggedError("UpstreamError")<{
  readonly upstream: string
  readonly message: string
}> {}

export class Upstreams extends Context.Service<
  Upstreams,
  {
    /**
     * What stands for an upstream while requests run: its pool, closed with the scope. Another layer may put anything
     * there that answers (test/App.test.ts). `maxIdle` is `basic.upstream_keepalive_pool_size`.
     */
    readonly pool: (
      name: string,
      conf: UpstreamConf,
      maxIdle: number
    ) => Effect.Effect<UpstreamRuntime, UpstreamError, Scope.Scope>
  }
>()("pingap/upstream/Upstreams") {
  static readonly layer = Layer.effect(
    Upstreams,
    Effect.gen(function* () {
      const { ticker } = yield* Timekeeper
      const { report } = yield* Defects
      const open = (name: string, conf: UpstreamConf, backends: ReadonlyArray<Backend>, maxIdle: number): Pool =>
        new Pool(name, backends, RoundRobin.make(backends.map((backend) => backend.weight)), {
          connectMillis: conf.connection_timeout,
          readMillis: conf.read_timeout,
          writeMillis: conf.write_timeout,
          idleMillis: conf.idle_timeout,
          maxIdle,
          keepAliveMillis: conf.tcp_idle ?? 0,
          sni: conf.sni,
          verify: conf.verify_cert,
          ticker,
          report,
          maxConnections: conf.max_connections,
          traced: conf.enable_tracer
        })
      return {
        pool: Effect.fnUntraced(function* (name, conf, maxIdle) {
          const backends = yield* backendsOf(name, conf)
          return yield* Effect.acquireRelease(
            Effect.sync(() => open(name, conf, backends, maxIdle)),
            (pool) => Effect.sync(() => pool.close())
          )
        })
      }
    })
  )
}

const backendsOf = (name: string, conf: UpstreamConf): Effect.Effect<ReadonlyArray<Backend>, UpstreamError> =>
  Effect.gen(function* () {
    if (conf.discovery === "docker" || conf.discovery === "transparent") {
      return yield* new UpstreamError({ upstream: name, message: `discovery "${conf.discovery}" is not supported yet` })
    }
    if (conf.alpn === "H2") {
      return yield* new UpstreamError({ upstream: name, message: `alpn "H2" is not supported yet; use H1 or H2H1` })
    }
    if (conf.algo !== "" && conf.algo !== "round_robin") {
      yield* Effect.logWarning("Balancing falls back to round_robin", { upstream: name, algo: conf.algo })
    }
    const backends = new Map<string, Backend>()
    for (const text of conf.addrs) {
      const parsed = Address.parseUpstream(text, conf.sni === "" ? 80 : 443)
      if (parsed instanceof Address.AddressError) {
        return yield* new UpstreamError({ upstream: name, message: `${text}: ${parsed.message}` })
      }
      const { address, weight } = parsed
      const backend =
        address.kind === "unix" ? new Backend(address.path, 0, weight) : new Backend(address.host, address.port, weight)
      backends.set(backend.address, backend)
    }
    if (backends.size === 0) return yield* new UpstreamError({ upstream: name, message: "upstream addrs is empty" })
    return [...backends.values()]
  })
