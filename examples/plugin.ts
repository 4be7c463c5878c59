/**
 * A plugin with a state and a clean-up, used by a program that is not written in Effect. Run it with Node 22.19 or newer:
 *
 *   node examples/plugin.ts
 */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
// From the package this is "pingap-effect".
import { createProxy, define } from "../src/index.ts"

const visits = define({
  category: "visits",
  description: "Counts visits by path and tells the visitor.",
  options: Schema.Struct({ header: Schema.String }),
  make: ({ header }) =>
    Effect.gen(function* () {
      const counts = new Map<string, number>()
      // An instance, with its state, lives as long as its table in the configuration does not change. Then this runs.
      yield* Effect.addFinalizer(() => Effect.sync(() => console.log(`${header} ends with`, counts)))
      return {
        // Before the request goes on. Returning a response here would answer it.
        request: (exchange) => {
          counts.set(exchange.path, (counts.get(exchange.path) ?? 0) + 1)
        },
        // Before the head of the upstream's response goes back.
        response: (exchange) => exchange.response.set(header, String(counts.get(exchange.path)))
      }
    })
})

const upstream = createServer((request, response) => response.end(`You asked for ${request.url}`)).listen(
  0,
  "127.0.0.1"
)
await once(upstream, "listening")

const config = (header: string) => `
servers.front = { addr = "127.0.0.1:0", locations = ["all"] }
locations.all = { upstream = "back", plugins = ["counter"] }
plugins.counter = { category = "visits", header = "${header}" }
upstreams.back = { addrs = ["127.0.0.1:${(upstream.address() as AddressInfo).port}"] }
`
{
  // Listens until the end of the block: then running requests are finished, sockets and plugins closed.
  await using proxy = await createProxy({ config: config("X-Visits"), plugins: [visits] })
  const [address] = await proxy.addresses()
  for (const path of ["/tea", "/tea", "/coffee"]) {
    const response = await fetch(`http://127.0.0.1:${address?.port}${path}`)
    console.log(await response.text(), "- visits:", response.headers.get("x-visits"))
  }
}
upstream.close()
