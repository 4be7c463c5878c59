/** The registry: findings, errors, and instances that live as long as somebody uses them. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { builtinInstances, builtins, notThereYet } from "../../src/plugin/builtin/index.ts"
import * as Options from "../../src/plugin/Options.ts"
import { compile, makeRunner } from "../../src/plugin/Pipeline.ts"
import { define, PluginError } from "../../src/plugin/Plugin.ts"
import { creationFailure, Plugins, type Table } from "../../src/plugin/Plugins.ts"
import type { LocalResponse } from "../../src/proxy/Response.ts"
import { respond } from "../../src/proxy/Response.ts"
import { fakeExchange, withResponse } from "../support/FakeExchange.ts"

/** Counts its requests, and records when it is built and released. */
const counter = (events: Array<string>) =>
  define({
    category: "counter",
    description: "Counts.",
    steps: ["request", "proxy_upstream"],
    stepPolicy: "lenient",
    stepError: "Counter should not be executed there",
    options: Schema.Struct({
      max: Options.integer("Greatest count.", 1),
      list: Schema.optionalKey(Schema.Array(Schema.Struct({ app_id: Schema.String, secret: Schema.String })))
    }),
    make: ({ max }, { name }) =>
      Effect.gen(function* () {
        if (max === 13) return yield* PluginError.invalid("counter", "max brings bad luck")
        if (max === 14) throw new Error("boom")
        if (max === 0) yield* Options.notice("max", "is 0, so nothing is counted")
        yield* Effect.acquireRelease(
          Effect.sync(() => events.push(`+${name}/${max}`)),
          () => Effect.sync(() => events.push(`-${name}/${max}`))
        )
        let count = 0
        return { request: () => (++count > max ? respond(429, [], String(count)) : undefined) }
      })
  })

const setup = Effect.gen(function* () {
  const events: Array<string> = []
  const logger = Logger.make(({ message }) => {
    events.push(`log ${Array.isArray(message) ? message[0] : message}`)
  })
  const context = yield* Layer.build(
    Plugins.layer({ extra: [counter(events)] }).pipe(Layer.provide(Logger.layer([logger])))
  )
  return { events, plugins: Context.get(context, Plugins) }
})

const generation = Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))

describe("categories and built-in instances", () => {
  it.effect("are listed and can be built", () =>
    Effect.gen(function* () {
      const { plugins } = yield* setup
      assert.deepEqual(plugins.categories, [...builtins.map(({ category }) => category), "counter"].sort())
      for (const { name, table } of builtinInstances) {
        assert.deepEqual(yield* plugins.checkEffect(name, table), [], name)
        yield* plugins.instance(name, table)
      }
    })
  )

  it("have one plugin for each category, with documented options", () => {
    assert.strictEqual(new Set(builtins.map(({ category }) => category)).size, builtins.length)
    for (const { category, description, options } of builtins) {
      assert.isFalse(notThereYet.has(category), category)
      assert.match(description, /\.$/, category)
      const { schema } = Schema.toJsonSchemaDocument(options as Schema.Codec<unknown>)
      for (const [key, property] of Object.entries((schema.properties ?? {}) as Record<string, object>)) {
        assert.property(property, "description", `${category}.${key}`)
      }
    }
  })
})

describe("check", () => {
  const error = (path: ReadonlyArray<string | number>, message: string, more: object = {}) => ({
    severity: "error",
    path,
    message,
    ...more
  })
  const warning = (path: ReadonlyArray<string | number>, message: string, more: object = {}) => ({
    severity: "warning",
    path,
    message,
    ...more
  })
  const cases: ReadonlyArray<readonly [title: string, table: Table, problems: ReadonlyArray<object>]> = [
    ["a table that is right", { category: "counter", max: 3, step: "request", remark: "x" }, []],
    ["a table without category", { max: 3 }, [error(["category"], "category of c can not be empty")]],
    ["a category of the wrong type", { category: 3 }, [error(["category"], "category of c can not be empty")]],
    [
      "an unknown category",
      { category: "basic-auth" },
      [error(["category"], "Plugin basic-auth not found", { hint: 'did you mean "basic_auth"?' })]
    ],
    [
      "a category that resembles nothing",
      { category: "quux-corge" },
      [error(["category"], "Plugin quux-corge not found")]
    ],
    [
      "a category that is still to come",
      { category: "cors", allow_origin: "*" },
      [warning(["category"], "cors is not supported in this version: locations that name this plugin answer 503")]
    ],
    [
      "an unknown key",
      { category: "counter", maxx: 3 },
      [warning(["maxx"], "unknown key is ignored", { hint: 'did you mean "max"?' })]
    ],
    [
      "an unknown key deep inside",
      { category: "counter", list: [{ app_id: "a", secret: "b", secrets: "c" }] },
      [warning(["list", 0, "secrets"], "unknown key is ignored", { hint: 'did you mean "secret"?' })]
    ],
    [
      "everything at once",
      { category: "counter", max: "3", list: [{ app_id: 1 }], other: true, step: "response" },
      [
        error(["step"], "Counter should not be executed there"),
        warning(["other"], "unknown key is ignored"),
        error(["max"], "has the wrong type or form", { expected: "a whole number" }),
        error(["list", 0, "app_id"], "has the wrong type or form", { expected: "string" }),
        error(["list", 0, "secret"], "is missing")
      ]
    ],
    [
      "a step of the wrong type",
      { category: "mock", step: 1 },
      [error(["step"], "has the wrong type or form", { expected: "one of request, proxy_upstream" })]
    ],
    [
      "strict: an unsupported step",
      { category: "mock", step: "response" },
      [error(["step"], "Invalid step(response), expect one of: request, proxy_upstream")]
    ],
    [
      "strict: an unknown step",
      { category: "mock", step: "x" },
      [error(["step"], "Invalid step(x), expect one of: request, proxy_upstream")]
    ],
    [
      "lenient: an unknown step",
      { category: "counter", step: "reqest" },
      [warning(["step"], "unknown step is ignored, request is used", { hint: 'did you mean "request"?' })]
    ],
    [
      "fixed: another step",
      { category: "ping", path: "/", step: "response" },
      [warning(["step"], "has no effect, ping runs at request")]
    ],
    ["fixed: its own step", { category: "ping", path: "/", step: "request" }, []],
    ["an empty step", { category: "mock", step: "" }, []]
  ]
  for (const [title, table, problems] of cases) {
    it.effect(`finds what is wrong with ${title}`, () =>
      Effect.gen(function* () {
        const { plugins, events } = yield* setup
        assert.deepEqual(plugins.check("c", table), problems as never)
        assert.deepEqual(events, [])
      })
    )
  }

  it.effect("builds and throws away with checkEffect, and shows what that finds", () =>
    Effect.gen(function* () {
      const { plugins, events } = yield* setup
      const check = (table: Table) => plugins.checkEffect("c", { category: "counter", ...table })
      assert.deepEqual(yield* check({ max: 3 }), [])
      assert.deepEqual(events, ["+c/3", "-c/3"])
      assert.deepEqual(yield* check({ max: 0 }), [warning(["max"], "is 0, so nothing is counted")] as never)
      assert.deepEqual(yield* check({ max: 13, x: 1 }), [
        warning(["x"], "unknown key is ignored"),
        error([], "Plugin counter invalid, message: max brings bad luck")
      ] as never)
      assert.deepEqual(yield* check({ max: 14 }), [
        error([], "Plugin counter invalid, message: could not be built: Error: boom")
      ] as never)
      assert.deepEqual(yield* check({ max: "a" }), plugins.check("c", { category: "counter", max: "a" }))
    })
  )
})

describe("instance", () => {
  const failures: ReadonlyArray<readonly [table: Table, message: string]> = [
    [{}, "Plugin  invalid, message: category of c can not be empty"],
    [{ category: "nope" }, "Plugin nope not found"],
    [
      { category: "mock", step: "response" },
      "Plugin mock invalid, message: Invalid step(response), expect one of: request, proxy_upstream"
    ],
    [
      { category: "request_id", step: "response" },
      "Plugin request_id invalid, message: Request id should be executed at request or proxy upstream step"
    ],
    [
      { category: "mock", path: 1, delay: "x", headers: ["a b: c"] },
      "Plugin mock invalid, message: path has the wrong type or form, expected a text; " +
        "invalid header name: a b - invalid HTTP header name; expected number at 0"
    ],
    [
      { category: "basic_auth", authorizations: ["1"] },
      "Plugin basic_auth, base64 decode error Invalid input length: 1"
    ],
    [{ category: "counter", max: 14 }, "Plugin counter invalid, message: could not be built: Error: boom"]
  ]
  for (const [table, message] of failures) {
    it.effect(`fails for ${JSON.stringify(table)}`, () =>
      Effect.gen(function* () {
        const { plugins } = yield* setup
        const failure = yield* Effect.flip(plugins.instance("c", table))
        assert.instanceOf(failure, PluginError)
        assert.strictEqual(failure.message, message)
      })
    )
  }

  it("has its place in the line that Pingap logs", () => {
    const failure = new PluginError({ category: "nope", message: "Plugin nope not found" })
    assert.strictEqual(
      creationFailure("c", failure),
      "Plugin nope invalid, message: create plugin c failed, Plugin nope not found"
    )
  })

  it.effect("is tried anew after a failure, while the generation that failed still lives", () =>
    Effect.gen(function* () {
      const attempts: Array<number> = []
      const flaky = define({
        category: "flaky",
        description: "Fails the first time.",
        options: Schema.Struct({}),
        make: () =>
          Effect.suspend(() =>
            attempts.push(1) === 1
              ? PluginError.invalid("flaky", "not yet")
              : Effect.succeed({ request: () => undefined })
          )
      })
      const plugins = Context.get(yield* Layer.build(Plugins.layer({ extra: [flaky] })), Plugins)
      const first = yield* generation
      const failure = yield* Effect.flip(Scope.provide(plugins.instance("f", { category: "flaky" }), first))
      assert.strictEqual(failure.message, "Plugin flaky invalid, message: not yet")
      const second = yield* generation
      yield* Scope.provide(plugins.instance("f", { category: "flaky" }), second)
      assert.strictEqual(attempts.length, 2)
    })
  )

  it.effect("logs options without effect", () =>
    Effect.gen(function* () {
      const { plugins, events } = yield* setup
      yield* plugins.instance("c", { category: "counter", max: 0 })
      assert.deepEqual(events, ["log is 0, so nothing is counted", "+c/0"])
    })
  )

  it.effect("may replace a built-in plugin and use services of the program", () =>
    Effect.gen(function* () {
      class Words extends Context.Service<Words, { readonly pong: string }>()("test/Words") {}
      const ping = define({
        category: "ping",
        description: "Another ping.",
        options: Schema.Struct({}),
        make: () => Effect.map(Words, ({ pong }) => ({ request: () => respond(200, [], pong) }))
      })
      const layer = Plugins.layer({ extra: [ping] }).pipe(Layer.provide(Layer.succeed(Words, { pong: "PONG" })))
      const plugins = Context.get(yield* Layer.build(layer), Plugins)
      const { hooks } = yield* plugins.instance("p", { category: "ping" })
      assert.strictEqual((hooks.request!(fakeExchange()) as LocalResponse).body, "PONG")
      assert.deepEqual(yield* plugins.checkEffect("p", { category: "ping" }), [])
    })
  )

  it.effect("M11: a location with a mock and added fields", () =>
    Effect.gen(function* () {
      const { plugins } = yield* setup
      const mock = yield* plugins.instance("test:mock", { category: "mock", path: "/mock", status: 999, data: "abc" })
      const headers = yield* plugins.instance("test:add_headers", {
        category: "response_headers",
        step: "response",
        add_headers: ["X-Service:1", "X-Service:2"],
        set_headers: ["X-Response-Id:123"],
        remove_headers: ["Content-Type"]
      })
      const chains = compile([mock, headers], { runner: yield* makeRunner, proceed: () => {} })
      assert.strictEqual((chains.request!.run(fakeExchange({ uri: "/mock" })) as LocalResponse).status, 999)
      assert.isUndefined(chains.request?.run(fakeExchange({ uri: "/" })))
      const exchange = withResponse(fakeExchange(), 200, [["Content-Type", "text/html"]])
      chains.response?.(exchange)
      assert.strictEqual(exchange.response.text, "x-service: 1\r\nx-service: 2\r\nx-response-id: 123\r\n")
    })
  )
})
