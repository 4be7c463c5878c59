import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as zlib from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { AccessLog } from "../../src/log/AccessLog.ts"
import { AppLog } from "../../src/log/AppLog.ts"
import * as Compression from "../../src/log/Compression.ts"
import type { OpenTarget } from "../../src/log/LogFiles.ts"

const HOUR = 3_600_000
const DAY = 24 * HOUR
const NOW = Date.UTC(2026, 0, 31, 12)
const TEXT = "10.0.0.1 GET / 200\n".repeat(5_000)
const GZIP: Compression.Settings = { algorithm: "gzip", level: 0, daysAgo: 0, hour: 0 }
const ZSTD: Compression.Settings = { ...GZIP, algorithm: "zstd" }

/** A folder of its own, on a clock that stands at {@link NOW}. */
const start = Effect.gen(function* () {
  yield* TestClock.setTime(NOW)
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "pingap-compression-"))),
    (path) => Effect.sync(() => fs.rmSync(path, { recursive: true }))
  )
  const path = (name: string) => join(folder, name)
  return {
    path,
    folder,
    /** A file that was changed so many days ago. */
    old: (name: string, days = 30, content: string | Uint8Array = TEXT) => {
      fs.writeFileSync(path(name), content)
      const seconds = (NOW - days * DAY) / 1000
      fs.utimesSync(path(name), seconds, seconds)
    },
    names: () => fs.readdirSync(folder).sort(),
    gunzip: (name: string) => zlib.gunzipSync(fs.readFileSync(path(name))).toString(),
    unzstd: (name: string) => zlib.zstdDecompressSync(fs.readFileSync(path(name))).toString()
  }
})

const closed = (path: string): OpenTarget => ({ path, identity: "" })

/** Compresses, and returns what it logged. Fields that depend on the folder or the codec are left out. */
const compress = Effect.fnUntraced(function* (settings: Compression.Settings, ...targets: Array<OpenTarget>) {
  const lines: Array<string> = []
  yield* Compression.compress(settings, targets).pipe(Effect.provide(AppLog.layerCapture(lines)))
  return lines
})

describe("compression of old log files", () => {
  it.effect.each([
    ["gzip", "gzip", 0, "gz"],
    ["gzip, of a level that does not exist", "gzip", 255, "gz"],
    ["zstd", "zstd", 0, "zst"],
    ["zstd, of a level that does not exist", "zstd", 255, "zst"],
    ["any other word, which means zstd", "brotli", 3, "zst"]
  ] as const)("is %s", ([, algorithm, level, extension]) =>
    Effect.gen(function* () {
      const disk = yield* start
      disk.old("access.log.2026-01-01")
      fs.chmodSync(disk.path("access.log.2026-01-01"), 0o640)
      const before = fs.statSync(disk.path("access.log.2026-01-01"))
      const lines = yield* compress({ ...GZIP, algorithm, level }, closed(disk.path("access.log")))
      const name = `access.log.2026-01-01.${extension}`
      assert.deepStrictEqual(disk.names(), [name])
      assert.strictEqual(extension === "gz" ? disk.gunzip(name) : disk.unzstd(name), TEXT)
      const after = fs.statSync(disk.path(name))
      assert.deepStrictEqual(
        [after.mode, after.mtimeMs, after.uid, after.gid],
        [before.mode, before.mtimeMs, before.uid, before.gid]
      )
      assert.deepStrictEqual(lines, [
        `INFO old log files are compressed files=1 bytesBefore=${TEXT.length} bytesAfter=${after.size}`
      ])
    })
  )

  it.effect("keeps every day, hour and minute of a log apart", () =>
    Effect.gen(function* () {
      const disk = yield* start
      const names = ["2026-01-01", "2026-01-02", "2026-01-02-10", "2026-01-02-10-20"].map((day) => `access.log.${day}`)
      for (const name of names) disk.old(name, 20, `${name}\n`)
      const lines = yield* compress(GZIP, closed(disk.path("access.log")))
      assert.deepStrictEqual(disk.names(), names.map((name) => `${name}.gz`).sort())
      for (const name of names) assert.strictEqual(disk.gunzip(`${name}.gz`), `${name}\n`)
      assert.match(lines.join("\n"), /^INFO old log files are compressed files=4 /)
    })
  )

  it.effect("leaves what is not old, not a rotated file of the log, or not a file", () =>
    Effect.gen(function* () {
      const disk = yield* start
      const foreign = [
        "access.log",
        "access.log.1",
        "access.log.2026-01-01.bak",
        "access.log.2026-01-01x",
        "access.log.2026-13-01",
        "access.log.2026-01-02.gz",
        "access.log.2026-01-02.zst",
        "error.log.2026-01-01",
        "my-access.log.2026-01-01",
        "2026-01-01",
        "data.db"
      ]
      for (const name of foreign) disk.old(name)
      disk.old("access.log.2026-01-25", 6.9)
      fs.symlinkSync(disk.path("data.db"), disk.path("access.log.2026-01-04"))
      fs.lutimesSync(disk.path("access.log.2026-01-04"), 0, 0)
      fs.mkdirSync(disk.path("access.log.2026-01-03"))
      disk.old("access.log.2026-01-03/access.log.2026-01-03")
      fs.utimesSync(disk.path("access.log.2026-01-03"), 0, 0)
      const before = disk.names()
      assert.deepStrictEqual(yield* compress(GZIP, closed(disk.path("access.log"))), [])
      assert.deepStrictEqual(disk.names(), before)
      assert.deepStrictEqual(fs.readdirSync(disk.path("access.log.2026-01-03")), ["access.log.2026-01-03"])
    })
  )

  it.effect("takes a log that is a folder by the names of its periods, and a target named twice once", () =>
    Effect.gen(function* () {
      const disk = yield* start
      for (const name of ["2026-01-01", "2026-01-01-10", "access.log.2026-01-01", "notes"]) disk.old(name)
      const lines = yield* compress(ZSTD, closed(disk.folder), closed(disk.folder))
      assert.deepStrictEqual(disk.names(), ["2026-01-01-10.zst", "2026-01-01.zst", "access.log.2026-01-01", "notes"])
      assert.match(lines.join("\n"), /^INFO old log files are compressed files=2 /)
    })
  )

  it.effect("counts days from the last change; 0 is 7", () =>
    Effect.gen(function* () {
      const disk = yield* start
      disk.old("a.2026-01-22", 9)
      disk.old("a.2026-01-24", 7.1)
      disk.old("a.2026-01-29", 1.5)
      yield* compress({ ...GZIP, daysAgo: 8 }, closed(disk.path("a")))
      assert.deepStrictEqual(disk.names(), ["a.2026-01-22.gz", "a.2026-01-24", "a.2026-01-29"])
      yield* compress(GZIP, closed(disk.path("a")))
      assert.deepStrictEqual(disk.names(), ["a.2026-01-22.gz", "a.2026-01-24.gz", "a.2026-01-29"])
      yield* compress({ ...GZIP, daysAgo: 1 }, closed(disk.path("a")))
      assert.deepStrictEqual(disk.names(), ["a.2026-01-22.gz", "a.2026-01-24.gz", "a.2026-01-29.gz"])
    })
  )

  it.effect("never touches the file that a log has open, however long nothing was written", () =>
    Effect.gen(function* () {
      const disk = yield* start
      // In a folder, `rolling=never` keeps the name of the day on which it was opened.
      disk.old("2026-01-31", 20, "quiet\n")
      disk.old("2026-01-05")
      const access = yield* AccessLog
      yield* access.open("web", `${disk.folder}?rolling=never {uri}`)
      yield* opened(access.targets)
      const targets = yield* access.targets
      assert.strictEqual(targets[0]?.path, disk.folder)
      yield* compress(GZIP, ...targets)
      assert.deepStrictEqual(disk.names(), ["2026-01-05.gz", "2026-01-31"])
      assert.strictEqual(fs.readFileSync(disk.path("2026-01-31"), "utf8"), "quiet\n")
    }).pipe(Effect.provide(AccessLog.layer.pipe(Layer.provide(AppLog.layerCapture([])))))
  )

  it.effect("leaves a file whose compressed name is taken, says so, and goes on", () =>
    Effect.gen(function* () {
      const disk = yield* start
      disk.old("a.2026-01-01")
      disk.old("a.2026-01-02")
      fs.writeFileSync(disk.path("a.2026-01-01.gz"), "somebody's")
      const [warning, summary] = yield* compress(GZIP, closed(disk.path("a")))
      assert.include(warning, `WARN log file is not compressed file=${disk.path("a.2026-01-01")}`)
      assert.include(warning, "a.2026-01-01.gz exists already")
      assert.include(summary, "files=1")
      assert.deepStrictEqual(disk.names(), ["a.2026-01-01", "a.2026-01-01.gz", "a.2026-01-02.gz"])
      assert.strictEqual(fs.readFileSync(disk.path("a.2026-01-01.gz"), "utf8"), "somebody's")
    })
  )

  it.effect("warns of a file that it cannot compress, and goes on", () =>
    Effect.gen(function* () {
      const disk = yield* start
      // The longest name there is: the compressed one is too long.
      const name = `${"a".repeat(244)}.2026-01-01`
      disk.old(name)
      disk.old("b.2026-01-01")
      const lines = yield* compress(GZIP, closed(disk.path("a".repeat(244))), closed(disk.path("b")))
      assert.match(lines.join("\n"), /^WARN log file is not compressed .*ENAMETOOLONG.*\nINFO .* files=1 .*$/)
      assert.deepStrictEqual(disk.names(), [name, "b.2026-01-01.gz"])
    })
  )

  it.effect.skipIf(process.getuid?.() === 0)("warns of a file that it may not read, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const disk = yield* start
      disk.old("a.2026-01-01")
      fs.chmodSync(disk.path("a.2026-01-01"), 0)
      assert.match((yield* compress(GZIP, closed(disk.path("a")))).join("\n"), /^WARN .*EACCES[^\n]*$/)
      assert.deepStrictEqual(disk.names(), ["a.2026-01-01"])
    })
  )

  it.effect("warns of a folder that is not there", () =>
    Effect.gen(function* () {
      const disk = yield* start
      assert.match((yield* compress(GZIP, closed(disk.path("x/a")))).join("\n"), /^WARN .*ENOENT[^\n]*$/)
    })
  )

  it.live("leaves a file that is written to meanwhile", () =>
    Effect.gen(function* () {
      const { disk, lines, running } = yield* startLarge
      fs.appendFileSync(disk.path("a.2026-01-01"), "late\n")
      yield* Fiber.join(running)
      assert.match(lines.join("\n"), /^WARN log file is not compressed [^\n]*the file was changed meanwhile[^\n]*$/)
      assert.deepStrictEqual(disk.names(), ["a.2026-01-01"])
    })
  )

  it.live("leaves the file as it was when interrupted, without a partial one", () =>
    Effect.gen(function* () {
      const { disk, lines, running } = yield* startLarge
      yield* Fiber.interrupt(running)
      assert.deepStrictEqual([disk.names(), lines], [["a.2026-01-01"], []])
      assert.strictEqual(fs.statSync(disk.path("a.2026-01-01")).size, LARGE)
    })
  )

  it.effect("leaves a file to the process that is at it, and takes over what a crash has left", () =>
    Effect.gen(function* () {
      const disk = yield* start
      disk.old("a.2026-01-01")
      disk.old("a.2026-01-01.gz.partial", 0.5 / 24, "half")
      assert.deepStrictEqual(yield* compress(GZIP, closed(disk.path("a"))), [])
      assert.deepStrictEqual(disk.names(), ["a.2026-01-01", "a.2026-01-01.gz.partial"])
      disk.old("a.2026-01-01.gz.partial", 2 / 24, "half")
      yield* compress(GZIP, closed(disk.path("a")))
      assert.deepStrictEqual(disk.names(), ["a.2026-01-01.gz"])
      assert.strictEqual(disk.gunzip("a.2026-01-01.gz"), TEXT)
    })
  )
})

const LARGE = 16 * 1024 * 1024

/** A compression that is in the middle of a file. */
const startLarge = Effect.gen(function* () {
  const disk = yield* start.pipe(Effect.provide(TestClock.layer()))
  // Nothing to compress: what goes in comes out, and at once.
  disk.old("a.2026-01-01", 30, randomBytes(LARGE))
  fs.utimesSync(disk.path("a.2026-01-01"), 0, 0)
  const lines: Array<string> = []
  const running = yield* Compression.compress(ZSTD, [closed(disk.path("a"))]).pipe(
    Effect.provide(AppLog.layerCapture(lines)),
    Effect.forkChild
  )
  const partial = disk.path("a.2026-01-01.zst.partial")
  yield* until(() => (fs.statSync(partial, { throwIfNoEntry: false })?.size ?? 0) > 0)
  return { disk, lines, running }
})

/** Turns of the event loop until something that files bring about is true. */
const until = (isTrue: () => boolean) =>
  Effect.promise(async () => {
    while (!isTrue()) await new Promise((resolve) => setImmediate(resolve))
  })

const opened = (targets: Effect.Effect<ReadonlyArray<OpenTarget>>) =>
  until(() => Effect.runSync(targets).every(({ identity }) => identity !== ""))

describe("the hour of compression", () => {
  const at = (hours: number) => NOW - 12 * HOUR + hours * HOUR
  /** Runs the loop, with local time two hours ahead of UTC, and tells at which UTC hours it looked for files. */
  const watch = Effect.fnUntraced(function* (settings: Effect.Effect<Compression.Settings>, hours: number) {
    yield* TestClock.setTime(at(0) - HOUR / 2)
    const lines: Array<string> = []
    const looked: Array<string> = []
    const targets = Effect.gen(function* () {
      looked.push(new Date(yield* Effect.clockWith((clock) => clock.currentTimeMillis)).toISOString().slice(11, 16))
      return []
    })
    const running = yield* Compression.run(settings, () => 120).pipe(
      Effect.provide(
        Layer.succeed(AccessLog, { open: () => Effect.die("not here"), drain: Effect.void, targets }).pipe(
          Layer.provideMerge(AppLog.layerCapture(lines))
        )
      ),
      Effect.forkChild
    )
    yield* Effect.yieldNow
    for (let hour = 0; hour < hours; hour++) yield* TestClock.adjust(HOUR)
    yield* Fiber.interrupt(running)
    return { lines, looked }
  })

  it.effect("comes once a day, in local time", () =>
    Effect.gen(function* () {
      const { lines, looked } = yield* watch(Effect.succeed({ ...GZIP, hour: 3 }), 72)
      assert.deepStrictEqual([looked, lines], [["01:30", "01:30", "01:30"], []])
    })
  )

  it.effect("never comes without an algorithm", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* watch(Effect.succeed({ ...GZIP, algorithm: "" }), 48)).looked, [])
    })
  )

  it.effect("is that of the configuration in force", () =>
    Effect.gen(function* () {
      let asked = 0
      const { looked } = yield* watch(
        Effect.sync(() => ({ ...GZIP, hour: asked++ === 0 ? 2 : 5 })),
        24
      )
      assert.deepStrictEqual(looked, ["00:30", "03:30"])
    })
  )

  it.effect("says nothing when the process ends in the midst of it", () =>
    Effect.gen(function* () {
      const { lines, looked } = yield* watch(Effect.never, 24)
      assert.deepStrictEqual([looked, lines], [[], []])
    })
  )

  it.effect("comes again after a failure", () =>
    Effect.gen(function* () {
      let asked = 0
      const settings = Effect.suspend(() =>
        asked++ === 0 ? Effect.die("broken") : Effect.succeed({ ...GZIP, hour: 5 })
      )
      const { lines, looked } = yield* watch(settings, 24)
      assert.deepStrictEqual(looked, ["03:30"])
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0]!, /^ERROR old log files could not be compressed .*broken/s)
    })
  )
})
