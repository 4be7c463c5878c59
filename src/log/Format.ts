/**
 * Access-log formats: grammar, presets, and their compilation to one function per format. Spec: access-log 1 to 3.
 *
 * {@link parse} splits a format into literal text and tags and never fails; {@link compile} turns it into a function of
 * an exchange. Literals, the environment and the host name are resolved and joined when it is compiled; per line there
 * is one call per tag. What a line shows of the client's input is escaped (see `Escape.ts`), so that every exchange
 * makes exactly one line, whatever its fields hold. Lines come without their line end.
 */
import * as ByteSize from "../model/ByteSize.ts"
import * as Duration from "../model/Duration.ts"
import { type Fields, valueAt } from "../model/Fields.ts"
import { contextValue, readsMarks } from "../proxy/ContextValue.ts"
import type { Exchange } from "../proxy/Exchange.ts"
import * as Escape from "./Escape.ts"
import * as Timestamp from "./Timestamp.ts"

/** Formats with a name of their own. A preset counts only when the format is nothing but its name. */
export const PRESETS: ReadonlyMap<string, string> = new Map([
  ["combined", '{remote} "{method} {uri} {proto}" {status} {size_human} "{referer}" "{user_agent}"'],
  ["common", '{remote} "{method} {uri} {proto}" {status} {size_human}'],
  ["short", "{remote} {method} {uri} {proto} {status} {size_human} - {latency}ms"],
  ["tiny", "{method} {uri} {status} {size_human} - {latency}ms"]
])

/** One piece of a format. `unknown` is a tag that means nothing; it leaves no trace in a line. */
export interface Piece {
  readonly kind: "text" | "value" | "cookie" | "request" | "response" | "context" | "environment" | "unknown"
  /** The text itself, or the tag's name without its mark. */
  readonly name: string
}

/** What a format takes from the process, once. */
export interface Surroundings {
  readonly hostname: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly zone?: Timestamp.Zone
}

export interface CompiledFormat {
  /** The line of an exchange that has ended, without line end. */
  readonly line: (exchange: Exchange) => string
  /** Some tag reads what exchanges only note down when `server.measured` is set. */
  readonly measured: boolean
}

const TAG = /\{([A-Za-z0-9_<>.\-~:$]*)\}/g

const MARKS: ReadonlyMap<string, Piece["kind"]> = new Map([
  ["~", "cookie"],
  [">", "request"],
  ["<", "response"],
  [":", "context"],
  ["$", "environment"]
])

/** The pieces of a format, a preset's name included. */
export const parse = (format: string): Array<Piece> => {
  const text = PRESETS.get(format) ?? format
  const pieces: Array<Piece> = []
  let from = 0
  for (const match of text.matchAll(TAG)) {
    if (match.index > from) pieces.push({ kind: "text", name: text.slice(from, match.index) })
    pieces.push(tag(match[1]!))
    from = match.index + match[0].length
  }
  if (from < text.length) pieces.push({ kind: "text", name: text.slice(from) })
  return pieces
}

const tag = (name: string): Piece => {
  const marked = MARKS.get(name.charAt(0))
  if (marked === undefined) return { kind: VALUES.has(name) ? "value" : "unknown", name }
  const rest = name.slice(1)
  const known = rest !== "" && (marked !== "context" || contextValue(rest) !== undefined)
  return known ? { kind: marked, name: rest } : { kind: "unknown", name }
}

/** Turns a format into the function that writes its lines. Every text is a format. */
export const compile = (format: string, surroundings: Surroundings): CompiledFormat => {
  const source: Source = {
    now: surroundings.now ?? Date.now,
    timestamps: Timestamp.make(surroundings.zone)
  }
  const texts = [""]
  const parts: Array<Part> = []
  let measured = false
  for (const piece of parse(format)) {
    const part = compilePiece(piece, surroundings, source)
    if (typeof part === "string") {
      texts[parts.length] += part
    } else {
      parts.push(part)
      texts.push("")
      measured ||= readsTime(piece)
    }
  }
  return { line: join(texts, parts), measured }
}

type Part = (exchange: Exchange) => string

interface Source {
  readonly now: () => number
  readonly timestamps: Timestamp.Timestamps
}

/** A line starts with `texts[0]`; the text after part n is `texts[n + 1]`. */
const join = (texts: ReadonlyArray<string>, parts: ReadonlyArray<Part>): Part => {
  const first = texts[0]!
  const after = texts.slice(1)
  const count = parts.length
  return (exchange) => {
    let line = first
    for (let i = 0; i < count; i++) line += parts[i]!(exchange) + after[i]!
    return line
  }
}

const readsTime = (piece: Piece): boolean =>
  piece.kind === "context" ? readsMarks(piece.name) : piece.kind === "value" && piece.name.startsWith("latency")

const compilePiece = (piece: Piece, surroundings: Surroundings, source: Source): Part | string => {
  const { kind, name } = piece
  switch (kind) {
    case "text":
      return Escape.literal(name)
    case "environment":
      return Escape.literal(name === "hostname" ? surroundings.hostname : (surroundings.env[name] ?? ""))
    case "unknown":
      return ""
    case "value":
      return VALUES.get(name)!(source)
    case "cookie":
      return (exchange) => Escape.wire(cookie(exchange.fields, name))
    case "request":
      return requestField(name)
    case "response": {
      const read = reader(name)
      return (exchange) => dash(read(exchange.response))
    }
    case "context":
      return name === "location" ? location() : name === "upstream_addr" ? upstreamAddress : contextValue(name)!
  }
}

const requestField = (name: string): Part => {
  const read = reader(name)
  return (exchange) => dash(read(exchange.fields))
}

/**
 * Finds a field by the spelling most clients use, which costs one search for its first letter, and line by line only
 * when it is not there: a third of the time for a field far down a head.
 */
const reader = (name: string): ((fields: Fields) => string | undefined) => {
  const lowerName = name.toLowerCase()
  const spelled = `${name}:`
  return (fields) => {
    const text = fields.text
    const at = text.indexOf(spelled)
    const isLine = at === 0 || (at > 0 && text.charCodeAt(at - 1) === 10)
    return isLine ? valueAt(text, at, name.length) : fields.get(lowerName)
  }
}

/** Codecs hand over the usual methods as the same few strings, which then compare by identity. */
const method = (): Part => {
  let last = ""
  let text = "-"
  return (exchange) => {
    if (exchange.method !== last) {
      last = exchange.method
      text = dash(last)
    }
    return text
  }
}

/** Remembers the last location's name: most lines in a row are of few locations. */
const location = (): Part => {
  let last: Exchange["location"] = null
  let text = ""
  return (exchange) => {
    if (exchange.location !== last) {
      last = exchange.location
      text = last === null ? "" : Escape.name(last.name)
    }
    return text
  }
}

const upstreamAddress: Part = (exchange) => Escape.wire(exchange.upstreamAddress)

/** A value of the client's, or the mark for none. */
const dash = (value: string | undefined): string => (value === undefined || value === "" ? "-" : Escape.wire(value))

/** Value of the first cookie of exactly this name, in any of the `Cookie` fields; empty when there is none. */
const cookie = (fields: Fields, name: string): string => {
  const first = fields.get("cookie")
  if (first === undefined) return ""
  const value = cookieIn(first, name)
  if (value !== undefined) return value
  // HTTP/2 clients may send one field per cookie (RFC 9113 8.2.3).
  for (const crumbs of fields.getAll("cookie")) {
    const found = cookieIn(crumbs, name)
    if (found !== undefined) return found
  }
  return ""
}

const cookieIn = (text: string, name: string): string | undefined => {
  let start = 0
  while (start < text.length) {
    while (text.charCodeAt(start) === 32) start++
    const semicolon = text.indexOf(";", start)
    const end = semicolon === -1 ? text.length : semicolon
    const value = start + name.length + 1
    if (value <= end && text.charCodeAt(value - 1) === 61 && text.startsWith(name, start)) {
      return text.slice(value, end).trimEnd()
    }
    start = end + 1
  }
  return undefined
}

const latency = (exchange: Exchange): number =>
  exchange.startedAt === 0 ? 0 : Math.trunc(performance.now() - exchange.startedAt)

/** The tags without a mark. Each makes its part once, from what all tags of a format share. */
const VALUES: ReadonlyMap<string, (source: Source) => Part> = new Map<string, (source: Source) => Part>([
  ["host", () => (exchange) => dash(exchange.host)],
  ["method", method],
  ["path", () => (exchange) => dash(exchange.path)],
  ["query", () => (exchange) => dash(exchange.query)],
  // The target rather than the matched path: what was really asked for, dot segments and all.
  ["uri", () => (exchange) => dash(exchange.target)],
  ["proto", () => (exchange) => protocol(exchange.version)],
  ["scheme", () => (exchange) => exchange.scheme],
  ["remote", () => (exchange) => exchange.client.remoteAddress || "-"],
  // Always a well-formed address: `IpRules.clientAddress` takes nothing else from a field.
  ["client_ip", () => (exchange) => exchange.clientIp || "-"],
  ["referer", () => requestField("Referer")],
  ["user_agent", () => requestField("User-Agent")],
  ["when", (source) => () => source.timestamps.local(source.now())],
  ["when_utc_iso", (source) => () => source.timestamps.utc(source.now())],
  ["when_unix", (source) => () => String(source.now())],
  ["status", () => (exchange) => (exchange.status === 0 ? "-" : String(exchange.status))],
  ["size", () => (exchange) => String(exchange.responseBytes)],
  ["size_human", () => (exchange) => ByteSize.human(exchange.responseBytes)],
  ["latency", () => (exchange) => String(latency(exchange))],
  ["latency_human", () => (exchange) => Duration.human(latency(exchange))],
  ["payload_size", () => (exchange) => String(exchange.requestBytes)],
  ["payload_size_human", () => (exchange) => ByteSize.human(exchange.requestBytes)],
  ["request_id", () => (exchange) => dash(exchange.requestId)]
])

/** Names of the tags without a mark, for documentation and proposals. */
export const tagNames = (): Array<string> => [...VALUES.keys()]

const protocol = (version: number): string =>
  version === 11 ? "HTTP/1.1" : version === 20 ? "HTTP/2.0" : version === 10 ? "HTTP/1.0" : `HTTP/${version / 10}`
