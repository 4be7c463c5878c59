/**
 * Writing documents, and reading what they replaced: each commit replaces exactly the revisions that its author has
 * seen, or nothing.
 *
 * A commit that fits into one transaction of etcd is atomic, its history included. A larger one, an import for
 * example, is not: it is checked as a whole before anything is written, then written in several transactions, each
 * of which still replaces only what its author has seen. One that fails in the middle says how far it came.
 *
 * Of each document {@link MAX_KEPT} earlier texts are kept.
 *
 * When the answer to a transaction was lost, the next endpoint may find its guards broken by that very transaction:
 * what is there decides then. Texts that are as they were to be count as written.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { ConfigSourceError } from "../../ConfigSource.ts"
import { ConfigConflict, type Version, type Write } from "../../ConfigStore.ts"
import type { Client } from "./Client.ts"
import { type Documents, fileOf } from "./Documents.ts"
import { type EtcdError, toSourceError } from "./EtcdError.ts"
import { type Change, historyPrefix, keyOf, plan, type Transaction } from "./Transactions.ts"

export interface CommitsOptions {
  readonly client: Client
  readonly documents: Documents
  /** Key prefix without a slash at its end. */
  readonly prefix: string
  /** Name for errors. */
  readonly place: string
  /** Whether replaced texts are kept. */
  readonly history: boolean
}

/** Earlier texts that are given back. */
const HISTORY_LENGTH = 10

/** Earlier texts that are kept of a document. */
export const MAX_KEPT = 100

/** How many more are removed at once, and for how many documents of one commit that is looked at. */
const MAX_TRIMMED = 100
const TRIMMED_DOCUMENTS = 32
const CONCURRENCY = 4

type CommitError = ConfigConflict | ConfigSourceError

/** Writes documents. */
export const commit = (
  options: CommitsOptions,
  writes: ReadonlyArray<Write>
): Effect.Effect<void, ConfigConflict | ConfigSourceError> =>
  Effect.gen(function* () {
    const { documents, place, prefix } = options
    if (writes.length === 0) return
    const problem = problemOf(writes)
    if (problem !== undefined) return yield* new ConfigSourceError({ file: place, message: problem })
    const stored = new Map((yield* documents.read).map((document) => [document.key, document]))
    const changes: Array<Change> = []
    for (const write of writes) {
      const before = stored.get(write.key)
      if ((before?.revision ?? null) !== write.expected) return yield* conflict(write, before !== undefined)
      // Removing what is not there is done.
      if (write.text === null && before === undefined) continue
      changes.push({ ...write, old: options.history ? (before?.text ?? null) : null })
    }
    const now = Math.floor((yield* Clock.currentTimeMillis) / 1_000)
    const transactions = plan(changes, { prefix, now })
    for (const [index, transaction] of transactions.entries()) {
      yield* Effect.mapError(run(options, transaction), (error) =>
        index === 0 ? error : inTheMiddle(place, index, transactions.length, error)
      )
    }
    const kept = changes.filter(({ old }) => old !== null).slice(0, TRIMMED_DOCUMENTS)
    yield* Effect.forEach(kept, ({ key }) => trim(options, key), { concurrency: CONCURRENCY, discard: true })
  })

/** Removes the oldest texts of a document. It was written all the same when this fails; the next commit tries again. */
const trim = ({ client, prefix }: CommitsOptions, key: string): Effect.Effect<void> =>
  client.range(historyPrefix(prefix, key), { newestFirst: true, keysOnly: true, limit: MAX_KEPT + MAX_TRIMMED }).pipe(
    Effect.flatMap(({ kvs }) => {
      const old = kvs.slice(MAX_KEPT).map((kv) => ({ key: kv.key.toString("utf8"), value: null }))
      return old.length === 0 ? Effect.void : client.txn([], old)
    }),
    Effect.ignore
  )

/** The newest earlier texts of a document. */
export const history = (
  { client, place, prefix }: CommitsOptions,
  key: string
): Effect.Effect<ReadonlyArray<Version>, ConfigSourceError> =>
  client.range(historyPrefix(prefix, key), { newestFirst: true, limit: HISTORY_LENGTH }).pipe(
    Effect.mapError((error) => toSourceError(place, error)),
    Effect.map(({ kvs }) =>
      kvs.flatMap((kv) => {
        const id = kv.key.toString("utf8").slice(historyPrefix(prefix, key).length)
        const seconds = /^\d+-(\d{1,15})$/.exec(id)?.[1]
        return seconds === undefined ? [] : [{ id, replacedAt: Number(seconds), text: kv.value.toString("utf8") }]
      })
    )
  )

const problemOf = (writes: ReadonlyArray<Write>): string | undefined => {
  const keys = new Set<string>()
  for (const { key } of writes) {
    if (key === "" || key.startsWith("/") || key.includes("\0")) return "a document in etcd needs a key of its own"
    if (keys.has(key)) return `${key} is written twice in one commit`
    keys.add(key)
  }
  return undefined
}

const run = ({ client, place, prefix }: CommitsOptions, transaction: Transaction): Effect.Effect<void, CommitError> =>
  Effect.gen(function* () {
    const { guards, operations, writes } = transaction
    const file = writes.length === 1 ? fileOf(keyOf(prefix, writes[0]!.key)) : place
    const { inDoubt, value } = yield* Effect.mapError(client.txn(guards, operations), (error) => failure(file, error))
    if (value.succeeded) return
    const current = new Map(value.current.map((kv) => [kv.key.toString("utf8"), kv]))
    const found = writes.map((write) => ({ write, kv: current.get(keyOf(prefix, write.key)) }))
    if (inDoubt && found.every(({ kv, write }) => (kv?.value.toString("utf8") ?? null) === write.text)) return
    const changed = found.find(({ kv, write }) => String(kv?.revision ?? 0) !== (write.expected ?? "0"))
    return yield* conflict((changed ?? found[0]!).write, changed?.kv !== undefined)
  })

const conflict = ({ expected, key }: Write, isThere: boolean): ConfigConflict => {
  const what = expected === null ? "created" : isThere ? "changed" : "removed"
  return new ConfigConflict({ key, message: `${key} was ${what} by somebody else` })
}

/** Without an answer nobody knows whether it was done. */
const failure = (file: string, error: EtcdError): ConfigSourceError => {
  const told = toSourceError(file, error)
  if (error._tag === "Refused" || !error.inDoubt) return told
  return new ConfigSourceError({
    file,
    message: `${told.message}; it may be written or not`,
    hint: told.hint ?? "read again before writing again"
  })
}

const inTheMiddle = (place: string, done: number, all: number, error: CommitError): ConfigSourceError =>
  new ConfigSourceError({
    file: place,
    message: `${done} of ${all} transactions are written, then: ${error.message}`,
    hint: "read again, and write what is missing"
  })
