/**
 * Configuration held in memory: for tests, for embedding programs, for the quick start from command-line flags.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { ConfigSource } from "../ConfigSource.ts"
import type { RawDocument } from "../Draft.ts"

/** One TOML text, or documents with names. */
export type Content = string | ReadonlyArray<RawDocument>

/** A source whose content can be replaced. */
export interface MemorySource {
  /** The source as a layer; every use of it shares the content. */
  readonly layer: Layer.Layer<ConfigSource>
  /** Replaces the content and announces the change. */
  readonly set: (content: Content) => Effect.Effect<void>
}

/** Makes a replaceable source. */
export const make = (content: Content): Effect.Effect<MemorySource> =>
  Effect.map(SubscriptionRef.make(documentsOf(content)), (ref) => ({
    layer: Layer.succeed(ConfigSource, {
      read: SubscriptionRef.get(ref),
      // The current content comes first, so that no change between reading and subscribing is lost.
      changes: Stream.map(SubscriptionRef.changes(ref), () => undefined)
    }),
    set: (next) => SubscriptionRef.set(ref, documentsOf(next))
  }))

/** A source that never changes. */
export const layer = (content: Content): Layer.Layer<ConfigSource> =>
  Layer.succeed(ConfigSource, { read: Effect.succeed(documentsOf(content)), changes: Stream.never })

const documentsOf = (content: Content): ReadonlyArray<RawDocument> =>
  typeof content === "string" ? [{ file: "memory", text: content }] : content
