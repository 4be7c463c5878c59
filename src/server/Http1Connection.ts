/**
 * One client connection speaking HTTP/1: owns the socket, the codec, keep-alive, pipelining and time-outs.
 *
 *   IDLE ── head complete ──▶ BUSY ── response and request body complete ──▶ IDLE
 *     │                         │ ├─ 101 ──▶ UPGRADED ──▶ CLOSED
 *     ╰── malformed ──▶ LINGER ◀╯ ╰─ client gone, broken response ──▶ CLOSED
 *
 * One exchange at a time. A pipelined request waits in the socket until the one before it is answered. A request body
 * waits there until somebody reads it. LINGER reads and drops a little of what the client still sends, so that the
 * error response is not lost in a reset (RFC 9112 9.6).
 */
import type { Socket } from "node:net"
import type { ConnectionOptions } from "../generation/Generation.ts"
import { ChunkedReader } from "../http1/Chunked.ts"
import { CHUNKED, LENGTH, MessageWriter, NO_BODY, RAW } from "../http1/MessageWriter.ts"
import { checkPartial, headEnd, parse, RequestHead } from "../http1/RequestHead.ts"
import type { Fields } from "../model/Fields.ts"
import type { IpRules } from "../model/IpRules.ts"
import { type BodySink, type BodySource, CONSUMED, type Flow, FULL } from "../proxy/Body.ts"
import { type ClientConnection, type Downstream, Exchange } from "../proxy/Exchange.ts"
import * as Failure from "../proxy/Failure.ts"
import { begin, clientGone, fail, finish } from "../proxy/Lifecycle.ts"
import type { ServerRuntime } from "../proxy/Runtime.ts"
import { reasonOf } from "../proxy/Status.ts"
import type { Ticker, Timed } from "../proxy/Ticker.ts"

/** Where connections of one listener come from and go to. */
export interface ConnectionOwner {
  readonly ticker: Ticker
  /** The server of the newest generation: read once per request. */
  readonly current: () => ServerRuntime
  readonly options: () => ConnectionOptions
  /** No further request is taken after the running one. */
  readonly draining: () => boolean
  readonly closed: (connection: Http1Connection) => void
  /** Takes an exception that a callback of a socket would have thrown. */
  readonly report: (error: unknown) => void
}

const IDLE = 0
const BUSY = 1
const UPGRADED = 2
const LINGER = 3
const CLOSED = 4

/** Rest of a request body that is read and dropped to keep, or to end well, a connection. */
const MAX_DRAIN_BYTES = 64 * 1024
const LINGER_MILLIS = 2_000
/** Text taken from a read at first: enough for nearly every head, little to slice when requests are pipelined. */
const HEAD_WINDOW = 2_048

const head = new RequestHead()
let nextId = 1

export class Http1Connection implements Downstream, ClientConnection, BodySource, Timed {
  readonly id: number = nextId++
  readonly remoteAddress: string
  readonly remotePort: number
  readonly tlsVersion = ""
  readonly tlsCipher = ""
  readonly tlsHandshakeMillis = -1
  readonly openedAt: number = performance.now()
  requests = 0
  source: BodySource | null = null

  private readonly socket: Socket
  private readonly owner: ConnectionOwner
  private readonly writer: MessageWriter
  private state: number = IDLE
  private exchange: Exchange | null = null
  private trustedBy: IpRules | null = null
  private trusted = false
  /** The part of a head that has arrived. */
  private partial = ""
  /** What arrived behind the bytes that were asked for. */
  private rest: Buffer | null = null
  private parsing = false
  // request body: bytes left of a length, -1 while chunked; `bodyDone` once it has been read whole
  private bodyDone = true
  private bodyLeft = 0
  private chunked: ChunkedReader | null = null
  private bodySink: BodySink | null = null
  /** The sink of the body wants nothing more for now. */
  private blocked = false
  private continueDue = false
  private drained = 0
  // response
  private keepAlive = true
  private closeDelimited = false
  private responseDone = false
  /** When something must have been read, and written, by; 0: nothing is waited for. */
  private readDeadline = 0
  private writeDeadline = 0
  private headDeadline = 0

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.socket = socket
    this.owner = owner
    this.writer = new MessageWriter(socket)
    this.remoteAddress = socket.remoteAddress ?? ""
    this.remotePort = socket.remotePort ?? 0
    this.headDeadline = owner.ticker.in(owner.options().headMillis)
    owner.ticker.add(this)
    attach(socket, this)
  }

  get client(): ClientConnection {
    return this
  }

  get localAddress(): string {
    return this.socket.localAddress ?? ""
  }

  get localPort(): number {
    return this.socket.localPort ?? 0
  }

  /** True between requests: may be closed without anybody noticing. */
  get idle(): boolean {
    return this.state === IDLE && this.partial === "" && this.rest === null
  }

  // ---- from the socket

  onData(chunk: Buffer): void {
    switch (this.state) {
      case IDLE:
        this.consume(chunk)
        return
      case BUSY:
        if (!this.bodyDone && this.bodySink !== null && this.rest === null) {
          this.readPiece(chunk)
        } else this.hold(chunk)
        return
      case UPGRADED:
        switch (this.bodySink!.write(chunk)) {
          case FULL:
            this.socket.pause()
            return
          case CONSUMED:
            free(chunk)
        }
        return
      case LINGER:
        // What is too much stays in the kernel: closing on it would be a reset, and take our answer with it.
        this.drained += chunk.length
        if (this.drained > MAX_DRAIN_BYTES) this.socket.pause()
    }
  }

  onEnd(): void {
    if (this.state === UPGRADED) {
      this.bodySink!.end(null)
      // The backend may finish what it says, but not take for ever.
      this.readDeadline = this.owner.ticker.in(this.owner.options().readMillis)
      return
    }
    // The rest of a body that nobody wanted will not come.
    if (this.state === BUSY && this.responseDone) this.linger()
    else if (this.exchange !== null) this.lost(Failure.clientGone)
    else this.socket.end()
  }

  onDrain(): void {
    this.writeDeadline = 0
    if (this.exchange !== null) this.source?.resume()
    else if (this.state === IDLE && this.rest !== null) this.consumeHeld()
  }

  onClose(): void {
    if (this.state === CLOSED) return
    this.state = CLOSED
    this.owner.ticker.delete(this)
    this.owner.closed(this)
    if (this.exchange !== null) this.lost(Failure.clientGone)
  }

  checkDeadlines(now: number): void {
    const unsent = this.socket.writableLength > 0
    if (!unsent) this.writeDeadline = 0
    else if (this.writeDeadline === 0) this.writeDeadline = this.owner.ticker.in(this.owner.options().writeMillis)
    if (this.writeDeadline !== 0 && now >= this.writeDeadline) {
      if (this.exchange !== null && !this.responseDone) this.lost(Failure.clientTooSlow)
      else this.destroy()
    } else if (
      (this.readDeadline !== 0 && now >= this.readDeadline) ||
      (this.headDeadline !== 0 && now >= this.headDeadline)
    ) {
      // Time to linger or to be idle begins when the client has read what it was sent.
      if (unsent && this.state !== BUSY && this.partial === "") {
        this.restartDeadlines()
        return
      }
      this.readDeadline = 0
      this.headDeadline = 0
      if (this.state === IDLE && this.partial !== "") this.refuse(Failure.requestTimeout)
      else if (this.state === BUSY && !this.bodyDone) {
        if (this.exchange !== null && !this.responseDone) fail(this.exchange, Failure.requestTimeout)
        else this.destroy()
      } else this.destroy()
    }
  }

  private restartDeadlines(): void {
    const options = this.owner.options()
    if (this.readDeadline !== 0)
      this.readDeadline = this.owner.ticker.in(this.state === LINGER ? LINGER_MILLIS : options.readMillis)
    if (this.headDeadline !== 0) this.headDeadline = this.owner.ticker.in(options.keepAliveMillis)
  }

  // ---- requests

  // Takes heads from a read until one of them has to wait or nothing is left. What is behind a request lies in `rest`.
  // Who sends requests and does not read the answers waits, too.
  private consume(chunk: Buffer): void {
    this.parsing = true
    let input: Buffer | null = chunk
    while (input !== null && this.state === IDLE && !this.socket.writableNeedDrain) {
      this.readHead(input)
      input = this.rest
      if (this.state === IDLE) this.rest = null
    }
    this.parsing = false
    if (this.state !== IDLE) return
    if (input !== null) this.hold(input)
    else if (this.socket.isPaused()) this.socket.resume()
  }

  private consumeHeld(): void {
    const rest = this.rest!
    this.rest = null
    this.consume(rest)
  }

  private readHead(chunk: Buffer): void {
    const options = this.owner.options()
    const before = this.partial.length
    const window = Math.min(chunk.length, HEAD_WINDOW)
    let text = chunk.toString("latin1", 0, window)
    if (before > 0) text = this.partial + text
    let end = headEnd(text, before > 3 ? before - 3 : 0)
    if (end === -1 && window < chunk.length) {
      text = this.partial + chunk.toString("latin1", 0, Math.min(chunk.length, options.limits.headBytes + 4))
      end = headEnd(text)
    }
    if (end === -1) {
      const failure = checkPartial(text, options.limits)
      if (failure !== null) this.refuse(failure)
      else {
        if (before === 0) this.headDeadline = this.owner.ticker.in(options.headMillis)
        this.readDeadline = this.owner.ticker.in(options.headIdleMillis)
        this.partial = text
      }
      return
    }
    this.partial = ""
    this.readDeadline = 0
    this.headDeadline = 0
    const server = this.owner.current()
    const failure = parse(text, end, options.limits, this.isTrusted(server.trusted), head)
    if (failure !== null) {
      this.refuse(failure)
      return
    }
    const used = head.size - before
    if (used < chunk.length) this.rest = chunk.subarray(used)
    this.start(server, options)
  }

  // The peer's address does not change, and the rules only with a generation.
  private isTrusted(rules: IpRules): boolean {
    if (rules !== this.trustedBy) {
      this.trustedBy = rules
      this.trusted = rules.has(this.remoteAddress)
    }
    return this.trusted
  }

  private start(server: ServerRuntime, options: ConnectionOptions): void {
    this.state = BUSY
    this.requests++
    this.keepAlive = head.keepAlive && this.requests < options.maxRequests && !this.owner.draining()
    this.responseDone = false
    this.source = null
    this.bodySink = null
    if (head.length === 0) this.bodyDone = true
    else {
      this.bodyDone = false
      this.bodyLeft = head.length
      this.chunked = head.length === -1 ? new ChunkedReader() : null
      this.continueDue = head.expectsContinue && this.rest === null
      this.drained = 0
    }
    // Nobody reads a body or a pipelined request yet: they wait in the kernel.
    if (!this.bodyDone || this.rest !== null) this.socket.pause()
    const exchange = new Exchange(this, server, head)
    this.exchange = exchange
    begin(exchange)
  }

  // Answers what never became a request. There is no exchange and no access-log line for it.
  private refuse(failure: Failure.Failure): void {
    this.partial = ""
    const page = this.owner.current().errorPage(failure)
    const body = typeof page.body === "string" ? page.body : ""
    this.writer.whole(
      `HTTP/1.1 ${failure.status} ${reasonOf(failure.status)}\r\n${page.fields}${this.owner.ticker.dateLine}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`
    )
    this.linger()
  }

  // ---- request body

  readBody(exchange: Exchange, sink: BodySink): BodySource {
    if (this.exchange !== exchange) return this
    this.bodySink = sink
    this.readDeadline = this.owner.ticker.in(this.owner.options().readMillis)
    if (this.continueDue) {
      this.continueDue = false
      this.socket.write("HTTP/1.1 100 Continue\r\n\r\n", "latin1")
    }
    this.blocked = false
    this.readHeldPiece()
    if (this.exchange === exchange && !this.blocked && this.rest === null) this.socket.resume()
    return this
  }

  private readHeldPiece(): void {
    const rest = this.rest
    if (rest === null) return
    this.rest = null
    this.readPiece(rest)
  }

  /** The sink of the request body wants more. */
  resume(): void {
    if (this.state !== BUSY && this.state !== UPGRADED) return
    this.blocked = false
    if (this.bodyDone) return
    if (this.state === BUSY) this.readDeadline = this.owner.ticker.in(this.owner.options().readMillis)
    this.socket.resume()
  }

  /** Nobody wants the rest of the request body: what still comes is dropped. */
  cancel(): void {
    if (this.state === UPGRADED) this.destroy()
    else {
      this.bodySink = DROP
      this.resume()
    }
  }

  // Hands the body bytes at the start of `chunk` to the sink; what follows them is the next request's.
  private readPiece(chunk: Buffer): void {
    const exchange = this.exchange!
    const sink = this.bodySink!
    const chunked = this.chunked
    let used: number
    let from = 0
    let to: number
    if (chunked === null) {
      to = Math.min(chunk.length, this.bodyLeft)
      used = to
      this.bodyLeft -= to
      this.bodyDone = this.bodyLeft === 0
    } else {
      used = chunked.read(chunk, 0, chunk.length)
      from = chunked.from
      to = chunked.to
      if (chunked.broken) {
        this.breakBody(exchange, sink, Failure.badRequest)
        return
      }
      this.bodyDone = chunked.done
    }
    if (used < chunk.length) this.rest = chunk.subarray(used)
    let flow: Flow = CONSUMED
    if (to > from) {
      const length = to - from
      exchange.requestBytes += length
      const limit = exchange.location === null ? 0 : exchange.location.maxBodyBytes
      if (limit > 0 && exchange.requestBytes > limit && sink !== DROP) {
        this.breakBody(exchange, sink, Failure.bodyTooLarge)
        return
      }
      if (sink === DROP && (this.drained += length) > MAX_DRAIN_BYTES && this.responseDone) {
        this.linger()
        return
      }
      flow = sink.write(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to))
      if (flow === CONSUMED && used === chunk.length) free(chunk)
      if (this.exchange !== exchange) return
    }
    if (this.bodyDone) {
      const trailers = chunked === null ? null : chunked.trailers
      this.chunked = null
      this.readDeadline = 0
      sink.end(trailers)
      if (this.exchange !== exchange) return
      // From here on a read only tells that the client left, or brings the next request.
      if (this.rest !== null) this.socket.pause()
      else if (this.socket.isPaused()) this.socket.resume()
      this.completed()
    } else if (flow === FULL) {
      this.blocked = true
      this.readDeadline = 0
      this.socket.pause()
    } else this.readDeadline = this.owner.ticker.in(this.owner.options().readMillis)
  }

  private breakBody(exchange: Exchange, sink: BodySink, failure: Failure.Failure): void {
    this.bodySink = null
    this.keepAlive = false
    this.rest = null
    sink.abort(failure)
    if (this.exchange !== exchange) return
    if (this.responseDone) this.linger()
    else fail(exchange, failure)
  }

  // Keeps what nobody can take yet and stops reading.
  private hold(chunk: Buffer): void {
    this.rest = this.rest === null ? chunk : Buffer.concat([this.rest, chunk])
    this.socket.pause()
  }

  // ---- response

  informational(exchange: Exchange, status: number, fields: Fields): void {
    if (exchange.version === 11)
      this.socket.write(`HTTP/1.1 ${status} ${reasonOf(status)}\r\n${fields.text}\r\n`, "latin1")
  }

  head(exchange: Exchange, status: number, reason: string, fields: string, length: number): void {
    const bodyless = exchange.method === "HEAD" || status === 204 || status === 304
    let framing: 0 | 1 | 2 | 3 = NO_BODY
    if (!bodyless) {
      framing = length >= 0 ? LENGTH : exchange.version === 10 ? RAW : CHUNKED
      if (framing === RAW) this.keepAlive = false
    }
    this.closeDelimited = framing === RAW
    const coding = framing === CHUNKED ? "Transfer-Encoding: chunked\r\n" : ""
    this.writer.begin(
      this.responseHead(exchange, status, reason, fields, length) + coding + this.connectionLine(exchange),
      framing,
      length
    )
  }

  whole(exchange: Exchange, status: number, reason: string, fields: string, body: string): void {
    const bodyless = exchange.method === "HEAD" || status === 204 || status === 304
    const length = bodyless ? exchange.responseLength : body.length
    const start = this.responseHead(exchange, status, reason, fields, length) + this.connectionLine(exchange)
    if (bodyless) this.writer.whole(start)
    else {
      exchange.responseBytes += body.length
      this.writer.whole(start + body)
    }
    this.respondedWhole(exchange)
  }

  private responseHead(exchange: Exchange, status: number, reason: string, fields: string, length: number): string {
    const date = exchange.dated ? "" : this.owner.ticker.dateLine
    // A 204 has no length at all (RFC 9110 8.6).
    return length >= 0 && status !== 204
      ? `HTTP/1.1 ${status} ${reason}\r\n${fields}${date}Content-Length: ${length}\r\n`
      : `HTTP/1.1 ${status} ${reason}\r\n${fields}${date}`
  }

  // The line that tells the client whether the connection goes on, with the end of the head.
  private connectionLine(exchange: Exchange): string {
    if (exchange.closes || this.owner.draining() || this.bodyTooLongToDrop()) this.keepAlive = false
    if (!this.keepAlive) return "Connection: close\r\n\r\n"
    return exchange.version === 10 ? "Connection: keep-alive\r\n\r\n" : "\r\n"
  }

  // A body that is still to come and not short would have to be read to the end to keep the connection: nobody may
  // have asked for it, or the final response comes before it.
  private bodyTooLongToDrop(): boolean {
    return !this.bodyDone && (this.continueDue || this.bodyLeft === -1 || this.bodyLeft > MAX_DRAIN_BYTES)
  }

  write(chunk: Buffer): Flow {
    const exchange = this.exchange
    if (exchange === null) return CONSUMED
    exchange.responseBytes += chunk.length
    const flow = this.writer.write(chunk)
    if (flow === FULL) this.writeDeadline = this.owner.ticker.in(this.owner.options().writeMillis)
    return flow
  }

  end(trailers: Fields | null): void {
    const exchange = this.exchange
    if (exchange === null) return
    if (this.state === UPGRADED) {
      finish(exchange)
      this.linger()
      return
    }
    if (!this.writer.end(exchange.acceptsTrailers ? trailers : null)) {
      this.abort(Failure.internal)
      return
    }
    this.respondedWhole(exchange)
  }

  flush(): void {
    this.writer.flush()
  }

  abort(failure: Failure.Failure): void {
    const exchange = this.exchange
    if (exchange !== null) {
      this.exchange = null
      exchange.failure ??= failure
      finish(exchange)
    }
    if (this.state === UPGRADED) this.reset()
    else this.destroy()
  }

  upgrade(exchange: Exchange, fields: string, sink: BodySink): BodySource {
    this.state = UPGRADED
    this.bodySink = sink
    this.bodyDone = false
    this.readDeadline = 0
    this.writer.begin(
      `HTTP/1.1 101 Switching Protocols\r\n${fields}Connection: Upgrade\r\nUpgrade: ${exchange.upgrade}\r\n\r\n`,
      RAW,
      0
    )
    this.writer.flush()
    const rest = this.rest
    this.rest = null
    if (rest !== null && sink.write(rest) === FULL) this.socket.pause()
    else this.socket.resume()
    return this
  }

  private respondedWhole(exchange: Exchange): void {
    this.responseDone = true
    this.source = null
    finish(exchange)
    if (this.exchange === exchange) this.completed()
  }

  // The response is out, the request read, or both: the latter ends the exchange's time on this connection.
  private completed(): void {
    if (!this.responseDone) return
    if (this.bodyDone) {
      this.exchange = null
      this.bodySink = null
      if (!this.keepAlive) {
        this.linger()
        return
      }
      this.state = IDLE
      this.headDeadline = this.owner.ticker.in(this.owner.options().keepAliveMillis)
      // A loop in `consume` further up goes on by itself.
      if (this.parsing) return
      if (this.rest !== null) this.consumeHeld()
      else if (this.socket.isPaused()) this.socket.resume()
    } else if (!this.keepAlive || this.continueDue) this.linger()
    else if (this.bodySink !== DROP) {
      // Read the short rest of a body that nobody wants any more, then take the next request.
      const exchange = this.exchange
      this.bodySink = DROP
      this.blocked = false
      this.readDeadline = this.owner.ticker.in(this.owner.options().readMillis)
      this.readHeldPiece()
      if (this.exchange === exchange && this.rest === null) this.socket.resume()
    }
  }

  // ---- ends

  /** Stops taking requests: at once when idle, else after the running one. */
  drain(): void {
    if (this.idle) this.linger()
    else this.keepAlive = false
  }

  destroy(): void {
    // A body that ends with the connection would look whole after an orderly close.
    if (this.closeDelimited && (!this.responseDone || this.socket.writableLength > 0)) this.reset()
    else this.socket.destroy()
  }

  private reset(): void {
    try {
      this.socket.resetAndDestroy()
    } catch {
      // Only TCP knows resets. TLS shows the loss by the missing close_notify, a unix socket cannot.
      this.socket.destroy()
    }
  }

  /** Something threw in the middle of this connection's work. Nothing it says can be trusted any more. */
  broke(error: unknown): void {
    this.owner.report(error)
    const exchange = this.exchange
    this.exchange = null
    if (exchange !== null) clientGone(exchange, Failure.internal)
    this.destroy()
  }

  // The client, or its patience, is gone: the exchange ends without a complete response.
  private lost(failure: Failure.Failure): void {
    const exchange = this.exchange!
    this.exchange = null
    const sink = this.bodySink
    this.bodySink = null
    if (this.responseDone) {
      this.destroy()
      return
    }
    if (!this.bodyDone && sink !== null) sink.abort(failure)
    clientGone(exchange, failure)
    this.destroy()
  }

  private linger(): void {
    this.exchange = null
    this.bodySink = null
    this.rest = null
    this.state = LINGER
    this.headDeadline = 0
    this.readDeadline = this.owner.ticker.in(LINGER_MILLIS)
    this.socket.end()
    this.socket.resume()
  }
}

/** Takes the rest of a body that nobody wants. */
const DROP: BodySink = { write: () => CONSUMED, end: () => {}, abort: () => {} }

/**
 * Gives the memory of a used-up read back at once. Every read of a socket brings new memory; left to the garbage
 * collector, a large upload goes through tens of megabytes of cold memory between two collections. Measured: a third
 * of the CPU time of an upload.
 */
const free = (chunk: Buffer): void => {
  const memory = chunk.buffer
  // Only what this read owns alone, and only what is worth the call.
  if (chunk.length >= MIN_FREED_BYTES && chunk.length === memory.byteLength && memory instanceof ArrayBuffer) {
    memory.transfer(0)
  }
}

const MIN_FREED_BYTES = 16 * 1024

const CONNECTION = Symbol("pingap/server/CONNECTION")
type Owned = Socket & { [CONNECTION]: Http1Connection }

// One set of listeners for all sockets: a connection costs no closures.
const attach = (socket: Socket, connection: Http1Connection): void => {
  ;(socket as Owned)[CONNECTION] = connection
  socket.on("error", ignore)
  socket.on("data", onData)
  socket.on("end", onEnd)
  socket.on("drain", onDrain)
  socket.on("close", onClose)
}

function ignore(): void {
  // `close` follows and does the work.
}
function onData(this: Socket, chunk: Buffer): void {
  const connection = (this as Owned)[CONNECTION]
  try {
    connection.onData(chunk)
  } catch (error) {
    connection.broke(error)
  }
}
function onEnd(this: Socket): void {
  const connection = (this as Owned)[CONNECTION]
  try {
    connection.onEnd()
  } catch (error) {
    connection.broke(error)
  }
}
function onDrain(this: Socket): void {
  const connection = (this as Owned)[CONNECTION]
  try {
    connection.onDrain()
  } catch (error) {
    connection.broke(error)
  }
}
function onClose(this: Socket): void {
  const connection = (this as Owned)[CONNECTION]
  try {
    connection.onClose()
  } catch (error) {
    connection.broke(error)
  }
}
