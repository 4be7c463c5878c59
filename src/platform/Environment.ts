/**
 * What may be asked about the machine for values such as `$hostname` and `$HOME`: a reference, so that a test or an
 * embedding program can answer differently.
 */
import * as Context from "effect/Context"

export interface EnvironmentValues {
  readonly hostname: string
  readonly env: Readonly<Record<string, string | undefined>>
}

export const Environment = Context.Reference<EnvironmentValues>("pingap/platform/Environment", {
  defaultValue: () => {
    if (typeof process === "undefined") return { hostname: "localhost", env: {} }
    // Not imported, so that what imports this runs without Node too.
    return { hostname: process.getBuiltinModule("node:os").hostname(), env: process.env }
  }
})
