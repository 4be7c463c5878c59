/** Arbitrary HTTP/1 messages and ways to cut and to damage them, for the properties of the codec. */
import fc from "fast-check"

const TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
const TARGET = Array.from({ length: 0xff - 0x21 + 1 }, (_, i) => String.fromCharCode(0x21 + i)).filter(
  (c) => c !== "#" && c !== "\x7f"
)
const VALUE = ["\t", " ", ...Array.from({ length: 0xff - 0x21 + 1 }, (_, i) => String.fromCharCode(0x21 + i))].filter(
  (c) => c !== "\x7f"
)

const text = (characters: ReadonlyArray<string> | string, minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...characters), minLength, maxLength })

/** Names that mean something, more often than random ones would be. */
const NAMES = [
  "Accept",
  "Cookie",
  "X-Forwarded-For",
  "Keep-Alive",
  "TE",
  "Trailer",
  "Upgrade",
  "X_Real_IP",
  "Date",
  "Forwarded"
]

export const fieldLine: fc.Arbitrary<string> = fc
  .tuple(
    fc
      .oneof(fc.constantFrom(...NAMES), text(TOKEN, 1, 12))
      .filter((name) => !/^(?:host|content-length|transfer-encoding|expect|connection)$/i.test(name)),
    fc.constantFrom("", " ", "\t "),
    text(VALUE, 0, 20)
  )
  .map(([name, blank, value]) => `${name}:${blank}${value}\r\n`)

const fieldLines = fc.array(fieldLine, { maxLength: 8 }).map((lines) => lines.join(""))

/** Sizes of chunks and what stands in them. */
export const body: fc.Arbitrary<Buffer> = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))

export interface RequestMessage {
  readonly method: string
  readonly target: string
  readonly body: Buffer
  /** The message as one byte per character. */
  readonly bytes: string
}

/** A chunked body with extensions, in any chunks. */
export const chunked = (content: Buffer): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 20 }),
      fc.constantFrom("", ";a", ';a="b c"'),
      fc.boolean()
    )
    .map(([sizes, extension, upper]) => {
      let at = 0
      let out = ""
      for (const size of [...sizes, content.length]) {
        const piece = content.toString("latin1", at, Math.min(at + size, content.length))
        at += piece.length
        if (piece === "") continue
        const digits = piece.length.toString(16)
        out += `${upper ? digits.toUpperCase() : `0${digits}`}${extension}\r\n${piece}\r\n`
      }
      return `${out}0${extension}\r\n\r\n`
    })

/** A valid request that every proxy must take, with or without a body. */
export const request: fc.Arbitrary<RequestMessage> = fc
  .tuple(
    fc.constantFrom("GET", "POST", "PUT", "DELETE", "OPTIONS", "X-CUSTOM"),
    text(TARGET, 0, 30).map((rest) => `/${rest}`),
    fieldLines,
    fieldLines,
    fc.option(body)
  )
  .chain(([method, target, before, after, content]) => {
    const head = `${method} ${target} HTTP/1.1\r\n${before}Host: a\r\n${after}`
    if (content === null) return fc.constant({ method, target, body: Buffer.alloc(0), bytes: `${head}\r\n` })
    return fc.oneof(
      fc.constant({
        method,
        target,
        body: content,
        bytes: `${head}Content-Length: ${content.length}\r\n\r\n${content.toString("latin1")}`
      }),
      chunked(content).map((chunks) => ({
        method,
        target,
        body: content,
        bytes: `${head}Transfer-Encoding: chunked\r\n\r\n${chunks}`
      }))
    )
  })

export interface ResponseMessage {
  readonly status: number
  readonly body: Buffer
  readonly bytes: string
}

/** A valid response with a length or in chunks. */
export const response: fc.Arbitrary<ResponseMessage> = fc
  .tuple(fc.constantFrom(200, 201, 404, 500, 299, 999), text(VALUE, 0, 10), fieldLines, body)
  .chain(([status, reason, fields, content]) => {
    const head = `HTTP/1.1 ${status} ${reason}\r\n${fields}`
    return fc.oneof(
      fc.constant({
        status,
        body: content,
        bytes: `${head}Content-Length: ${content.length}\r\n\r\n${content.toString("latin1")}`
      }),
      chunked(content).map((chunks) => ({
        status,
        body: content,
        bytes: `${head}Transfer-Encoding: chunked\r\n\r\n${chunks}`
      }))
    )
  })

/** Cuts text anywhere. */
export const pieces = (bytes: string): fc.Arbitrary<ReadonlyArray<string>> =>
  fc.array(fc.nat({ max: bytes.length }), { maxLength: 12 }).map((cuts) => {
    const at = [0, ...cuts.sort((a, b) => a - b), bytes.length]
    return at
      .slice(1)
      .map((end, i) => bytes.slice(at[i], end))
      .filter((piece) => piece !== "")
  })

const NASTY = [
  "\r",
  "\n",
  "\0",
  " ",
  "\t",
  ":",
  ",",
  ";",
  "-",
  "_",
  "0",
  "5",
  "\r\n",
  "\x0b",
  "\x7f",
  "\xa0",
  "\xff",
  "#",
  "/",
  "?",
  "@"
]

/** One byte replaced, left out or put in. */
export const damaged = (bytes: string): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.nat({ max: bytes.length - 1 }),
      fc.oneof(
        fc.constantFrom(...NASTY),
        fc.nat({ max: 255 }).map((code) => String.fromCharCode(code))
      ),
      fc.nat({ max: 2 })
    )
    .map(([at, put, how]) => bytes.slice(0, at) + (how === 2 ? "" : put) + bytes.slice(how === 1 ? at : at + 1))

/** Any bytes, with those that mean something to HTTP more often. */
export const salad: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "\r\n",
        "\r\n\r\n",
        "GET / HTTP/1.1\r\n",
        "Host: a\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "hello",
        "0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n",
        ":",
        " ",
        "\n",
        "\r"
      ),
      fc.string({ unit: fc.nat({ max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 20 })
    ),
    { maxLength: 12 }
  )
  .map((parts) => parts.join(""))
