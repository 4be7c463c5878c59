/**
 * The origin of the drills, on bare sockets: an echo of what was asked, WebSockets that answer and speak by
 * themselves, and downloads that trickle until they are told to come to their end.
 */
import { createServer, type Server, type Socket } from "node:net"
import { serve } from "../Thread.ts"
import { acceptOf, DOWNLOAD_BYTES, frame, patternAt, Unframe } from "../Wire.ts"

const TRICKLE_MILLIS = 100
const TRICKLE_BYTES = 128
const TICK_MILLIS = 1_000

const servers: Server[] = []
const downloads = new Set<Download>()
const tickers = new Set<() => void>()
let isFinishing = false

/** Starts an origin that marks its echoes with `label`, and returns its port. */
function open(label: string): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => accept(socket, label))
  servers.push(server)
  return new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : 0)
    })
  })
}

/** Brings all downloads, also those to come, to their end at full speed; or stops doing so. */
function finish(isOn: boolean): void {
  isFinishing = isOn
  for (const download of downloads) download.send()
}

const api = { open, finish }
export type OriginApi = typeof api
serve(api)

setInterval(() => {
  for (const download of downloads) download.send()
}, TRICKLE_MILLIS)
setInterval(() => {
  for (const tick of tickers) tick()
}, TICK_MILLIS)

function accept(socket: Socket, label: string): void {
  let pending = ""
  socket.on("error", () => socket.destroy())
  const onData = (chunk: Buffer): void => {
    pending += chunk.toString("latin1")
    const end = pending.indexOf("\r\n\r\n")
    if (end === -1) return
    const head = pending.slice(0, end + 2)
    pending = pending.slice(end + 4)
    const target = head.slice(head.indexOf(" ") + 1, head.indexOf(" ", head.indexOf(" ") + 1))
    if (/\r\nupgrade: *websocket\r\n/i.test(head)) {
      socket.off("data", onData)
      talk(socket, fieldOf(head, "sec-websocket-key"), Buffer.from(pending, "latin1"))
    } else if (target.startsWith("/download/")) new Download(socket, target.endsWith("/chunked"))
    else echo(socket, `${label} ${fieldOf(head, "host")}${target}`)
  }
  socket.on("data", onData)
}

function fieldOf(head: string, name: string): string {
  return new RegExp(`\\r\\n${name}: *([^\\r]*)\\r\\n`, "i").exec(head)?.[1] ?? ""
}

function echo(socket: Socket, text: string): void {
  socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\n\r\n${text}`, "latin1")
}

// Says back what it hears, and counts aloud by itself.
function talk(socket: Socket, key: string, early: Buffer): void {
  let ticks = 0
  const tick = (): void => void socket.write(frame(`tick ${ticks++}`, false))
  const unframe = new Unframe()
  const hear = (chunk: Buffer): void => {
    for (const text of unframe.take(chunk)) socket.write(frame(`echo ${text}`, false))
  }
  const head = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`
  socket.write(`${head}Sec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`)
  socket.on("data", hear)
  socket.on("close", () => tickers.delete(tick))
  tickers.add(tick)
  hear(early)
}

class Download {
  private readonly socket: Socket
  private readonly isChunked: boolean
  private sent = 0

  constructor(socket: Socket, isChunked: boolean) {
    this.socket = socket
    this.isChunked = isChunked
    const framing = isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${DOWNLOAD_BYTES}`
    socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n${framing}\r\n\r\n`)
    socket.on("close", () => downloads.delete(this))
    downloads.add(this)
    this.send()
  }

  send(): void {
    const left = DOWNLOAD_BYTES - this.sent
    const length = isFinishing ? left : Math.min(TRICKLE_BYTES, left - 1)
    if (length <= 0) return
    const data = patternAt(this.sent, length)
    this.sent += length
    if (this.isChunked) this.socket.write(`${length.toString(16)}\r\n`)
    this.socket.write(data)
    if (this.isChunked) this.socket.write(this.sent === DOWNLOAD_BYTES ? "\r\n0\r\n\r\n" : "\r\n")
    if (this.sent === DOWNLOAD_BYTES) downloads.delete(this)
  }
}
