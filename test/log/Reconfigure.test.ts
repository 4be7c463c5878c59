/** Settings of the application log that change while it runs: format, buffer, level. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { AppLog, type AppLogOptions } from "../../src/log/AppLog.ts"
import { LogFiles } from "../../src/log/LogFiles.ts"
import { MemoryDisk } from "./memoryDisk.ts"

/** Lets the owner answer a call that a caller made through `setImmediate`. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve))))

/** Runs with a log in a file; `lines` are those that are in the file. */
const withLog = <A, E>(
  use: (log: AppLog["Service"], lines: () => ReadonlyArray<string>, disk: MemoryDisk) => Effect.Effect<A, E, AppLog>,
  options: AppLogOptions = {}
) => {
  const disk = new MemoryDisk()
  const lines = (): ReadonlyArray<string> => disk.lines("/log/app").map((line) => line.slice(line.indexOf(" ") + 1))
  return Effect.flatMap(AppLog, (log) => use(log, lines, disk)).pipe(
    Effect.provide(
      AppLog.layer({ target: "/log/app?rolling=never", env: {}, ...options }).pipe(
        Layer.provide(Layer.succeed(LogFiles, disk))
      )
    ),
    Effect.ensuring(Effect.sync(() => disk.release()))
  )
}

const BUFFERED = 8_192

describe("the format", () => {
  it.effect("changes from the next line on, and back", () =>
    withLog((log, _, disk) =>
      Effect.gen(function* () {
        yield* Effect.logInfo("one")
        log.configure({ json: true })
        yield* Effect.logInfo("two")
        log.info("three", { n: 1 })
        log.configure({ json: false })
        yield* Effect.logInfo("four")
        yield* settle
        const [one, two, three, four] = disk.lines("/log/app")
        assert.match(one!, / INFO one$/)
        assert.deepStrictEqual(
          [two, three].map((line) => (JSON.parse(line!) as { readonly fields: unknown }).fields),
          [{ message: "two" }, { message: "three", n: 1 }]
        )
        assert.match(four!, / INFO four$/)
      })
    )
  )
})

describe("the buffer", () => {
  it.effect("begins to hold lines back when it gets large", () =>
    withLog((log, lines) =>
      Effect.gen(function* () {
        yield* settle
        log.configure({ bufferBytes: BUFFERED })
        yield* settle
        yield* Effect.logInfo("held")
        yield* settle
        assert.deepStrictEqual(lines(), [])
        yield* TestClock.adjust(1_000)
        assert.deepStrictEqual(lines(), ["INFO held"])
      })
    )
  )

  it.effect("lets go of what it holds when it gets small, and holds nothing from then on", () =>
    withLog(
      (log, lines) =>
        Effect.gen(function* () {
          yield* settle
          yield* Effect.logInfo("held")
          yield* settle
          assert.deepStrictEqual(lines(), [])
          log.configure({ bufferBytes: 0 })
          yield* settle
          assert.deepStrictEqual(lines(), ["INFO held"])
          yield* Effect.logInfo("at once")
          yield* settle
          assert.deepStrictEqual(lines(), ["INFO held", "INFO at once"])
        }),
      { bufferBytes: BUFFERED }
    )
  )

  it.effect("is written when it is full, however large it has become", () =>
    withLog((log, lines) =>
      Effect.gen(function* () {
        yield* settle
        log.configure({ bufferBytes: BUFFERED })
        const line = "x".repeat(1_000)
        for (let count = 0; count < 5; count++) log.info(line)
        yield* settle
        assert.lengthOf(lines(), 0)
        for (let count = 0; count < 5; count++) log.info(line)
        yield* settle
        assert.lengthOf(lines(), 10)
      })
    )
  )

  it.effect("stays without one while the process is stopping", () =>
    withLog((log, lines) =>
      Effect.gen(function* () {
        yield* log.drain
        log.configure({ bufferBytes: BUFFERED })
        yield* Effect.logInfo("last words")
        yield* settle
        assert.deepStrictEqual(lines(), ["INFO last words"])
      })
    )
  )

  it.effect("comes into force after a failure when it was changed meanwhile", () =>
    withLog((log, lines, disk) =>
      Effect.gen(function* () {
        yield* settle
        disk.full = "ENOSPC"
        yield* Effect.logInfo("one")
        yield* settle
        log.configure({ bufferBytes: BUFFERED })
        disk.full = null
        yield* TestClock.adjust(1_000)
        yield* settle
        assert.deepStrictEqual(lines(), ["INFO one"])
        yield* Effect.logInfo("two")
        yield* settle
        assert.lengthOf(lines(), 1)
        yield* TestClock.adjust(1_000)
        assert.deepStrictEqual(lines(), ["INFO one", "INFO two"])
      })
    )
  )
})

describe("settings that are not given", () => {
  it.effect("stay as they are", () =>
    withLog(
      (log, lines) =>
        Effect.gen(function* () {
          yield* settle
          assert.deepStrictEqual(log.configure({}), [])
          yield* Effect.logDebug("debug")
          yield* settle
          assert.deepStrictEqual(lines(), [])
          log.configure({ level: "info" })
          yield* Effect.logDebug("not any more")
          yield* TestClock.adjust(1_000)
          assert.deepStrictEqual(lines(), ["DEBUG debug"])
        }),
      { level: "debug", bufferBytes: BUFFERED }
    )
  )
})
