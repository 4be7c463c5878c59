/**
 * A pattern as instructions for a machine that reads bytes (Thompson, 1968; Pike). The machine is `Regex.ts`.
 *
 * Instructions are columns of numbers. Each is entered with a position in the text; `BYTE` and `SET` read one byte, the
 * others read nothing. Of a `SPLIT`, the first way is preferred, which gives leftmost-first matches as in Rust.
 */
import type { CharSet } from "../../../model/regex/CharSet.ts"
import type { Anchor, Node, Pattern } from "../../../model/regex/Syntax.ts"
import * as ByteSets from "./ByteSets.ts"

/** A match ends here. */
export const MATCH = 1
/** Reads the byte `a`, goes to `b`. */
export const BYTE = 2
/** Reads a byte by table `a`; a complete character goes to `b`, a table of the same set to `c` plus its index. */
export const SET = 3
/** Goes to `a`, or else to `b`. */
export const SPLIT = 4
/** Notes the position in slot `a`, goes to `b`. */
export const SAVE = 5
/** Goes to `b` where anchor `a` holds. */
export const ASSERT = 6

/** The anchors, as numbers. */
export const ANCHORS: ReadonlyArray<Anchor> = [
  "start",
  "end",
  "lineStart",
  "lineEnd",
  "boundary",
  "notBoundary",
  "wordStart",
  "wordEnd",
  "wordStartHalf",
  "wordEndHalf"
]

const LOOKS_BACK: ReadonlySet<Anchor> = new Set<Anchor>(["start", "lineStart", "wordStartHalf"])

export interface Program {
  readonly op: Uint8Array
  readonly a: Int32Array
  readonly b: Int32Array
  readonly c: Int32Array
  readonly tables: ReadonlyArray<Uint16Array>
  readonly start: number
  /** Slots of a thread: where its match began, then begin and end of each group that is asked for. */
  readonly slots: number
  /** The slot of each group's begin, -1 for groups nobody asks for. */
  readonly slotOf: ReadonlyArray<number>
  /** An anchor asks for the byte behind the position. */
  readonly looksAhead: boolean
  /** Every match begins at the start of the text. */
  readonly anchored: boolean
  /** A match may be empty. */
  readonly nullable: boolean
  /** What every match begins with; may be empty. */
  readonly prefix: Buffer
  /** A match is nothing but its prefix. */
  readonly isLiteral: boolean
  /** 1 for each byte that a match may begin with. */
  readonly first: Uint8Array
}

const MAX_INSTRUCTIONS = 20_000

/**
 * The program of a pattern, or null when it would be too large. `groups` are the numbers of the groups whose positions
 * matter; the others cost nothing.
 */
export const compile = (pattern: Pattern, groups: ReadonlySet<number>): Program | null => {
  const compiler = new Compiler(pattern, groups)
  const match = compiler.add(MATCH, 0, 0)
  const start = compiler.emit(pattern.root, match)
  return compiler.failed ? null : compiler.program(start)
}

class Compiler {
  failed = false
  private readonly op: Array<number> = []
  private readonly a: Array<number> = []
  private readonly b: Array<number> = []
  private readonly c: Array<number> = []
  private readonly tables: Array<Uint16Array> = []
  private readonly tableOf = new Map<ByteSets.ByteSet, number>()
  private readonly slotOf: ReadonlyArray<number>
  private readonly slots: number
  private looksAhead = false

  constructor(pattern: Pattern, groups: ReadonlySet<number>) {
    let slots = 1
    this.slotOf = Array.from({ length: pattern.groups + 1 }, (_, group) => {
      if (group === 0 || !groups.has(group)) return -1
      slots += 2
      return slots - 2
    })
    this.slots = slots
  }

  add(op: number, a: number, b: number, c = 0): number {
    if (this.op.length >= MAX_INSTRUCTIONS) {
      this.failed = true
      return 0
    }
    this.op.push(op)
    this.a.push(a)
    this.b.push(b)
    this.c.push(c)
    return this.op.length - 1
  }

  /** Adds what `node` means in front of the instruction `next` and returns where it begins. */
  emit(node: Node, next: number): number {
    if (this.failed) return 0
    switch (node.type) {
      case "empty":
        return next
      case "set":
        return this.set(node.set, next)
      case "anchor":
        if (!LOOKS_BACK.has(node.anchor)) this.looksAhead = true
        return this.add(ASSERT, ANCHORS.indexOf(node.anchor), next)
      case "group": {
        const slot = this.slotOf[node.index] ?? -1
        const character = characterOf(node)
        if (character !== null) return this.set(character, next)
        if (slot === -1) return this.emit(node.body, next)
        return this.add(SAVE, slot, this.emit(node.body, this.add(SAVE, slot + 1, next)))
      }
      case "concat":
        return node.parts.reduceRight((to, part) => this.emit(part, to), next)
      case "alternate":
        return node.options
          .map((option) => this.emit(option, next))
          .reduceRight((otherwise, option) => this.add(SPLIT, option, otherwise))
      case "repeat":
        return this.repeat(node, next)
    }
  }

  private repeat({ body, min, max, greedy }: Extract<Node, { type: "repeat" }>, next: number): number {
    let to = next
    let required = min
    if (max === Number.POSITIVE_INFINITY) {
      // x* of an x that may be empty is (x+)?, so that its last round may be the empty one, as in Rust.
      if (min === 0 && !isNullable(body)) return this.loop(body, to, greedy, false)
      to = this.loop(body, to, greedy, true)
      if (min === 0) return this.fork(to, next, greedy)
      required--
    } else {
      for (let i = min; i < max && !this.failed; i++) to = this.fork(this.emit(body, to), next, greedy)
    }
    for (let i = 0; i < required && !this.failed; i++) to = this.emit(body, to)
    return to
  }

  private loop(body: Node, next: number, greedy: boolean, once: boolean): number {
    const split = this.fork(0, next, greedy)
    const entry = this.emit(body, split)
    if (greedy) this.a[split] = entry
    else this.b[split] = entry
    return once ? entry : split
  }

  private fork(into: number, past: number, greedy: boolean): number {
    return greedy ? this.add(SPLIT, into, past) : this.add(SPLIT, past, into)
  }

  private set(set: CharSet, next: number): number {
    const { ranges, properties } = set
    if (properties.length === 0 && ranges.length === 2 && ranges[0] === ranges[1]) {
      const bytes = ByteSets.bytesOf(ranges[0]!)
      return bytes.reduceRight((to, byte) => this.add(BYTE, byte, to), next)
    }
    const tables = ByteSets.compile(set)
    let table = this.tableOf.get(tables)
    if (table === undefined) {
      table = this.tables.length
      this.tables.push(...tables)
      this.tableOf.set(tables, table)
    }
    const entry = this.op.length
    for (let i = 0; i < tables.length; i++) this.add(SET, table + i, next, entry - ByteSets.FIRST_TABLE)
    return entry
  }

  program(start: number): Program {
    const op = Uint8Array.from(this.op)
    const a = Int32Array.from(this.a)
    const b = Int32Array.from(this.b)
    const c = Int32Array.from(this.c)
    const { first, nullable, anchored } = beginning(op, a, b, this.tables, start)
    const { prefix, isLiteral } = prefixOf(op, a, b, start)
    return {
      op,
      a,
      b,
      c,
      tables: this.tables,
      start,
      slots: this.slots,
      slotOf: this.slotOf,
      looksAhead: this.looksAhead,
      anchored,
      nullable,
      prefix,
      isLiteral,
      first
    }
  }
}

/**
 * The set that a literal beyond ASCII was written for, or null for any other group: the parser offers such a literal as
 * one character or as its bytes, one character each. Here a character is its bytes anyway.
 */
const characterOf = (node: Node): CharSet | null => {
  if (node.type !== "group" || node.index !== 0 || node.body.type !== "alternate") return null
  const [character, bytes] = node.body.options
  if (node.body.options.length !== 2 || character?.type !== "set" || bytes?.type !== "concat") return null
  const values = bytes.parts.map((part) => (part.type === "set" ? part.set.ranges[0]! : 0))
  const { ranges } = character.set
  const isSpelled = ranges.some((code, i) => i % 2 === 0 && ByteSets.bytesOf(code).equals(Buffer.from(values)))
  return isSpelled && values.every((value) => value >= 0x80 && value <= 0xff) ? character.set : null
}

const isNullable = (node: Node): boolean => {
  switch (node.type) {
    case "empty":
    case "anchor":
      return true
    case "set":
      return false
    case "group":
      return isNullable(node.body)
    case "concat":
      return node.parts.every(isNullable)
    case "alternate":
      return node.options.some(isNullable)
    case "repeat":
      return node.min === 0 || isNullable(node.body)
  }
}

interface Beginning {
  readonly first: Uint8Array
  nullable: boolean
  anchored: boolean
}

// What a match can begin with, when every anchor is taken to hold.
const beginning = (
  op: Uint8Array,
  a: Int32Array,
  b: Int32Array,
  tables: ReadonlyArray<Uint16Array>,
  start: number
): Beginning => {
  const found: Beginning = { first: new Uint8Array(256), nullable: false, anchored: true }
  // Each instruction is visited at most twice: with nothing in front of it, and behind `start`.
  const seen = [new Set<number>(), new Set<number>()]
  const visit = (from: number, atStart: boolean): void => {
    const stack = [from]
    while (stack.length > 0) {
      const at = stack.pop()!
      if (seen[atStart ? 1 : 0]!.has(at)) continue
      seen[atStart ? 1 : 0]!.add(at)
      switch (op[at]) {
        case SPLIT:
          stack.push(a[at]!, b[at]!)
          break
        case SAVE:
          stack.push(b[at]!)
          break
        case ASSERT:
          if (ANCHORS[a[at]!] === "start") visit(b[at]!, true)
          else stack.push(b[at]!)
          break
        default:
          if (!atStart) found.anchored = false
          if (op[at] === MATCH) found.nullable = true
          else if (op[at] === BYTE) found.first[a[at]!] = 1
          else for (let byte = 0; byte < 256; byte++) if (tables[a[at]!]![byte] !== ByteSets.DEAD) found.first[byte] = 1
      }
    }
  }
  visit(start, false)
  return found
}

const prefixOf = (op: Uint8Array, a: Int32Array, b: Int32Array, start: number) => {
  const bytes: Array<number> = []
  let at = start
  for (; op[at] === BYTE || op[at] === SAVE; at = b[at]!) if (op[at] === BYTE) bytes.push(a[at]!)
  return { prefix: Buffer.from(bytes), isLiteral: op[at] === MATCH && bytes.length > 0 }
}
