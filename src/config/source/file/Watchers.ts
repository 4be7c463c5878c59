/**
 * One watcher on each folder that matters, following the tree as it changes.
 *
 * Folders and not files, because editors replace files and mounted config maps swap links; each folder by itself,
 * because a recursive watch is none where the kernel has none. A watcher sticks to its inode, so a folder that was
 * removed and made again gets a new one.
 */
import * as Effect from "effect/Effect"
import type { FileError, FileSystemCalls } from "../../../platform/FileSystem.ts"
import type { Scan, Watched } from "./Scan.ts"
import type { Placement } from "./Tree.ts"

/** Takes an event: a name in a folder, or null for any name. */
export type OnEvent = (folder: string, name: string | null) => void

interface Watcher {
  readonly inode: string
  names: ReadonlySet<string> | null
  readonly close: () => void
}

export class Watchers implements Placement {
  private readonly open = new Map<string, Watcher>()
  private isComplete = false
  private isRemote = false
  private wasTold = false
  private readonly fs: FileSystemCalls
  private readonly onEvent: OnEvent

  constructor(fs: FileSystemCalls, onEvent: OnEvent) {
    this.fs = fs
    this.onEvent = onEvent
  }

  /** Whether events tell everything that happens. */
  isTrusted(): boolean {
    return this.isComplete && !this.isRemote
  }

  isPrompt(): boolean {
    return this.fs.watchIsPrompt && this.isTrusted()
  }

  readonly place = (scan: Scan): Effect.Effect<boolean> => Effect.suspend(() => this.placed(scan))

  private readonly placed = Effect.fnUntraced(function* (this: Watchers, { watched }: Scan) {
    for (const [folder, { inode }] of this.open) {
      if (watched.get(folder)?.inode !== inode) this.drop(folder)
    }
    this.isComplete = true
    let isNew = false
    for (const [folder, wanted] of watched) {
      const watcher = this.open.get(folder)
      if (watcher !== undefined) watcher.names = wanted.names
      else if (wanted.inode !== null && (yield* this.add(folder, wanted.inode, wanted))) isNew = true
    }
    return isNew
  })

  private readonly add = Effect.fnUntraced(function* (
    this: Watchers,
    folder: string,
    inode: string,
    { names }: Watched
  ) {
    const onEvent = (name: string | null): void => {
      const watcher = this.open.get(folder)
      if (watcher === undefined) return
      if (name === null || watcher.names === null || watcher.names.has(name)) this.onEvent(folder, name)
    }
    const onError = (error: FileError): void => {
      this.open.delete(folder)
      this.isComplete = false
      this.onEvent(folder, null)
      this.failure = error
    }
    const opened = yield* Effect.result(this.fs.watch(folder, onEvent, onError))
    if (opened._tag === "Success") {
      if (!this.isRemote) this.isRemote = yield* Effect.orElseSucceed(this.fs.isRemote(folder), () => true)
      this.open.set(folder, { inode, names, close: opened.success })
      return true
    }
    // Vanished since it was seen: the next scan will know.
    if (opened.failure.code === "ENOENT") return true
    this.isComplete = false
    this.failure = opened.failure
    return false
  })

  /** Why there is a folder without a watcher; told once. */
  private failure: FileError | null = null

  /** Logs that events are not what the changes are known from, the first time that this is so. */
  readonly tell: Effect.Effect<void> = Effect.suspend(() => {
    if (this.isTrusted() || this.wasTold) return Effect.void
    this.wasTold = true
    if (this.failure === null) return Effect.logInfo("the file system does not tell of all changes, so they are polled")
    const { code, path } = this.failure
    const hint = HINTS[code] ?? ""
    return Effect.logWarning(`${path} cannot be watched, ${code}${hint}; changes are polled`)
  }).pipe(Effect.annotateLogs({ category: "config" }))

  /** Ends them all. */
  close(): void {
    for (const folder of this.open.keys()) this.drop(folder)
  }

  private drop(folder: string): void {
    this.open.get(folder)?.close()
    this.open.delete(folder)
  }
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: " (fs.inotify.max_user_watches is used up)",
  EMFILE: " (fs.inotify.max_user_instances or the descriptors are used up)"
}
