/** Builds a plugin's hooks from a table of the configuration, without the registry. */
import * as Effect from "effect/Effect"
import { describe, reader, type Table } from "../../src/plugin/Check.ts"
import { Notices } from "../../src/plugin/Options.ts"
import { type PluginDefinition, PluginError } from "../../src/plugin/Plugin.ts"

/** The hooks that `table` (without `category`) gives. Fails with what a user would read. */
export const hooksOf = <Options, R>(definition: PluginDefinition<Options, R>, table: Table = {}, name = "test") =>
  Effect.suspend(() => {
    const { ready, problems } = reader(definition)(table)
    if (ready === null) return PluginError.invalid(definition.category, problems.map(describe).join("; "))
    return definition.make(ready.options as Options, { name, step: ready.step })
  })

/** The message of the error that keeps a table from being built. */
export const refusalOf = <Options, R>(definition: PluginDefinition<Options, R>, table: Table) =>
  hooksOf(definition, table).pipe(
    Effect.flip,
    Effect.map((error) => error.message)
  )

/** What a table makes its plugin say about options without effect, as `path: message`. */
export const noticesOf = <Options, R>(definition: PluginDefinition<Options, R>, table: Table) =>
  Effect.gen(function* () {
    const notices: Array<string> = []
    yield* Effect.provideService(hooksOf(definition, table), Notices, (path, message) =>
      Effect.sync(() => void notices.push(`${path.join(".")}: ${message}`))
    )
    return notices
  })
