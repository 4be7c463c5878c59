/**
 * Rules of `[servers.*]`: listen addresses, locations that exist, modules, TLS versions in order. Spec: config 8.
 */
import * as Address from "../../model/Address.ts"
import * as IpRules from "../../model/IpRules.ts"
import type { Sliced } from "../../model/Sliced.ts"
import { didYouMean } from "../../model/Suggestion.ts"
import { type Draft, type Item, type Report, type Table, text, texts } from "../Draft.ts"
import { MODULES, TLS_VERSIONS } from "../schema/Server.ts"
import { lookup } from "../schema/Values.ts"

/** Reports what is wrong with one server by itself. */
export const validate = (report: Report, item: Item): void => {
  for (const [index, name] of texts(item, "modules")) {
    if (MODULES.includes(name)) continue
    const details = { expected: MODULES.join(" or "), hint: didYouMean(name, MODULES) }
    report.about("warning", item, ["modules", index], `module(${name}) is unknown and ignored`, details)
  }
  const lowest = lookup(TLS_VERSIONS, text(item, "tls_min_version") ?? "tlsv1.2")
  const highest = lookup(TLS_VERSIONS, text(item, "tls_max_version") ?? "tlsv1.3")
  if (lowest !== undefined && highest !== undefined && lowest > highest) {
    report.about("error", item, ["tls_max_version"], "tls_max_version is below tls_min_version")
  }
}

/**
 * Reports locations that do not exist, modules that locations lack, and addresses that two servers want. The lists of
 * tables in `sound` name nothing that is not there; those that are found to be so are added.
 */
export function* validateReferences(draft: Draft, sound: WeakSet<Table>, grpcWeb: ReadonlySet<string>): Sliced<void> {
  const taken: Taken = { users: new Map(), single: new Map() }
  for (const item of draft.items.servers.values()) {
    validateAddresses(draft, item, taken)
    const isKnown = sound.has(item.table)
    if (isKnown && grpcWeb.size === 0) continue
    const before = draft.diagnostics.length
    const loadsGrpcWeb = texts(item, "modules").some(([, module]) => module === "grpc-web")
    for (const [index, name] of texts(item, "locations")) {
      if (index % LOCATIONS_PER_STEP === LOCATIONS_PER_STEP - 1) yield
      if (!isKnown && draft.item("locations", name) === undefined) {
        // The reference accepts any name while no location is configured at all.
        const severity = draft.items.locations.size === 0 ? "warning" : "error"
        draft.notFound(severity, item, ["locations", index], "location", name, draft.items.locations.keys())
      } else if (!loadsGrpcWeb && grpcWeb.has(name)) {
        const message = `location(${name}) has grpc_web, which this server does not load`
        draft.about("warning", item, ["locations", index], message, { hint: 'add modules = ["grpc-web"]' })
      }
    }
    if (draft.diagnostics.length === before && !draft.incomplete) sound.add(item.table)
  }
}

const LOCATIONS_PER_STEP = 500

/** Warns about one address beside all addresses of the machine: the second of the two cannot be bound. */
const warnAboutOverlap = (draft: Draft, item: Item, address: Address.Address, taken: Taken): void => {
  if (address.kind === "unix" || address.port === 0) return
  const every = { ...address, host: address.host.includes(":") ? "::" : "0.0.0.0" }
  const name = Address.format(address)
  let other: string | undefined
  if (address.host === every.host) other = taken.single.get(name)
  else if (IpRules.isAddress(address.host)) {
    other = taken.users.has(Address.format(every)) ? Address.format(every) : undefined
    taken.single.set(Address.format(every), name)
  }
  const user = other === undefined ? undefined : draft.item("servers", taken.users.get(other) ?? "")
  if (user === undefined || (item.table["reuse_port"] === true && user.table["reuse_port"] === true)) return
  draft.about("warning", item, ["addr"], `${name} and ${other} of servers.${user.name} cannot both be listened on`, {
    expected: "one of the two, or reuse_port = true for both"
  })
}

/** What was probably meant by a text that is no listen address. */
const addressHint = (text: string): string | undefined => {
  const port = /^(?:\*?:)?(\d{1,5})$/.exec(text)?.[1]
  if (port !== undefined) return `did you mean "0.0.0.0:${port}"?`
  if (text.includes("://")) return "an address has no scheme"
  return Address.parseListen(`${text}:80`) instanceof Address.AddressError ? undefined : "the port is missing"
}

/** The addresses of servers so far. */
interface Taken {
  /** The server of each. */
  readonly users: Map<string, string>
  /** One that stands for a single address of the machine, by what would stand for all with that port. */
  readonly single: Map<string, string>
}

const validateAddresses = (draft: Draft, item: Item, taken: Taken): void => {
  for (const part of text(item, "addr")?.split(",") ?? []) {
    const address = Address.parseListen(part)
    if (address instanceof Address.AddressError) {
      draft.about("error", item, ["addr"], address.message, {
        expected: "a comma list such as 0.0.0.0:80,[::]:80",
        hint: addressHint(part.trim())
      })
      continue
    }
    const name = Address.format(address)
    const user = taken.users.get(name)
    // Port 0 takes a free port each time.
    if (user !== undefined && !(address.kind === "tcp" && address.port === 0)) {
      const other = user === item.name ? "this server lists it twice" : `servers.${user} listens on it`
      draft.about("error", item, ["addr"], `${name} is inused by other server`, { hint: other })
      continue
    }
    taken.users.set(name, item.name)
    warnAboutOverlap(draft, item, address, taken)
  }
}
