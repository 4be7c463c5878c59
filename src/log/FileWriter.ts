/**
 * Writes lines to a file without ever making a caller wait: callers append to a queue in memory, one owner takes what
 * has gathered and writes it in one go. Spec: access-log 4.2; hardening 12 (full disk).
 *
 * ```
 *   append ──► queue ──(64 KiB, or flush_timeout, or a flush)──► chunk ──► file
 *                ▲                                                 │
 *                └── bounded only while the file does not keep up ◄┘ kept, and tried again on failure
 * ```
 *
 * The owner is a fiber in the scope the writer was made in. It opens files, moves on to the next one when a period
 * ends, notices when a file was renamed or removed behind its back, and tries again, once a second, what could not be
 * written. Whatever happens to the disk costs log lines and nothing else. When the scope closes, the queue is written
 * within a deadline.
 *
 * *What is dropped, and when.* `channel_buffer` bounds the lines that wait for a file that does not move: a write has
 * failed, or has taken longer than a second. A file that keeps up has no such bound, for a burst within one turn of
 * the event loop is no backlog: at 50,000 requests a second a pause of 20 ms brings 1,000 lines. A bound in bytes
 * holds always.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { absolutePath } from "../platform/HomePath.ts"
import * as LastWords from "./LastWords.ts"
import { type Chunk, type Counters, LineQueue } from "./LineQueue.ts"
import { descriptor, type LogFile, LogFileError, LogFiles } from "./LogFiles.ts"
import * as Rotation from "./Rotation.ts"

/** How a writer tells of its troubles. Called rarely: it counts instead of repeating itself. */
export type Report = (level: "info" | "warn" | "error", message: string, fields: Record<string, unknown>) => void

/** Where lines go. */
export interface Destination {
  /** For messages. */
  readonly name: string
  /** Opens what is to be written at a moment. */
  readonly open: (now: number) => Effect.Effect<Opened, LogFileError>
  /** Appends at once, for a process that exits before it was opened. */
  readonly appendSync: (now: number, bytes: Uint8Array) => void
}

/** A file that takes lines at the moment. */
export interface Opened {
  readonly file: LogFile
  /** When another file takes over; infinity for never. */
  readonly until: number
  /** The file no longer has the name it was opened by. */
  readonly isReplaced: Effect.Effect<boolean>
}

export interface Options extends Batching {
  readonly destination: Destination
  /** Lines that may wait for a file that does not move. */
  readonly maxPending: number
  readonly report: Report
}

export interface Batching {
  /** A line waits no longer than this for others to be written with. 0: it does not wait at all. */
  readonly flushMillis: number
  /** This much text is written without waiting for the time. */
  readonly batchChars?: number
}

export interface FileWriter {
  /** Queues one line, given without line end. Never waits, never throws. */
  readonly append: (line: string) => void
  /** Completes when everything queued so far is in the file, or one attempt to get it there has failed. */
  readonly flush: Effect.Effect<void>
  /** The process is stopping: like `flush`, and from now on every line is written at once. */
  readonly drain: Effect.Effect<void>
  /** How lines are put together from now on. */
  readonly batch: (batching: Batching) => void
  readonly counters: Readonly<Counters>
  /** Identity of the file that is open at the moment; empty when none is. */
  readonly identity: () => string
}

const BATCH_CHARS = 64 * 1024
const STALL_MILLIS = 1_000
const RETRY_MILLIS = 1_000
// A full pipe (EAGAIN) is no trouble yet: its reader will take more in a moment.
const BUSY_MILLIS = 20
const WARN_MILLIS = 60_000
const CHECK_MILLIS = 1_000
const LONGEST_SLEEP = 3_600_000
const CLOSE_MILLIS = 5_000

/** A file with rotation. `path` may begin with `~`. */
export const rotated = (path: string, rolling: Rotation.Rolling): Effect.Effect<Destination> =>
  Effect.map(LogFiles, (files) => {
    const absolute = absolutePath(path)
    const open = Effect.fnUntraced(function* (now: number) {
      const place = yield* files.place(absolute)
      const current = Rotation.fileAt(absolute, rolling, place, now)
      const file = yield* files.open(current)
      return {
        file,
        until: place === "device" ? Number.POSITIVE_INFINITY : Rotation.periodEnd(rolling, now),
        isReplaced:
          file.identity === ""
            ? Effect.succeed(false)
            : Effect.map(files.identity(current), (identity) => identity !== file.identity)
      }
    })
    return {
      name: absolute,
      open,
      appendSync: (now, bytes) =>
        files.appendSync(absolute, (place) => Rotation.fileAt(absolute, rolling, place, now), bytes)
    }
  })

/** A descriptor that the process was started with, such as standard error. */
export const stream = (name: string, fd: number): Destination => ({
  name,
  open: () =>
    Effect.succeed({
      file: descriptor(fd),
      until: Number.POSITIVE_INFINITY,
      isReplaced: Effect.succeed(false)
    }),
  appendSync: (_now, bytes) => descriptor(fd).writeSync(bytes, 0)
})

/** Starts a writer that ends with the scope. It does not wait for the file to open. */
export const make = (options: Options): Effect.Effect<FileWriter, never, Scope.Scope> =>
  Effect.gen(function* () {
    const owner = makeOwner(options)
    yield* Effect.acquireRelease(
      Effect.sync(() => LastWords.onExit(() => sayLastWords(owner))),
      (takeBack) => Effect.sync(takeBack)
    )
    yield* Effect.forkScoped(run(owner), { startImmediately: true })
    // Registered last, so it runs first: the owner ends by itself and is only interrupted past the deadline.
    yield* Effect.addFinalizer(() => close(owner))
    const queue = owner.queue
    return {
      append: (line) => queue.append(line),
      flush: Effect.suspend(() => flush(owner)),
      drain: Effect.suspend(() => {
        owner.isDraining = true
        if (!owner.isFailing) queue.threshold = 1
        return flush(owner)
      }),
      batch: (batching) => {
        owner.flushMillis = batching.flushMillis
        owner.batchChars = batchCharsOf(batching)
        if (!owner.isFailing && !owner.isDraining) queue.threshold = owner.batchChars
        // What waits must not wait for a time that does not come any more.
        owner.awake.openUnsafe()
      },
      counters: queue.counters,
      identity: () => owner.opened?.file.identity ?? ""
    }
  })

/** State of the one fiber that touches the file. */
interface Owner {
  readonly options: Options
  readonly queue: LineQueue
  flushMillis: number
  batchChars: number
  readonly awake: Latch.Latch
  readonly ended: Deferred.Deferred<void>
  opened: Opened | null
  checkedAt: number
  chunk: Chunk | null
  isWriting: boolean
  isFailing: boolean
  retryMillis: number
  warnedAt: number
  /** The trouble at hand has been reported. */
  hasWarned: boolean
  isDraining: boolean
  isClosing: boolean
  flushes: Array<Deferred.Deferred<void>>
}

const batchCharsOf = ({ batchChars = BATCH_CHARS, flushMillis }: Batching): number =>
  flushMillis === 0 ? 1 : batchChars

const makeOwner = (options: Options): Owner => {
  const awake = Latch.makeUnsafe(false)
  const batchChars = batchCharsOf(options)
  const onDrop = (dropped: number) =>
    options.report("error", "log lines dropped", { file: options.destination.name, dropped })
  return {
    options,
    queue: new LineQueue(batchChars, () => awake.openUnsafe(), onDrop),
    flushMillis: options.flushMillis,
    batchChars,
    awake,
    ended: Deferred.makeUnsafe<void>(),
    opened: null,
    checkedAt: 0,
    chunk: null,
    isWriting: false,
    isFailing: false,
    retryMillis: RETRY_MILLIS,
    warnedAt: Number.NEGATIVE_INFINITY,
    hasWarned: false,
    isDraining: false,
    isClosing: false,
    flushes: []
  }
}

const run = (owner: Owner): Effect.Effect<void> =>
  Effect.gen(function* () {
    // Opened before the first line, so that a wrong path is reported when the configuration is applied.
    yield* attempt(owner)
    while (true) {
      yield* rest(owner)
      const flushes = owner.flushes
      owner.flushes = []
      const isDone = yield* writeAll(owner)
      for (const flushed of flushes) Deferred.doneUnsafe(flushed, Effect.void)
      if (owner.isClosing && (!isDone || owner.queue.lines === 0)) return
      yield* endPeriod(owner)
    }
  }).pipe(Effect.ensuring(Effect.suspend(() => end(owner))))

/** Waits until there is something to do. */
const rest = Effect.fnUntraced(function* (owner: Owner) {
  if (owner.flushes.length === 0 && !owner.isClosing) {
    const now = yield* Clock.currentTimeMillis
    const untilEnd = owner.opened === null ? LONGEST_SLEEP : owner.opened.until - now
    const untilFlush = owner.flushMillis === 0 ? LONGEST_SLEEP : owner.flushMillis
    const wait = owner.isFailing ? owner.retryMillis : Math.min(untilFlush, untilEnd, LONGEST_SLEEP)
    yield* Effect.timeoutOption(owner.awake.await, Math.max(1, wait))
  }
  owner.awake.closeUnsafe()
  owner.queue.called = false
})

/** Writes what failed before, then what has gathered since. False when it failed. */
const writeAll = Effect.fnUntraced(function* (owner: Owner) {
  if ((owner.chunk !== null || owner.isFailing) && !(yield* attempt(owner))) return false
  owner.chunk = owner.queue.take()
  return owner.chunk === null || (yield* attempt(owner))
})

/** Opens the file if need be and writes the chunk if there is one. False when that failed. */
const attempt = (owner: Owner): Effect.Effect<boolean> =>
  write(owner).pipe(
    Effect.raceFirst(stallWatch(owner)),
    Effect.matchEffect({
      onFailure: (error) => Effect.as(failed(owner, error), false),
      onSuccess: () => Effect.sync(() => succeeded(owner))
    }),
    Effect.ensuring(Effect.sync(() => (owner.isWriting = false)))
  )

const write = Effect.fnUntraced(function* (owner: Owner) {
  const file = yield* currentFile(owner)
  const chunk = owner.chunk
  if (chunk === null) return
  chunk.continueIn(file.identity)
  owner.isWriting = true
  while (!chunk.isWritten) {
    const count = yield* file.write(chunk.bytes, chunk.offset)
    if (count === 0) return yield* new LogFileError({ code: "EIO", message: "nothing was written" })
    chunk.offset += count
  }
})

const currentFile = Effect.fnUntraced(function* (owner: Owner) {
  const now = yield* Clock.currentTimeMillis
  const sinceCheck = now - owner.checkedAt
  if (owner.opened !== null && (sinceCheck >= CHECK_MILLIS || sinceCheck < 0)) {
    owner.checkedAt = now
    if (yield* owner.opened.isReplaced) yield* closeFile(owner)
  }
  if (owner.opened === null) {
    owner.opened = yield* owner.options.destination.open(now)
    owner.checkedAt = now
  }
  return owner.opened.file
})

/** The file of a period takes everything that was queued before its end, then the next one is opened for a line. */
const endPeriod = Effect.fnUntraced(function* (owner: Owner) {
  const now = yield* Clock.currentTimeMillis
  if (owner.opened !== null && now >= owner.opened.until && owner.chunk === null) yield* closeFile(owner)
})

const closeFile = (owner: Owner): Effect.Effect<void> => {
  const opened = owner.opened
  owner.opened = null
  return opened === null ? Effect.void : opened.file.close
}

/** A write that does not come back: what comes now is bounded. */
const stallWatch = (owner: Owner): Effect.Effect<never> =>
  Effect.sleep(STALL_MILLIS).pipe(
    Effect.andThen(Effect.sync(() => (owner.queue.maxLines = owner.options.maxPending))),
    Effect.andThen(Effect.never)
  )

const succeeded = (owner: Owner): true => {
  const { queue } = owner
  queue.counters.written += owner.chunk?.lines ?? 0
  owner.chunk = null
  queue.maxLines = Number.POSITIVE_INFINITY
  if (owner.isFailing) {
    owner.isFailing = false
    queue.threshold = owner.isDraining ? 1 : owner.batchChars
    // Only who was told of the trouble wants to know that it is over.
    if (owner.hasWarned) owner.options.report("info", "log file is written again", describe(owner))
    owner.hasWarned = false
  }
  return true
}

const failed = Effect.fnUntraced(function* (owner: Owner, error: LogFileError) {
  const { queue, options } = owner
  const isBusy = error.code === "EAGAIN"
  queue.counters.failures++
  queue.maxLines = options.maxPending
  // Callers stop calling; the next attempt is a matter of time.
  queue.threshold = Number.POSITIVE_INFINITY
  owner.isFailing = true
  owner.retryMillis = isBusy ? BUSY_MILLIS : RETRY_MILLIS
  if (isBusy) return
  const now = yield* Clock.currentTimeMillis
  if (Math.abs(now - owner.warnedAt) >= WARN_MILLIS) {
    owner.warnedAt = now
    owner.hasWarned = true
    options.report("warn", "log file cannot be written", { ...describe(owner), error: error.message })
  }
  // Opened anew for the next attempt: the directory may have been mounted or made in the meantime.
  yield* closeFile(owner)
})

const describe = (owner: Owner) => {
  const { dropped, failures } = owner.queue.counters
  return { file: owner.options.destination.name, failures, dropped }
}

const flush = (owner: Owner): Effect.Effect<void> => {
  if (Deferred.isDoneUnsafe(owner.ended)) return Effect.void
  const flushed = Deferred.makeUnsafe<void>()
  owner.flushes.push(flushed)
  owner.awake.openUnsafe()
  return Deferred.await(flushed)
}

const close = Effect.fnUntraced(function* (owner: Owner) {
  owner.isClosing = true
  owner.awake.openUnsafe()
  const isEnded = yield* Effect.timeoutOption(Deferred.await(owner.ended), CLOSE_MILLIS)
  if (Option.isNone(isEnded)) {
    owner.options.report("warn", "log file did not take its last lines in time", describe(owner))
  }
})

/** The owner is leaving, in good order or interrupted. */
const end = Effect.fnUntraced(function* (owner: Owner) {
  const { queue, options } = owner
  const lost = (owner.chunk?.lines ?? 0) + queue.lines
  owner.chunk = null
  queue.take()
  queue.maxLines = 0
  queue.counters.dropped += lost
  if (lost > 0) options.report("error", "log lines lost at the end", { file: options.destination.name, lost })
  for (const flushed of owner.flushes) Deferred.doneUnsafe(flushed, Effect.void)
  Deferred.doneUnsafe(owner.ended, Effect.void)
  yield* closeFile(owner)
})

/** The process exits without closing scopes. A chunk that is being written is left to the system. */
const sayLastWords = (owner: Owner): void => {
  const { opened, chunk } = owner
  const append = (bytes: Uint8Array, offset: number): void =>
    opened === null
      ? owner.options.destination.appendSync(Date.now(), bytes.subarray(offset))
      : opened.file.writeSync(bytes, offset)
  if (chunk !== null && !owner.isWriting) append(chunk.bytes, chunk.offset)
  const rest = owner.queue.take()
  if (rest !== null) append(rest.bytes, 0)
}
