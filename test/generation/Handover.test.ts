/**
 * From one generation to the next under open sockets: what a socket serves is held from before it serves it until
 * after it serves the next, so that no request begins on something that is being closed.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { decode } from "../../src/config/Snapshot.ts"
import type { Generation, ServerEntry } from "../../src/generation/Generation.ts"
import { Generations } from "../../src/generation/Generations.ts"
import { REQUEST_LIMITS } from "../../src/http1/Limits.ts"
import { Timekeeper } from "../../src/platform/Timekeeper.ts"
import { Listeners } from "../../src/server/Listeners.ts"
import { fakeServer } from "../support/FakeExchange.ts"
import { eventually, RawClient } from "../support/RawClient.ts"

const entry = (name: string, host: string): ServerEntry => ({
  name,
  runtime: fakeServer({ name }),
  addresses: [{ host, port: 0, reusePort: false, ipv6Only: false, keepAliveMillis: 0, maxConnections: 100 }],
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

/** Generations that count who holds them; the publisher's own hold ends with the next one. */
const publisher = Effect.gen(function* () {
  const holds = new Map<number, number>()
  const closed: Array<number> = []
  const make = (id: number, ...servers: ReadonlyArray<ServerEntry>): Generation => {
    holds.set(id, 1)
    return {
      id,
      snapshot,
      servers,
      locations: new Map(),
      graceMillis: 5_000,
      retain: () => {
        // What was closed is never held again.
        assert.notInclude(closed, id)
        holds.set(id, holds.get(id)! + 1)
      },
      release: () => {
        holds.set(id, holds.get(id)! - 1)
        if (holds.get(id) === 0) closed.push(id)
      }
    }
  }
  let current = make(1, entry("a", "127.0.0.1"))
  const published = yield* SubscriptionRef.make(current)
  const layer = Layer.succeed(Generations, {
    current: () => current,
    changes: SubscriptionRef.changes(published),
    reports: Stream.never,
    failures: Stream.never
  })
  const publish = Effect.fnUntraced(function* (...servers: ReadonlyArray<ServerEntry>) {
    const old = current
    current = make(old.id + 1, ...servers)
    yield* SubscriptionRef.set(published, current)
    old.release()
  })
  const listeners = yield* Effect.map(
    Layer.build(Listeners.layer.pipe(Layer.provide(layer), Layer.provide(Timekeeper.layer))),
    Context.get(Listeners)
  )
  const serves = (id: number) =>
    Effect.promise(() => eventually(() => Effect.runSync(listeners.generation) === id, `generation ${id}`))
  return { closed, holds, listeners, publish, serves }
})

describe("a socket", () => {
  it.effect("holds what it serves, and lets go when it serves the next", () =>
    Effect.gen(function* () {
      const { closed, holds, publish, serves } = yield* publisher
      assert.strictEqual(holds.get(1), 2)
      yield* publish(entry("a", "127.0.0.1"))
      // Replaced, but not closed as long as the socket may begin a request on it.
      yield* serves(2)
      assert.deepStrictEqual([holds.get(1), holds.get(2), closed], [0, 2, [1]])
    })
  )

  it.effect("skips what was overtaken while another socket was bound", () =>
    Effect.gen(function* () {
      const { closed, holds, listeners, publish, serves } = yield* publisher
      // A name takes a while to be resolved.
      yield* publish(entry("a", "127.0.0.1"), entry("b", "localhost"))
      yield* publish(entry("a", "127.0.0.1"), entry("b", "localhost"))
      yield* publish(entry("a", "127.0.0.1"), entry("b", "localhost"))
      yield* serves(4)
      assert.strictEqual((yield* listeners.addresses).length, 2)
      assert.deepStrictEqual([...closed].sort(), [1, 2, 3])
      assert.strictEqual(holds.get(4), 3)
    })
  )

  it.effect("that goes holds its generation until its last connection has ended", () =>
    Effect.gen(function* () {
      const { closed, listeners, publish, serves } = yield* publisher
      const port = (yield* listeners.addresses)[0]!.port
      const client = yield* Effect.promise(() => RawClient.connect(port))
      // Half a head: one more request may come of it.
      client.send("GET / HT")
      yield* Effect.promise(() => eventually(() => Effect.runSync(listeners.connections) === 1, "the connection"))
      for (let i = 0; i < 20; i++) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* publish()
      yield* serves(2)
      assert.deepStrictEqual([yield* listeners.addresses, closed], [[], []])
      assert.strictEqual(yield* listeners.connections, 1)
      client.abort()
      yield* Effect.promise(() => eventually(() => closed.length === 1, "the end of the first generation"))
      assert.strictEqual(yield* listeners.connections, 0)
    })
  )

  it.effect("that cannot be bound holds nothing", () =>
    Effect.gen(function* () {
      const { holds, publish, serves } = yield* publisher
      yield* publish(entry("a", "127.0.0.1"), entry("b", "192.0.2.1"))
      yield* serves(2)
      assert.strictEqual(holds.get(2), 2)
    })
  )
})
