/**
 * redirect: sends clients to the other scheme and, if wanted, below a path prefix. Spec: plugins 6.19, hardening 10.
 *
 * The target is always absolute and its host is the one the request was routed by: a location with `host` never
 * redirects anywhere else. A location that takes every host should not be the one that redirects. The host is checked
 * again before it is used, and a request without one is refused.
 *
 * A port is kept only where the scheme stays the same (a redirect that merely adds the prefix). To the other scheme
 * the port of the first one is certainly wrong, so the target has none.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Exchange } from "../../proxy/Exchange.ts"
import { redirect, refuse } from "../../proxy/Response.ts"
import * as Options from "../Options.ts"
import { define, type Hooks } from "../Plugin.ts"

const RedirectOptions = Schema.Struct({
  prefix: Options.text("Path prefix of the target, put before paths that do not begin with it."),
  http_to_https: Options.flag("`true` sends clients to https. `false` sends them to http."),
  status: Options.integer("Status of the redirect: 301, 302, 307 or 308. Anything else means 307.", 307)
})

const STATUSES: ReadonlySet<number> = new Set([301, 302, 307, 308])

const prefixOf = (prefix: string): string => (prefix.length <= 1 ? "" : prefix.startsWith("/") ? prefix : `/${prefix}`)

const HOST = /^(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])$/
const PORT = /:\d{1,5}$/

/** `:port` of the request's authority, empty for the scheme's own. */
const portOf = (exchange: Exchange): string => {
  const port = PORT.exec(exchange.header("host") ?? "")
  if (port === null) return ""
  return port[0] === (exchange.scheme === "https" ? ":443" : ":80") ? "" : port[0]
}

export const Redirect = define({
  category: "redirect",
  description: "Redirects to https, to http or below a prefix.",
  options: RedirectOptions,
  make: (options) =>
    Effect.gen(function* () {
      const prefix = prefixOf(options.prefix)
      const known = STATUSES.has(options.status)
      if (!known) yield* Options.notice("status", `${options.status} is no redirect, 307 is used`)
      const status = known ? options.status : 307
      const scheme = options.http_to_https ? "https" : "http"
      const unusableHost = refuse(400, "Bad Request")
      return {
        request: (exchange) => {
          const inPlace = exchange.path.startsWith(prefix)
          if (exchange.scheme === scheme && inPlace) return undefined
          if (!HOST.test(exchange.host)) return unusableHost
          const port = exchange.scheme === scheme ? portOf(exchange) : ""
          const path = inPlace ? exchange.uri : prefix + exchange.uri
          return redirect(`${scheme}://${exchange.host}${port}${path}`, status)
        }
      } satisfies Hooks
    })
})
