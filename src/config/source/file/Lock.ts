/**
 * The lock that makes writers take turns: a hidden file that only one can create, which says who did.
 *
 * A lock whose process is gone is taken away, and so is one of a process of which nothing is known, on another
 * machine, when it was not renewed for a minute. A process that is known to run keeps its lock, also while it is
 * stopped. Since two may take a lock away at once, whoever holds it asks again right before a moment that counts
 * ({@link Held.isMine}). Readers know nothing of locks.
 *
 * The name is well known and others may write in the folder, so what stands there is looked at with care.
 */
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { FileError, type FileInfo, type FileSystemCalls, NOT_A_FILE } from "../../../platform/FileSystem.ts"
import { ConfigSourceError } from "../../ConfigSource.ts"
import { unwritable } from "./Failure.ts"
import { type Fate, Holder, type ProcessTable } from "./Holder.ts"
import { isStaleLock, staleName } from "./Names.ts"

/** A lock in one's own hands. */
export interface Held {
  /** Names this holding. */
  readonly token: string
  /** Fails when somebody has taken the lock away. */
  readonly isMine: Effect.Effect<void, FileError>
}

/** How long a writer waits for its turn unless it says otherwise. */
export const WAIT_MILLIS = 10_000

const RETRY_MILLIS = 25
const RENEW_MILLIS = 10_000
const STALE_MILLIS = 60_000
// Between its creation and its first bytes a lock says nothing.
const UNTOLD_MILLIS = 10_000

const MAX_BYTES = 4_096

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Holder))

/** What stands in the place of the lock. */
type Seen =
  | { readonly _tag: "Held"; readonly info: FileInfo; readonly holder: Holder }
  /** A file that says nothing that can be understood. */
  | { readonly _tag: "Untold"; readonly info: FileInfo }
  /** Something that is none of ours, or that may not be read. */
  | { readonly _tag: "Foreign"; readonly code: string }

/** What a lock needs to know. */
export interface LockOptions {
  readonly processes: ProcessTable
  readonly waitMillis: number
}

/**
 * Runs `use` while the lock at `path` is held. Waiting for it can be interrupted, `use` cannot. `tidyUp` is told whose
 * lock was taken away.
 */
export const withLock = <A, E>(
  fs: FileSystemCalls,
  path: string,
  use: (held: Held) => Effect.Effect<A, E>,
  tidyUp: (token: string) => Effect.Effect<void>,
  { processes, waitMillis }: LockOptions
): Effect.Effect<A, E | ConfigSourceError> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const { fateOf, host, pid, started, system } = processes
      const holder: Holder = { pid, host, system, started, token: crypto.randomUUID() }
      const end = performance.now() + waitMillis
      while (!(yield* take(fs, path, holder))) {
        const seen = yield* Effect.mapError(look(fs, path), unwritable)
        if (seen !== null && isStale(seen, fateOf) && (yield* takeAway(fs, path, seen, tidyUp))) continue
        if (performance.now() >= end) return yield* taken(path, seen)
        // Not in step with the others that wait.
        yield* restore(Effect.sleep(RETRY_MILLIS * (0.5 + Math.random())))
      }
      const isMine = Effect.flatMap(look(fs, path), (seen) =>
        seen?._tag === "Held" && seen.holder.token === holder.token
          ? Effect.void
          : Effect.fail(new FileError({ operation: "lock", path, code: "the lock was taken away" }))
      )
      const release = Effect.ignore(Effect.andThen(isMine, fs.remove(path)))
      const renew = Effect.forever(Effect.andThen(Effect.sleep(RENEW_MILLIS), Effect.ignore(fs.touch(path))))
      return yield* Effect.forkScoped(Effect.interruptible(renew)).pipe(
        Effect.andThen(use({ token: holder.token, isMine })),
        Effect.ensuring(release),
        Effect.scoped
      )
    })
  )

/** Creates the lock. False when it is there already. */
const take = (fs: FileSystemCalls, path: string, holder: Holder): Effect.Effect<boolean, ConfigSourceError> =>
  Effect.acquireUseRelease(
    fs.create(path, 0o644),
    (file) => Effect.tapError(file.write(JSON.stringify(holder)), () => Effect.ignore(fs.remove(path))),
    (file) => file.close
  ).pipe(
    Effect.as(true),
    Effect.catchIf(
      ({ code }) => code === "EEXIST",
      () => Effect.succeed(false)
    ),
    Effect.mapError(unwritable)
  )

/** What stands in the place of the lock, or null when there is nothing. */
const look = (fs: FileSystemCalls, path: string): Effect.Effect<Seen | null, FileError> =>
  Effect.matchEffect(fs.readOwn(path, MAX_BYTES), {
    onFailure: (error): Effect.Effect<Seen | null, FileError> => {
      if (error.code === "ENOENT") return Effect.succeed(null)
      return LASTING.has(error.code) ? Effect.succeed({ _tag: "Foreign", code: error.code }) : Effect.fail(error)
    },
    onSuccess: ({ bytes, info }): Effect.Effect<Seen> =>
      Effect.match(decode(bytes.toString("utf8")), {
        onFailure: (): Seen => ({ _tag: "Untold", info }),
        onSuccess: (holder): Seen => ({ _tag: "Held", info, holder })
      })
  })

/** Codes that say what stands there, and not that looking failed. `EMLINK` is BSD's for a link, `ENXIO` a socket's. */
const LASTING: ReadonlySet<string> = new Set([
  "ELOOP",
  "EMLINK",
  "ENXIO",
  "EISDIR",
  "EFBIG",
  "EACCES",
  "EPERM",
  NOT_A_FILE
])

const isStale = (seen: Seen, fateOf: (holder: Holder) => Fate): boolean => {
  if (seen._tag === "Foreign") return false
  const ageMillis = Date.now() - seen.info.changedMillis
  if (seen._tag === "Untold") return ageMillis > UNTOLD_MILLIS
  const fate = fateOf(seen.holder)
  return fate === "gone" || (fate === "unknown" && ageMillis > STALE_MILLIS)
}

const isSame = (a: Seen, b: Seen): boolean =>
  a._tag === "Held"
    ? b._tag === "Held" && a.holder.token === b.holder.token
    : a._tag === "Untold" && b._tag === "Untold" && a.info.inode === b.info.inode

/** Takes away the lock that was seen. False when it could not be. */
const takeAway = Effect.fnUntraced(function* (
  fs: FileSystemCalls,
  path: string,
  seen: Seen,
  tidyUp: (token: string) => Effect.Effect<void>
) {
  const folder = dirname(path)
  const aside = join(folder, staleName())
  // By renaming, because only one can: a lock that somebody else has taken meanwhile must not be removed.
  const renamed = yield* Effect.result(fs.rename(path, aside))
  if (renamed._tag === "Failure") return renamed.failure.code === "ENOENT"
  const moved = yield* Effect.mapError(look(fs, aside), unwritable)
  if (moved !== null && !isSame(moved, seen)) {
    yield* Effect.mapError(fs.rename(aside, path), unwritable)
    return false
  }
  const who = seen._tag === "Held" ? `process ${seen.holder.pid} on ${seen.holder.host}` : "an unknown process"
  yield* Effect.logWarning(`lock of ${who} at ${path} is stale and was removed`).pipe(
    Effect.annotateLogs({ category: "config" })
  )
  const names = yield* Effect.orElseSucceed(fs.list(folder), () => [])
  for (const { name } of names) if (isStaleLock(name)) yield* Effect.ignore(fs.remove(join(folder, name)))
  if (seen._tag === "Held") yield* tidyUp(seen.holder.token)
  return true
})

const taken = (path: string, seen: Seen | null): ConfigSourceError => {
  if (seen?._tag === "Foreign") {
    const message = `cannot be used as a lock, ${seen.code}`
    return new ConfigSourceError({ file: path, message, hint: "nothing was saved; remove it if nobody needs it" })
  }
  const who = seen?._tag === "Held" ? `process ${seen.holder.pid} on ${seen.holder.host}` : "another process"
  return new ConfigSourceError({
    file: path,
    message: `${who} is saving and does not finish`,
    hint: "nothing was saved; end that process, or remove this file if it is gone"
  })
}
