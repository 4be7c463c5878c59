/**
 * The operations on files that log writers are made of, as a service with a default, so that tests can fill a disk or
 * stop it. Files are opened for appending: several processes and workers may write to the same one.
 */
import * as fs from "node:fs"
import { dirname } from "node:path"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Place } from "./Rotation.ts"

/** Why a log file could not be opened or written. `code` is the system's: `ENOSPC`, `EACCES`, … */
export class LogFileError extends Data.TaggedError("LogFileError")<{
  readonly code: string
  readonly message: string
}> {}

/** A file that is open for appending. */
export interface LogFile {
  /** Tells this file from any other, also from a later one of the same name. Empty for devices. */
  readonly identity: string
  /** Appends bytes from `offset` on and returns how many were taken. */
  readonly write: (bytes: Uint8Array, offset: number) => Effect.Effect<number, LogFileError>
  /** For the last words of a process that is about to exit. */
  readonly writeSync: (bytes: Uint8Array, offset: number) => void
  readonly close: Effect.Effect<void>
}

/** A file target that a log writes to. */
export interface OpenTarget {
  /** Absolute, as the target names it: the files of its periods have longer names, or are inside of it. */
  readonly path: string
  /** Identity of the file that takes lines at the moment; empty when none is open. */
  readonly identity: string
}

export interface LogFilesShape {
  /** Opens or creates a file, with the directories above it. */
  readonly open: (path: string) => Effect.Effect<LogFile, LogFileError>
  /** Identity of the file that has this name now; empty when there is none. */
  readonly identity: (path: string) => Effect.Effect<string>
  readonly place: (path: string) => Effect.Effect<Place>
  /** For a process that exits before its log was opened: appends to the file that `fileAt` names, at once. */
  readonly appendSync: (path: string, fileAt: (place: Place) => string, bytes: Uint8Array) => void
}

/** A descriptor that somebody else opened; it is not closed here. */
export const descriptor = (fd: number): LogFile => ({
  identity: "",
  write: (bytes, offset) => call((done) => fs.write(fd, bytes, offset, bytes.length - offset, null, done)),
  writeSync: (bytes, offset) => writeAllSync(fd, bytes, offset),
  close: Effect.void
})

const call = <A>(
  start: (done: (error: NodeJS.ErrnoException | null, value: A) => void) => void
): Effect.Effect<A, LogFileError> =>
  Effect.callback((resume) => {
    start((error, value) => {
      if (error === null) resume(Effect.succeed(value))
      else resume(Effect.fail(new LogFileError({ code: error.code ?? "EIO", message: error.message })))
    })
  })

const writeAllSync = (fd: number, bytes: Uint8Array, offset: number): void => {
  let from = offset
  while (from < bytes.length) from += fs.writeSync(fd, bytes, from, bytes.length - from)
}

/** What {@link LogFile} calls identity, from the attributes of a file. */
export const identityOf = (stats: fs.Stats): string => (stats.isFile() ? `${stats.dev}:${stats.ino}` : "")

const stat = (path: string): Effect.Effect<fs.Stats, LogFileError> => call((done) => fs.stat(path, done))

// Without O_NONBLOCK, opening a pipe nobody reads would hold a thread of the pool for good.
const FLAGS = fs.constants.O_WRONLY | fs.constants.O_APPEND | fs.constants.O_CREAT | (fs.constants.O_NONBLOCK ?? 0)

const openFile = (path: string): Effect.Effect<number, LogFileError> =>
  call<number>((done) => fs.open(path, FLAGS, 0o666, done))

const makeDirectory = (path: string): Effect.Effect<unknown, LogFileError> =>
  call<string | undefined>((done) => fs.mkdir(path, { recursive: true }, (error, made) => done(error, made)))

const node: LogFilesShape = {
  open: Effect.fnUntraced(function* (path) {
    const fd = yield* openFile(path).pipe(
      Effect.catchIf(
        (error) => error.code === "ENOENT",
        () => Effect.andThen(makeDirectory(dirname(path)), openFile(path))
      )
    )
    const close = Effect.ignore(call<void>((done) => fs.close(fd, (error) => done(error ?? null, undefined))))
    const stats = yield* Effect.onError(
      call<fs.Stats>((done) => fs.fstat(fd, done)),
      () => close
    )
    return { ...descriptor(fd), identity: identityOf(stats), close }
  }),
  identity: (path) =>
    stat(path).pipe(
      Effect.map(identityOf),
      Effect.orElseSucceed(() => "")
    ),
  place: (path) =>
    stat(path).pipe(
      Effect.map((stats): Place => (stats.isDirectory() ? "directory" : stats.isFile() ? "file" : "device")),
      Effect.orElseSucceed((): Place => "file")
    ),
  appendSync: (path, fileAt, bytes) => {
    const stats = fs.statSync(path, { throwIfNoEntry: false })
    const place = stats === undefined || stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "device"
    const file = fileAt(place)
    fs.mkdirSync(dirname(file), { recursive: true })
    fs.appendFileSync(file, bytes)
  }
}

/** The files of this machine, unless something else is provided. */
export const LogFiles: Context.Reference<LogFilesShape> = Context.Reference<LogFilesShape>("pingap/log/LogFiles", {
  defaultValue: () => node
})
