/**
 * Which fields of a message belong to a hop or to the proxy, and so are never copied from one side to the other.
 * RFC 9110 7.6.1, hardening 5.
 */
import { nameIs } from "./Bytes.ts"

/** An ordinary end-to-end field. */
export const FREE = 0
/** Dropped without a look: `Keep-Alive`, `Proxy-Connection`, `Proxy-Authorization`, `HTTP2-Settings`. */
export const DROP = 1
/** Says who the client is: counts, and passes, only when the peer is trusted. */
export const FORWARDING = 2
export const CONNECTION = 3
export const CONTENT_LENGTH = 4
export const TRANSFER_ENCODING = 5
export const UPGRADE = 6
export const TE = 7
export const TRAILER = 8
export const HOST = 9
export const EXPECT = 10
export const DATE = 11

/** Class of the field whose name stands at `start`. Decided by length and first letter before letters are compared. */
export const classify = (text: string, start: number, length: number): number => {
  switch (length) {
    case 2:
      return nameIs(text, start, "te") ? TE : FREE
    case 4: {
      const first = text.charCodeAt(start) | 32
      if (first === 104) return nameIs(text, start, "host") ? HOST : FREE
      return first === 100 && nameIs(text, start, "date") ? DATE : FREE
    }
    case 6:
      return nameIs(text, start, "expect") ? EXPECT : FREE
    case 7: {
      const first = text.charCodeAt(start) | 32
      if (first === 117) return nameIs(text, start, "upgrade") ? UPGRADE : FREE
      return first === 116 && nameIs(text, start, "trailer") ? TRAILER : FREE
    }
    case 9: {
      const first = text.charCodeAt(start) | 32
      if (first === 102) return nameIs(text, start, "forwarded") ? FORWARDING : FREE
      return first === 120 && nameIs(text, start, "x-real-ip") ? FORWARDING : FREE
    }
    case 10: {
      const first = text.charCodeAt(start) | 32
      if (first === 99) return nameIs(text, start, "connection") ? CONNECTION : FREE
      return first === 107 && nameIs(text, start, "keep-alive") ? DROP : FREE
    }
    case 14: {
      const first = text.charCodeAt(start) | 32
      if (first === 99) return nameIs(text, start, "content-length") ? CONTENT_LENGTH : FREE
      return first === 104 && nameIs(text, start, "http2-settings") ? DROP : FREE
    }
    case 15:
      return nameIs(text, start, "x-forwarded-for") ? FORWARDING : FREE
    case 16: {
      const first = text.charCodeAt(start) | 32
      if (first === 120) {
        return nameIs(text, start, "x-forwarded-host") || nameIs(text, start, "x-forwarded-port") ? FORWARDING : FREE
      }
      return first === 112 && nameIs(text, start, "proxy-connection") ? DROP : FREE
    }
    case 17: {
      const first = text.charCodeAt(start) | 32
      if (first === 116) return nameIs(text, start, "transfer-encoding") ? TRANSFER_ENCODING : FREE
      return first === 120 && nameIs(text, start, "x-forwarded-proto") ? FORWARDING : FREE
    }
    case 19:
      return nameIs(text, start, "proxy-authorization") ? DROP : FREE
    default:
      return FREE
  }
}

/**
 * True for a name with `_` that would be an owned name if `_` were read as `-`, as CGI-like upstreams do
 * (`Content_Length`, `X_Forwarded_For`). Such fields are dropped; other names with `_` pass.
 */
export const isLookAlike = (name: string): boolean => {
  const dashed = name.replaceAll("_", "-")
  const field = classify(dashed, 0, dashed.length)
  return field !== FREE && field !== DATE
}

// A client may not make these disappear by naming them in `Connection`: they frame, route, identify or authenticate.
const PROTECTED = new Set(["host", "content-length", "transfer-encoding", "authorization", "cookie", "date"])

/** Names that a `Connection` value nominates for removal, lower case, without the options we interpret ourselves. */
export const nominated = (connection: string): Array<string> => {
  const names: Array<string> = []
  for (const part of connection.toLowerCase().split(",")) {
    const name = part.trim()
    if (name === "" || name === "close" || name === "keep-alive" || name === "upgrade") continue
    if (!PROTECTED.has(name) && classify(name, 0, name.length) === FREE) names.push(name)
  }
  return names
}

/** True when a comma-separated list holds `token` (lower case). */
export const listHas = (list: string, token: string): boolean => {
  const lower = list.toLowerCase()
  if (lower === token) return true
  for (const part of lower.split(",")) if (part.trim() === token) return true
  return false
}
