/**
 * Bodies out of files and Node streams: adapters from what the platform reads to the pushed bodies of `proxy/Body.ts`.
 *
 * A slow reader stops the reading, a reader that leaves ends it and frees what was held, and a source that breaks or
 * ends early aborts the body, so that a short response never looks whole (hardening 1.7).
 */
import * as fs from "node:fs"
import type { Readable } from "node:stream"
import { type BodySink, type BodySource, type BodyStream, CONSUMED, FULL } from "../proxy/Body.ts"
import type { Failure } from "../proxy/Failure.ts"

/** What is wrong when a body's own source fails or ends before its announced length. */
export const sourceFailed: Failure = {
  code: "body.source",
  status: 500,
  type: "InternalError",
  message: "The source of the response body failed",
  closes: false
}

const ignore = (): void => {}

/**
 * A file descriptor with one owner, which runs one operation at a time. It is closed exactly once, never under an
 * operation: a descriptor that is closed while the thread pool uses it may already belong to somebody else.
 */
export class OpenFile {
  readonly fd: number
  private busy = false
  private closed = false

  constructor(fd: number) {
    this.fd = fd
  }

  /** Calls `done` with the file's state, or not at all when the file was closed meanwhile. */
  stat(done: (error: Error | null, stats: fs.Stats) => void): void {
    this.busy = true
    fs.fstat(this.fd, (error, stats) => {
      if (this.settled()) done(error, stats)
    })
  }

  /** Reads up to `length` bytes of `position` into the start of `buffer` at `offset`; then as {@link stat}. */
  read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    done: (error: Error | null, bytes: number) => void
  ): void {
    this.busy = true
    fs.read(this.fd, buffer, offset, length, position, (error, bytes) => {
      if (this.settled()) done(error, bytes)
    })
  }

  /** Gives the descriptor back: now, or when the operation in progress has ended. Harmless when repeated. */
  close(): void {
    if (this.closed) return
    this.closed = true
    if (!this.busy) fs.close(this.fd, ignore)
  }

  private settled(): boolean {
    this.busy = false
    if (this.closed) fs.close(this.fd, ignore)
    return !this.closed
  }
}

/**
 * The body that is `length` bytes of `file` from `from` on, read in pieces of at most `pieceBytes`. It owns the file
 * from its call on and closes it when it ends, breaks or is cancelled. A file that has become shorter breaks it.
 */
export const fromFile =
  (file: OpenFile, from: number, length: number, pieceBytes: number): BodyStream =>
  (sink) => {
    const body = new FileBody(file, from, length, pieceBytes, sink)
    body.pump()
    return body
  }

class FileBody implements BodySource {
  private readonly file: OpenFile
  private readonly sink: BodySink
  private readonly pieceBytes: number
  private position: number
  private remaining: number
  /** Memory for the next read, null when the sink kept the last piece. */
  private buffer: Buffer | null = null
  private reading = false
  private paused = false
  private done = false

  constructor(file: OpenFile, from: number, length: number, pieceBytes: number, sink: BodySink) {
    this.file = file
    this.sink = sink
    this.pieceBytes = pieceBytes
    this.position = from
    this.remaining = length
  }

  pump(): void {
    if (this.reading || this.paused || this.done) return
    this.reading = true
    this.buffer ??= Buffer.allocUnsafeSlow(Math.min(this.pieceBytes, this.remaining))
    this.file.read(this.buffer, 0, Math.min(this.buffer.length, this.remaining), this.position, this.onRead)
  }

  private readonly onRead = (error: Error | null, bytes: number): void => {
    this.reading = false
    if (this.done) return
    if (error !== null || bytes === 0) {
      this.finish()
      this.sink.abort(sourceFailed)
      return
    }
    const buffer = this.buffer!
    this.position += bytes
    this.remaining -= bytes
    const flow = this.sink.write(bytes === buffer.length ? buffer : buffer.subarray(0, bytes))
    if (this.done) return
    if (flow !== CONSUMED) this.buffer = null
    if (this.remaining === 0) {
      this.finish()
      this.sink.end(null)
      return
    }
    this.paused = flow === FULL
    this.pump()
  }

  resume(): void {
    this.paused = false
    this.pump()
  }

  cancel(): void {
    this.finish()
  }

  private finish(): void {
    if (this.done) return
    this.done = true
    this.buffer = null
    this.file.close()
  }
}

/**
 * The body that a Node stream yields. It owns the stream: destroys it when nobody wants the rest. A stream that fails
 * or is destroyed before its end breaks the body.
 */
export const fromReadable =
  (readable: Readable): BodyStream =>
  (sink) =>
    new ReadableBody(readable, sink)

class ReadableBody implements BodySource {
  private readonly readable: Readable
  private readonly sink: BodySink
  private done = false

  constructor(readable: Readable, sink: BodySink) {
    this.readable = readable
    this.sink = sink
    // A stream that was destroyed before this call has emitted what it had to say.
    if (readable.destroyed) {
      queueMicrotask(this.onBroken)
      return
    }
    readable.on("end", this.onEnd)
    readable.on("error", this.onBroken)
    readable.on("close", this.onBroken)
    readable.on("data", this.onData)
  }

  private readonly onData = (chunk: Buffer | string): void => {
    if (this.done) return
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk
    if (this.sink.write(bytes) === FULL && !this.done) this.readable.pause()
  }

  private readonly onEnd = (): void => {
    if (this.done) return
    this.release()
    this.sink.end(null)
  }

  private readonly onBroken = (): void => {
    if (this.done) return
    this.release()
    this.readable.destroy()
    this.sink.abort(sourceFailed)
  }

  resume(): void {
    if (!this.done) this.readable.resume()
  }

  cancel(): void {
    if (this.done) return
    this.release()
    this.readable.destroy()
  }

  private release(): void {
    this.done = true
    const readable = this.readable
    readable.off("data", this.onData)
    readable.off("end", this.onEnd)
    readable.off("close", this.onBroken)
    readable.off("error", this.onBroken)
    // A stream may still fail while it is being destroyed; unheard, that would end the process.
    readable.on("error", ignore)
  }
}
