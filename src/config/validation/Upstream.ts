/**
 * Rules of `[upstreams.*]`: addresses and their weights, words that select an algorithm, the health check URL.
 *
 * No name is resolved here, unlike in the reference, where validation waits for DNS: discovery reports what does not
 * resolve. Spec: config 5, upstreams 1 to 4.
 */
import * as Address from "../../model/Address.ts"
import * as Duration from "../../model/Duration.ts"
import { isName } from "../../model/Fields.ts"
import * as IpRules from "../../model/IpRules.ts"
import { didYouMean } from "../../model/Suggestion.ts"
import { type Item, type Report, text, texts } from "../Draft.ts"
import { ALPN, DISCOVERY } from "../schema/Upstream.ts"
import { lookup } from "../schema/Values.ts"

/** Reports what is wrong with one upstream. */
export const validate = (report: Report, item: Item): void => {
  validateAddresses(report, item)
  warnUnknown(report, item, "discovery", DISCOVERY, "and works like dns")
  warnUnknown(report, item, "alpn", ALPN, "and means H1")
  validateAlgo(report, item)
  validateHealthCheck(report, item)
  for (const code of text(item, "backend_failure_status_code")?.split(",") ?? []) {
    if (code.trim() === "" || /^[1-9]\d\d$/.test(code.trim())) continue
    const message = `${JSON.stringify(code.trim())} is ignored`
    report.about("warning", item, ["backend_failure_status_code"], message, {
      expected: "a comma list of status codes such as 500,502"
    })
  }
  for (const server of text(item, "dns_server")?.split(",") ?? []) {
    if (server.trim() === "" || isNameServer(server.trim())) continue
    report.about("warning", item, ["dns_server"], `${JSON.stringify(server.trim())} is ignored`, {
      expected: "a comma list of IP addresses"
    })
  }
}

const isNameServer = (text: string): boolean => {
  const address = Address.parseUpstream(text, 53)
  return (
    !(address instanceof Address.AddressError) &&
    address.address.kind === "tcp" &&
    IpRules.isAddress(address.address.host)
  )
}

const validateAddresses = (report: Report, item: Item): void => {
  const discovery = lookup(DISCOVERY, text(item, "discovery") ?? "")
  const addrs = item.table["addrs"]
  if (Array.isArray(addrs) && addrs.length === 0 && discovery !== "transparent") {
    report.about("error", item, ["addrs"], "upstream addrs is empty", { expected: "at least one address" })
  }
  const list = texts(item, "addrs")
  if (discovery === "docker") {
    for (const [index, addr] of list) {
      // A container label stands for the host, and only a weight can be checked.
      if (!/\s0+$/.test(addr.trim())) continue
      report.about("error", item, ["addrs", index], `upstream addr(${addr}) is invalid, weight must be at least 1`)
    }
    return
  }
  const port = (text(item, "sni") ?? "") === "" ? 80 : 443
  const parsed = list.map(([index, addr]) => [index, addr, Address.parseUpstream(addr, port)] as const)
  const literal = parsed.every(([, , entry]) => entry instanceof Address.AddressError || !isHostName(entry.address))
  const isStatic = text(item, "discovery") === undefined ? literal : discovery === "static"
  for (const [index, addr, entry] of parsed) {
    const path = ["addrs", index]
    if (entry instanceof Address.AddressError) {
      report.about("error", item, path, `upstream addr(${addr}) is invalid, ${entry.message}`, {
        expected: "host[:port] [weight], such as 10.0.0.1:8080 or api.internal:80 5"
      })
    } else if (isStatic && entry.address.kind === "tcp" && Address.isUnusableIp(entry.address.host)) {
      report.about("error", item, path, `upstream addr(${addr}) is an invalid IP`, {
        expected: "an address that a backend can have"
      })
    } else if (entry.warning !== undefined) report.about("warning", item, path, entry.warning)
  }
}

const isHostName = (address: Address.Address): boolean => address.kind === "tcp" && !IpRules.isAddress(address.host)

const warnUnknown = (
  report: Report,
  item: Item,
  key: string,
  words: Readonly<Record<string, string>>,
  meaning: string
): void => {
  const value = text(item, key)
  if (value === undefined || lookup(words, value) !== undefined) return
  const choices = Object.values(words)
  report.about("warning", item, [key], `${key} ${JSON.stringify(value)} is unknown ${meaning}`, {
    expected: [...new Set(choices)].join(", "),
    hint: didYouMean(value, choices)
  })
}

const HASHES = ["ip", "url", "path", "header", "cookie", "query"]

const validateAlgo = (report: Report, item: Item): void => {
  const value = text(item, "algo")
  if (value === undefined || value === "" || value === "round_robin" || value === "hash") return
  const [kind, type = "", key = ""] = value.split(":")
  const warn = (message: string, hint: string | undefined): void =>
    report.about("warning", item, ["algo"], message, {
      expected:
        "round_robin, hash:ip, hash:url, hash:path, hash:header:<name>, hash:cookie:<name> or hash:query:<name>",
      hint
    })
  if (kind !== "hash") {
    const known = ["round_robin", ...HASHES.map((hash) => `hash:${hash}`)]
    warn(`algo ${JSON.stringify(value)} is unknown and works like round_robin`, didYouMean(value, known))
  } else if (!HASHES.includes(type)) {
    warn(`algo ${JSON.stringify(value)} is unknown and works like hash:path`, didYouMean(type, HASHES))
  } else if (type === "header" ? !isName(key) : (type === "cookie" || type === "query") && key === "") {
    warn(`algo ${JSON.stringify(value)} names no ${type}, so every request has the same key`, undefined)
  }
}

const SCHEMES = ["tcp:", "http:", "https:", "grpc:"]
const DURATIONS = ["connection_timeout", "read_timeout", "check_frequency"]
const COUNTS = ["success", "failure"]

const validateHealthCheck = (report: Report, item: Item): void => {
  const value = text(item, "health_check")
  if (value === undefined || value === "") return
  const url = parseUrl(value)
  const problem = url === undefined ? `url parse error: ${urlProblem(value)}, ${value}` : schemeProblem(url, value)
  if (url === undefined || problem !== undefined) {
    report.about("error", item, ["health_check"], problem ?? "", {
      expected: "a URL such as http://host/path, tcp://name or grpc://host"
    })
    return
  }
  for (const [key, parameter] of url.searchParams) {
    const ignored = DURATIONS.includes(key)
      ? typeof Duration.parse(parameter) !== "number"
      : COUNTS.includes(key) && !/^[1-9]\d{0,8}$/.test(parameter)
    if (!ignored) continue
    report.about("warning", item, ["health_check"], `${key} ${JSON.stringify(parameter)} is ignored`, {
      expected: DURATIONS.includes(key) ? "a duration such as 10s" : "a whole number of at least 1"
    })
  }
}

const urlProblem = (text: string): string => (/^[a-z]+:\/*(?:[?#]|$)/i.test(text) ? "empty host" : "invalid URL")

const schemeProblem = (url: URL, text: string): string | undefined => {
  if (!SCHEMES.includes(url.protocol)) return `health check scheme(${url.protocol.slice(0, -1)}) is unknown`
  return url.hostname === "" ? `url parse error: empty host, ${text}` : undefined
}

const parseUrl = (text: string): URL | undefined => {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}
