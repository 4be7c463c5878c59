/**
 * Replaces what a regular expression matches in a stream, with bounded memory and work.
 *
 * Held back is only what a match in progress has read so far, at most `max_match_size` bytes: a longer match is not
 * found, or ends at the last place within the limit where it may end. When a candidate fails by its length the search
 * goes back to behind its beginning, as it does to the end of a match that looked further ahead; going back is paid
 * from an allowance of {@link CREDIT} bytes for each byte of the body, and {@link ADVANCE} for a start. A body that has
 * used it up is searched on from where the search stands. All of this is decided by the bytes alone, never by how they were cut into pieces.
 */
import { FOUND, Machine, TOO_LONG } from "./Machine.ts"
import type { Program } from "./Program.ts"
import type { Output, Rewriter, Rule } from "./Rewriter.ts"

/** What a match is replaced by: bytes, and numbers of groups. */
export type Template = ReadonlyArray<Buffer | number>

/** Bytes that may be read again for each byte of the body. */
const CREDIT = 4
/** Bytes that may be read again before any were earned: a short body is always searched like a whole text. */
const ADVANCE = 4_096
const MIN_STORE = 4_096

/** A rule that replaces every match of the program, or the first. */
export const compile =
  (program: Program, template: Template, everywhere: boolean, maxMatchBytes: number): Rule =>
  () =>
    new Pattern(program, template, everywhere, maxMatchBytes)

const NOTHING = Buffer.alloc(0)

class Pattern implements Rewriter {
  private readonly program: Program
  private readonly template: Template
  private readonly everywhere: boolean
  private readonly machine: Machine
  // Text held back: `store` from `from` to `to`. Bytes once written are never written again, so that parts of the store
  // can be passed on as they are.
  private store: Buffer = NOTHING
  private from = 0
  private to = 0
  /** The byte in front of the text in view. */
  private before = -1
  /** Everything up to here has been passed on. Relative to the text in view, like all positions. */
  private emitted = 0
  /** End of the last match, -1 when there is none. */
  private lastEnd = -1
  /** Up to here text has been paid for. */
  private paid = 0
  private credit = ADVANCE
  private done = false

  constructor(program: Program, template: Template, everywhere: boolean, maxMatchBytes: number) {
    this.program = program
    this.template = template
    this.everywhere = everywhere
    this.machine = new Machine(program, maxMatchBytes)
  }

  write(piece: Buffer, stable: boolean, out: Output): void {
    if (piece.length === 0) return
    if (this.done) out.write(piece, stable)
    else if (this.from === this.to) {
      this.search(piece, stable, false, out)
      this.keep(piece)
    } else {
      this.append(piece)
      const text = this.store.subarray(this.from, this.to)
      this.search(text, true, false, out)
      this.advance(text)
    }
  }

  end(out: Output): void {
    if (this.done) return
    const text = this.store.subarray(this.from, this.to)
    this.search(text, true, true, out)
    this.emit(text, text.length, true, out)
  }

  private search(text: Buffer, stable: boolean, complete: boolean, out: Output): void {
    const { machine } = this
    while (!this.done) {
      const progress = machine.run(text, this.before, complete)
      this.earn(Math.min(machine.position, text.length))
      if (progress === FOUND) this.found(text, stable, out)
      else if (progress === TOO_LONG) this.goBack(machine.givenUp + 1)
      else break
    }
    this.emit(text, this.done || complete ? text.length : Math.min(machine.needed, text.length), stable, out)
  }

  private found(text: Buffer, stable: boolean, out: Output): void {
    const { matchStart, matchEnd } = this.machine
    // An empty match that touches the one before is no match of its own.
    if (matchStart === matchEnd && matchStart === this.lastEnd) {
      this.goBack(matchEnd + 1)
      return
    }
    this.emit(text, matchStart, stable, out)
    for (const part of this.template) {
      if (typeof part !== "number") out.write(part, true)
      else this.writeGroup(part, text, stable, out)
    }
    this.emitted = matchEnd
    this.lastEnd = matchEnd
    if (this.everywhere) this.goBack(matchEnd)
    else this.done = true
  }

  private writeGroup(group: number, text: Buffer, stable: boolean, out: Output): void {
    const { machine } = this
    const slot = this.program.slotOf[group]!
    const from = group === 0 ? machine.matchStart : machine.slot(slot)
    const to = group === 0 ? machine.matchEnd : machine.slot(slot + 1)
    if (from !== -1 && to > from) out.write(text.subarray(from, to), stable)
  }

  private emit(text: Buffer, to: number, stable: boolean, out: Output): void {
    if (to <= this.emitted) return
    out.write(this.emitted === 0 && to === text.length ? text : text.subarray(this.emitted, to), stable)
    this.emitted = to
  }

  // Searches on from `position`, or from where the search stands when the allowance does not reach.
  private goBack(position: number): void {
    const { machine } = this
    const again = Math.max(0, machine.position - position)
    if (again <= this.credit) {
      this.credit -= again
      machine.restart(position)
    } else if (machine.givenUp === -1) machine.restart(machine.position)
    // A candidate that was given up leaves later ones running.
    else machine.givenUp = -1
  }

  private earn(position: number): void {
    if (position <= this.paid) return
    this.credit += (position - this.paid) * CREDIT
    this.paid = position
  }

  // ---- text between pieces

  // The piece's memory is not ours: what is still needed of it is copied.
  private keep(piece: Buffer): void {
    const kept = piece.length - this.emitted
    if (this.done || kept === 0) {
      this.store = NOTHING
      this.from = this.to = 0
    } else {
      this.reserve(kept)
      this.to += piece.copy(this.store, this.to, this.emitted)
    }
    this.forget(piece)
  }

  private append(piece: Buffer): void {
    this.reserve(piece.length)
    this.to += piece.copy(this.store, this.to)
  }

  private advance(text: Buffer): void {
    this.from += this.emitted
    if (this.from === this.to) {
      this.store = NOTHING
      this.from = this.to = 0
    }
    this.forget(text)
  }

  // What was passed on goes out of view.
  private forget(text: Buffer): void {
    const count = this.emitted
    if (count > 0) this.before = text[count - 1]!
    this.machine.shift(count)
    if (this.lastEnd !== -1) this.lastEnd = Math.max(-1, this.lastEnd - count)
    this.paid -= count
    this.emitted = 0
  }

  // Makes room behind what is held. Growing doubles, so that many small pieces cost what one large one does.
  private reserve(bytes: number): void {
    if (this.store.length - this.to >= bytes) return
    const held = this.to - this.from
    const store = Buffer.allocUnsafeSlow(Math.max(MIN_STORE, 2 * (held + bytes)))
    this.store.copy(store, 0, this.from, this.to)
    this.store = store
    this.from = 0
    this.to = held
  }
}
