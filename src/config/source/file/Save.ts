/**
 * Putting a text in the place of another, so that whoever looks finds all of the old or all of the new, also after a
 * power cut: a new file beside the old one, on the disk before it takes the name.
 */
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import { FileError, type FileInfo, type FileSystemCalls } from "../../../platform/FileSystem.ts"
import type { Held } from "./Lock.ts"
import { temporaryName } from "./Names.ts"

/** Permissions of documents that are new: the group may read, because configuration is often served to other tools. */
export const DOCUMENT_MODE = 0o640

const FOLDER_MODE = 0o750

const OWNER_ONLY = 0o600

export interface SaveOptions<E> {
  /** Permissions of a new file. */
  readonly mode: number
  /** The file that is replaced; its owner and permissions are kept. */
  readonly like?: FileInfo | undefined
  /** Asked right before the file takes its name, before the lock is. */
  readonly isAllowed?: Effect.Effect<void, E>
}

/**
 * Writes a file, as the holder of a lock that is still his. It is there for readers when this succeeds, and after a
 * power cut once {@link confirm} has.
 */
export const save = <E = never>(
  fs: FileSystemCalls,
  held: Held,
  path: string,
  text: string,
  { isAllowed = Effect.void, like, mode }: SaveOptions<E>
): Effect.Effect<void, E | FileError> => {
  const temporary = join(dirname(path), temporaryName(held.token))
  const write = Effect.acquireUseRelease(
    // Others may read it once it is known that they may read what it replaces.
    fs.create(temporary, like === undefined ? mode : OWNER_ONLY),
    (file) =>
      Effect.gen(function* () {
        yield* file.write(text)
        if (like !== undefined) yield* file.imitate(like)
        yield* file.sync
      }),
    (file) => file.close
  )
  return write.pipe(
    Effect.andThen(isAllowed),
    Effect.andThen(held.isMine),
    Effect.andThen(fs.rename(temporary, path)),
    Effect.tapError(() => Effect.ignore(fs.remove(temporary))),
    // Who reads the message does not know of temporary names.
    Effect.mapError((error) =>
      error instanceof FileError && error.path === temporary
        ? new FileError({ operation: error.operation, path, code: error.code })
        : error
    )
  )
}

/** Removes a file, if it is there. */
export const remove = (fs: FileSystemCalls, path: string): Effect.Effect<void, FileError> =>
  Effect.catchIf(
    fs.remove(path),
    ({ code }) => code === "ENOENT",
    () => Effect.void
  )

/** Makes sure that what was saved and removed in the folders of these paths survives a power cut. */
export const confirm = (fs: FileSystemCalls, paths: Iterable<string>): Effect.Effect<void, FileError> =>
  Effect.forEach(
    new Set(Array.from(paths, (path) => dirname(path))),
    (folder) =>
      Effect.catchIf(
        fs.syncFolder(folder),
        // Somebody has removed it since, with everything in it.
        ({ code }) => code === "ENOENT",
        () => Effect.void
      ),
    { discard: true }
  )

/** Makes a folder, and those above it that are missing. */
export const makeFolders: (fs: FileSystemCalls, path: string, mode?: number) => Effect.Effect<void, FileError> =
  Effect.fnUntraced(function* (fs, path, mode = FOLDER_MODE) {
    const made = yield* Effect.result(fs.makeFolder(path, mode))
    if (made._tag === "Failure") {
      const { code } = made.failure
      // A link that leads nowhere is there and is no folder; whoever writes into it will say so.
      if (code === "EEXIST" || code === "EISDIR") return
      if (code !== "ENOENT" || dirname(path) === path) return yield* made.failure
      yield* makeFolders(fs, dirname(path), mode)
      yield* Effect.catchIf(
        fs.makeFolder(path, mode),
        ({ code }) => code === "EEXIST",
        () => Effect.void
      )
    }
    yield* fs.syncFolder(dirname(path))
  })
