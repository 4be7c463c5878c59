/**
 * The `directory` plugin: serves files below one directory. Spec: plugins 6.9, hardening 10.
 *
 * This file declares the options and compiles them; `directory/` has the parts: `Target` (path to place), `Files`
 * (opening safely), `Heads` (conditions, ranges, fields), `Listing` (the page) and `Serving` (the order of it all).
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as ByteSize from "../../model/ByteSize.ts"
import * as Duration from "../../model/Duration.ts"
import { isConnectionField } from "../../model/Fields.ts"
import { absolutePath } from "../../platform/HomePath.ts"
import { binary, type LocalResponse } from "../../proxy/Response.ts"
import * as Options from "../Options.ts"
import { at, define, PluginError, type RequestHook } from "../Plugin.ts"
import type { Root } from "./directory/Files.ts"
import { forbidden, Heads, methodNotAllowed, notFound } from "./directory/Heads.ts"
import { Serving, type Site } from "./directory/Serving.ts"
import { MISSING, OUTSIDE, resolve } from "./directory/Target.ts"

const CATEGORY = "directory"
const MIN_CHUNK = 4_096
const READ_BYTES = 65_536
/** Greatest content that is held in memory whole, whatever `chunk_size` says. */
const MAX_WHOLE = 1_048_576

const ChunkSize = Schema.Union([Schema.String, Schema.Finite]).pipe(
  Schema.annotateEncoded({
    description:
      "Bytes of one read; content up to this size is sent as one piece. At least 4 KiB; reads are never smaller than 64 KiB.",
    default: "4KiB"
  }),
  Schema.withDecodingDefaultTypeKey(Effect.succeed<string | number>(MIN_CHUNK))
)

const DirectoryOptions = Schema.Struct({
  path: Options.text("Directory to serve. `~` is the home directory, a relative path begins at the working directory."),
  index: Options.text("File that answers for a directory whose path ends in a slash.", "index.html"),
  autoindex: Options.flag("Answers for directories with a list of their files."),
  chunk_size: ChunkSize,
  max_age: Options.text("How long clients may reuse a file, a duration; without it they ask every time."),
  private: Options.flag("Only clients may keep files, not shared caches."),
  charset: Options.text("Charset of all types of text."),
  download: Options.flag("Clients save files under their name instead of showing them."),
  follow_symlinks: Options.flag("Links may lead out of the directory. Links that stay inside always work.", true),
  headers: Options.headers("Fields of all files, `Name: value`. They replace the plugin's own of the same name."),
  dot_files: Options.flag("Serves and lists names that begin with a dot. `/.well-known/` is always served.")
})

type Decoded = typeof DirectoryOptions.Type

const openRoot = Effect.fnUntraced(function* (options: Decoded) {
  const absolute = absolutePath(options.path)
  const real = yield* Effect.promise(() => fs.promises.realpath(absolute).catch(() => null))
  if (real === null) yield* Options.notice("path", `${absolute} does not exist`)
  const root: Root = {
    path: binary(real ?? absolute),
    real: real === null ? null : binary(real),
    followSymlinks: options.follow_symlinks,
    dotFiles: options.dot_files
  }
  return root
})

const chunkBytes = Effect.fnUntraced(function* (value: string | number) {
  const bytes = typeof value === "number" ? value : ByteSize.parse(value)
  if (typeof bytes !== "number") yield* Options.notice("chunk_size", `${bytes.message}; 4 KiB is used`)
  return typeof bytes === "number" ? Math.max(MIN_CHUNK, Math.floor(bytes)) : MIN_CHUNK
})

const maxAgeSeconds = Effect.fnUntraced(function* (text: string) {
  if (text === "") return 0
  const millis = Duration.parse(text)
  if (typeof millis !== "number") yield* Options.notice("max_age", `${millis.message}; files are not cached`)
  return typeof millis === "number" ? Math.floor(millis / 1_000) : 0
})

const fileHeaders = Effect.fnUntraced(function* (options: Decoded) {
  for (const [index, header] of options.headers.entries()) {
    if (isConnectionField(header.lowerName)) {
      yield* Options.notice(["headers", index], `${header.name} is written by the proxy alone, the line is left out`)
    }
  }
  return options.headers.filter((header) => !isConnectionField(header.lowerName))
})

/** Options as they take effect. Exported for tests. */
export const compile = Effect.fnUntraced(function* (options: Decoded) {
  if (options.path === "") return yield* PluginError.invalid(CATEGORY, "path is not allowed empty")
  const charset = binary(options.charset)
  if (!/^[\x21-\x7e]*$/.test(charset))
    return yield* PluginError.invalid(CATEGORY, `invalid charset: ${options.charset}`)
  const index = binary(options.index.replace(/^\/+/, ""))
  if (index.split("/").includes("..")) return yield* PluginError.invalid(CATEGORY, `invalid index: ${options.index}`)
  const chunk = yield* chunkBytes(options.chunk_size)
  const site: Site = {
    root: yield* openRoot(options),
    index,
    autoindex: options.autoindex,
    heads: new Heads({
      maxAge: yield* maxAgeSeconds(options.max_age),
      isPrivate: options.private,
      charset,
      download: options.download,
      headers: yield* fileHeaders(options),
      cacheableHtmlBytes: chunk
    }),
    wholeBytes: Math.min(MAX_WHOLE, Math.max(READ_BYTES, chunk)),
    pieceBytes: Math.min(MAX_WHOLE, Math.max(READ_BYTES, chunk))
  }
  return site
})

const serve =
  (site: Site): RequestHook =>
  (exchange) => {
    if (exchange.method !== "GET" && exchange.method !== "HEAD") return methodNotAllowed
    const target = resolve(exchange.path, site.root.dotFiles)
    if (target === OUTSIDE) return forbidden(exchange.path)
    if (target === MISSING) return notFound
    return Effect.callback<LocalResponse>((resume) => {
      const serving = new Serving(site, exchange, target, (response) => resume(Effect.succeed(response)))
      serving.start()
      return Effect.sync(() => serving.cancel())
    })
  }

export const Directory = define({
  category: CATEGORY,
  description: "Serves files from a directory, with lists of their names where wanted.",
  steps: ["request", "proxy_upstream"],
  stepPolicy: "lenient",
  stepError: "Directory serve plugin should be executed at request or proxy upstream step",
  options: DirectoryOptions,
  make: (options, context) => Effect.map(compile(options), (site) => at(context.step, serve(site)))
})
