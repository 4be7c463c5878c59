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
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { logLines } from "../platform/LogLines.ts"
import * as Slices from "../platform/Slices.ts"
import { ConfigSource } from "./ConfigSource.ts"
import { type Diagnostic, format, formatAll } from "./Diagnostic.ts"
import { type DecodeOptions, Decoder, type RawDocument, type Snapshot } from "./Snapshot.ts"

/** A configuration that cannot be used. */
export class ConfigError extends Data.TaggedError("ConfigError")<{ readonly diagnostics: ReadonlyArray<Diagnostic> }> {
  /** Every finding, printed. */
  override get message(): string {
    return formatAll(this.diagnostics)
  }
}

/** What is known outside the configuration, see {@link DecodeOptions}. By default nothing of that is checked. */
export const Checks = Context.Reference<Omit<DecodeOptions, "strict" | "hints" | "reportUnsupported">>(
  "pingap/config/Checks",
  { defaultValue: () => ({}) }
)

export interface ConfigOptions {
  /** Whether warnings reject a configuration. */
  readonly strict?: boolean
  /** Whether changes that the source announces are applied. Default: yes. */
  readonly follow?: boolean
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

/** Findings about a refused configuration that are logged; `-t` lists all. */
const MAX_LOGGED = 50

const make = Effect.fnUntraced(function* (options: ConfigOptions) {
  const source = yield* ConfigSource
  const checks = yield* Checks
  const decoder = new Decoder({ ...checks, strict: options.strict ?? false, reportUnsupported: true })
  const read = Effect.mapError(source.read, (error) => new ConfigError({ diagnostics: [error.diagnostic] }))
  const prepare = (documents: ReadonlyArray<RawDocument>) =>
    Effect.flatMap(Slices.run(decoder.secrets(documents)), (secrets) =>
      secrets.length === 0 || checks.prepareSecrets === undefined ? Effect.void : checks.prepareSecrets(secrets)
    )
  const decodeAll = (documents: ReadonlyArray<RawDocument>) =>
    prepare(documents).pipe(
      Effect.andThen(Slices.run(decoder.decode(documents))),
      Effect.flatMap((result) =>
        Effect.fromResult(Result.mapError(result, (diagnostics) => new ConfigError({ diagnostics })))
      )
    )

  let seen = yield* read
  const first = yield* decodeAll(seen)
  yield* logWarnings(first.warnings)
  const ref = yield* SubscriptionRef.make(first)
  const rejected = yield* PubSub.sliding<ConfigError>(16)

  const one = yield* Semaphore.make(1)
  let refused: ConfigError | undefined
  const reject = (error: ConfigError): Effect.Effect<void> =>
    Effect.andThen(
      logLines(
        Effect.logError,
        `configuration is rejected, the previous one stays\n${formatAll(error.diagnostics, MAX_LOGGED)}`
      ),
      PubSub.publish(rejected, error)
    )
  const apply = Effect.fnUntraced(function* (documents: ReadonlyArray<RawDocument>, isAsked: boolean) {
    const known = isSame(documents, seen) ? refused : undefined
    seen = documents
    refused = undefined
    const serves = hasServers(yield* SubscriptionRef.get(ref))
    // A truncated file is no wish to stop serving.
    const isEmptied = serves && documents.every(({ text }) => text.trim() === "")
    const decoded = isEmptied
      ? Effect.fail(new ConfigError({ diagnostics: [emptied(documents)] }))
      : decodeAll(documents)
    const snapshot = yield* Effect.tapError(decoded, (error) => {
      refused = error
      // Whoever asked is told, nobody else: it is no news.
      return error.message === known?.message ? Effect.void : reject(error)
    })
    if (!isAsked && serves && !hasServers(snapshot)) {
      refused = new ConfigError({ diagnostics: [SERVERLESS] })
      if (refused.message !== known?.message) yield* reject(refused)
      return yield* refused
    }
    yield* logWarnings(newOnes(snapshot.warnings, (yield* SubscriptionRef.get(ref)).warnings))
    yield* SubscriptionRef.set(ref, snapshot)
  }, Effect.uninterruptible)
  const reloadFor = Effect.fnUntraced(
    function* (isAsked: boolean) {
      // A source that could not be read says nothing about the text that was refused, or taken, before.
      const documents = yield* Effect.tapError(read, reject)
      // Uninterrupted: a text that has been seen has been taken or refused, whoever asked and left. One that was refused
      // may be right by now: a file that it names is there, say.
      if (refused !== undefined || !isSame(documents, seen)) yield* apply(documents, isAsked)
      return yield* SubscriptionRef.get(ref)
    },
    Effect.annotateLogs({ category: "config" }),
    // The source's own announcement and whoever asks must not read past each other.
    one.withPermits(1)
  )
  if (options.follow !== false) {
    yield* source.changes.pipe(
      Stream.runForEach(() =>
        Effect.catchCause(Effect.ignore(reloadFor(false)), (cause) =>
          Effect.logError("the configuration cannot be read", cause)
        )
      ),
      Effect.catchCause((cause) => Effect.logError("configuration is not followed any more", cause)),
      Effect.forkScoped
    )
  }
  return Config.of({
    current: SubscriptionRef.get(ref),
    reload: reloadFor(true),
    changes: Stream.changesWith(SubscriptionRef.changes(ref), (a, b) => a.config === b.config),
    rejected: Stream.fromPubSub(rejected)
  })
})

const hasServers = ({ config: { servers } }: Snapshot): boolean => Object.keys(servers).length > 0

// Half of a file that is being written may be a whole document.
const SERVERLESS: Diagnostic = {
  severity: "error",
  file: "",
  line: 0,
  column: 0,
  path: "servers",
  message: "no server is left",
  hint: "if that is meant, ask for it: SIGHUP"
}

const emptied = ([first]: ReadonlyArray<RawDocument>): Diagnostic => ({
  severity: "error",
  file: first?.file ?? "",
  line: 0,
  column: 0,
  path: "",
  message: first === undefined ? "there is no configuration any more" : "is empty",
  hint: "to serve nothing, stop the process, or remove the servers and leave something else"
})

const isSame = (a: ReadonlyArray<RawDocument>, b: ReadonlyArray<RawDocument>): boolean =>
  a.length === b.length &&
  a.every((document, index) => {
    const other = b[index]!
    return document === other || (document.file === other.file && document.text === other.text)
  })

/** Warnings that were not given before. A reload does not repeat what is known. */
const newOnes = (warnings: ReadonlyArray<Diagnostic>, before: ReadonlyArray<Diagnostic>): ReadonlyArray<Diagnostic> => {
  const keyOf = ({ message, path }: Diagnostic): string => `${path} ${message}`
  const known = new Set(before.map(keyOf))
  return warnings.filter((warning) => !known.has(keyOf(warning)))
}

// Hints are for whoever asks for a check.
const logWarnings = (warnings: ReadonlyArray<Diagnostic>): Effect.Effect<void> =>
  Effect.forEach(
    warnings.filter(({ severity }) => severity === "warning"),
    (warning) => logLines(Effect.logWarning, format(warning)),
    { discard: true }
  ).pipe(Effect.annotateLogs({ category: "config" }))
