/**
 * An origin server made of bytes: parses what the proxy forwards with no tolerance, records every request byte for
 * byte, and answers with whatever bytes a test scripts.
 *
 * What a careful origin would stumble over is a violation: a second reading of the framing, a hop-by-hop or look-alike
 * field, a second request before the first one is answered. Tests end with {@link StrictUpstream.check}.
 */
import * as net from "node:net"
import { eventually, parseChunk } from "./RawClient.ts"

export interface ReceivedRequest {
  /** Number of the connection it came on, from 1. */
  readonly connection: number
  readonly socket: net.Socket
  /** The head as it came, closing empty line included. */
  readonly head: string
  readonly method: string
  readonly target: string
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>
  readonly framing: "none" | "length" | "chunked"
  body: Buffer
  /** Body bytes read so far, kept or not. */
  bodyBytes: number
  trailers: string
  complete: boolean
  /** The connection ended before the body did. */
  broken: boolean
}

/** Bytes to answer with, or nothing: the script writes to the socket itself, or never. */
export type Answer = string | Buffer | undefined

/** First value of a field of a recorded request, by lower-case name. */
export const field = (request: ReceivedRequest, lowerName: string): string | undefined =>
  request.fields.find(([name]) => name.toLowerCase() === lowerName)?.[1]

/** A whole response with a length. */
export const reply = (body: string, head = "HTTP/1.1 200 OK\r\n"): string =>
  `${head}Content-Length: ${Buffer.byteLength(body, "latin1")}\r\n\r\n${body}`

/** What it says unless it is scripted: what it has read. A client can tell its own answer from another's by it. */
export const echo = (request: ReceivedRequest): string =>
  reply(request.method === "HEAD" ? "" : `${request.method} ${request.target} ${request.bodyBytes}`)

export class StrictUpstream {
  readonly requests: Array<ReceivedRequest> = []
  readonly violations: Array<string> = []
  /** Connections accepted so far. */
  accepted = 0
  readonly sockets = new Set<net.Socket>()
  /** Called when a request is complete. */
  onRequest: (request: ReceivedRequest) => Answer = echo
  /** Called when a head is complete, before its body. */
  onHead: (request: ReceivedRequest) => Answer = () => undefined
  /** Called when a connection is accepted. */
  onConnection: (socket: net.Socket) => void = () => {}
  /** Keep bodies, or only count their bytes. */
  keepsBodies = true
  private readonly server: net.Server

  private constructor() {
    this.server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.accept(socket))
  }

  static start(host = "127.0.0.1"): Promise<StrictUpstream> {
    const upstream = new StrictUpstream()
    return new Promise((resolve) => upstream.server.listen(0, host, () => resolve(upstream)))
  }

  get port(): number {
    return (this.server.address() as net.AddressInfo).port
  }

  /** Forgets what was recorded and scripted; connections stay. */
  clear(): void {
    this.requests.length = 0
    this.violations.length = 0
    this.onRequest = echo
    this.onHead = () => undefined
    this.onConnection = () => {}
    this.keepsBodies = true
  }

  /** Waits for the `count`-th request, complete or not. */
  async received(count = 1): Promise<ReceivedRequest> {
    await eventually(() => this.requests.length >= count, `request ${count} at the upstream`)
    return this.requests[count - 1]!
  }

  /** Waits until no connection is open. */
  async disconnected(): Promise<void> {
    await eventually(
      () => this.sockets.size === 0,
      () => `no connection to the upstream: ${this.sockets.size} left`
    )
  }

  /** Fails when the proxy sent something that it may not send. */
  check(): void {
    if (this.violations.length > 0) throw new Error(`the upstream objects:\n${this.violations.join("\n")}`)
  }

  private accept(socket: net.Socket): void {
    const connection = ++this.accepted
    this.sockets.add(socket)
    this.onConnection(socket)
    let pending: Buffer = Buffer.alloc(0)
    let current: ReceivedRequest | null = null
    const answer = (bytes: Answer): void => {
      if (bytes !== undefined && !socket.destroyed) {
        if (typeof bytes === "string") socket.write(bytes, "latin1")
        else socket.write(bytes)
      }
    }
    const object = (what: string): void => {
      this.violations.push(`connection ${connection}: ${what}`)
      socket.destroy()
    }
    const consume = (): void => {
      while (pending.length > 0) {
        if (current === null) {
          const end = pending.indexOf("\r\n\r\n")
          if (end === -1) return
          const head = pending.toString("latin1", 0, end + 4)
          pending = pending.subarray(end + 4)
          const parsed = parseRequest(head, connection, socket)
          if (typeof parsed === "string") return object(`${parsed}\n${head}`)
          this.requests.push(parsed)
          current = parsed
          answer(this.onHead(parsed))
          if (parsed.complete) {
            if (pending.length > 0) return object(`bytes behind a request: ${pending.toString("latin1", 0, 200)}`)
            current = null
            answer(this.onRequest(parsed))
          }
          continue
        }
        const request: ReceivedRequest = current
        if (request.framing === "length") {
          const length = Number(field(request, "content-length"))
          const piece = pending.subarray(0, length - request.bodyBytes)
          pending = pending.subarray(piece.length)
          this.keep(request, piece)
          request.complete = request.bodyBytes === length
        } else {
          let chunk: ReturnType<typeof parseChunk>
          try {
            chunk = parseChunk(pending, 0)
          } catch (error) {
            return object(String(error))
          }
          if (chunk === null) return
          pending = pending.subarray(chunk.used)
          if (chunk.data === null) {
            request.trailers = chunk.trailers
            request.complete = true
          } else this.keep(request, chunk.data)
        }
        if (request.complete) {
          if (pending.length > 0) return object(`bytes behind a request: ${pending.toString("latin1", 0, 200)}`)
          current = null
          answer(this.onRequest(request))
        }
      }
    }
    const ended = (): void => {
      if (current !== null) current.broken = true
    }
    socket.on("data", (chunk) => {
      if (upgraded.has(socket)) return
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
      consume()
    })
    socket.on("error", ended)
    socket.on("end", () => {
      ended()
      if (pending.length > 0 && current === null && !upgraded.has(socket))
        object(`ended inside a head: ${pending.toString("latin1")}`)
      socket.end()
    })
    socket.on("close", () => {
      ended()
      this.sockets.delete(socket)
    })
  }

  private keep(request: ReceivedRequest, piece: Buffer): void {
    request.bodyBytes += piece.length
    if (this.keepsBodies)
      request.body = request.body.length === 0 ? Buffer.from(piece) : Buffer.concat([request.body, piece])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise((resolve) => this.server.close(resolve))
  }
}

const upgraded = new WeakSet<net.Socket>()

/** From here on the bytes of a connection are no HTTP any more: the script reads them itself. */
export const switchProtocols = (request: ReceivedRequest): net.Socket => {
  upgraded.add(request.socket)
  return request.socket
}

const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (\/[^\x00-\x20\x7f#]*|\*) HTTP\/1\.1$/
const FIELD = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/
const NEVER = new Set([
  "keep-alive",
  "proxy-connection",
  "proxy-authorization",
  "trailer",
  "http2-settings",
  "expect",
  "content_length",
  "transfer_encoding",
  "x_forwarded_for"
])

/** The request, or what is wrong with its head. */
export const parseRequest = (head: string, connection: number, socket: net.Socket): ReceivedRequest | string => {
  const [requestLine, ...lines] = head.slice(0, -4).split("\r\n")
  const start = REQUEST_LINE.exec(requestLine!)
  if (start === null) return "invalid request line"
  const fields: Array<readonly [string, string]> = []
  const seen = new Map<string, string>()
  for (const line of lines) {
    const match = FIELD.exec(line)
    if (match === null) return `invalid field line ${JSON.stringify(line)}`
    const lower = match[1]!.toLowerCase()
    fields.push([match[1]!, match[2]!])
    if (NEVER.has(lower)) return `field ${lower} must not be forwarded`
    if (
      seen.has(lower) &&
      ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te"].includes(lower)
    ) {
      return `several ${lower} fields`
    }
    seen.set(lower, match[2]!)
  }
  if (!seen.has("host")) return "no Host"
  const connectionValue = seen.get("connection")
  if (connectionValue !== undefined && connectionValue !== "Upgrade" && connectionValue !== "TE")
    return `Connection: ${connectionValue}`
  if (seen.has("upgrade") !== (connectionValue === "Upgrade")) return "Upgrade without Connection, or the reverse"
  if (seen.has("te") && (seen.get("te") !== "trailers" || connectionValue !== "TE")) return "TE that was not rewritten"
  const length = seen.get("content-length")
  const coding = seen.get("transfer-encoding")
  if (length !== undefined && coding !== undefined) return "two framings"
  if (length !== undefined && !/^(?:0|[1-9][0-9]{0,14})$/.test(length)) return "Content-Length is not canonical"
  if (coding !== undefined && coding !== "chunked") return `Transfer-Encoding: ${coding}`
  const framing = coding !== undefined ? "chunked" : length !== undefined && length !== "0" ? "length" : "none"
  return {
    connection,
    socket,
    head,
    method: start[1]!,
    target: start[2]!,
    fields,
    framing,
    body: Buffer.alloc(0),
    bodyBytes: 0,
    trailers: "",
    complete: framing === "none",
    broken: false
  }
}
