/** What the layer says before it asks anybody. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { format } from "../../../../src/config/Diagnostic.ts"
import { open } from "../../../support/Etcd.ts"

const warnings = (url: string) =>
  Effect.gen(function* () {
    const lines: Array<unknown> = []
    const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
      lines.push([logLevel, ...(message as ReadonlyArray<unknown>)])
    })
    yield* Effect.provide(open(url), Logger.layer([logger]))
    return lines
  })

describe("Etcd.layer", () => {
  it.effect("names the part that is wrong, and the remedy, and no secret", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(open("etcd://h:2379/p?user=u&password=s3cret&timeout=soon"))
      assert.strictEqual(
        format(error.diagnostic),
        "etcd://: error: parameter timeout is not a duration\n  hint: write for example 10s or 500ms"
      )
    })
  )

  it.effect("warns of what works and should not stay so", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* warnings("etcd://h/p"), [])
      assert.deepStrictEqual(yield* warnings("etcd://127.0.0.1,localhost,[::1]/p?user=u&password=p"), [])
      assert.deepStrictEqual(yield* warnings("etcd://127.0.0.1,h/p?user=u&password=a&s3cret=1"), [
        [
          "Warn",
          "unknown parameters in the address of etcd are ignored",
          {
            place: "etcd://127.0.0.1:2379,h:2379/p",
            count: 1,
            known:
              "timeout, connect_timeout, user, password, enable_history, tls, tls_verify, ca, cert, key, server_name"
          }
        ],
        [
          "Warn",
          "the password for etcd crosses the network in the clear, tls=true protects it",
          { place: "etcd://127.0.0.1:2379,h:2379/p" }
        ]
      ])
      assert.deepStrictEqual(yield* warnings("etcd://h/p?user=u&password=p&tls=true&tls_verify=false"), [
        ["Warn", "tls_verify=false: whoever answers counts as etcd", { place: "etcd://h:2379/p" }]
      ])
    })
  )
})
