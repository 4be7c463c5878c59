/**
 * What signals do: the first SIGINT or SIGTERM asks for a graceful stop, a second one ends the waiting.
 *
 * Ctrl-C reaches a whole group of processes, and launchers (npm, our own start on another Node) pass on what they get:
 * one wish often arrives twice. What follows the first signal at once is taken for the same one.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

const STOPPING = ["SIGINT", "SIGTERM"] as const

/** Nobody presses a key twice as fast as that and means it. */
const SAME_WISH_MILLIS = 200

/** Watches signals while the scope is open. `first` completes with the first one, `second` with the next. */
export const watch: Effect.Effect<
  { readonly first: Deferred.Deferred<string>; readonly second: Deferred.Deferred<void> },
  never,
  Scope.Scope
> = Effect.gen(function* () {
  const first = yield* Deferred.make<string>()
  const second = yield* Deferred.make<void>()
  let firstAt = 0
  const onSignal = (signal: NodeJS.Signals): void => {
    if (Deferred.doneUnsafe(first, Effect.succeed(signal))) firstAt = performance.now()
    else if (performance.now() - firstAt > SAME_WISH_MILLIS) Deferred.doneUnsafe(second, Effect.void)
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      for (const signal of STOPPING) process.on(signal, onSignal)
    }),
    () =>
      Effect.sync(() => {
        for (const signal of STOPPING) process.off(signal, onSignal)
      })
  )
  return { first, second }
})
