/**
 * An origin server on `node:http`: another implementation of the protocol than the proxy's own, as upstreams are.
 *
 * Records every request and answers with what it has seen, as JSON, unless a test scripts it. For byte-exact questions
 * there is `StrictUpstream.ts`.
 */
import * as http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { eventually } from "./RawClient.ts"

export interface OriginRequest {
  readonly method: string
  readonly url: string
  /** Fields by lower-case name, as `node:http` joins them. */
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
  /** Number of the connection it came on, from 1. */
  readonly connection: number
}

export type Respond = (request: OriginRequest, response: http.ServerResponse) => void

/** Says what it has seen. */
const echo =
  (name: string): Respond =>
  (request, response) => {
    const body = JSON.stringify({ origin: name, ...request })
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) }).end(body)
  }

export class Origin implements AsyncDisposable {
  readonly name: string
  /** Requests whose body was read whole, in order. */
  readonly requests: Array<OriginRequest> = []
  /** Connections accepted so far. */
  accepted = 0
  respond: Respond
  private readonly server: http.Server
  private readonly sockets = new Map<Socket, number>()

  private constructor(name: string) {
    this.name = name
    this.respond = echo(name)
    this.server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => this.take(request, response))
    this.server.on("connection", (socket) => {
      this.sockets.set(socket, ++this.accepted)
      socket.on("close", () => this.sockets.delete(socket))
    })
  }

  static start(name = "origin"): Promise<Origin> {
    const origin = new Origin(name)
    return new Promise((resolve) => origin.server.listen(0, "127.0.0.1", () => resolve(origin)))
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  /** `127.0.0.1:port`, as `addrs` wants it. */
  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Open connections. */
  get connected(): number {
    return this.sockets.size
  }

  /** Waits for the `count`-th request. */
  async received(count = 1): Promise<OriginRequest> {
    await eventually(() => this.requests.length >= count, `request ${count} at ${this.name}`)
    return this.requests[count - 1]!
  }

  private take(request: http.IncomingMessage, response: http.ServerResponse): void {
    const pieces: Array<Buffer> = []
    request.on("error", () => {})
    request.on("data", (piece: Buffer) => pieces.push(piece))
    request.on("end", () => {
      const received: OriginRequest = {
        method: request.method!,
        url: request.url!,
        headers: request.headers,
        body: Buffer.concat(pieces).toString("latin1"),
        connection: this.sockets.get(request.socket) ?? 0
      }
      this.requests.push(received)
      this.respond(received, response)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }
}

/** Answers when it is told to: requests wait in order of arrival. */
export class Gate {
  private readonly waiting: Array<http.ServerResponse> = []

  readonly respond: Respond = (_request, response) => {
    this.waiting.push(response)
  }

  /** Requests that wait. */
  get held(): number {
    return this.waiting.length
  }

  async holds(count: number): Promise<void> {
    await eventually(
      () => this.waiting.length >= count,
      () => `${count} requests at the gate, ${this.waiting.length} are`
    )
  }

  /** Answers the longest waiting request. */
  open(body: string): void {
    this.waiting.shift()?.end(body)
  }
}
