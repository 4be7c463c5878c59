/** Pieces of protocols that the threads share: WebSocket frames, chunks, and bytes that can be told by their place. */
import { createHash } from "node:crypto"

/** The answer to a `Sec-WebSocket-Key`. RFC 6455, section 4.2.2. */
export function acceptOf(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
}

const TEXT = 0x81
const mask = Buffer.from([0x5a, 0x17, 0xc3, 0x8e])

/** A text frame of less than 126 bytes, masked as clients must. RFC 6455, section 5. */
export function frame(text: string, isMasked: boolean): Buffer {
  const payload = Buffer.from(text, "latin1")
  if (!isMasked) return Buffer.concat([Buffer.from([TEXT, payload.length]), payload])
  for (let i = 0; i < payload.length; i++) payload[i]! ^= mask[i % 4]!
  return Buffer.concat([Buffer.from([TEXT, 0x80 | payload.length]), mask, payload])
}

/** Texts of whole frames from bytes in any pieces. Throws on what {@link frame} does not make. */
export class Unframe {
  private pending: Buffer = Buffer.alloc(0)

  take(bytes: Buffer): readonly string[] {
    this.pending = Buffer.concat([this.pending, bytes])
    const texts: string[] = []
    while (this.pending.length >= 2) {
      if (this.pending[0] !== TEXT) throw new Error(`a frame begins with ${this.pending[0]}`)
      const isMasked = this.pending[1]! >= 0x80
      const from = isMasked ? 6 : 2
      const to = from + (this.pending[1]! & 0x7f)
      if (this.pending.length < to) break
      const payload = Buffer.from(this.pending.subarray(from, to))
      if (isMasked) for (let i = 0; i < payload.length; i++) payload[i]! ^= this.pending[2 + (i % 4)]!
      texts.push(payload.toString("latin1"))
      this.pending = this.pending.subarray(to)
    }
    return texts
  }
}

/** Data of a chunked body from bytes in any pieces, without extensions and trailers. RFC 9112, section 7.1. */
export class Unchunk {
  done = false
  private pending: Buffer = Buffer.alloc(0)

  take(bytes: Buffer): readonly Buffer[] {
    this.pending = Buffer.concat([this.pending, bytes])
    const pieces: Buffer[] = []
    while (!this.done) {
      const line = this.pending.indexOf("\r\n")
      if (line === -1) break
      const size = Number.parseInt(this.pending.toString("latin1", 0, line), 16)
      if (Number.isNaN(size)) throw new Error(`not a chunk: ${this.pending.toString("latin1", 0, 40)}`)
      const end = line + 2 + size
      if (this.pending.length < end + 2) break
      if (size === 0) this.done = true
      else pieces.push(this.pending.subarray(line + 2, end))
      this.pending = this.pending.subarray(end + 2)
    }
    return pieces
  }
}

/** Bytes of a download. */
export const DOWNLOAD_BYTES = 256 * 1024

// A prime, so that no shift by a round number of bytes looks right.
const PERIOD = 65_521
const period = Buffer.from(Uint8Array.from({ length: PERIOD }, (_, i) => i * 31 + (i >> 8) * 7))

/** The bytes of a download from `offset` on. */
export function patternAt(offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; ) at += period.copy(bytes, at, (offset + at) % PERIOD)
  return bytes
}
