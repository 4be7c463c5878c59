/**
 * Parses and checks the head of an HTTP/1 request (RFC 9112 2–6, hardening 4 and 5).
 *
 * One pass over the text. What has two readings is refused, never repaired. Hop-by-hop fields, framing fields and
 * forwarding fields of untrusted peers are cut out; all other lines stay together as the text they were, so that an
 * ordinary head is forwarded as one slice.
 */
import { Fields, valueAt } from "../model/Fields.ts"
import type { RequestHalf } from "../proxy/Exchange.ts"
import * as Failure from "../proxy/Failure.ts"
import { nameIs, parseLength, REG_NAME, TARGET, TOKEN, VALUE } from "./Bytes.ts"
import type { Limits } from "./Limits.ts"
import * as Own from "./Ownership.ts"

/** Filled by {@link parse}; one object serves many heads, an exchange copies what it needs. */
export class RequestHead implements RequestHalf {
  method = ""
  path = ""
  query = ""
  target = ""
  host = ""
  version = 11
  scheme: "http" | "https" = "http"
  fields = ""
  length = 0
  upgrade = ""
  expectsContinue = false
  acceptsTrailers = false
  /** The client will send another request on this connection. */
  keepAlive = true
  /** Characters of the head, a leading empty line and the closing one included. */
  size = 0
}

const CR = 13
const LF = 10
const SPACE = 32
const DOT = 46
const KNOWN_CODINGS = /^(?:x-)?(?:gzip|compress|deflate|br|zstd)(?:[ \t]*,[ \t]*chunked)?$/i

/**
 * Parses `text`, which starts at a head and holds its end at `end`, the position of the final `\r\n\r\n`. Returns null
 * and fills `head`, or the failure to answer with. `trusted`: the peer may say who the client is.
 */
export const parse = (
  text: string,
  end: number,
  limits: Limits,
  trusted: boolean,
  head: RequestHead
): Failure.Failure | null => {
  if (end + 4 > limits.headBytes) return Failure.headTooLarge
  let at = 0
  // One empty line before a request line is tolerated (RFC 9112 2.2).
  if (text.charCodeAt(0) === CR) {
    if (text.charCodeAt(1) !== LF) return Failure.badRequest
    at = 2
  }
  head.size = end + 4
  head.length = 0
  head.upgrade = ""
  head.expectsContinue = false
  head.acceptsTrailers = false

  // ---- request line
  const lineStart = at
  while (TOKEN[text.charCodeAt(at)] === 1) at++
  if (at === lineStart || text.charCodeAt(at) !== SPACE) return Failure.badRequest
  head.method = methodAt(text, lineStart, at)
  const targetStart = ++at
  let question = -1
  for (;;) {
    const code = text.charCodeAt(at)
    if (TARGET[code] !== 1) break
    if (code === 63) {
      if (question === -1) question = at
    } else if (code === 35) return Failure.badRequest
    at++
  }
  const targetEnd = at
  if (targetEnd - lineStart > limits.lineBytes) return Failure.targetTooLong
  if (targetEnd === targetStart || text.charCodeAt(at) !== SPACE) return Failure.badRequest
  const version = versionAt(text, at + 1)
  if (version < 10) return version === 5 ? Failure.versionNotSupported : Failure.badRequest
  head.version = version
  at += 11

  // ---- target
  let authority = ""
  if (text.charCodeAt(targetStart) === 47) {
    head.target = text.slice(targetStart, targetEnd)
    if (question === -1) {
      head.path = head.target
      head.query = ""
    } else {
      head.path = text.slice(targetStart, question)
      head.query = text.slice(question + 1, targetEnd)
    }
  } else {
    const other = parseOtherTarget(text.slice(targetStart, targetEnd), head)
    if (typeof other !== "string") return other
    authority = other
  }
  if (head.method === "CONNECT" || head.method === "TRACE") return Failure.methodNotAllowed

  // ---- fields
  const fieldsStart = at
  const fieldsEnd = end + 2
  let kept = ""
  let keptFrom = fieldsStart
  let count = 0
  let host = ""
  let hosts = 0
  let lengths = 0
  let codings = 0
  let coding = ""
  let connection = ""
  let upgrade = ""
  while (at < fieldsEnd) {
    const start = at
    let underscore = false
    for (;;) {
      const code = text.charCodeAt(at)
      if (TOKEN[code] !== 1) break
      if (code === 95) underscore = true
      at++
    }
    const nameLength = at - start
    if (nameLength === 0 || text.charCodeAt(at) !== 58) return Failure.badRequest
    at++
    while (VALUE[text.charCodeAt(at)] === 1) at++
    if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF) return Failure.badRequest
    at += 2
    if (at - start > limits.lineBytes || ++count > limits.fieldCount) return Failure.headTooLarge

    const field = Own.classify(text, start, nameLength)
    let drop = false
    switch (field) {
      case Own.FREE:
        drop = underscore && Own.isLookAlike(text.slice(start, start + nameLength))
        break
      case Own.HOST:
        host = valueAt(text, start, nameLength)
        hosts++
        break
      case Own.CONTENT_LENGTH:
        head.length = parseLength(valueAt(text, start, nameLength))
        if (head.length === -1 || ++lengths > 1) return Failure.badRequest
        drop = true
        break
      case Own.TRANSFER_ENCODING:
        coding = valueAt(text, start, nameLength)
        codings++
        drop = true
        break
      case Own.CONNECTION:
        connection =
          connection === "" ? valueAt(text, start, nameLength) : `${connection},${valueAt(text, start, nameLength)}`
        drop = true
        break
      case Own.UPGRADE:
        upgrade = upgrade === "" ? valueAt(text, start, nameLength).toLowerCase() : "?"
        drop = true
        break
      case Own.EXPECT:
        if (valueAt(text, start, nameLength).toLowerCase() !== "100-continue") return Failure.expectationFailed
        head.expectsContinue = version === 11
        drop = true
        break
      case Own.TE:
        head.acceptsTrailers ||= Own.listHas(valueAt(text, start, nameLength), "trailers")
        drop = true
        break
      case Own.FORWARDING:
        drop = !trusted
        break
      case Own.DATE:
        break
      default:
        drop = true
    }
    if (drop) {
      if (start > keptFrom) kept += text.slice(keptFrom, start)
      keptFrom = at
    }
  }
  head.fields = kept === "" ? text.slice(keptFrom, fieldsEnd) : kept + text.slice(keptFrom, fieldsEnd)

  // ---- framing (RFC 9112 6)
  if (codings > 0) {
    if (lengths > 0 || codings > 1 || version === 10) return Failure.badRequest
    if (coding.length !== 7 || !nameIs(coding, 0, "chunked")) {
      return KNOWN_CODINGS.test(coding) ? Failure.codingNotImplemented : Failure.badRequest
    }
    head.length = -1
  }
  if (head.length === 0) head.expectsContinue = false

  // ---- host (RFC 9112 3.2)
  if (hosts > 1 || (hosts === 0 && version === 11)) return Failure.badRequest
  if (hosts === 1) {
    const name = hostOf(host)
    if (name === "") return Failure.badRequest
    head.host = name
  } else head.host = ""
  if (authority !== "") {
    const name = hostOf(authority)
    if (name === "") return Failure.badRequest
    head.host = name
    const fields = new Fields(head.fields)
    fields.remove("host")
    head.fields = `Host: ${authority}\r\n${fields.text}`
  }

  // ---- connection
  if (connection === "") head.keepAlive = version === 11
  else if (!applyConnection(connection, upgrade, limits, head)) return Failure.headTooLarge
  return null
}

/** Position of the `\r\n\r\n` that ends a head, or -1. */
export const headEnd = (text: string, from = 0): number => text.indexOf("\r\n\r\n", from)

/**
 * Looks at a head that is not complete yet: a failure when it can only become an invalid or too large one.
 * Catches what would otherwise wait for its time-out: bare line feeds, control bytes, TLS or HTTP/2 on a plain port.
 */
export const checkPartial = (text: string, limits: Limits): Failure.Failure | null => {
  const length = text.length
  let at = text.startsWith("\r\n") ? 2 : 0
  if (at === 0 && length > 0 && TOKEN[text.charCodeAt(0)] !== 1 && text.charCodeAt(0) !== CR) return Failure.badRequest
  let lineStart = at
  let line = 0
  for (; at < length; at++) {
    const code = text.charCodeAt(at)
    if (VALUE[code] === 1) continue
    if (code === CR && (at + 1 === length || text.charCodeAt(at + 1) === LF)) continue
    if (code !== LF || text.charCodeAt(at - 1) !== CR) return Failure.badRequest
    lineStart = at + 1
    line++
  }
  if (length - lineStart > limits.lineBytes) return line === 0 ? Failure.targetTooLong : Failure.headTooLarge
  return length > limits.headBytes ? Failure.headTooLarge : null
}

const methodAt = (text: string, start: number, end: number): string => {
  switch (end - start) {
    case 3:
      if (text.startsWith("GET", start)) return "GET"
      return text.startsWith("PUT", start) ? "PUT" : text.slice(start, end)
    case 4:
      if (text.startsWith("POST", start)) return "POST"
      return text.startsWith("HEAD", start) ? "HEAD" : text.slice(start, end)
    default:
      return text.slice(start, end)
  }
}

// 10 or 11; 5 for another HTTP version, 0 for something else. Expects `HTTP/1.x\r\n` at `at`.
const versionAt = (text: string, at: number): number => {
  if (!text.startsWith("HTTP/", at)) return 0
  const major = text.charCodeAt(at + 5) - 48
  const minor = text.charCodeAt(at + 7) - 48
  if (major < 0 || major > 9 || text.charCodeAt(at + 6) !== 46 || minor < 0 || minor > 9) return 0
  if (text.charCodeAt(at + 8) !== CR || text.charCodeAt(at + 9) !== LF) return 0
  if (major !== 1) return 5
  return minor === 0 ? 10 : 11
}

// Absolute form (returns its authority), or `*` with OPTIONS (returns ""). RFC 9112 3.2.2 and 3.2.4.
const parseOtherTarget = (target: string, head: RequestHead): string | Failure.Failure => {
  if (head.method === "CONNECT") return ""
  if (target === "*") {
    if (head.method !== "OPTIONS") return Failure.badRequest
    head.target = "*"
    head.path = "/"
    head.query = ""
    return ""
  }
  const scheme = /^https?:\/\//i.exec(target)
  if (scheme === null) return Failure.badRequest
  const from = scheme[0].length
  let slash = from
  while (slash < target.length && target.charCodeAt(slash) !== 47 && target.charCodeAt(slash) !== 63) slash++
  const authority = target.slice(from, slash)
  if (authority === "") return Failure.badRequest
  const rest = target.slice(slash)
  head.target = rest.startsWith("/") ? rest : `/${rest}`
  const question = head.target.indexOf("?")
  head.path = question === -1 ? head.target : head.target.slice(0, question)
  head.query = question === -1 ? "" : head.target.slice(question + 1)
  return authority
}

/**
 * The host of `uri-host [":" port]` in lower case, or "" when the text has another form. The root's dot at the end of
 * a name is left out: `a.example.` is `a.example` to programs behind us, so it must be to rules as well.
 */
export const hostOf = (text: string): string => {
  let at = 0
  if (text.charCodeAt(0) === 91) {
    at = 1
    for (;;) {
      const code = text.charCodeAt(at)
      if ((code >= 48 && code <= 58) || (code >= 97 && code <= 102) || (code >= 65 && code <= 70) || code === 46) at++
      else break
    }
    if (at < 4 || text.charCodeAt(at) !== 93) return ""
    at++
  } else {
    while (REG_NAME[text.charCodeAt(at)] === 1) at++
    if (at === 0) return ""
  }
  const end = at > 1 && text.charCodeAt(at - 1) === DOT ? at - 1 : at
  const host = end === text.length ? text : text.slice(0, end)
  if (at < text.length) {
    if (text.charCodeAt(at) !== 58 || text.length - at > 6) return ""
    let port = 0
    for (at++; at < text.length; at++) {
      const digit = text.charCodeAt(at) - 48
      if (digit < 0 || digit > 9) return ""
      port = port * 10 + digit
    }
    if (port > 65535) return ""
  }
  return host.toLowerCase()
}

// False when more fields are named than a head may have: each name is a search through the block.
const applyConnection = (connection: string, upgrade: string, limits: Limits, head: RequestHead): boolean => {
  if (connection === "keep-alive" || connection === "Keep-Alive") {
    head.keepAlive = true
    return true
  }
  if (connection === "close") {
    head.keepAlive = false
    return true
  }
  const options = connection.toLowerCase()
  head.keepAlive = Own.listHas(options, "close") ? false : head.version === 11 || Own.listHas(options, "keep-alive")
  // Only WebSocket passes; h2c and anything else stays HTTP/1.1 (hardening 4).
  if (
    upgrade === "websocket" &&
    head.version === 11 &&
    head.method === "GET" &&
    head.length === 0 &&
    Own.listHas(options, "upgrade")
  ) {
    head.upgrade = upgrade
  }
  const names = Own.nominated(options)
  if (names.length === 0) return true
  if (names.length > limits.fieldCount) return false
  const fields = new Fields(head.fields)
  for (const name of names) fields.remove(name)
  head.fields = fields.text
  return true
}
