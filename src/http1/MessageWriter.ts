/**
 * Writes HTTP/1 messages to a socket: framing, as few system calls as possible, and back-pressure.
 *
 * Shared by both sides of the proxy. A head waits until the first piece of body, the end, or `flush`, so that small
 * messages leave in one write. Never writes more body than was announced.
 */
import type { Socket } from "node:net"
import type { Fields } from "../model/Fields.ts"
import { CONSUMED, type Flow, FULL, KEPT } from "../proxy/Body.ts"

/** The message has no body, whatever its head says (HEAD, 204, 304). */
export const NO_BODY = 0
export const LENGTH = 1
export const CHUNKED = 2
/** Bytes until the connection ends: HTTP/1.0 responses of unknown length, switched protocols. */
export const RAW = 3

export type Framing = typeof NO_BODY | typeof LENGTH | typeof CHUNKED | typeof RAW

export class MessageWriter {
  private readonly socket: Socket
  private framing: Framing = NO_BODY
  private left = 0
  private out = ""

  constructor(socket: Socket) {
    this.socket = socket
  }

  /** Starts a message. `length` counts for {@link LENGTH} only. */
  begin(head: string, framing: Framing, length: number): void {
    this.out = this.out === "" ? head : this.out + head
    this.framing = framing
    this.left = length
  }

  /** Starts and ends a message whose body, a binary string, is at hand and fits its framing. */
  whole(message: string): void {
    this.socket.write(this.out === "" ? message : this.out + message, "latin1")
    this.out = ""
    this.framing = NO_BODY
  }

  /** Writes a piece of body. Bytes beyond the announced length are left out; the caller has checked for them. */
  write(chunk: Buffer): Flow {
    const socket = this.socket
    switch (this.framing) {
      case NO_BODY:
        return CONSUMED
      case LENGTH:
        if (chunk.length > this.left) chunk = chunk.subarray(0, this.left)
        this.left -= chunk.length
        break
      case CHUNKED:
        if (chunk.length === 0) return CONSUMED
        socket.cork()
        socket.write(`${this.out}${chunk.length.toString(16)}\r\n`, "latin1")
        socket.write(chunk)
        socket.write("\r\n", "latin1")
        socket.uncork()
        this.out = ""
        return this.flow()
    }
    if (this.out !== "") {
      socket.cork()
      socket.write(this.out, "latin1")
      socket.write(chunk)
      socket.uncork()
      this.out = ""
    } else socket.write(chunk)
    return this.flow()
  }

  /** Ends the message. False when fewer bytes were written than announced: the connection must not go on. */
  end(trailers: Fields | null): boolean {
    if (this.framing === CHUNKED) this.out += trailers === null ? "0\r\n\r\n" : `0\r\n${trailers.text}\r\n`
    const complete = this.framing !== LENGTH || this.left === 0
    this.framing = NO_BODY
    this.flush()
    return complete
  }

  /** Sends what waits. */
  flush(): void {
    if (this.out === "") return
    this.socket.write(this.out, "latin1")
    this.out = ""
  }

  // What the kernel took during the call needs no memory of ours any more.
  private flow(): Flow {
    const socket = this.socket
    if (socket.writableLength === 0) return CONSUMED
    return socket.writableNeedDrain ? FULL : KEPT
  }
}
