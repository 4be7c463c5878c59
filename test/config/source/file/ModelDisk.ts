/**
 * A disk in memory that knows what a power cut leaves of it.
 *
 * Every file remembers the content that was synced last, every folder the names that were synced last and what was
 * done to them since. {@link Disk.stopAfter} ends everything after a number of changing calls, as the death of the
 * process does; {@link Disk.afterPowerCut} is one of the disks that may be found afterwards: what was not synced is
 * there, is gone, or is torn, and of the changes to a folder's names any may have made it. Links and watching are not
 * modelled.
 */
import { dirname } from "node:path"
import * as Effect from "effect/Effect"
import { FileError, type FileInfo, type FileSystemCalls, type NewFile } from "../../../../src/platform/FileSystem.ts"

interface File {
  readonly kind: "file"
  readonly id: number
  text: string
  /** Null when it was never synced. */
  durable: string | null
  mode: number
  stamp: number
}

type Change = ReadonlyArray<readonly [name: string, node: Node | null]>

interface Folder {
  readonly kind: "folder"
  readonly id: number
  readonly names: Map<string, Node>
  readonly durable: Map<string, Node>
  pending: Array<Change>
  stamp: number
}

type Node = File | Folder

/** A random number from 0 to below 1. */
export type Random = () => number

/** The same numbers for the same seed. */
export const randomOf = (seed: number): Random => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const STOPPED = "the process is gone"

export class Disk {
  /** Changing calls so far. */
  calls = 0
  /** Names of those calls, for messages. */
  readonly log: Array<string> = []
  private clock = 0
  private ids = 0
  private limit = Number.POSITIVE_INFINITY
  private failing = Number.POSITIVE_INFINITY
  private root: Folder = this.newFolder()

  /** The process dies when it makes one changing call more than that; the call may still do a part of its work. */
  stopAfter(calls: number): void {
    this.limit = this.calls + calls
  }

  /** One changing call fails, after that many more. */
  failAfter(calls: number): void {
    this.failing = this.calls + calls
  }

  /** A disk with these files, all of it synced. */
  static of(files: Readonly<Record<string, string>>): Disk {
    const disk = new Disk()
    for (const [path, text] of Object.entries(files)) {
      let folder = disk.root
      const parts = path.split("/").filter(Boolean)
      const name = parts.pop()!
      for (const part of parts) {
        const next = folder.names.get(part) ?? disk.newFolder()
        folder.names.set(part, next)
        folder.durable.set(part, next)
        folder = next as Folder
      }
      const file: File = { ...disk.newFile(0o640), text, durable: text }
      folder.names.set(name, file)
      folder.durable.set(name, file)
    }
    return disk
  }

  /** Every file with its text, as a process finds it. */
  get files(): Record<string, string> {
    const files: Record<string, string> = {}
    const visit = (folder: Folder, path: string): void => {
      for (const [name, node] of [...folder.names].sort(([a], [b]) => (a < b ? -1 : 1))) {
        if (node.kind === "file") files[`${path}/${name}`] = node.text
        else visit(node, `${path}/${name}`)
      }
    }
    visit(this.root, "")
    return files
  }

  /** What a process finds that is started after this one died: everything, synced or not. */
  afterDeath(): Disk {
    return this.copied(
      (folder) => folder.names,
      (file) => file.text
    )
  }

  /** What may be found after a power cut. */
  afterPowerCut(random: Random): Disk {
    const likely = random()
    return this.copied(
      ({ durable, pending }) => {
        const names = new Map(durable)
        for (const change of pending) {
          if (random() >= likely) continue
          for (const [name, node] of change) node === null ? names.delete(name) : names.set(name, node)
        }
        return names
      },
      ({ durable, text }) => {
        if (durable === text) return text
        const choice = random()
        if (choice < 0.4) return durable ?? ""
        return choice < 0.7 ? text.slice(0, Math.floor(random() * text.length)) : choice < 0.8 ? "\0\0\0" : text
      }
    )
  }

  private copied(namesOf: (folder: Folder) => Map<string, Node>, textOf: (file: File) => string): Disk {
    const disk = new Disk()
    disk.clock = this.clock
    const copy = (node: Node): Node => {
      if (node.kind === "file") {
        const text = textOf(node)
        return { ...disk.newFile(node.mode), text, durable: text }
      }
      const folder = disk.newFolder()
      for (const [name, child] of namesOf(node)) {
        const made = copy(child)
        folder.names.set(name, made)
        folder.durable.set(name, made)
      }
      return folder
    }
    disk.root = copy(this.root) as Folder
    return disk
  }

  /** The calls on this disk; `before` runs before each. */
  view(before: (operation: string) => Effect.Effect<void> = () => Effect.void): FileSystemCalls {
    const call = <A>(operation: string, path: string, run: () => A): Effect.Effect<A, FileError> =>
      Effect.andThen(
        Effect.suspend(() => before(`${operation} ${path}`)),
        Effect.suspend(() => {
          if (this.calls > this.limit) return Effect.die(STOPPED)
          try {
            return Effect.succeed(run())
          } catch (cause) {
            return cause instanceof FileError ? Effect.fail(cause) : Effect.die(cause)
          }
        })
      )
    const change = <A>(operation: string, path: string, run: () => A, part: () => void = () => undefined) =>
      call(operation, path, () => {
        this.calls++
        this.log.push(`${operation} ${path}`)
        if (this.calls > this.limit) {
          part()
          throw STOPPED
        }
        if (this.calls === this.failing) throw new FileError({ operation, path, code: "EIO" })
        return run()
      })
    const newFile = (path: string, file: File): NewFile => {
      const write = (text: string): void => {
        file.text += text
        file.stamp = ++this.clock
      }
      return {
        write: (text) =>
          change(
            "write",
            path,
            () => write(text),
            () => write(text.slice(0, text.length / 2))
          ),
        imitate: ({ mode }) =>
          change("imitate", path, () => {
            file.mode = mode
          }),
        sync: change("sync", path, () => {
          file.durable = file.text
        }),
        close: Effect.ignore(change("close", path, () => undefined))
      }
    }
    const stat = (operation: string) => (path: string) => call(operation, path, () => this.infoOf(this.find(path)))
    return {
      inspect: stat("inspect"),
      stat: stat("stat"),
      list: (path) =>
        call("list", path, () => Array.from(this.folder(path).names, ([name, { kind }]) => ({ name, kind }))),
      readLink: (path) =>
        call("readLink", path, () => {
          this.find(path)
          return null
        }),
      read: (path) =>
        call("read", path, () => {
          const file = this.find(path)
          if (file.kind === "folder") throw new FileError({ operation: "read", path, code: "EISDIR" })
          return Buffer.from(file.text)
        }),
      readOwn: (path) =>
        call("readOwn", path, () => {
          const file = this.find(path)
          if (file.kind === "folder") throw new FileError({ operation: "read", path, code: "EISDIR" })
          return { info: this.infoOf(file), bytes: Buffer.from(file.text) }
        }),
      makeFolder: (path) =>
        change("makeFolder", path, () => {
          this.mustBeFree(path)
          this.apply(path, [[nameOf(path), this.newFolder()]])
        }),
      create: (path, mode) =>
        change("create", path, () => {
          this.mustBeFree(path)
          const file = this.newFile(mode)
          this.apply(path, [[nameOf(path), file]])
          return newFile(path, file)
        }),
      rename: (from, to) =>
        change("rename", to, () => {
          // Ours never leave their folder.
          if (dirname(from) !== dirname(to)) throw new FileError({ operation: "rename", path: to, code: "EXDEV" })
          this.apply(to, [
            [nameOf(to), this.find(from)],
            [nameOf(from), null]
          ])
        }),
      remove: (path) =>
        change("remove", path, () => {
          this.find(path)
          this.apply(path, [[nameOf(path), null]])
        }),
      touch: (path) => change("touch", path, () => undefined),
      syncFolder: (path) =>
        change("syncFolder", path, () => {
          const folder = this.folder(path)
          folder.durable.clear()
          for (const [name, node] of folder.names) folder.durable.set(name, node)
          folder.pending = []
        }),
      isRemote: () => Effect.succeed(false),
      watch: () => Effect.succeed(() => undefined),
      watchIsPrompt: false,
      delivered: Effect.void,
      pause: () => before("pause")
    }
  }

  private newFile(mode: number): File {
    return { kind: "file", id: ++this.ids, text: "", durable: null, mode, stamp: ++this.clock }
  }

  private newFolder(): Folder {
    return { kind: "folder", id: ++this.ids, names: new Map(), durable: new Map(), pending: [], stamp: ++this.clock }
  }

  private apply(path: string, change: Change): void {
    const folder = this.folder(dirname(path))
    for (const [name, node] of change) node === null ? folder.names.delete(name) : folder.names.set(name, node)
    folder.pending.push(change)
    folder.stamp = ++this.clock
  }

  private mustBeFree(path: string): void {
    if (this.folder(dirname(path)).names.has(nameOf(path))) {
      throw new FileError({ operation: "create", path, code: "EEXIST" })
    }
  }

  private folder(path: string): Folder {
    const node = this.find(path)
    if (node.kind === "folder") return node
    throw new FileError({ operation: "find", path, code: "ENOTDIR" })
  }

  private find(path: string): Node {
    let node: Node = this.root
    for (const name of path.split("/").filter(Boolean)) {
      const next: Node | undefined = node.kind === "folder" ? node.names.get(name) : undefined
      if (next === undefined) throw new FileError({ operation: "find", path, code: "ENOENT" })
      node = next
    }
    return node
  }

  private infoOf(node: Node): FileInfo {
    const inode = `0:${node.id}`
    return {
      kind: node.kind,
      size: node.kind === "file" ? node.text.length : 0,
      mode: node.kind === "file" ? node.mode : 0o750,
      uid: 0,
      gid: 0,
      inode,
      identity: `${inode}:${node.stamp}`,
      // Long ago, and not on a full second: this clock has no ticks.
      changedMillis: 1
    }
  }
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1)
