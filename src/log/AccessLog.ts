/**
 * Access logs: from a server's `access_log` directive to the function that writes a line per exchange.
 * Spec: access-log, config 8.1.
 *
 * Opening a log compiles its format and takes a share in the writer of its file. Servers that name the same target
 * share one writer, and so do generations: a reload that keeps the target keeps the file, its queue and its counters,
 * as long as the new generation opens its logs before the old one's scope closes. Without a file, lines are INFO
 * records of the application log.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import { Environment } from "../platform/Environment.ts"
import { absolutePath } from "../platform/HomePath.ts"
import type { Exchange } from "../proxy/Exchange.ts"
import { AppLog } from "./AppLog.ts"
import * as Directive from "./Directive.ts"
import * as FileWriter from "./FileWriter.ts"
import * as Format from "./Format.ts"
import type { OpenTarget } from "./LogFiles.ts"

/** The log of one server, for the data plane. */
export interface OpenedLog {
  /** Writes the line of an exchange that has ended. */
  readonly write: (exchange: Exchange) => void
  /** The format reads time marks: the server must be `measured`. */
  readonly measured: boolean
}

export interface AccessLogShape {
  /** Opens the log of a server until the scope closes. Every directive opens; doubtful ones are reported. */
  readonly open: (serverName: string, directive: string) => Effect.Effect<OpenedLog, never, Scope.Scope>
  /** The process is stopping: what is queued is written, and every line from now on at once. */
  readonly drain: Effect.Effect<void>
  /** The file targets that are open. */
  readonly targets: Effect.Effect<ReadonlyArray<OpenTarget>>
}

export class AccessLog extends Context.Service<AccessLog, AccessLogShape>()("pingap/log/AccessLog") {
  /** `surroundings` replaces what formats take from the process. */
  static readonly layerWith = (surroundings: Partial<Format.Surroundings>): Layer.Layer<AccessLog, never, AppLog> =>
    Layer.effect(
      AccessLog,
      Effect.suspend(() => make(surroundings))
    )

  static readonly layer: Layer.Layer<AccessLog, never, AppLog> = AccessLog.layerWith({})

  /** Appends every line to `lines` and opens no file. For tests. */
  static readonly layerCapture = (
    lines: Array<string>,
    surroundings: Format.Surroundings = { hostname: "localhost", env: {} }
  ): Layer.Layer<AccessLog> =>
    Layer.succeed(AccessLog, {
      open: (_serverName, directive) =>
        Effect.sync(() => compiled(Directive.parse(directive).format, surroundings, (line) => lines.push(line))),
      drain: Effect.void,
      targets: Effect.succeed([])
    })
}

const make = Effect.fnUntraced(function* (given: Partial<Format.Surroundings>) {
  const app = yield* AppLog
  const surroundings = { ...(yield* Environment), ...given }
  const report: FileWriter.Report = (level, message, fields) =>
    app[level](message, { category: "access_log", ...fields })
  const writers = yield* RcMap.make({
    lookup: ({ path, rolling, maxPending, flushMillis }: Directive.FileTarget) =>
      Effect.gen(function* () {
        const destination = yield* FileWriter.rotated(path, rolling)
        return yield* FileWriter.make({ destination, maxPending, flushMillis, report })
      })
  })
  // Every generation opens its logs; what is known about them need not be said again.
  const seen = new Map<string, string>()
  return {
    open: Effect.fnUntraced(function* (serverName: string, directive: string) {
      if (seen.get(serverName) !== directive) {
        seen.set(serverName, directive)
        for (const problem of Directive.check(directive)) {
          app.warn("doubtful access_log", { category: "access_log", server: serverName, problem })
        }
      }
      const { format, file } = Directive.parse(directive)
      if (file === null) return compiled(format, surroundings, (line) => app.info(line))
      const writer = yield* RcMap.get(writers, { ...file, path: absolutePath(file.path) })
      return compiled(format, surroundings, writer.append)
    }),
    drain: Effect.asVoid(Effect.suspend(() => forEachWriter(writers, (writer) => writer.drain))),
    targets: Effect.suspend(() =>
      forEachWriter(writers, (writer, { path }) => Effect.sync(() => ({ path, identity: writer.identity() })))
    )
  }
})

const forEachWriter = Effect.fnUntraced(function* <A>(
  writers: RcMap.RcMap<Directive.FileTarget, FileWriter.FileWriter>,
  use: (writer: FileWriter.FileWriter, target: Directive.FileTarget) => Effect.Effect<A>
) {
  const targets = yield* RcMap.keys(writers)
  return yield* Effect.forEach(
    targets,
    (target) => Effect.scoped(Effect.flatMap(RcMap.get(writers, target), (writer) => use(writer, target))),
    { concurrency: "unbounded" }
  )
})

const compiled = (format: string, surroundings: Format.Surroundings, append: (line: string) => void): OpenedLog => {
  const { line, measured } = Format.compile(format, surroundings)
  return { write: (exchange) => append(line(exchange)), measured }
}
