/**
 * `--sync`: copies a whole configuration to another place, in the layout of that place, or prints it as one document.
 *
 * What is wrong is not copied. The target holds the copy and nothing else afterwards, and so it must be a place for
 * configurations: documents that are none, an empty configuration and places inside of each other are refused before
 * anything is written. What is taken away is named. Spec: runtime 2 and 4.
 */
import { resolve } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as App from "../../App.ts"
import { Checks, ConfigError } from "../../config/Config.ts"
import { ConfigSource } from "../../config/ConfigSource.ts"
import { ConfigStore } from "../../config/ConfigStore.ts"
import { ConfigWriter } from "../../config/ConfigWriter.ts"
import { formatAll } from "../../config/Diagnostic.ts"
import { decode } from "../../config/Snapshot.ts"
import * as Open from "../../config/source/Open.ts"
import { Plugins } from "../../plugin/Plugins.ts"
import { print } from "../Output.ts"

export interface SyncOptions {
  readonly conf: string
  /** A place as after `-c`; `-` is standard output. */
  readonly target: string
  /** Warnings are errors. */
  readonly strict: boolean
}

const STANDARD_OUTPUT = "-"

/** Succeeds with the exit code. */
export const sync = ({ conf, strict, target }: SyncOptions): Effect.Effect<number, Error> =>
  Effect.gen(function* () {
    const source = yield* ConfigSource
    const writer = yield* ConfigWriter
    const from = yield* ConfigStore
    const documents = yield* source.read
    const result = decode(documents, { ...(yield* Checks), strict })
    if (result._tag === "Failure") return yield* new ConfigError({ diagnostics: result.failure })
    const { warnings } = result.success
    if (warnings.length > 0) process.stderr.write(`${formatAll(warnings)}\n`)
    if (target === STANDARD_OUTPUT) {
      yield* print(yield* writer.exportText)
      return 0
    }
    const to = Context.get(yield* Layer.build(Open.layer(target)), ConfigStore)
    const before = yield* to.read
    // An address with a typing mistake reads like a configuration that holds nothing.
    if (documents.every(({ text }) => text.trim() === "")) {
      return yield* refuse(from.place, "holds no configuration", "check the path after -c")
    }
    // Each would read the documents of the other as its own.
    if (isInside(from.place, to.place)) return yield* refuse(to.place, `is inside of ${from.place}`, ELSEWHERE)
    if (isInside(to.place, from.place)) return yield* refuse(from.place, `is inside of ${to.place}`, ELSEWHERE)
    yield* writer.copyTo(to)
    const kept = new Set((yield* to.read).map(({ key }) => key))
    for (const { file, key } of before) if (!kept.has(key)) yield* print(`removed ${file}\n`)
    yield* print(`copied to ${to.place}\n`)
    return 0
  }).pipe(
    Effect.scoped,
    Effect.provide(
      ConfigWriter.layer.pipe(
        Layer.provideMerge(Open.layer(conf)),
        Layer.provideMerge(App.checks),
        Layer.provideMerge(Plugins.layer())
      )
    ),
    Effect.catchTag("ConfigSourceError", (error) => new ConfigError({ diagnostics: [error.diagnostic] }))
  )

const ELSEWHERE = "choose a place of its own for the copy"

const refuse = (file: string, message: string, hint: string): ConfigError =>
  new ConfigError({
    diagnostics: [
      { severity: "error", file, line: 0, column: 0, path: "", message: `${message}; nothing was copied`, hint }
    ]
  })

const isInside = (outer: string, inner: string): boolean => absolute(inner).startsWith(`${absolute(outer)}/`)

const absolute = (place: string): string => (/^etcds?:\/\//.test(place) ? place : resolve(place))
