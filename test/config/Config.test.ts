import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { Checks, Config, ConfigError } from "../../src/config/Config.ts"
import { ConfigSource, ConfigSourceError } from "../../src/config/ConfigSource.ts"
import * as Memory from "../../src/config/source/Memory.ts"

const upstream = (addr: string): string => `[upstreams.a]\naddrs = ["${addr}"]\n`

/** Collects a stream from now on. */
const follow = Effect.fnUntraced(function* <A, B>(stream: Stream.Stream<A>, of: (value: A) => B) {
  const queue = yield* Queue.unbounded<B>()
  yield* stream.pipe(
    Stream.runForEach((value) => Queue.offer(queue, of(value))),
    Effect.forkScoped({ startImmediately: true })
  )
  return queue
})

const logged = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([
    Logger.make<unknown, void>(({ logLevel, message }) => {
      lines.push(`${logLevel}: ${String(Array.isArray(message) ? message[0] : message)}`)
    })
  ])
  return { lines, layer }
}

describe("Config", () => {
  it.effect("publishes what changes, keeps what stands when a text is wrong, and says so", () =>
    Effect.gen(function* () {
      const source = yield* Memory.make(upstream("127.0.0.1:1"))
      const log = logged()
      yield* Effect.gen(function* () {
        const config = yield* Config
        const address = Effect.map(config.current, ({ config }) => config.upstreams["a"]!.addrs[0])
        const changes = yield* follow(config.changes, ({ config }) => config.upstreams["a"]!.addrs[0])
        const rejected = yield* follow(config.rejected, ({ message }) => message)

        assert.strictEqual(yield* Queue.take(changes), "127.0.0.1:1")
        yield* source.set(upstream("127.0.0.1:2"))
        assert.strictEqual(yield* Queue.take(changes), "127.0.0.1:2")

        yield* source.set(upstream("127.0.0.1:3 0"))
        assert.match(
          yield* Queue.take(rejected),
          /^memory:2:10: error: upstreams\.a\.addrs\[0\]: .* weight must be at least 1/
        )
        assert.strictEqual(yield* address, "127.0.0.1:2")

        yield* source.set(`# only a comment\n${upstream("127.0.0.1:2")}`)
        yield* source.set(upstream("127.0.0.1:4"))
        assert.strictEqual(yield* Queue.take(changes), "127.0.0.1:4")
        assert.strictEqual(yield* Queue.size(changes), 0)
        assert.strictEqual(yield* Queue.size(rejected), 0)
        assert.deepStrictEqual(
          log.lines.filter((line) => line.includes("configuration")),
          ["Error: configuration is rejected, the previous one stays"]
        )
      }).pipe(Effect.scoped, Effect.provide(Config.layer().pipe(Layer.provide([source.layer, log.layer]))))
    })
  )

  it.effect("updates places without a change of content", () =>
    Effect.gen(function* () {
      const source = yield* Memory.make(upstream("127.0.0.1:1"))
      yield* Effect.gen(function* () {
        const config = yield* Config
        const line = Effect.map(config.current, ({ locate }) => locate(["upstreams", "a", "addrs"])?.span.line)
        assert.strictEqual(yield* line, 2)
        yield* source.set(`# moved\n${upstream("127.0.0.1:1")}`)
        yield* Effect.repeat(Effect.yieldNow, { until: () => Effect.map(line, (line) => line === 3), times: 1_000 })
        assert.strictEqual(yield* line, 3)
      }).pipe(Effect.provide(Config.layer().pipe(Layer.provide(source.layer))))
    })
  )

  it.effect("forgets that a source could not be read when it can be read again", () =>
    Effect.gen(function* () {
      const documents = [{ file: "a.toml", text: upstream("127.0.0.1:1") }]
      let failure: ConfigSourceError | undefined
      const source = Layer.succeed(ConfigSource, {
        read: Effect.suspend(() => (failure === undefined ? Effect.succeed([...documents]) : Effect.fail(failure))),
        changes: Stream.never
      })
      const log = logged()
      yield* Effect.gen(function* () {
        const config = yield* Config
        failure = new ConfigSourceError({ file: "a.toml", message: "permission denied" })
        const error = yield* Effect.flip(config.reload)
        assert.strictEqual(error.message, "a.toml: error: permission denied\n1 error")
        failure = undefined
        assert.deepStrictEqual((yield* config.reload).config.upstreams["a"]!.addrs, ["127.0.0.1:1"])
      }).pipe(Effect.provide(Config.layer().pipe(Layer.provide([source, log.layer]))), Effect.provide(log.layer))
      assert.lengthOf(
        log.lines.filter((line) => line.includes("is rejected")),
        1
      )
    })
  )

  it.effect("fails when the first text is wrong, with every finding in its message", () =>
    Effect.gen(function* () {
      const layer = Config.layer().pipe(Layer.provide(Memory.layer("[servers.a]\n[upstreams.a]\n")))
      const error = yield* Effect.flip(Effect.provide(Config, layer))
      assert.instanceOf(error, ConfigError)
      assert.strictEqual(error.diagnostics.length, 2)
      assert.match(error.message, /^memory:1:10: error: servers\.a\.addr: missing required key\n/)
      assert.match(error.message, /\n2 errors$/)
    })
  )

  it.effect("fails when the source does", () =>
    Effect.gen(function* () {
      const failing = Layer.succeed(ConfigSource, {
        read: Effect.fail(new ConfigSourceError({ file: "conf", message: "no configuration at /conf", hint: "check" })),
        changes: Stream.never
      })
      const error = yield* Effect.flip(Effect.provide(Config, Config.layer().pipe(Layer.provide(failing))))
      assert.strictEqual(error.message, "conf: error: no configuration at /conf\n  hint: check\n1 error")
    })
  )

  it.effect("logs warnings at the start, or refuses them when strict", () =>
    Effect.gen(function* () {
      const source = Memory.layer('[basic]\nnmae = "x"\n')
      const log = logged()
      yield* Effect.provide(Config, Config.layer().pipe(Layer.provide([source, log.layer])))
      assert.deepStrictEqual(log.lines, [
        "Warn: memory:2:1: warning: basic.nmae: unknown key is ignored",
        'Warn:   hint: did you mean "name"?',
        'Warn:   2 | nmae = "x"',
        "Warn:     | ^^^^"
      ])
      const error = yield* Effect.flip(
        Effect.provide(Config, Config.layer({ strict: true }).pipe(Layer.provide(source)))
      )
      assert.match(error.message, /^memory:2:1: error: basic\.nmae/)
    })
  )

  it.effect("asks the registry about plugins", () =>
    Effect.gen(function* () {
      const source = Memory.layer(
        '[plugins.p]\ncategory = "x"\n[locations.l]\nplugins = ["p", "mine", "pingap:ping"]\n'
      )
      const check = Layer.succeed(Checks, {
        checkPlugin: (name) => [
          { severity: "error" as const, path: ["category"], message: `no implementation for ${name}` }
        ],
        builtinPlugins: ["mine"]
      })
      const error = yield* Effect.flip(Effect.provide(Config, Config.layer().pipe(Layer.provide([source, check]))))
      assert.deepStrictEqual(
        error.diagnostics.map(({ severity, message }) => `${severity}: ${message}`),
        ["error: no implementation for p", "warning: plugin(pingap:ping) is not found; the location answers 503"]
      )
    })
  )
})
