import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { AccessLog } from "../../src/log/AccessLog.ts"
import { AppLog } from "../../src/log/AppLog.ts"
import { LogFiles } from "../../src/log/LogFiles.ts"
import { exchangeOf } from "./exchanges.ts"
import { MemoryDisk } from "./memoryDisk.ts"

const withLog = <A, E>(
  program: (disk: MemoryDisk, app: Array<string>) => Effect.Effect<A, E, AccessLog | Scope.Scope>
) =>
  Effect.suspend(() => {
    const disk = new MemoryDisk()
    const app: Array<string> = []
    const layer = AccessLog.layerWith({ hostname: "edge-1", env: {} }).pipe(
      Layer.provide(AppLog.layerCapture(app)),
      Layer.provide(Layer.succeed(LogFiles, disk))
    )
    return program(disk, app).pipe(Effect.provide(layer))
  })

const generation = Effect.fnUntraced(function* (directives: Record<string, string>) {
  const access = yield* AccessLog
  const scope = yield* Scope.make()
  const logs = yield* Effect.forEach(Object.entries(directives), ([name, text]) => access.open(name, text)).pipe(
    Scope.provide(scope)
  )
  return { logs, close: Scope.close(scope, Exit.void) }
})

const FILE = "/log/a?rolling=never"

describe("access log", () => {
  it.effect("writes lines of a server to its file", () =>
    withLog((disk) =>
      Effect.gen(function* () {
        const access = yield* AccessLog
        const log = yield* access.open("web", `${FILE} {$hostname} {method} {status}`)
        log.write(exchangeOf({ set: { status: 200 } }))
        log.write(exchangeOf({ request: { method: "POST" }, set: { status: 404 } }))
        yield* access.drain
        assert.deepStrictEqual(disk.lines("/log/a"), ["edge-1 GET 200", "edge-1 POST 404"])
      })
    )
  )

  it.effect("writes to the application log without a file", () =>
    withLog((_disk, app) =>
      Effect.gen(function* () {
        const { logs } = yield* generation({ web: "tiny" })
        logs[0]!.write(exchangeOf({ set: { status: 200, responseBytes: 1543 } }))
        assert.deepStrictEqual(app, ["INFO GET / 200 1.5KB - 0ms"])
        assert.isTrue(logs[0]!.measured)
      })
    )
  )

  it.effect("shares one writer between servers with the same target", () =>
    withLog((disk) =>
      Effect.gen(function* () {
        const access = yield* AccessLog
        const { logs } = yield* generation({
          one: `${FILE} {method}`,
          two: `${FILE} {status}`,
          three: "/log/b?rolling=never {uri}"
        })
        for (const log of logs) log.write(exchangeOf({ set: { status: 204 } }))
        yield* access.drain
        assert.deepStrictEqual(disk.lines("/log/a"), ["GET", "204"])
        assert.deepStrictEqual(disk.lines("/log/b"), ["/"])
        assert.deepStrictEqual(disk.events.sort(), ["open /log/a", "open /log/b"])
      })
    )
  )

  it.effect("keeps the file across a reload that keeps the target, and closes it after the last one", () =>
    withLog((disk) =>
      Effect.gen(function* () {
        const first = yield* generation({ web: `${FILE} {method}` })
        const [oldLog] = first.logs
        const second = yield* generation({ web: `${FILE} {method} {status}` })
        oldLog!.write(exchangeOf())
        yield* first.close
        second.logs[0]!.write(exchangeOf({ set: { status: 200 } }))
        yield* (yield* AccessLog).drain
        disk.events.push("reloaded")
        yield* second.close
        assert.deepStrictEqual(disk.events, ["open /log/a", "reloaded", "close /log/a"])
        assert.deepStrictEqual(disk.lines("/log/a"), ["GET", "GET 200"])
      })
    )
  )

  it.effect("reports a doubtful directive and uses it all the same", () =>
    withLog((_disk, app) =>
      Effect.gen(function* () {
        const { logs } = yield* generation({ web: "{metod} {status}" })
        logs[0]!.write(exchangeOf({ set: { status: 200 } }))
        assert.deepStrictEqual(app, [
          'WARN doubtful access_log category=access_log server=web problem="unknown tag {metod}"',
          "INFO  200"
        ])
      })
    )
  )

  it.effect("a file that cannot be opened is reported and does not keep a server from starting", () =>
    withLog((disk, app) =>
      Effect.gen(function* () {
        disk.refusesOpen = "EACCES"
        const access = yield* AccessLog
        const { logs } = yield* generation({ web: `${FILE} combined` })
        logs[0]!.write(exchangeOf())
        yield* access.drain
        assert.strictEqual(app.length, 1)
        assert.match(app[0]!, /^WARN log file cannot be written category=access_log file=\/log\/a /)
      })
    )
  )

  it.effect("captures lines for tests", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const { logs } = yield* generation({ web: `${FILE} {method} {$hostname}` })
        logs[0]!.write(exchangeOf())
      }).pipe(Effect.provide(AccessLog.layerCapture(lines)))
      assert.deepStrictEqual(lines, ["GET localhost"])
    })
  )
})
