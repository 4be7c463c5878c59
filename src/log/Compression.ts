/**
 * Compresses old log files, once a day. Spec: access-log 4.4, runtime 14.
 *
 * It touches what this process' logs have left behind and nothing else: plain files named like a period of one of
 * them, in that log's folder, unchanged for some days, and not open. `access.log.2025-01-31` becomes
 * `access.log.2025-01-31.gz`.
 *
 * ```
 *   source ──► compressor ──► <target>.partial ──(sync, unchanged?)──► rename to <target> ──► source removed
 * ```
 *
 * The source goes only after all of it is on the disk under its new name. The partial file is created exclusively, so
 * processes that share a folder do not do the same work twice; one that was left by a crash is replaced after an hour.
 * One file at a time, a few buffers of memory beside what the level takes, and a failure costs its file only.
 */
import type { Stats } from "node:fs"
import * as fs from "node:fs/promises"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import * as zlib from "node:zlib"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { AccessLog } from "./AccessLog.ts"
import { AppLog } from "./AppLog.ts"
import { identityOf, LogFileError, LogFiles, type OpenTarget } from "./LogFiles.ts"
import * as Rotation from "./Rotation.ts"
import { systemZone, type Zone } from "./Timestamp.ts"

/** What `[basic]` says about it. */
export interface Settings {
  /** Empty: nothing is compressed. `gzip`; any other text means zstd. */
  readonly algorithm: string
  /** 0 is 9. More than there is means the highest there is. */
  readonly level: number
  /** Days since the last change; 0 is 7. */
  readonly daysAgo: number
  /** Hour of the local day in which it happens. */
  readonly hour: number
}

const HOUR = 3_600_000
const DAY = 24 * HOUR
const DEFAULT_LEVEL = 9
const DEFAULT_DAYS = 7
const READ_BYTES = 64 * 1024

/** Looks at the clock and at the settings once an hour, for good. Whatever fails is logged, and it goes on. */
export const run = <R>(
  settings: Effect.Effect<Settings, never, R>,
  zone: Zone = systemZone
): Effect.Effect<never, never, R | AppLog | AccessLog> =>
  Effect.sleep(HOUR).pipe(
    Effect.andThen(check(settings, zone)),
    Effect.catchCause((cause) => Effect.logError("old log files could not be compressed", cause)),
    Effect.forever,
    Effect.annotateLogs({ category: "log" })
  )

const check = Effect.fnUntraced(function* <R>(current: Effect.Effect<Settings, never, R>, zone: Zone) {
  const settings = yield* current
  const now = yield* Clock.currentTimeMillis
  if (settings.algorithm === "" || localHour(now, zone) !== settings.hour) return
  const targets = [...(yield* (yield* AppLog).targets), ...(yield* (yield* AccessLog).targets)]
  yield* compress(settings, targets)
})

const localHour = (millis: number, zone: Zone): number => Math.floor((millis / 60_000 + zone(millis)) / 60) % 24

/** Compresses what is old of these logs now. Says what it did when it did something. */
export const compress = Effect.fnUntraced(function* (settings: Settings, targets: ReadonlyArray<OpenTarget>) {
  const opened = new Set(targets.map(({ identity }) => identity))
  const until = (yield* Clock.currentTimeMillis) - (settings.daysAgo || DEFAULT_DAYS) * DAY
  const total = { files: 0, bytesBefore: 0, bytesAfter: 0 }
  for (const path of new Set(targets.map((target) => target.path))) {
    for (const file of yield* rotatedFiles(path)) {
      const done = yield* warned(file, null, compressFile(file, settings, until, opened))
      if (done === null) continue
      total.files++
      total.bytesBefore += done.before
      total.bytesAfter += done.after
    }
  }
  if (total.files > 0) yield* Effect.logInfo("old log files are compressed", total)
})

/** A failure becomes a warning that names the file, and `instead` the result. */
const warned = <A, R>(
  file: string,
  instead: A,
  effect: Effect.Effect<A, LogFileError, R>
): Effect.Effect<A, never, R> =>
  Effect.matchEffect(effect, {
    onFailure: ({ message }) =>
      Effect.as(Effect.logWarning("log file is not compressed", { file, error: message }), instead),
    onSuccess: Effect.succeed
  })

/** Plain files with names of this log, oldest first. */
const rotatedFiles = Effect.fnUntraced(function* (path: string) {
  const family = Rotation.family(path, yield* (yield* LogFiles).place(path))
  if (family === null) return []
  const { folder, includes } = family
  const entries = yield* warned(
    folder,
    [],
    call(() => fs.readdir(folder, { withFileTypes: true }))
  )
  return entries
    .filter((entry) => entry.isFile() && includes(entry.name))
    .map(({ name }) => join(folder, name))
    .sort()
})

interface Sizes {
  readonly before: number
  readonly after: number
}

/** Null: the file is not due, or another process takes care of it. */
const compressFile = Effect.fnUntraced(function* (
  path: string,
  settings: Settings,
  until: number,
  opened: ReadonlySet<string>
) {
  const isDue = (stats: Stats | null): stats is Stats =>
    stats?.isFile() === true && stats.mtimeMs < until && !opened.has(identityOf(stats))
  if (!isDue(yield* statIfAny(path))) return null
  const target = `${path}${settings.algorithm === "gzip" ? ".gz" : ".zst"}`
  const partial = yield* openPartial(`${target}.partial`)
  if (partial === null) return null
  // Again: another process may have been done with it just before the partial file was ours.
  const stats = yield* statIfAny(path)
  if (!isDue(stats)) return null
  yield* expectNone(target)
  const source = yield* Effect.acquireRelease(
    call(() => fs.open(path, "r")),
    closeQuietly
  )
  yield* call((signal) =>
    pipeline(
      chunksOf(source, stats.size),
      compressorOf(settings, stats.size),
      (chunks) => writeAll(partial.file, chunks),
      { signal }
    )
  )
  // The owner as far as we may, the mode in any case.
  yield* Effect.ignore(call(() => partial.file.chown(stats.uid, stats.gid)))
  yield* call(() => partial.file.chmod(stats.mode & 0o777))
  yield* call(() => partial.file.sync())
  const { size: after } = yield* call(() => partial.file.stat())
  // From here on it is a matter of a moment, and half of it would be a nuisance.
  yield* Effect.uninterruptible(replace(path, target, stats, source, partial))
  return { before: stats.size, after } satisfies Sizes
}, Effect.scoped)

/** The compressed file takes the place of its source, if nobody has touched either. */
const replace = Effect.fnUntraced(function* (
  path: string,
  target: string,
  stats: Stats,
  source: fs.FileHandle,
  partial: PartialFile
) {
  const read = yield* call(() => source.stat())
  const found = yield* statIfAny(path)
  if (found === null || !isSame(stats, read) || !isSame(stats, found)) {
    return yield* refusal("ECHANGED", "the file was changed meanwhile")
  }
  if (!(yield* isStillThere(partial))) return yield* refusal("ECHANGED", `${partial.path} was changed meanwhile`)
  yield* expectNone(target)
  // Last, for a partial file that looks old would be taken for one that was left by a crash.
  yield* call(() => partial.file.utimes(stats.atimeMs / 1000, stats.mtimeMs / 1000))
  yield* call(() => fs.rename(partial.path, target))
  partial.isPlaced = true
  yield* syncFolder(join(target, ".."))
  yield* call(() => fs.unlink(path))
})

const isSame = (a: Stats, b: Stats): boolean =>
  identityOf(a) === identityOf(b) && a.size === b.size && a.mtimeMs === b.mtimeMs

const refusal = (code: string, message: string): LogFileError => new LogFileError({ code, message })

const expectNone = (target: string): Effect.Effect<void, LogFileError> =>
  Effect.flatMap(statIfAny(target), (stats) =>
    stats === null ? Effect.void : Effect.fail(refusal("EEXIST", `${target} exists already`))
  )

/** A compressed file that is being written. Removed with the scope unless it was put in its place. */
interface PartialFile {
  readonly path: string
  readonly file: fs.FileHandle
  isPlaced: boolean
}

/** Null when another process is at it. */
const openPartial = (path: string): Effect.Effect<PartialFile | null, LogFileError, Scope.Scope> => {
  // Exclusive: this is what several processes tell each other apart by.
  const create = call(() => fs.open(path, "wx", 0o600)).pipe(
    Effect.map((file): PartialFile => ({ path, file, isPlaced: false })),
    Effect.catchIf(
      ({ code }) => code === "EEXIST",
      () => Effect.succeed(null)
    )
  )
  const open = Effect.gen(function* () {
    const first = yield* create
    if (first !== null) return first
    const left = yield* statIfAny(path)
    const now = yield* Clock.currentTimeMillis
    if (left === null || now - left.mtimeMs < HOUR) return null
    yield* call(() => fs.unlink(path))
    return yield* create
  })
  return Effect.acquireRelease(open, (partial) => (partial === null ? Effect.void : discard(partial)))
}

const discard = (partial: PartialFile): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (!partial.isPlaced && (yield* isStillThere(partial))) yield* call(() => fs.unlink(partial.path))
  }).pipe(Effect.ignore, Effect.ensuring(closeQuietly(partial.file)))

/** Whether the name still means the file that was created by it. */
const isStillThere = Effect.fnUntraced(function* (partial: PartialFile) {
  const named = yield* statIfAny(partial.path)
  return named !== null && identityOf(named) === identityOf(yield* call(() => partial.file.stat()))
})

// The size lets zstd take less memory for less text; the checksum is for those who only have the compressed file now.
const compressorOf = ({ algorithm, level }: Settings, size: number): NodeJS.ReadWriteStream =>
  algorithm === "gzip"
    ? zlib.createGzip({ level: Math.min(level || DEFAULT_LEVEL, zlib.constants.Z_BEST_COMPRESSION) })
    : zlib.createZstdCompress({
        pledgedSrcSize: size,
        params: {
          [zlib.constants.ZSTD_c_compressionLevel]: Math.min(level || DEFAULT_LEVEL, ZSTD_BEST_COMPRESSION),
          [zlib.constants.ZSTD_c_checksumFlag]: 1
        }
      })

const ZSTD_BEST_COMPRESSION = 22

/** No more than `size` bytes: a file that grows has no end, and is refused afterwards. */
const chunksOf = async function* (file: fs.FileHandle, size: number): AsyncGenerator<Buffer> {
  let left = size
  while (left > 0) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.min(READ_BYTES, left)))
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
    left -= bytesRead
  }
}

const writeAll = async (file: fs.FileHandle, chunks: AsyncIterable<Buffer | string>): Promise<void> => {
  for await (const chunk of chunks) await file.writeFile(chunk)
}

const call = <A>(start: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, LogFileError> =>
  Effect.tryPromise({
    try: start,
    catch: (cause) => {
      const { code = "EIO", message = String(cause) } = cause as NodeJS.ErrnoException
      return new LogFileError({ code, message })
    }
  })

/** Null when there is nothing of this name. Links are not followed. */
const statIfAny = (path: string): Effect.Effect<Stats | null, LogFileError> =>
  Effect.catchIf(
    call(() => fs.lstat(path)),
    ({ code }) => code === "ENOENT",
    () => Effect.succeed(null)
  )

const closeQuietly = (file: fs.FileHandle): Effect.Effect<void> => Effect.ignore(call(() => file.close()))

/** Makes the new name last before the old one goes. Where folders cannot be synced, the system has to do. */
const syncFolder = (folder: string): Effect.Effect<void> =>
  Effect.acquireUseRelease(
    call(() => fs.open(folder, "r")),
    (handle) => call(() => handle.sync()),
    closeQuietly
  ).pipe(Effect.ignore)
