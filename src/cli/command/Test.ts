/**
 * `-t`: reads the configuration, builds everything that can be built without serving, and lists all findings at once.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ConfigSource } from "../../config/ConfigSource.ts"
import { formatAll } from "../../config/Diagnostic.ts"
import { decode } from "../../config/Snapshot.ts"
import * as FileSource from "../../config/source/File.ts"
import * as Directive from "../../log/Directive.ts"
import * as Levels from "../../log/Levels.ts"
import { builtinNames } from "../../plugin/PluginChecks.ts"
import { Plugins, type Problem, type Table } from "../../plugin/Plugins.ts"

export interface TestOptions {
  readonly conf: string
  /** Warnings are errors. */
  readonly strict: boolean
}

/** Succeeds with the exit code: 0 for a configuration that would start, 1 otherwise. */
export const test = ({ conf, strict }: TestOptions): Effect.Effect<number> =>
  Effect.gen(function* () {
    const source = yield* ConfigSource
    const plugins = yield* Plugins
    const documents = yield* source.read

    // Building a plugin takes an effect, decoding does not: the first pass finds the tables, the second tells.
    const tables = new Map<string, Table>()
    decode(documents, {
      checkPlugin: (name, table) => {
        tables.set(name, table)
        return []
      }
    })
    const problems = new Map<string, ReadonlyArray<Problem>>()
    yield* Effect.forEach(
      tables,
      ([name, table]) => Effect.map(plugins.checkEffect(name, table), (found) => problems.set(name, found)),
      { concurrency: 8, discard: true }
    )
    const result = decode(documents, {
      strict,
      checkPlugin: (name) => problems.get(name) ?? [],
      checkAccessLog: (text) => (text === "" ? [] : Directive.check(text)),
      checkLogLevel: Levels.check,
      builtinPlugins: builtinNames,
      reportUnsupported: true
    })
    if (result._tag === "Failure") {
      process.stderr.write(`${formatAll(result.failure)}\n`)
      return 1
    }
    const { config, files, warnings } = result.success
    if (warnings.length > 0) process.stderr.write(`${formatAll(warnings)}\n`)
    const count = (items: object, noun: string): string => {
      const n = Object.keys(items).length
      return `${n} ${noun}${n === 1 ? "" : "s"}`
    }
    process.stdout.write(
      `${conf}: ok (${[
        `${files.length} file${files.length === 1 ? "" : "s"}`,
        count(config.servers, "server"),
        count(config.locations, "location"),
        count(config.upstreams, "upstream"),
        count(config.plugins, "plugin")
      ].join(", ")})\n`
    )
    return 0
  }).pipe(
    Effect.catchTag("ConfigSourceError", (error) =>
      Effect.sync(() => {
        process.stderr.write(`${formatAll([error.diagnostic])}\n`)
        return 1
      })
    ),
    Effect.provide(Layer.merge(FileSource.layer(conf), Plugins.layer()))
  )
