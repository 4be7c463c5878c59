/**
 * Saving: documents replaced, added and removed, all or none of them, whatever happens in between.
 *
 *     lock → finish what a crash left → compare revisions → history
 *       one document:  new file, on the disk → rename                       ← committed
 *       several:       journal, on the disk → rename                        ← committed
 *                      each document → folders on the disk → journal goes
 *
 * A rename is the moment of the commit in both cases; before it nothing has changed for any reader, after it
 * everything has. What follows the journal's rename may fail or be cut off without anybody seeing half of it: readers
 * read what the journal says, and the next commit carries it out. Spec: config 15.
 */
import { basename, dirname, join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { FileError, type FileInfo, type FileSystemCalls } from "../../../platform/FileSystem.ts"
import { ConfigSourceError } from "../../ConfigSource.ts"
import { ConfigConflict, type Write } from "../../ConfigStore.ts"
import { SINGLE_KEY } from "../../Layout.ts"
import type { Address } from "./Address.ts"
import { unwritable } from "./Failure.ts"
import { READ_ONLY, readOnly } from "./Formats.ts"
import * as History from "./History.ts"
import * as Journal from "./Journal.ts"
import { sweep } from "./LeftOvers.ts"
import { type Held, type LockOptions, withLock } from "./Lock.ts"
import { JOURNAL, lockName, problemOfKey } from "./Names.ts"
import { revisionOf } from "./Revision.ts"
import { confirm, DOCUMENT_MODE, makeFolders, remove, save } from "./Save.ts"
import { CONCURRENCY } from "./Scan.ts"
import * as Text from "./Text.ts"
import { trace } from "./Trace.ts"

/** What a commit works on. */
export interface Place {
  readonly fs: FileSystemCalls
  readonly address: Address
  /** Whether the path is a file, or becomes one. */
  readonly isSingle: boolean
  /** Extension of the files that are there, or null when there are none. */
  readonly extension: Effect.Effect<string | null>
  readonly lock: LockOptions
}

/** A document as it is, and as it will be. */
interface Planned {
  readonly change: Journal.Change
  /** Where its file is, behind links. */
  readonly path: string
  readonly text: string | null
  readonly info: FileInfo | undefined
}

const JOURNAL_MODE = 0o600

/** Commits, or changes nothing. */
export const commit = Effect.fnUntraced(function* (place: Place, writes: ReadonlyArray<Write>) {
  yield* checkKeys(place, writes)
  if (writes.length === 0) return
  yield* checkFormat(place)
  const { address, fs, isSingle } = place
  const target = (yield* trace(fs, address.path)).end
  const folder = isSingle ? dirname(target) : address.path
  yield* Effect.mapError(makeFolders(fs, folder), unwritable)
  const lock = join(folder, isSingle ? lockName(basename(target)) : lockName())
  const tidyUp = (token: string) => sweep(fs, address, { isSingle, target }, token)
  yield* withLock(fs, lock, (held) => locked(place, held, writes), tidyUp, place.lock)
})

const checkKeys = Effect.fnUntraced(function* ({ address, isSingle }: Place, writes: ReadonlyArray<Write>) {
  const keys = new Set<string>()
  for (const { key } of writes) {
    const problem = isSingle ? (key === SINGLE_KEY ? null : "must be empty for a single file") : problemOfKey(key)
    const twice = keys.has(key) ? "is named twice" : null
    if (problem === null && twice === null) keys.add(key)
    else {
      const message = `invalid document name ${JSON.stringify(key)}: it ${problem ?? twice}, nothing was saved`
      return yield* new ConfigSourceError({ file: address.shown, message })
    }
  }
})

const checkFormat = ({ address, extension }: Place): Effect.Effect<void, ConfigSourceError> =>
  Effect.flatMap(extension, (extension) =>
    extension !== null && READ_ONLY.has(extension) ? Effect.fail(readOnly(address.shown, extension)) : Effect.void
  )

const locked = Effect.fnUntraced(function* (place: Place, held: Held, writes: ReadonlyArray<Write>) {
  const { address, fs, isSingle } = place
  if (!isSingle) yield* finish(place, held)
  const planned = (yield* Effect.forEach(writes, (write) => plan(place, write), { concurrency: CONCURRENCY })).filter(
    ({ change }) => change.before !== change.after
  )
  if (planned.length === 0) return
  const seconds = Math.floor((yield* Clock.currentTimeMillis) / 1_000)
  yield* Effect.gen(function* () {
    const replaced = planned.flatMap(({ change: { key }, text }) => (text === null ? [] : [{ key, text }]))
    if (address.keepsHistory) yield* History.keep(fs, held, address, replaced, seconds)
    for (const { path, text } of planned) if (text === null) yield* makeFolders(fs, dirname(path))
    if (planned.length === 1) return yield* commitOne(fs, held, planned[0]!)
    const journal = join(address.path, JOURNAL)
    const text = Journal.format(planned.map(({ change }) => change))
    if (Buffer.byteLength(text) > Journal.MAX_BYTES) {
      return yield* new FileError({ operation: "save", path: journal, code: "EFBIG" })
    }
    const isAllowed = Effect.forEach(planned, (one) => isUnchanged(fs, one), {
      concurrency: CONCURRENCY,
      discard: true
    })
    yield* save(fs, held, journal, text, { mode: JOURNAL_MODE, isAllowed })
    yield* confirm(fs, [journal])
  }).pipe(Effect.mapError((error) => (error._tag === "FileError" ? unwritable(error) : error)))
  if (planned.length === 1) return
  yield* Effect.catch(finish(place, held), (error) =>
    // It is committed all the same.
    Effect.logWarning(`saved, but not written out yet: ${error.file}: ${error.message}; the next save will`).pipe(
      Effect.annotateLogs({ category: "config" })
    )
  )
})

/** Compares what is there with what is to be replaced. */
const plan = Effect.fnUntraced(function* ({ address, fs }: Place, { expected, key, text }: Write) {
  const file = key === SINGLE_KEY ? address.path : join(address.path, key)
  const current = yield* currentOf(fs, file)
  const before = revisionOf(current.text)
  if (before !== expected) {
    return yield* conflict(key, file)
  }
  // A link is what is removed, and what it leads to is what is replaced.
  const path = text === null ? file : current.path
  const change: Journal.Change = { key, text, before, after: revisionOf(text) }
  return { change, path, text: current.text, info: current.info } satisfies Planned
})

const conflict = (key: string, file: string): ConfigConflict =>
  new ConfigConflict({ key, message: `${key || file} was changed by somebody else` })

/**
 * Whether a document is still what it was when it was compared. Somebody who knows nothing of locks may have saved it
 * since: an editor, while our bytes went to the disk.
 */
const isUnchanged = (fs: FileSystemCalls, { change, info, path }: Planned): Effect.Effect<void, ConfigConflict> =>
  Effect.flatMap(
    Effect.match(fs.stat(path), { onFailure: () => undefined, onSuccess: ({ identity }) => identity }),
    (identity) => (identity === info?.identity ? Effect.void : Effect.fail(conflict(change.key, path)))
  )

const currentOf = Effect.fnUntraced(function* (fs: FileSystemCalls, file: string) {
  const path = (yield* trace(fs, file)).end
  const stat: Effect.Effect<FileInfo | undefined, FileError> = fs.stat(path)
  const info = yield* Effect.catchIf(
    stat,
    ({ code }) => code === "ENOENT" || code === "ENOTDIR",
    () => Effect.undefined
  ).pipe(Effect.mapError(unwritable))
  if (info === undefined) return { path, info, text: null }
  if (info.kind !== "file") return yield* unwritable(new FileError({ operation: "save", path, code: "not a file" }))
  const text = yield* Text.read(fs, { file, path, size: info.size, identity: info.identity })
  return { path, info, text }
})

const commitOne = Effect.fnUntraced(function* (fs: FileSystemCalls, held: Held, planned: Planned) {
  const { change, info, path } = planned
  if (change.text === null) {
    yield* isUnchanged(fs, planned)
    yield* held.isMine
    yield* remove(fs, path)
  } else {
    const isAllowed = isUnchanged(fs, planned)
    yield* save(fs, held, path, change.text, { mode: DOCUMENT_MODE, like: info, isAllowed })
  }
  yield* confirm(fs, [path])
})

/** Carries out what the journal of a folder says, if there is one. Doing it twice does no harm. */
const finish = Effect.fnUntraced(function* ({ address, fs }: Place, held: Held) {
  const changes = yield* Journal.load(fs, address.path)
  if (changes === null) return
  const paths: Array<string> = []
  for (const { after, before, key, text } of changes) {
    const file = join(address.path, key)
    const current = yield* currentOf(fs, file)
    const revision = revisionOf(current.text)
    const path = text === null ? file : current.path
    paths.push(path)
    // Written already, or edited by somebody since.
    if (revision === after || revision !== before) continue
    yield* Effect.mapError(carryOut(fs, held, path, text, current.info), unwritable)
  }
  const journal = join(address.path, JOURNAL)
  // In this order: a document that is not on the disk yet must not be without its journal.
  yield* confirm(fs, paths).pipe(
    Effect.andThen(held.isMine),
    Effect.andThen(remove(fs, journal)),
    Effect.andThen(confirm(fs, [journal])),
    Effect.mapError(unwritable)
  )
})

const carryOut = Effect.fnUntraced(function* (
  fs: FileSystemCalls,
  held: Held,
  path: string,
  text: string | null,
  info: FileInfo | undefined
) {
  if (text === null) {
    yield* held.isMine
    return yield* remove(fs, path)
  }
  // The folder was there when this was committed; it need not be there any more.
  yield* makeFolders(fs, dirname(path))
  yield* save(fs, held, path, text, { mode: DOCUMENT_MODE, like: info })
})
