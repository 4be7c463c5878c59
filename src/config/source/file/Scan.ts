/**
 * What is there: a path seen as a whole, without the texts. A folder is walked to its end; hidden names are left out,
 * so that editor backups and the versioned folders of mounted config maps do not count twice, and links are followed
 * once. Of the formats, the first that has a file is taken, and never two. Spec: config 1, 1.2.
 *
 * Nothing here fails: what cannot be looked at is part of what is there, so that it is noticed when it changes.
 */
import { extname, join, sep } from "node:path"
import * as Effect from "effect/Effect"
import type { FileError, FileInfo, FileKind, FileSystemCalls } from "../../../platform/FileSystem.ts"
import { ConfigSourceError } from "../../ConfigSource.ts"
import type { Address } from "./Address.ts"
import { explainUnreadable, unreadable } from "./Failure.ts"
import { EXTENSIONS } from "./Formats.ts"
import { type Point, trace } from "./Trace.ts"

/** A file that is configuration. The same object as long as nothing says that its content may have changed. */
export interface Entry {
  /** Path relative to the folder, with `/`; empty for a single file. */
  readonly key: string
  /** Name for people. */
  readonly file: string
  readonly path: string
  readonly info: FileInfo
  readonly isLink: boolean
  /** False while a further change might bear the same time stamp. */
  readonly isSettled: boolean
}

/** A folder in which events matter. */
export interface Watched {
  /** The inode behind the path, or null when there is none. */
  readonly inode: string | null
  /** The names that matter, or null for all of them. */
  readonly names: ReadonlySet<string> | null
}

export interface Scan {
  readonly kind: FileKind | "missing" | "unreachable"
  /** Extension of all entries, or null when there are none. */
  readonly extension: string | null
  /** In the order of their keys. */
  readonly entries: ReadonlyArray<Entry>
  /** The folders that were walked, with what begins the key of a file in them. */
  readonly prefixes: ReadonlyMap<string, string>
  readonly watched: ReadonlyMap<string, Watched>
  readonly failures: ReadonlyArray<ConfigSourceError>
}

/** The folders of a scan as they were just before their names were read. */
export type Folders = ReadonlyMap<string, FileInfo>

export interface Sighting {
  readonly scan: Scan
  readonly folders: Folders
}

const MAX_DEPTH = 16

/** How many calls are under way at once; the process has other work for its four file system threads. */
export const CONCURRENCY = 8

/** Looks at everything. Entries that did not change are taken over from `before`. */
export const scan = Effect.fnUntraced(function* (fs: FileSystemCalls, address: Address, before: Scan | null) {
  const points = (yield* trace(fs, address.path)).points
  const root = yield* Effect.result(fs.stat(address.path))
  if (root._tag === "Failure") {
    const isMissing = root.failure.code === "ENOENT" || root.failure.code === "ENOTDIR"
    return yield* complete(fs, points, {
      ...NOTHING,
      kind: isMissing ? "missing" : "unreachable",
      failures: isMissing ? [] : [unreadable(address.shown, root.failure)]
    })
  }
  const info = root.success
  if (info.kind !== "folder") {
    if (info.kind !== "file") return yield* complete(fs, points, { ...NOTHING, kind: info.kind })
    const entry = entryOf("", address.shown, address.path, info, points.length > 1, before?.entries[0])
    const extension = extname(address.path)
    return yield* complete(fs, points, { ...NOTHING, kind: "file", extension, entries: [entry] })
  }
  return yield* scanFolder(fs, address, before, points)
})

const NOTHING: Omit<Scan, "kind" | "watched"> = { extension: null, entries: [], prefixes: new Map(), failures: [] }

/** A file that was found, before it was looked at. */
interface Found {
  readonly key: string
  readonly path: string
  readonly isLink: boolean
}

const scanFolder = Effect.fnUntraced(function* (
  fs: FileSystemCalls,
  address: Address,
  before: Scan | null,
  rootPoints: ReadonlyArray<Point>
) {
  const points = [...rootPoints]
  const folders = new Map<string, FileInfo>()
  const prefixes = new Map<string, string>()
  const seen = new Set<string>()
  const found: Array<Found> = []
  const failures: Array<ConfigSourceError> = []

  const walk: (path: string, prefix: string, depth: number) => Effect.Effect<void> = Effect.fnUntraced(
    function* (path, prefix, depth) {
      const folder = yield* Effect.result(lookAtFolder(fs, path))
      if (folder._tag === "Failure") return yield* failed(path, prefix, folder.failure)
      // Links may form a loop.
      if (seen.has(folder.success.inode) || depth > MAX_DEPTH) return
      seen.add(folder.success.inode)
      folders.set(path, folder.success)
      prefixes.set(path, prefix)
      const names = yield* Effect.result(fs.list(path))
      if (names._tag === "Failure") return yield* failed(path, prefix, names.failure)
      yield* Effect.yieldNow
      const visible = names.success
        .filter(({ name }) => !name.startsWith("."))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
      for (const { kind, name } of visible) {
        if (kind === "file" && isConfiguration(name)) {
          found.push({ key: prefix + name, path: path + sep + name, isLink: false })
        } else if (kind === "folder") yield* walk(path + sep + name, `${prefix}${name}/`, depth + 1)
      }
      // After the real ones, so that of a folder and a link to it the folder counts.
      for (const { kind, name } of visible) if (kind === "link") yield* follow(path, prefix, name, depth)
    }
  )

  const follow = Effect.fnUntraced(function* (folder: string, prefix: string, name: string, depth: number) {
    const path = folder + sep + name
    const target = yield* Effect.result(fs.stat(path))
    const kind = target._tag === "Success" ? target.success.kind : undefined
    if (kind === "folder" || isConfiguration(name)) points.push(...(yield* trace(fs, path, folder)).points)
    if (kind === "folder") yield* walk(path, `${prefix}${name}/`, depth + 1)
    else if (kind !== "other" && isConfiguration(name)) found.push({ key: prefix + name, path, isLink: true })
  })

  const failed = (path: string, prefix: string, error: FileError): Effect.Effect<void> =>
    // What vanished while it was looked for is not there.
    error.code === "ENOENT"
      ? Effect.void
      : Effect.map(explainUnreadable(fs, join(address.shown, prefix), path, error), (failure) => {
          failures.push(failure)
        })

  yield* walk(address.path, "", 0)
  // Each pass over ten thousand files takes a few milliseconds; requests get their turn between them.
  yield* Effect.yieldNow
  const extension = EXTENSIONS.find((extension) => found.some(({ key }) => key.endsWith(extension))) ?? null
  const earlier = new Map(before?.entries.map((entry) => [entry.key, entry]))
  const wanted = found.filter(({ key }) => extension !== null && key.endsWith(extension))
  const looked = yield* Effect.forEach(
    wanted,
    ({ isLink, key, path }) =>
      Effect.match(fs.stat(path), {
        onSuccess: (info) => entryOf(key, join(address.shown, key), path, info, isLink, earlier.get(key)),
        onFailure: (error) =>
          error.code === "ENOENT" && !isLink ? undefined : unreadable(join(address.shown, key), error)
      }),
    { concurrency: CONCURRENCY }
  )
  yield* Effect.yieldNow
  const entries: Array<Entry> = []
  for (const result of looked) {
    if (result instanceof ConfigSourceError) failures.push(result)
    else if (result !== undefined) entries.push(result)
  }
  entries.sort((a, b) => (a.key < b.key ? -1 : 1))
  const { scan } = yield* complete(fs, points, { kind: "folder", extension, entries, prefixes, failures }, folders)
  return { scan, folders }
})

/** Adds where to watch. */
const complete = Effect.fnUntraced(function* (
  fs: FileSystemCalls,
  points: ReadonlyArray<Point>,
  content: Omit<Scan, "watched">,
  folders: Folders = new Map()
) {
  const names = new Map<string, Set<string>>()
  for (const { folder, name } of points) names.set(folder, (names.get(folder) ?? new Set()).add(name))
  const watched = new Map<string, Watched>()
  for (const [folder, wanted] of names) {
    const inode = yield* Effect.match(fs.stat(folder), { onFailure: () => null, onSuccess: ({ inode }) => inode })
    watched.set(folder, { inode, names: wanted })
  }
  for (const [folder, { inode }] of folders) watched.set(folder, { inode, names: null })
  return { scan: { ...content, watched }, folders } satisfies Sighting
})

/** Whether a name has an extension that is read. */
export const isConfiguration = (name: string): boolean => EXTENSIONS.some((extension) => name.endsWith(extension))

/** An entry, or the one before when nothing says that the file has changed since. */
export const entryOf = (
  key: string,
  file: string,
  path: string,
  info: FileInfo,
  isLink: boolean,
  before?: Entry
): Entry => {
  const isSame = before?.isSettled === true && before.info.identity === info.identity && before.isLink === isLink
  return isSame ? before : { key, file, path, info, isLink, isSettled: isSettled(info) }
}

// Time stamps are as coarse as the kernel's tick, on some file systems as two seconds. A file that changed within
// that time may change again without another stamp.
const TICK_MILLIS = 20
const COARSE_MILLIS = 2_000

/** Whether a change from now on will show in the time stamps. */
const isSettled = ({ changedMillis }: FileInfo): boolean =>
  Math.abs(Date.now() - changedMillis) > (changedMillis % 1_000 === 0 ? COARSE_MILLIS : TICK_MILLIS)

/**
 * The state of a folder from which on every name that is added, replaced or removed in it shows as a change: when the
 * last one is too recent for that, the next tick is waited for.
 */
export const lookAtFolder = (fs: FileSystemCalls, path: string): Effect.Effect<FileInfo, FileError> =>
  Effect.filterOrElse(
    fs.stat(path),
    ({ changedMillis }) => Math.abs(Date.now() - changedMillis) > TICK_MILLIS,
    () => Effect.andThen(fs.pause(TICK_MILLIS), fs.stat(path))
  )

/** Whether nothing can be told apart. */
export const isSame = (a: Scan, b: Scan): boolean =>
  a.kind === b.kind &&
  a.entries.length === b.entries.length &&
  a.entries.every((entry, index) => entry === b.entries[index]) &&
  told(a) === told(b) &&
  a.watched.size === b.watched.size &&
  [...a.watched].every(([path, { inode }]) => b.watched.get(path)?.inode === inode)

const told = ({ failures }: Scan): string => failures.map(({ file, message }) => `${file}: ${message}`).join("\n")
