/**
 * Serves a configuration until a signal says stop.
 *
 * Until the configuration is read the log has its defaults; then `[basic]` decides, also when it changes later.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as App from "../../App.ts"
import { Config } from "../../config/Config.ts"
import { restartNeeded } from "../../config/RestartKeys.ts"
import * as Open from "../../config/source/Open.ts"
import { Generations } from "../../generation/Generations.ts"
import { AccessLog } from "../../log/AccessLog.ts"
import { AppLog } from "../../log/AppLog.ts"
import * as Compression from "../../log/Compression.ts"
import * as Address from "../../model/Address.ts"
import { Plugins } from "../../plugin/Plugins.ts"
import * as Signals from "../../process/Signals.ts"
import { Hurry } from "../../server/Listeners.ts"
import type { Follow } from "../Arguments.ts"

export interface RunOptions {
  readonly conf: string
  /** `--log` */
  readonly log: string
  readonly follow: Follow
  /** Warnings reject a configuration. */
  readonly strict: boolean
}

/** Succeeds with the exit code after a graceful stop. */
export const run = (options: RunOptions): Effect.Effect<number, Error> =>
  Effect.gen(function* () {
    const signals = yield* Signals.watch
    const serving = Effect.gen(function* () {
      const proxy = yield* App.Proxy
      const addresses = yield* proxy.addresses
      if (addresses.length === 0) yield* Effect.logWarning(NOTHING_LISTENS)
      for (const { host, port, server } of addresses) {
        yield* Effect.logInfo("listening", {
          server,
          address: port === -1 ? host : Address.formatHostPort(host, port)
        })
      }
      yield* Effect.forkScoped(reloadOn(signals.reload, proxy))
      const signal = yield* Deferred.await(signals.first)
      yield* Effect.logInfo("stopping", { signal })
      // From here on no line waits in memory: nobody knows how long the process has.
      yield* (yield* AccessLog).drain
      yield* (yield* AppLog).drain
    })
    yield* serving.pipe(
      Effect.scoped,
      Effect.provide(layer(options).pipe(Layer.provide(Layer.succeed(Hurry, signals.second)))),
      // A start that does not come to its end is given up as well.
      Effect.raceFirst(Deferred.await(signals.second))
    )
    return 0
  }).pipe(Effect.scoped)

const layer = (options: RunOptions) =>
  Layer.mergeAll(sayWhatNeedsRestart, sayThatNothingListens, compressOldLogs).pipe(
    Layer.provideMerge(App.layer),
    Layer.provideMerge(AccessLog.layer),
    Layer.merge(followLogSettings),
    Layer.provideMerge(App.config({ follow: options.follow !== "none", strict: options.strict })),
    Layer.provide(Open.layer(options.conf)),
    Layer.provideMerge(AppLog.layer({ target: options.log })),
    Layer.provideMerge(Plugins.layer())
  )

const reloadOn = (wishes: Signals.Signals["reload"], proxy: App.Proxy["Service"]): Effect.Effect<never> =>
  Queue.take(wishes).pipe(
    Effect.andThen(Effect.logInfo("reading the configuration again", { signal: "SIGHUP" })),
    Effect.andThen(proxy.reload),
    Effect.matchEffect({
      // What is wrong with it has been logged, now or when it was seen first.
      onFailure: ({ _tag }) => Effect.logError("the configuration is not taken over", { reason: _tag }),
      onSuccess: () =>
        Effect.flatMap(proxy.generation, (generation) =>
          Effect.logInfo("the configuration is in force", { generation })
        )
    }),
    Effect.forever
  )

const followLogSettings = Layer.effectDiscard(
  Effect.gen(function* () {
    const log = yield* AppLog
    const config = yield* Config
    const settings = ({ config: { basic } }: Effect.Success<typeof config.current>) => ({
      level: basic.log_level ?? "",
      json: basic.log_format_json,
      bufferBytes: basic.log_buffered_size
    })
    log.configure(settings(yield* config.current))
    yield* config.changes.pipe(
      Stream.map(settings),
      Stream.changesWith((a, b) => a.level === b.level && a.json === b.json && a.bufferBytes === b.bufferBytes),
      Stream.runForEach((next) => Effect.sync(() => void log.configure(next))),
      Effect.forkScoped
    )
  })
)

const sayWhatNeedsRestart = Layer.effectDiscard(
  Effect.gen(function* () {
    const { reports } = yield* Generations
    yield* reports.pipe(
      Stream.map(({ diff }) => restartNeeded(diff)),
      Stream.filter((paths) => paths.length > 0),
      Stream.runForEach((paths) => Effect.logWarning("takes effect after a restart", { keys: paths.join(", ") })),
      Effect.annotateLogs({ category: "config" }),
      Effect.forkScoped({ startImmediately: true })
    )
  })
)

const NOTHING_LISTENS = "no server of the configuration listens"

// A file that was emptied by accident reads like a configuration that was.
const sayThatNothingListens = Layer.effectDiscard(
  Effect.gen(function* () {
    const { current, reports } = yield* Generations
    yield* reports.pipe(
      Stream.filter(({ diff }) => diff.removed.some(({ section }) => section === "servers")),
      Stream.filter(() => current().servers.length === 0),
      Stream.runForEach(() => Effect.logWarning(NOTHING_LISTENS)),
      Effect.annotateLogs({ category: "config" }),
      Effect.forkScoped({ startImmediately: true })
    )
  })
)

const compressOldLogs = Layer.effectDiscard(
  Effect.gen(function* () {
    const config = yield* Config
    const settings = Effect.map(config.current, ({ config: { basic } }) => ({
      algorithm: basic.log_compress_algorithm ?? "",
      level: basic.log_compress_level,
      daysAgo: basic.log_compress_days_ago,
      hour: basic.log_compress_time_point_hour
    }))
    yield* Effect.forkScoped(Compression.run(settings))
  })
)
