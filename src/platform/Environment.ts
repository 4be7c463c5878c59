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
    const env = typeof process === "undefined" ? {} : process.env
    return { hostname: env.HOSTNAME ?? "localhost", env }
  }
})
