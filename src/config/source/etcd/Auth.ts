/**
 * The token that requests carry when etcd asks for a user and a password.
 *
 * It is fetched when the first request needs it and again when etcd does not know it any more: tokens expire, and a
 * restart forgets them. Whoever needs one waits for the fetch that is under way. A wrong password is remembered for a
 * while instead of being tried with every request: each try costs etcd a slow hash, and someone may count them.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Semaphore from "effect/Semaphore"
import * as Monotonic from "../Monotonic.ts"
import { Refused, refused, type Unreachable } from "./EtcdError.ts"
import type { Credentials, Endpoint } from "./EtcdUrl.ts"
import { understand } from "./Reply.ts"
import type { Transport } from "./Transport.ts"
import { Code, readToken } from "./Wire.ts"

export interface Auth {
  /** The token for requests; null when etcd wants none. */
  readonly token: (endpoint: Endpoint) => Effect.Effect<string | null, Unreachable | Refused>
  /** The token in place of one that was not accepted. */
  readonly renew: (endpoint: Endpoint, old: string | null) => Effect.Effect<string | null, Unreachable | Refused>
}

/** How long a wrong password is remembered. */
const WRONG_PASSWORD_MILLIS = 30_000

/** Without credentials: no token, whatever etcd says. */
export const none: Auth = { token: () => Effect.succeed(null), renew: () => Effect.succeed(null) }

export const make = (transport: Transport, credentials: Credentials): Effect.Effect<Auth> =>
  Effect.gen(function* () {
    const one = yield* Semaphore.make(1)
    const body = JSON.stringify({
      name: Redacted.value(credentials.user),
      password: Redacted.value(credentials.password)
    })
    let held: { readonly token: string | null } | null = null
    let wrong: { readonly error: Refused; readonly until: number } | null = null

    const authenticate = (endpoint: Endpoint): Effect.Effect<string | null, Unreachable | Refused> =>
      Effect.gen(function* () {
        const now = yield* Monotonic.now
        if (wrong !== null && now < wrong.until) return yield* wrong.error
        wrong = null
        const reply = yield* Effect.flatMap(
          transport.post(endpoint, { path: "/v3/auth/authenticate", body, token: null }),
          (answer) => understand(endpoint, answer, readToken)
        )
        if (reply._tag === "Value") held = { token: reply.value }
        // Credentials for an etcd that asks for none: what they are for works without.
        else if (reply.code === Code.precondition) held = { token: null }
        else if (!/authentication failed/.test(reply.message)) return yield* refused(reply)
        else {
          const error = new Refused({
            code: reply.code,
            message: "etcd refuses this user or password",
            hint: `check user and password in the address; they are tried again after ${WRONG_PASSWORD_MILLIS / 1_000} s`
          })
          wrong = { error, until: now + WRONG_PASSWORD_MILLIS }
          return yield* error
        }
        return held.token
      })

    return {
      token: (endpoint) =>
        Effect.suspend(() =>
          held !== null
            ? Effect.succeed(held.token)
            : one.withPermits(1)(
                Effect.suspend(() => (held !== null ? Effect.succeed(held.token) : authenticate(endpoint)))
              )
        ),
      renew: (endpoint, old) =>
        one.withPermits(1)(
          Effect.suspend(() => {
            // Somebody else was faster.
            if (held !== null && held.token !== old) return Effect.succeed(held.token)
            held = null
            return authenticate(endpoint)
          })
        )
    }
  })
