/**
 * One connection to a backend speaking HTTP/1.1: serves one exchange at a time, then waits in its backend's idle stack.
 *
 * A connection goes back to the stack only when the request was written whole, the response was read whole to the
 * byte, nothing is buffered behind it, and neither side asked to close (hardening 1.8). In every other case it is
 * destroyed: a connection is guilty until proven clean.
 *
 * Reads go into one buffer per connection that is reused for every read. Whoever keeps a piece of it says so
 * (`KEPT`, `FULL`), and the connection reads on behind it while there is much room left, else into a new buffer.
 */
import * as net from "node:net"
import * as tls from "node:tls"
import { ChunkedReader } from "../http1/Chunked.ts"
import { MAX_INTERIM_RESPONSES, RESPONSE_LIMITS } from "../http1/Limits.ts"
import { CHUNKED, LENGTH, MessageWriter, RAW } from "../http1/MessageWriter.ts"
import { headEnd } from "../http1/RequestHead.ts"
import { parse, ResponseHead } from "../http1/ResponseHead.ts"
import { Fields, indexOfField } from "../model/Fields.ts"
import { type BodySource, CONSUMED, type Flow, FULL } from "../proxy/Body.ts"
import type { Exchange, UpstreamReceiver, UpstreamStream } from "../proxy/Exchange.ts"
import * as Failure from "../proxy/Failure.ts"
import { defect } from "../proxy/Lifecycle.ts"
import type { Ticker, Timed } from "../proxy/Ticker.ts"
import type { Backend } from "./Backend.ts"

/** What connections of one upstream have in common. Times in milliseconds, 0 for none. */
export interface ClientOptions {
  readonly connectMillis: number
  readonly readMillis: number
  readonly writeMillis: number
  readonly idleMillis: number
  /** Idle connections kept per backend. Becomes 0 when the pool closes. */
  maxIdle: number
  readonly keepAliveMillis: number
  /** Server name for TLS; empty for plain TCP. */
  readonly sni: string
  readonly verify: boolean
  readonly ticker: Ticker
  /** Takes an exception that a callback of a socket would have thrown. */
  readonly report: (error: unknown) => void
}

const CONNECTING = 0
const READY = 1
const HEAD = 2
const BODY = 3
const SWITCHED = 4
const CLOSED = 5

const READ_BUFFER = 64 * 1024
/** Room behind a piece that is kept for which the buffer goes on: small pieces must not hold 64 KiB each. */
const MIN_READ_BUFFER = 48 * 1024
/** A response whose head and body came in one read of at most this size travels as one string. */
const SMALL = 8 * 1024
const HEAD_WINDOW = 4 * 1024

const head = new ResponseHead()

export class Http1Client implements UpstreamStream, Timed {
  reused = false
  source: BodySource | null = null
  /** When the connection was established, `performance.now()`. */
  openedAt = 0
  private readonly backend: Backend
  private readonly options: ClientOptions
  private readonly socket: net.Socket
  private readonly writer: MessageWriter
  private state: number = CONNECTING
  private receiver: UpstreamReceiver | null = null
  private exchange: Exchange | null = null
  private buffer: Buffer | null
  private keptBuffer = false
  private bytesRead = 0
  private startedAt = performance.now()
  // request
  private requestDone = true
  /** Fields of the head of a chunked request. */
  private sent = ""
  // response
  private partial = ""
  private interims = 0
  private bodyless = false
  private left = -1
  private chunked: ChunkedReader | null = null
  private keepAlive = true
  private sawBytes = false
  private paused = false
  private readDeadline = 0
  private writeDeadline = 0

  /** Opens a connection and reports to `receiver` once it stands, or why it does not. */
  constructor(backend: Backend, options: ClientOptions, receiver: UpstreamReceiver, exchange: Exchange) {
    this.backend = backend
    this.options = options
    this.receiver = receiver
    this.exchange = exchange
    backend.open++
    const secure = options.sni !== ""
    const where = backend.port === 0 ? { path: backend.host } : { host: backend.host, port: backend.port }
    if (secure) {
      this.buffer = null
      const servername = net.isIP(options.sni) === 0 ? { servername: options.sni } : {}
      const socket = tls.connect({
        ...where,
        ...servername,
        rejectUnauthorized: options.verify,
        ALPNProtocols: ["http/1.1"]
      })
      socket.on("data", (chunk) => this.onRead(chunk.length, chunk))
      socket.on("secureConnect", () => this.guard(() => this.onConnect()))
      this.socket = socket
    } else {
      const buffer = Buffer.allocUnsafeSlow(READ_BUFFER)
      this.buffer = buffer
      this.socket = net.connect({
        ...where,
        noDelay: true,
        keepAlive: options.keepAliveMillis > 0,
        keepAliveInitialDelay: options.keepAliveMillis,
        onread: { buffer: () => this.nextBuffer(), callback: (bytes, chunk) => this.onRead(bytes, chunk as Buffer) }
      })
      this.socket.on("connect", () => this.guard(() => this.onConnect()))
    }
    this.writer = new MessageWriter(this.socket)
    this.socket.on("error", (error: NodeJS.ErrnoException) => this.guard(() => this.onError(error)))
    this.socket.on("end", () => this.guard(() => this.onEnd()))
    this.socket.on("close", () => this.guard(() => this.onClose()))
    this.socket.on("drain", () => this.guard(() => this.onDrain()))
    if (options.connectMillis > 0) this.readDeadline = options.ticker.in(options.connectMillis)
    options.ticker.add(this)
  }

  /** Takes an idle connection for an exchange. */
  take(receiver: UpstreamReceiver, exchange: Exchange): void {
    this.reused = true
    this.receiver = receiver
    this.exchange = exchange
    this.readDeadline = 0
    this.ready()
  }

  private ready(): void {
    const exchange = this.exchange!
    this.state = HEAD
    this.requestDone = false
    this.sawBytes = false
    this.interims = 0
    if (exchange.server.measured) exchange.upstreamOpenedAt = this.openedAt
    exchange.upstreamAddress = this.backend.address
    this.receiver!.opened(this)
  }

  // ---- request

  head(exchange: Exchange, fields: string, length: number): void {
    const host = exchange.host === "" && !/^host:/im.test(fields) ? `Host: ${this.backend.address}\r\n` : ""
    let start = `${exchange.method} ${exchange.target} HTTP/1.1\r\n${host}${fields}`
    this.bodyless = exchange.method === "HEAD"
    if (exchange.upgrade !== "") start += `Connection: Upgrade\r\nUpgrade: ${exchange.upgrade}\r\n`
    else if (exchange.acceptsTrailers) start += "Connection: TE\r\nTE: trailers\r\n"
    if (length === 0) {
      this.requestDone = true
      this.expectRead()
      // A request of a method that means to send content says that it is empty (RFC 9110 8.6).
      const method = exchange.method
      this.writer.whole(
        method === "POST" || method === "PUT" || method === "PATCH"
          ? `${start}Content-Length: 0\r\n\r\n`
          : `${start}\r\n`
      )
    } else if (length > 0) this.writer.begin(`${start}Content-Length: ${length}\r\n\r\n`, LENGTH, length)
    else {
      this.sent = fields
      this.writer.begin(`${start}Transfer-Encoding: chunked\r\n\r\n`, CHUNKED, -1)
    }
  }

  write(chunk: Buffer): Flow {
    if (this.state === CLOSED || this.receiver === null) return CONSUMED
    const flow = this.writer.write(chunk)
    // Without a limit of its own, a backend that does not read is held to the one for answering.
    const limit = this.options.writeMillis > 0 ? this.options.writeMillis : this.options.readMillis
    if (flow === FULL && limit > 0) this.writeDeadline = this.options.ticker.in(limit)
    return flow
  }

  end(trailers: Fields | null): void {
    if (this.state === CLOSED || this.receiver === null) return
    if (this.state === SWITCHED) {
      this.socket.end()
      return
    }
    this.requestDone = true
    this.expectRead()
    if (!this.writer.end(trailers === null ? null : harmless(trailers, this.sent))) this.fail(Failure.internal)
  }

  abort(_failure: Failure.Failure): void {
    this.destroy()
  }

  flush(): void {
    this.writer.flush()
  }

  // ---- response, as the source of its body

  resume(): void {
    if (!this.paused || this.state === CLOSED) return
    this.paused = false
    this.expectRead()
    this.socket.resume()
  }

  /** Nobody waits for the response any more. */
  cancel(): void {
    this.destroy()
  }

  // ---- from the socket

  private onConnect(): void {
    if (this.state !== CONNECTING) return
    this.openedAt = performance.now()
    this.readDeadline = 0
    const exchange = this.exchange!
    if (this.options.sni === "") exchange.tcpConnectMillis = this.openedAt - this.startedAt
    else exchange.tlsConnectMillis = this.openedAt - this.startedAt
    if (this.options.sni !== "") this.socket.setNoDelay(true)
    this.ready()
  }

  // Called by the socket after each read: other memory when somebody keeps what was read, else the same again.
  private nextBuffer(): Buffer {
    if (this.keptBuffer) {
      this.keptBuffer = false
      const buffer = this.buffer!
      this.buffer =
        buffer.length - this.bytesRead >= MIN_READ_BUFFER
          ? buffer.subarray(this.bytesRead)
          : Buffer.allocUnsafeSlow(READ_BUFFER)
    }
    return this.buffer!
  }

  private onRead(bytes: number, chunk: Buffer): boolean {
    const exchange = this.exchange
    this.bytesRead = bytes
    try {
      return this.read(bytes, chunk)
    } catch (error) {
      this.broke(exchange, error)
      return false
    }
  }

  private guard(work: () => void): void {
    const exchange = this.exchange
    try {
      work()
    } catch (error) {
      this.broke(exchange, error)
    }
  }

  // Something threw while this connection's news was worked on. The exchange it was for fails, the connection ends.
  private broke(exchange: Exchange | null, error: unknown): void {
    this.destroy()
    if (exchange === null) this.options.report(error)
    else defect(exchange, error)
  }

  private read(bytes: number, chunk: Buffer): boolean {
    if (this.state === CLOSED) return false
    if (this.receiver === null) {
      // An idle connection has nothing to say: a late answer, a 408, or worse.
      this.destroy()
      return false
    }
    this.sawBytes = true
    switch (this.state) {
      case HEAD:
        this.readHead(chunk, 0, bytes)
        break
      case BODY:
        this.readBody(chunk, 0, bytes)
        break
      case SWITCHED:
        this.deliver(chunk, 0, bytes)
        break
    }
    this.receiver?.pause()
    return !this.paused
  }

  private readHead(chunk: Buffer, from: number, to: number): void {
    const small = to - from <= SMALL
    let text = chunk.toString("latin1", from, small ? to : from + HEAD_WINDOW)
    const before = this.partial.length
    if (before > 0) text = this.partial + text
    let end = headEnd(text)
    if (end === -1 && !small) {
      text = this.partial + chunk.toString("latin1", from, to)
      end = headEnd(text)
    }
    if (end === -1) {
      if (text.length > RESPONSE_LIMITS.headBytes) this.fail(Failure.upstreamInvalid)
      else {
        this.partial = text
        this.expectRead()
      }
      return
    }
    this.partial = ""
    if (!parse(text, end, head)) {
      this.fail(Failure.upstreamInvalid)
      return
    }
    const bodyAt = from + head.size - before
    const status = head.status
    if (status < 200) {
      this.interim(status, chunk, bodyAt, to)
      return
    }
    const exchange = this.exchange!
    exchange.dated = head.dated
    this.keepAlive = head.keepAlive
    if (this.bodyless || status === 204 || status === 304) {
      if (head.chunked && status === 204) {
        this.fail(Failure.upstreamInvalid)
        return
      }
      // A 204 that announces content may be followed by it.
      const receiver = this.complete(bodyAt === to && !(status === 204 && head.length > 0))
      receiver.whole(status, head.reason, new Fields(head.fields), status === 204 ? -1 : head.length, "")
      return
    }
    const length = head.length
    const available = to - bodyAt
    if (length !== -1 && small && available >= length) {
      const reason = head.reason
      const fields = new Fields(head.fields)
      const receiver = this.complete(available === length)
      const start = head.size
      receiver.whole(status, reason, fields, length, text.slice(start, start + length))
      return
    }
    this.state = BODY
    this.left = length
    this.chunked = head.chunked ? new ChunkedReader() : null
    if (length === -1 && !head.chunked) this.keepAlive = false
    this.receiver!.head(status, head.reason, new Fields(head.fields), length)
    if (this.receiver === null) return
    if (available > 0) this.readBody(chunk, bodyAt, to)
    else if (length !== 0) this.expectRead()
    else this.finish(true, null)
  }

  private interim(status: number, chunk: Buffer, from: number, to: number): void {
    if (status === 101) {
      const exchange = this.exchange!
      if (exchange.upgrade === "" || head.upgrade !== exchange.upgrade) {
        this.fail(Failure.upstreamInvalid)
        return
      }
      this.state = SWITCHED
      this.readDeadline = 0
      this.requestDone = false
      this.writer.begin("", RAW, 0)
      this.receiver!.head(101, head.reason, new Fields(head.fields), -1)
      if (from < to && this.receiver !== null) this.deliver(chunk, from, to)
      return
    }
    if (++this.interims > MAX_INTERIM_RESPONSES) {
      this.fail(Failure.upstreamInvalid)
      return
    }
    // The client's 100 comes from us, when its body is read (docs/differences.md).
    if (status !== 100) this.receiver!.informational(status, new Fields(head.fields))
    this.expectRead()
    if (from < to && this.receiver !== null) this.readHead(chunk, from, to)
  }

  private readBody(chunk: Buffer, from: number, to: number): void {
    const chunked = this.chunked
    if (chunked !== null) {
      const used = chunked.read(chunk, from, to)
      if (chunked.to > chunked.from) this.deliver(chunk, chunked.from, chunked.to)
      if (this.receiver === null) return
      if (chunked.broken) this.fail(Failure.upstreamInvalid)
      else if (chunked.done) this.finish(used === to, chunked.trailers)
      else this.expectRead()
      return
    }
    if (this.left === -1) {
      this.deliver(chunk, from, to)
      this.expectRead()
      return
    }
    const length = Math.min(this.left, to - from)
    this.left -= length
    this.deliver(chunk, from, from + length)
    if (this.receiver === null) return
    if (this.left === 0) this.finish(from + length === to, null)
    else this.expectRead()
  }

  private deliver(chunk: Buffer, from: number, to: number): void {
    const flow = this.receiver!.write(chunk.subarray(from, to))
    if (flow === CONSUMED) return
    this.keptBuffer = true
    if (flow === FULL && this.state !== CLOSED) {
      this.paused = true
      this.readDeadline = 0
      if (this.options.sni !== "") this.socket.pause()
    }
  }

  private finish(clean: boolean, trailers: Fields | null): void {
    this.complete(clean).end(trailers)
  }

  // The response is complete: lets go of the exchange, keeps the connection if it is clean, returns who waits for the end.
  private complete(clean: boolean): UpstreamReceiver {
    const receiver = this.receiver!
    this.receiver = null
    this.exchange = null
    this.source = null
    this.chunked = null
    this.readDeadline = 0
    this.writeDeadline = 0
    const idle = this.backend.idle
    if (
      clean &&
      this.requestDone &&
      this.keepAlive &&
      idle.length < this.options.maxIdle &&
      this.socket.writableLength === 0
    ) {
      this.state = READY
      if (this.paused) {
        this.paused = false
        this.socket.resume()
      }
      if (this.options.idleMillis > 0) this.readDeadline = this.options.ticker.in(this.options.idleMillis)
      idle.push(this)
    } else this.destroy()
    return receiver
  }

  private onEnd(): void {
    // The end of the connection is the end of a body without length; of anything else it is the loss of the rest.
    if ((this.state === BODY && this.left === -1 && this.chunked === null) || this.state === SWITCHED) {
      const receiver = this.receiver
      this.receiver = null
      this.destroy()
      receiver?.end(null)
    } else this.fail(Failure.upstreamClosed)
  }

  private onError(error: NodeJS.ErrnoException): void {
    if (this.state !== CONNECTING) {
      this.fail(Failure.upstreamClosed)
      return
    }
    const code = error.code ?? ""
    if (code === "ECONNREFUSED") this.fail(Failure.connectRefused)
    else if (
      code.startsWith("ERR_TLS") ||
      code.startsWith("ERR_SSL") ||
      code.includes("CERT") ||
      code.startsWith("UNABLE_TO_") ||
      code === "EPROTO"
    )
      this.fail(Failure.tlsFailed)
    else this.fail(code === "ETIMEDOUT" ? Failure.connectTimeout : Failure.connectFailed)
  }

  private onDrain(): void {
    this.writeDeadline = 0
    if (this.receiver === null) return
    if (this.state === HEAD) this.expectRead()
    this.source?.resume()
  }

  private onClose(): void {
    this.fail(Failure.upstreamClosed)
  }

  checkDeadlines(now: number): void {
    if (this.writeDeadline !== 0 && now >= this.writeDeadline) this.fail(Failure.upstreamWriteTimeout)
    else if (this.readDeadline !== 0 && now >= this.readDeadline) {
      if (this.state === CONNECTING) this.fail(Failure.connectTimeout)
      else if (this.receiver === null) this.destroy()
      else this.fail(Failure.upstreamReadTimeout)
    }
  }

  // An answer is due when the request is out: until then it is the client, or our writing, that is waited for.
  private expectRead(): void {
    if (
      this.options.readMillis > 0 &&
      !this.paused &&
      (this.state === BODY || (this.state === HEAD && this.requestDone))
    ) {
      this.readDeadline = this.options.ticker.in(this.options.readMillis)
    }
  }

  private fail(failure: Failure.Failure): void {
    if (this.state === CLOSED) return
    const receiver = this.receiver
    const connecting = this.state === CONNECTING
    this.receiver = null
    this.destroy()
    receiver?.failed(failure, connecting || (!this.sawBytes && failure === Failure.upstreamClosed))
  }

  /** Closes the connection without telling anybody. */
  destroy(): void {
    if (this.state === CLOSED) return
    this.state = CLOSED
    this.receiver = null
    this.exchange = null
    this.source = null
    this.options.ticker.delete(this)
    const backend = this.backend
    const at = backend.idle.indexOf(this)
    if (at !== -1) backend.idle.splice(at, 1)
    backend.open--
    this.socket.destroy()
  }
}

// Programs behind a backend may merge trailers into the head: what the head says, a header rule above all, must not be
// said differently there, nor in a spelling that CGI-like programs read as the same name.
const harmless = (trailers: Fields, sent: string): Fields | null => {
  const kept = new Fields("")
  trailers.forEach((name, value) => {
    const lower = name.toLowerCase()
    if (!lower.includes("_") && indexOfField(sent, lower) === -1) kept.append(name, value)
  })
  return kept.text === "" ? null : kept
}
