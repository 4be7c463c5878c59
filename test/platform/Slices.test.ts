import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Sliced } from "../../src/model/Sliced.ts"
import * as Slices from "../../src/platform/Slices.ts"

/** Keeps the processor busy. */
const burn = (millis: number): void => {
  const end = performance.now() + millis
  while (performance.now() < end);
}

/** Work of many steps that says how far it came. */
function* long(steps: number, done: { steps: number }): Sliced<string> {
  for (; done.steps < steps; done.steps++) {
    burn(1)
    yield
  }
  return "done"
}

describe("sliced work", () => {
  it.effect("gives its result", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Slices.run(long(20, { steps: 0 })), "done")
    })
  )

  it("that is short is done at once, unless other work has just been", async () => {
    // What ran before this test may have taken its share of the turn.
    await new Promise((resolve) => setImmediate(resolve))
    const work = function* (): Sliced<number> {
      return 7
    }
    assert.strictEqual(Effect.runSync(Slices.run(work())), 7)
  })

  it("lets what waits in between", async () => {
    const done = { steps: 0 }
    const seen: Array<number> = []
    let immediates = 0
    const timer = setInterval(() => seen.push(done.steps), 1)
    const next = (): void => {
      immediates++
      pending = setImmediate(next)
    }
    let pending = setImmediate(next)
    await Effect.runPromise(Slices.run(long(60, done)))
    clearInterval(timer)
    clearImmediate(pending)
    // 60 ms in slices of 4: others had their turn, and saw the work at several stages.
    assert.isAtLeast(immediates, 8)
    assert.isAtLeast(new Set(seen).size, 3)
  })

  it("never takes more than a slice at a time", async () => {
    const done = { steps: 0 }
    let longest = 0
    let last = 0
    const next = (): void => {
      longest = Math.max(longest, done.steps - last)
      last = done.steps
      pending = setImmediate(next)
    }
    let pending = setImmediate(next)
    await Effect.runPromise(Slices.run(long(60, done)))
    clearImmediate(pending)
    // Counted in steps of a millisecond, which no other load of the machine makes more.
    assert.isAtMost(longest, 5)
  })

  it.effect("is dropped when it is interrupted", () =>
    Effect.gen(function* () {
      const done = { steps: 0 }
      const fiber = yield* Effect.forkChild(Slices.run(long(1_000, done)), { startImmediately: true })
      assert.isBelow(done.steps, 1_000)
      yield* Fiber.interrupt(fiber)
      const { steps } = done
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(() => setImmediate(resolve))))
      assert.strictEqual(done.steps, steps)
    })
  )

  it.effect("goes on to its end where it must not be interrupted", () =>
    Effect.gen(function* () {
      const done = { steps: 0 }
      const fiber = yield* Effect.forkChild(Effect.uninterruptible(Slices.run(long(30, done))), {
        startImmediately: true
      })
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(done.steps, 30)
    })
  )

  for (const [when, steps] of [
    ["at once", 0],
    ["later", 20]
  ] as const) {
    it.effect(`that throws ${when} is a defect`, () =>
      Effect.gen(function* () {
        const work = function* (): Sliced<never> {
          yield* long(steps, { steps: 0 })
          throw new Error("boom")
        }
        const exit = yield* Effect.exit(Slices.run(work()))
        assert(Exit.isFailure(exit))
        assert.isTrue(Cause.hasDies(exit.cause))
        assert.strictEqual((Cause.squash(exit.cause) as Error).message, "boom")
      })
    )
  }
})
