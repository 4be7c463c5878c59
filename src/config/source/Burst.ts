/**
 * What happens in bursts is announced once: a tool that unpacks a hundred files, an import of a thousand keys. The
 * announcement comes when it has been quiet for a moment, and not much later than the first signal when it never is.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Monotonic from "./Monotonic.ts"

const QUIET_MILLIS = 100
const MAX_MILLIS = 500

/** Waits for the end of a burst whose first signal was just taken, and takes its other signals. */
export const end = (signals: Queue.Dequeue<void>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const latest = (yield* Monotonic.now) + MAX_MILLIS
    while (true) {
      const millis = Math.min(QUIET_MILLIS, latest - (yield* Monotonic.now))
      if (millis <= 0 || Option.isNone(yield* Effect.timeoutOption(Queue.take(signals), millis))) return
    }
  })

/** Calls `announce` for every burst, until it is interrupted. */
export const follow = (signals: Queue.Dequeue<void>, announce: Effect.Effect<unknown>): Effect.Effect<never> =>
  Effect.forever(Queue.take(signals).pipe(Effect.andThen(end(signals)), Effect.andThen(announce)))
