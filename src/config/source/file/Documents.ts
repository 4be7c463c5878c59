/**
 * The documents of a path, all of one moment.
 *
 * A text is read again only when its file may have changed, and a document whose text is the same stays the same
 * object. Before and after a read every folder is looked at: a name that was added, replaced or removed meanwhile
 * shows in the folder's own state, and the read begins again. So no read sees one half of a commit of ours; what is
 * half done is told by the journal, and read as if it were done.
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { FileSystemCalls } from "../../../platform/FileSystem.ts"
import { ConfigSourceError } from "../../ConfigSource.ts"
import type { StoredDocument } from "../../ConfigStore.ts"
import type { Address } from "./Address.ts"
import * as Journal from "./Journal.ts"
import { revisionOf } from "./Revision.ts"
import { CONCURRENCY, type Entry, type Folders, type Scan } from "./Scan.ts"
import * as Text from "./Text.ts"
import type { Tree } from "./Tree.ts"

/** Documents, and what was there when they were read. */
export interface Reading {
  readonly scan: Scan
  readonly documents: ReadonlyArray<StoredDocument>
}

interface Kept {
  /** Null when the text came from a journal. */
  readonly entry: Entry | null
  readonly document: StoredDocument
}

const MAX_TRIES = 5
const PAUSE_MILLIS = 10

export class Documents {
  private kept: ReadonlyMap<string, Kept> = new Map()
  private last: ReadonlyArray<StoredDocument> = []
  /** The scan that is all that `last` came from. */
  private lastScan: Scan | null = null
  private readonly one = Semaphore.makeUnsafe(1)
  private readonly fs: FileSystemCalls
  private readonly address: Address
  private readonly tree: Tree

  constructor(fs: FileSystemCalls, address: Address, tree: Tree) {
    this.fs = fs
    this.address = address
    this.tree = tree
  }

  /** Whether somebody could not read, and nobody has been told yet that it is possible again. */
  private isOwed = false

  /** Reads what is there now. A path that does not exist has no documents. */
  readonly read: Effect.Effect<Reading, ConfigSourceError> = Effect.suspend(() => this.consistent()).pipe(
    Effect.tapError(() =>
      Effect.sync(() => {
        this.isOwed = true
      })
    ),
    (effect) => this.one.withPermits(1)(effect)
  )

  /**
   * True once after a read that failed, as soon as reading works again. The files need not have changed for that: for
   * a moment there was no descriptor left, or the server of the file system was away.
   */
  readonly hasRecovered: Effect.Effect<boolean> = Effect.suspend(() => {
    if (!this.isOwed) return Effect.succeed(false)
    return Effect.match(this.read, {
      onFailure: () => false,
      onSuccess: () => {
        this.isOwed = false
        return true
      }
    })
  })

  private readonly consistent = Effect.fnUntraced(function* (this: Documents) {
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const identified = yield* Effect.result(Journal.identify(this.fs, this.address.path))
      const { folders, scan } = yield* this.tree.current
      // First, because it says more than that there is no way to the journal.
      if (scan.failures.length > 0) return yield* scan.failures[0]!
      const journal = yield* Effect.fromResult(identified)
      const kept = scan === this.lastScan && journal === null ? this.kept : yield* this.texts(scan, journal !== null)
      const changes = journal === null ? null : yield* Journal.load(this.fs, this.address.path)
      const isSameJournal = (yield* Journal.identify(this.fs, this.address.path)) === journal
      // With the journal at hand it does not matter how much of it was carried out meanwhile.
      const isWhole = isSameJournal && kept !== null && (journal !== null || (yield* this.isUnchanged(scan, folders)))
      if (isWhole) {
        const documents = this.keep(changes === null ? kept : this.carriedOut(kept, changes))
        this.lastScan = changes === null ? scan : null
        return { scan, documents }
      }
      this.tree.touchAll()
      yield* this.fs.pause(PAUSE_MILLIS * tries)
    }
    const message = "changes faster than it can be read"
    return yield* new ConfigSourceError({ file: this.address.shown, message })
  })

  /** Whether everything is as it was when the scan began. */
  private readonly isUnchanged = Effect.fnUntraced(function* (this: Documents, scan: Scan, folders: Folders) {
    for (const [path, { identity }] of folders) {
      const now = yield* Effect.match(this.fs.stat(path), {
        onFailure: () => undefined,
        onSuccess: (info) => info.identity
      })
      if (now === identity) continue
      // Something came or went; perhaps it was no document of ours.
      this.tree.touchAll()
      return (yield* this.tree.current).scan === scan
    }
    return true
  })

  /** The documents of all entries, or null when one has vanished since and no journal says why. */
  private readonly texts = Effect.fnUntraced(function* (this: Documents, { entries }: Scan, hasJournal: boolean) {
    yield* Effect.yieldNow
    const changed = entries.filter((entry) => this.kept.get(entry.key)?.entry !== entry)
    const results = yield* Effect.forEach(changed, (entry) => this.document(entry), { concurrency: CONCURRENCY })
    const fresh = new Map<Entry, Kept>()
    for (const [index, result] of results.entries()) {
      // The first in order, not the first in time, so that the same mistakes give the same message.
      if (result instanceof ConfigSourceError) return yield* result
      if (result !== null) fresh.set(changed[index]!, result)
      else if (!hasJournal) return null
    }
    const kept = new Map<string, Kept>()
    for (const entry of entries) {
      const before = this.kept.get(entry.key)
      const now = before?.entry === entry ? before : fresh.get(entry)
      if (now !== undefined) kept.set(entry.key, now)
    }
    return kept
  })

  private document(entry: Entry): Effect.Effect<Kept | ConfigSourceError | null> {
    const { file, info, key, path } = entry
    return Text.read(this.fs, { file, path, size: info.size, identity: info.identity }).pipe(
      Effect.map((text) => (text === null ? null : { entry, document: this.documentOf(key, text) })),
      Effect.catch((error) => Effect.succeed(error))
    )
  }

  /** The document of a text: the same object as before when the text is the same. */
  private documentOf(key: string, text: string): StoredDocument {
    const before = this.kept.get(key)?.document
    if (before?.text === text) return before
    return {
      key,
      file: key === "" ? this.address.shown : join(this.address.shown, key),
      text,
      revision: revisionOf(text)
    }
  }

  private carriedOut(kept: ReadonlyMap<string, Kept>, changes: ReadonlyArray<Journal.Change>): Map<string, Kept> {
    const result = new Map(kept)
    for (const { after, before, key, text } of changes) {
      const revision = kept.get(key)?.document.revision ?? null
      if (revision !== before && revision !== after) continue
      if (text === null) result.delete(key)
      else if (revision !== after) result.set(key, { entry: null, document: this.documentOf(key, text) })
    }
    return new Map([...result].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  private keep(kept: ReadonlyMap<string, Kept>): ReadonlyArray<StoredDocument> {
    if (kept === this.kept) return this.last
    this.kept = kept
    const documents = Array.from(kept.values(), ({ document }) => document)
    const isSame =
      documents.length === this.last.length && documents.every((document, at) => document === this.last[at])
    if (!isSame) this.last = documents
    return this.last
  }
}
