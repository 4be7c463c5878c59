/**
 * ping: answers one path with `pong`, whatever the method. For load balancers and monitoring that ask whether the
 * proxy itself is alive. Spec: plugins 6.18.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { respond } from "../../proxy/Response.ts"
import * as Options from "../Options.ts"
import { define, type Hooks } from "../Plugin.ts"

const PingOptions = Schema.Struct({
  path: Options.text("Path that is answered, compared as a whole.")
})

export const Ping = define({
  category: "ping",
  description: "Answers one path with `pong`.",
  options: PingOptions,
  make: ({ path }) =>
    Effect.gen(function* () {
      if (path === "") {
        yield* Options.notice("path", "is empty, so the plugin answers nothing")
        return {}
      }
      const pong = respond(200, [], "pong")
      return { request: (exchange) => (exchange.path === path ? pong : undefined) } satisfies Hooks
    })
})
