/**
 * Where configuration is kept, for whoever changes it: documents with a revision each, and commits that are taken as
 * a whole or not at all. It knows nothing of what documents mean. Spec: config 15, admin 5.
 *
 * A commit says of each document which revision it replaces. When another one is there by then, nothing is written
 * and the commit fails with {@link ConfigConflict}: no writer loses what another has written. Whoever reads at any
 * moment, also after a crash in the middle of a commit, sees all of it or nothing of it. The exception is a commit that
 * is larger than one transaction of etcd: see `source/etcd/Commits.ts`.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type { ConfigSourceError } from "./ConfigSource.ts"
import type { RawDocument } from "./Draft.ts"
import type { Layout } from "./Layout.ts"

/** A document as it is kept. */
export interface StoredDocument extends RawDocument {
  /** Its name in the store, `upstreams/api.toml`; empty for the only document of a single layout. */
  readonly key: string
  /** Changes whenever the text does. */
  readonly revision: string
}

/** The change of one document. */
export interface Write {
  readonly key: string
  /** The new text, or null to remove the document. */
  readonly text: string | null
  /** The revision that is replaced, or null when no document of this key may be there. */
  readonly expected: string | null
}

/** An earlier text of a document. */
export interface Version {
  /** Names the version among those of its key. */
  readonly id: string
  /** When it was replaced, in seconds since 1970. */
  readonly replacedAt: number
  readonly text: string
}

/** Somebody else has written meanwhile. Nothing of the commit was written. */
export class ConfigConflict extends Data.TaggedError("ConfigConflict")<{
  readonly key: string
  readonly message: string
}> {}

export class ConfigStore extends Context.Service<
  ConfigStore,
  {
    /** Where it is, for people: a path or address without credentials. */
    readonly place: string
    /** Where new documents go. */
    readonly layout: Layout
    /** Every document, now, in the order of their keys. A store that does not exist yet is empty. */
    readonly read: Effect.Effect<ReadonlyArray<StoredDocument>, ConfigSourceError>
    readonly commit: (writes: ReadonlyArray<Write>) => Effect.Effect<void, ConfigConflict | ConfigSourceError>
    /** The newest 10 earlier versions of a document, newest first; null when the store keeps none. */
    readonly history: ((key: string) => Effect.Effect<ReadonlyArray<Version>, ConfigSourceError>) | null
  }
>()("pingap/config/ConfigStore") {}
