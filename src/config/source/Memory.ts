/**
 * Configuration held in memory: for tests, for embedding programs, for the quick start from command-line flags.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { ConfigSource } from "../ConfigSource.ts"
import { ConfigConflict, ConfigStore, type StoredDocument, type Write } from "../ConfigStore.ts"
import type { RawDocument } from "../Draft.ts"
import { type Layout, SINGLE_KEY } from "../Layout.ts"

/** One TOML text, or documents with names. */
export type Content = string | ReadonlyArray<RawDocument>

/** A source whose content can be replaced. */
export interface MemorySource {
  /** The source, and the store that writes it, as a layer; every use of it shares the content. */
  readonly layer: Layer.Layer<ConfigSource | ConfigStore>
  /** Replaces the content and announces the change. */
  readonly set: (content: Content) => Effect.Effect<void>
}

interface State {
  readonly documents: ReadonlyArray<StoredDocument>
  readonly commits: number
}

/** Makes a replaceable source. `layout` decides where its store puts new items. */
export const make = (content: Content, { layout = "single" }: { readonly layout?: Layout } = {}) =>
  Effect.map(
    SubscriptionRef.make<State>(stateOf(content, 0)),
    (ref): MemorySource => ({
      layer: Layer.succeedContext(
        Context.make(ConfigSource, {
          read: Effect.map(SubscriptionRef.get(ref), ({ documents }) => documents),
          // The current content comes first, so that no change between reading and subscribing is lost.
          changes: Stream.map(SubscriptionRef.changes(ref), () => undefined)
        }).pipe(
          Context.add(ConfigStore, {
            place: "memory",
            layout,
            read: Effect.map(SubscriptionRef.get(ref), ({ documents }) => documents),
            commit: (writes) => SubscriptionRef.updateEffect(ref, (state) => commit(state, writes)),
            history: null
          })
        )
      ),
      set: (next) => SubscriptionRef.update(ref, ({ commits }) => stateOf(next, commits + 1))
    })
  )

/** A source that never changes. */
export const layer = (content: Content): Layer.Layer<ConfigSource> =>
  Layer.succeed(ConfigSource, { read: Effect.succeed(stateOf(content, 0).documents), changes: Stream.never })

const stateOf = (content: Content, commits: number): State => {
  const revision = String(commits)
  const documents =
    typeof content === "string"
      ? [{ key: SINGLE_KEY, file: "memory", text: content, revision }]
      : content.map(({ file, text }) => ({ key: file, file, text, revision }))
  return { documents, commits }
}

const commit = (state: State, writes: ReadonlyArray<Write>): Effect.Effect<State, ConfigConflict> => {
  const documents = new Map(state.documents.map((document) => [document.key, document]))
  const revision = String(state.commits + 1)
  for (const { expected, key, text } of writes) {
    if ((documents.get(key)?.revision ?? null) !== expected) {
      return Effect.fail(new ConfigConflict({ key, message: `${key || "the document"} was changed by somebody else` }))
    }
    if (text === null) documents.delete(key)
    else documents.set(key, { key, file: key || "memory", text, revision })
  }
  const sorted = [...documents.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
  return Effect.succeed({ documents: sorted, commits: state.commits + 1 })
}
