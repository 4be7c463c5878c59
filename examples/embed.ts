/**
 * A proxy inside an Effect program: the configuration is a value, one plugin is the program's own, and a request goes
 * through without a socket. Run it with Node 22.19 or newer:
 *
 *   node examples/embed.ts
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
// From the package this is "pingap-effect".
import { define, layer, Proxy, respond } from "../src/index.ts"

// A plugin is a category, its options, and a `make` that turns decoded options into hooks. `make` runs once per
// configuration; hooks run per request and are plain functions. A wrong option is a finding with line and column.
const quota = define({
  category: "quota",
  description: "Answers 429 after a number of requests.",
  options: Schema.Struct({ max: Schema.Int }),
  make: ({ max }) =>
    Effect.sync(() => {
      let used = 0
      const exceeded = respond(429, [], "That was enough.\n")
      return { request: () => (used++ < max ? undefined : exceeded) }
    })
})

// The same text that the program `pingap` reads from files. `mock` answers in place of an upstream.
const config = `
[servers.main]
addr = "127.0.0.1:0"
locations = ["hello"]

[locations.hello]
host = "example.com"
plugins = ["guard", "greeting"]

[plugins.guard]
category = "quota"
max = 2

[plugins.greeting]
category = "mock"
data = "Hello!\\n"
`

const program = Effect.gen(function* () {
  const proxy = yield* Proxy
  for (let i = 1; i <= 3; i++) {
    const response = yield* proxy.handle(new Request("http://example.com/"))
    const body = yield* Effect.promise(() => response.text())
    yield* Console.log(`${response.status} ${body.trim()}`)
  }
})

// Providing the layer starts the proxy; it stops gracefully when the program is through.
await Effect.runPromise(program.pipe(Effect.provide(layer({ config, plugins: [quota] }))))
