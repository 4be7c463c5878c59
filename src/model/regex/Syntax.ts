/**
 * Reads a pattern of the Rust `regex` dialect into a tree. Spec: config 7.2.
 *
 * The dialect is RE2-like: no look-around and no back-references. Case, greediness and extended syntax are resolved
 * while reading, so that the tree means the same to every engine. A construct that is not part of the dialect is
 * reported with its position instead of being given a meaning of another dialect.
 */
import * as CharSet from "./CharSet.ts"

export type Anchor =
  | "start"
  | "end"
  | "lineStart"
  | "lineEnd"
  | "boundary"
  | "notBoundary"
  | "wordStart"
  | "wordEnd"
  | "wordStartHalf"
  | "wordEndHalf"

export type Node =
  | { readonly type: "empty" }
  | { readonly type: "set"; readonly set: CharSet.CharSet }
  | { readonly type: "anchor"; readonly anchor: Anchor }
  /** `index` is 0 for a group that captures nothing. */
  | { readonly type: "group"; readonly index: number; readonly body: Node }
  | { readonly type: "concat"; readonly parts: ReadonlyArray<Node> }
  | { readonly type: "alternate"; readonly options: ReadonlyArray<Node> }
  | {
      readonly type: "repeat"
      readonly body: Node
      readonly min: number
      readonly max: number
      readonly greedy: boolean
    }

export interface Pattern {
  readonly root: Node
  /** Number of capturing groups. */
  readonly groups: number
  /** Names of groups with their numbers, in the order of the pattern. */
  readonly names: ReadonlyMap<string, number>
}

/** What is wrong with a pattern, and where (in code points). */
export interface SyntaxProblem {
  readonly message: string
  readonly position: number
}

/** Reads `source`. `ignoreCase` is the flag `i` for the whole pattern. */
export const parse = (source: string, ignoreCase: boolean): Pattern | SyntaxProblem => {
  try {
    return new Parser(source, ignoreCase).pattern()
  } catch (cause) {
    if (cause instanceof Problem) return { message: cause.message, position: cause.position }
    throw cause
  }
}

// Thrown and caught in this file only: a pattern is read once, when the configuration is built.
class Problem extends Error {
  readonly position: number
  constructor(message: string, position: number) {
    super(message)
    this.position = position
  }
}

interface Flags {
  readonly ignoreCase: boolean
  readonly multiLine: boolean
  readonly dotAll: boolean
  readonly swapGreed: boolean
  readonly extended: boolean
}

const MAX_DEPTH = 200
const MAX_REPEAT = 100_000
const EMPTY: Node = { type: "empty" }
const FLAGS: Readonly<Record<string, keyof Flags | "unicode">> = {
  i: "ignoreCase",
  m: "multiLine",
  s: "dotAll",
  U: "swapGreed",
  x: "extended",
  u: "unicode"
}
const CONTROL: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 }
const PERL: Readonly<Record<string, CharSet.CharSet>> = {
  d: CharSet.DIGIT,
  w: CharSet.WORD,
  s: CharSet.SPACE,
  D: CharSet.complement(CharSet.DIGIT),
  W: CharSet.complement(CharSet.WORD),
  S: CharSet.complement(CharSet.SPACE)
}
const WORD_EDGES: Readonly<Record<string, Anchor>> = {
  start: "wordStart",
  end: "wordEnd",
  "start-half": "wordStartHalf",
  "end-half": "wordEndHalf"
}

class Parser {
  private readonly chars: ReadonlyArray<string>
  private readonly names = new Map<string, number>()
  private at = 0
  private groups = 0
  private depth = 0
  private flags: Flags

  constructor(source: string, ignoreCase: boolean) {
    this.chars = Array.from(source)
    this.flags = { ignoreCase, multiLine: false, dotAll: false, swapGreed: false, extended: false }
  }

  pattern(): Pattern {
    const root = this.alternation()
    if (this.at < this.chars.length) this.fail("unopened group")
    return { root, groups: this.groups, names: this.names }
  }

  private alternation(): Node {
    if (++this.depth > MAX_DEPTH) this.fail("groups are nested too deeply")
    const outer = this.flags
    const options: Array<Node> = []
    do options.push(this.concatenation())
    while (this.take("|"))
    // A flag group holds to the end of the group it stands in.
    this.flags = outer
    this.depth--
    return options.length === 1 ? options[0]! : { type: "alternate", options }
  }

  private concatenation(): Node {
    const parts: Array<Node> = []
    for (;;) {
      this.skipBlanks()
      const char = this.peek()
      if (char === undefined || char === "|" || char === ")") break
      if (char === "*" || char === "+" || char === "?" || char === "{") {
        this.fail("repetition operator without expression")
      }
      const atom = this.atom()
      if (atom !== null) parts.push(this.repetitions(atom))
    }
    return parts.length === 0 ? EMPTY : parts.length === 1 ? parts[0]! : { type: "concat", parts }
  }

  private repetitions(atom: Node): Node {
    let node = atom
    for (;;) {
      this.skipBlanks()
      let min = 0
      let max = Number.POSITIVE_INFINITY
      if (this.take("?")) max = 1
      else if (this.take("+")) min = 1
      else if (this.take("{")) [min, max] = this.counts()
      else if (!this.take("*")) return node
      const lazy = this.take("?")
      node = { type: "repeat", body: node, min, max, greedy: lazy === this.flags.swapGreed }
    }
  }

  private counts(): [min: number, max: number] {
    const min = this.number()
    let max = min
    if (this.take(",")) max = this.peek() === "}" ? Number.POSITIVE_INFINITY : this.number()
    if (!this.take("}")) this.fail("unclosed counted repetition")
    if (max < min) this.fail("counted repetition whose end is before its start")
    return [min, max]
  }

  private number(): number {
    let digits = ""
    while (/^[0-9]$/.test(this.peek() ?? "")) digits += this.chars[this.at++]
    if (digits === "") this.fail("counted repetition without a number")
    const value = Number(digits)
    if (value > MAX_REPEAT) this.fail("counted repetition is too large")
    return value
  }

  /** One element, or null for a group that only sets flags. */
  private atom(): Node | null {
    const char = this.chars[this.at++]!
    switch (char) {
      case "(":
        return this.group()
      case "[":
        return { type: "set", set: this.charClass() }
      case ".":
        return { type: "set", set: this.flags.dotAll ? CharSet.ANY : CharSet.NOT_LINE_FEED }
      case "^":
        return { type: "anchor", anchor: this.flags.multiLine ? "lineStart" : "start" }
      case "$":
        return { type: "anchor", anchor: this.flags.multiLine ? "lineEnd" : "end" }
      case "\\":
        return this.escape()
      default:
        return this.literal(char.codePointAt(0)!)
    }
  }

  private literal(codePoint: number): Node {
    const set: Node = { type: "set", set: this.folded(CharSet.single(codePoint)) }
    if (codePoint < 0x80) return set
    // Subjects from the wire have one character per byte: the character also matches as its UTF-8 bytes.
    const bytes = Array.from(
      new TextEncoder().encode(String.fromCodePoint(codePoint)),
      (byte): Node => ({ type: "set", set: CharSet.single(byte) })
    )
    return {
      type: "group",
      index: 0,
      body: { type: "alternate", options: [set, { type: "concat", parts: bytes }] }
    }
  }

  private group(): Node | null {
    let index = 0
    const outer = this.flags
    if (this.take("?")) {
      if (this.takeText("=") || this.takeText("!") || this.takeText("<=") || this.takeText("<!")) {
        this.fail("look-around is not supported")
      }
      if (this.takeText("P<") || this.takeText("<")) index = this.named()
      else if (this.takeText("P=") || this.takeText("P>")) this.fail("back-references are not supported")
      else if (this.flagGroup()) return null
    } else index = ++this.groups
    const body = this.alternation()
    if (!this.take(")")) this.fail("unclosed group")
    this.flags = outer
    return { type: "group", index, body }
  }

  private named(): number {
    let name = ""
    while (this.peek() !== ">") {
      if (this.peek() === undefined) this.fail("unclosed group name")
      name += this.chars[this.at++]
    }
    this.at++
    if (!/^[\p{Alphabetic}_][\p{Alphabetic}\p{N}_.[\]]*$/u.test(name)) this.fail("invalid group name")
    if (this.names.has(name)) this.fail(`duplicate group name: ${name}`)
    const index = ++this.groups
    this.names.set(name, index)
    return index
  }

  /** Reads `i-s)` or `i-s:`; true when the group ends with it. */
  private flagGroup(): boolean {
    const next: { -readonly [key in keyof Flags]: boolean } = { ...this.flags }
    let value = true
    for (;;) {
      const char = this.peek()
      if (char === undefined) this.fail("unclosed group")
      this.at++
      if (char === ":" || char === ")") {
        this.flags = next
        return char === ")"
      }
      if (char === "-" && value) {
        value = false
        continue
      }
      const flag = Object.hasOwn(FLAGS, char!) ? FLAGS[char!]! : this.fail(`unsupported flag: ${char}`)
      if (flag !== "unicode") next[flag] = value
    }
  }

  private escape(): Node {
    const char = this.chars[this.at++]
    switch (char) {
      case undefined:
        return this.fail("incomplete escape sequence")
      case "A":
        return { type: "anchor", anchor: "start" }
      case "z":
        return { type: "anchor", anchor: "end" }
      case "b":
        return { type: "anchor", anchor: this.wordEdge() }
      case "B":
        return { type: "anchor", anchor: "notBoundary" }
      case "<":
        return { type: "anchor", anchor: "wordStart" }
      case ">":
        return { type: "anchor", anchor: "wordEnd" }
    }
    const set = this.classEscape(char)
    return set !== null ? { type: "set", set } : this.literal(this.codePoint(char))
  }

  private wordEdge(): Anchor {
    for (const [name, anchor] of Object.entries(WORD_EDGES)) if (this.takeText(`{${name}}`)) return anchor
    return "boundary"
  }

  /** The class an escape stands for, or null when it stands for one character. `char` is already read. */
  private classEscape(char: string): CharSet.CharSet | null {
    if (Object.hasOwn(PERL, char)) return PERL[char]!
    if (char !== "p" && char !== "P") return null
    let name = this.chars[this.at++]
    if (name === undefined) return this.fail("incomplete escape sequence")
    let negated = char === "P"
    if (name === "{") {
      name = ""
      while (this.peek() !== "}") name += this.chars[this.at++] ?? this.fail("unclosed Unicode class")
      this.at++
    }
    if (name.startsWith("^")) {
      negated = !negated
      name = name.slice(1)
    }
    return { ranges: [], properties: [this.property(name, negated)], negated: false }
  }

  private property(name: string, negated: boolean): CharSet.Property {
    const equals = /^(?:sc|script)\s*[:=]\s*(\w+)$/i.exec(name)
    const plain = equals === null ? name : equals[1]!
    const exists = (term: string): boolean => {
      try {
        return new RegExp(`\\p{${term}}`, "u") !== null
      } catch {
        return false
      }
    }
    if (!/^\w+$/.test(plain)) return this.fail(`unknown Unicode class: ${name}`)
    if (equals === null && exists(plain)) return { name: plain, script: false, negated }
    if (exists(`Script=${plain}`)) return { name: plain, script: true, negated }
    return this.fail(`unknown Unicode class: ${name}`)
  }

  /** The character an escape stands for. `char` is already read. */
  private codePoint(char: string): number {
    if (Object.hasOwn(CONTROL, char)) return CONTROL[char]!
    if (char === "x" || char === "u" || char === "U") return this.hex(char === "x" ? 2 : char === "u" ? 4 : 8)
    if (/^[0-9]$/.test(char)) return this.fail("back-references are not supported")
    if (/^[A-Za-z]$/.test(char) || char > "\x7f") return this.fail(`unrecognized escape sequence: \\${char}`)
    return char.charCodeAt(0)
  }

  private hex(length: number): number {
    let digits = ""
    if (this.take("{")) {
      while (this.peek() !== "}") digits += this.chars[this.at++] ?? this.fail("unclosed hexadecimal code")
      this.at++
    } else while (digits.length < length) digits += this.chars[this.at++] ?? this.fail("incomplete hexadecimal code")
    const value = /^[0-9A-Fa-f]{1,8}$/.test(digits) ? Number.parseInt(digits, 16) : Number.NaN
    if (!(value <= CharSet.MAX_CODE_POINT) || (value >= 0xd800 && value <= 0xdfff)) {
      return this.fail("hexadecimal code is not a character")
    }
    return value
  }

  /** Reads a class whose `[` is already read. */
  private charClass(): CharSet.CharSet {
    if (++this.depth > MAX_DEPTH) this.fail("classes are nested too deeply")
    const negated = this.take("^")
    let left: CharSet.CharSet | null = null
    let operator = ""
    let items = CharSet.EMPTY
    let first = true
    for (;;) {
      this.skipBlanks()
      const next = this.classOperator()
      if (next !== "" || (this.peek() === "]" && !first)) {
        left = left === null ? items : this.combine(left, operator, items)
        if (next === "") break
        operator = next
        items = CharSet.EMPTY
        first = false
        continue
      }
      items = CharSet.union(items, this.classItem()) ?? this.fail("unsupported combination of Unicode classes")
      first = false
    }
    this.at++
    this.depth--
    const folded = this.folded(left)
    return negated ? CharSet.complement(folded) : folded
  }

  private classOperator(): string {
    for (const operator of ["&&", "--", "~~"]) if (this.takeText(operator)) return operator
    return ""
  }

  private combine(left: CharSet.CharSet, operator: string, right: CharSet.CharSet): CharSet.CharSet {
    const minus = (a: CharSet.CharSet, b: CharSet.CharSet) => CharSet.intersection(a, CharSet.complement(b))
    const both = (a: CharSet.CharSet | null, b: CharSet.CharSet | null) =>
      a === null || b === null ? null : CharSet.union(a, b)
    const result =
      operator === "&&"
        ? CharSet.intersection(left, right)
        : operator === "--"
          ? minus(left, right)
          : both(minus(left, right), minus(right, left))
    return result ?? this.fail("set operations on Unicode classes are not supported")
  }

  private classItem(): CharSet.CharSet {
    if (this.peek() === "[") {
      const posix = this.posixClass()
      if (posix !== null) return posix
      this.at++
      return this.charClass()
    }
    const low = this.classChar()
    if (typeof low !== "number") return low
    const dash = this.at
    this.skipBlanks()
    if (this.peek() !== "-" || this.chars[this.at + 1] === "]" || this.chars[this.at + 1] === "-") {
      this.at = dash
      return CharSet.single(low)
    }
    this.at++
    this.skipBlanks()
    const high = this.classChar()
    if (typeof high !== "number" || high < low) return this.fail("invalid character range")
    return CharSet.fromRanges([low, high])
  }

  private classChar(): number | CharSet.CharSet {
    const char = this.chars[this.at++] ?? this.fail("unclosed character class")
    if (char !== "\\") return char.codePointAt(0)!
    const escaped = this.chars[this.at++] ?? this.fail("incomplete escape sequence")
    return this.classEscape(escaped) ?? this.codePoint(escaped)
  }

  private posixClass(): CharSet.CharSet | null {
    const text = this.chars.slice(this.at, this.at + 12).join("")
    const match = /^\[:(\^?)([a-z]+):\]/.exec(text)
    const set = match === null ? undefined : CharSet.POSIX.get(match[2]!)
    if (set === undefined) return null
    this.at += match![0].length
    return match![1] === "^" ? CharSet.complement(set) : set
  }

  private folded(set: CharSet.CharSet): CharSet.CharSet {
    return this.flags.ignoreCase ? CharSet.foldCase(set) : set
  }

  private skipBlanks(): void {
    if (!this.flags.extended) return
    for (;;) {
      const char = this.peek()
      if (char === "#") while (this.at < this.chars.length && this.chars[this.at] !== "\n") this.at++
      else if (char !== undefined && /\s/.test(char)) this.at++
      else return
    }
  }

  private peek(): string | undefined {
    return this.chars[this.at]
  }

  private take(char: string): boolean {
    if (this.chars[this.at] !== char) return false
    this.at++
    return true
  }

  private takeText(text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.chars[this.at + i] !== text[i]) return false
    this.at += text.length
    return true
  }

  private fail(message: string): never {
    throw new Problem(message, Math.min(this.at, this.chars.length))
  }
}
