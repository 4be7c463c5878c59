/**
 * Sets of addresses and networks, and the client address that forwarding fields give. Spec: plugins 2.3, hardening 5.
 *
 * An address is read by the letter: four decimal numbers, or RFC 4291 text with an optional embedded IPv4 tail.
 * Octal, hexadecimal and short forms are no addresses, because other programs read them differently. A zone id is
 * dropped, and an IPv4-mapped IPv6 address is the IPv4 address. Looking up costs one parse and one set lookup per
 * distinct prefix length, however long the list is; for IPv4 nothing is allocated.
 */
import type { Fields } from "./Fields.ts"

/**
 * Peers whose forwarding fields count when `trusted_proxies` is not set: loopback and private ranges (RFC 1918,
 * RFC 4193).
 */
export const DEFAULT_TRUSTED: ReadonlyArray<string> = [
  "127.0.0.0/8",
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "::1",
  "fc00::/7"
]

interface Networks<Key> {
  readonly prefix: number
  readonly keys: Set<Key>
}

/** An immutable set of addresses and networks. */
export class IpRules {
  /** Number of single addresses. */
  readonly addresses: number
  /** Number of networks. */
  readonly networks: number
  /** Entries that are neither, as they were written. */
  readonly invalid: ReadonlyArray<string>
  private readonly v4: ReadonlyArray<Networks<number>>
  private readonly v6: ReadonlyArray<Networks<string>>

  private constructor(entries: Iterable<string>) {
    const invalid: Array<string> = []
    const v4 = new Map<number, Set<number>>()
    const v6 = new Map<number, Set<string>>()
    let addresses = 0
    let networks = 0
    for (const entry of entries) {
      const rule = entry.trim()
      const slash = rule.indexOf("/")
      const family = read(rule, 0, slash === -1 ? rule.length : slash)
      const bits = slash === -1 ? -1 : prefixLength(rule.slice(slash + 1), family, rule.indexOf(":") !== -1)
      if (family === 0 || (slash !== -1 && bits === -1)) {
        invalid.push(entry)
        continue
      }
      if (slash === -1) addresses++
      else networks++
      if (family === 4) member(v4, bits === -1 ? 32 : bits).add(maskWord(w3, bits === -1 ? 32 : bits))
      else member(v6, bits === -1 ? 128 : bits).add(keyOfWords(bits === -1 ? 128 : bits))
    }
    this.addresses = addresses
    this.networks = networks
    this.invalid = invalid
    this.v4 = Array.from(v4, ([prefix, keys]) => ({ prefix, keys }))
    this.v6 = Array.from(v6, ([prefix, keys]) => ({ prefix, keys }))
  }

  /** Builds a set from addresses and CIDR blocks. Entries that are neither end up in {@link IpRules.invalid}. */
  static compile(entries: Iterable<string>): IpRules {
    return new IpRules(entries)
  }

  /** True when `address` is an address and in the set. */
  has(address: string): boolean {
    return this.covers(read(address, 0, address.length))
  }

  private covers(family: number): boolean {
    if (family === 4) {
      const address = w3
      for (const { prefix, keys } of this.v4) if (keys.has(maskWord(address, prefix))) return true
    } else if (family === 6) {
      for (const { prefix, keys } of this.v6) if (keys.has(keyOfWords(prefix))) return true
    }
    return false
  }
}

/** Builds a set from addresses and CIDR blocks, see {@link IpRules.compile}. */
export const compile = (entries: Iterable<string>): IpRules => IpRules.compile(entries)

/** True for the text of one IPv4 or IPv6 address. */
export const isAddress = (text: string): boolean => read(text, 0, text.length) !== 0

/**
 * The one text form of an address (RFC 5952; IPv4-mapped addresses as IPv4, no zone id), or `undefined` when `text` is
 * no address.
 */
export const normalize = (text: string): string | undefined => {
  const family = read(text, 0, text.length)
  return family === 0 ? undefined : format(text, family)
}

/** An address as the system reports it, with IPv4 in its own form where a socket serves both families. */
export const plain = (address: string): string =>
  address.charCodeAt(0) === COLON && address.startsWith("::ffff:") ? (normalize(address) ?? address) : address

/**
 * The address of the client behind `peer`. `X-Forwarded-For` and `X-Real-IP` count only when `peer` is trusted; then
 * it is the right-most address that is no trusted proxy, the left-most when all are. Something that is no address
 * ends the walk, since what stands left of it was not written by a proxy that we trust.
 */
export const clientAddress = (trusted: IpRules, peer: string, fields: Fields): string => {
  peer = plain(peer)
  if (!trusted.has(peer)) return peer
  const forwarded = fields.has("x-forwarded-for") ? fields.getAll("x-forwarded-for") : []
  let client = ""
  for (let i = forwarded.length - 1; i >= 0; i--) {
    const value = forwarded[i]!
    let end = value.length
    while (end >= 0) {
      const comma = end === 0 ? -1 : value.lastIndexOf(",", end - 1)
      const element = value.slice(comma + 1, end).trim()
      end = comma
      if (element === "") continue
      const address = normalize(withoutPort(element))
      if (address === undefined) return client === "" ? peer : client
      client = address
      if (!trusted.has(address)) return client
    }
  }
  if (client !== "") return client
  const real = fields.get("x-real-ip")
  return (real !== undefined && normalize(withoutPort(real))) || peer
}

// Some load balancers append `address:port`.
const withoutPort = (text: string): string => {
  if (text.charCodeAt(0) === BRACKET) {
    const close = text.indexOf("]")
    return close !== -1 && /^(?::[0-9]{1,5})?$/.test(text.slice(close + 1)) ? text.slice(1, close) : text
  }
  const colon = text.indexOf(":")
  return colon > 0 && text.indexOf(".") < colon && /^:[0-9]{1,5}$/.test(text.slice(colon)) ? text.slice(0, colon) : text
}

const COLON = 58
const BRACKET = 91

// The address read last: four 32-bit words, an IPv4 address in the last one. Kept here so that reading allocates
// nothing.
let w0 = 0
let w1 = 0
let w2 = 0
let w3 = 0
const groups = new Uint16Array(8)

/** Reads `text[from, to)`; the result is 4, 6, or 0 when it is no address. */
const read = (text: string, from: number, to: number): 0 | 4 | 6 => {
  if (to - from < 2 || to - from > 100) return 0
  const first = text.indexOf(":", from)
  if (first === -1 || first >= to) {
    w3 = readV4(text, from, to)
    return w3 === -1 ? 0 : 4
  }
  const zone = text.indexOf("%", from)
  if (zone !== -1 && zone < to) {
    if (zone === to - 1) return 0
    to = zone
  }
  if (!readV6(text, from, to)) return 0
  w0 = ((groups[0]! << 16) | groups[1]!) >>> 0
  w1 = ((groups[2]! << 16) | groups[3]!) >>> 0
  w2 = ((groups[4]! << 16) | groups[5]!) >>> 0
  w3 = ((groups[6]! << 16) | groups[7]!) >>> 0
  return w0 === 0 && w1 === 0 && w2 === 0xffff ? 4 : 6
}

const readV4 = (text: string, from: number, to: number): number => {
  let address = 0
  let octet = -1
  let dots = 0
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i)
    if (code === 46) {
      if (octet === -1 || ++dots > 3) return -1
      address = address * 256 + octet
      octet = -1
    } else if (code >= 48 && code <= 57) {
      // A leading zero is octal to some readers.
      if (octet === 0) return -1
      octet = octet === -1 ? code - 48 : octet * 10 + code - 48
      if (octet > 255) return -1
    } else return -1
  }
  return dots === 3 && octet !== -1 ? address * 256 + octet : -1
}

const readV6 = (text: string, from: number, to: number): boolean => {
  let count = 0
  let gap = -1
  let at = from
  if (text.charCodeAt(at) === COLON) {
    if (text.charCodeAt(at + 1) !== COLON) return false
    gap = 0
    at += 2
  }
  while (at < to) {
    if (count === 8) return false
    let value = 0
    let end = at
    while (end < to) {
      const digit = hexDigit(text.charCodeAt(end))
      if (digit === -1) break
      value = value * 16 + digit
      end++
    }
    if (end < to && text.charCodeAt(end) === 46) {
      const tail = count <= 6 ? readV4(text, at, to) : -1
      if (tail === -1) return false
      groups[count++] = tail >>> 16
      groups[count++] = tail & 0xffff
      at = to
      break
    }
    if (end === at || end - at > 4) return false
    groups[count++] = value
    at = end
    if (at === to) break
    if (text.charCodeAt(at) !== COLON) return false
    at++
    if (at === to) return false
    if (text.charCodeAt(at) === COLON) {
      if (gap !== -1) return false
      gap = count
      at++
    }
  }
  if (gap === -1) return count === 8
  if (count === 8) return false
  groups.copyWithin(8 - (count - gap), gap, count)
  groups.fill(0, gap, 8 - (count - gap))
  return true
}

const hexDigit = (code: number): number =>
  code >= 48 && code <= 57
    ? code - 48
    : code >= 97 && code <= 102
      ? code - 87
      : code >= 65 && code <= 70
        ? code - 55
        : -1

const format = (text: string, family: 4 | 6): string => {
  if (family === 4) {
    // Strict IPv4 text is its own only form.
    return text.indexOf(":") === -1 ? text : `${w3 >>> 24}.${(w3 >>> 16) & 255}.${(w3 >>> 8) & 255}.${w3 & 255}`
  }
  let start = -1
  let length = 1
  for (let i = 0; i < 8; i++) {
    let run = i
    while (run < 8 && groups[run] === 0) run++
    if (run - i > length) {
      start = i
      length = run - i
    }
    if (run > i) i = run
  }
  const text6 = Array.from(groups, (group) => group.toString(16))
  return start === -1 ? text6.join(":") : `${text6.slice(0, start).join(":")}::${text6.slice(start + length).join(":")}`
}

/** Number of network bits within the family that was read, or -1. */
const prefixLength = (text: string, family: 0 | 4 | 6, mapped: boolean): number => {
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(text)) return -1
  const bits = Number(text)
  if (family === 6) return bits <= 128 ? bits : -1
  if (!mapped) return bits <= 32 ? bits : -1
  // `::ffff:10.0.0.0/104` is 10.0.0.0/8.
  return bits >= 96 && bits <= 128 ? bits - 96 : -1
}

const maskWord = (word: number, bits: number): number =>
  bits >= 32 ? word : bits <= 0 ? 0 : (word & (-1 << (32 - bits))) >>> 0

const keyOfWords = (bits: number): string =>
  `${maskWord(w0, bits)},${maskWord(w1, bits - 32)},${maskWord(w2, bits - 64)},${maskWord(w3, bits - 96)}`

const member = <Key>(map: Map<number, Set<Key>>, prefix: number): Set<Key> => {
  let keys = map.get(prefix)
  if (keys === undefined) map.set(prefix, (keys = new Set()))
  return keys
}
