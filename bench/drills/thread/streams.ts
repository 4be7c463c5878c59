/**
 * Connections that stay: WebSockets whose both directions are checked, and slow downloads that are compared byte by
 * byte. A stream counts as stalled when nothing came for two seconds although something was due every second.
 */
import { connect, type Socket } from "node:net"
import { serve } from "../Thread.ts"
import { acceptOf, DOWNLOAD_BYTES, frame, patternAt, Unchunk, Unframe } from "../Wire.ts"

export interface StreamsOptions {
  readonly port: number
  readonly host: string
  readonly webSockets: number
  readonly downloads: number
}

export interface StreamsState {
  readonly open: number
  readonly closed: number
  readonly stalled: number
  /** Why, the first few. */
  readonly reasons: readonly string[]
  /** Messages both ways and pieces of downloads. */
  readonly received: number
  readonly longestSilenceMillis: number
}

const CHECK_MILLIS = 100
const SILENCE_MILLIS = 2_000
const SPEAK_MILLIS = 400
const OPEN_MILLIS = 10_000
const FINISH_MILLIS = 20_000

abstract class Stream {
  readonly name: string
  readonly socket: Socket
  readonly opened = Promise.withResolvers<void>()
  /** Came to the end that it should come to. */
  isDone = false
  failure = ""
  silence = 0
  longestSilence = 0
  received = 0
  private head = ""
  private isOpen = false

  constructor(name: string, port: number, request: string) {
    this.name = name
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true })
    this.socket.on("error", () => {})
    this.socket.on("close", () => this.isDone || this.fail("closed"))
    this.socket.on("data", (chunk) => this.hear(chunk))
    this.socket.write(request)
  }

  protected abstract begin(head: string): void
  protected abstract take(chunk: Buffer): void

  fail(reason: string): void {
    if (this.failure !== "") return
    this.failure = reason
    this.socket.destroy()
    this.opened.reject(new Error(`${this.name}: ${reason}`))
  }

  /** Time has passed; only as much as this thread could have heard something in. */
  tick(millis: number): void {
    this.silence += millis
    this.longestSilence = Math.max(this.longestSilence, this.silence)
  }

  private hear(chunk: Buffer): void {
    this.silence = 0
    let rest = chunk
    if (!this.isOpen) {
      this.head += chunk.toString("latin1")
      const end = this.head.indexOf("\r\n\r\n")
      if (end === -1) return
      rest = Buffer.from(this.head.slice(end + 4), "latin1")
      this.isOpen = true
      this.begin(this.head.slice(0, end + 2))
      this.opened.resolve()
    }
    try {
      if (rest.length > 0) this.take(rest)
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error))
    }
  }
}

class WebSocketStream extends Stream {
  private readonly key: string
  private readonly unframe = new Unframe()
  private said = 0
  private heard = 0
  private ticks = 0

  constructor(number: number, { host, port }: StreamsOptions) {
    const key = Buffer.from(String(number).padStart(16, "0")).toString("base64")
    const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
    const head = `GET /ws HTTP/1.1\r\nHost: ${host}\r\n${upgrade}\r\nSec-WebSocket-Key: ${key}\r\n\r\n`
    super(`WebSocket ${number}`, port, head)
    this.key = key
  }

  protected begin(head: string): void {
    const isRight = head.startsWith("HTTP/1.1 101 ") && head.includes(`Accept: ${acceptOf(this.key)}\r\n`)
    if (!isRight) this.fail(`not switched: ${head.slice(0, 60)}`)
  }

  protected take(chunk: Buffer): void {
    for (const text of this.unframe.take(chunk)) {
      const expected = text.startsWith("tick ") ? `tick ${this.ticks++}` : `echo ${this.name} ${this.heard++}`
      if (text !== expected) throw new Error(`got "${text}" instead of "${expected}"`)
      this.received++
    }
  }

  speak(): void {
    if (this.said - this.heard > SILENCE_MILLIS / SPEAK_MILLIS) this.fail("is not answered any more")
    else this.socket.write(frame(`${this.name} ${this.said++}`, true))
  }

  close(): void {
    this.isDone = true
    this.socket.end()
  }
}

class DownloadStream extends Stream {
  private readonly unchunk: Unchunk | null
  private bytes = 0

  constructor(number: number, { host, port }: StreamsOptions) {
    const framing = number % 2 === 0 ? "chunked" : "length"
    super(`download ${number} (${framing})`, port, `GET /download/${framing} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    this.unchunk = framing === "chunked" ? new Unchunk() : null
  }

  protected begin(head: string): void {
    const framing = this.unchunk === null ? `Content-Length: ${DOWNLOAD_BYTES}` : "Transfer-Encoding: chunked"
    const isRight = head.startsWith("HTTP/1.1 200 ") && head.toLowerCase().includes(framing.toLowerCase())
    if (!isRight) this.fail(`no download: ${head.slice(0, 60)}`)
  }

  protected take(chunk: Buffer): void {
    for (const data of this.unchunk?.take(chunk) ?? [chunk]) {
      if (!data.equals(patternAt(this.bytes, data.length))) throw new Error(`is wrong after ${this.bytes} bytes`)
      this.bytes += data.length
      this.received++
    }
    if (this.bytes < DOWNLOAD_BYTES || this.unchunk?.done === false) return
    if (this.bytes > DOWNLOAD_BYTES) throw new Error("is too long")
    this.isDone = true
    this.socket.end()
  }
}

let streams: readonly Stream[] = []
let timers: readonly NodeJS.Timeout[] = []

/** Opens all and waits until they are. */
async function open(options: StreamsOptions): Promise<void> {
  streams = [
    ...Array.from({ length: options.webSockets }, (_, i) => new WebSocketStream(i, options)),
    ...Array.from({ length: options.downloads }, (_, i) => new DownloadStream(i, options))
  ]
  const late = setTimeout(() => {
    for (const stream of streams) stream.opened.reject(new Error(`${stream.name} does not open`))
  }, OPEN_MILLIS)
  await Promise.all(streams.map(({ opened }) => opened.promise))
  clearTimeout(late)
  let last = performance.now()
  let turn = 0
  timers = [
    setInterval(() => {
      const now = performance.now()
      for (const stream of streams) if (!stream.isDone) stream.tick(Math.min(now - last, 2 * CHECK_MILLIS))
      last = now
    }, CHECK_MILLIS),
    // A quarter of them at a time, so that something is always on its way.
    setInterval(() => {
      turn++
      for (const [i, stream] of streams.entries()) {
        const isTurn =
          stream instanceof WebSocketStream && !stream.isDone && stream.failure === "" && i % 4 === turn % 4
        if (isTurn) stream.speak()
      }
    }, SPEAK_MILLIS / 4)
  ]
}

function state(): StreamsState {
  const failed = streams.filter(({ failure }) => failure !== "")
  const silent = streams.filter(({ failure, longestSilence }) => failure === "" && longestSilence > SILENCE_MILLIS)
  return {
    open: streams.filter(({ failure, isDone }) => failure === "" && !isDone).length,
    closed: failed.length,
    stalled: silent.length,
    reasons: [
      ...failed.map(({ failure, name }) => `${name} ${failure}`),
      ...silent.map(({ longestSilence, name }) => `${name} was silent for ${Math.round(longestSilence)} ms`)
    ].slice(0, 5),
    received: streams.reduce((sum, { received }) => sum + received, 0),
    longestSilenceMillis: Math.max(0, ...streams.map(({ longestSilence }) => longestSilence))
  }
}

/** Closes WebSockets and waits for the ends of downloads, which the origin has to send by then. */
async function finish(): Promise<StreamsState> {
  for (const stream of streams) if (stream instanceof WebSocketStream && stream.failure === "") stream.close()
  const deadline = performance.now() + FINISH_MILLIS
  while (streams.some(({ failure, socket }) => failure === "" && !socket.closed) && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  for (const stream of streams) if (!stream.isDone) stream.fail("did not come to its end")
  for (const timer of timers) clearInterval(timer)
  for (const { socket } of streams) socket.destroy()
  return state()
}

const api = { open, state, finish }
export type StreamsApi = typeof api
serve(api)
