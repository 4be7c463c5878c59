/**
 * Parses and checks the head of an upstream's HTTP/1 response (RFC 9112 4–6, hardening 8). As strict as the request
 * side: whatever is not plainly valid is refused, and the client gets 502 instead of it.
 */
import { Fields, valueAt } from "../model/Fields.ts"
import { nameIs, parseLength, TOKEN, VALUE } from "./Bytes.ts"
import { type Limits, RESPONSE_LIMITS } from "./Limits.ts"
import * as Own from "./Ownership.ts"

/** Filled by {@link parse}; one object serves many heads. */
export class ResponseHead {
  status = 0
  reason = ""
  /** End-to-end fields without `Content-Length`. */
  fields = ""
  /** `Content-Length`, -1 when absent. */
  length = -1
  chunked = false
  /** The upstream will take another request on this connection. */
  keepAlive = true
  upgrade = ""
  /** There is a `Date` among the fields. */
  dated = false
  /** Characters of the head, the closing empty line included. */
  size = 0
}

const CR = 13
const LF = 10

/** Parses `text`, whose head ends with the `\r\n\r\n` at `end`. False: invalid, destroy the connection. */
export const parse = (text: string, end: number, head: ResponseHead, limits: Limits = RESPONSE_LIMITS): boolean => {
  if (end + 4 > limits.headBytes) return false
  if (!text.startsWith("HTTP/1.") || text.charCodeAt(8) !== 32) return false
  const minor = text.charCodeAt(7) - 48
  if (minor !== 0 && minor !== 1) return false
  const status = digit(text, 9) * 100 + digit(text, 10) * 10 + digit(text, 11)
  if (!(status >= 100 && status <= 999)) return false
  let at = 12
  if (text.charCodeAt(at) === 32) {
    const from = ++at
    while (VALUE[text.charCodeAt(at)] === 1) at++
    head.reason = status === 200 && at - from === 2 ? "OK" : text.slice(from, at)
  } else head.reason = ""
  if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF) return false
  at += 2

  head.status = status
  head.size = end + 4
  head.length = -1
  head.chunked = false
  head.upgrade = ""
  head.dated = false
  const fieldsEnd = end + 2
  let kept = ""
  let keptFrom = at
  let count = 0
  let connection = ""
  while (at < fieldsEnd) {
    const start = at
    while (TOKEN[text.charCodeAt(at)] === 1) at++
    const nameLength = at - start
    if (nameLength === 0 || text.charCodeAt(at) !== 58) return false
    at++
    while (VALUE[text.charCodeAt(at)] === 1) at++
    if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF) return false
    at += 2
    if (++count > limits.fieldCount) return false

    let drop = true
    switch (Own.classify(text, start, nameLength)) {
      case Own.DATE:
        head.dated = true
        drop = false
        break
      case Own.CONTENT_LENGTH:
        if (head.length !== -1) return false
        head.length = parseLength(valueAt(text, start, nameLength))
        if (head.length === -1) return false
        break
      case Own.TRANSFER_ENCODING: {
        const coding = valueAt(text, start, nameLength)
        if (head.chunked || coding.length !== 7 || !nameIs(coding, 0, "chunked")) return false
        head.chunked = true
        break
      }
      case Own.CONNECTION:
        connection =
          connection === "" ? valueAt(text, start, nameLength) : `${connection},${valueAt(text, start, nameLength)}`
        break
      case Own.UPGRADE:
        head.upgrade = valueAt(text, start, nameLength).toLowerCase()
        break
      case Own.DROP:
      case Own.TE:
      case Own.TRAILER:
        break
      default:
        drop = false
    }
    if (drop) {
      if (start > keptFrom) kept += text.slice(keptFrom, start)
      keptFrom = at
    }
  }
  head.fields = kept === "" ? text.slice(keptFrom, fieldsEnd) : kept + text.slice(keptFrom, fieldsEnd)
  if (head.chunked && (head.length !== -1 || minor === 0)) return false

  if (connection === "") head.keepAlive = minor === 1
  else if (connection === "keep-alive" || connection === "Keep-Alive") head.keepAlive = true
  else {
    head.keepAlive = Own.listHas(connection, "close") ? false : minor === 1 || Own.listHas(connection, "keep-alive")
    const names = Own.nominated(connection)
    if (names.length > limits.fieldCount) return false
    if (names.length > 0) {
      const fields = new Fields(head.fields)
      for (const name of names) fields.remove(name)
      head.fields = fields.text
    }
  }
  return true
}

const digit = (text: string, at: number): number => {
  const value = text.charCodeAt(at) - 48
  return value >= 0 && value <= 9 ? value : Number.NaN
}
