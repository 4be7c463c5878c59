/**
 * Responses of the proxy's own: from plugins, special endpoints and failures. Spec: plugins 4, proxy-behaviour 14.
 *
 * A response is a value that can be made once and sent many times. Its body is a binary string (one character per
 * byte), bytes, or a stream that starts when the head has been sent.
 */
import { Fields } from "../model/Fields.ts"
import type { BodyStream } from "./Body.ts"

export interface LocalResponse {
  readonly status: number
  /** Field lines (`Name: value\r\n`), without framing: length, connection and date are added when it is sent. */
  readonly fields: string
  readonly body: string | Buffer | BodyStream
  /** Bytes of a streamed body, or -1 when unknown. Unused for the other kinds. */
  readonly length: number
  /** Close the connection after this response. */
  readonly closes: boolean
}

export type FieldPairs = Iterable<readonly [name: string, value: string]>

export const NO_STORE = "private, no-store"
export const NO_CACHE = "private, no-cache"
export const TEXT = "text/plain; charset=utf-8"
export const HTML = "text/html; charset=utf-8"
export const JSON_TYPE = "application/json; charset=utf-8"

const ASCII = /^[\x00-\x7f]*$/

/** Text as one character per UTF-8 byte, the form in which bodies are joined to heads. */
export const binary = (text: string): string => (ASCII.test(text) ? text : Buffer.from(text, "utf8").toString("latin1"))

/** `Cache-Control` of a response: 0 or absent `maxAge` (seconds) means it may not be reused without asking. */
export const cacheControl = (maxAge?: number, isPrivate = false): string =>
  maxAge === undefined || maxAge <= 0 ? NO_CACHE : `${isPrivate ? "private" : "public"}, max-age=${maxAge}`

/**
 * A response from text or bytes. `Cache-Control: private, no-cache` is added unless `fields` bring their own; names
 * and values must already be valid.
 */
export const respond = (status: number, fields: FieldPairs = [], body: string | Buffer = ""): LocalResponse => ({
  status,
  fields: withCacheControl(fields),
  body: typeof body === "string" ? binary(body) : body,
  length: -1,
  closes: false
})

/** A response whose body is produced while it is sent. `length` is in bytes, -1 when it is not known. */
export const respondStream = (status: number, fields: FieldPairs, body: BodyStream, length = -1): LocalResponse => ({
  status,
  fields: withCacheControl(fields),
  body,
  length,
  closes: false
})

const withCacheControl = (pairs: FieldPairs): string => {
  const fields = Fields.of(pairs)
  if (!fields.has("cache-control")) fields.text = `Cache-Control: ${NO_CACHE}\r\n${fields.text}`
  return fields.text
}

/** Plain text that must not be stored: 400, 403, 404, 500 and their like. */
export const refuse = (status: number, text: string): LocalResponse =>
  respond(
    status,
    [
      ["Content-Type", TEXT],
      ["Cache-Control", NO_STORE]
    ],
    text
  )

export const noContent = (): LocalResponse => respond(204, [["Cache-Control", NO_STORE]])

export const html = (body: string): LocalResponse => respond(200, [["Content-Type", HTML]], body)

export const text = (body: string): LocalResponse => respond(200, [["Content-Type", TEXT]], body)

export const json = (value: unknown, status = 200): LocalResponse =>
  respond(status, [["Content-Type", JSON_TYPE]], JSON.stringify(value))

/** A redirect, 307 unless another status is given. `location` must be a valid field value. */
export const redirect = (location: string, status = 307): LocalResponse => respond(status, [["Location", location]])
