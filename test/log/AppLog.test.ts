import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { AppLog, type AppLogOptions } from "../../src/log/AppLog.ts"
import { LogFiles } from "../../src/log/LogFiles.ts"
import { MemoryDisk } from "./memoryDisk.ts"

const MOMENT = Date.UTC(2025, 0, 31, 2, 20, 30, 123)

/** Runs a program with the log in a file and returns the lines without their time. */
const logged = (program: Effect.Effect<void, never, AppLog>, options: AppLogOptions = {}) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(MOMENT)
    const disk = new MemoryDisk()
    const layer = AppLog.layer({ target: "/log/app?rolling=never", env: {}, zone: () => 480, ...options })
    yield* program.pipe(Effect.provide(layer.pipe(Layer.provide(Layer.succeed(LogFiles, disk)))))
    return disk.lines("/log/app")
  })

const withoutTime = (lines: ReadonlyArray<string>): Array<string> =>
  lines.map((line) => line.slice(line.indexOf(" ") + 1))

describe("application log", () => {
  it.effect("writes effects' records with annotations, spans and causes", () =>
    Effect.gen(function* () {
      const lines = yield* logged(
        Effect.gen(function* () {
          yield* Effect.logInfo("reloaded", { upstreams: ["api"] })
          yield* Effect.logWarning("slow", "twice")
          yield* Effect.logError("failed", new TypeError("no\nway")).pipe(Effect.withLogSpan("reload"))
          yield* Effect.fail("boom").pipe(Effect.catchCause((cause) => Effect.logError("broken", cause)))
        }).pipe(Effect.annotateLogs({ category: "config" }))
      )
      assert.strictEqual(lines.length, 4)
      assert.strictEqual(lines[0], '2025-01-31T10:20:30.123+08:00 INFO reloaded upstreams=["api"] category=config')
      assert.strictEqual(lines[1], "2025-01-31T10:20:30.123+08:00 WARN slow twice category=config")
      assert.match(lines[2]!, / ERROR failed TypeError: no\\nway\\n.* category=config reload=0ms$/)
      assert.match(lines[3]!, / ERROR broken category=config cause=".*boom/)
    })
  )

  it.effect("writes records of plain code", () =>
    Effect.gen(function* () {
      const lines = yield* logged(
        AppLog.useSync((log) => {
          log.info("up")
          log.warn("degraded", { category: "health", backend: "10.0.0.1:80" })
          log.error("down")
          log.debug("not shown")
        })
      )
      assert.deepStrictEqual(withoutTime(lines), [
        "INFO up",
        "WARN degraded category=health backend=10.0.0.1:80",
        "ERROR down"
      ])
    })
  )

  it.effect("writes JSON", () =>
    Effect.gen(function* () {
      const lines = yield* logged(Effect.logInfo("up", { port: 80 }), { json: true })
      assert.deepStrictEqual(
        lines.map((line) => JSON.parse(line)),
        [{ timestamp: "2025-01-31T10:20:30.123+08:00", level: "INFO", fields: { message: "up", port: 80 } }]
      )
    })
  )

  it.effect("changes its level under running fibers, and back", () =>
    Effect.gen(function* () {
      const lines = yield* logged(
        Effect.gen(function* () {
          const log = yield* AppLog
          const fiber = yield* Effect.forkChild(
            Effect.logDebug("tick").pipe(Effect.andThen(Effect.sleep(1_000)), Effect.repeat({ times: 2 }))
          )
          yield* TestClock.adjust(500)
          assert.isFalse(log.isEnabled("debug"))
          assert.deepStrictEqual(log.configure({ level: "info,=,proxy=debug,debug" }), ["="])
          yield* TestClock.adjust(1_000)
          log.configure({ level: "" })
          yield* TestClock.adjust(1_000)
          yield* Fiber.interrupt(fiber)
        })
      )
      assert.deepStrictEqual(withoutTime(lines), ['WARN ignored a log level category=log directive="="', "DEBUG tick"])
    })
  )

  it.effect("takes the environment's directives below the configuration's", () =>
    Effect.gen(function* () {
      const program = Effect.all(
        [
          Effect.logDebug("proxy").pipe(Effect.annotateLogs("category", "proxy")),
          Effect.logDebug("tls").pipe(Effect.annotateLogs("category", "tls")),
          Effect.logWarning("plain")
        ],
        { discard: true }
      )
      const messages = (env: Record<string, string>, level = "") =>
        Effect.map(logged(program, { env, level }), (lines) => lines.map((line) => line.split(" ")[2]).join(" "))
      assert.strictEqual(yield* messages({}), "plain")
      assert.strictEqual(yield* messages({ RUST_LOG: "debug" }), "proxy tls plain")
      assert.strictEqual(yield* messages({ RUST_LOG: "debug" }, "warn"), "plain")
      assert.strictEqual(yield* messages({ RUST_LOG: "pingap::tls=debug" }, "error"), "tls")
      assert.strictEqual(yield* messages({ RUST_LOG: "debug", PINGAP_LOG_LEVEL: "off" }), "")
    })
  )

  it.effect("writes a small buffer at once and a large one after its time", () =>
    Effect.gen(function* () {
      for (const [bufferBytes, atOnce] of [
        [0, true],
        [4095, true],
        [8192, false]
      ] as const) {
        const disk = new MemoryDisk()
        const layer = AppLog.layer({ target: "/log/app?rolling=never", env: {}, bufferBytes })
        yield* Effect.gen(function* () {
          yield* Effect.logInfo("x")
          yield* Effect.promise(() => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve))))
          assert.strictEqual(disk.lines("/log/app").length, atOnce ? 1 : 0)
          yield* TestClock.adjust(1_000)
          assert.strictEqual(disk.lines("/log/app").length, 1)
        }).pipe(Effect.provide(layer.pipe(Layer.provide(Layer.succeed(LogFiles, disk)))))
      }
    })
  )

  it.effect("names its file, and nothing when it writes to standard error", () =>
    Effect.gen(function* () {
      const targets = (target: string) =>
        Effect.gen(function* () {
          const app = yield* AppLog
          yield* app.drain
          return yield* app.targets
        }).pipe(
          Effect.provide(
            AppLog.layer({ target, env: {} }).pipe(Layer.provide(Layer.succeed(LogFiles, new MemoryDisk())))
          )
        )
      assert.deepStrictEqual(yield* targets("/log/app?rolling=daily"), [{ path: "/log/app", identity: "1" }])
      assert.deepStrictEqual(yield* targets(""), [])
    })
  )

  it.effect("captures lines for tests", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        yield* Effect.logDebug("a", { b: 1 })
        ;(yield* AppLog).error("c")
      }).pipe(Effect.provide(AppLog.layerCapture(lines)))
      assert.deepStrictEqual(lines, ["DEBUG a b=1", "ERROR c"])
    })
  )
})
