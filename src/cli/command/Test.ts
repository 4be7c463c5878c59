/**
 * `-t`: reads the configuration, builds everything that can be built without serving, and lists all findings at once.
 * It changes nothing.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as App from "../../App.ts"
import { Checks } from "../../config/Config.ts"
import { ConfigSource } from "../../config/ConfigSource.ts"
import { ConfigStore } from "../../config/ConfigStore.ts"
import { type Diagnostic, formatAll } from "../../config/Diagnostic.ts"
import { decode } from "../../config/Snapshot.ts"
import * as Open from "../../config/source/Open.ts"
import { Plugins, type Problem, type Table } from "../../plugin/Plugins.ts"
import { type OutputError, print } from "../Output.ts"

export interface TestOptions {
  readonly conf: string
  /** Warnings are errors. */
  readonly strict: boolean
}

/** Succeeds with the exit code: 0 for a configuration that would start, 1 otherwise. */
export const test = ({ conf, strict }: TestOptions): Effect.Effect<number, OutputError> =>
  Effect.gen(function* () {
    const source = yield* ConfigSource
    // Not as it was given: the address of an etcd may hold a password.
    const { place } = yield* ConfigStore
    const plugins = yield* Plugins
    const checks = yield* Checks
    const documents = yield* source.read

    // Building a plugin takes an effect, decoding does not: the first pass finds the tables, the second tells.
    const tables = new Map<string, Table>()
    decode(documents, {
      ...checks,
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
      ...checks,
      strict,
      checkPlugin: (name) => problems.get(name) ?? [],
      reportUnsupported: true,
      hints: true
    })
    if (result._tag === "Failure") {
      process.stderr.write(`${formatAll(result.failure)}\n`)
      return 1
    }
    const { config, files, warnings } = result.success
    const findings = Object.keys(config.servers).length === 0 ? [...warnings, nothingListens(place)] : warnings
    if (findings.length > 0) process.stderr.write(`${formatAll(findings)}\n`)
    const count = (items: object, noun: string): string => {
      const n = Object.keys(items).length
      return `${n} ${noun}${n === 1 ? "" : "s"}`
    }
    yield* print(
      `${place}: ok (${[
        count(files, "file"),
        count(config.servers, "server"),
        count(config.locations, "location"),
        count(config.upstreams, "upstream"),
        count(config.plugins, "plugin")
      ].join(", ")})\n`
    )
    return 0
  }).pipe(
    Effect.provide(Layer.mergeAll(Open.layer(conf), App.checks).pipe(Layer.provideMerge(Plugins.layer()))),
    Effect.catchTag("ConfigSourceError", (error) =>
      Effect.sync(() => {
        process.stderr.write(`${formatAll([error.diagnostic])}\n`)
        return 1
      })
    )
  )

// Nothing is wrong with it, but a wrong place looks the same.
const nothingListens = (place: string): Diagnostic => ({
  severity: "hint",
  file: place,
  line: 0,
  column: 0,
  path: "",
  message: "no server is configured: nothing would listen"
})
