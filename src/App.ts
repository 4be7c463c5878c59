/**
 * How the layers meet, in the order of a configuration's way through the house.
 *
 *   ConfigSource ─▶ Config ─▶ Generations ─▶ Listeners ─▶ Proxy
 *                      ▲          ▲  ▲  ▲ ╰──▶ Notifications
 *                   Plugins ──────╯  │  ╰─────── AccessLog ◀─ AppLog
 *                                Upstreams ◀─ Timekeeper
 *
 * Every arrow is a service that can be replaced by another layer: tests put a memory source in front, a captured
 * access log behind, a test clock underneath (test/App.test.ts). {@link layer} leaves out what differs between a
 * process, an embedding program and a test: the source, the logs, and plugins beyond the built-in ones.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { Checks, Config, type ConfigError, type ConfigOptions } from "./config/Config.ts"
import type { ProxyConfig } from "./config/ConfigSchema.ts"
import * as Secret from "./config/Secret.ts"
import { type GenerationError, Generations } from "./generation/Generations.ts"
import * as Shadowing from "./location/Shadowing.ts"
import * as Directive from "./log/Directive.ts"
import * as Levels from "./log/Levels.ts"
import * as ConfigNotices from "./notification/ConfigNotices.ts"
import { Notifications } from "./notification/Notifications.ts"
import * as Defects from "./platform/Defects.ts"
import { Environment } from "./platform/Environment.ts"
import { Timekeeper } from "./platform/Timekeeper.ts"
import { builtinNames, Plugins } from "./plugin/Plugins.ts"
import * as InProcess from "./server/InProcess.ts"
import { type BoundAddress, type ListenError, Listeners } from "./server/Listeners.ts"
import * as CertificateCheck from "./tls/CertificateCheck.ts"
import { Upstreams } from "./upstream/Upstreams.ts"

export interface HandleOptions extends InProcess.InProcessOptions {
  /** Server to enter by; default: the first of the configuration. */
  readonly server?: string
}

/** A running proxy, as the program around it sees it. */
export class Proxy extends Context.Service<
  Proxy,
  {
    /** Sends a request through a server without a socket. Interrupting the effect is the client leaving. */
    readonly handle: (request: Request, options?: HandleOptions) => Effect.Effect<Response>
    /** Sockets that are bound, with their real ports. */
    readonly addresses: Effect.Effect<ReadonlyArray<BoundAddress>>
    /** Number of the generation that new requests run on, counting from 1. */
    readonly generation: Effect.Effect<number>
    /**
     * Reads the configuration now; succeeds when every socket serves it. Fails when it is rejected or cannot be built,
     * which changes nothing, or when one of its addresses cannot be bound, while the others serve it.
     */
    readonly reload: Effect.Effect<void, ConfigError | GenerationError | ListenError>
  }
>()("pingap/Proxy") {
  static readonly layer = Layer.effect(
    Proxy,
    Effect.gen(function* () {
      const config = yield* Config
      const generations = yield* Generations
      const listeners = yield* Listeners
      return {
        handle: (request, options = {}) =>
          Effect.suspend(() => {
            const { servers } = generations.current()
            const entry =
              options.server === undefined ? servers[0] : servers.find(({ name }) => name === options.server)
            return entry === undefined
              ? Effect.succeed(new Response("No such server", { status: 503 }))
              : InProcess.handle(entry.runtime, request, options)
          }),
        addresses: listeners.addresses,
        generation: listeners.generation,
        reload: Effect.gen(function* () {
          yield* config.reload
          // Newer configurations may come meanwhile: what counts is that the sockets have caught up.
          const isNewest = (reached: ProxyConfig) => Effect.map(config.current, (newest) => newest.config === reached)
          const taken = Stream.filterEffect(listeners.serving, ({ generation }) => isNewest(generation.snapshot.config))
          const failed = Stream.filterEffect(generations.failures, (failure) => isNewest(failure.config))
          const reached = yield* Stream.runHead(Stream.merge(taken, failed))
          if (Option.isNone(reached)) return
          if ("message" in reached.value) return yield* reached.value
          const [error] = reached.value.errors
          if (error !== undefined) return yield* error
        })
      }
    })
  )
}

/** What the stages know about texts of the configuration; the configuration itself knows no stage. */
export const checks = Layer.effect(
  Checks,
  Effect.gen(function* () {
    const plugins = yield* Plugins
    const { env } = yield* Environment
    return {
      checkPlugin: plugins.check,
      builtinPlugins: builtinNames,
      checkAccessLog: (text) => (text === "" ? [] : Directive.check(text)),
      checkLogLevel: Levels.check,
      checkCertificate: CertificateCheck.check,
      findShadowed: Shadowing.find,
      decrypt: (value, secret) =>
        Result.flatMap(Secret.passphrase(secret, env), (passphrase) => Secret.decrypt(value, passphrase)),
      prepareSecrets: (secrets) =>
        Secret.prepare(
          secrets.flatMap(({ secret, value }) => {
            const passphrase = Secret.passphrase(secret, env)
            return Result.isSuccess(passphrase) ? [{ value, passphrase: passphrase.success }] : []
          })
        )
    }
  })
)

/** The configuration that is in force. */
export const config = (options?: ConfigOptions) => Config.layer(options).pipe(Layer.provide(checks))

/** Tells the webhook of the configuration what becomes of reloads. */
const notices = Layer.unwrap(
  Effect.gen(function* () {
    const { rejected } = yield* Config
    const { failures, reports } = yield* Generations
    const { serving } = yield* Listeners
    const unbound = Stream.filter(
      Stream.map(serving, ({ errors }) => errors),
      (errors) => errors.length > 0
    )
    const broken = Stream.merge(
      unbound,
      Stream.map(failures, (failure) => [failure])
    )
    return ConfigNotices.layer({ rejected, reports, broken })
  })
)

/** The stages behind the configuration. */
export const layer = Proxy.layer.pipe(
  Layer.merge(notices),
  Layer.provideMerge(Listeners.layer),
  Layer.provideMerge(Generations.layer),
  Layer.provideMerge(Notifications.layer),
  Layer.provideMerge(Upstreams.layer),
  Layer.provideMerge(Timekeeper.layer),
  Layer.provide(Defects.layer)
)

/** What {@link layer} exposes. */
export type Stages = Proxy | Listeners | Generations | Notifications | Upstreams | Timekeeper | Plugins
