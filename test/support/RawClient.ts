/**
 * An HTTP/1 client made of bytes: sends exactly what a test writes, in the pieces it asks for, and reads responses
 * with no tolerance at all. Every wait has a deadline.
 *
 * The parser knows which responses have no body (HEAD, 1xx, 204, 304), lengths, chunks and close-delimited bodies. A
 * response that ends early is a {@link BrokenResponse}; one that is not valid HTTP is a plain error.
 */
import * as net from "node:net"

const DEADLINE_MILLIS = 5_000

export type ResponseFraming = "none" | "length" | "chunked" | "close"

export interface RawResponse {
  readonly status: number
  readonly reason: string
  /** The head as it came, closing empty line included. */
  readonly head: string
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>
  readonly framing: ResponseFraming
  readonly body: Buffer
  /** Trailer lines as they came. */
  readonly trailers: string
  /** 1xx responses that came before it. */
  readonly interims: ReadonlyArray<RawResponse>
}

/** First value of a field of a response, by lower-case name. */
export const header = (response: RawResponse, lowerName: string): string | undefined =>
  response.fields.find(([name]) => name.toLowerCase() === lowerName)?.[1]

/** The connection ended before the response did. */
export class BrokenResponse extends Error {
  readonly reset: boolean
  readonly #received: string

  constructor(received: string, reset: boolean) {
    super(`response broken off (${reset ? "reset" : "end"}) after ${received.length} bytes: ${received.slice(0, 200)}`)
    this.#received = received
    this.reset = reset
  }

  /** What had come of it. */
  get received(): string {
    return this.#received
  }
}

export class RawClient {
  readonly socket: net.Socket
  /** The peer has ended its side, orderly. */
  ended = false
  closed = false
  reset = false
  private pending: Buffer = Buffer.alloc(0)
  private wake: (() => void) | null = null

  private constructor(socket: net.Socket) {
    this.socket = socket
    socket.on("data", (chunk) => {
      this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk])
      this.changed()
    })
    socket.on("end", () => {
      this.ended = true
      this.changed()
    })
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNRESET" || error.code === "EPIPE") this.reset = true
    })
    socket.on("close", () => {
      this.closed = true
      this.changed()
    })
  }

  static connect(port: number, host = "127.0.0.1"): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host, noDelay: true, allowHalfOpen: true })
      socket.once("error", reject)
      socket.once("connect", () => {
        socket.off("error", reject)
        resolve(new RawClient(socket))
      })
    })
  }

  private changed(): void {
    const wake = this.wake
    this.wake = null
    wake?.()
  }

  /** Text is written as latin1: one character, one byte. */
  send(bytes: string | Uint8Array): this {
    if (typeof bytes === "string") this.socket.write(bytes, "latin1")
    else this.socket.write(bytes)
    return this
  }

  /** Writes pieces with a turn of the event loop between them, so that each arrives as a read of its own. */
  async sendPieces(pieces: Iterable<string | Uint8Array>): Promise<this> {
    for (const piece of pieces) {
      this.send(piece)
      await turn()
      await turn()
    }
    return this
  }

  /** Ends our side and goes on reading. */
  finish(): this {
    this.socket.end()
    return this
  }

  /** Ends the connection with RST. */
  abort(): void {
    this.socket.resetAndDestroy()
  }

  /** Reads the next response to a request of `method`. */
  async response(method = "GET", deadlineMillis = DEADLINE_MILLIS): Promise<RawResponse> {
    const interims: Array<RawResponse> = []
    for (;;) {
      const parsed = parseResponse(this.pending, method, this.ended && !this.reset)
      if (parsed !== null) {
        this.pending = this.pending.subarray(parsed.used)
        const { response } = parsed
        if (response.status >= 200 || response.status === 101) return { ...response, interims }
        interims.push(response)
      } else if (this.ended || this.closed) throw new BrokenResponse(this.pending.toString("latin1"), this.reset)
      else await this.change(deadlineMillis, "a response")
    }
  }

  /** The next 1xx response alone. */
  async interim(): Promise<RawResponse> {
    for (;;) {
      const parsed = parseResponse(this.pending, "GET", false)
      if (parsed !== null) {
        if (parsed.response.status >= 200) throw new Error(`expected a 1xx response, got ${parsed.response.head}`)
        this.pending = this.pending.subarray(parsed.used)
        return parsed.response
      }
      if (this.ended || this.closed) throw new BrokenResponse(this.pending.toString("latin1"), this.reset)
      await this.change(DEADLINE_MILLIS, "an interim response")
    }
  }

  /** Takes exactly `length` bytes, whatever they are. */
  async bytes(length: number): Promise<string> {
    while (this.pending.length < length) {
      if (this.ended || this.closed) throw new BrokenResponse(this.pending.toString("latin1"), this.reset)
      await this.change(DEADLINE_MILLIS, `${length} bytes`)
    }
    const text = this.pending.toString("latin1", 0, length)
    this.pending = this.pending.subarray(length)
    return text
  }

  /** What has come and nobody has taken. */
  get rest(): string {
    return this.pending.toString("latin1")
  }

  /** Waits until the peer has ended its side: orderly, or by a reset. */
  async end(deadlineMillis = DEADLINE_MILLIS): Promise<"end" | "reset"> {
    while (!this.ended && !this.closed) await this.change(deadlineMillis, "the end of the connection")
    return this.reset || !this.ended ? "reset" : "end"
  }

  private change(deadlineMillis: number, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.wake = null
        reject(new Error(`no ${what} within ${deadlineMillis} ms; received so far: ${this.rest.slice(0, 500)}`))
      }, deadlineMillis)
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}

/** One turn of the event loop, reads and writes included. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Waits until `condition` holds; fails after the deadline. */
export const eventually = async (
  condition: () => boolean,
  what: string | (() => string),
  deadlineMillis = DEADLINE_MILLIS
): Promise<void> => {
  const deadline = performance.now() + deadlineMillis
  while (!condition()) {
    if (performance.now() > deadline)
      throw new Error(`not within ${deadlineMillis} ms: ${typeof what === "string" ? what : what()}`)
    await turn()
  }
}

const STATUS_LINE = /^HTTP\/1\.1 ([1-9][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)$/
const FIELD = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/

/** Parses one response from the start of `bytes`; null while it is not complete. Throws on anything out of order. */
export const parseResponse = (
  bytes: Buffer,
  method: string,
  ended: boolean
): { readonly response: RawResponse; readonly used: number } | null => {
  const end = bytes.indexOf("\r\n\r\n")
  if (end === -1) {
    if (bytes.length > 0 && !"HTTP/1.1".startsWith(bytes.toString("latin1", 0, 8))) {
      throw new Error(`not a response: ${bytes.toString("latin1", 0, 200)}`)
    }
    return null
  }
  const head = bytes.toString("latin1", 0, end + 4)
  const [statusLine, ...lines] = head.slice(0, -4).split("\r\n")
  const start = STATUS_LINE.exec(statusLine!)
  if (start === null) throw new Error(`invalid status line: ${statusLine}`)
  const status = Number(start[1])
  const fields = lines.map((line): readonly [string, string] => {
    const match = FIELD.exec(line)
    if (match === null) throw new Error(`invalid field line: ${JSON.stringify(line)}`)
    return [match[1]!, match[2]!]
  })
  const values = (lowerName: string) =>
    fields.filter(([name]) => name.toLowerCase() === lowerName).map(([, value]) => value)
  const lengths = values("content-length")
  const codings = values("transfer-encoding")
  for (const name of ["content-length", "transfer-encoding", "connection"]) {
    if (values(name).length > 1) throw new Error(`several ${name} fields: ${head}`)
  }
  if (lengths.length > 0 && codings.length > 0) throw new Error(`two framings: ${head}`)
  if (codings.length > 0 && codings[0] !== "chunked") throw new Error(`unknown coding: ${head}`)
  if (lengths.length > 0 && !/^[0-9]{1,15}$/.test(lengths[0]!)) throw new Error(`invalid length: ${head}`)
  if ((status < 200 || status === 204) && lengths.length + codings.length > 0)
    throw new Error(`framing of a ${status}: ${head}`)

  const at = end + 4
  const base = { status, reason: start[2]!, head, fields, interims: [] }
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) {
    return { response: { ...base, framing: "none", body: Buffer.alloc(0), trailers: "" }, used: at }
  }
  if (lengths.length > 0) {
    const to = at + Number(lengths[0])
    if (bytes.length < to) return null
    return { response: { ...base, framing: "length", body: bytes.subarray(at, to), trailers: "" }, used: to }
  }
  if (codings.length > 0) {
    const chunks = parseChunked(bytes, at)
    if (chunks === null) return null
    return {
      response: { ...base, framing: "chunked", body: chunks.body, trailers: chunks.trailers },
      used: chunks.used
    }
  }
  if (!ended) return null
  return { response: { ...base, framing: "close", body: bytes.subarray(at), trailers: "" }, used: bytes.length }
}

/** Decodes a chunked body without extensions; null while it is not complete. */
const parseChunked = (
  bytes: Buffer,
  from: number
): { readonly body: Buffer; readonly trailers: string; readonly used: number } | null => {
  const pieces: Array<Buffer> = []
  let at = from
  for (;;) {
    const chunk = parseChunk(bytes, at)
    if (chunk === null) return null
    at = chunk.used
    if (chunk.data === null) return { body: Buffer.concat(pieces), trailers: chunk.trailers, used: at }
    pieces.push(chunk.data)
  }
}

/** Decodes one chunk; the last one has no data but trailers. Null while it is not complete. */
export const parseChunk = (
  bytes: Buffer,
  from: number
): { readonly data: Buffer | null; readonly trailers: string; readonly used: number } | null => {
  const sizeEnd = bytes.indexOf("\r\n", from)
  if (sizeEnd === -1) return null
  const size = bytes.toString("latin1", from, sizeEnd)
  if (!/^[0-9a-f]{1,8}$/.test(size)) throw new Error(`invalid chunk size: ${JSON.stringify(size)}`)
  const length = Number.parseInt(size, 16)
  let at = sizeEnd + 2
  if (length > 0) {
    if (bytes.length < at + length + 2) return null
    if (bytes.toString("latin1", at + length, at + length + 2) !== "\r\n") throw new Error("chunk longer than its size")
    return { data: bytes.subarray(at, at + length), trailers: "", used: at + length + 2 }
  }
  const trailersAt = at
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at)
    if (lineEnd === -1) return null
    const line = bytes.toString("latin1", at, lineEnd)
    if (line === "") return { data: null, trailers: bytes.toString("latin1", trailersAt, at), used: lineEnd + 2 }
    if (!FIELD.test(line)) throw new Error(`invalid trailer: ${JSON.stringify(line)}`)
    at = lineEnd + 2
  }
}
