/**
 * What signals do: the first SIGINT, SIGTERM or SIGQUIT asks for a graceful stop, a second one ends the waiting. SIGHUP
 * asks to read the configuration again.
 *
 * Ctrl-C reaches a whole group of processes, and launchers (npm, our own start on another Node) pass on what they get:
 * one wish often arrives twice. What follows the first signal at once is taken for the same one.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

const STOPPING = ["SIGINT", "SIGTERM", "SIGQUIT"] as const

/** Nobody presses a key twice as fast as that and means it. */
const SAME_WISH_MILLIS = 200

export interface Signals {
  /** Completes with the name of the first signal to stop. */
  readonly first: Deferred.Deferred<string>
  /** Completes with the next. */
  readonly second: Deferred.Deferred<void>
  /** Wishes to reload that nobody has taken yet; several are one. */
  readonly reload: Queue.Dequeue<void>
}

/** Watches signals while the scope is open. */
export const watch: Effect.Effect<Signals, never, Scope.Scope> = Effect.gen(function* () {
  const reload = yield* Queue.sliding<void>(1)
  const first = yield* Deferred.make<string>()
  const second = yield* Deferred.make<void>()
  let firstAt = 0
  const onSignal = (signal: NodeJS.Signals): void => {
    if (Deferred.doneUnsafe(first, Effect.succeed(signal))) firstAt = performance.now()
    else if (performance.now() - firstAt > SAME_WISH_MILLIS) Deferred.doneUnsafe(second, Effect.void)
  }
  const onReload = (): void => {
    Queue.offerUnsafe(reload, undefined)
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      for (const signal of STOPPING) process.on(signal, onSignal)
      process.on("SIGHUP", onReload)
    }),
    () =>
      Effect.sync(() => {
        for (const signal of STOPPING) process.off(signal, onSignal)
        process.off("SIGHUP", onReload)
      })
  )
  return { first, second, reload }
})
