/** How changes are followed, on a watch and a clock that the test moves. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import * as Changes from "../../../../src/config/source/etcd/Changes.ts"
import { AllUnreachable, type EtcdError, Refused, WatchEnded } from "../../../../src/config/source/etcd/EtcdError.ts"
import type { WatchAnswer } from "../../../../src/config/source/etcd/Wire.ts"

const lost = new AllUnreachable({ attempts: [], inDoubt: false })
const compacted = new WatchEnded({ message: "forgotten", compactRevision: 9 })

/** An etcd that writes down what is asked of it, and does what the test says. */
class FakeWatched implements Changes.Watched {
  readonly events: Array<string> = []
  lastRead: number | null = 7
  changed = false
  /** Fails every question. */
  down: EtcdError | null = null
  /** Leaves new watches without an answer. */
  silent = false
  private current: Deferred.Deferred<never, EtcdError | WatchEnded> | null = null
  private tell: (answer: WatchAnswer) => void = () => {}

  readonly revision = (): number | null => this.lastRead

  readonly haveChanged: Effect.Effect<boolean, EtcdError> = Effect.suspend(() =>
    this.down === null ? Effect.succeed(this.changed) : this.note("down", this.down)
  )

  readonly distrust = (): void => {
    this.events.push("distrust")
  }

  readonly watch: Changes.Watched["watch"] = (start, onAnswer) =>
    Effect.gen({ self: this }, function* () {
      this.events.push(`watch ${start ?? "now"}`)
      this.tell = onAnswer
      const end = yield* Deferred.make<never, EtcdError | WatchEnded>()
      this.current = end
      if (!this.silent) this.say({ created: true })
      return yield* Deferred.await(end)
    })

  say(answer: Partial<WatchAnswer>): void {
    this.tell({
      header: { cluster: "c", revision: 8 },
      created: false,
      canceled: false,
      compactRevision: 0,
      reason: "",
      events: 0,
      ...answer
    })
  }

  end(error: EtcdError | WatchEnded): Effect.Effect<boolean> {
    return Deferred.fail(this.current!, error)
  }

  private note(event: string, error: EtcdError): Effect.Effect<never, EtcdError> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      this.events.push(`${event} ${now}`)
      return Effect.fail(error)
    })
  }
}

const followed = (watched: FakeWatched) =>
  Effect.gen(function* () {
    yield* Effect.forkScoped(
      Changes.follow(watched, { place: "etcd://h/p", checkMillis: 10_000, timeoutMillis: 3_000 }, () =>
        watched.events.push("announce")
      ).pipe(
        Effect.provide(
          Logger.layer([
            Logger.make<unknown, void>(({ logLevel, message }) => {
              watched.events.push(`${logLevel} ${(message as ReadonlyArray<string>)[0]}`)
            })
          ])
        )
      )
    )
    yield* TestClock.adjust(1)
    /** What happened since the last call. */
    return (): ReadonlyArray<string> => watched.events.splice(0)
  })

const WARNING = "Warn changes in etcd are not seen for now, the last configuration stays"
const RETURN = "Info changes in etcd are seen again"

describe("Changes.follow", () => {
  it.effect("begins behind the last read, and announces what it is told", () =>
    Effect.gen(function* () {
      const watched = new FakeWatched()
      const events = yield* followed(watched)
      assert.deepStrictEqual(events(), ["watch 8"])
      watched.say({ events: 2 })
      watched.say({ events: 0 })
      assert.deepStrictEqual(events(), ["announce"])
    })
  )

  it.effect("announces at once when nothing was read before", () =>
    Effect.gen(function* () {
      const watched = new FakeWatched()
      watched.lastRead = null
      const events = yield* followed(watched)
      assert.deepStrictEqual(events(), ["watch now", "distrust", "announce"])
    })
  )

  it.effect("begins anew without a word when a connection that held ends", () =>
    Effect.gen(function* () {
      const watched = new FakeWatched()
      const events = yield* followed(watched)
      yield* TestClock.adjust("5 seconds")
      yield* watched.end(lost)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(events(), ["watch 8", "watch now", "distrust", "announce"])
    })
  )

  it.effect("waits longer and longer while etcd is away, says so once, and that it is back", () =>
    Effect.gen(function* () {
      const watched = new FakeWatched()
      const events = yield* followed(watched)
      yield* TestClock.adjust("5 seconds")
      watched.down = lost
      yield* watched.end(lost)
      yield* TestClock.adjust("40 seconds")
      const told = events()
      const times = told.flatMap((event) => (event.startsWith("down ") ? [Number(event.slice(5))] : []))
      assert.deepStrictEqual(
        told.filter((event) => !event.startsWith("down ")),
        ["watch 8", WARNING]
      )
      let at = 5_001
      for (const [index, time] of times.entries()) {
        const limit = Math.min(5_000, 100 * 2 ** index)
        assert.isAtLeast(time - at, limit * 0.6 - 1)
        assert.isAtMost(time - at, limit * 0.9 + 1)
        at = time
      }
      assert.isAbove(times.length, 8)
      watched.down = null
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(events(), ["watch now", "distrust", "announce", RETURN])
      // A watch that held makes the next wait short again.
      yield* TestClock.adjust("1 second")
      yield* watched.end(lost)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(events(), ["watch now", "distrust", "announce"])
    })
  )

  it.effect("does not hurry when every watch ends at once", () =>
    Effect.gen(function* () {
      const watched = new FakeWatched()
      const events = yield* followed(watched)
      for (let round = 0; round < 200; round++) {
        yield* watched.end(round % 2 === 0 ? compacted : new WatchEnded({ message: "no", compactRevision: 0 }))
        yield* TestClock.adjust(50)
      }
      const told = events()
      assert.isAtMost(told.filter((event) => event.startsWith("watch")).length, 12)
      assert.isAtMost(told.filter((event) => event === WARNING).length, 10)
    })
  )

  it.effect("begins now when etcd has forgotten the revision, without a word", () =>
    Effect.gen(function* () {
      const watched = new FakeWatched()
      watched.silent = true
      const events = yield* followed(watched)
      watched.silent = false
      yield* watched.end(compacted)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(events(), ["watch 8", "watch now", "distrust", "announce"])
    })
  )

  it.effect("distrusts a watch that is silent about a change", () =>
    Effect.gen(function* () {
      const watched = new FakeWatched()
      const events = yield* followed(watched)
      yield* TestClock.adjust("9 seconds")
      watched.changed = true
      assert.deepStrictEqual(events(), ["watch 8"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(events(), ["announce", "watch now", "distrust", "announce"])
    })
  )

  it.effect("announces again what was told and could not be read, and keeps the watch", () =>
    Effect.gen(function* () {
      const watched = new FakeWatched()
      const events = yield* followed(watched)
      yield* TestClock.adjust("4 seconds")
      watched.say({ events: 1 })
      watched.changed = true
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(events(), ["watch 8", "announce", "announce"])
    })
  )

  it.effect("gives up a watch that does not begin", () =>
    Effect.gen(function* () {
      const watched = new FakeWatched()
      watched.silent = true
      const events = yield* followed(watched)
      yield* TestClock.adjust(3_100)
      assert.deepStrictEqual(events(), ["watch 8", "watch now"])
      watched.silent = false
      yield* TestClock.adjust(3_300)
      assert.deepStrictEqual(events(), [WARNING, "watch now", "distrust", "announce", RETURN])
    })
  )

  it.effect("goes on after a refusal", () =>
    Effect.gen(function* () {
      const watched = new FakeWatched()
      watched.down = new Refused({ code: 7, message: "etcd says: permission denied" })
      const events = yield* followed(watched)
      yield* TestClock.adjust("10 seconds")
      assert.include(events(), WARNING)
      watched.down = null
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(events(), ["watch now", "distrust", "announce", RETURN])
    })
  )
})
