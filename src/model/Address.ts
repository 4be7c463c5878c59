/**
 * Network addresses as configuration writes them: where a server listens (`0.0.0.0:80`, `[::]:443`, a comma list) and
 * where an upstream's backends are (`10.0.0.1:8080 3`, `api.internal`, `[::1]:80`), both also as `unix:/path`.
 *
 * Parsing is syntax only: no name is resolved here. Host names are checked before they can reach a resolver, IPv6
 * literals lose their brackets. Spec: config 8 (`addr`), upstreams 1.
 */
import * as IpRules from "./IpRules.ts"

/** Why a text is not an address. */
export class AddressError {
  readonly _tag = "AddressError"
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

/** A TCP address. `host` is a name or an IP literal, IPv6 without brackets. */
export interface TcpAddress {
  readonly kind: "tcp"
  readonly host: string
  readonly port: number
}

/** A unix domain socket. */
export interface UnixAddress {
  readonly kind: "unix"
  readonly path: string
}

export type Address = TcpAddress | UnixAddress

/** One entry of an upstream's `addrs`. */
export interface WeightedAddress {
  readonly address: Address
  readonly weight: number
  /** What was read in spite of the text: a weight that is no number counts as 1, further words count for nothing. */
  readonly warning: string | undefined
}

/** The text of an address, IPv6 in brackets. Equal addresses have equal texts. */
export const format = (address: Address): string =>
  address.kind === "unix" ? `unix:${address.path}` : formatHostPort(address.host, address.port)

/** A host, without brackets, and a port: `10.0.0.1:80`, `[::1]:80`. */
export const formatHostPort = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

/** One listen address: `ip:port`, `[ipv6]:port`, `name:port` or `unix:/path`. The port is required and may be 0. */
export const parseListen = (text: string): Address | AddressError => {
  const address = parseHostPort(text.trim(), undefined)
  return address._tag === "AddressError" ? new AddressError(`invalid socket address, ${text}`) : address.value
}

/** A comma separated list of listen addresses. The first invalid one decides. */
export const parseListenList = (text: string): ReadonlyArray<Address> | AddressError => {
  const addresses: Array<Address> = []
  for (const item of text.split(",")) {
    const address = parseListen(item)
    if (address instanceof AddressError) return address
    addresses.push(address)
  }
  return addresses
}

/**
 * One backend: `host[:port] [weight]`. Without a port it is `defaultPort`, 443 for a TLS upstream and 80 otherwise.
 * Weight 0 is an error: it would take the backend out in one algorithm and break another.
 */
export const parseUpstream = (text: string, defaultPort: number): WeightedAddress | AddressError => {
  const [host = "", weight, ...rest] = text.trim().split(/\s+/)
  const address = parseHostPort(host, defaultPort)
  if (address._tag === "AddressError") return address
  if (address.value.kind === "tcp" && address.value.port === 0) return new AddressError("port must be 1 to 65535")
  if (weight === undefined) return { address: address.value, weight: 1, warning: undefined }
  const number = /^\d{1,9}$/.test(weight) ? Number(weight) : undefined
  if (number === 0) return new AddressError("weight must be at least 1")
  return {
    address: address.value,
    weight: number ?? 1,
    warning:
      number === undefined
        ? `weight ${JSON.stringify(weight)} is not a whole number and counts as 1`
        : rest.length > 0
          ? `${JSON.stringify(rest.join(" "))} after the weight is ignored`
          : undefined
  }
}

type HostPort = { readonly _tag: "Address"; readonly value: Address } | AddressError

const parseHostPort = (text: string, defaultPort: number | undefined): HostPort => {
  if (text === "") return new AddressError("address is empty")
  if (text.startsWith("unix:")) {
    const path = text.slice(5)
    return path.startsWith("/") && !path.includes("\0")
      ? { _tag: "Address", value: { kind: "unix", path } }
      : new AddressError("a unix socket needs an absolute path, for example unix:/run/app.sock")
  }
  // A bare IPv6 literal has no port: its last group cannot be told from one.
  if (isIpv6(text)) return tcp(text, undefined, defaultPort)
  if (text.startsWith("[")) {
    const end = text.indexOf("]")
    const host = text.slice(1, end)
    const rest = text.slice(end + 1)
    if (end === -1 || !isIpv6(host) || (rest !== "" && !rest.startsWith(":"))) {
      return new AddressError(`${text} is not an IPv6 address in brackets`)
    }
    return tcp(host, rest === "" ? undefined : rest.slice(1), defaultPort)
  }
  const colon = text.indexOf(":")
  const host = colon === -1 ? text : text.slice(0, colon)
  if (!isHost(host)) return new AddressError(`${JSON.stringify(host)} is not a host name or an IP address`)
  return tcp(host, colon === -1 ? undefined : text.slice(colon + 1), defaultPort)
}

const tcp = (host: string, port: string | undefined, defaultPort: number | undefined): HostPort => {
  const number = port === undefined ? defaultPort : /^\d{1,5}$/.test(port) ? Number(port) : undefined
  return number === undefined || number > 65_535
    ? new AddressError(port === undefined ? "a port is needed" : `${JSON.stringify(port)} is not a port`)
    : { _tag: "Address", value: { kind: "tcp", host, port: number } }
}

const NAME = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/

const isHost = (host: string): boolean => {
  // Digits and dots only: an IP address or nothing. `127.1` and `010.0.0.1` mean different hosts to different readers.
  if (/^[\d.]+$/.test(host)) return IpRules.isAddress(host)
  const name = host.endsWith(".") ? host.slice(0, -1) : host
  return name.length <= 253 && name.split(".").every((label) => NAME.test(label))
}

const isIpv6 = (text: string): boolean => text.includes(":") && IpRules.isAddress(text)

// Unspecified, broadcast, multicast, link-local.
const UNUSABLE = IpRules.compile([
  "0.0.0.0",
  "255.255.255.255",
  "224.0.0.0/4",
  "169.254.0.0/16",
  "::",
  "ff00::/8",
  "fe80::/10"
])

/**
 * True for an IP address that no backend can have: unspecified, broadcast, multicast or link-local, also when an IPv4
 * address is written as IPv6. Spec: config 5, validation.
 */
export const isUnusableIp = (host: string): boolean => UNUSABLE.has(host)
