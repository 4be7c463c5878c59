/**
 * Searches a stream of bytes for a pattern: a Pike machine that takes text in any pieces and keeps its threads between
 * them, so that what it finds never depends on how the text was cut.
 *
 * All ways through the pattern advance side by side, one byte at a time, in order of preference: time is linear in the
 * text, and no text can make it more. Threads are numbers in arrays that are made once per body.
 *
 * Positions are relative to the text in view; {@link Machine.shift} moves them when text in front is given up.
 */
import * as ByteSets from "./ByteSets.ts"
import * as P from "./Program.ts"

/** More text is needed to decide. */
export const MORE = 0
/** A match has been found: see `matchStart`, `matchEnd`, `slot`. */
export const FOUND = 1
/** The candidate that began at `givenUp` became longer than a match may be. */
export const TOO_LONG = 2

export type Progress = typeof MORE | typeof FOUND | typeof TOO_LONG

export class Machine {
  /** Where the search stands: the next byte to read. */
  position = 0
  matchStart = -1
  matchEnd = -1
  /** Beginning of a candidate after {@link TOO_LONG}. */
  givenUp = -1
  private readonly program: P.Program
  private readonly maxMatch: number
  /** Slots of the match. Slot 0 is where it begins. */
  private readonly matched: Int32Array
  // Threads that stand before an instruction not looked at yet, most preferred first: `slots` numbers each in `pendingSlots`.
  private readonly pending: Int32Array
  private readonly pendingSlots: Int32Array
  private pendingCount = 0
  // The same threads after everything that reads nothing: each is about to read a byte.
  private readonly ready: Int32Array
  private readonly readySlots: Int32Array
  private readyCount = 0
  private isReady = false
  private readonly seen: Uint32Array
  private generation = 0
  // A stack of instructions still to look at; a negative number restores the slot on top of `undo`.
  private readonly stack: Int32Array
  private readonly undo: Int32Array
  private readonly slots: Int32Array

  constructor(program: P.Program, maxMatch: number) {
    const size = program.op.length
    this.program = program
    this.maxMatch = maxMatch
    this.matched = new Int32Array(program.slots)
    this.pending = new Int32Array(size)
    this.pendingSlots = new Int32Array(size * program.slots)
    this.ready = new Int32Array(size)
    this.readySlots = new Int32Array(size * program.slots)
    this.seen = new Uint32Array(size)
    // Each instruction is looked at once and leaves at most two behind.
    this.stack = new Int32Array(2 * size + 2)
    this.undo = new Int32Array(size + 1)
    this.slots = new Int32Array(program.slots)
  }

  /** Begins to search at `position`, forgetting everything. */
  restart(position: number): void {
    this.position = position
    this.matchStart = -1
    this.givenUp = -1
    this.pendingCount = 0
    this.readyCount = 0
    this.isReady = false
  }

  /** Text in front of this is not needed any more. */
  get needed(): number {
    if (this.isReady ? this.readyCount > 0 : this.pendingCount > 0) {
      const oldest = this.isReady ? this.readySlots[0]! : this.pendingSlots[0]!
      return this.matchStart === -1 ? oldest : Math.min(oldest, this.matchStart)
    }
    return this.matchStart === -1 ? this.position : this.matchStart
  }

  /** The text's first `count` bytes are no longer in view. */
  shift(count: number): void {
    if (count === 0) return
    this.position -= count
    if (this.matchStart !== -1) {
      this.matchStart -= count
      this.matchEnd -= count
      for (let i = 0; i < this.matched.length; i++) this.matched[i]! -= count
    }
    const slots = this.isReady ? this.readySlots : this.pendingSlots
    const used = (this.isReady ? this.readyCount : this.pendingCount) * this.program.slots
    for (let i = 0; i < used; i++) slots[i]! -= count
  }

  /** A slot of the match, -1 when its group took no part. Positions shifted below zero do not occur in matches. */
  slot(index: number): number {
    const at = this.matched[index]!
    return at < this.matchStart ? -1 : at
  }

  /**
   * Searches on in `text`, whose byte in front was `before` (-1 at the start of the body). `complete`: nothing follows.
   */
  run(text: Buffer, before: number, complete: boolean): Progress {
    const { looksAhead } = this.program
    const length = text.length
    for (;;) {
      if (!this.isReady) {
        if (this.pendingCount === 0 && this.matchStart === -1) {
          this.position = this.candidate(text, before)
          if (this.position > length || (this.position === length && !complete)) return MORE
        }
        const at = this.position
        if (at === length && looksAhead && !complete) return MORE
        this.settle(at === 0 ? before : text[at - 1]!, at < length ? text[at]! : -1)
      }
      if (this.readyCount === 0 && this.matchStart !== -1) return FOUND
      if (this.position === length) {
        if (!complete) return MORE
        if (this.matchStart !== -1) return FOUND
        this.restart(length + 1)
        return MORE
      }
      this.read(text[this.position]!)
      this.position++
      if (this.pendingCount > 0 && this.position - this.pendingSlots[0]! > this.maxMatch) {
        if (this.matchStart === -1) {
          this.givenUp = this.pendingSlots[0]!
          this.dropOldest()
          return TOO_LONG
        }
        this.dropOldest()
      }
    }
  }

  // Where the next match may begin, at or after the position; the text's end when it is not in view.
  private candidate(text: Buffer, before: number): number {
    const { anchored, first, nullable, prefix } = this.program
    const from = this.position
    const length = text.length
    if (anchored && (from > 0 || before !== -1)) return Math.max(from, length)
    if (nullable || from >= length) return from
    let at = from
    if (prefix.length > 1) {
      at = text.indexOf(prefix, from)
      if (at !== -1) return at
      // The prefix may begin in the last bytes.
      at = Math.max(from, length - prefix.length + 1)
    }
    while (at < length && first[text[at]!] === 0) at++
    return at
  }

  // Turns pending threads into ready ones, adds the one that begins here, notes a match and drops what is less preferred.
  private settle(before: number, after: number): void {
    this.isReady = true
    this.readyCount = 0
    if (++this.generation === 0x1_0000_0000) {
      this.seen.fill(0)
      this.generation = 1
    }
    const { pending, pendingCount, pendingSlots, slots } = this
    const width = this.program.slots
    const searching = this.matchStart === -1
    for (let i = 0; i < pendingCount; i++) {
      for (let slot = 0; slot < width; slot++) slots[slot] = pendingSlots[i * width + slot]!
      if (this.follow(pending[i]!, before, after)) return
    }
    if (!searching) return
    slots.fill(-1)
    slots[0] = this.position
    this.follow(this.program.start, before, after)
  }

  // Follows one thread through everything that reads nothing. True when it matches here.
  private follow(from: number, before: number, after: number): boolean {
    const { op, a, b } = this.program
    const { stack, undo, slots, seen, generation } = this
    let top = 0
    let undone = 0
    stack[top++] = from
    while (top > 0) {
      const at = stack[--top]!
      if (at < 0) {
        slots[-at - 1] = undo[--undone]!
        continue
      }
      if (seen[at] === generation) continue
      seen[at] = generation
      switch (op[at]) {
        case P.SPLIT:
          stack[top++] = b[at]!
          stack[top++] = a[at]!
          break
        case P.SAVE: {
          const slot = a[at]!
          undo[undone++] = slots[slot]!
          stack[top++] = -slot - 1
          slots[slot] = this.position
          stack[top++] = b[at]!
          break
        }
        case P.ASSERT:
          if (holds(a[at]!, before, after)) stack[top++] = b[at]!
          break
        case P.BYTE:
        case P.SET: {
          const width = slots.length
          const to = this.readyCount++
          this.ready[to] = at
          for (let slot = 0; slot < width; slot++) this.readySlots[to * width + slot] = slots[slot]!
          break
        }
        case P.MATCH:
          this.matched.set(slots)
          this.matchStart = slots[0]!
          this.matchEnd = this.position
          return true
      }
    }
    return false
  }

  // Lets every ready thread read one byte.
  private read(byte: number): void {
    const { op, a, b, c, tables } = this.program
    const { ready, readySlots, readyCount, pending, pendingSlots } = this
    const width = this.slots.length
    let count = 0
    for (let i = 0; i < readyCount; i++) {
      const at = ready[i]!
      let to = -1
      if (op[at] === P.BYTE) {
        if (a[at] === byte) to = b[at]!
      } else {
        const next = tables[a[at]!]![byte]!
        if (next === ByteSets.ACCEPT) to = b[at]!
        else if (next !== ByteSets.DEAD) to = c[at]! + next
      }
      if (to === -1) continue
      pending[count] = to
      for (let slot = 0; slot < width; slot++) pendingSlots[count * width + slot] = readySlots[i * width + slot]!
      count++
    }
    this.pendingCount = count
    this.isReady = false
  }

  // Threads of the candidate that began first stand in front: the earlier a match begins, the more it is preferred.
  private dropOldest(): void {
    const { pending, pendingSlots, pendingCount } = this
    const width = this.slots.length
    const oldest = pendingSlots[0]!
    let from = 0
    while (from < pendingCount && pendingSlots[from * width] === oldest) from++
    pending.copyWithin(0, from, pendingCount)
    pendingSlots.copyWithin(0, from * width, pendingCount * width)
    this.pendingCount = pendingCount - from
  }
}

const isWord = (byte: number): boolean =>
  (byte >= 97 && byte <= 122) || (byte >= 65 && byte <= 90) || (byte >= 48 && byte <= 57) || byte === 95

const LF = 10

// Bytes around a position, -1 where the text begins or ends.
const holds = (anchor: number, before: number, after: number): boolean => {
  switch (P.ANCHORS[anchor]) {
    case "start":
      return before === -1
    case "end":
      return after === -1
    case "lineStart":
      return before === -1 || before === LF
    case "lineEnd":
      return after === -1 || after === LF
    case "boundary":
      return isWord(before) !== isWord(after)
    case "notBoundary":
      return isWord(before) === isWord(after)
    case "wordStart":
      return !isWord(before) && isWord(after)
    case "wordEnd":
      return isWord(before) && !isWord(after)
    case "wordStartHalf":
      return !isWord(before)
    default:
      return !isWord(after)
  }
}
