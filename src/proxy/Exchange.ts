/**
 * One request with its response, from the parsed head to the access-log line.
 *
 * An exchange is protocol neutral: a codec fills in the request half and takes the response half through
 * {@link Downstream}; who answers (an upstream, a plugin, the cache) only sees this object. Every field exists from
 * the start, in one order, so that all exchanges share one shape; `null`, `""`, `0` or `-1` mean "not (yet)".
 */
import { Fields } from "../model/Fields.ts"
import * as IpRules from "../model/IpRules.ts"
import type { BodySink, BodySource, Flow } from "./Body.ts"
import type { Failure } from "./Failure.ts"
import type { LocationRuntime, ServerRuntime, UpstreamRuntime } from "./Runtime.ts"

/** What is known about the client's connection. One per connection, shared by its exchanges. */
export interface ClientConnection {
  readonly id: number
  /** Address of the TCP peer without port; empty for a request that came over no socket. */
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /** `TLSv1.3` and the like; empty on plain connections. */
  readonly tlsVersion: string
  readonly tlsCipher: string
  /** Milliseconds from TCP accept to the end of the handshake, -1 on plain connections. */
  readonly tlsHandshakeMillis: number
  /** `performance.now()` at accept. */
  readonly openedAt: number
  /** Requests begun on this connection, this one included. */
  requests: number
}

/** The response side of a codec, as an exchange sees it. Calls come in this order: informational*, head, write*, end. */
export interface Downstream extends BodySink {
  readonly client: ClientConnection
  /** Passes on a 1xx response. Codecs that cannot carry it drop it. */
  informational(exchange: Exchange, status: number, fields: Fields): void
  /**
   * Starts the final response. `length` is the exact number of body bytes, or -1 when it is only known at the end.
   * The codec adds framing, `Connection` and a missing `Date`; nothing needs to reach the wire before the first
   * `write`, `end` or `flush`.
   */
  head(exchange: Exchange, status: number, reason: string, fields: string, length: number): void
  /** A final response whose whole body is at hand, as a binary string. Replaces head, write and end. */
  whole(exchange: Exchange, status: number, reason: string, fields: string, body: string): void
  /** Everything handed over so far goes out now. */
  flush(): void
  /**
   * Starts to deliver the request body to `sink`; until then it waits, mostly in the kernel. The result is the
   * body's source.
   */
  readBody(exchange: Exchange, sink: BodySink): BodySource
  /** The final response is 101: both sides become byte streams. Bytes of the client go to `sink`. */
  upgrade(exchange: Exchange, fields: string, sink: BodySink): BodySource
  /** Where `write`'s back-pressure goes: resumed when the client has read enough. Set before `head`. */
  source: BodySource | null
}

/** The request side of a codec towards a backend, while one exchange uses it. */
export interface UpstreamStream extends BodySink, BodySource {
  /** The request travels on a connection that has served others before. */
  readonly reused: boolean
  /** Where the back-pressure of the request body goes. Set before the body starts. */
  source: BodySource | null
  /**
   * Hands over the head. `fields` are end-to-end fields; framing is added from `length` (-1: chunked, 0: no body).
   * With a body, it goes out with the first piece or with `flush`.
   */
  head(exchange: Exchange, fields: string, length: number): void
  /** Everything handed over so far goes out now. */
  flush(): void
}

/** What a stream to a backend reports. After `failed` or the end of the response nothing else is called. */
export interface UpstreamReceiver {
  /** The stream is ready to take the request. */
  opened(stream: UpstreamStream): void
  informational(status: number, fields: Fields): void
  /** A complete response that came in one piece. `body` is a binary string. */
  whole(status: number, reason: string, fields: Fields, length: number, body: string): void
  /** The final head. `length` -1: unknown until the end. For a switched protocol, status is 101. */
  head(status: number, reason: string, fields: Fields, length: number): void
  write(chunk: Buffer): Flow
  end(trailers: Fields | null): void
  /** What one read brought has been delivered: a good moment to flush. */
  pause(): void
  /** `before` tells whether it happened before any byte of a response arrived. */
  failed(failure: Failure, before: boolean): void
}

/** Where an exchange stands. See `Lifecycle.ts`. */
export const EARLY = 0
export const REWRITE = 1
export const REQUEST = 2
export const PROXY_UPSTREAM = 3
export const FORWARD = 4
export const RESPONDING = 5
export const DONE = 6

export class Exchange {
  readonly downstream: Downstream
  readonly client: ClientConnection
  readonly server: ServerRuntime

  // ---- request, as the client sent it; hooks may change what is not read-only
  method: string
  /** Path exactly as the client sent it: what relative references in a response are resolved against. */
  readonly requestPath: string
  /** Path that was matched: unreserved characters decoded, dot segments removed; rewritten by `rewrite`. */
  path: string
  /** Raw query without `?`, empty when there is none. */
  query: string
  /** Origin-form target to send upstream, byte for byte what the client sent unless a rewrite changed it. */
  target: string
  /** Host without port, lower case; IPv6 literals with brackets. */
  host: string
  /** `10`, `11` or `20`. */
  readonly version: number
  readonly scheme: "http" | "https"
  /** End-to-end fields, `Host` included. Framing fields are never among them: see `requestLength`. */
  readonly fields: Fields
  /** Body bytes announced by the client, -1 when chunked, 0 when there is no body. */
  readonly requestLength: number
  /** Lower-case token of an `Upgrade` that may pass (`websocket`), or empty. */
  readonly upgrade: string
  readonly expectsContinue: boolean
  /** The client accepts trailers in the response. */
  readonly acceptsTrailers: boolean

  // ---- routing
  location: LocationRuntime | null = null
  /** Named captures of host, path and rewrite patterns. */
  variables: Map<string, string> | null = null
  /** A plugin's choice instead of the location's upstream. */
  upstreamName = ""
  upstream: UpstreamRuntime | null = null
  requestId = ""

  // ---- response
  /** Status for logs: of the final response, a failure's own, 499 when the client left first. 0: none yet. */
  status = 0
  /** Fields of the final response, while hooks may edit them and afterwards for the log. */
  response: Fields = NO_FIELDS
  /** Body bytes announced with the final response, -1 when not known beforehand. */
  responseLength = -1
  /** The response has a `Date` of its own. */
  dated = false
  /** Close the client's connection after this response. */
  closes = false
  failure: Failure | null = null
  /** The final head has been handed to the codec. */
  responded = false

  // ---- progress and accounting, for the log, metrics and limits
  phase: number = EARLY
  /** Interrupts what the exchange waits for outside of sockets; null when it waits for nothing. */
  interrupt: (() => void) | null = null
  /** Called once when the exchange has ended, in order of registration. */
  finalizers: Array<(exchange: Exchange) => void> | null = null
  requestBytes = 0
  responseBytes = 0
  attempts = 0
  /** Requests in progress on the server when this one began, itself included. */
  processing = 0
  upstreamAddress = ""
  upstreamStatus = 0
  upstreamReused = false
  /** Open connections of the upstream when its backend was chosen; -1 unless `enable_tracer`. */
  upstreamConnected = -1
  // `performance.now()` marks, 0: not reached. Taken only when `server.measured`.
  startedAt = 0
  upstreamStartedAt = 0
  upstreamConnectedAt = 0
  upstreamHeadAt = 0
  upstreamEndAt = 0
  upstreamOpenedAt = 0
  tcpConnectMillis = -1
  tlsConnectMillis = -1
  cacheLookupMillis = -1
  cacheLockMillis = -1
  compressionMillis = -1
  compressionIn = 0
  compressionOut = 0
  private ip = ""

  constructor(downstream: Downstream, server: ServerRuntime, request: RequestHalf) {
    this.downstream = downstream
    this.client = downstream.client
    this.server = server
    this.method = request.method
    this.requestPath = request.path
    this.path = request.path
    this.query = request.query
    this.target = request.target
    this.host = request.host
    this.version = request.version
    this.scheme = request.scheme
    this.fields = new Fields(request.fields)
    this.requestLength = request.length
    this.upgrade = request.upgrade
    this.expectsContinue = request.expectsContinue
    this.acceptsTrailers = request.acceptsTrailers
  }

  /** First value of a request field; `content-length` too, although it is no entry of `fields`. */
  header(lowerName: string): string | undefined {
    if (lowerName === "content-length") return this.requestLength > 0 ? String(this.requestLength) : undefined
    return this.fields.get(lowerName)
  }

  /** First value of a field of the final response; `content-length` too. */
  responseHeader(lowerName: string): string | undefined {
    if (lowerName === "content-length") return this.responseLength >= 0 ? String(this.responseLength) : undefined
    return this.response.get(lowerName)
  }

  /**
   * The client's address: the right-most address of `X-Forwarded-For` that is no trusted proxy when the peer is
   * trusted, else the peer's. Hardening 5; differs from Pingap (docs/differences.md).
   */
  get clientIp(): string {
    if (this.ip === "") this.ip = IpRules.clientAddress(this.server.trusted, this.client.remoteAddress, this.fields)
    return this.ip
  }

  /** Path and query as they are after rewriting. */
  get uri(): string {
    return this.query === "" ? this.path : `${this.path}?${this.query}`
  }

  /** Replaces the target. `path` must begin with `/` and hold no blank, control byte or `?`. */
  retarget(path: string, query: string): void {
    this.path = path
    this.query = query
    this.target = query === "" ? path : `${path}?${query}`
  }

  variable(name: string): string | undefined {
    return this.variables?.get(name)
  }

  addVariables(captures: Iterable<readonly [string, string]>): void {
    this.variables ??= new Map()
    for (const [name, value] of captures) this.variables.set(name, value)
  }

  /** Runs `finalizer` when the exchange has ended, however it ended. */
  onDone(finalizer: (exchange: Exchange) => void): void {
    if (this.finalizers === null) this.finalizers = [finalizer]
    else this.finalizers.push(finalizer)
  }
}

/** What a codec knows once a head is parsed. Copied by the exchange, so that a codec may reuse one object. */
export interface RequestHalf {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly target: string
  readonly host: string
  readonly version: number
  readonly scheme: "http" | "https"
  readonly fields: string
  readonly length: number
  readonly upgrade: string
  readonly expectsContinue: boolean
  readonly acceptsTrailers: boolean
}

const NO_FIELDS = new Fields("")
