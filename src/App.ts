/**
 * How the layers meet, in the order of a configuration's way through the house.
 *
 *   ConfigSource ─▶ Config ─▶ Generations ─▶ Listeners ─▶ Proxy
 *                      ▲          ▲  ▲  ▲
 *                   Plugins ──────╯  │  ╰─────── AccessLog ◀─ AppLog
 *                                Upstreams ◀─ Timekeeper
 *
 * Every arrow is a service that can be replaced by another layer: tests put a memory source in front, a captured
 * access log behind, a test clock underneath (test/App.test.ts). {@link layer} leaves out what differs between a
 * process, an embedding program and a test: the source, the logs, and plugins beyond the built-in ones.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Config, type ConfigError, type ConfigOptions } from "./config/Config.ts"
import { Generations } from "./generation/Generations.ts"
import * as Defects from "./platform/Defects.ts"
import { Timekeeper } from "./platform/Timekeeper.ts"
import * as PluginChecks from "./plugin/PluginChecks.ts"
import type { Plugins } from "./plugin/Plugins.ts"
import * as InProcess from "./server/InProcess.ts"
import { type BoundAddress, type ListenError, Listeners } from "./server/Listeners.ts"
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
     * Reads the configuration now; succeeds when every socket serves it. Fails when it is rejected, which changes
     * nothing, or when one of its addresses cannot be bound, while the others serve it.
     */
    readonly reload: Effect.Effect<void, ConfigError | ListenError>
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
          const reached = yield* listeners.serving.pipe(
            Stream.filterEffect(({ generation }) =>
              Effect.map(config.current, (newest) => Equal.equals(newest.config, generation.snapshot.config))
            ),
            Stream.runHead
          )
          const [error] = Option.match(reached, { onNone: () => [], onSome: ({ errors }) => errors })
          if (error !== undefined) return yield* error
        })
      }
    })
  )
}

/** The configuration that is in force, checked with what the plugins know. */
export const config = (options?: ConfigOptions) => Config.layer(options).pipe(Layer.provide(PluginChecks.layer))

/** The stages behind the configuration. */
export const layer = Proxy.layer.pipe(
  Layer.provideMerge(Listeners.layer),
  Layer.provideMerge(Generations.layer),
  Layer.provideMerge(Upstreams.layer),
  Layer.provideMerge(Timekeeper.layer),
  Layer.provide(Defects.layer)
)

/** What {@link layer} exposes. */
export type Stages = Proxy | Listeners | Generations | Upstreams | Timekeeper | Plugins
