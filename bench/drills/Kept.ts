/** A client with one kept-alive connection, for questions whose answer is not known beforehand. */
import { connect, type Socket } from "node:net"

export interface Answer {
  readonly status: number
  readonly body: string
}

const DEADLINE_MILLIS = 5_000

export class Kept implements Disposable {
  private readonly port: number
  private socket: Socket | null = null

  constructor(port: number) {
    this.port = port
  }

  /** Asks; rejects when the connection fails or nothing comes. */
  get(host: string, target: string): Promise<Answer> {
    this.socket ??= this.open()
    const socket = this.socket
    return new Promise((resolve, reject) => {
      let text = ""
      const end = (): void => {
        socket.off("data", onData).off("close", onClose)
        clearTimeout(timer)
      }
      const onData = (chunk: Buffer): void => {
        text += chunk.toString("latin1")
        const answer = parse(text)
        if (answer === null) return
        end()
        if (/\r\nconnection: close\r\n/i.test(text)) this[Symbol.dispose]()
        resolve(answer)
      }
      const onClose = (): void => {
        end()
        this.socket = null
        reject(new Error(`closed after ${text.length} bytes of an answer`))
      }
      const timer = setTimeout(() => socket.destroy(), DEADLINE_MILLIS)
      socket.on("data", onData).on("close", onClose)
      socket.write(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    })
  }

  private open(): Socket {
    const socket = connect({ port: this.port, host: "127.0.0.1", noDelay: true })
    return socket.on("error", () => {})
  }

  [Symbol.dispose](): void {
    this.socket?.destroy()
    this.socket = null
  }
}

/** One response with a length; null while it is not complete. */
export function parse(text: string): Answer | null {
  const end = text.indexOf("\r\n\r\n")
  if (end === -1) return null
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end))?.[1] ?? Number.NaN)
  if (Number.isNaN(length)) throw new Error(`an answer without a length: ${text.slice(0, 200)}`)
  if (text.length < end + 4 + length) return null
  return { status: Number(text.slice(9, 12)), body: text.slice(end + 4, end + 4 + length) }
}
