import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import * as Burst from "../../../src/config/source/Burst.ts"

describe("Burst.follow", () => {
  const settled = Effect.gen(function* () {
    const signals = yield* Queue.sliding<void>(1)
    const times: Array<number> = []
    const announce = Effect.map(Clock.currentTimeMillis, (now) => void times.push(now))
    yield* Effect.forkScoped(Burst.follow(signals, announce))
    yield* TestClock.adjust(0)
    return { signal: Queue.offer(signals, undefined), times }
  })

  it.effect("hands on a burst once, when it is over", () =>
    Effect.gen(function* () {
      const { signal, times } = yield* settled
      for (let index = 0; index < 4; index++) {
        yield* signal
        yield* TestClock.adjust(50)
      }
      assert.deepStrictEqual(times, [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(times, [250])
    })
  )

  it.effect("does not wait for the end of a burst that has none", () =>
    Effect.gen(function* () {
      const { signal, times } = yield* settled
      for (let index = 0; index < 40; index++) {
        yield* signal
        yield* TestClock.adjust(25)
      }
      assert.deepStrictEqual(times, [500, 1_000])
    })
  )
})
