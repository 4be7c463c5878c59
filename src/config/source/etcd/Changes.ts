/**
 * Follows changes in etcd and never gives up: a watch, a cheap question from time to time whether the watch still
 * tells everything, and a new watch when it does not.
 *
 *   ask ──▶ watch stands ──▶ quiet … change ──▶ announce
 *    ▲           │  ╰─ now and then: ask; changed without a word ──▶ announce, watch anew
 *    ╰── wait ◀──╯ lost (100 ms doubling to 5 s, with jitter)
 *
 * The first watch begins right behind the last read. Every later one begins now, and what may have happened in
 * between is announced as a change once it stands, so that nothing depends on revisions that etcd may have forgotten.
 * A loss that lasts and the return are logged once each.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Monotonic from "../Monotonic.ts"
import type { EtcdError, WatchEnded } from "./EtcdError.ts"
import type { WatchAnswer } from "./Wire.ts"

/** What is followed. */
export interface Watched {
  /** Revision of the last read; null before it. */
  readonly revision: () => number | null
  readonly haveChanged: Effect.Effect<boolean, EtcdError>
  readonly distrust: () => void
  readonly watch: (
    start: number | null,
    onAnswer: (answer: WatchAnswer) => void
  ) => Effect.Effect<never, EtcdError | WatchEnded>
}

export interface ChangesOptions {
  /** Name for the log. */
  readonly place: string
  /** Time between two questions whether the watch tells everything. */
  readonly checkMillis: number
  /** How long a new watch may take to stand. */
  readonly timeoutMillis: number
}

const MIN_BACKOFF_MILLIS = 100
const MAX_BACKOFF_MILLIS = 5_000
/** Many proxies lose the same etcd at once. Never more than the time itself: a change is live 5 s after etcd is. */
const JITTER = { min: 0.6, max: 0.9 }
/** A watch that held this long was a success: the next wait is short again. */
const STABLE_MILLIS = 1_000

/** Calls `announce` for every change, as soon as it is known, until it is interrupted. */
export const follow = (watched: Watched, options: ChangesOptions, announce: () => void): Effect.Effect<never> =>
  Effect.gen(function* () {
    const { place } = options
    const read = watched.revision()
    const progress: Progress = { start: read === null ? null : read + 1, stoodAt: null, failures: 0, isTold: false }

    const stands = Effect.gen(function* () {
      progress.stoodAt = yield* Monotonic.now
      if (progress.start === null) {
        watched.distrust()
        announce()
      }
      if (!progress.isTold) return
      progress.isTold = false
      yield* Effect.logInfo("changes in etcd are seen again", { place })
    })

    while (true) {
      progress.stoodAt = null
      const end = yield* Effect.flip(session(watched, options, progress.start, announce, stands))
      const now = yield* Monotonic.now
      // A revision that was refused or forgotten must not be asked for again.
      progress.start = null
      const wasStable = progress.stoodAt !== null && now - progress.stoodAt >= STABLE_MILLIS
      progress.failures = wasStable ? 1 : progress.failures + 1
      const isOurs = end._tag === "Deaf" || (end._tag === "WatchEnded" && end.compactRevision > 0)
      if (isOurs && progress.failures === 1) continue
      // The first is worth no word: a connection was closed, or another endpoint answers at once.
      if (progress.failures > 1 && !progress.isTold) {
        progress.isTold = true
        const message = "changes in etcd are not seen for now, the last configuration stays"
        yield* Effect.logWarning(message, { place, reason: end.message })
      }
      yield* Effect.sleep(yield* backoff(progress.failures))
    }
  })

interface Progress {
  /** Where the next watch begins; null for now. */
  start: number | null
  /** Since when the watch stands; null while it does not. */
  stoodAt: number | null
  /** How many watches in a row did not hold. */
  failures: number
  /** Whether the log says so. */
  isTold: boolean
}

/** The watch was silent about a change. */
interface Deaf {
  readonly _tag: "Deaf"
  readonly message: string
}

const deaf: Deaf = { _tag: "Deaf", message: "the watch was silent about a change" }

/** One watch from its beginning to its end. */
const session = (
  watched: Watched,
  { checkMillis, timeoutMillis }: ChangesOptions,
  start: number | null,
  announce: () => void,
  stands: Effect.Effect<void>
): Effect.Effect<never, EtcdError | WatchEnded | Deaf | Silent> =>
  Effect.gen(function* () {
    // Finds an endpoint that answers, and a token that is good: the watch is opened there and with it.
    yield* watched.haveChanged
    const created = yield* Deferred.make<void>()
    let told = 0
    const listening = watched.watch(start, (answer) => {
      if (answer.created) Deferred.doneUnsafe(created, Effect.void)
      if (answer.events > 0) {
        told += answer.events
        announce()
      }
    })
    const checking = Effect.gen(function* () {
      yield* Deferred.await(created).pipe(
        Effect.timeoutOrElse({ duration: timeoutMillis, orElse: () => Effect.fail(silent) })
      )
      yield* stands
      while (true) {
        told = 0
        yield* Effect.sleep(checkMillis)
        if (!(yield* watched.haveChanged)) continue
        announce()
        // Also when what it told could not be read: a new watch costs little.
        if (told === 0) return yield* Effect.fail(deaf)
      }
    })
    return yield* Effect.raceFirst(listening, checking)
  })

/** The watch was asked for and nothing came. */
interface Silent {
  readonly _tag: "Silent"
  readonly message: string
}

const silent: Silent = { _tag: "Silent", message: "etcd does not begin to watch" }

const backoff = (failures: number): Effect.Effect<number> =>
  Effect.map(Random.nextBetween(JITTER.min, JITTER.max), (jitter) => {
    const millis = Math.min(MAX_BACKOFF_MILLIS, MIN_BACKOFF_MILLIS * 2 ** Math.min(failures - 1, 16))
    return millis * jitter
  })
