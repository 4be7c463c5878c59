/**
 * A cluster of etcd as one thing to talk to: the endpoint that worked is asked first, the others when it fails, all
 * within the time of one request, of which a silent endpoint gets its share.
 *
 * A refusal is final, whoever said it. A request that brought no answer may have been carried out all the same; who
 * asks is told, because the second endpoint then sees what the first has done.
 */
import * as Effect from "effect/Effect"
import * as Monotonic from "../Monotonic.ts"
import * as Auth from "./Auth.ts"
import {
  AllUnreachable,
  type EtcdError,
  isTokenTrouble,
  type Refused,
  refused,
  type Unreachable,
  WatchEnded
} from "./EtcdError.ts"
import type { Endpoint, EtcdUrl } from "./EtcdUrl.ts"
import { type Reply, silent, understand } from "./Reply.ts"
import type { Transport } from "./Transport.ts"
import * as Wire from "./Wire.ts"

/** An answer, and whether a try before it may have been carried out as well. */
export interface Told<T> {
  readonly value: T
  readonly inDoubt: boolean
}

export interface Client {
  readonly range: (prefix: string, options?: Wire.RangeOptions) => Effect.Effect<Wire.RangeAnswer, EtcdError>
  readonly txn: (
    guards: ReadonlyArray<Wire.Guard>,
    operations: ReadonlyArray<Wire.Operation>
  ) => Effect.Effect<Told<Wire.TxnAnswer>, EtcdError>
  /**
   * Hands over what happens below a prefix, from a revision on or from now on, at the endpoint that answered last. It
   * ends only by failing: when the connection does, or when etcd ends it.
   */
  readonly watch: (
    prefix: string,
    start: number | null,
    onAnswer: (answer: Wire.WatchAnswer) => void
  ) => Effect.Effect<never, EtcdError | WatchEnded>
}

// Idle connections that etcd has closed without our having noticed: a few may be in a row.
const MAX_IDLE_FAILURES = 3

export const make = (transport: Transport, url: EtcdUrl): Effect.Effect<Client> =>
  Effect.gen(function* () {
    const auth = url.credentials === null ? Auth.none : yield* Auth.make(transport, url.credentials)
    const { endpoints, timeoutMillis } = url
    let preferred = 0

    /** Asks one endpoint; a token that etcd does not know is replaced once. */
    const ask = <T>(
      endpoint: Endpoint,
      path: string,
      body: string,
      read: (json: unknown) => T | null
    ): Effect.Effect<T, Unreachable | Refused> =>
      Effect.gen(function* () {
        const post = (token: string | null): Effect.Effect<Reply<T>, Unreachable> =>
          Effect.flatMap(transport.post(endpoint, { path, body, token }), (answer) =>
            understand(endpoint, answer, read)
          )
        const token = yield* auth.token(endpoint)
        let reply = yield* post(token)
        if (reply._tag === "Failure" && url.credentials !== null && isTokenTrouble(reply)) {
          reply = yield* post(yield* auth.renew(endpoint, token))
        }
        return reply._tag === "Value" ? reply.value : yield* refused(reply)
      })

    const call = <T>(
      path: string,
      request: object,
      read: (json: unknown) => T | null
    ): Effect.Effect<Told<T>, EtcdError> =>
      Effect.gen(function* () {
        const body = JSON.stringify(request)
        const deadline = (yield* Monotonic.now) + timeoutMillis
        const attempts: Array<Unreachable> = []
        const first = preferred
        let inDoubt = false
        let idle = 0
        for (let tried = 0; tried < endpoints.length; ) {
          const index = (first + tried) % endpoints.length
          const endpoint = endpoints[index]!
          const left = Math.max(1, deadline - (yield* Monotonic.now))
          const share = Math.ceil(left / (endpoints.length - tried))
          const result = yield* ask(endpoint, path, body, read).pipe(
            Effect.timeoutOrElse({ duration: share, orElse: () => Effect.fail(silent(endpoint, share)) }),
            Effect.map((value) => ({ _tag: "Answer" as const, value })),
            Effect.catchTag("Unreachable", Effect.succeed)
          )
          if (result._tag === "Answer") {
            preferred = index
            return { value: result.value, inDoubt }
          }
          inDoubt ||= result.inDoubt
          if (result.wasIdle && ++idle <= MAX_IDLE_FAILURES) continue
          attempts.push(result)
          tried++
        }
        return yield* new AllUnreachable({ attempts, inDoubt })
      })

    const watch = (
      endpoint: Endpoint,
      body: string,
      onAnswer: (answer: Wire.WatchAnswer) => void
    ): Effect.Effect<never, Unreachable | Refused | WatchEnded> =>
      Effect.gen(function* () {
        const token = yield* auth.token(endpoint)
        const answer = yield* transport.stream(endpoint, { path: "/v3/watch", body, token }, (json) => {
          const told = Wire.readWatch(json)
          if (told === null) return endOf(json)
          // A watch that is refused is created and canceled at once.
          if (told.canceled) return canceled(told)
          onAnswer(told)
          return null
        })
        // It is no stream, so it is an error.
        const reply = yield* understand(endpoint, answer, () => null)
        return yield* reply._tag === "Failure"
          ? refused(reply)
          : new WatchEnded({ message: "etcd gives no watch", compactRevision: 0 })
      })

    return {
      range: (prefix, options) =>
        Effect.map(call("/v3/kv/range", Wire.rangeRequest(prefix, options), Wire.readRange), ({ value }) => value),
      txn: (guards, operations) => call("/v3/kv/txn", Wire.txnRequest(guards, operations), Wire.readTxn),
      watch: (prefix, start, onAnswer) =>
        Effect.suspend(() => {
          const index = preferred
          return watch(endpoints[index]!, JSON.stringify(Wire.watchRequest(prefix, start)), onAnswer).pipe(
            Effect.catchTag("Unreachable", (error) => {
              if (preferred === index) preferred = (index + 1) % endpoints.length
              return Effect.fail(new AllUnreachable({ attempts: [error], inDoubt: false }))
            })
          )
        })
    }
  })

const endOf = (json: unknown): WatchEnded => {
  const failure = Wire.readFailure(json)
  return new WatchEnded({
    message: failure === null ? "etcd said something strange" : `etcd says: ${failure.message}`,
    compactRevision: 0
  })
}

const canceled = ({ compactRevision, reason }: Wire.WatchAnswer): WatchEnded =>
  new WatchEnded({
    message:
      compactRevision > 0
        ? "etcd has forgotten these revisions"
        : `etcd ended the watch: ${reason || "without a reason"}`,
    compactRevision
  })
