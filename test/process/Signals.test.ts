import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Signals from "../../src/process/Signals.ts"

const STOPPING = ["SIGINT", "SIGTERM", "SIGQUIT"] as const
const NAMES = [...STOPPING, "SIGHUP"] as const

/** Delivers a signal to the listener that was added last, and to nobody else in this process. */
const deliver = (signal: (typeof NAMES)[number]): void => {
  process.listeners(signal).at(-1)!(signal)
}

const later = Effect.promise(async () => {
  const from = performance.now()
  while (performance.now() - from < 210) await new Promise((resolve) => setImmediate(resolve))
})

describe("signals", () => {
  it.effect("the first asks to stop, the next ends the waiting", () =>
    Effect.gen(function* () {
      const { first, second } = yield* Signals.watch
      assert.isFalse(Deferred.isDoneUnsafe(first))
      deliver("SIGTERM")
      assert.strictEqual(yield* Deferred.await(first), "SIGTERM")
      yield* later
      assert.isFalse(Deferred.isDoneUnsafe(second))
      deliver("SIGINT")
      yield* Deferred.await(second)
      deliver("SIGINT")
      assert.strictEqual(yield* Deferred.await(first), "SIGTERM")
    })
  )

  it.effect.each(STOPPING)("%s asks to stop", (signal) =>
    Effect.gen(function* () {
      const { first, reload, second } = yield* Signals.watch
      deliver(signal)
      assert.strictEqual(yield* Deferred.await(first), signal)
      assert.isFalse(Deferred.isDoneUnsafe(second))
      assert.strictEqual(yield* Queue.size(reload), 0)
    })
  )

  it.effect("SIGHUP asks for the configuration, and for nothing else", () =>
    Effect.gen(function* () {
      const { first, reload, second } = yield* Signals.watch
      deliver("SIGHUP")
      yield* Queue.take(reload)
      deliver("SIGHUP")
      yield* Queue.take(reload)
      assert.isFalse(Deferred.isDoneUnsafe(first))
      assert.isFalse(Deferred.isDoneUnsafe(second))
    })
  )

  it.effect("several wishes for the configuration that nobody has taken yet are one", () =>
    Effect.gen(function* () {
      const { reload } = yield* Signals.watch
      for (let i = 0; i < 5; i++) deliver("SIGHUP")
      yield* Queue.take(reload)
      assert.strictEqual(yield* Queue.size(reload), 0)
    })
  )

  it.effect("a wish for the configuration is none to end the waiting", () =>
    Effect.gen(function* () {
      const { first, second } = yield* Signals.watch
      deliver("SIGQUIT")
      yield* later
      deliver("SIGHUP")
      assert.isTrue(Deferred.isDoneUnsafe(first))
      assert.isFalse(Deferred.isDoneUnsafe(second))
      deliver("SIGQUIT")
      yield* Deferred.await(second)
    })
  )

  it.effect("that follow at once are the same wish", () =>
    Effect.gen(function* () {
      const { first, second } = yield* Signals.watch
      deliver("SIGINT")
      deliver("SIGINT")
      deliver("SIGTERM")
      assert.strictEqual(yield* Deferred.await(first), "SIGINT")
      assert.isFalse(Deferred.isDoneUnsafe(second))
    })
  )

  it.effect("are nobody's when the scope has closed", () =>
    Effect.gen(function* () {
      const before = NAMES.map((name) => process.listenerCount(name))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Signals.watch
          assert.deepStrictEqual(
            NAMES.map((name) => process.listenerCount(name)),
            before.map((count) => count + 1)
          )
        })
      )
      assert.deepStrictEqual(
        NAMES.map((name) => process.listenerCount(name)),
        before
      )
    })
  )
})
