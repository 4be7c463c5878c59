/**
 * The last {@link Scan}, and what is known to have changed since.
 *
 * As long as watchers are on every folder and tell at once, a change to a file that is named costs one look at that
 * file, however many there are; everything else, and every change when nobody watches, costs a new scan. Whoever
 * asks twice without a change in between is given the same object.
 */
import { basename, dirname, join, sep } from "node:path"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { FileSystemCalls } from "../../../platform/FileSystem.ts"
import type { Address } from "./Address.ts"
import { isOwn, JOURNAL } from "./Names.ts"
import {
  CONCURRENCY,
  type Entry,
  entryOf,
  type Folders,
  isConfiguration,
  isSame,
  lookAtFolder,
  type Scan,
  type Sighting,
  scan
} from "./Scan.ts"

/** Whoever watches the folders of a scan. */
export interface Placement {
  /** Watches exactly those folders. True when one was not watched before, and may have changed unseen. */
  readonly place: (scan: Scan) => Effect.Effect<boolean>
  /** Whether every change of a name in them has been told by the time the file system says so. */
  readonly isPrompt: () => boolean
}

// More names than this at once cost as much as a scan, and the kernel may have dropped some.
const MAX_NAMED = 256
const MAX_TRIES = 4

export class Tree {
  /** Counts the changes that were noticed. */
  version = 0
  /** What the last complete scan took. */
  scanMillis = 0
  private last: Scan | null = null
  private isStale = true
  private named = new Map<string, { readonly folder: string; readonly name: string }>()
  private placement: Placement | null = null
  private readonly one = Semaphore.makeUnsafe(1)
  private readonly fs: FileSystemCalls
  private readonly address: Address

  constructor(fs: FileSystemCalls, address: Address) {
    this.fs = fs
    this.address = address
  }

  /** Takes over whoever watches, or lets go of it. */
  attach(placement: Placement | null): void {
    this.placement = placement
    this.isStale = true
  }

  /** Notes that nothing is known any more. */
  touchAll(): void {
    this.isStale = true
  }

  /** Notes that a document was saved by this process. */
  touchKey(key: string): void {
    const path = join(this.address.path, key)
    this.touch(dirname(path), basename(path))
  }

  /** Notes that something happened to a name in a folder, or to any name. False when that means nothing. */
  touch(folder: string, name: string | null): boolean {
    if (name !== null && isOwn(name)) {
      if (name !== JOURNAL) return false
      // The files are as they were, and yet the documents may be others.
      this.version++
      return true
    }
    const isFolder = this.last?.prefixes.has(folder) === true
    // Editors and mounted config maps swap hidden names before the visible ones change their meaning.
    if (!isFolder || name === null || name.startsWith(".") || this.named.size >= MAX_NAMED) this.isStale = true
    else this.named.set(folder + sep + name, { folder, name })
    return true
  }

  /** What is there now. */
  readonly current: Effect.Effect<Sighting> = Effect.suspend(() => this.refresh()).pipe(
    Effect.onExit((exit) =>
      Effect.sync(() => {
        if (exit._tag === "Failure") this.isStale = true
      })
    ),
    (effect) => this.one.withPermits(1)(effect)
  )

  private readonly refresh = Effect.fnUntraced(function* (this: Tree) {
    let sighting: Sighting | null = null
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (this.placement?.isPrompt()) yield* this.fs.delivered
      sighting = (yield* this.patched()) ?? (yield* this.scanned())
      if (this.placement === null || !(yield* this.placement.place(sighting.scan))) return sighting
      this.isStale = true
    }
    return sighting!
  })

  /** The last scan with what was named since, or null when that is not all there is to know. */
  private readonly patched = Effect.fnUntraced(function* (this: Tree) {
    const { last, named } = this
    if (this.isStale || last?.kind !== "folder" || !this.placement?.isPrompt()) return null
    this.named = new Map()
    const folders = yield* this.lookAtFolders(last)
    if (folders === null) return null
    if (named.size === 0) return { scan: last, folders }
    const changed = yield* Effect.forEach(named, ([path, at]) => this.lookAt(last, path, at.folder, at.name), {
      concurrency: CONCURRENCY
    })
    const entries = [...last.entries]
    let isChanged = false
    for (const change of changed) {
      if (change === "unclear") return null
      if (change === "nothing") continue
      isChanged = true
      const { entry, key } = change
      const { found, index } = find(entries, key)
      if (entry === null) entries.splice(index, found ? 1 : 0)
      else entries.splice(index, found ? 1 : 0, entry)
    }
    // The last file of a format makes room for another format.
    if (entries.length === 0) return null
    if (!isChanged) return { scan: last, folders }
    this.version++
    this.last = { ...last, entries }
    return { scan: this.last, folders }
  })

  private readonly lookAt = Effect.fnUntraced(function* (
    this: Tree,
    last: Scan,
    path: string,
    folder: string,
    name: string
  ) {
    const info = yield* Effect.match(this.fs.inspect(path), {
      onFailure: ({ code }) => (code === "ENOENT" ? null : undefined),
      onSuccess: (info) => info
    })
    const key = last.prefixes.get(folder)! + name
    const { extension } = last
    if (info === undefined || (info !== null && info.kind !== "file") || last.prefixes.has(path)) return "unclear"
    if (!isConfiguration(name)) return "nothing"
    if (extension === null || !key.endsWith(extension)) return extension === ".toml" ? "nothing" : "unclear"
    const { found, index } = find(last.entries, key)
    // What a link led to is watched elsewhere.
    if (found && last.entries[index]!.isLink) return "unclear"
    if (info === null) return found ? { key, entry: null } : "nothing"
    // A new object in any case: the event is the reason to read it again, whatever the time stamps say.
    return { key, entry: entryOf(key, join(this.address.shown, key), path, info, false) }
  })

  private readonly lookAtFolders = (last: Scan): Effect.Effect<Folders | null> =>
    Effect.forEach(
      last.prefixes.keys(),
      (path) => Effect.map(lookAtFolder(this.fs, path), (info) => [path, info] as const),
      { concurrency: CONCURRENCY }
    ).pipe(Effect.match({ onFailure: () => null, onSuccess: (folders) => new Map(folders) }))

  private readonly scanned = Effect.fnUntraced(function* (this: Tree) {
    this.isStale = false
    this.named = new Map()
    const began = performance.now()
    const sighting = yield* scan(this.fs, this.address, this.last)
    this.scanMillis = performance.now() - began
    yield* Effect.yieldNow
    if (this.last !== null && isSame(this.last, sighting.scan)) return { ...sighting, scan: this.last }
    this.version++
    this.last = sighting.scan
    return sighting
  })
}

/** Where an entry is, or where it belongs. */
const find = (entries: ReadonlyArray<Entry>, key: string): { readonly found: boolean; readonly index: number } => {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (entries[middle]!.key < key) low = middle + 1
    else high = middle
  }
  return { found: entries[low]?.key === key, index: low }
}
