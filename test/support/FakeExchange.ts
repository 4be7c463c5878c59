/**
 * An exchange without sockets: hooks and chains see a real `Exchange`, and a downstream that records what it is told.
 * Nothing is ever sent; request bodies are pushed by the test.
 */
import { Fields } from "../../src/model/Fields.ts"
import * as IpRules from "../../src/model/IpRules.ts"
import { type BodySink, type BodySource, type BodyTransform, CONSUMED, type Flow } from "../../src/proxy/Body.ts"
import { type ClientConnection, type Downstream, Exchange } from "../../src/proxy/Exchange.ts"
import type { Failure } from "../../src/proxy/Failure.ts"
import { type FieldPairs, type LocalResponse, respond } from "../../src/proxy/Response.ts"
import type { LocationRuntime, ServerRuntime, UpstreamRuntime } from "../../src/proxy/Runtime.ts"

export interface FakeOptions {
  readonly method?: string
  /** Path with an optional query. */
  readonly uri?: string
  readonly fields?: FieldPairs
  readonly version?: number
  readonly scheme?: "http" | "https"
  readonly client?: Partial<ClientConnection>
  readonly trusted?: ReadonlyArray<string>
  /** Announced body length, -1 for chunked. */
  readonly length?: number
  readonly server?: Partial<ServerRuntime>
  readonly location?: Partial<LocationRuntime>
}

/** A connection from 127.0.0.1 to port 80. */
export const fakeClient = (overrides: Partial<ClientConnection> = {}): ClientConnection => ({
  id: 1,
  remoteAddress: "127.0.0.1",
  remotePort: 40_000,
  localAddress: "127.0.0.2",
  localPort: 80,
  tlsVersion: "",
  tlsCipher: "",
  tlsHandshakeMillis: -1,
  openedAt: 0,
  requests: 1,
  ...overrides
})

/** A server that routes everything to `location`. */
export const fakeServer = (overrides: Partial<ServerRuntime> = {}): ServerRuntime => ({
  name: "test",
  counters: { processing: 0, accepted: 0 },
  route: (exchange) => exchange.location,
  trusted: IpRules.compile(IpRules.DEFAULT_TRUSTED),
  measured: false,
  accessLog: null,
  upstream: (): UpstreamRuntime | null => null,
  errorPage: (failure) => respond(failure.status, [], failure.message),
  report: (error) => {
    throw error
  },
  retain: () => {},
  release: () => {},
  ...overrides
})

/** A location without upstream, limits or plugins. */
export const fakeLocation = (overrides: Partial<LocationRuntime> = {}): LocationRuntime => ({
  name: "lo",
  counters: { processing: 0, accepted: 0 },
  maxBodyBytes: 0,
  maxProcessing: 0,
  maxRetries: 0,
  maxRetryWindowMillis: 0,
  rewrite: null,
  upstreamFields: null,
  upstream: null,
  upstreamVariable: "",
  early: null,
  request: null,
  proxyUpstream: null,
  upstreamResponse: null,
  response: null,
  requestBody: null,
  upstreamBody: null,
  responseBody: null,
  broken: null,
  ...overrides
})

/** Records the response in the order in which it is told. */
export class FakeDownstream implements Downstream {
  readonly client: ClientConnection
  source: BodySource | null = null
  readonly events: Array<string> = []
  status = 0
  fields = new Fields("")
  length = -1
  failure: Failure | null = null
  ended = false
  /** What the next writes answer. */
  flow: Flow = CONSUMED
  /** Where the request body goes once somebody reads it. */
  requestSink: BodySink | null = null
  requestCancelled = false
  requestResumed = 0
  private readonly chunks: Array<Buffer> = []

  constructor(client: ClientConnection) {
    this.client = client
  }

  /** The response body so far. */
  get body(): string {
    return Buffer.concat(this.chunks).toString()
  }

  informational(_exchange: Exchange, status: number, _fields: Fields): void {
    this.events.push(`informational ${status}`)
  }

  head(_exchange: Exchange, status: number, _reason: string, fields: string, length: number): void {
    this.events.push(`head ${status}`)
    this.status = status
    this.fields = new Fields(fields)
    this.length = length
  }

  whole(exchange: Exchange, status: number, reason: string, fields: string, body: string): void {
    const bytes = Buffer.from(body, "latin1")
    this.head(exchange, status, reason, fields, bytes.length)
    this.write(bytes)
    this.end(null)
  }

  flush(): void {
    this.events.push("flush")
  }

  write(chunk: Buffer): Flow {
    this.events.push(`write ${chunk.length}`)
    this.chunks.push(Buffer.from(chunk))
    return this.flow
  }

  end(_trailers: Fields | null): void {
    this.events.push("end")
    this.ended = true
  }

  abort(failure: Failure): void {
    this.events.push(`abort ${failure.code}`)
    this.failure = failure
  }

  readBody(_exchange: Exchange, sink: BodySink): BodySource {
    this.requestSink = sink
    return {
      resume: () => {
        this.requestResumed++
      },
      cancel: () => {
        this.requestCancelled = true
      }
    }
  }

  upgrade(exchange: Exchange, fields: string, sink: BodySink): BodySource {
    this.events.push("upgrade")
    this.fields = new Fields(fields)
    return this.readBody(exchange, sink)
  }
}

export interface Fake {
  readonly exchange: Exchange
  readonly downstream: FakeDownstream
}

/** A GET over HTTP/1.1 unless told otherwise. */
export const fake = (options: FakeOptions = {}): Fake => {
  const uri = options.uri ?? "/"
  const fields = Fields.of(options.fields ?? [])
  const downstream = new FakeDownstream(fakeClient(options.client))
  const mark = uri.indexOf("?")
  const exchange = new Exchange(
    downstream,
    fakeServer(
      options.trusted === undefined ? options.server : { trusted: IpRules.compile(options.trusted), ...options.server }
    ),
    {
      method: options.method ?? "GET",
      path: mark === -1 ? uri : uri.slice(0, mark),
      query: mark === -1 ? "" : uri.slice(mark + 1),
      target: uri,
      host: (fields.get("host") ?? "").replace(/:\d*$/, "").toLowerCase(),
      version: options.version ?? 11,
      scheme: options.scheme ?? "http",
      fields: fields.text,
      length: options.length ?? 0,
      upgrade: "",
      expectsContinue: false,
      acceptsTrailers: false
    }
  )
  exchange.location = fakeLocation(options.location)
  return { exchange, downstream }
}

/** The exchange of {@link fake}, for tests that do not look at the downstream. */
export const fakeExchange = (options: FakeOptions = {}): Exchange => fake(options).exchange

/** Gives the exchange the response of an upstream, for hooks that edit it. */
export const withResponse = (exchange: Exchange, status: number, fields: FieldPairs = []): Exchange => {
  exchange.status = status
  exchange.response = Fields.of(fields)
  return exchange
}

/** First value of a field of a local response. */
export const fieldOf = (response: LocalResponse, lowerName: string): string | undefined =>
  new Fields(response.fields).get(lowerName)

/** Sends pieces through a body stage and returns what comes out, with the sink and source it spoke to. */
export const through = (transform: BodyTransform, pieces: ReadonlyArray<string>) => {
  const sink = new FakeDownstream(fakeClient())
  const source = {
    resumed: 0,
    cancelled: false,
    resume: () => void source.resumed++,
    cancel: () => void (source.cancelled = true)
  }
  const stage = transform(sink, source)
  for (const piece of pieces) {
    if (source.cancelled) break
    stage.write(Buffer.from(piece))
  }
  if (!source.cancelled) stage.end(null)
  return { sink, source, body: sink.body }
}
