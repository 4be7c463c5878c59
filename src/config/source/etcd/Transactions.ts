/**
 * How a commit becomes transactions of etcd: pure, without I/O.
 *
 * One transaction when it fits, which is all or nothing. etcd takes 128 operations and 1.5 MiB at once; a larger commit
 * is cut into several, each of them all or nothing, in an order in which nothing that is referred to is missing in
 * between: what others refer to is written first and removed last.
 */
import type { Write } from "../../ConfigStore.ts"
import type { Guard, Operation } from "./Wire.ts"

/** A write with what it replaces. */
export interface Change extends Write {
  /** The text that is replaced, for the history; null when there is none or none is kept. */
  readonly old: string | null
}

export interface Transaction {
  readonly writes: ReadonlyArray<Change>
  readonly guards: ReadonlyArray<Guard>
  readonly operations: ReadonlyArray<Operation>
}

export interface TransactionOptions {
  /** Key prefix without a slash at its end. */
  readonly prefix: string
  /** Seconds since 1970, for keys of the history. */
  readonly now: number
}

/** What etcd takes at once by default: `--max-txn-ops`, and `--max-request-bytes` less what surrounds the texts. */
const MAX_OPERATIONS = 128
const MAX_BYTES = 1_400_000
const OPERATION_BYTES = 64

/** The key of a document. */
export const keyOf = (prefix: string, key: string): string => `${prefix}/${key}`

/** What keys of a document's earlier texts begin with: `<prefix>-history/<key>/`, then `<revision>-<seconds>`. */
export const historyPrefix = (prefix: string, key: string): string => `${prefix}-history/${key}/`

/** The transactions of a commit, in their order. */
export const plan = (changes: ReadonlyArray<Change>, options: TransactionOptions): ReadonlyArray<Transaction> => {
  const transactions: Array<Transaction> = []
  let writes: Array<Change> = []
  let operations: Array<Operation> = []
  let size = 0
  const close = (): void => {
    if (writes.length === 0) return
    const guards = writes.map(({ expected, key }) => ({ key: keyOf(options.prefix, key), revision: expected ?? "0" }))
    transactions.push({ writes, guards, operations })
    writes = []
    operations = []
    size = 0
  }
  for (const change of inOrder(changes)) {
    const own = operationsOf(change, options)
    const bytes = own.reduce(
      (sum, operation) => sum + sizeOf(operation),
      Buffer.byteLength(change.key) + OPERATION_BYTES
    )
    if (operations.length + own.length > MAX_OPERATIONS || size + bytes > MAX_BYTES) close()
    writes.push(change)
    operations.push(...own)
    size += bytes
  }
  close()
  return transactions
}

const operationsOf = (
  { expected, key, old, text }: Change,
  { now, prefix }: TransactionOptions
): ReadonlyArray<Operation> => {
  const write = { key: keyOf(prefix, key), value: text }
  return old === null ? [write] : [{ key: `${historyPrefix(prefix, key)}${expected}-${now}`, value: old }, write]
}

const sizeOf = ({ key, value }: Operation): number =>
  Buffer.byteLength(key) + Buffer.byteLength(value ?? "") + OPERATION_BYTES

/** What refers to nothing comes first; documents that hold anything come last, they may refer to all. */
const RANKS: Readonly<Record<string, number>> = {
  storages: 0,
  plugins: 1,
  upstreams: 2,
  certificates: 3,
  locations: 4,
  servers: 5,
  basic: 6
}
const OTHER_RANK = 7

const rankOf = (key: string): number => RANKS[/^[a-z]+(?=\/|\.toml$)/.exec(key)?.[0] ?? ""] ?? OTHER_RANK

/** New texts first, then removals from the other end. The sort is stable. */
const inOrder = (changes: ReadonlyArray<Change>): ReadonlyArray<Change> => [
  ...changes.filter(({ text }) => text !== null).sort((a, b) => rankOf(a.key) - rankOf(b.key)),
  ...changes.filter(({ text }) => text === null).sort((a, b) => rankOf(b.key) - rankOf(a.key))
]
