/**
 * A request without a socket: a program hands in a `Request` and gets a `Response`, through the same exchange that
 * sockets use. For tests and for programs that embed the proxy behind a server of their own.
 *
 * The web's types carry no trailers, interim responses or switched protocols: trailers and interim responses are
 * dropped, upgrades are not offered.
 */
import * as Effect from "effect/Effect"
import { classify, CONTENT_LENGTH, DATE, FREE, HOST } from "../http1/Ownership.ts"
import { hostOf } from "../http1/RequestHead.ts"
import { Fields, isName, isValue } from "../model/Fields.ts"
import { type BodySink, type BodySource, CONSUMED, type Flow, FULL } from "../proxy/Body.ts"
import { type ClientConnection, type Downstream, Exchange } from "../proxy/Exchange.ts"
import type { Failure } from "../proxy/Failure.ts"
import { begin, clientGone, finish } from "../proxy/Lifecycle.ts"
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
    const url = new URL(request.url)
    const fields = fieldsOf(request.headers, url.host)
    if (fields === undefined) {
      resume(Effect.succeed(new Response("Bad Request", { status: 400 })))
      return
    }
    const client = new InProcessClient(request, options, (response) => resume(Effect.succeed(response)))
    const declared = request.headers.get("content-length")
    const exchange = new Exchange(client, server, {
      method: request.method,
      path: url.pathname,
      query: url.search.slice(1),
      target: url.pathname + url.search,
      host: hostOf(request.headers.get("host") ?? url.host),
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

// End-to-end fields of the request; undefined when one cannot be sent.
const fieldsOf = (headers: Headers, host: string): Fields | undefined => {
  const fields = new Fields(headers.has("host") ? "" : `Host: ${host}\r\n`)
  for (const [name, value] of headers) {
    if (!isName(name) || !isValue(value)) return undefined
    const kind = classify(name, 0, name.length)
    if (kind === FREE || kind === HOST || kind === DATE) fields.append(name, value)
    else if (kind !== CONTENT_LENGTH && name.startsWith("x-")) fields.append(name, value)
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
    if (hasNoBody(status)) {
      this.onResponse(new Response(null, { status, statusText: reason, headers: headersOf(fields) }))
      return
    }
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.controller = controller
      },
      pull: () => this.source?.resume(),
      cancel: () => clientGone(exchange)
    })
    this.onResponse(new Response(body, { status, statusText: reason, headers: headersOf(fields) }))
  }

  whole(exchange: Exchange, status: number, reason: string, fields: string, body: string): void {
    exchange.responseBytes += body.length
    const bytes = hasNoBody(status) || exchange.method === "HEAD" ? null : Buffer.from(body, "latin1")
    const response = new Response(bytes, { status, statusText: reason, headers: headersOf(fields) })
    finish(exchange)
    this.onResponse(response)
  }

  // The piece's memory is not ours and a web stream may hold it for long: it is copied.
  write(chunk: Buffer): Flow {
    const controller = this.controller
    if (controller === null) return CONSUMED
    this.exchange!.responseBytes += chunk.length
    controller.enqueue(Uint8Array.from(chunk))
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
    const pump = new Pump(reader, sink, (bytes) => {
      exchange.requestBytes += bytes
    })
    pump.resume()
    return pump
  }
}

/** Moves a web stream into a sink, one piece at a time. */
class Pump implements BodySource {
  private reading = false
  private over = false
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>
  private readonly sink: BodySink
  private readonly count: (bytes: number) => void

  constructor(reader: ReadableStreamDefaultReader<Uint8Array>, sink: BodySink, count: (bytes: number) => void) {
    this.reader = reader
    this.sink = sink
    this.count = count
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
        this.count(result.value.length)
        const { buffer, byteLength, byteOffset } = result.value
        if (this.sink.write(Buffer.from(buffer, byteOffset, byteLength)) !== FULL) this.resume()
      },
      () => {
        if (this.over) return
        this.over = true
        this.sink.abort(BROKEN)
      }
    )
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

const hasNoBody = (status: number): boolean => status === 204 || status === 205 || status === 304

const headersOf = (text: string): Headers => {
  const headers = new Headers()
  new Fields(text).forEach((name, value) => headers.append(name, value))
  return headers
}
