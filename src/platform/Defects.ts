/**
 * What becomes of an exception where none may come from: it is logged, a few times a second at most, and the process
 * goes on. The data plane catches at its edges and hands over what it caught (hardening 1.9).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { sparingly } from "./Sparingly.ts"

/** Takes what was caught. Never throws. */
export type ReportDefect = (error: unknown) => void

const PER_SECOND = 5

const reporter = (context: Context.Context<never>): { readonly report: ReportDefect } => {
  const fork = Effect.runForkWith(context)
  return {
    report: sparingly(PER_SECOND, (error) => void fork(Effect.logError("Unexpected failure, please report it", error)))
  }
}

/** Where the data plane reports. A reference: without a layer, Effect's default loggers tell. */
export const Defects = Context.Reference<{ readonly report: ReportDefect }>("pingap/platform/Defects", {
  defaultValue: () => reporter(Context.empty())
})

/** Reports to the loggers of the surrounding program. */
export const layer: Layer.Layer<never> = Layer.effect(Defects, Effect.map(Effect.context<never>(), reporter))
