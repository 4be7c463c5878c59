/**
 * The documents below a key prefix, as they were last read, and how they are read again.
 *
 * Reading asks for what has changed since the last time. As long as the number of keys adds up, nothing was removed
 * and the rest is as it was; otherwise, and after {@link Documents.distrust}, everything is read, page by page, all
 * pages at one revision. A document that did not change stays the same object, and so does the list.
 */
import { isUtf8 } from "node:buffer"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { ConfigSourceError } from "../../ConfigSource.ts"
import type { StoredDocument } from "../../ConfigStore.ts"
import type { Client } from "./Client.ts"
import { type EtcdError, type Refused, toSourceError } from "./EtcdError.ts"
import { Code, type KeyValue, type RangeAnswer, type RangeOptions } from "./Wire.ts"

export interface Documents {
  /** All documents, now, in the order of their keys. */
  readonly read: Effect.Effect<ReadonlyArray<StoredDocument>, ConfigSourceError>
  /** Whether a document was changed, added or removed since they were last read. */
  readonly haveChanged: Effect.Effect<boolean, EtcdError>
  /** The next read takes nothing for granted: etcd may have come back with older data. */
  readonly distrust: () => void
  /** The revision of the last read; null before it. */
  readonly revision: () => number | null
}

export interface DocumentsOptions {
  readonly client: Client
  /** Key prefix without a slash at its end. */
  readonly prefix: string
  /** Name for errors. */
  readonly place: string
  /** Most documents that one answer brings. */
  readonly pageSize: number
}

/** What was read, and when. */
interface Seen {
  readonly cluster: string
  readonly revision: number
  /** In the order of keys. */
  readonly list: ReadonlyArray<StoredDocument>
}

/** How often a read begins again because the revision that it reads at was compacted away. */
const MAX_RESTARTS = 3

export const make = ({ client, pageSize, place, prefix }: DocumentsOptions): Effect.Effect<Documents> =>
  Effect.gen(function* () {
    const one = yield* Semaphore.make(1)
    const folder = `${prefix}/`
    let seen: Seen | null = null
    // How often what was read came into doubt, and how often it had when the last full read began.
    let doubts = 0
    let settled = -1

    /** Every key of the range at one revision: the first answer, and the keys of all pages. */
    const pages = (options: RangeOptions): Effect.Effect<RangeAnswer, EtcdError> =>
      Effect.gen(function* () {
        const first = yield* client.range(folder, { ...options, limit: pageSize })
        const kvs = [...first.kvs]
        for (let page = first; page.more && page.kvs.length > 0; ) {
          const { revision } = first.header
          page = yield* client.range(folder, { ...options, limit: pageSize, after: kvs.at(-1)!.key, revision })
          kvs.push(...page.kvs)
        }
        return { ...first, kvs }
      })

    const take = (
      answer: RangeAnswer,
      old: ReadonlyMap<string, StoredDocument>
    ): Effect.Effect<Array<StoredDocument>, ConfigSourceError> =>
      Effect.gen(function* () {
        const documents: Array<StoredDocument> = []
        for (const kv of answer.kvs) {
          const document = documentOf(folder, kv)
          if (document instanceof ConfigSourceError) return yield* document
          const before = old.get(document.key)
          documents.push(
            before !== undefined && before.revision === document.revision && before.text === document.text
              ? before
              : document
          )
        }
        return documents
      })

    const readAll = Effect.gen(function* () {
      // A doubt that comes up meanwhile may concern this very read.
      const before = doubts
      const answer = yield* pages({})
      const list = yield* take(answer, byKey(seen?.list ?? []))
      const { cluster, revision } = answer.header
      seen = { cluster, revision, list: same(seen?.list, list) ? seen!.list : list }
      settled = before
      return seen.list
    })

    const readNews = (last: Seen) =>
      Effect.gen(function* () {
        const answer = yield* pages({ since: last.revision + 1 })
        const { cluster, revision } = answer.header
        if (cluster !== last.cluster || revision < last.revision) return yield* readAll
        const merged = byKey(last.list)
        for (const document of yield* take(answer, merged)) merged.set(document.key, document)
        // Every key that is there now was there before or is news: when the numbers agree, none is gone.
        if (merged.size !== answer.count) return yield* readAll
        const list = answer.kvs.length === 0 ? last.list : [...merged.values()].sort(compareKeys)
        seen = { cluster, revision, list }
        return list
      })

    return {
      read: Effect.suspend(() => (seen !== null && settled === doubts ? readNews(seen) : readAll)).pipe(
        Effect.retry({ times: MAX_RESTARTS, while: wasCompacted }),
        Effect.mapError((error) => (error instanceof ConfigSourceError ? error : toSourceError(place, error))),
        one.withPermits(1)
      ),
      haveChanged: Effect.gen(function* () {
        const last = seen
        const answer = yield* client.range(folder, { since: (last?.revision ?? 0) + 1, keysOnly: true, limit: 1 })
        if (last === null) return true
        const { cluster, revision } = answer.header
        const isOther = cluster !== last.cluster || revision < last.revision
        if (isOther) doubts++
        return isOther || answer.kvs.length > 0 || answer.count !== last.list.length
      }),
      distrust: () => {
        doubts++
      },
      revision: () => seen?.revision ?? null
    }
  })

const byKey = (documents: ReadonlyArray<StoredDocument>): Map<string, StoredDocument> =>
  new Map(documents.map((document) => [document.key, document]))

const compareKeys = (a: StoredDocument, b: StoredDocument): number => (a.key < b.key ? -1 : 1)

const same = (before: ReadonlyArray<StoredDocument> | undefined, now: ReadonlyArray<StoredDocument>): boolean =>
  before !== undefined && before.length === now.length && before.every((document, index) => document === now[index])

const wasCompacted = (error: EtcdError | ConfigSourceError): boolean =>
  error._tag === "Refused" && (error satisfies Refused).code === Code.outOfRange

/** The name of a key for people. */
export const fileOf = (key: string): string => `etcd:${key}`

const documentOf = (folder: string, { key, revision, value }: KeyValue): StoredDocument | ConfigSourceError => {
  const file = fileOf(key.toString("utf8"))
  if (!isUtf8(key)) return new ConfigSourceError({ file, message: "the key is not valid UTF-8", hint: "remove it" })
  if (!isUtf8(value)) return new ConfigSourceError({ file, message: "text is not valid UTF-8" })
  return {
    key: key.toString("utf8").slice(folder.length),
    file,
    text: value.toString("utf8"),
    revision: String(revision)
  }
}
