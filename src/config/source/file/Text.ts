/**
 * The text of a file: whole, valid UTF-8, and of one moment even when somebody writes to the file in place.
 */
import { isUtf8 } from "node:buffer"
import * as Effect from "effect/Effect"
import { FileError, type FileSystemCalls } from "../../../platform/FileSystem.ts"
import { ConfigSourceError } from "../../ConfigSource.ts"
import { explainUnreadable } from "./Failure.ts"

/** Largest file that is read as configuration. */
const MAX_BYTES = 64 * 1024 * 1024

const MAX_TRIES = 4

/** What is known of a file before it is read. */
export interface Known {
  /** Name for people. */
  readonly file: string
  readonly path: string
  readonly size: number
  /** What it was when it was last looked at. */
  readonly identity: string
}

/** Reads a file until it is the same before and after. Null when it is gone. */
export const read = (fs: FileSystemCalls, known: Known): Effect.Effect<string | null, ConfigSourceError> =>
  Effect.matchEffect(attempt(fs, known, 1), {
    onFailure: (error) => explain(fs, known, error),
    onSuccess: (bytes) => decode(known.file, bytes)
  })

const attempt = (fs: FileSystemCalls, known: Known, tries: number): Effect.Effect<Buffer, FileError> => {
  const { identity, path, size } = known
  if (size > MAX_BYTES) return Effect.fail(new FileError({ operation: "read", path, code: "EFBIG" }))
  return Effect.flatMap(fs.read(path), (bytes) =>
    Effect.flatMap(fs.stat(path), (info) =>
      info.identity === identity || tries === MAX_TRIES
        ? Effect.succeed(bytes)
        : attempt(fs, { ...known, size: info.size, identity: info.identity }, tries + 1)
    )
  )
}

const explain = (
  fs: FileSystemCalls,
  { file, path }: Known,
  error: FileError
): Effect.Effect<null, ConfigSourceError> => {
  if (error.code === "ENOENT") return Effect.succeed(null)
  return error.code === "EFBIG"
    ? Effect.fail(new ConfigSourceError({ file, message: `is larger than ${MAX_BYTES} bytes` }))
    : Effect.flatMap(explainUnreadable(fs, file, path, error), (failure) => Effect.fail(failure))
}

const decode = (file: string, bytes: Buffer): Effect.Effect<string, ConfigSourceError> => {
  const text = bytes.toString("utf8")
  if (isUtf8(bytes)) return Effect.succeed(text)
  // Invalid bytes became U+FFFD; the first difference is where they began.
  const again = Buffer.from(text, "utf8")
  let at = 0
  while (again[at] === bytes[at]) at++
  const before = bytes.subarray(0, at).toString("utf8")
  const line = before.split("\n").length
  const column = before.length - before.lastIndexOf("\n")
  return Effect.fail(new ConfigSourceError({ file, message: "text is not valid UTF-8", line, column }))
}
