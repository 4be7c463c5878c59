/**
 * The file system as the control plane sees it: single calls with typed failures, and nothing composed.
 *
 * It is a reference, so that a test can put a file system in its place that fails, or stops for good, between any two
 * calls. What makes a save atomic is therefore not here but with whoever saves: it says when bytes have to be on the
 * disk ({@link NewFile.sync}, {@link FileSystemCalls.syncFolder}), and this module does just that.
 */
import { type BigIntStats, constants, type Dirent, lstat, readFile, stat, watch } from "node:fs"
import * as promises from "node:fs/promises"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** A call that failed. `code` is the system's name for the reason, such as `ENOENT`. */
export class FileError extends Data.TaggedError("FileError")<{
  readonly operation: string
  readonly path: string
  readonly code: string
}> {
  override get message(): string {
    return `${this.operation} ${this.path}: ${this.code}`
  }
}

export type FileKind = "file" | "folder" | "link" | "other"

/** What the system says about a path. */
export interface FileInfo {
  readonly kind: FileKind
  readonly size: number
  /** Permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Device and number of the inode: the same for the same file or folder, whatever it is called. */
  readonly inode: string
  /** Changes whenever the content, the name's target or the permissions do, unless within one tick of that clock. */
  readonly identity: string
  /** Last change of content or status, in milliseconds since 1970, by the clock of the file system. */
  readonly changedMillis: number
}

/** A name in a folder. */
export interface FolderEntry {
  readonly name: string
  readonly kind: FileKind
}

/** A file with its content. */
export interface OwnFile {
  readonly info: FileInfo
  readonly bytes: Buffer
}

/** The code of a failure because of something that is neither a file nor a link. */
export const NOT_A_FILE = "not a file"

/** A file that was created and is not closed yet. */
export interface NewFile {
  readonly write: (text: string) => Effect.Effect<void, FileError>
  /**
   * Gives it the owner, the group and the permissions of another file. Where the owner or the group cannot be given,
   * nobody who could not read the other file may read this one.
   */
  readonly imitate: (other: FileInfo) => Effect.Effect<void, FileError>
  /** Succeeds when the content is on the disk. */
  readonly sync: Effect.Effect<void, FileError>
  readonly close: Effect.Effect<void>
}

export interface FileSystemCalls {
  /** About the path itself, a link when it is one. */
  readonly inspect: (path: string) => Effect.Effect<FileInfo, FileError>
  /** About what the path leads to. */
  readonly stat: (path: string) => Effect.Effect<FileInfo, FileError>
  /** Every name in a folder, in no order. */
  readonly list: (path: string) => Effect.Effect<ReadonlyArray<FolderEntry>, FileError>
  /** What a link says, or null when the path is no link. */
  readonly readLink: (path: string) => Effect.Effect<string | null, FileError>
  /** The bytes of a file. */
  readonly read: (path: string) => Effect.Effect<Buffer, FileError>
  /**
   * The bytes of a file that is one itself, and what the system says about it, both of the same moment. Fails with
   * `ELOOP` for a link, with {@link NOT_A_FILE} for anything else, and with `EFBIG` beyond a size: for files that
   * have a well-known name in a folder in which others may write.
   */
  readonly readOwn: (path: string, maxBytes: number) => Effect.Effect<OwnFile, FileError>
  /** Makes one folder; those above it must be there. */
  readonly makeFolder: (path: string, mode: number) => Effect.Effect<void, FileError>
  /** Creates a file. Fails with `EEXIST` when the path is taken. */
  readonly create: (path: string, mode: number) => Effect.Effect<NewFile, FileError>
  /** Replaces what has the new name. */
  readonly rename: (from: string, to: string) => Effect.Effect<void, FileError>
  readonly remove: (path: string) => Effect.Effect<void, FileError>
  /** Sets the times of a file to now. */
  readonly touch: (path: string) => Effect.Effect<void, FileError>
  /** Succeeds when the names in a folder are on the disk. */
  readonly syncFolder: (path: string) => Effect.Effect<void, FileError>
  /** Whether others may change the folder without this machine's kernel knowing: network and shared file systems. */
  readonly isRemote: (path: string) => Effect.Effect<boolean, FileError>
  /**
   * Calls back with the name in the folder that an event is about, or with null when the system does not say. Ends by
   * calling what it gives, or by itself after an error.
   */
  readonly watch: (
    folder: string,
    onEvent: (name: string | null) => void,
    onError: (error: FileError) => void
  ) => Effect.Effect<() => void, FileError>
  /** Whether every change made before {@link delivered} began has called back when it is done. */
  readonly watchIsPrompt: boolean
  /** Lets the watchers say what they have to say about all that happened so far. */
  readonly delivered: Effect.Effect<void>
  /** Waits by the clock that the file system stamps with, whatever clock the program runs on. */
  readonly pause: (millis: number) => Effect.Effect<void>
}

const errorOf = (operation: string, path: string, cause: unknown): FileError => {
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : String(cause)
  return new FileError({ operation, path, code })
}

const call = <A>(operation: string, path: string, run: () => Promise<A>): Effect.Effect<A, FileError> =>
  Effect.tryPromise({ try: run, catch: (cause) => errorOf(operation, path, cause) })

const kindOf = (entry: BigIntStats | Dirent): FileKind => {
  if (entry.isFile()) return "file"
  if (entry.isDirectory()) return "folder"
  return entry.isSymbolicLink() ? "link" : "other"
}

const infoOf = (stats: BigIntStats): FileInfo => {
  const inode = `${stats.dev}:${stats.ino}`
  return {
    kind: kindOf(stats),
    size: Number(stats.size),
    mode: Number(stats.mode) & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    inode,
    identity: `${inode}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`,
    changedMillis: Math.max(Number(stats.ctimeMs), Number(stats.mtimeMs))
  }
}

// With callbacks: the promises of `node:fs` double the cost, which ten thousand files make felt.
const statWith = (operation: string, run: typeof stat) => (path: string) =>
  Effect.callback<FileInfo, FileError>((resume) => {
    run(path, { bigint: true }, (error, stats) => {
      resume(error === null ? Effect.succeed(infoOf(stats)) : Effect.fail(errorOf(operation, path, error)))
    })
  })

// A pipe that somebody has put in the place of a file must not hold up one of the four threads for good.
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

const read = (path: string): Effect.Effect<Buffer, FileError> =>
  Effect.callback((resume) => {
    readFile(path, { flag: READ }, (error, bytes) => {
      resume(error === null ? Effect.succeed(bytes) : Effect.fail(errorOf("read", path, error)))
    })
  })

const readOwn = async (path: string, maxBytes: number): Promise<OwnFile> => {
  const handle = await promises.open(path, READ | (constants.O_NOFOLLOW ?? 0))
  try {
    const info = infoOf(await handle.stat({ bigint: true }))
    if (info.kind !== "file") throw Object.assign(new Error(), { code: NOT_A_FILE })
    if (info.size > maxBytes) throw Object.assign(new Error(), { code: "EFBIG" })
    return { info, bytes: await handle.readFile() }
  } finally {
    await handle.close()
  }
}

// The rest of the group has no business here when it is another group.
const withoutGroup = (mode: number): number => (mode & ~0o070) | (((mode & 0o007) << 3) & mode)

const newFile = (path: string, handle: promises.FileHandle): NewFile => ({
  write: (text) => call("write", path, () => handle.writeFile(text)),
  imitate: ({ gid, mode, uid }) => {
    const own = (to: number) =>
      Effect.as(
        call("chown", path, () => handle.chown(to, gid)),
        mode
      )
    return own(uid).pipe(
      // Only root may give files away; whoever may not keeps them, in the same group if it is one of his.
      Effect.catch(() => own(-1)),
      Effect.orElseSucceed(() => withoutGroup(mode)),
      Effect.flatMap((allowed) => call("chmod", path, () => handle.chmod(allowed)))
    )
  },
  sync: call("fsync", path, () => handle.sync()),
  close: Effect.ignore(call("close", path, () => handle.close()))
})

const syncFolder = async (path: string): Promise<void> => {
  // Windows has no such call.
  if (process.platform === "win32") return
  const handle = await promises.open(path, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

// NFS, SMB 1 to 3, FUSE (with virtiofs and sshfs), 9p, vboxsf, vmhgfs, prl_fs, Ceph, AFS, Lustre, GPFS.
const REMOTE: ReadonlySet<number> = new Set([
  0x6969, 0x517b, 0xfe534d42, 0xff534d42, 0x65735546, 0x01021997, 0x786f4256, 0xbacbacbc, 0x7c7c6673, 0x00c36400,
  0x5346414f, 0x0bd00bd0, 0x47504653
])

const nodeFileSystem: FileSystemCalls = {
  inspect: statWith("lstat", lstat),
  stat: statWith("stat", stat),
  list: (path) =>
    call("readdir", path, async () => {
      const entries: Array<FolderEntry> = []
      // In portions: a long list must not hold up the event loop.
      for await (const entry of await promises.opendir(path, { bufferSize: 512 })) {
        entries.push({ name: entry.name, kind: kindOf(entry) })
      }
      return entries
    }),
  readLink: (path) =>
    Effect.catchIf(
      call<string | null>("readlink", path, () => promises.readlink(path)),
      ({ code }) => code === "EINVAL",
      () => Effect.succeed(null)
    ),
  read,
  readOwn: (path, maxBytes) => call("read", path, () => readOwn(path, maxBytes)),
  makeFolder: (path, mode) => call("mkdir", path, async () => void (await promises.mkdir(path, { mode }))),
  create: (path, mode) => call("create", path, async () => newFile(path, await promises.open(path, "wx", mode))),
  rename: (from, to) => call("rename", to, () => promises.rename(from, to)),
  remove: (path) => call("unlink", path, () => promises.unlink(path)),
  touch: (path) =>
    call("utimes", path, () => {
      const now = Date.now() / 1_000
      return promises.lutimes(path, now, now)
    }),
  syncFolder: (path) => call("fsync", path, () => syncFolder(path)),
  isRemote: (path) =>
    process.platform === "linux"
      ? call("statfs", path, async () => REMOTE.has((await promises.statfs(path)).type))
      : Effect.succeed(false),
  watch: (folder, onEvent, onError) =>
    Effect.try({
      try: () => {
        const watcher = watch(folder, { persistent: false }, (_, name) => onEvent(name))
        watcher.on("error", (cause) => {
          watcher.close()
          onError(errorOf("watch", folder, cause))
        })
        return () => watcher.close()
      },
      catch: (cause) => errorOf("watch", folder, cause)
    }),
  // inotify queues an event before the call that caused it returns. Elsewhere events come when they come.
  watchIsPrompt: process.platform === "linux",
  // The loop may be past its poll phase in this turn, so the events come in the next.
  delivered: Effect.callback<void>((resume) => {
    setImmediate(() => setImmediate(() => resume(Effect.void)))
  }),
  pause: (millis) =>
    Effect.callback<void>((resume) => {
      const timer = setTimeout(() => resume(Effect.void), millis)
      return Effect.sync(() => clearTimeout(timer))
    })
}

/** The file system of the machine, unless a test puts another in its place. */
export const FileSystem = Context.Reference<FileSystemCalls>("pingap/platform/FileSystem", {
  defaultValue: () => nodeFileSystem
})
