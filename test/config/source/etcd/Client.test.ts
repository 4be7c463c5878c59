/** Endpoints, time and tokens, with a transport that says what the test says. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Client from "../../../../src/config/source/etcd/Client.ts"
import { Unreachable } from "../../../../src/config/source/etcd/EtcdError.ts"
import { type EtcdUrl, EtcdUrlError, parse } from "../../../../src/config/source/etcd/EtcdUrl.ts"
import type { Answer } from "../../../../src/config/source/etcd/RoundTrip.ts"
import type { Transport } from "../../../../src/config/source/etcd/Transport.ts"
import type { WatchAnswer } from "../../../../src/config/source/etcd/Wire.ts"

const urlOf = (text: string): EtcdUrl => {
  const url = parse(text, {})
  if (url instanceof EtcdUrlError) throw new Error(url.message)
  return url
}

const json = (value: object, status = 200): Answer => ({ status, json: value, text: JSON.stringify(value) })
const failure = (code: number, message: string, status = 400): Answer => json({ error: message, message, code }, status)
const RANGE = json({ header: { revision: "1" } })

const gone = (endpoint: string, options: Partial<Unreachable> = {}): Unreachable =>
  new Unreachable({ endpoint, reason: "refuses connections", inDoubt: false, wasIdle: false, ...options })

type Say = (endpoint: string, path: string, token: string | null) => Effect.Effect<Answer, Unreachable>

/** A client on a transport that answers so, and what it asked. */
const client = (text: string, say: Say, lines: ReadonlyArray<unknown> = []) => {
  const asked: Array<string> = []
  const note: Transport["post"] = ({ name }, { path, token }) => {
    asked.push([name, path.slice(4), ...(token === null ? [] : [token])].join(" "))
    return say(name, path, token)
  }
  const transport: Transport = {
    post: note,
    stream: (endpoint, call, onLine) =>
      Effect.gen(function* () {
        const answer = yield* note(endpoint, call)
        if (answer.status !== 200) return answer
        for (const line of lines) {
          const error = onLine(line)
          if (error !== null) return yield* Effect.fail(error)
        }
        return yield* gone(endpoint.name, { reason: "ended the stream" })
      })
  }
  return Effect.map(Client.make(transport, urlOf(text)), (made) => ({
    client: made,
    /** What was asked since the last call. */
    asked: (): ReadonlyArray<string> => asked.splice(0)
  }))
}

describe("Client", () => {
  it.effect("stays with the endpoint that answers, and tells of all when none does", () =>
    Effect.gen(function* () {
      let alive = "b:2379"
      const { asked, client: etcd } = yield* client("etcd://a,b,c/p", (name) =>
        name === alive ? Effect.succeed(RANGE) : Effect.fail(gone(name))
      )
      yield* etcd.range("/p/")
      yield* etcd.range("/p/")
      assert.deepStrictEqual(asked(), ["a:2379 kv/range", "b:2379 kv/range", "b:2379 kv/range"])
      alive = "a:2379"
      yield* etcd.range("/p/")
      assert.deepStrictEqual(asked(), ["b:2379 kv/range", "c:2379 kv/range", "a:2379 kv/range"])
      alive = "none"
      const error = yield* Effect.flip(etcd.range("/p/"))
      assert.strictEqual(
        error.message,
        "etcd cannot be reached: a:2379 refuses connections; b:2379 refuses connections; c:2379 refuses connections"
      )
    })
  )

  it.effect("gives each endpoint its share of the time", () =>
    Effect.gen(function* () {
      const { asked, client: etcd } = yield* client("etcd://a,b,c/p?timeout=9s", () => Effect.never)
      const fiber = yield* Effect.forkChild(Effect.flip(etcd.range("/p/")))
      yield* TestClock.adjust(2_999)
      assert.strictEqual(asked().length, 1)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(asked(), ["b:2379 kv/range"])
      yield* TestClock.adjust(6_000)
      assert.match((yield* Fiber.join(fiber)).message, /^.*a:2379 gives no answer within 3000 ms; b:.*; c:.*3000 ms$/)
    })
  )

  it.effect("asks again where an idle connection was closed, and says that it may have been done", () =>
    Effect.gen(function* () {
      let idle = 2
      const { asked, client: etcd } = yield* client("etcd://a,b/p", (name) =>
        idle-- > 0
          ? Effect.fail(gone(name, { wasIdle: true, inDoubt: true }))
          : Effect.succeed(json({ header: { revision: "1" }, succeeded: true }))
      )
      const told = yield* etcd.txn([], [])
      assert.deepStrictEqual([told.inDoubt, told.value.succeeded], [true, true])
      assert.deepStrictEqual(asked(), ["a:2379 kv/txn", "a:2379 kv/txn", "a:2379 kv/txn"])
      assert.isFalse((yield* etcd.txn([], [])).inDoubt)
      idle = Number.POSITIVE_INFINITY
      yield* Effect.flip(etcd.txn([], []))
      assert.isAtMost(asked().length, 6)
    })
  )

  it.effect("takes a refusal for final, and silence of a member not", () =>
    Effect.gen(function* () {
      const { asked, client: etcd } = yield* client("etcd://a,b/p", (name) =>
        Effect.succeed(
          name === "a:2379"
            ? failure(14, "etcdserver: no leader", 503)
            : failure(7, "etcdserver: permission denied", 403)
        )
      )
      const error = yield* Effect.flip(etcd.range("/p/"))
      assert.strictEqual(error.message, "etcd says: permission denied")
      assert.deepStrictEqual(asked(), ["a:2379 kv/range", "b:2379 kv/range"])
    })
  )

  it.effect.each([
    [{ status: 200, json: undefined, text: "<html>" }, "gives an answer that etcd does not give"],
    [json({}), "gives an answer that etcd does not give"],
    [{ status: 404, json: undefined, text: "404 page not found" }, "has no JSON gateway"],
    [{ status: 502, json: undefined, text: "Bad Gateway" }, "answers with status 502"],
    [{ status: 400, json: undefined, text: "Client sent an HTTP request to an HTTPS server.\n" }, "speaks TLS only"],
    [failure(14, "etcdserver: request timed out", 503), "says: etcdserver: request timed out"]
  ] as ReadonlyArray<readonly [Answer, string]>)("%j is no answer", ([answer, reason]) =>
    Effect.gen(function* () {
      const { client: etcd } = yield* client("etcd://a/p", () => Effect.succeed(answer))
      const error = yield* Effect.flip(etcd.range("/p/"))
      assert.strictEqual(error.message, `etcd cannot be reached: a:2379 ${reason}`)
    })
  )
})

describe("Client with a user", () => {
  const WITH_USER = "etcd://a,b/p?user=u&password=p"
  const BAD_TOKEN = failure(16, "etcdserver: invalid auth token", 401)

  it.effect("gets one token for all who ask at once, and a new one when etcd does not know it any more", () =>
    Effect.gen(function* () {
      let token = 0
      let gate = yield* Deferred.make<void>()
      const { asked, client: etcd } = yield* client(WITH_USER, (_, path, sent) =>
        path.endsWith("authenticate")
          ? Effect.as(Deferred.await(gate), json({ token: `t${++token}` }))
          : Effect.as(Effect.yieldNow, sent === `t${token}` ? RANGE : BAD_TOKEN)
      )
      const three = yield* Effect.forkChild(
        Effect.all([etcd.range("/p/"), etcd.range("/p/"), etcd.range("/p/")], { concurrency: 3 })
      )
      yield* TestClock.adjust(1)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(three)
      assert.deepStrictEqual(asked(), [
        "a:2379 auth/authenticate",
        "a:2379 kv/range t1",
        "a:2379 kv/range t1",
        "a:2379 kv/range t1"
      ])
      token++
      gate = yield* Deferred.make<void>()
      const two = yield* Effect.forkChild(Effect.all([etcd.range("/p/"), etcd.range("/p/")], { concurrency: 2 }))
      yield* TestClock.adjust(1)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(two)
      assert.deepStrictEqual(asked(), [
        "a:2379 kv/range t1",
        "a:2379 kv/range t1",
        "a:2379 auth/authenticate",
        "a:2379 kv/range t3",
        "a:2379 kv/range t3"
      ])
    })
  )

  it.effect("asks once more with a new token, not more", () =>
    Effect.gen(function* () {
      const { asked, client: etcd } = yield* client(WITH_USER, (_, path) =>
        Effect.succeed(path.endsWith("authenticate") ? json({ token: "t" }) : BAD_TOKEN)
      )
      assert.strictEqual((yield* Effect.flip(etcd.range("/p/"))).message, "etcd says: invalid auth token")
      assert.strictEqual(asked().length, 4)
    })
  )

  it.effect("does not try a wrong password with every request", () =>
    Effect.gen(function* () {
      let isRight = false
      const { asked, client: etcd } = yield* client(WITH_USER, (_, path) =>
        Effect.succeed(
          path.endsWith("authenticate")
            ? isRight
              ? json({ token: "t" })
              : failure(3, "etcdserver: authentication failed, invalid user ID or password")
            : RANGE
        )
      )
      for (let index = 0; index < 20; index++) {
        const error = yield* Effect.flip(etcd.range("/p/"))
        assert.strictEqual(error.message, "etcd refuses this user or password")
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(asked(), ["a:2379 auth/authenticate"])
      isRight = true
      yield* TestClock.adjust("10 seconds")
      yield* etcd.range("/p/")
      assert.deepStrictEqual(asked(), ["a:2379 auth/authenticate", "a:2379 kv/range t"])
    })
  )

  it.effect("asks without a token where no user is asked for, and with one from then on", () =>
    Effect.gen(function* () {
      let isEnabled = false
      const { asked, client: etcd } = yield* client(WITH_USER, (_, path, token) =>
        Effect.succeed(
          path.endsWith("authenticate")
            ? isEnabled
              ? json({ token: "t" })
              : failure(9, "etcdserver: authentication is not enabled", 412)
            : isEnabled && token === null
              ? failure(3, "etcdserver: user name is empty")
              : RANGE
        )
      )
      yield* etcd.range("/p/")
      yield* etcd.range("/p/")
      assert.deepStrictEqual(asked(), ["a:2379 auth/authenticate", "a:2379 kv/range", "a:2379 kv/range"])
      isEnabled = true
      yield* etcd.range("/p/")
      assert.deepStrictEqual(asked(), ["a:2379 kv/range", "a:2379 auth/authenticate", "a:2379 kv/range t"])
    })
  )

  it.effect("authenticates where the request goes", () =>
    Effect.gen(function* () {
      const { asked, client: etcd } = yield* client(WITH_USER, (name, path) =>
        name === "a:2379"
          ? Effect.fail(gone(name))
          : Effect.succeed(path.endsWith("authenticate") ? json({ token: "t" }) : RANGE)
      )
      yield* etcd.range("/p/")
      assert.deepStrictEqual(asked(), ["a:2379 auth/authenticate", "b:2379 auth/authenticate", "b:2379 kv/range t"])
    })
  )
})

describe("Client.watch", () => {
  const header = { cluster_id: "c", revision: "5" }
  const watched = (lines: ReadonlyArray<unknown>, answer: Answer = RANGE) =>
    Effect.gen(function* () {
      const answers: Array<WatchAnswer> = []
      const { asked, client: etcd } = yield* client("etcd://a,b/p", () => Effect.succeed(answer), lines)
      const error = yield* Effect.flip(etcd.watch("/p/", 3, (told) => answers.push(told)))
      yield* Effect.flip(etcd.watch("/p/", 3, () => {}))
      return { answers, error, asked: asked() }
    })

  it.effect("hands over what it is told, and goes elsewhere when the stream ends", () =>
    Effect.gen(function* () {
      const { answers, asked, error } = yield* watched([
        { result: { header, created: true } },
        { result: { header, events: [{}, {}] } }
      ])
      assert.deepStrictEqual(
        answers.map(({ created, events }) => [created, events]),
        [
          [true, 0],
          [false, 2]
        ]
      )
      assert.strictEqual(error.message, "etcd cannot be reached: a:2379 ended the stream")
      assert.deepStrictEqual(asked, ["a:2379 watch", "b:2379 watch"])
    })
  )

  it.effect.each([
    [{ result: { header, canceled: true, compact_revision: "4" } }, "etcd has forgotten these revisions", 4],
    [
      { result: { header, created: true, canceled: true, cancel_reason: "permission denied" } },
      "etcd ended the watch: permission denied",
      0
    ],
    [{ error: { grpc_code: 14, message: "etcdserver: no leader" } }, "etcd says: etcdserver: no leader", 0],
    [undefined, "etcd said something strange", 0]
  ] as ReadonlyArray<readonly [unknown, string, number]>)("ends with %j", ([line, message, compactRevision]) =>
    Effect.gen(function* () {
      const { answers, error } = yield* watched([line])
      assert.deepStrictEqual(answers, [])
      assert.strictEqual(error.message, message)
      assert.strictEqual(error._tag === "WatchEnded" ? error.compactRevision : -1, compactRevision)
    })
  )

  it.effect("says what an answer says that is no stream", () =>
    Effect.gen(function* () {
      const { error } = yield* watched([], failure(7, "etcdserver: permission denied", 403))
      assert.strictEqual(error.message, "etcd says: permission denied")
    })
  )
})
