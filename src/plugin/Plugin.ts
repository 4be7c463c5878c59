/**
 * The plugin contract: what a plugin declares, and what its hooks may do. Built-in plugins, plugins of users and
 * plugins of embedding programs are all made with {@link define}.
 *
 * `make` runs once per configuration value, as an effect: it may fail, acquire resources and start loops in its scope,
 * and use services. It returns {@link Hooks}, plain functions that run per request. A hook returns `undefined` to go
 * on, a response to answer, or an effect of either when it has to wait; the effect is interrupted when the client
 * leaves. An instance, with its state, lives as long as its configuration does not change.
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { BodyTransform } from "../proxy/Body.ts"
import type { Exchange } from "../proxy/Exchange.ts"
import type { LocalResponse } from "../proxy/Response.ts"

/** Where in a request's way a plugin may stand. Spec: plugins 1.3. */
export type Step = "early_request" | "request" | "proxy_upstream" | "upstream_response" | "response"

/** `undefined` continues with the next plugin, a response ends the request. */
export type Decision = undefined | LocalResponse

/** A hook of a request step. The effect form is for hooks that wait; an effect that dies answers 500. */
export type RequestHook = (exchange: Exchange) => Decision | Effect.Effect<Decision>

/** Edits `exchange.response` (fields) and `exchange.status` before the head is sent. */
export type ResponseHook = (exchange: Exchange) => void

/** Returns a rewriting stage for this exchange's body, or undefined to leave it alone. */
export type BodyHook = (exchange: Exchange) => BodyTransform | undefined

/**
 * The functions of one plugin instance; a phase it has no part in is absent. In every phase, hooks run in the order
 * of the location's `plugins` list. Spec: plugins 3.1.
 */
export interface Hooks {
  /** After the location is chosen, before rewriting. */
  readonly earlyRequest?: RequestHook
  /** After rewriting, before the cache. Security belongs here. */
  readonly request?: RequestHook
  /** Before a backend is chosen; not on cache hits. */
  readonly proxyUpstream?: RequestHook
  /** The body on its way to the upstream. */
  readonly requestBody?: BodyHook
  /** An upstream's final head, before the cache sees it. */
  readonly upstreamResponse?: ResponseHook
  /** An upstream's body, before the cache sees it. */
  readonly upstreamBody?: BodyHook
  /** The head of a proxied or cached response, on every delivery. */
  readonly response?: ResponseHook
  /** The body of a proxied or cached response, on every delivery. */
  readonly responseBody?: BodyHook
}

/** A configuration value that decodes but cannot work. The message is shown with the plugin's name and place. */
export class PluginError extends Data.TaggedError("PluginError")<{
  readonly category: string
  readonly message: string
}> {
  /** The text that Pingap prints for the same mistake. Spec: plugins 1.4. */
  static invalid(category: string, message: string): PluginError {
    return new PluginError({ category, message: `Plugin ${category} invalid, message: ${message}` })
  }
}

/** What `make` learns besides its options. */
export interface PluginContext {
  /** Name in the configuration, `[plugins.<name>]`. */
  readonly name: string
  /** Step from the configuration, or the plugin's default. Always one of the definition's `steps`. */
  readonly step: Step
}

/** A plugin as the registry holds it. Made by {@link define}. */
// biome-ignore lint/suspicious/noExplicitAny: a registry holds plugins with options of every type
export interface PluginDefinition<Options = any, R = any> {
  readonly category: string
  /** One sentence for the reference page. */
  readonly description: string
  /**
   * Steps that `step` may name, the default first. Plugins whose place is fixed list one step.
   */
  readonly steps: readonly [Step, ...Array<Step>]
  /**
   * What to do with a `step` that is not in `steps`. `strict`: any other text is an error. `lenient`: unknown text
   * means the default, a known but unsupported step is `stepError`. `fixed`: the key has no effect.
   */
  readonly stepPolicy: "strict" | "lenient" | "fixed"
  /** Message for a known but unsupported step under `lenient`. */
  readonly stepError: string
  /** Decodes the plugin's table. Its annotations are the reference documentation. */
  // biome-ignore lint/suspicious/noExplicitAny: the encoded side is whatever TOML holds
  readonly options: Schema.Codec<Options, any, never, never>
  readonly make: (options: Options, context: PluginContext) => Effect.Effect<Hooks, PluginError, R>
}

/**
 * Declares a plugin. Everything that can be computed from the options is computed in `make`; `R` may name a `Scope`
 * and services that the program provides to the registry.
 */
export const define = <Options, R = never>(definition: {
  readonly category: string
  readonly description: string
  readonly steps?: readonly [Step, ...Array<Step>]
  readonly stepPolicy?: "strict" | "lenient" | "fixed"
  readonly stepError?: string
  // biome-ignore lint/suspicious/noExplicitAny: the encoded side is whatever TOML holds
  readonly options: Schema.Codec<Options, any, never, never>
  readonly make: (options: Options, context: PluginContext) => Effect.Effect<Hooks, PluginError, R | Scope.Scope>
}): PluginDefinition<Options, R | Scope.Scope> => ({
  steps: ["request"],
  stepPolicy: "fixed",
  stepError: "",
  ...definition
})

/** Puts one request hook at the step the configuration asked for. */
export const at = (step: Step, hook: RequestHook): Hooks =>
  step === "early_request"
    ? { earlyRequest: hook }
    : step === "proxy_upstream"
      ? { proxyUpstream: hook }
      : { request: hook }
