import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileWriter from "../../src/log/FileWriter.ts"
import { LogFiles } from "../../src/log/LogFiles.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "pingap-log-"))),
  (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
)

const writerOf = Effect.fnUntraced(function* (path: string, reports: Array<string> = []) {
  return yield* FileWriter.make({
    destination: yield* FileWriter.rotated(path, "never"),
    maxPending: 10,
    flushMillis: 60_000,
    report: (level, message, fields) => reports.push(`${level} ${message} ${fields["error"]}`)
  })
})

describe("log files of this machine", () => {
  it.live("are created with the directories above them, and appended to", () =>
    Effect.gen(function* () {
      const path = join(yield* temporary, "a/b/access.log")
      const first = yield* writerOf(path)
      first.append("one")
      yield* first.flush
      const second = yield* writerOf(path)
      second.append("two ü")
      yield* second.flush
      first.append("three")
      yield* first.flush
      assert.strictEqual(fs.readFileSync(path, "utf8"), "one\ntwo ü\nthree\n")
    })
  )

  it.live("21.5 a line written while the process stops is on disk long before the flush time", () =>
    Effect.gen(function* () {
      const path = join(yield* temporary, "access.log")
      const writer = yield* writerOf(path)
      writer.append("before")
      yield* writer.drain
      assert.strictEqual(fs.readFileSync(path, "utf8"), "before\n")
      writer.append("after")
      const deadline = performance.now() + 5_000
      while (fs.readFileSync(path, "utf8") !== "before\nafter\n") {
        assert.isBelow(performance.now(), deadline)
        yield* Effect.sleep(1)
      }
    })
  )

  it.live("tell a renamed file from the one that took its name", () =>
    Effect.gen(function* () {
      const files = yield* LogFiles
      const path = join(yield* temporary, "a.log")
      const file = yield* files.open(path)
      assert.strictEqual(yield* files.identity(path), file.identity)
      fs.renameSync(path, `${path}.1`)
      assert.strictEqual(yield* files.identity(path), "")
      const next = yield* files.open(path)
      assert.notStrictEqual(next.identity, file.identity)
      yield* Effect.andThen(file.close, next.close)
    })
  )

  it.live("say what stands at a path", () =>
    Effect.gen(function* () {
      const files = yield* LogFiles
      const directory = yield* temporary
      assert.strictEqual(yield* files.place(directory), "directory")
      assert.strictEqual(yield* files.place(join(directory, "none")), "file")
      assert.strictEqual(yield* files.place("/dev/null"), "device")
    })
  )

  it.live("a full device and a path under a file are reported, not thrown", () =>
    Effect.gen(function* () {
      const reports: Array<string> = []
      const full = yield* writerOf("/dev/full", reports)
      full.append("x")
      yield* full.flush
      assert.deepStrictEqual(reports, ["warn log file cannot be written ENOSPC: no space left on device, write"])

      const blocker = join(yield* temporary, "file")
      fs.writeFileSync(blocker, "")
      const blocked = yield* writerOf(join(blocker, "access.log"), reports)
      blocked.append("x")
      yield* blocked.flush
      assert.match(reports[1] ?? "", /^warn log file cannot be written ENOTDIR/)
    })
  )
})
