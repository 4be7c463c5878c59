/**
 * The configuration that is in force, and its changes.
 *
 * The first load must succeed. After that, a document that is wrong changes nothing: it is logged, published on
 * `rejected`, and the snapshot before it stays. A change that only concerns comments or spelling updates the places
 * that `current` knows, and is no change of `changes`.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { ConfigSource } from "./ConfigSource.ts"
import { type Diagnostic, format, formatAll } from "./Diagnostic.ts"
import { BUILTIN_PLUGINS, decode, type RawDocument, type Snapshot } from "./Snapshot.ts"
import type { CheckPlugin } from "./Validation.ts"

/** A configuration that cannot be used. */
export class ConfigError extends Data.TaggedError("ConfigError")<{ readonly diagnostics: ReadonlyArray<Diagnostic> }> {
  /** Every finding, printed. */
  override get message(): string {
    return formatAll(this.diagnostics)
  }
}

/** What the registry of plugins knows about plugin tables. By default nothing is checked. */
export const PluginCheck = Context.Reference<{
  readonly check: CheckPlugin
  /** Names of plugins that exist without configuration. */
  readonly builtinPlugins: ReadonlyArray<string>
}>("pingap/config/PluginCheck", {
  defaultValue: () => ({ check: () => [], builtinPlugins: BUILTIN_PLUGINS })
})

export interface ConfigOptions {
  /** Whether warnings reject a configuration. */
  readonly strict?: boolean
}

export class Config extends Context.Service<
  Config,
  {
    readonly current: Effect.Effect<Snapshot>
    /** Reads the source now. Fails, and changes nothing, when what it gives is rejected. */
    readonly reload: Effect.Effect<Snapshot, ConfigError>
    /** The current snapshot, then each newer one whose content differs. */
    readonly changes: Stream.Stream<Snapshot>
    /** Configurations that were refused since the stream was started. */
    readonly rejected: Stream.Stream<ConfigError>
  }
>()("pingap/config/Config") {
  /** Follows the source. Fails when the first load does. */
  static readonly layer = (options: ConfigOptions = {}): Layer.Layer<Config, ConfigError, ConfigSource> =>
    Layer.effect(Config, make(options))
}

const make = Effect.fnUntraced(function* (options: ConfigOptions) {
  const source = yield* ConfigSource
  const { check, builtinPlugins } = yield* PluginCheck
  const read = Effect.mapError(source.read, (error) => new ConfigError({ diagnostics: [error.diagnostic] }))
  const decodeOptions = {
    strict: options.strict ?? false,
    checkPlugin: check,
    builtinPlugins,
    reportUnsupported: true
  }
  const decodeAll = (documents: ReadonlyArray<RawDocument>) =>
    Effect.fromResult(
      Result.mapError(decode(documents, decodeOptions), (diagnostics) => new ConfigError({ diagnostics }))
    )

  let seen = yield* read
  const first = yield* decodeAll(seen)
  yield* logWarnings(first)
  const ref = yield* SubscriptionRef.make(first)
  const rejected = yield* PubSub.sliding<ConfigError>(16)

  const one = yield* Semaphore.make(1)
  let refused: ConfigError | undefined
  const reject = (error: ConfigError): Effect.Effect<void> =>
    Effect.andThen(
      Effect.logWarning(`configuration is rejected, the previous one stays\n${error.message}`),
      PubSub.publish(rejected, error)
    )
  const apply = Effect.fnUntraced(function* (documents: ReadonlyArray<RawDocument>) {
    seen = documents
    refused = undefined
    const snapshot = yield* Effect.tapError(decodeAll(documents), (error) => {
      refused = error
      return reject(error)
    })
    yield* logWarnings(snapshot)
    yield* SubscriptionRef.set(ref, snapshot)
  }, Effect.uninterruptible)
  const reload = Effect.gen(function* () {
    // A source that could not be read says nothing about the text that was refused, or taken, before.
    const documents = yield* Effect.tapError(read, reject)
    // Uninterrupted: a text that has been seen has been taken or refused, whoever asked and left.
    if (!Equal.equals(documents, seen)) yield* apply(documents)
    else if (refused !== undefined) return yield* refused
    return yield* SubscriptionRef.get(ref)
  }).pipe(
    Effect.annotateLogs({ category: "config" }),
    // The source's own announcement and whoever asks must not read past each other.
    one.withPermits(1)
  )
  yield* source.changes.pipe(
    Stream.runForEach(() => Effect.ignore(reload)),
    Effect.catchCause((cause) => Effect.logError("configuration is not followed any more", cause)),
    Effect.forkScoped
  )
  return Config.of({
    current: SubscriptionRef.get(ref),
    reload,
    changes: Stream.changesWith(SubscriptionRef.changes(ref), (a, b) => Equal.equals(a.config, b.config)),
    rejected: Stream.fromPubSub(rejected)
  })
})

const logWarnings = (snapshot: Snapshot): Effect.Effect<void> =>
  Effect.forEach(snapshot.warnings, (warning) => Effect.logWarning(format(warning)), { discard: true }).pipe(
    Effect.annotateLogs({ category: "config" })
  )
