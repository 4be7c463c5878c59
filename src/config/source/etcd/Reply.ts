/** What an answer of etcd means: a value, a refusal that stands, or as much as no answer. */
import * as Effect from "effect/Effect"
import { isUnavailable, Unreachable } from "./EtcdError.ts"
import type { Endpoint } from "./EtcdUrl.ts"
import type { Answer } from "./RoundTrip.ts"
import { type Failure, readFailure } from "./Wire.ts"

export type Reply<T> = { readonly _tag: "Value"; readonly value: T } | ({ readonly _tag: "Failure" } & Failure)

/** Reads an answer. It fails when another endpoint may do better than this one. */
export const understand = <T>(
  endpoint: Endpoint,
  answer: Answer,
  read: (json: unknown) => T | null
): Effect.Effect<Reply<T>, Unreachable> => {
  const value = answer.status === 200 ? read(answer.json) : null
  if (value !== null) return Effect.succeed({ _tag: "Value", value })
  const failure = readFailure(answer.json)
  if (failure === null) return Effect.fail(strange(endpoint, answer))
  return isUnavailable(failure)
    ? Effect.fail(unreachable(endpoint, `says: ${failure.message}`, undefined, true))
    : Effect.succeed({ _tag: "Failure", ...failure })
}

/** An endpoint that let the time pass. */
export const silent = (endpoint: Endpoint, millis: number): Unreachable =>
  unreachable(endpoint, `gives no answer within ${millis} ms`, undefined, true)

const strange = (endpoint: Endpoint, { status, text }: Answer): Unreachable => {
  if (text.includes("to an HTTPS server")) return unreachable(endpoint, "speaks TLS only", "add tls=true", false)
  return status === 200
    ? unreachable(
        endpoint,
        "gives an answer that etcd does not give",
        "is that the client port of etcd 3.4 or newer?",
        true
      )
    : status === 404
      ? unreachable(endpoint, "has no JSON gateway", "etcd 3.4 or newer is needed, with --enable-grpc-gateway", false)
      : unreachable(endpoint, `answers with status ${status}`, undefined, true)
}

const unreachable = (endpoint: Endpoint, reason: string, hint: string | undefined, inDoubt: boolean): Unreachable =>
  new Unreachable({ endpoint: endpoint.name, reason, hint, inDoubt, wasIdle: false })
