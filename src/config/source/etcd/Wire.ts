/**
 * Messages of etcd's JSON gateway: what is asked, and what is understood of the answers.
 *
 * The gateway is the JSON form of etcd's gRPC interface: bytes are base64, 64-bit numbers are strings, and fields with
 * their default value are left out. An answer that does not have its form is `null`: nothing is guessed. Revisions are
 * numbers here; etcd counts from 1 and does not come near 2^53. https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/
 */

/** Which store answered, and how many changes it had seen. */
export interface Header {
  readonly cluster: string
  /** 0 when the answer does not say. */
  readonly revision: number
}

export interface KeyValue {
  readonly key: Buffer
  readonly value: Buffer
  /** Revision of the last change of this key. */
  readonly revision: number
}

export interface RangeAnswer {
  readonly header: Header
  readonly kvs: ReadonlyArray<KeyValue>
  /** Whether the limit cut something off. */
  readonly more: boolean
  /** Keys in the range, whatever limit and filter say. */
  readonly count: number
}

export interface TxnAnswer {
  readonly header: Header
  /** Whether all comparisons held. */
  readonly succeeded: boolean
  /** The current state of the compared keys, when they did not. */
  readonly current: ReadonlyArray<KeyValue>
}

export interface WatchAnswer {
  readonly header: Header
  /** The watch stands: changes from now on are told. */
  readonly created: boolean
  readonly canceled: boolean
  /** Oldest revision that there is, when the watch wanted an older one; else 0. */
  readonly compactRevision: number
  readonly reason: string
  /** Changes told. */
  readonly events: number
}

/** An error of the server, with its gRPC status. */
export interface Failure {
  readonly code: number
  readonly message: string
}

/** gRPC status codes that mean something here. */
export const Code = {
  unknown: 2,
  denied: 7,
  precondition: 9,
  outOfRange: 11,
  unavailable: 14,
  unauthenticated: 16
} as const

const encode = (text: string): string => Buffer.from(text, "utf8").toString("base64")

/** First key behind all keys with a prefix: its last byte plus one. UTF-8 never ends in 0xff. */
const endOf = (prefix: string): string => {
  const bytes = Buffer.from(prefix, "utf8")
  bytes[bytes.length - 1]! += 1
  return bytes.toString("base64")
}

export interface RangeOptions {
  readonly limit?: number
  /** Begin behind this key. */
  readonly after?: Buffer
  /** See the store as it was at this revision. */
  readonly revision?: number
  /** Only keys that changed at this revision or later. */
  readonly since?: number
  readonly keysOnly?: boolean
  /** Newest keys first. */
  readonly newestFirst?: boolean
}

/** Asks for the keys that begin with `prefix`, which is not empty. */
export const rangeRequest = (prefix: string, options: RangeOptions = {}): object => ({
  key:
    options.after === undefined ? encode(prefix) : Buffer.concat([options.after, Buffer.alloc(1)]).toString("base64"),
  range_end: endOf(prefix),
  ...(options.limit === undefined ? undefined : { limit: String(options.limit) }),
  ...(options.revision === undefined ? undefined : { revision: String(options.revision) }),
  ...(options.since === undefined ? undefined : { min_mod_revision: String(options.since) }),
  ...(options.keysOnly === true ? { keys_only: true } : undefined),
  ...(options.newestFirst === true ? { sort_order: "DESCEND", sort_target: "CREATE" } : undefined)
})

/** One change inside a transaction: a new value, or null to remove the key. */
export interface Operation {
  readonly key: string
  readonly value: string | null
}

/** A key that must still have this revision; 0 for a key that must not be there. */
export interface Guard {
  readonly key: string
  readonly revision: string
}

/** Asks for changes that happen together, if every guard holds; else for the values of the guarded keys. */
export const txnRequest = (guards: ReadonlyArray<Guard>, operations: ReadonlyArray<Operation>): object => ({
  compare: guards.map(({ key, revision }) => ({
    key: encode(key),
    target: "MOD",
    result: "EQUAL",
    mod_revision: revision
  })),
  success: operations.map(({ key, value }) =>
    value === null
      ? { request_delete_range: { key: encode(key) } }
      : { request_put: { key: encode(key), value: encode(value) } }
  ),
  failure: guards.map(({ key }) => ({ request_range: { key: encode(key) } }))
})

/** Asks to be told of changes below `prefix`, from a revision on or from now on. */
export const watchRequest = (prefix: string, start: number | null): object => ({
  create_request: {
    key: encode(prefix),
    range_end: endOf(prefix),
    ...(start === null ? undefined : { start_revision: String(start) })
  }
})

type Table = Readonly<Record<string, unknown>>

const table = (value: unknown): Table | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Table) : undefined

/** A list field; absent means empty. Undefined for anything else. */
const list = (value: unknown): ReadonlyArray<unknown> | undefined =>
  value === undefined ? [] : Array.isArray(value) ? value : undefined

/** A 64-bit field; absent means 0. NaN for anything else. */
const integer = (value: unknown): number => {
  if (value === undefined) return 0
  const number = typeof value === "string" && /^-?\d{1,19}$/.test(value) ? Number(value) : value
  return typeof number === "number" && Number.isSafeInteger(number) ? number : Number.NaN
}

/** A field of bytes; absent means none. */
const bytes = (value: unknown): Buffer | undefined =>
  value === undefined ? Buffer.alloc(0) : typeof value === "string" ? Buffer.from(value, "base64") : undefined

const readHeader = (value: unknown): Header | null => {
  const header = table(value)
  const revision = integer(header?.["revision"])
  const cluster = header?.["cluster_id"]
  return header === undefined || Number.isNaN(revision)
    ? null
    : { cluster: typeof cluster === "string" ? cluster : "", revision }
}

const readKeyValues = (value: unknown): ReadonlyArray<KeyValue> | null => {
  const items = list(value)
  if (items === undefined) return null
  const kvs: Array<KeyValue> = []
  for (const item of items) {
    const kv = table(item)
    const key = bytes(kv?.["key"])
    const content = bytes(kv?.["value"])
    const revision = integer(kv?.["mod_revision"])
    if (kv === undefined || key === undefined || content === undefined || Number.isNaN(revision)) return null
    kvs.push({ key, value: content, revision })
  }
  return kvs
}

export const readRange = (json: unknown): RangeAnswer | null => {
  const answer = table(json)
  const header = readHeader(answer?.["header"])
  const kvs = readKeyValues(answer?.["kvs"])
  const count = integer(answer?.["count"])
  if (answer === undefined || header === null || kvs === null || Number.isNaN(count)) return null
  return { header, kvs, more: answer["more"] === true, count }
}

export const readTxn = (json: unknown): TxnAnswer | null => {
  const answer = table(json)
  const header = readHeader(answer?.["header"])
  const responses = list(answer?.["responses"])
  if (answer === undefined || header === null || responses === undefined) return null
  const succeeded = answer["succeeded"] === true
  const current: Array<KeyValue> = []
  for (const response of succeeded ? [] : responses) {
    const kvs = readKeyValues(table(table(response)?.["response_range"])?.["kvs"])
    if (kvs === null) return null
    current.push(...kvs)
  }
  return { header, succeeded, current }
}

export const readToken = (json: unknown): string | null => {
  const token = table(json)?.["token"]
  return typeof token === "string" && /^[\x21-\x7e]+$/.test(token) ? token : null
}

/** The error in an answer, also in the form that streams give it; null when there is none. */
export const readFailure = (json: unknown): Failure | null => {
  const answer = table(json)
  const inner = table(answer?.["error"])
  const message = inner?.["message"] ?? answer?.["message"] ?? answer?.["error"]
  const code = integer(inner?.["grpc_code"] ?? inner?.["code"] ?? answer?.["code"])
  if (typeof message !== "string") return null
  return { code: Number.isNaN(code) ? Code.unknown : code, message }
}

export const readWatch = (json: unknown): WatchAnswer | null => {
  const answer = table(table(json)?.["result"])
  const header = readHeader(answer?.["header"])
  const events = list(answer?.["events"])
  const compactRevision = integer(answer?.["compact_revision"])
  if (answer === undefined || header === null || events === undefined || Number.isNaN(compactRevision)) return null
  return {
    header,
    created: answer["created"] === true,
    canceled: answer["canceled"] === true,
    compactRevision,
    reason: typeof answer["cancel_reason"] === "string" ? answer["cancel_reason"] : "",
    events: events.length
  }
}

const LINE_FEED = 10

/** Cuts a stream of bytes into lines, wherever its pieces were cut. */
export class LineSplitter {
  private pieces: Array<Buffer> = []
  private size = 0
  private readonly maxBytes: number

  /** `maxBytes` bounds what is kept of a line that has no end. */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** The lines that this piece completes, without empty ones; null when a line is too long. */
  push(piece: Buffer): ReadonlyArray<string> | null {
    const lines: Array<string> = []
    let from = 0
    for (let at = piece.indexOf(LINE_FEED); at !== -1; at = piece.indexOf(LINE_FEED, from)) {
      this.pieces.push(piece.subarray(from, at))
      const line = Buffer.concat(this.pieces).toString("utf8")
      if (line !== "") lines.push(line)
      this.pieces = []
      this.size = 0
      from = at + 1
    }
    if (from < piece.length) {
      this.pieces.push(piece.subarray(from))
      this.size += piece.length - from
    }
    return this.size > this.maxBytes ? null : lines
  }
}
