/**
 * What became of a reload: what changed, what could not be built, how long it took. Types only.
 */
import type { Diff } from "../config/Diff.ts"

/** An entity that could not be built from its new configuration. */
export interface ReloadProblem {
  /** Section of the configuration, `upstreams`. */
  readonly section: string
  readonly name: string
  readonly message: string
  /** Whether its previous version goes on; otherwise what needs it answers 503. */
  readonly kept: boolean
}

/** One reload that was published. */
export interface ReloadReport {
  /** Number of the generation that it published. */
  readonly generation: number
  /** The difference to the configuration before. */
  readonly diff: Diff
  readonly problems: ReadonlyArray<ReloadProblem>
  /** From the change to the published generation. */
  readonly millis: number
}
