/**
 * Edits the configuration of a running proxy: an item is changed in its file, comments stay, the change is served, a
 * mistake is refused and an earlier version comes back. Run it with Node 22.19 or newer:
 *
 *   node examples/config-writer.ts
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
// From the package this is "pingap-effect".
import { ConfigWriter, FileSource, layer, Proxy } from "../src/index.ts"

const file = join(mkdtempSync(join(tmpdir(), "pingap-")), "pingap.toml")
writeFileSync(
  file,
  `[servers.main]
addr = "127.0.0.1:0"
locations = ["hello"]
[locations.hello]
plugins = ["greeting"]

# Says what visitors read first.
[plugins.greeting]
category = "mock"
data = "Good morning!" # until noon
`
)

const program = Effect.gen(function* () {
  const proxy = yield* Proxy
  const writer = yield* ConfigWriter
  const ask = Effect.gen(function* () {
    // The file is followed anyway; this waits until what is in it now is served.
    yield* Effect.orDie(proxy.reload)
    const response = yield* proxy.handle(new Request("http://example.com/"))
    yield* Console.log(yield* Effect.promise(() => response.text()))
  })
  yield* ask
  const greeting = (yield* writer.get("plugins", "greeting"))!
  // Fails when somebody else has changed the item since it was read.
  const changed = { ...greeting.table, data: "Good evening!" }
  yield* writer.save("plugins", "greeting", changed, { expected: greeting.revision })
  yield* ask
  const refused = yield* Effect.flip(writer.save("locations", "hello", { upstream: "nobody" }))
  yield* Console.log(refused.message.split("\n")[0]!.replace(file, "pingap.toml"))
  const [earlier] = yield* writer.history("plugins", "greeting")
  yield* writer.restore("plugins", "greeting", earlier!.id)
  yield* ask
  yield* Console.log(readFileSync(file, "utf8").split("\n").slice(-5).join("\n").trimEnd())
})

// The proxy reads the file and the writer changes it. Logs of the proxy are left out here.
const source = FileSource.layer(`${file}?enable_history=true`)
const services = Layer.merge(layer({ config: source }), ConfigWriter.layer.pipe(Layer.provide(source)))
await Effect.runPromise(program.pipe(Effect.provide(services), Effect.provide(Logger.layer([]))))
rmSync(join(file, ".."), { recursive: true })
