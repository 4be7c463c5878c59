/** Reading the configuration again: on request, on announcement, after something went wrong. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { Checks, Config } from "../../src/config/Config.ts"
import { ConfigSource } from "../../src/config/ConfigSource.ts"
import type { RawDocument } from "../../src/config/Draft.ts"

/** A source that reads what it is told to, whenever somebody announces. */
const controlled = (text: string) =>
  Effect.gen(function* () {
    const announced = yield* SubscriptionRef.make(0)
    const state = { read: Effect.succeed(text) as Effect.Effect<string> }
    const lines: Array<string> = []
    const layer = Layer.succeed(ConfigSource, {
      read: Effect.map(
        Effect.suspend(() => state.read),
        (text): ReadonlyArray<RawDocument> => [{ file: "a.toml", text }]
      ),
      changes: Stream.map(SubscriptionRef.changes(announced), () => undefined)
    })
    const logger = Logger.layer([
      Logger.make<unknown, void>(({ logLevel, message }) => {
        lines.push(`${logLevel}: ${String(Array.isArray(message) ? message[0] : message)}`)
      })
    ])
    return {
      state,
      lines,
      logger,
      layer,
      announce: SubscriptionRef.update(announced, (count) => count + 1)
    }
  })

const upstream = (port: number): string => `[upstreams.a]\naddrs = ["127.0.0.1:${port}"]\n`

const settle = Effect.promise(async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
})

describe("a text that was refused", () => {
  it.effect("is taken without a change of its own when what it names is there now", () =>
    Effect.gen(function* () {
      const certificate = '[certificates.c]\ntls_cert = "/tls/c.pem"\ntls_key = "/tls/c.key"\n'
      const { announce, layer, lines, logger, state } = yield* controlled(upstream(1))
      let isThere = false
      const checks = Layer.succeed(Checks, {
        checkCertificate: (cert) =>
          isThere || cert === "" ? [] : [{ severity: "error", key: "tls_cert", message: "no such file" }]
      })
      yield* Effect.gen(function* () {
        const config = yield* Config
        state.read = Effect.succeed(certificate)
        assert.match((yield* Effect.flip(config.reload)).message, /no such file/)
        const refusals = () => lines.filter((line) => line.includes("is rejected")).length
        assert.strictEqual(refusals(), 1)
        // Nothing new: nothing is said again.
        assert.match((yield* Effect.flip(config.reload)).message, /no such file/)
        yield* announce
        yield* settle
        assert.strictEqual(refusals(), 1)
        isThere = true
        assert.hasAllKeys((yield* config.reload).config.certificates, ["c"])
        assert.strictEqual((yield* config.current).files[0], "a.toml")
      }).pipe(Effect.provide(Config.layer().pipe(Layer.provide([layer, checks]))), Effect.provide(logger))
    })
  )

  it.effect("is told again when something else has been in between", () =>
    Effect.gen(function* () {
      const { layer, lines, logger, state } = yield* controlled(upstream(1))
      yield* Effect.gen(function* () {
        const config = yield* Config
        for (const text of ["?", upstream(1), "?"]) {
          state.read = Effect.succeed(text)
          yield* Effect.exit(config.reload)
        }
        assert.lengthOf(
          lines.filter((line) => line.includes("is rejected")),
          2
        )
      }).pipe(Effect.provide(Config.layer().pipe(Layer.provide(layer))), Effect.provide(logger))
    })
  )
})

describe("following the source", () => {
  it.effect("goes on after a read that dies", () =>
    Effect.gen(function* () {
      const { announce, layer, lines, logger, state } = yield* controlled(upstream(1))
      yield* Effect.gen(function* () {
        const config = yield* Config
        const address = Effect.map(config.current, ({ config }) => config.upstreams["a"]!.addrs[0])
        yield* settle
        state.read = Effect.die(new Error("boom"))
        yield* announce
        yield* settle
        assert.lengthOf(
          lines.filter((line) => line.startsWith("Error: ")),
          1
        )
        state.read = Effect.succeed(upstream(2))
        yield* announce
        yield* settle
        assert.strictEqual(yield* address, "127.0.0.1:2")
      }).pipe(Effect.provide(Config.layer().pipe(Layer.provide(layer))), Effect.provide(logger))
    })
  )

  it.effect("takes a text that has been seen, though whoever asked has left", () =>
    Effect.gen(function* () {
      const { layer, logger, state } = yield* controlled(upstream(1))
      const isDecoding = yield* Deferred.make<void>()
      const checks = Layer.succeed(Checks, {
        checkPlugin: () => {
          Deferred.doneUnsafe(isDecoding, Effect.void)
          return []
        }
      })
      yield* Effect.gen(function* () {
        const config = yield* Config
        // So long that it is decoded in several slices.
        const plugins = Array.from({ length: 5_000 }, (_, index) => `[plugins.p${index}]\ncategory = "mock"\n`)
        state.read = Effect.succeed(plugins.join(""))
        const asking = yield* Effect.forkChild(config.reload)
        yield* Deferred.await(isDecoding)
        yield* Fiber.interrupt(asking)
        assert.lengthOf(Object.keys((yield* config.current).config.plugins), 5_000)
      }).pipe(
        Effect.provide(Config.layer({ follow: false }).pipe(Layer.provide([layer, checks]))),
        Effect.provide(logger)
      )
    })
  )
})
