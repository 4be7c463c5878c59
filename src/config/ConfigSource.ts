/**
 * Where configuration comes from. A source delivers raw documents and says when they may have changed; it knows
 * nothing of their meaning. Layers: `source/File.ts`, `source/Memory.ts`. Spec: config 1.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Diagnostic } from "./Diagnostic.ts"
import type { RawDocument } from "./Draft.ts"

/** A source that cannot deliver. */
export class ConfigSourceError extends Data.TaggedError("ConfigSourceError")<{
  /** The file, folder or address that could not be read. */
  readonly file: string
  readonly message: string
  readonly hint?: string
  /** Set when a place inside the file is to blame. */
  readonly line?: number
  readonly column?: number
}> {
  /** The failure as a finding, to be listed with those about the content. */
  get diagnostic(): Diagnostic {
    const { file, message, hint, line = 0, column = 0 } = this
    return { severity: "error", file, line, column, path: "", message, ...(hint === undefined ? undefined : { hint }) }
  }
}

export class ConfigSource extends Context.Service<
  ConfigSource,
  {
    /** Every document, now. */
    readonly read: Effect.Effect<ReadonlyArray<RawDocument>, ConfigSourceError>
    /** Emits when `read` may give something else than before; it may emit for nothing. */
    readonly changes: Stream.Stream<void>
  }
>()("pingap/config/ConfigSource") {}
