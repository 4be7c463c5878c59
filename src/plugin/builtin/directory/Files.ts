/**
 * Files below a root: opened first, judged by what was opened, then handed over. Hardening 10.
 *
 * Opening never blocks (a FIFO without a writer would) and only regular files and directories count. Without
 * `followSymlinks` the real path of the open descriptor itself must lie inside the root, so that neither a link in the
 * middle of the path nor a change between check and use leads out. A link that stays inside is no way out and works.
 */
import * as fs from "node:fs"
import { OpenFile } from "../../BodyFromReadable.ts"
import { type Entry, MAX_ENTRIES } from "./Listing.ts"
import { isHidden, isInside } from "./Target.ts"

/** The served directory. Paths are binary text (one character per byte). */
export interface Root {
  /** Absolute and normal. */
  readonly path: string
  /** Without links; null until the directory exists. */
  real: string | null
  readonly followSymlinks: boolean
  readonly dotFiles: boolean
}

/** A file or directory that may be served. Its taker closes `file`. */
export interface Found {
  readonly file: OpenFile
  readonly directory: boolean
  readonly size: number
  /** Milliseconds since the epoch. */
  readonly modified: number
}

/** Why there is nothing to serve: 403, 404 or 500. */
export type Refusal = 403 | 404 | 500

const { O_RDONLY, O_NONBLOCK = 0, O_NOCTTY = 0 } = fs.constants
const FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY

// Where the system can say what a descriptor refers to.
const DESCRIPTORS = process.platform === "linux" && fs.existsSync("/proc/self/fd") ? "/proc/self/fd/" : null

/** The bytes of a path for the file system. */
export const bytesOf = (path: string): Buffer => Buffer.from(path, "latin1")

/** Joins a path below the root; `below` is empty for the root itself. */
export const join = (root: string, below: string): string =>
  below === "" ? root : root.endsWith("/") ? root + below : `${root}/${below}`

/** One attempt to open a path. Calls `done` once, unless it is cancelled before. */
export class Opening {
  private readonly root: Root
  private readonly path: string
  private readonly done: (result: Found | Refusal) => void
  private file: OpenFile | null = null
  private cancelled = false

  constructor(root: Root, below: string, done: (result: Found | Refusal) => void) {
    this.root = root
    this.path = join(root.path, below)
    this.done = done
  }

  start(): void {
    fs.open(bytesOf(this.path), FLAGS, (error, fd) => {
      if (error !== null) {
        if (!this.cancelled) this.done(refusalOf(error))
        return
      }
      const file = new OpenFile(fd)
      this.file = file
      if (this.cancelled) {
        file.close()
        return
      }
      file.stat((error, stats) => {
        if (error !== null) this.refuse(500)
        else this.judge(file, stats)
      })
    })
  }

  /** Gives up: `done` will not be called, and what was opened is closed. */
  cancel(): void {
    this.cancelled = true
    this.file?.close()
  }

  private judge(file: OpenFile, stats: fs.Stats): void {
    const directory = stats.isDirectory()
    const found: Found = { file, directory, size: stats.size, modified: stats.mtimeMs }
    if (!directory && !stats.isFile()) this.refuse(404)
    else if (this.root.followSymlinks) this.done(found)
    else this.confine(found, stats)
  }

  private refuse(refusal: Refusal): void {
    this.file?.close()
    this.done(refusal)
  }

  private confine(found: Found, stats: fs.Stats): void {
    const root = this.root
    if (root.real === null) {
      fs.realpath.native(bytesOf(root.path), { encoding: "latin1" }, (error, real) => {
        if (this.cancelled) return
        if (error !== null) {
          this.refuse(404)
          return
        }
        root.real = real
        this.confine(found, stats)
      })
      return
    }
    const inside = root.real
    this.realPath(found.file.fd, stats, (real) => {
      if (this.cancelled) return
      if (real === null) this.refuse(404)
      else if (!isInside(inside, real)) this.refuse(403)
      else if (this.isHiddenByLink(inside, real)) this.refuse(404)
      else this.done(found)
    })
  }

  // A link must not show what its own name would hide. `.well-known` was allowed by its name.
  private isHiddenByLink(inside: string, real: string): boolean {
    return !this.root.dotFiles && isHidden(inside, real) && !isHidden(this.root.path, this.path)
  }

  // What was opened, not what the path leads to by now: where the system cannot tell, the path is resolved and must
  // still lead to the same file.
  private realPath(fd: number, opened: fs.Stats, done: (real: string | null) => void): void {
    if (DESCRIPTORS !== null) {
      fs.readlink(`${DESCRIPTORS}${fd}`, { encoding: "latin1" }, (error, real) => done(error === null ? real : null))
      return
    }
    fs.realpath.native(bytesOf(this.path), { encoding: "latin1" }, (error, real) => {
      if (error !== null) {
        done(null)
        return
      }
      fs.lstat(bytesOf(real), (error, stats) =>
        done(error === null && stats.ino === opened.ino && stats.dev === opened.dev ? real : null)
      )
    })
  }
}

const MISSING: ReadonlySet<string | undefined> = new Set([
  "ENOENT",
  "ENOTDIR",
  "ENAMETOOLONG",
  "ELOOP",
  "ENXIO",
  "ENODEV",
  "EINVAL"
])

const refusalOf = (error: NodeJS.ErrnoException): Refusal => (MISSING.has(error.code) ? 404 : 500)

/** True when the path below the root is a regular file. */
export const isFile = (root: Root, below: string, done: (result: boolean) => void): void => {
  fs.stat(bytesOf(join(root.path, below)), (error, stats) => done(error === null && stats.isFile()))
}

/** What a directory shows, by name. */
export interface Contents {
  readonly entries: ReadonlyArray<Entry>
  /** Names beyond {@link MAX_ENTRIES}. */
  readonly omitted: number
}

// Enough to keep the thread pool busy without filling its queue.
const AT_ONCE = 16

/**
 * Reads the open directory `found`, which was at `below`: regular files and directories, in byte order of their names.
 * Links count as what they lead to, or not at all without `followSymlinks`.
 */
export const list = async (root: Root, below: string, found: Found, signal: AbortSignal): Promise<Contents> => {
  const base = DESCRIPTORS === null ? join(root.path, below) : `${DESCRIPTORS}${found.file.fd}`
  const all = await fs.promises.readdir(bytesOf(base), { encoding: "latin1" })
  const names = root.dotFiles ? all : all.filter((name) => !name.startsWith("."))
  names.sort(byBytes)
  const shown = names.slice(0, MAX_ENTRIES)
  const entries: Array<Entry> = []
  for (let at = 0; at < shown.length && !signal.aborted; at += AT_ONCE) {
    const some = await Promise.all(shown.slice(at, at + AT_ONCE).map((name) => entryOf(root, base, name)))
    for (const entry of some) if (entry !== null) entries.push(entry)
  }
  return { entries, omitted: names.length - shown.length }
}

const byBytes = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const entryOf = async (root: Root, base: string, name: string): Promise<Entry | null> => {
  const path = bytesOf(`${base}/${name}`)
  try {
    const stats = await (root.followSymlinks ? fs.promises.stat(path) : fs.promises.lstat(path))
    const directory = stats.isDirectory()
    return directory || stats.isFile() ? { name, directory, size: stats.size, modified: stats.mtimeMs } : null
  } catch {
    // Gone meanwhile, or a link to nothing.
    return null
  }
}
