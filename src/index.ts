/**
 * The library: a whole proxy inside an Effect program, or inside any program.
 *
 *   const program = Effect.gen(function* () {
 *     const proxy = yield* Proxy
 *     const response = yield* proxy.handle(new Request("http://example.com/"))
 *   }).pipe(Effect.provide(layer({ config: toml })))
 *
 * {@link layer} is the Effect way, {@link createProxy} gives promises and `Symbol.asyncDispose` to everyone else.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as App from "./App.ts"
import type { ConfigError } from "./config/Config.ts"
import type { ConfigSource, ConfigSourceError } from "./config/ConfigSource.ts"
import type { ConfigStore } from "./config/ConfigStore.ts"
import { ConfigWriter } from "./config/ConfigWriter.ts"
import * as MemorySource from "./config/source/Memory.ts"
import { AccessLog } from "./log/AccessLog.ts"
import { AppLog } from "./log/AppLog.ts"
import type { PluginDefinition } from "./plugin/Plugin.ts"
import { Plugins } from "./plugin/Plugins.ts"
import type { BoundAddress, ListenError } from "./server/Listeners.ts"

export { type HandleOptions, Proxy } from "./App.ts"
export { Config, ConfigError } from "./config/Config.ts"
export { ConfigSource, ConfigSourceError } from "./config/ConfigSource.ts"
export { ConfigConflict, ConfigStore } from "./config/ConfigStore.ts"
export * from "./config/ConfigWriter.ts"
export type { Diagnostic } from "./config/Diagnostic.ts"
export type { Section } from "./config/Draft.ts"
export type { Layout } from "./config/Layout.ts"
export * as FileSource from "./config/source/File.ts"
export * as MemorySource from "./config/source/Memory.ts"
/** Opens any place that `-c` can name: a file, a folder, etcd. */
export * as Source from "./config/source/Open.ts"
export { GenerationError, Generations } from "./generation/Generations.ts"
export { AccessLog } from "./log/AccessLog.ts"
export { AppLog } from "./log/AppLog.ts"
export { Notifications } from "./notification/Notifications.ts"
export { Timekeeper } from "./platform/Timekeeper.ts"
export { Plugins } from "./plugin/Plugins.ts"
export * from "./plugin.ts"
export { type BoundAddress, Hurry, ListenError, Listeners } from "./server/Listeners.ts"
export { Upstreams } from "./upstream/Upstreams.ts"

// biome-ignore lint/suspicious/noExplicitAny: definitions of plugins with options of any type
type AnyPlugin = PluginDefinition<any, any>

export interface ProxyOptions {
  /** The configuration: TOML text, documents, or a source of one's own. */
  readonly config: MemorySource.Content | Layer.Layer<ConfigSource, ConfigSourceError>
  /** Plugins beside the built-in ones, made with `define`. */
  readonly plugins?: ReadonlyArray<AnyPlugin>
}

/**
 * A whole proxy: listens, serves, and stops gracefully when its scope closes. Logs go to the loggers of the program.
 * Fails with every finding when the configuration is wrong, or with the first address that cannot be bound.
 */
export const layer = (options: ProxyOptions): Layer.Layer<App.Proxy, LayerError> => {
  const { config } = options
  const source = isLayer(config) ? config : MemorySource.layer(config)
  return App.layer.pipe(
    Layer.provide(AccessLog.layer),
    Layer.provide(AppLog.layerHost),
    Layer.provide(App.config()),
    Layer.provide(Plugins.layer({ extra: options.plugins ?? [] })),
    Layer.provide(source)
  ) as Layer.Layer<App.Proxy, LayerError>
}

type LayerError = ConfigError | ConfigSourceError | ListenError

const isLayer = (config: ProxyOptions["config"]): config is Layer.Layer<ConfigSource, ConfigSourceError> =>
  Layer.isLayer(config)

/** Writes configuration into a store, checked with what the built-in plugins and these know. */
export const configWriter = (
  options: Pick<ProxyOptions, "plugins"> = {}
): Layer.Layer<ConfigWriter, never, ConfigStore> =>
  ConfigWriter.layer.pipe(
    Layer.provide(App.checks),
    Layer.provide(Plugins.layer({ extra: options.plugins ?? [] }))
  ) as Layer.Layer<ConfigWriter, never, ConfigStore>

/** A running proxy for programs without Effect. */
export interface RunningProxy extends AsyncDisposable {
  readonly handle: (request: Request, options?: App.HandleOptions) => Promise<Response>
  readonly addresses: () => Promise<ReadonlyArray<BoundAddress>>
  /**
   * Replaces the configuration; resolves when it is in force. Rejects with `ConfigError` when it is wrong, which changes
   * nothing, or with `ListenError` when one of its addresses cannot be bound.
   */
  readonly configure: (content: MemorySource.Content) => Promise<void>
}

/** Starts a proxy on a configuration in memory. Rejects with `ConfigError` or `ListenError`. */
export const createProxy = async (options: {
  readonly config: MemorySource.Content
  readonly plugins?: ReadonlyArray<AnyPlugin>
}): Promise<RunningProxy> => {
  const source = await Effect.runPromise(MemorySource.make(options.config))
  const runtime = ManagedRuntime.make(layer({ ...options, config: source.layer }))
  // A runtime keeps what was built before the failure: sockets that were bound, timers.
  const proxy = await runtime.runPromise(Effect.service(App.Proxy)).catch(async (error) => {
    await runtime.dispose()
    throw error
  })
  return {
    handle: (request, handleOptions) =>
      runtime.runPromise(proxy.handle(request, handleOptions), { signal: request.signal }),
    addresses: () => runtime.runPromise(proxy.addresses),
    configure: (content) => runtime.runPromise(Effect.andThen(source.set(content), proxy.reload)),
    [Symbol.asyncDispose]: () => runtime.dispose()
  }
}
