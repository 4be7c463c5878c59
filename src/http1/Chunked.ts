/**
 * Reads the chunked transfer coding (RFC 9112 7.1) strictly and in place.
 *
 * The data of one read is moved together inside the buffer it came in, so that one read yields at most one piece,
 * however small the sender's chunks are. Sizes have at most eight hexadecimal digits, extensions are skipped within
 * limits, line ends are CR LF and nothing else.
 */
import { Fields, isName, isValue, valueAt } from "../model/Fields.ts"
import { HEX, VALUE } from "./Bytes.ts"
import {
  MAX_BODY_EXTENSION_BYTES,
  MAX_CHUNK_EXTENSION_BYTES,
  MAX_CHUNK_SIZE_DIGITS,
  MAX_TRAILER_BYTES,
  MAX_TRAILER_FIELDS
} from "./Limits.ts"
import { classify, FREE, isLookAlike } from "./Ownership.ts"

const SIZE_START = 0
const SIZE = 1
const EXTENSION = 2
const SIZE_LF = 3
const DATA = 4
const DATA_CR = 5
const DATA_LF = 6
const TRAILER = 7
const DONE = 8
const BROKEN = 9

const CR = 13
const LF = 10

export class ChunkedReader {
  /** Where the data found by the last {@link read} begins and ends in its buffer. */
  from = 0
  to = 0
  /** Fields behind the body, once {@link done}; null when there are none worth passing on. */
  trailers: Fields | null = null
  private state = SIZE_START
  private left = 0
  private digits = 0
  private extension = 0
  private extensions = 0
  private line = ""
  private trailerBytes = 0

  get done(): boolean {
    return this.state === DONE
  }

  get broken(): boolean {
    return this.state === BROKEN
  }

  /**
   * Decodes `buffer` from `start` to `end` and leaves the data in `from`–`to`. Returns the position behind the last
   * byte it used: less than `end` only when the body is done or broken.
   */
  read(buffer: Buffer, start: number, end: number): number {
    this.from = start
    this.to = start
    let at = start
    while (at < end) {
      switch (this.state) {
        case DATA: {
          const length = Math.min(this.left, end - at)
          if (this.to === this.from) {
            this.from = at
            this.to = at + length
          } else {
            if (this.to !== at) buffer.copyWithin(this.to, at, at + length)
            this.to += length
          }
          at += length
          this.left -= length
          if (this.left === 0) this.state = DATA_CR
          break
        }
        case TRAILER: {
          at = this.readTrailer(buffer, at, end)
          break
        }
        case DONE:
        case BROKEN:
          return at
        default:
          this.step(buffer[at]!)
          at++
      }
    }
    return at
  }

  private step(code: number): void {
    switch (this.state) {
      case SIZE_START:
      case SIZE: {
        const digit = HEX[code]!
        if (digit !== 255) {
          if (++this.digits > MAX_CHUNK_SIZE_DIGITS) this.state = BROKEN
          else {
            this.left = this.left * 16 + digit
            this.state = SIZE
          }
        } else if (this.state === SIZE_START) this.state = BROKEN
        else if (code === CR) this.state = SIZE_LF
        else if (code === 59) this.state = EXTENSION
        else this.state = BROKEN
        return
      }
      case EXTENSION:
        if (code === CR) this.state = SIZE_LF
        else if (VALUE[code] !== 1) this.state = BROKEN
        else if (++this.extension > MAX_CHUNK_EXTENSION_BYTES || ++this.extensions > MAX_BODY_EXTENSION_BYTES)
          this.state = BROKEN
        return
      case SIZE_LF:
        this.state = code !== LF ? BROKEN : this.left === 0 ? TRAILER : DATA
        this.digits = 0
        this.extension = 0
        return
      case DATA_CR:
        this.state = code === CR ? DATA_LF : BROKEN
        return
      default:
        this.state = code === LF ? SIZE_START : BROKEN
    }
  }

  // Takes trailer lines up to the empty one. Lines are short and rare: plain string work.
  private readTrailer(buffer: Buffer, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const code = buffer[at]!
      if (++this.trailerBytes > MAX_TRAILER_BYTES) {
        this.state = BROKEN
        return at
      }
      if (code !== LF) {
        this.line += String.fromCharCode(code)
        continue
      }
      if (!this.line.endsWith("\r")) {
        this.state = BROKEN
        return at
      }
      const line = this.line.slice(0, -1)
      this.line = ""
      if (line === "") {
        this.state = DONE
        return at + 1
      }
      if (!this.addTrailer(line)) {
        this.state = BROKEN
        return at
      }
    }
    return end
  }

  private trailerCount = 0

  // Fields that frame, route, identify or authenticate never travel as trailers (RFC 9110 6.5.1).
  private addTrailer(line: string): boolean {
    const colon = line.indexOf(":")
    const name = line.slice(0, colon)
    if (colon < 1 || !isName(name) || !isValue(line.slice(colon + 1)) || ++this.trailerCount > MAX_TRAILER_FIELDS)
      return false
    const lower = name.toLowerCase()
    if (
      classify(lower, 0, lower.length) === FREE &&
      !FORBIDDEN.has(lower) &&
      !(lower.includes("_") && isLookAlike(lower))
    ) {
      this.trailers ??= new Fields("")
      this.trailers.append(name, valueAt(`${line}\r`, 0, colon))
    }
    return true
  }
}

const FORBIDDEN = new Set([
  "authorization",
  "cache-control",
  "content-encoding",
  "content-range",
  "content-type",
  "cookie",
  "max-forwards",
  "proxy-authenticate",
  "set-cookie",
  "www-authenticate",
  "range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
  "age",
  "expires",
  "location",
  "retry-after",
  "vary",
  "warning"
])
