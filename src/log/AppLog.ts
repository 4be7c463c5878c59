/**
 * The application log: what the proxy says about itself, to standard error or a rotated file. Spec: runtime 13 and 14.
 *
 * Effects log as usual (`Effect.logInfo`, annotations become fields). Code that is no effect, such as a socket's
 * callback, uses the plain functions of the service. Both go through one writer that never waits and never throws;
 * see `FileWriter.ts` for what happens when the target does not take its lines.
 *
 * The level can be changed while the process runs, also for fibers that are already running.
 */
import * as fs from "node:fs"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import { absolutePath } from "../platform/HomePath.ts"
import * as FileWriter from "./FileWriter.ts"
import * as Levels from "./Levels.ts"
import type { OpenTarget } from "./LogFiles.ts"
import * as LogRecord from "./LogRecord.ts"
import { parseTarget, rollingOf } from "./Rotation.ts"
import * as Timestamp from "./Timestamp.ts"

type Log = (message: string, fields?: LogRecord.LogFields) => void

export interface AppLogShape {
  readonly debug: Log
  readonly info: Log
  readonly warn: Log
  readonly error: Log
  readonly isEnabled: (level: Levels.Level, category?: string) => boolean
  /** Applies settings from now on, those that are given. Returns the level directives that it rejected. */
  readonly configure: (settings: AppLogSettings) => ReadonlyArray<string>
  /** Everything logged so far is written; from now on every record is written at once. */
  readonly drain: Effect.Effect<void>
  /** The file target, if there is one. */
  readonly targets: Effect.Effect<ReadonlyArray<OpenTarget>>
}

/** What the configuration says about the log. It can change while the process runs. */
export interface AppLogSettings {
  /** `basic.log_level`; empty means what the environment says. */
  readonly level?: string
  /** `basic.log_format_json`. */
  readonly json?: boolean
  /** `basic.log_buffered_size`: below 4096, every record is written at once. */
  readonly bufferBytes?: number
}

export interface AppLogOptions extends AppLogSettings {
  /** `--log`: empty for standard error, else a file as `<path>?rolling=…`. */
  readonly target?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly zone?: Timestamp.Zone
}

/** Lines that may wait for a target that does not move. */
const MAX_PENDING = 10_000
const MIN_BUFFER = 4_096
const BUFFERED_MILLIS = 1_000

export class AppLog extends Context.Service<AppLog, AppLogShape>()("pingap/log/AppLog") {
  /** The log of a process. Replaces Effect's own loggers wherever it is provided. */
  static readonly layer = (options: AppLogOptions = {}): Layer.Layer<AppLog> =>
    Layer.effectContext(Effect.map(open(options), toContext))

  /** Hands every record to the loggers of the surrounding program: for embedding. */
  static readonly layerHost: Layer.Layer<AppLog> = Layer.effect(
    AppLog,
    Effect.map(Effect.context<never>(), (context) => {
      const runFork = Effect.runForkWith(context)
      const via =
        (log: (message: string) => Effect.Effect<void>): Log =>
        (message, fields) =>
          void runFork(fields === undefined ? log(message) : Effect.annotateLogs(log(message), fields))
      return {
        debug: via(Effect.logDebug),
        info: via(Effect.logInfo),
        warn: via(Effect.logWarning),
        error: via(Effect.logError),
        isEnabled: () => true,
        configure: () => [],
        drain: Effect.void,
        targets: Effect.succeed([])
      }
    })
  )

  /** Collects lines instead of writing them, without their time: `INFO message key=value`. For tests. */
  static readonly layerCapture = (lines: Array<string>, level = "trace"): Layer.Layer<AppLog> =>
    Layer.effectContext(
      Effect.sync(() =>
        toContext(
          makeSink({
            append: (line) => lines.push(line.slice(line.indexOf(" ") + 1)),
            drain: Effect.void,
            targets: Effect.succeed([]),
            timestamps: Timestamp.make(() => 0),
            environment: [],
            settings: { level },
            batch: () => {}
          })
        )
      )
    )
}

const open = Effect.fnUntraced(function* (options: AppLogOptions) {
  const { target = "", env = process.env } = options
  const isSyslog = target.startsWith("syslog://")
  const isFile = target !== "" && !isSyslog
  const { path, rolling } = parseTarget(target)
  const timestamps = Timestamp.make(options.zone)
  const batching = (bufferBytes = 0): FileWriter.Batching => ({
    flushMillis: isFile && bufferBytes >= MIN_BUFFER ? BUFFERED_MILLIS : 0,
    batchChars: Math.max(bufferBytes, MIN_BUFFER)
  })
  const writer = yield* FileWriter.make({
    destination: isFile ? yield* FileWriter.rotated(path, rollingOf(rolling)) : FileWriter.stream("stderr", 2),
    maxPending: MAX_PENDING,
    ...batching(options.bufferBytes),
    report: isFile ? reportToStderr(LogRecord.text(timestamps)) : () => undefined
  })
  const sink = makeSink({
    append: writer.append,
    drain: writer.drain,
    targets: Effect.sync(() => (isFile ? [{ path: absolutePath(path), identity: writer.identity() }] : [])),
    timestamps,
    environment: [env["RUST_LOG"], env["PINGAP_LOG_LEVEL"]],
    settings: options,
    batch: (bufferBytes) => writer.batch(batching(bufferBytes))
  })
  if (isSyslog) sink.log("warn", "syslog is not available, logging to standard error", { target })
  return sink
})

/** A log file's own troubles go to standard error: rarely, and never at the cost of the process. */
const reportToStderr =
  (format: LogRecord.RecordFormat): FileWriter.Report =>
  (level, message, fields) => {
    try {
      fs.writeSync(2, `${format(Date.now(), level, message, { category: "log", ...fields })}\n`)
    } catch {
      // Nobody listens there.
    }
  }

interface SinkOptions {
  readonly append: (line: string) => void
  readonly drain: Effect.Effect<void>
  readonly targets: AppLogShape["targets"]
  readonly timestamps: Timestamp.Timestamps
  /** Directives below those of the configuration. */
  readonly environment: ReadonlyArray<string | undefined>
  readonly settings: AppLogSettings
  /** Applies `basic.log_buffered_size`. */
  readonly batch: (bufferBytes: number) => void
}

interface Sink {
  readonly service: AppLogShape
  readonly log: (level: Levels.Level, message: string, fields?: LogRecord.LogFields, millis?: number) => void
}

const makeSink = (options: SinkOptions): Sink => {
  const formatOf = (json = false): LogRecord.RecordFormat =>
    json ? LogRecord.json(options.timestamps) : LogRecord.text(options.timestamps)
  let format = formatOf(options.settings.json)
  let levels = Levels.compile([...options.environment, options.settings.level])
  const log: Sink["log"] = (level, message, fields, millis) => {
    if (!levels.isEnabled(level, fields?.["category"])) return
    options.append(format(millis ?? Date.now(), level, message, fields))
  }
  const known = new Set<string>()
  const warnRejected = () => {
    for (const directive of levels.rejected) {
      if (known.has(directive)) continue
      known.add(directive)
      log("warn", "ignored a log level", { category: "log", directive })
    }
  }
  warnRejected()
  return {
    log,
    service: {
      debug: (message, fields) => log("debug", message, fields),
      info: (message, fields) => log("info", message, fields),
      warn: (message, fields) => log("warn", message, fields),
      error: (message, fields) => log("error", message, fields),
      isEnabled: (level, category) => levels.isEnabled(level, category),
      configure: ({ bufferBytes, json, level }) => {
        if (json !== undefined) format = formatOf(json)
        if (bufferBytes !== undefined) options.batch(bufferBytes)
        if (level === undefined) return []
        levels = Levels.compile([...options.environment, level])
        warnRejected()
        return levels.rejected
      },
      drain: options.drain,
      targets: options.targets
    }
  }
}

/** The service, and the logger for effects. The threshold is ours, so that it can change under running fibers. */
const toContext = (sink: Sink): Context.Context<AppLog> =>
  Context.make(AppLog, sink.service).pipe(
    Context.add(Logger.CurrentLoggers, new Set([effectLogger(sink)])),
    Context.add(References.MinimumLogLevel, "All")
  )

const effectLogger = (sink: Sink) =>
  Logger.make<unknown, void>(({ message, logLevel, cause, fiber, date }) => {
    const level = levelOf(logLevel)
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    if (!sink.service.isEnabled(level, annotations["category"] as string | undefined)) return
    const fields: Record<string, unknown> = {}
    const words: Array<string> = []
    for (const part of Array.isArray(message) ? message : [message]) {
      if (isPlainObject(part)) Object.assign(fields, part)
      else words.push(LogRecord.describe(part))
    }
    Object.assign(fields, annotations)
    for (const [label, start] of fiber.getRef(References.CurrentLogSpans)) fields[label] = `${date.getTime() - start}ms`
    if (cause.reasons.length > 0) fields["cause"] = Cause.pretty(cause)
    sink.log(level, words.join(" "), fields, date.getTime())
  })

const isPlainObject = (value: unknown): value is Record<string, unknown> => {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const levelOf = (level: LogLevel.LogLevel): Levels.Level => {
  switch (level) {
    case "Fatal":
    case "Error":
      return "error"
    case "Warn":
      return "warn"
    case "Debug":
      return "debug"
    case "Trace":
    case "All":
      return "trace"
    default:
      return "info"
  }
}
