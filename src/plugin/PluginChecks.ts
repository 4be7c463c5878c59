/**
 * Lends the registry's knowledge of plugin tables to the configuration, which knows of no plugin.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PluginCheck } from "../config/Config.ts"
import { builtinInstances, Plugins } from "./Plugins.ts"

export const builtinNames: ReadonlyArray<string> = builtinInstances.map(({ name }) => name)

export const layer: Layer.Layer<never, never, Plugins> = Layer.effect(
  PluginCheck,
  Effect.map(Plugins, (plugins) => ({ check: plugins.check, builtinPlugins: builtinNames }))
)
