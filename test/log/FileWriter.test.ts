import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as FileWriter from "../../src/log/FileWriter.ts"
import { LogFiles } from "../../src/log/LogFiles.ts"
import type { Rolling } from "../../src/log/Rotation.ts"
import { MemoryDisk } from "./memoryDisk.ts"

const DAY_END = Date.UTC(2025, 1, 1)

interface Given {
  readonly rolling?: Rolling
  readonly maxPending?: number
  readonly flushMillis?: number
  readonly batchChars?: number
  readonly setUp?: (disk: MemoryDisk) => void
}

const start = Effect.fnUntraced(function* (given: Given = {}) {
  const disk = new MemoryDisk()
  given.setUp?.(disk)
  const reports: Array<string> = []
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => {
    disk.release()
    return Scope.close(scope, Exit.void)
  })
  const writer = yield* FileWriter.rotated("/log/a", given.rolling ?? "never").pipe(
    Effect.flatMap((destination) =>
      FileWriter.make({
        destination,
        maxPending: given.maxPending ?? 1000,
        flushMillis: given.flushMillis ?? 60_000,
        ...(given.batchChars === undefined ? {} : { batchChars: given.batchChars }),
        report: (level, message, { dropped, lost }) =>
          reports.push(`${level} ${message}${dropped ? ` dropped=${dropped}` : ""}${lost ? ` lost=${lost}` : ""}`)
      })
    ),
    Effect.provideService(LogFiles, disk),
    Scope.provide(scope)
  )
  yield* settle
  return { disk, reports, writer, close: Scope.close(scope, Exit.void) }
})

/** Lets the owner answer a call that a caller made through `setImmediate`. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve))))

describe("file writer", () => {
  it.effect("opens its file at once and writes after the flush time", () =>
    Effect.gen(function* () {
      const { disk, writer } = yield* start({ flushMillis: 10_000 })
      assert.deepStrictEqual(disk.events, ["open /log/a"])
      writer.append("one")
      writer.append("zwei ü")
      yield* settle
      assert.strictEqual(disk.text("/log/a"), "")
      yield* TestClock.adjust(10_000)
      assert.strictEqual(disk.text("/log/a"), "one\nzwei ü\n")
      assert.deepStrictEqual({ ...writer.counters }, { written: 2, dropped: 0, failures: 0 })
    })
  )

  it.effect("writes a full batch without waiting for the time, but not within the turn", () =>
    Effect.gen(function* () {
      const { disk, writer } = yield* start({ batchChars: 10 })
      for (const line of ["12345", "67890", "later"]) writer.append(line)
      assert.strictEqual(disk.text("/log/a"), "")
      yield* settle
      assert.strictEqual(disk.text("/log/a"), "12345\n67890\nlater\n")
    })
  )

  it.effect("drops nothing of a burst while the file keeps up", () =>
    Effect.gen(function* () {
      const { disk, writer } = yield* start({ maxPending: 10 })
      for (let i = 0; i < 5_000; i++) writer.append(`line ${i}`)
      yield* writer.flush
      assert.strictEqual(disk.lines("/log/a").length, 5_000)
      assert.strictEqual(writer.counters.dropped, 0)
    })
  )

  it.effect("bounds the text that waits, whatever its lines", () =>
    Effect.gen(function* () {
      const { writer } = yield* start({ setUp: (disk) => (disk.isHanging = true) })
      const line = "x".repeat(1024 * 1024)
      for (let i = 0; i < 10; i++) writer.append(line)
      assert.isAbove(writer.counters.dropped, 0)
    })
  )

  it.effect("AL12 writes at once when the process stops, also what comes after", () =>
    Effect.gen(function* () {
      const { disk, writer, close } = yield* start({ flushMillis: 60_000 })
      writer.append("before")
      yield* writer.drain
      assert.deepStrictEqual(disk.lines("/log/a"), ["before"])
      writer.append("during")
      yield* settle
      assert.deepStrictEqual(disk.lines("/log/a"), ["before", "during"])
      writer.append("last")
      yield* close
      assert.deepStrictEqual(disk.lines("/log/a"), ["before", "during", "last"])
      assert.deepStrictEqual(disk.events, ["open /log/a", "close /log/a"])
    })
  )

  it.effect("counts what comes after its end", () =>
    Effect.gen(function* () {
      const { disk, writer, close } = yield* start()
      yield* close
      writer.append("too late")
      yield* writer.flush
      assert.strictEqual(disk.text("/log/a"), "")
      assert.strictEqual(writer.counters.dropped, 1)
    })
  )
})

describe("rotation of a writer", () => {
  it.effect("what was queued before the end of a day is in the file of that day", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(DAY_END - 5_000)
      const { disk, writer } = yield* start({ rolling: "daily" })
      writer.append("old")
      yield* TestClock.adjust(5_000)
      writer.append("new")
      yield* writer.flush
      assert.deepStrictEqual(disk.lines("/log/a.2025-01-31"), ["old"])
      assert.deepStrictEqual(disk.lines("/log/a.2025-02-01"), ["new"])
      assert.deepStrictEqual(disk.events, [
        "open /log/a.2025-01-31",
        "close /log/a.2025-01-31",
        "open /log/a.2025-02-01"
      ])
    })
  )

  it.effect("makes no file for a period without lines", () =>
    Effect.gen(function* () {
      const { disk, writer } = yield* start({ rolling: "minutely" })
      yield* TestClock.adjust(600_000)
      writer.append("x")
      yield* writer.flush
      assert.deepStrictEqual(disk.paths(), ["/log/a.1970-01-01-00-00", "/log/a.1970-01-01-00-10"])
    })
  )

  it.effect("names files by their period alone in a directory", () =>
    Effect.gen(function* () {
      const { disk } = yield* start({ rolling: "hourly", setUp: (disk) => disk.directories.add("/log/a") })
      assert.deepStrictEqual(disk.paths(), ["/log/a/1970-01-01-00"])
    })
  )

  it.effect("opens a file anew that was renamed or removed behind its back", () =>
    Effect.gen(function* () {
      const { disk, writer } = yield* start()
      writer.append("one")
      yield* writer.flush
      disk.rename("/log/a", "/log/a.1")
      yield* TestClock.adjust(1_000)
      writer.append("two")
      yield* writer.flush
      assert.deepStrictEqual(disk.lines("/log/a.1"), ["one"])
      assert.deepStrictEqual(disk.lines("/log/a"), ["two"])
    })
  )

  it.effect("survives a clock that is set back", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(DAY_END + 1)
      const { disk, writer } = yield* start({ rolling: "daily" })
      yield* TestClock.setTime(DAY_END - 86_400_000)
      writer.append("x")
      yield* writer.flush
      assert.deepStrictEqual(disk.lines("/log/a.2025-02-01"), ["x"])
    })
  )
})

describe("a disk in trouble", () => {
  it.effect("a full disk costs nothing but lines, and the log resumes by itself", () =>
    Effect.gen(function* () {
      const { disk, reports, writer } = yield* start({ maxPending: 3, flushMillis: 1_000 })
      writer.append("kept 0")
      disk.full = "ENOSPC"
      yield* TestClock.adjust(1_000)
      for (let i = 1; i <= 11; i++) writer.append(i <= 3 ? `kept ${i}` : `lost ${i}`)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(disk.text("/log/a"), "")
      disk.full = null
      yield* TestClock.adjust(1_000)
      assert.deepStrictEqual(disk.lines("/log/a"), ["kept 0", "kept 1", "kept 2", "kept 3"])
      writer.append("after")
      yield* TestClock.adjust(1_000)
      assert.deepStrictEqual(disk.lines("/log/a").slice(-1), ["after"])
      assert.strictEqual(writer.counters.written, 5)
      assert.strictEqual(writer.counters.dropped, 8)
      assert.deepStrictEqual(
        reports.filter((report) => report.startsWith("error")),
        [1, 2, 4, 8].map((total) => `error log lines dropped dropped=${total}`)
      )
      assert.strictEqual(reports.filter((report) => report.startsWith("warn")).length, 11)
      assert.deepStrictEqual(reports.slice(-1), ["info log file is written again dropped=8"])
    })
  )

  it.effect("continues a torn line in the same file", () =>
    Effect.gen(function* () {
      const { disk, writer } = yield* start()
      disk.full = "ENOSPC"
      disk.room = 7
      writer.append("first")
      writer.append("second")
      yield* writer.flush
      assert.strictEqual(disk.text("/log/a"), "first\ns")
      disk.full = null
      yield* TestClock.adjust(1_000)
      assert.strictEqual(disk.text("/log/a"), "first\nsecond\n")
    })
  )

  it.effect("repeats a torn line in another file", () =>
    Effect.gen(function* () {
      const { disk, writer } = yield* start()
      disk.full = "ENOSPC"
      disk.room = 7
      writer.append("first")
      writer.append("second")
      yield* writer.flush
      disk.rename("/log/a", "/log/a.1")
      disk.full = null
      yield* TestClock.adjust(1_000)
      assert.strictEqual(disk.text("/log/a.1"), "first\ns")
      assert.strictEqual(disk.text("/log/a"), "second\n")
    })
  )

  it.effect("warns once about a file that cannot be opened, and once a minute while it lasts", () =>
    Effect.gen(function* () {
      const { disk, reports, writer } = yield* start({ setUp: (disk) => (disk.refusesOpen = "EACCES") })
      assert.deepStrictEqual(reports, ["warn log file cannot be written"])
      writer.append("waits")
      yield* TestClock.adjust(59_000)
      assert.strictEqual(reports.length, 1)
      yield* TestClock.adjust(1_000)
      assert.strictEqual(reports.length, 2)
      disk.refusesOpen = null
      yield* TestClock.adjust(1_000)
      assert.deepStrictEqual(disk.lines("/log/a"), ["waits"])
      assert.deepStrictEqual(reports.slice(2), ["info log file is written again"])
    })
  )

  it.effect("does not warn more often when the trouble comes and goes", () =>
    Effect.gen(function* () {
      const { disk, reports, writer } = yield* start()
      for (let i = 0; i < 10; i++) {
        disk.full = "ENOSPC"
        writer.append("x")
        yield* writer.flush
        disk.full = null
        yield* TestClock.adjust(1_000)
      }
      assert.strictEqual(reports.filter((report) => report.startsWith("warn")).length, 1)
    })
  )

  it.effect("a full pipe is tried again soon and is no trouble", () =>
    Effect.gen(function* () {
      const { disk, reports, writer } = yield* start()
      disk.full = "EAGAIN"
      writer.append("x")
      yield* writer.flush
      disk.full = null
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(disk.lines("/log/a"), ["x"])
      assert.deepStrictEqual(reports, [])
      assert.deepStrictEqual(disk.events, ["open /log/a"])
    })
  )

  it.effect("bounds the queue while a write does not come back", () =>
    Effect.gen(function* () {
      const { disk, reports, writer } = yield* start({ maxPending: 2, batchChars: 1 })
      disk.isHanging = true
      writer.append("hanging")
      yield* settle
      for (const line of ["a", "b", "c"]) writer.append(line)
      assert.strictEqual(writer.counters.dropped, 0)
      yield* TestClock.adjust(1_000)
      writer.append("d")
      assert.strictEqual(writer.counters.dropped, 1)
      assert.deepStrictEqual(reports, ["error log lines dropped dropped=1"])
    })
  )

  it.effect("the end waits for a hanging disk no longer than its deadline", () =>
    Effect.gen(function* () {
      const { disk, reports, writer, close } = yield* start({ batchChars: 1 })
      disk.isHanging = true
      writer.append("never")
      yield* settle
      const closing = yield* Effect.forkChild(close)
      yield* TestClock.adjust(5_000)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(reports, [
        "warn log file did not take its last lines in time",
        "error log lines lost at the end lost=1"
      ])
      yield* writer.flush
    })
  )

  it.effect("the end gives up on a full disk after one attempt", () =>
    Effect.gen(function* () {
      const { disk, reports, writer, close } = yield* start()
      disk.full = "ENOSPC"
      writer.append("one")
      writer.append("two")
      yield* close
      assert.deepStrictEqual(reports, ["warn log file cannot be written", "error log lines lost at the end lost=2"])
      assert.strictEqual(writer.counters.dropped, 2)
    })
  )
})
