/**
 * What signals do: the first SIGINT or SIGTERM asks for a graceful stop, a second one ends the waiting.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

const STOPPING = ["SIGINT", "SIGTERM"] as const

/** Watches signals while the scope is open. `first` completes with the first one, `second` with the next. */
export const watch: Effect.Effect<
  { readonly first: Deferred.Deferred<string>; readonly second: Deferred.Deferred<void> },
  never,
  Scope.Scope
> = Effect.gen(function* () {
  const first = yield* Deferred.make<string>()
  const second = yield* Deferred.make<void>()
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!Deferred.doneUnsafe(first, Effect.succeed(signal))) Deferred.doneUnsafe(second, Effect.void)
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
