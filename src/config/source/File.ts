/**
 * Configuration in one file, or in every `.toml` file below a folder.
 *
 * The path may start with `~` and may carry a `?query`, which only concerns writing. A path that does not exist is an
 * error that names it: the reference starts without listeners, and a typo looks like a healthy start. Hidden files
 * and folders are left out, so that editor backups and the versioned folders of mounted config maps do not count
 * twice. Spec: config 1.
 */
import type { Stats } from "node:fs"
import { readdir, readFile, realpath, stat } from "node:fs/promises"
import { extname, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { absolutePath } from "../../platform/HomePath.ts"
import { ConfigSource, ConfigSourceError } from "../ConfigSource.ts"
import type { RawDocument } from "../Draft.ts"

/** Largest file that is read as configuration. */
const MAX_FILE_BYTES = 64 * 1024 * 1024

const MAX_DEPTH = 16

/** Reads the file or folder at `path` whenever it is asked to. It announces no changes. */
export const layer = (path: string): Layer.Layer<ConfigSource> =>
  Layer.succeed(ConfigSource, {
    read: Effect.tryPromise({
      try: () => readPath(stripQuery(path)),
      catch: (cause) => (cause instanceof ConfigSourceError ? cause : failure(path, cause))
    }),
    changes: Stream.never
  })

/** The path without its query. */
const stripQuery = (path: string): string => path.split("?", 1)[0]!

const readPath = async (path: string): Promise<ReadonlyArray<RawDocument>> => {
  const absolute = absolutePath(path)
  const stats = await statOf(path, absolute)
  if (stats.isFile()) return [await readDocument(path, absolute, stats)]
  if (!stats.isDirectory()) throw new ConfigSourceError({ file: path, message: "is neither a file nor a folder" })
  const files: Array<string> = []
  await list(absolute, "", files, new Set())
  const documents = files.filter((file) => extname(file) === ".toml").sort()
  if (documents.length === 0) {
    const other = files.find((file) => UNSUPPORTED.has(extname(file)))
    if (other !== undefined) throw unsupported(join(path, other))
  }
  // One after another: a folder of ten thousand files must not need as many descriptors.
  const read: Array<RawDocument> = []
  for (const file of documents) {
    const full = join(absolute, file)
    read.push(await readDocument(join(path, file), full, await statOf(join(path, file), full)))
  }
  return read
}

const statOf = async (path: string, absolute: string): Promise<Stats> => {
  try {
    return await stat(absolute)
  } catch (cause) {
    throw codeOf(cause) === "ENOENT"
      ? new ConfigSourceError({
          file: path,
          message: `no configuration at ${absolute}`,
          hint: "check the path after -c"
        })
      : failure(path, cause)
  }
}

/** Collects the files below a folder, as paths relative to it. */
const list = async (
  root: string,
  folder: string,
  files: Array<string>,
  seen: Set<string>,
  depth = 0
): Promise<void> => {
  const full = join(root, folder)
  try {
    const real = await realpath(full)
    // Links may form a loop.
    if (seen.has(real) || depth > MAX_DEPTH) return
    seen.add(real)
    for (const entry of await readdir(full, { withFileTypes: true })) {
      if (entry.name.startsWith(".")) continue
      const path = join(folder, entry.name)
      const kind = entry.isSymbolicLink() ? await stat(join(root, path)) : entry
      if (kind.isDirectory()) await list(root, path, files, seen, depth + 1)
      else if (kind.isFile()) files.push(path)
    }
  } catch (cause) {
    throw cause instanceof ConfigSourceError ? cause : await explain(full, full, cause)
  }
}

const readDocument = async (path: string, absolute: string, stats: Stats): Promise<RawDocument> => {
  if (UNSUPPORTED.has(extname(absolute))) throw unsupported(path)
  if (stats.size > MAX_FILE_BYTES) {
    throw new ConfigSourceError({ file: path, message: `is larger than ${MAX_FILE_BYTES} bytes` })
  }
  try {
    return { file: path, text: decodeText(path, await readFile(absolute)) }
  } catch (cause) {
    throw cause instanceof ConfigSourceError ? cause : await explain(path, absolute, cause)
  }
}

const UNSUPPORTED: ReadonlySet<string> = new Set([".hcl", ".kdl"])

const unsupported = (path: string): ConfigSourceError =>
  new ConfigSourceError({
    file: path,
    message: `${extname(path).slice(1).toUpperCase()} configuration is not supported yet`,
    hint: "write it as TOML"
  })

const decodeText = (path: string, bytes: Buffer): string => {
  const text = bytes.toString("utf8")
  const again = Buffer.from(text, "utf8")
  if (again.equals(bytes)) return text
  // Invalid bytes became U+FFFD; the first difference is where they began.
  let at = 0
  while (again[at] === bytes[at]) at++
  const before = bytes.subarray(0, at).toString("utf8")
  const line = before.split("\n").length
  const column = before.length - before.lastIndexOf("\n")
  throw new ConfigSourceError({ file: path, message: "text is not valid UTF-8", line, column })
}

/** A failure with what can be learned about the file's owner and mode. */
const explain = async (path: string, absolute: string, cause: unknown): Promise<ConfigSourceError> => {
  const code = codeOf(cause)
  if (code !== "EACCES" && code !== "EPERM") return failure(path, cause)
  try {
    const { uid, gid, mode } = await stat(absolute)
    const octal = (mode & 0o7777).toString(8).padStart(4, "0")
    const message = `permission denied, owner ${uid}:${gid}, mode ${octal}`
    return new ConfigSourceError({ file: path, message, hint: "change the owner with chown or the mode with chmod" })
  } catch {
    return failure(path, cause)
  }
}

const failure = (path: string, cause: unknown): ConfigSourceError => {
  const code = codeOf(cause)
  const denied = code === "EACCES" || code === "EPERM"
  return new ConfigSourceError({
    file: path,
    message: denied ? "permission denied" : `cannot be read, ${code ?? String(cause)}`,
    ...(denied ? { hint: "every folder on the way needs the execute permission" } : undefined)
  })
}

const codeOf = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined
