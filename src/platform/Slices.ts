/**
 * Runs work of the control plane in slices of a few milliseconds, with everything else that waits in between: a
 * reload of ten thousand locations must not be felt by a request.
 */
import * as Effect from "effect/Effect"
import type { Sliced } from "../model/Sliced.ts"

/** How long a slice may take. Work that yields rarely takes longer. */
const SLICE_MILLIS = 4

/** Slices run in this turn of the event loop: work that follows other work waits for the next one. */
let isBusy = false

/** Runs work to its end, letting sockets and timers in after each slice. Interruption drops the rest of it. */
export const run = <A>(work: Sliced<A>): Effect.Effect<A> =>
  Effect.callback((resume) => {
    let scheduled: NodeJS.Immediate | undefined
    const slice = (): void => {
      const end = performance.now() + SLICE_MILLIS
      try {
        do {
          const step = work.next()
          if (step.done === true) {
            if (performance.now() > end - SLICE_MILLIS / 2) rest()
            return resume(Effect.succeed(step.value))
          }
        } while (performance.now() < end)
      } catch (defect) {
        return resume(Effect.die(defect))
      }
      scheduled = setImmediate(slice)
    }
    if (isBusy) scheduled = setImmediate(slice)
    else slice()
    return Effect.sync(() => clearImmediate(scheduled))
  })

const rest = (): void => {
  isBusy = true
  setImmediate(() => {
    isBusy = false
  })
}
