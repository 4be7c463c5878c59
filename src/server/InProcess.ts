/**
 * A request without a socket: a program hands in a `Request` and gets a `Response`, through the same exchange that
 * sockets use. For tests and for programs that embed the proxy behind a server of their own.
 *
 * The web's types carry no trailers, interim responses or switched protocols: trailers and interim responses are
 * dropped, upgrades are not offered.
 */
import * as Effect from "effect/Effect"
import { classify, DATE, FORWARDING, FREE, HOST, isLookAlike } from "../http1/Ownership.ts"
import { hostOf } from "../http1/RequestHead.ts"
import { Fields, isName, isValue } from "../model/Fields.ts"
import { type BodySink, type BodySource, CONSUMED, type Flow, FULL } from "../proxy/Body.ts"
import { type ClientConnection, type Downstream, Exchange } from "../proxy/Exchange.ts"
import { bodyTooLarge, type Failure } from "../proxy/Failure.ts"
import { begin, clientGone, fail, finish } from "../proxy/Lifecycle.ts"
import type { ServerRuntime } from "../proxy/Runtime.ts"

/** Who the request comes from, as far as rules and logs care. */
export interface InProcessOptions {
  /** Default `127.0.0.1`. */
  readonly remoteAddress?: string
  readonly remotePort?: number
}

let nextId = -1

/**
 * Sends a request through a server. Fails never: what goes wrong is a response. Interrupting the effect is the client
 * leaving.
 */
export const handle = (
  server: ServerRuntime,
  request: Request,
  options: InProcessOptions = {}
): Effect.Effect<Response> =>
  Effect.callback<Response>((resume) => {
    const client = new InProcessClient(request, options, (response) => resume(Effect.succeed(response)))
    const url = new URL(request.url)
    const host = hostOf(request.headers.get("host") ?? url.host)
    const fields = fieldsOf(request.headers, url.host, server.trusted.has(client.remoteAddress))
    if (fields === undefined || host === "") {
      resume(Effect.succeed(new Response("Bad Request", { status: 400 })))
      return
    }
    const declared = request.headers.get("content-length")
    const exchange = new Exchange(client, server, {
      method: request.method,
      path: url.pathname,
      query: url.search.slice(1),
      target: url.pathname + url.search,
      host,
      version: 11,
      scheme: url.protocol === "https:" ? "https" : "http",
      fields: fields.text,
      length: request.body === null ? 0 : declared !== null && /^\d{1,15}$/.test(declared) ? Number(declared) : -1,
      upgrade: "",
      expectsContinue: false,
      acceptsTrailers: false
    })
    client.begin(exchange)
    return Effect.sync(() => clientGone(exchange))
  })

// End-to-end fields of the request; undefined when one cannot be sent. The same ones pass as over a socket.
const fieldsOf = (headers: Headers, host: string, trusted: boolean): Fields | undefined => {
  const fields = new Fields(headers.has("host") ? "" : `Host: ${host}\r\n`)
  for (const [name, value] of headers) {
    if (!isName(name) || !isValue(value)) return undefined
    const kind = classify(name, 0, name.length)
    const passes =
      kind === FREE ? !isLookAlike(name) : kind === HOST || kind === DATE || (kind === FORWARDING && trusted)
    if (passes) fields.append(name, value)
  }
  return fields
}

class InProcessClient implements Downstream, ClientConnection {
  readonly id = nextId--
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress = ""
  readonly localPort = 0
  readonly tlsVersion = ""
  readonly tlsCipher = ""
  readonly tlsHandshakeMillis = -1
  readonly openedAt = performance.now()
  requests = 1
  source: BodySource | null = null
  private readonly request: Request
  private readonly onResponse: (response: Response) => void
  private exchange: Exchange | null = null
  private controller: ReadableStreamDefaultController<Uint8Array> | null = null

  constructor(request: Request, options: InProcessOptions, onResponse: (response: Response) => void) {
    this.request = request
    this.onResponse = onResponse
    this.remoteAddress = options.remoteAddress ?? "127.0.0.1"
    this.remotePort = options.remotePort ?? 0
  }

  get client(): ClientConnection {
    return this
  }

  begin(exchange: Exchange): void {
    this.exchange = exchange
    begin(exchange)
  }

  informational(): void {}

  head(exchange: Exchange, status: number, reason: string, fields: string): void {
    if (status > MAX_STATUS) {
      this.onResponse(responseOf(null, status, reason, fields))
      clientGone(exchange)
      return
    }
    if (hasNoBody(status)) {
      this.onResponse(responseOf(null, status, reason, fields))
      return
    }
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.controller = controller
      },
      pull: () => this.source?.resume(),
      cancel: () => {
        this.controller = null
        clientGone(exchange)
      }
    })
    this.onResponse(responseOf(body, status, reason, fields))
  }

  whole(exchange: Exchange, status: number, reason: string, fields: string, body: string): void {
    exchange.responseBytes += body.length
    const bytes = hasNoBody(status) || exchange.method === "HEAD" ? null : Buffer.from(body, "latin1")
    finish(exchange)
    this.onResponse(responseOf(bytes, status, reason, fields))
  }

  // The piece's memory is not ours and a web stream may hold it for long: it is copied.
  write(chunk: Buffer): Flow {
    const controller = this.controller
    if (controller === null) return CONSUMED
    this.exchange!.responseBytes += chunk.length
    controller.enqueue(new Uint8Array(chunk))
    return (controller.desiredSize ?? 0) > 0 ? CONSUMED : FULL
  }

  end(): void {
    this.controller?.close()
    this.controller = null
    finish(this.exchange!)
  }

  abort(failure: Failure): void {
    this.controller?.error(new Error(failure.message))
    this.controller = null
    finish(this.exchange!)
  }

  flush(): void {}

  upgrade(): BodySource {
    return { resume: () => {}, cancel: () => {} }
  }

  readBody(exchange: Exchange, sink: BodySink): BodySource {
    const reader = this.request.body!.getReader() as ReadableStreamDefaultReader<Uint8Array>
    const limit = exchange.location === null ? 0 : exchange.location.maxBodyBytes
    const pump = new Pump(reader, sink, {
      admit: (bytes) => {
        exchange.requestBytes += bytes
        return limit === 0 || exchange.requestBytes <= limit ? null : bodyTooLarge
      },
      broken: (failure) => fail(exchange, failure)
    })
    // Whatever ends the exchange, nobody reads the rest.
    exchange.onDone(() => pump.cancel())
    pump.resume()
    return pump
  }
}

/** What a pump tells the exchange whose body it moves. */
interface PumpedExchange {
  /** Counts a piece; a failure when it must not go on. */
  readonly admit: (bytes: number) => Failure | null
  /** The body will never be complete. */
  readonly broken: (failure: Failure) => void
}

/** Moves a web stream into a sink, one piece at a time. */
class Pump implements BodySource {
  private reading = false
  private over = false
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>
  private readonly sink: BodySink
  private readonly exchange: PumpedExchange

  constructor(reader: ReadableStreamDefaultReader<Uint8Array>, sink: BodySink, exchange: PumpedExchange) {
    this.reader = reader
    this.sink = sink
    this.exchange = exchange
  }

  resume(): void {
    if (this.reading || this.over) return
    this.reading = true
    this.reader.read().then(
      (result) => {
        this.reading = false
        if (this.over) return
        if (result.done) {
          this.over = true
          this.sink.end(null)
          return
        }
        const failure = this.exchange.admit(result.value.length)
        if (failure !== null) {
          this.break(failure)
          return
        }
        const { buffer, byteLength, byteOffset } = result.value
        if (this.sink.write(Buffer.from(buffer, byteOffset, byteLength)) !== FULL) this.resume()
      },
      () => this.break(BROKEN)
    )
  }

  private break(failure: Failure): void {
    if (this.over) return
    this.cancel()
    this.sink.abort(failure)
    this.exchange.broken(failure)
  }

  cancel(): void {
    if (this.over) return
    this.over = true
    // A stream that does not like being cancelled changes nothing for us.
    this.reader.cancel().catch(() => {})
  }
}

const BROKEN: Failure = {
  code: "request.broken",
  status: 400,
  type: "ReadError",
  message: "Request body broke off",
  closes: true
}

/** The web's responses know no greater status; what lies beyond cannot be passed on. */
const MAX_STATUS = 599

const responseOf = (
  body: Buffer<ArrayBuffer> | ReadableStream | null,
  status: number,
  reason: string,
  fields: string
): Response =>
  status <= MAX_STATUS
    ? new Response(body, { status, statusText: reason, headers: headersOf(fields) })
    : new Response("Bad Gateway", { status: 502 })

const hasNoBody = (status: number): boolean => status === 204 || status === 205 || status === 304

const headersOf = (text: string): Headers => {
  const headers = new Headers()
  new Fields(text).forEach((name, value) => {
    headers.append(name, value)
  })
  return headers
}
