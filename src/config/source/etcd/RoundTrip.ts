/** One request to etcd and what comes back: an answer, or lines until somebody has enough. */
import type * as http from "node:http"
import type { Socket } from "node:net"
import { TLSSocket } from "node:tls"
import * as Exit from "effect/Exit"
import { Unreachable } from "./EtcdError.ts"
import type { Endpoint } from "./EtcdUrl.ts"
import { codeOf, hintOf, reasonOf } from "./Reasons.ts"
import { LineSplitter } from "./Wire.ts"

/** What came back, if it was JSON; else the beginning of the text. */
export interface Answer {
  readonly status: number
  readonly json: unknown
  readonly text: string
}

/** Takes the JSON value of a line, undefined for what is no JSON. Returns an error to end the stream with. */
export type OnLine<E> = (json: unknown) => E | null

/** Largest answer, and largest line of a stream. */
const MAX_BYTES = 64 * 1024 * 1024

/** A peer that vanished without a word is noticed this long after it was last heard, and ten probes. */
export const TCP_KEEPALIVE_MILLIS = 10_000

/** A request from its first byte to its last. Calls `finish` once, or never after {@link RoundTrip.abort}. */
export class RoundTrip<E> {
  private readonly endpoint: Endpoint
  private readonly connectTimeoutMillis: number
  private readonly onLine: OnLine<E> | null
  private readonly finish: (result: Exit.Exit<Answer, Unreachable | E>) => void
  private request: http.ClientRequest | null = null
  private timer: NodeJS.Timeout | undefined
  private done = false
  /** Whether etcd may have got something of the request. */
  private connected = false

  constructor(
    endpoint: Endpoint,
    connectTimeoutMillis: number,
    onLine: OnLine<E> | null,
    finish: (result: Exit.Exit<Answer, Unreachable | E>) => void
  ) {
    this.endpoint = endpoint
    this.connectTimeoutMillis = connectTimeoutMillis
    this.onLine = onLine
    this.finish = finish
  }

  start(open: () => http.ClientRequest, body: string): void {
    try {
      const request = open()
      this.request = request
      request.on("error", (error) => this.fail(reasonOf(error), this.hintFor(error)))
      request.on("socket", (socket) => this.connect(socket))
      request.on("response", (response) => this.receive(response))
      request.end(body)
    } catch (error) {
      this.fail(reasonOf(error), hintOf(error))
    }
  }

  /** What a server that only hangs up may mean by it. */
  private hintFor(error: Error): string | undefined {
    if (codeOf(error) !== "ECONNRESET" || this.request?.reusedSocket === true) return hintOf(error)
    return this.request?.socket instanceof TLSSocket
      ? "does etcd listen with TLS? if not, leave out tls=true"
      : "does etcd listen with TLS? then add tls=true"
  }

  /** Gives up without a result. */
  abort(): void {
    this.done = true
    clearTimeout(this.timer)
    this.request?.destroy()
  }

  private connect(socket: Socket): void {
    if (!socket.connecting) {
      this.connected = true
      return
    }
    this.timer = setTimeout(() => {
      this.fail(`no connection within ${this.connectTimeoutMillis} ms`)
    }, this.connectTimeoutMillis)
    socket.once(socket instanceof TLSSocket ? "secureConnect" : "connect", () => {
      this.connected = true
      clearTimeout(this.timer)
      socket.setKeepAlive(true, TCP_KEEPALIVE_MILLIS)
    })
  }

  private receive(response: http.IncomingMessage): void {
    const status = response.statusCode ?? 0
    response.on("error", (error) => this.fail(reasonOf(error)))
    response.on("close", () => {
      if (!response.complete) this.fail("closed the connection in the middle of an answer")
    })
    if (this.onLine !== null && status === 200) this.receiveLines(response, this.onLine)
    else this.receiveAnswer(response, status)
  }

  private receiveAnswer(response: http.IncomingMessage, status: number): void {
    const pieces: Array<Buffer> = []
    let size = 0
    response.on("data", (piece: Buffer) => {
      pieces.push(piece)
      if ((size += piece.length) > MAX_BYTES) this.fail(`sent more than ${MAX_BYTES} bytes`)
    })
    response.on("end", () => {
      const text = Buffer.concat(pieces).toString("utf8")
      const answer = { status, json: parseJson(text), text: text.slice(0, 200) }
      // The agent takes the connection back after this event: whoever asks next is to find it.
      setImmediate(() => this.end(Exit.succeed(answer)))
    })
  }

  private receiveLines(response: http.IncomingMessage, onLine: OnLine<E>): void {
    const splitter = new LineSplitter(MAX_BYTES)
    response.on("data", (piece: Buffer) => {
      const lines = splitter.push(piece)
      if (lines === null) this.fail(`sent a line of more than ${MAX_BYTES} bytes`)
      for (const line of lines ?? []) {
        if (this.done) return
        const error = onLine(parseJson(line))
        if (error !== null) this.end(Exit.fail(error))
      }
    })
    response.on("end", () => this.fail("ended the stream"))
  }

  private fail(reason: string, hint?: string): void {
    this.end(
      Exit.fail(
        new Unreachable({
          endpoint: this.endpoint.name,
          reason,
          hint,
          inDoubt: this.connected,
          wasIdle: this.request?.reusedSocket ?? false
        })
      )
    )
  }

  private end(result: Exit.Exit<Answer, Unreachable | E>): void {
    if (this.done) return
    this.done = true
    clearTimeout(this.timer)
    // An answer that was read whole leaves its connection to the next request.
    if (!Exit.isSuccess(result)) this.request?.destroy()
    this.finish(result)
  }
}

/** The value, or undefined when the text is no JSON. */
const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
