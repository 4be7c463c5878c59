/** Writers on stores for tests, and a store that keeps history. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { ConfigStore, type Version } from "../../../src/config/ConfigStore.ts"
import { ConfigWriter } from "../../../src/config/ConfigWriter.ts"
import { type Layout, SINGLE_KEY } from "../../../src/config/Layout.ts"
import * as Memory from "../../../src/config/source/Memory.ts"

export type Store = ConfigStore["Service"]
export type Writer = ConfigWriter["Service"]

/** A writer on a store. */
export const writerOn = (store: Store): Effect.Effect<Writer, never, Scope.Scope> =>
  Effect.map(Layer.build(Layer.provide(ConfigWriter.layer, Layer.succeed(ConfigStore, store))), (context) =>
    Context.get(context, ConfigWriter)
  )

/** Documents by their key. */
export type Texts = Readonly<Record<string, string>>

/** A store in memory that holds some documents. */
export const memoryStore = (layout: Layout, texts: Texts = {}): Effect.Effect<Store, never, Scope.Scope> =>
  Effect.gen(function* () {
    const keys = Object.keys(texts)
    const isSingle = keys.length === 1 && keys[0] === SINGLE_KEY
    const content = isSingle ? texts[SINGLE_KEY]! : Object.entries(texts).map(([file, text]) => ({ file, text }))
    const source = yield* Memory.make(content, { layout })
    return Context.get(yield* Layer.build(source.layer), ConfigStore)
  })

/** What a store holds. */
export const textsOf = (store: Store) =>
  Effect.map(store.read, (documents): Texts => Object.fromEntries(documents.map(({ key, text }) => [key, text])))

/** The same store, which keeps what it replaces. */
export const withHistory = (store: Store): Store => {
  const versions = new Map<string, Array<Version>>()
  let now = 1000
  return {
    ...store,
    commit: (writes) =>
      Effect.gen(function* () {
        const before = yield* store.read
        yield* store.commit(writes)
        for (const { key } of writes) {
          const text = before.find((document) => document.key === key)?.text
          if (text === undefined) continue
          const kept = versions.get(key) ?? []
          versions.set(key, [{ id: `v${now}`, replacedAt: now++, text }, ...kept])
        }
      }),
    history: (key) => Effect.succeed(versions.get(key) ?? [])
  }
}

/** The same store; `between` runs in front of each of its first commits. */
export const disturbed = (store: Store, times: number, between: Effect.Effect<unknown, unknown>): Store => {
  let left = times
  return {
    ...store,
    commit: (writes) => Effect.andThen(left-- > 0 ? Effect.ignore(between) : Effect.void, store.commit(writes))
  }
}
