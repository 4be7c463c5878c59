/**
 * Heads of the responses of one `directory` plugin: what is the same for all files is joined once, what depends on a
 * file is put in between. Spec: plugins 4.1, 6.9; RFC 9110 13–15.
 */
import type { Exchange } from "../../../proxy/Exchange.ts"
import {
  cacheControl,
  HTML,
  type LocalResponse,
  NO_CACHE,
  redirect,
  refuse,
  respond,
  TEXT
} from "../../../proxy/Response.ts"
import type { Header } from "../../Options.ts"
import * as Conditional from "./Conditional.ts"
import * as Listing from "./Listing.ts"
import * as Range from "./Range.ts"
import { encodePath, encodeQuery } from "./Target.ts"
import { typeOf, withCharset } from "./Types.ts"

export interface HeadOptions {
  /** Seconds; 0: ask again every time. */
  readonly maxAge: number
  readonly isPrivate: boolean
  readonly charset: string
  readonly download: boolean
  readonly headers: ReadonlyArray<Header>
  /** HTML of at most this size is cached like everything else; larger HTML never. Spec: plugins 6.9 [QUIRK]. */
  readonly cacheableHtmlBytes: number
}

/** What to answer for one file: a head, and which of its bytes. */
export interface Plan {
  readonly status: number
  readonly fields: string
  readonly from: number
  /** Bytes of content; 0 when the response has none. */
  readonly length: number
}

const NOSNIFF = "X-Content-Type-Options: nosniff\r\n"

/** Compiled from the options once; {@link Heads.plan} is what runs per request. */
export class Heads {
  private readonly options: HeadOptions
  private readonly cached: string
  private readonly uncached: string
  private readonly custom: string
  /** The custom fields that a 304 may carry: those that do not describe content (RFC 9110 15.4.5). */
  private readonly customNotModified: string
  private readonly hasType: boolean
  private readonly hasEtag: boolean
  private readonly hasRanges: boolean
  private readonly hasDisposition: boolean
  private readonly hasModified: boolean
  private readonly nosniff: string
  private readonly types = new Map<string, string>()

  constructor(options: HeadOptions) {
    // A field of the configuration replaces ours of the same name.
    const names = new Set(options.headers.map((header) => header.lowerName))
    const line = (header: Header) => `${header.name}: ${header.value}\r\n`
    this.options = options
    this.cached = names.has("cache-control")
      ? ""
      : `Cache-Control: ${cacheControl(options.maxAge, options.isPrivate)}\r\n`
    this.uncached = names.has("cache-control") ? "" : `Cache-Control: ${NO_CACHE}\r\n`
    this.custom = options.headers.map(line).join("")
    this.customNotModified = options.headers
      .filter((header) => !header.lowerName.startsWith("content-") && header.lowerName !== "last-modified")
      .map(line)
      .join("")
    this.hasType = names.has("content-type")
    this.hasEtag = names.has("etag")
    this.hasRanges = names.has("accept-ranges")
    this.hasDisposition = names.has("content-disposition")
    this.hasModified = names.has("last-modified")
    this.nosniff = names.has("x-content-type-options") ? "" : NOSNIFF
  }

  /** Decides on one file. `path` is below the root, `modifiedMillis` since the epoch. */
  plan(exchange: Exchange, path: string, size: number, modifiedMillis: number): Plan {
    const now = Date.now()
    // A date must not lie ahead of the response's own (RFC 9110 8.8.2.1).
    const modified = Math.max(0, Math.floor(Math.min(modifiedMillis, now) / 1_000))
    const stamp = Math.floor(modifiedMillis / 1_000)
    const etag = stamp > 0 ? `W/"${size.toString(16)}-${stamp.toString(16)}"` : ""
    const validators = { etag, modified }

    const type = typeOf(path)
    const html = type === "text/html"
    const cache = html && size > this.options.cacheableHtmlBytes ? this.uncached : this.cached
    const tag = etag === "" || this.hasEtag ? "" : `ETag: ${etag}\r\n`

    const fields = exchange.fields
    const verdict = Conditional.evaluate(fields, validators)
    if (verdict === Conditional.NOT_MODIFIED) {
      const date = etag === "" ? this.modifiedLine(modified) : ""
      return { status: 304, fields: cache + tag + date + this.customNotModified, from: 0, length: 0 }
    }
    if (verdict === Conditional.FAILED) return PRECONDITION_FAILED

    let status = 200
    let from = 0
    let length = size
    let rangeLine = ""
    // Ranges are defined for GET only (RFC 9110 14.2).
    const wanted = exchange.method === "GET" ? fields.get("range") : undefined
    if (wanted !== undefined && Conditional.allowsRange(fields, validators, now)) {
      const range = Range.parse(wanted, size)
      if (range === Range.UNSATISFIABLE) return unsatisfiable(size)
      if (range !== null) {
        status = 206
        from = range.first
        length = range.last - range.first + 1
        rangeLine = `Content-Range: bytes ${range.first}-${range.last}/${size}\r\n`
      }
    }
    return {
      status,
      fields:
        cache +
        this.typeLine(type) +
        tag +
        (this.hasRanges ? "" : "Accept-Ranges: bytes\r\n") +
        this.dispositionLine(path) +
        this.modifiedLine(modified) +
        rangeLine +
        this.nosniff +
        this.custom,
      from,
      length
    }
  }

  private typeLine(type: string): string {
    if (this.hasType) return ""
    let line = this.types.get(type)
    if (line === undefined) {
      line = `Content-Type: ${withCharset(type, this.options.charset)}\r\n`
      this.types.set(type, line)
    }
    return line
  }

  private modifiedLine(seconds: number): string {
    return seconds > 0 && !this.hasModified ? `Last-Modified: ${Conditional.formatDate(seconds)}\r\n` : ""
  }

  private dispositionLine(path: string): string {
    if (!this.options.download || this.hasDisposition) return ""
    return `Content-Disposition: ${disposition(path.slice(path.lastIndexOf("/") + 1))}\r\n`
  }
}

const PLAIN_NAME = /^[\x20-\x7e]+$/
// attr-char of RFC 8187.
const NOT_ATTRIBUTE = /[^A-Za-z0-9!#$&+\-.^_`|~]/g
const UTF8 = new TextDecoder("utf-8", { fatal: true })

/**
 * `Content-Disposition` of a download. A name beyond ASCII goes into `filename*` (RFC 6266 4.3); one that is no text
 * in any encoding we know is left out.
 */
export const disposition = (name: string): string => {
  if (PLAIN_NAME.test(name)) return `attachment; filename="${name.replace(/["\\]/g, "\\$&")}"`
  try {
    UTF8.decode(Buffer.from(name, "latin1"))
  } catch {
    return "attachment"
  }
  const encoded = name.replace(
    NOT_ATTRIBUTE,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`
  )
  return `attachment; filename*=UTF-8''${encoded}`
}

const NOSNIFF_PAIR = ["X-Content-Type-Options", "nosniff"] as const
const NO_STORE_TEXT = [["Content-Type", TEXT], ["Cache-Control", "private, no-store"], NOSNIFF_PAIR] as const

/** The answer to a path that leads out of the root. Spec: plugins 6.9. */
export const forbidden = (path: string): LocalResponse =>
  respond(403, NO_STORE_TEXT, `You do not have permission to access this resource, file: ${encodePath(path)}`)

export const notFound = respond(404, NO_STORE_TEXT, "Not Found")
export const accessError = respond(500, NO_STORE_TEXT, "File access error")
export const methodNotAllowed = respond(405, [...NO_STORE_TEXT, ["Allow", "GET, HEAD"]], "Method Not Allowed")
export const listingFailed = refuse(400, "Directory can not be listed")

const PRECONDITION_FAILED: Plan = {
  status: 412,
  fields: respond(412, NO_STORE_TEXT).fields,
  from: 0,
  length: 0
}

const unsatisfiable = (size: number): Plan => ({
  status: 416,
  fields: `Cache-Control: ${NO_CACHE}\r\nContent-Range: bytes */${size}\r\n${NOSNIFF}`,
  from: 0,
  length: 0
})

/** The page of a directory. */
export const listing = (page: string): LocalResponse =>
  respond(200, [["Content-Type", HTML], NOSNIFF_PAIR, ["Content-Security-Policy", Listing.POLICY]], page)

/**
 * From a directory's name to the same with a slash. The reference is relative, so that it is right behind a rewrite
 * and cannot name another host (hardening 10).
 */
export const withSlash = (exchange: Exchange): LocalResponse => {
  const { query, requestPath } = exchange
  const name = encodePath(requestPath.slice(requestPath.lastIndexOf("/") + 1))
  return redirect(`./${name}/${query === "" ? "" : `?${encodeQuery(query)}`}`, 301)
}
