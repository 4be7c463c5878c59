/**
 * The fields a location sends to its upstream: what the client sent with the location's own applied. Spec: config 7.7,
 * hardening 5.
 *
 * The fields of the exchange are not changed, because every attempt starts from them again. One pass over the block
 * drops what is replaced; the rest is copied in runs. Text that is the same for every request is joined when the
 * configuration is built.
 */
import { isConnectionField, isName, isValue } from "../model/Fields.ts"
import * as DynamicValue from "../proxy/DynamicValue.ts"
import type { Exchange } from "../proxy/Exchange.ts"

/** The part of `[locations.*]` that decides about fields. Entries are `Name: value`. */
export interface FieldRules {
  readonly enable_reverse_proxy_headers?: boolean | undefined
  readonly proxy_set_headers?: ReadonlyArray<string> | undefined
  readonly proxy_add_headers?: ReadonlyArray<string> | undefined
}

/** What values may refer to besides the request. */
export interface Machine {
  readonly hostname: string
  readonly env: DynamicValue.Environment
}

/** Gives the block to send for one exchange. */
export type UpstreamFields = (exchange: Exchange) => string

/** Prepares the fields of a location; null when it has none of its own. Entries without effect are left out. */
export const compile = (rules: FieldRules, machine: Machine): UpstreamFields | null => {
  const set = entriesOf(rules.proxy_set_headers)
  const added = entriesOf(rules.proxy_add_headers)
  // A request has one Host: adding one replaces it.
  const replaced = [
    ...(rules.enable_reverse_proxy_headers === true ? FORWARDING : []),
    ...set,
    ...added.filter((entry) => entry.lowerName === "host")
  ]
  const last = new Map(replaced.map((entry) => [entry.lowerName, entry]))
  const host = last.get("host")
  last.delete("host")
  const lines = [...last.values(), ...added.filter((entry) => entry.lowerName !== "host")]
  if (host === undefined && lines.length === 0) return null
  const appended = join(lines.map((entry) => prepare(entry, machine)))
  const append = (block: string, exchange: Exchange): string => {
    let text = block
    for (const line of appended) text += write(line, exchange)
    return text
  }
  const names = byLength([...last.keys()])
  if (host === undefined) return (exchange) => append(without(exchange.fields.text, names), exchange)
  const hostLine = prepare(host, machine)
  const namesAndHost = byLength([...last.keys(), "host"])
  return (exchange) => {
    const first = write(hostLine, exchange)
    // Without a value the client's own Host stays: there is never none.
    return append(first + without(exchange.fields.text, first === "" ? names : namesAndHost), exchange)
  }
}

/** Entries of a location that have no effect, and why. */
export const problems = (rules: FieldRules): ReadonlyArray<string> =>
  [...(rules.proxy_set_headers ?? []), ...(rules.proxy_add_headers ?? [])]
    .map(parseEntry)
    .filter((parsed) => typeof parsed === "string")

interface Entry {
  readonly name: string
  readonly lowerName: string
  readonly value: string
}

/** A line, or several, as text, or a line whose value is found per exchange. */
type Line = string | { readonly start: string; readonly value: DynamicValue.Resolve }

const entry = (name: string, value: string): Entry => ({ name, lowerName: name.toLowerCase(), value })

const FORWARDING: ReadonlyArray<Entry> = [
  entry("X-Real-IP", "$remote_addr"),
  entry("X-Forwarded-For", "$proxy_add_x_forwarded_for"),
  entry("X-Forwarded-Proto", "$scheme"),
  entry("X-Forwarded-Host", "$host"),
  entry("X-Forwarded-Port", "$server_port")
]

const entriesOf = (texts: ReadonlyArray<string> | undefined): ReadonlyArray<Entry> =>
  (texts ?? []).map(parseEntry).filter((parsed) => typeof parsed !== "string")

/** Reads `Name: value`, or says why the entry has no effect. */
const parseEntry = (text: string): Entry | string => {
  const colon = text.indexOf(":")
  if (colon === -1) return `header ${text} is invalid`
  const name = text.slice(0, colon).trim()
  const value = text.slice(colon + 1).trim()
  if (!isName(name)) return `invalid header name: ${name}`
  if (!isValue(value)) return `invalid header value: ${value}`
  if (isConnectionField(name.toLowerCase())) return `header ${name} belongs to the connection and is ignored`
  return entry(name, value)
}

const prepare = (from: Entry, machine: Machine): Line => {
  const value = DynamicValue.compile(from.value, machine.hostname, machine.env)
  return typeof value === "string" ? `${from.name}: ${value}\r\n` : { start: `${from.name}: `, value }
}

const join = (lines: ReadonlyArray<Line>): ReadonlyArray<Line> => {
  const joined: Array<Line> = []
  for (const line of lines) {
    const last = joined[joined.length - 1]
    if (typeof line === "string" && typeof last === "string") joined[joined.length - 1] = last + line
    else joined.push(line)
  }
  return joined
}

const write = (line: Line, exchange: Exchange): string => {
  if (typeof line === "string") return line
  const value = line.value(exchange)
  return value === undefined ? "" : `${line.start}${value}\r\n`
}

/** Names with `-` for each `_`: CGI-like programs read both as one field, so what is set replaces either spelling. */
type NamesByLength = ReadonlyArray<ReadonlyArray<string> | undefined>

const byLength = (names: ReadonlyArray<string>): NamesByLength => {
  const table: Array<Array<string> | undefined> = []
  for (const name of names) {
    while (table.length <= name.length) table.push(undefined)
    const list = table[name.length]
    if (list === undefined) table[name.length] = [dashed(name)]
    else list.push(dashed(name))
  }
  return table
}

const dashed = (name: string): string => name.toLowerCase().replaceAll("_", "-")

/** The block without the lines of some names. Most lines are ruled out by the length of their name. */
const without = (text: string, names: NamesByLength): string => {
  if (names.length === 0) return text
  let out = ""
  let copied = 0
  let start = 0
  while (start < text.length) {
    const length = text.indexOf(":", start) - start
    const next = text.indexOf("\n", start) + 1
    const list = length < names.length ? names[length] : undefined
    if (list?.includes(dashed(text.slice(start, start + length)))) {
      out += text.slice(copied, start)
      copied = next
    }
    start = next
  }
  return copied === 0 ? text : out + text.slice(copied)
}
