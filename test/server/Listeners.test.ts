/**
 * Listening sockets from one generation to the next: addresses that somebody else has, and generations that come
 * while sockets are bound.
 */
import * as net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { TestClock } from "effect/testing"
import { decode } from "../../src/config/Snapshot.ts"
import type { Generation, ListenAddress, ServerEntry } from "../../src/generation/Generation.ts"
import { Generations } from "../../src/generation/Generations.ts"
import { REQUEST_LIMITS } from "../../src/http1/Limits.ts"
import { AppLog } from "../../src/log/AppLog.ts"
import { Timekeeper } from "../../src/platform/Timekeeper.ts"
import { Listeners } from "../../src/server/Listeners.ts"
import { fakeServer } from "../support/FakeExchange.ts"
import { eventually } from "../support/RawClient.ts"

const entry = (name: string, port: number, address: Partial<ListenAddress> = {}): ServerEntry => ({
  name,
  runtime: fakeServer({ name }),
  addresses: [
    { host: "127.0.0.1", port, reusePort: false, ipv6Only: false, keepAliveMillis: 0, maxConnections: 100, ...address }
  ],
  connection: {
    limits: REQUEST_LIMITS,
    headMillis: 30_000,
    headIdleMillis: 10_000,
    keepAliveMillis: 75_000,
    maxRequests: 100,
    readMillis: 60_000,
    writeMillis: 60_000
  }
})

const snapshot = Result.getOrThrow(decode([]))

/** Somebody else on a port of this machine. */
const occupied = Effect.acquireRelease(
  Effect.promise(
    () =>
      new Promise<net.Server>((resolve) => {
        const server = net.createServer().listen(0, "127.0.0.1", () => resolve(server))
      })
  ),
  (server) => Effect.promise(() => new Promise((resolve) => server.close(resolve)))
).pipe(
  Effect.map((server) => ({
    port: (server.address() as net.AddressInfo).port,
    leave: Effect.promise(() => new Promise((resolve) => server.close(resolve)))
  }))
)

/** Listeners behind generations that a test publishes. */
const stage = (...servers: ReadonlyArray<ServerEntry>) =>
  Effect.gen(function* () {
    const log: Array<string> = []
    /** How often a generation has been held; each attempt to take it over holds it. */
    const holds = new Map<number, number>()
    /** What happens when a generation is held for the first time: its take-over has begun. */
    const onTaken = new Map<number, () => void>()
    const make = (id: number, servers: ReadonlyArray<ServerEntry>): Generation => ({
      id,
      snapshot,
      servers,
      locations: new Map(),
      graceMillis: 0,
      retain: () => {
        holds.set(id, (holds.get(id) ?? 0) + 1)
        const taken = onTaken.get(id)
        onTaken.delete(id)
        taken?.()
      },
      release: () => {}
    })
    let current = make(1, servers)
    const published = yield* SubscriptionRef.make(current)
    const publish = (...servers: ReadonlyArray<ServerEntry>) =>
      Effect.suspend(() => {
        current = make(current.id + 1, servers)
        return SubscriptionRef.set(published, current)
      })
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const listeners = yield* Layer.build(
      Listeners.layer.pipe(
        Layer.provide(
          Layer.succeed(Generations, {
            current: () => current,
            changes: SubscriptionRef.changes(published),
            reports: Stream.never,
            failures: Stream.never
          })
        ),
        Layer.provide(Timekeeper.layer),
        Layer.provide(AppLog.layerCapture(log))
      )
    ).pipe(Scope.provide(scope), Effect.map(Context.get(Listeners)))
    const serving = yield* Effect.map(
      Effect.gen(function* () {
        const seen: Array<string> = []
        yield* listeners.serving.pipe(
          Stream.runForEach(({ errors, generation }) =>
            Effect.sync(() => seen.push(`${generation.id}${errors.map(({ server }) => ` without ${server}`).join("")}`))
          ),
          Effect.forkScoped({ startImmediately: true })
        )
        return seen
      }),
      (seen) => seen
    )
    const serves = (id: number) =>
      Effect.promise(() => eventually(() => Effect.runSync(listeners.generation) === id, `generation ${id}`))
    const names = Effect.map(listeners.addresses, (bound) => bound.map(({ server }) => server).sort())
    return { holds, listeners, log, names, onTaken, publish, scope, serves, serving }
  })

/** Lets sockets be bound and everything happen that waits for no clock. */
const settle = Effect.promise(async () => {
  for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve))
})

describe("an address that somebody else has", () => {
  it.effect("keeps a start from succeeding", () =>
    Effect.gen(function* () {
      const { port } = yield* occupied
      const error = yield* Effect.flip(stage(entry("a", 0), entry("b", port)))
      assert.strictEqual(
        error.message,
        `servers.b.addr: cannot listen on 127.0.0.1:${port}: the address is in use. Stop what listens there or choose another port`
      )
    })
  )

  it.effect("is told once at a reload, while the others are served", () =>
    Effect.gen(function* () {
      const { port } = yield* occupied
      const { log, names, publish, serves, serving } = yield* stage(entry("a", 0))
      yield* publish(entry("a", 0), entry("b", port), entry("c", 0))
      yield* serves(2)
      assert.deepStrictEqual(yield* names, ["a", "c"])
      yield* TestClock.adjust("5 minutes")
      yield* settle
      assert.deepStrictEqual(serving, ["1", "2 without b"])
      assert.deepStrictEqual(log, [
        "INFO listening server=c address=127.0.0.1:0",
        `ERROR servers.b.addr: cannot listen on 127.0.0.1:${port}: the address is in use. Stop what listens there or choose another port server=b`
      ])
    })
  )

  it.effect("is tried again after a second, then after twice as long each time, at most 30 seconds", () =>
    Effect.gen(function* () {
      const { port } = yield* occupied
      const { holds, publish, serves } = yield* stage()
      yield* publish(entry("b", port))
      yield* serves(2)
      const waits: Array<number> = []
      for (let second = 1, last = 0; second <= 125; second++) {
        const before = holds.get(2)!
        yield* TestClock.adjust("1 second")
        yield* settle
        const tries = holds.get(2)! - before
        assert.isAtMost(tries, 1)
        if (tries === 0) continue
        waits.push(second - last)
        last = second
      }
      assert.deepStrictEqual(waits, [1, 2, 4, 8, 16, 30, 30, 30])
    })
  )

  it.effect("is taken when it is free", () =>
    Effect.gen(function* () {
      const { leave, port } = yield* occupied
      const { holds, listeners, log, publish, serves, serving } = yield* stage()
      yield* publish(entry("b", port))
      yield* serves(2)
      yield* TestClock.adjust("1 second")
      yield* settle
      yield* leave
      yield* TestClock.adjust("2 seconds")
      yield* settle
      assert.deepStrictEqual(yield* listeners.addresses, [{ server: "b", host: "127.0.0.1", port }])
      assert.deepStrictEqual(serving, ["1", "2 without b", "2"])
      assert.strictEqual(log.at(-1), `INFO listening server=b address=127.0.0.1:${port}`)
      const tries = holds.get(2)
      yield* TestClock.adjust("5 minutes")
      yield* settle
      assert.strictEqual(holds.get(2), tries)
    })
  )

  it.effect("is taken one by one when there are several", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* occupied, yield* occupied]
      const { names, publish, serves, serving } = yield* stage()
      yield* publish(entry("a", first.port), entry("b", second.port))
      yield* serves(2)
      yield* second.leave
      yield* TestClock.adjust("1 second")
      yield* settle
      assert.deepStrictEqual(yield* names, ["b"])
      yield* first.leave
      yield* TestClock.adjust("2 seconds")
      yield* settle
      assert.deepStrictEqual(yield* names, ["a", "b"])
      assert.deepStrictEqual(serving, ["1", "2 without a without b", "2 without a", "2"])
    })
  )

  it.effect("is given up when the configuration does not want it any more", () =>
    Effect.gen(function* () {
      const { leave, port } = yield* occupied
      const { holds, names, publish, serves } = yield* stage()
      yield* publish(entry("b", port))
      yield* serves(2)
      yield* publish(entry("c", 0))
      yield* serves(3)
      yield* leave
      const tries = [holds.get(2), holds.get(3)]
      yield* TestClock.adjust("5 minutes")
      yield* settle
      assert.deepStrictEqual(yield* names, ["c"])
      assert.deepStrictEqual([holds.get(2), holds.get(3)], tries)
    })
  )

  it.effect("is tried at once by the next generation that wants it", () =>
    Effect.gen(function* () {
      const { leave, port } = yield* occupied
      const { names, publish, serves } = yield* stage()
      yield* publish(entry("b", port))
      yield* serves(2)
      yield* leave
      yield* publish(entry("b", port))
      yield* serves(3)
      assert.deepStrictEqual(yield* names, ["b"])
    })
  )

  it.effect("does not hold up the end", () =>
    Effect.gen(function* () {
      const { leave, port } = yield* occupied
      const { holds, publish, scope, serves } = yield* stage()
      yield* publish(entry("b", port))
      yield* serves(2)
      yield* Scope.close(scope, Exit.void)
      const tries = holds.get(2)
      yield* leave
      yield* TestClock.adjust("5 minutes")
      yield* settle
      assert.strictEqual(holds.get(2), tries)
    })
  )
})

describe("generations that come while sockets are bound", () => {
  /** Publishes two generations in the middle of the take-over of the second. */
  const overtake = Effect.fnUntraced(function* (...last: ReadonlyArray<ServerEntry>) {
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const staged = yield* stage()
    staged.onTaken.set(2, () => {
      run(Effect.andThen(staged.publish(entry("a", 0)), staged.publish(...last)))
    })
    yield* staged.publish(entry("a", 0))
    return staged
  })

  it.effect("are served, the newest at last, and it is told", () =>
    Effect.gen(function* () {
      // To find a name takes a while: generation 4 is announced while its own socket is being bound.
      const { log, names, serves, serving } = yield* overtake(entry("b", 0, { host: "localhost" }))
      yield* serves(4)
      assert.deepStrictEqual(yield* names, ["b"])
      yield* settle
      assert.strictEqual(serving.at(-1), "4")
      assert.deepStrictEqual(log, [
        "INFO listening server=a address=127.0.0.1:0",
        "INFO not listening any more server=a address=127.0.0.1:0",
        "INFO listening server=b address=localhost:0"
      ])
    })
  )

  it.effect("are told, at whatever moment they come", () =>
    Effect.gen(function* () {
      const { leave, port } = yield* occupied
      for (let turns = 0; turns < 60; turns++) {
        const { names, publish, scope, serves, serving } = yield* stage()
        yield* publish(entry("a", 0, { host: "localhost" }))
        for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
        yield* publish(entry("b", port), entry("c", 0, { host: "localhost" }))
        yield* serves(3)
        yield* Effect.promise(() => eventually(() => serving.at(-1) === "3 without b", `c, after ${turns} turns`))
        assert.deepStrictEqual(yield* names, ["c"])
        yield* Scope.close(scope, Exit.void)
      }
      yield* leave
    }).pipe(
      // After so few steps others have their turn, so that generations come between any two of them.
      Effect.provideService(References.MaxOpsBeforeYield, 5)
    )
  )

  it.effect("do not end the waiting for an address of the newest", () =>
    Effect.gen(function* () {
      const { leave, port } = yield* occupied
      const { names, serves, serving } = yield* overtake(entry("b", port))
      yield* serves(4)
      yield* settle
      assert.strictEqual(serving.at(-1), "4 without b")
      yield* leave
      yield* TestClock.adjust("1 second")
      yield* settle
      assert.deepStrictEqual(yield* names, ["b"])
    })
  )
})

describe("the log", () => {
  it.effect("says which sockets come and go at a reload, and nothing of those that stay", () =>
    Effect.gen(function* () {
      const { log, publish, serves } = yield* stage(entry("a", 0), entry("b", 0))
      assert.deepStrictEqual(log, [])
      yield* publish(entry("a", 0), entry("c", 0, { host: "::1" }))
      yield* serves(2)
      assert.deepStrictEqual(log, [
        "INFO not listening any more server=b address=127.0.0.1:0",
        "INFO listening server=c address=[::1]:0"
      ])
      yield* publish(entry("a", 0), entry("c", 0, { host: "::1" }))
      yield* serves(3)
      assert.lengthOf(log, 2)
      yield* publish(entry("a", 0, { maxConnections: 7 }), entry("c", 0, { host: "::1" }))
      yield* serves(4)
      assert.deepStrictEqual(log.slice(2), ["INFO listening server=a address=127.0.0.1:0"])
    })
  )
})
