/**
 * Serves a configuration until a signal says stop.
 *
 * Until the configuration is read the log has its defaults; then `[basic]` decides, also when it changes later.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as App from "../../App.ts"
import { Config } from "../../config/Config.ts"
import * as FileSource from "../../config/source/File.ts"
import { AccessLog } from "../../log/AccessLog.ts"
import { AppLog } from "../../log/AppLog.ts"
import * as Compression from "../../log/Compression.ts"
import { Plugins } from "../../plugin/Plugins.ts"
import * as Signals from "../../process/Signals.ts"
import { Hurry } from "../../server/Listeners.ts"

export interface RunOptions {
  readonly conf: string
  /** `--log` */
  readonly log: string
  readonly notes: ReadonlyArray<string>
}

/** Succeeds with the exit code after a graceful stop. */
export const run = (options: RunOptions): Effect.Effect<number, Error> =>
  Effect.gen(function* () {
    const signals = yield* Signals.watch
    const serving = Effect.gen(function* () {
      const proxy = yield* App.Proxy
      for (const note of options.notes) yield* Effect.logWarning(note)
      const addresses = yield* proxy.addresses
      if (addresses.length === 0) yield* Effect.logWarning("no server of the configuration listens")
      for (const { host, port, server } of addresses) {
        yield* Effect.logInfo("listening", { server, address: port === -1 ? host : `${host}:${port}` })
      }
      const signal = yield* Deferred.await(signals.first)
      yield* Effect.logInfo("stopping", { signal })
      // From here on no line waits in memory: nobody knows how long the process has.
      yield* (yield* AccessLog).drain
      yield* (yield* AppLog).drain
    })
    yield* serving.pipe(
      Effect.provide(layer(options).pipe(Layer.provide(Layer.succeed(Hurry, signals.second)))),
      // A start that does not come to its end is given up as well.
      Effect.raceFirst(Deferred.await(signals.second))
    )
    return 0
  }).pipe(Effect.scoped)

const layer = (options: RunOptions) => {
  const config = App.config().pipe(
    Layer.provide(FileSource.layer(options.conf)),
    Layer.provide(AppLog.layer({ target: options.log }))
  )
  const log = Layer.unwrap(
    Effect.gen(function* () {
      const { basic } = (yield* (yield* Config).current).config
      return AppLog.layer({
        target: options.log,
        level: basic.log_level ?? "",
        json: basic.log_format_json,
        bufferBytes: basic.log_buffered_size
      })
    })
  )
  return App.layer.pipe(
    Layer.merge(compressOldLogs),
    Layer.provideMerge(AccessLog.layer),
    Layer.merge(followLevel),
    Layer.provideMerge(log),
    Layer.provideMerge(config),
    Layer.provideMerge(Plugins.layer())
  )
}

const followLevel = Layer.effectDiscard(
  Effect.gen(function* () {
    const log = yield* AppLog
    const config = yield* Config
    yield* config.changes.pipe(
      Stream.map((snapshot) => snapshot.config.basic.log_level ?? ""),
      Stream.changes,
      Stream.runForEach((level) => Effect.sync(() => void log.setLevel(level))),
      Effect.forkScoped
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
