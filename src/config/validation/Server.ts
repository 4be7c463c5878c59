/**
 * Rules of `[servers.*]`: listen addresses, locations that exist, modules, TLS versions in order. Spec: config 8.
 */
import * as Address from "../../model/Address.ts"
import { didYouMean } from "../../model/Suggestion.ts"
import { type Draft, type Item, text, texts } from "../Draft.ts"
import { MODULES, TLS_VERSIONS } from "../schema/Server.ts"
import { lookup } from "../schema/Values.ts"

/** Reports what is wrong with the servers of a draft. */
export const validate = (draft: Draft): void => {
  const used = new Map<string, string>()
  for (const item of draft.items.servers.values()) {
    validateAddresses(draft, item, used)
    for (const [index, name] of texts(item, "locations")) {
      const location = draft.item("locations", name)
      if (location === undefined) {
        // The reference accepts any name while no location is configured at all.
        const severity = draft.items.locations.size === 0 ? "warning" : "error"
        draft.notFound(severity, item, ["locations", index], "location", name, draft.items.locations.keys())
      } else if (
        location.table["grpc_web"] === true &&
        !texts(item, "modules").some(([, name]) => name === "grpc-web")
      ) {
        draft.about(
          "warning",
          item,
          ["locations", index],
          `location(${name}) has grpc_web, which this server does not load`,
          {
            hint: 'add modules = ["grpc-web"]'
          }
        )
      }
    }
    for (const [index, name] of texts(item, "modules")) {
      if (MODULES.includes(name)) continue
      const details = { expected: MODULES.join(" or "), hint: didYouMean(name, MODULES) }
      draft.about("warning", item, ["modules", index], `module(${name}) is unknown and ignored`, details)
    }
    const lowest = lookup(TLS_VERSIONS, text(item, "tls_min_version") ?? "tlsv1.2")
    const highest = lookup(TLS_VERSIONS, text(item, "tls_max_version") ?? "tlsv1.3")
    if (lowest !== undefined && highest !== undefined && lowest > highest) {
      draft.about("error", item, ["tls_max_version"], "tls_max_version is below tls_min_version")
    }
  }
}

const validateAddresses = (draft: Draft, item: Item, used: Map<string, string>): void => {
  for (const part of text(item, "addr")?.split(",") ?? []) {
    const address = Address.parseListen(part)
    if (address instanceof Address.AddressError) {
      draft.about("error", item, ["addr"], address.message, {
        expected: "a comma list such as 0.0.0.0:80,[::]:80"
      })
      continue
    }
    const name = Address.format(address)
    const user = used.get(name)
    // Port 0 takes a free port each time.
    if (user !== undefined && !(address.kind === "tcp" && address.port === 0)) {
      const other = user === item.name ? "this server lists it twice" : `servers.${user} listens on it`
      draft.about("error", item, ["addr"], `${name} is inused by other server`, { hint: other })
    } else used.set(name, item.name)
  }
}
