/**
 * The lines between callers and the owner of a log file: a queue that callers append to, and the chunk of them that is
 * on its way to the disk. Plain objects without effects; see `FileWriter.ts` for who does what when.
 */

export interface Counters {
  /** Lines handed to the system. */
  written: number
  /** Lines that were never written. */
  dropped: number
  /** Attempts to open or write that failed. */
  failures: number
}

/** Text that may wait at most, whatever `maxLines` says. */
const MAX_CHARS = 4 * 1024 * 1024

export class LineQueue {
  lines = 0
  /** This much text sets the owner to work. */
  threshold: number
  /** Bound on `lines`; infinity while the file keeps up. */
  maxLines = Number.POSITIVE_INFINITY
  /** The owner has been called and has not come yet. */
  called = false
  readonly counters: Counters = { written: 0, dropped: 0, failures: 0 }
  private text = ""
  private readonly call: () => void
  private readonly onDrop: (total: number) => void

  /** `onDrop` is called when the number of dropped lines reaches a power of two. */
  constructor(threshold: number, call: () => void, onDrop: (total: number) => void) {
    this.threshold = threshold
    this.call = call
    this.onDrop = onDrop
  }

  append(line: string): void {
    if (this.lines >= this.maxLines || this.text.length >= MAX_CHARS) {
      this.drop()
      return
    }
    // Strings joined here are only copied once, when the chunk is made.
    this.text += `${line}\n`
    this.lines++
    if (this.text.length >= this.threshold && !this.called) {
      this.called = true
      // Not now: the rest of this turn's lines may come along, and the request that wrote this one goes first.
      setImmediate(this.call)
    }
  }

  /** Everything that waits, or null when nothing does. */
  take(): Chunk | null {
    if (this.lines === 0) return null
    const chunk = new Chunk(Buffer.from(this.text, "utf8"), this.lines)
    this.text = ""
    this.lines = 0
    return chunk
  }

  private drop(): void {
    const total = ++this.counters.dropped
    if (Number.isInteger(Math.log2(total))) this.onDrop(total)
  }
}

/** Lines on their way to the disk. */
export class Chunk {
  readonly bytes: Buffer
  readonly lines: number
  /** Bytes that the file has taken. */
  offset = 0
  /** Identity of the file that took them. */
  private taker = ""

  constructor(bytes: Buffer, lines: number) {
    this.bytes = bytes
    this.lines = lines
  }

  get isWritten(): boolean {
    return this.offset === this.bytes.length
  }

  /** Goes on in a file: after the last byte if it is the same one, with the torn line from its start if it is not. */
  continueIn(identity: string): void {
    if (this.offset > 0 && identity !== this.taker) this.offset = this.bytes.lastIndexOf(10, this.offset - 1) + 1
    this.taker = identity
  }
}
