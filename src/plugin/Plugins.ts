/**
 * The registry of plugins: which categories exist, what is wrong with a table, and how an instance is made.
 *
 * A table that cannot be built fails with an error and leaves nothing behind. Which instances run, and which of them
 * a reload hands on, is the business of generations. Spec: plugins 1, 5; config 11.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type Builtin, builtinInstances, builtins, notThereYet } from "./builtin/index.ts"
import * as Check from "./Check.ts"
import * as Options from "./Options.ts"
import { type Hooks, type PluginDefinition, PluginError } from "./Plugin.ts"

export { type BuiltinInstance, builtinInstances } from "./builtin/index.ts"
export type { Problem, Table } from "./Check.ts"

/** Names of plugins that exist without configuration. */
export const builtinNames: ReadonlyArray<string> = builtinInstances.map(({ name }) => name)

/** A plugin at work. */
export interface Instance {
  /** Name in the configuration, `[plugins.<name>]`. */
  readonly name: string
  readonly category: string
  readonly hooks: Hooks
}

// biome-ignore lint/suspicious/noExplicitAny: a registry holds definitions for options of every type
type Definition<R> = PluginDefinition<any, R>
type RequirementsOf<D> = D extends Definition<infer R> ? R : never

/** What the built-in plugins need from the program. */
export type BuiltinRequirements = Exclude<RequirementsOf<Builtin>, Scope.Scope>

export class Plugins extends Context.Service<
  Plugins,
  {
    /** Categories that `category` may name, sorted. */
    readonly categories: ReadonlyArray<string>
    /** What decoding a table finds. Nothing runs. */
    readonly check: (name: string, table: Check.Table) => ReadonlyArray<Check.Problem>
    /** The same, and what building an instance finds; the instance is thrown away. For `-t`. */
    readonly checkEffect: (name: string, table: Check.Table) => Effect.Effect<ReadonlyArray<Check.Problem>>
    /** Builds an instance; it lives until the surrounding scope closes. */
    readonly instance: (name: string, table: Check.Table) => Effect.Effect<Instance, PluginError, Scope.Scope>
  }
>()("pingap/plugin/Plugins") {
  /** The built-in plugins and `extra` ones; an extra definition replaces a built-in one of its category. */
  static readonly layer = <R = never>(
    options: { readonly extra?: ReadonlyArray<Definition<R>> } = {}
  ): Layer.Layer<Plugins, never, Exclude<R, Scope.Scope> | BuiltinRequirements> =>
    Layer.effect(Plugins, make<R | RequirementsOf<Builtin>>([...builtins, ...(options.extra ?? [])]))
}

interface Entry<R> {
  readonly definition: Definition<R>
  readonly read: (table: Check.Table) => Check.Reading
}

interface Key {
  readonly name: string
  readonly table: Check.Table
}

const make = Effect.fnUntraced(function* <R>(definitions: ReadonlyArray<Definition<R>>) {
  const entries = new Map<string, Entry<R>>()
  for (const definition of definitions) {
    entries.set(definition.category, { definition, read: Check.reader(definition) })
  }
  const categories = [...entries.keys()].sort()
  const context = yield* Effect.context<R>()

  const check = (name: string, table: Check.Table): ReadonlyArray<Check.Problem> => {
    const { category } = table
    const path = ["category"]
    if (typeof category !== "string" || category === "") {
      return [{ severity: "error", path, message: `category of ${name} can not be empty` }]
    }
    const entry = entries.get(category)
    if (entry !== undefined) return entry.read(table).problems
    if (notThereYet.has(category)) {
      const message = `${category} is not supported in this version: locations that name this plugin answer 503`
      return [{ severity: "warning", path, message }]
    }
    const message = `Plugin ${category} not found`
    return [{ severity: "error", path, message, ...Check.hintFor(category, [...categories, ...notThereYet]) }]
  }

  const build = ({ name, table }: Key): Effect.Effect<Instance, PluginError, R> => {
    const { category } = table
    if (typeof category !== "string" || category === "") {
      return PluginError.invalid("", `category of ${name} can not be empty`)
    }
    const entry = entries.get(category)
    if (entry === undefined) return new PluginError({ category, message: `Plugin ${category} not found` })
    const { problems, ready } = entry.read(table)
    if (ready === null) {
      const errors = problems.filter(({ severity }) => severity === "error")
      return PluginError.invalid(category, errors.map(Check.describe).join("; "))
    }
    return Effect.suspend(() => entry.definition.make(ready.options, { name, step: ready.step })).pipe(
      // One plugin that throws must not take the whole configuration down.
      Effect.catchDefect((defect) => PluginError.invalid(category, `could not be built: ${String(defect)}`)),
      Effect.map((hooks) => ({ name, category, hooks }))
    )
  }

  return Plugins.of({
    categories,
    check,
    checkEffect: Effect.fnUntraced(function* (name, table) {
      const problems = [...check(name, table)]
      const { category } = table
      if (typeof category !== "string" || !entries.has(category)) return problems
      if (problems.some(({ severity }) => severity === "error")) return problems
      const take: Options.TakeNotice = (path, message) =>
        Effect.sync(() => void problems.push({ severity: "warning", path, message }))
      const built = yield* build({ name, table }).pipe(
        Effect.provideService(Options.Notices, take),
        // Inside of the context, which has the scope of the layer.
        Effect.scoped,
        Effect.provideContext(context),
        Effect.result
      )
      if (built._tag === "Failure") problems.push({ severity: "error", path: [], message: built.failure.message })
      return problems
    }),
    instance: (name, table) =>
      build({ name, table }).pipe(
        Effect.provideService(Options.Notices, logNotice(name)),
        Effect.updateContext((scoped: Context.Context<Scope.Scope>) => Context.merge(context, scoped))
      )
  })
})

const logNotice =
  (plugin: string): Options.TakeNotice =>
  (path, message) =>
    Effect.logWarning(message).pipe(Effect.annotateLogs({ category: "plugin", plugin, key: path.join(".") }))

/** The line that Pingap logs when a plugin of the configuration cannot be built. Spec: plugins 1.1. */
export const creationFailure = (name: string, error: PluginError): string =>
  `Plugin ${error.category} invalid, message: create plugin ${name} failed, ${error.message}`
