/**
 * Failures of the file system in the words of a configuration source, with what helps against them. Spec: config 1.2.
 */
import * as Effect from "effect/Effect"
import type { FileError, FileSystemCalls } from "../../../platform/FileSystem.ts"
import { ConfigSourceError } from "../../ConfigSource.ts"

const isDenied = ({ code }: FileError): boolean => code === "EACCES" || code === "EPERM"

/** Why something cannot be read. */
export const unreadable = (file: string, error: FileError): ConfigSourceError =>
  new ConfigSourceError({
    file,
    message: isDenied(error) ? "permission denied" : `cannot be read, ${error.code}`,
    ...(isDenied(error) ? { hint: "every folder on the way needs the execute permission" } : undefined)
  })

/** Why something cannot be read, with the owner and the mode when they are the reason. */
export const explainUnreadable = (
  fs: FileSystemCalls,
  file: string,
  path: string,
  error: FileError
): Effect.Effect<ConfigSourceError> => {
  if (!isDenied(error)) return Effect.succeed(unreadable(file, error))
  return Effect.match(fs.stat(path), {
    onFailure: () => unreadable(file, error),
    onSuccess: ({ gid, mode, uid }) => {
      const octal = mode.toString(8).padStart(4, "0")
      const message = `permission denied, owner ${uid}:${gid}, mode ${octal}`
      return new ConfigSourceError({ file, message, hint: "change the owner with chown or the mode with chmod" })
    }
  })
}

const WRITE_HINTS: Readonly<Record<string, string>> = {
  EACCES: "this process needs the permission to write in the folder, not only to the file",
  EPERM: "this process needs the permission to write in the folder, not only to the file",
  EROFS: "the file system is mounted read-only",
  EBUSY: "a file that is a mount of its own cannot be replaced; mount its folder instead",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up"
}

/** Why something cannot be saved. */
export const unwritable = (error: FileError): ConfigSourceError => {
  const hint = WRITE_HINTS[error.code]
  return new ConfigSourceError({
    file: error.path,
    message: isDenied(error) ? "permission denied, nothing can be saved here" : `cannot be saved, ${error.code}`,
    ...(hint === undefined ? undefined : { hint })
  })
}
