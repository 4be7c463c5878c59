/**
 * The data plane by itself: a listening socket, one server, one location and one pool, assembled by hand without a
 * configuration. Its clock stands still until a test advances it.
 */
import { mkdtemp, rm } from "node:fs/promises"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ConnectionOptions } from "../../src/generation/Generation.ts"
import { REQUEST_LIMITS } from "../../src/http1/Limits.ts"
import * as IpRules from "../../src/model/IpRules.ts"
import * as ErrorPage from "../../src/proxy/ErrorPage.ts"
import type { Exchange } from "../../src/proxy/Exchange.ts"
import { respond } from "../../src/proxy/Response.ts"
import type { LocationRuntime, RequestChain, ServerRuntime } from "../../src/proxy/Runtime.ts"
import { TICK_MILLIS, Ticker } from "../../src/proxy/Ticker.ts"
import { type ConnectionOwner, Http1Connection } from "../../src/server/Http1Connection.ts"
import { Backend } from "../../src/upstream/Backend.ts"
import { Pool, type PoolOptions } from "../../src/upstream/Pool.ts"
import * as RoundRobin from "../../src/upstream/picker/RoundRobin.ts"
import { eventually } from "./RawClient.ts"

export interface DataPlaneOptions {
  /** Ports of the backends; without any, the location has no upstream. */
  readonly backends?: ReadonlyArray<number>
  readonly connection?: Partial<ConnectionOptions>
  readonly pool?: Partial<PoolOptions>
  readonly location?: Partial<LocationRuntime>
  readonly server?: Partial<ServerRuntime>
  /** Peers whose forwarding fields count; none by default. */
  readonly trusted?: ReadonlyArray<string>
  /** Tick ten times a second, for tests in which time-outs play no part but the clock has to go. */
  readonly ticking?: boolean
}

/** What is left of an exchange when it has ended. */
export interface Finished {
  readonly status: number
  readonly failure: string | null
  readonly requestBytes: number
  readonly responseBytes: number
  readonly attempts: number
  readonly reused: boolean
}

const CONNECTION_OPTIONS: ConnectionOptions = {
  limits: REQUEST_LIMITS,
  headMillis: 30_000,
  headIdleMillis: 10_000,
  keepAliveMillis: 75_000,
  maxRequests: 10_000,
  readMillis: 60_000,
  writeMillis: 60_000
}

/** `/ping` answers by itself, everything else is forwarded. */
const PING: RequestChain = (() => {
  const pong = respond(200, [], "pong")
  return { run: (exchange) => (exchange.path === "/ping" ? pong : undefined) }
})()

export class DataPlane implements ConnectionOwner {
  readonly ticker: Ticker
  readonly server: ServerRuntime
  readonly location: LocationRuntime
  readonly pool: Pool
  readonly connections = new Set<Http1Connection>()
  /** Sockets of open connections, as the proxy sees them. */
  readonly sockets = new Set<net.Socket>()
  /** Exchanges that have ended, in order: what an access log would have written. */
  readonly finished: Array<Finished> = []
  /** Exchanges that hold the server's generation. */
  retained = 0
  isDraining = false
  /** What was caught at the engine's edges. */
  readonly defects: Array<unknown> = []
  /** A test that breaks something on purpose looks at `defects` itself. */
  expectsDefects = false
  readonly report = (error: unknown): void => {
    this.defects.push(error)
  }
  readonly options: () => ConnectionOptions
  private readonly listener: net.Server
  private readonly timer: NodeJS.Timeout | null

  private constructor(options: DataPlaneOptions) {
    this.ticker = new Ticker(Date.parse("2026-01-01T00:00:00Z"), this.report)
    const backends = (options.backends ?? [1]).map((port) => new Backend("127.0.0.1", port, 1))
    this.pool = new Pool("up", backends, RoundRobin.make(backends.map((backend) => backend.weight)), {
      connectMillis: 5_000,
      readMillis: 60_000,
      writeMillis: 60_000,
      idleMillis: 60_000,
      maxIdle: 128,
      keepAliveMillis: 0,
      sni: "",
      verify: true,
      ticker: this.ticker,
      maxConnections: 0,
      traced: false,
      report: this.report,
      ...options.pool
    })
    this.location = {
      name: "lo",
      counters: { processing: 0, accepted: 0 },
      maxBodyBytes: 0,
      maxProcessing: 0,
      maxRetries: 0,
      maxRetryWindowMillis: 0,
      rewrite: null,
      upstreamFields: null,
      upstream: options.backends === undefined ? null : this.pool,
      upstreamVariable: "",
      early: null,
      request: PING,
      proxyUpstream: null,
      upstreamResponse: null,
      response: null,
      requestBody: null,
      upstreamBody: null,
      responseBody: null,
      broken: null,
      ...options.location
    }
    this.server = {
      name: "test",
      counters: { processing: 0, accepted: 0 },
      route: () => this.location,
      upstream: () => null,
      trusted: IpRules.compile(options.trusted ?? []),
      measured: false,
      accessLog: (exchange) => this.finished.push(summary(exchange)),
      errorPage: ErrorPage.compile("{{error_type}}: {{content}}", "0"),
      report: this.report,
      retain: () => {
        this.retained++
      },
      release: () => {
        this.retained--
      },
      ...options.server
    }
    const connection = { ...CONNECTION_OPTIONS, ...options.connection }
    this.options = () => connection
    this.listener = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.accept(socket))
    this.timer =
      options.ticking === true ? setInterval(() => this.ticker.tick(TICK_MILLIS, Date.now()), TICK_MILLIS) : null
  }

  static start(options: DataPlaneOptions): Promise<DataPlane> {
    const plane = new DataPlane(options)
    return new Promise((resolve) => plane.listener.listen(0, "127.0.0.1", () => resolve(plane)))
  }

  readonly current = (): ServerRuntime => this.server
  readonly draining = (): boolean => this.isDraining
  readonly closed = (connection: Http1Connection): void => {
    this.connections.delete(connection)
  }

  get port(): number {
    return (this.listener.address() as net.AddressInfo).port
  }

  /** Lets `millis` pass at once, tick by tick. */
  advance(millis: number): void {
    for (let passed = 0; passed < millis; passed += TICK_MILLIS) this.ticker.tick(TICK_MILLIS, Date.now())
  }

  /** Listens on a unix socket, too. */
  async pipe(): Promise<AsyncDisposable & { readonly path: string }> {
    const directory = await mkdtemp(join(tmpdir(), "plane-"))
    const path = join(directory, "socket")
    const server = net.createServer({ allowHalfOpen: true }, (socket) => this.accept(socket))
    await new Promise<void>((resolve) => server.listen(path, resolve))
    return {
      path,
      [Symbol.asyncDispose]: async () => {
        await new Promise((resolve) => server.close(resolve))
        await rm(directory, { recursive: true })
      }
    }
  }

  private accept(socket: net.Socket): void {
    this.sockets.add(socket)
    socket.once("close", () => this.sockets.delete(socket))
    this.connections.add(new Http1Connection(socket, this))
  }

  /** No further requests: what a listener does that goes away. */
  drain(): void {
    this.isDraining = true
    for (const connection of this.connections) connection.drain()
  }

  /** Idle upstream connections. */
  get idle(): number {
    return this.pool.backends.reduce((sum, backend) => sum + backend.idle.length, 0)
  }

  /** Waits for the `count`-th exchange to end and returns it. */
  async ended(count = 1): Promise<Finished> {
    await eventually(() => this.finished.length >= count, `the end of exchange ${count}`)
    return this.finished[count - 1]!
  }

  /** Waits until no exchange is running; every counter is back to zero and each exchange ended exactly once. */
  async settled(): Promise<void> {
    const { counters } = this.server
    const open = () => [counters, this.location.counters, this.pool.counters].map(({ processing }) => processing)
    await eventually(
      () => this.retained === 0 && open().every((processing) => processing === 0),
      () => `counters at 0: ${open()}, retained ${this.retained}`
    )
    if (this.defects.length > 0 && !this.expectsDefects) throw this.defects[0]
    if (this.finished.length !== counters.accepted && !this.expectsDefects) {
      throw new Error(`${counters.accepted} exchanges began, ${this.finished.length} ended`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer)
    for (const socket of this.sockets) socket.destroy()
    this.pool.close()
    await new Promise((resolve) => this.listener.close(resolve))
  }
}

const summary = (exchange: Exchange): Finished => ({
  status: exchange.status,
  failure: exchange.failure === null ? null : exchange.failure.code,
  requestBytes: exchange.requestBytes,
  responseBytes: exchange.responseBytes,
  attempts: exchange.attempts,
  reused: exchange.upstreamReused
})
