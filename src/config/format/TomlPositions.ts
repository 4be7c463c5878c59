/**
 * Where the keys of a TOML text stand: a pass over valid TOML that builds a tree of the same shape as the parsed
 * value, with the place of each key, array element and table header.
 *
 * The text has been accepted by a TOML parser before, so this pass only has to find its way, not to judge: strings
 * are skipped by their delimiters, other values up to the next comma, bracket, comment or line end.
 */
import { endOfBareKey, lineEnd, skipString, unquote } from "./TomlText.ts"

/** A stretch of one line. Lines and columns count from 1, columns in UTF-16 units as in editors. */
export interface Span {
  readonly line: number
  readonly column: number
  readonly length: number
}

/** A path into the parsed value: keys of tables and indexes of arrays. */
export type Path = ReadonlyArray<string | number>

/** A place for a path that may not exist. */
export interface Located {
  readonly span: Span
  /** True when the whole path was found; otherwise the span is that of its nearest ancestor. */
  readonly exact: boolean
}

interface Node {
  start: number
  end: number
  /** Where the value begins; -1 for what only a table header or a dotted key introduced. */
  value: number
  children: Map<string, Node> | undefined
  items: Array<Node> | undefined
}

const makeNode = (start: number, end: number): Node => ({
  start,
  end,
  value: -1,
  children: undefined,
  items: undefined
})

/** The place of every key of one text, which is valid TOML. Nothing is computed before somebody asks. */
export class Positions {
  private readonly source: Source
  /** Lines of the document in front of the text. */
  private readonly before: number

  private constructor(source: Source, before: number) {
    this.source = source
    this.before = before
  }

  /** The places of a text that is a document of its own. */
  static of(text: string): Positions {
    return new Positions(new Source(text), 0)
  }

  /** The same text, as a part of a document that has so many lines in front of it. */
  below(lines: number): Positions {
    return lines === this.before ? this : new Positions(this.source, lines)
  }

  /** The place of a key or array element, or of the nearest table around it. */
  locate(path: Path): Located {
    let node = this.source.root
    for (const step of path) {
      const next = childOf(node, step)
      if (next === undefined) return { span: this.span(node.start, node.end), exact: false }
      node = next
    }
    return { span: this.span(node.start, node.end), exact: true }
  }

  /**
   * The place of a line and column inside a multi-line string: TOML that is kept in a storage has its mistakes there.
   * For strings on one line and strings with escapes it is the place of the key.
   */
  inside(path: Path, line: number, column: number): Span {
    const { root, text } = this.source
    let node: Node | undefined = root
    for (const step of path) node = node === undefined ? undefined : childOf(node, step)
    if (node === undefined || node.value < 0) return this.locate(path).span
    const quotes = text.slice(node.value, node.value + 3)
    const body = text.slice(node.value + 3, skipString(text, node.value) - 3)
    if (quotes !== "'''" && (quotes !== '"""' || body.includes("\\"))) return this.locate(path).span
    const first = this.span(node.value + 3, node.value + 3)
    // A line end right behind the opening quotes is not part of the string.
    if (/^\r?\n/.test(body)) return { line: first.line + line, column, length: 1 }
    return { line: first.line + line - 1, column: line === 1 ? first.column + column - 1 : column, length: 1 }
  }

  /** The text of a line, without its end. */
  lineText(line: number): string {
    const { lines, text } = this.source
    const start = lines[line - this.before - 1] ?? text.length
    return text.slice(start, lineEnd(text, start)).replace(/\r$/, "")
  }

  /** Every path of the text, for tests against the parsed value. */
  paths(): Array<Path> {
    const found: Array<Path> = []
    const visit = (node: Node, path: Path): void => {
      for (const [name, child] of node.children ?? []) {
        found.push([...path, name])
        visit(child, [...path, name])
      }
      for (const [index, item] of (node.items ?? []).entries()) {
        found.push([...path, index])
        visit(item, [...path, index])
      }
    }
    visit(this.source.root, [])
    return found
  }

  private span(start: number, end: number): Span {
    const span = spanOf(this.source.lines, start, end)
    return this.before === 0 ? span : { ...span, line: span.line + this.before }
  }
}

/** A text with what is found out about it on demand. */
class Source {
  readonly text: string
  private tree: Node | undefined
  private starts: ReadonlyArray<number> | undefined

  constructor(text: string) {
    this.text = text
  }

  get root(): Node {
    this.tree ??= new Scanner(this.text, Number.POSITIVE_INFINITY).document()
    return this.tree
  }

  get lines(): ReadonlyArray<number> {
    this.starts ??= lineStarts(this.text)
    return this.starts
  }
}

/** The first key of a text that is nested deeper than `maxDepth`, or its beginning. */
export const findTooDeep = (text: string, maxDepth: number): Span => {
  const scanner = new Scanner(text, maxDepth)
  scanner.document()
  return spanOf(lineStarts(text), Math.max(0, scanner.tooDeep), scanner.tooDeep + 1)
}

const childOf = (node: Node, step: string | number): Node | undefined =>
  typeof step === "number" ? node.items?.[step] : node.children?.get(step)

/** Offsets at which the lines of a text begin. */
export const lineStarts = (text: string): ReadonlyArray<number> => {
  const starts = [0]
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1)
  return starts
}

/** A stretch of a text whose lines begin at `starts`. */
export const spanOf = (starts: ReadonlyArray<number>, start: number, end: number): Span => {
  let low = 0
  let high = starts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (starts[middle]! <= start) low = middle
    else high = middle - 1
  }
  return { line: low + 1, column: start - starts[low]! + 1, length: Math.max(1, end - start) }
}

interface Segment {
  readonly name: string
  readonly start: number
  readonly end: number
}

class Scanner {
  private readonly text: string
  private readonly maxDepth: number
  private at = 0
  /** Where the depth limit was passed, -1 while it was not. */
  tooDeep = -1

  constructor(text: string, maxDepth: number) {
    this.text = text
    this.maxDepth = maxDepth
  }

  document(): Node {
    const root = makeNode(0, 0)
    let table = root
    let depth = 0
    if (this.text.charCodeAt(0) === 0xfeff) this.at++
    this.skipVoid()
    while (this.at < this.text.length && this.tooDeep === -1) {
      if (this.text[this.at] === "[") {
        const brackets = this.text[this.at + 1] === "[" ? 2 : 1
        this.at += brackets
        const key = this.key()
        this.at += brackets
        table = this.openTable(root, key, brackets === 2)
        depth = key.length
      } else this.pair(table, depth)
      this.skipVoid()
    }
    return root
  }

  /** Finds or makes the table that a header names. A header below an array of tables means its last element. */
  private openTable(root: Node, key: ReadonlyArray<Segment>, element: boolean): Node {
    if (key.length > this.maxDepth) this.tooDeep = key[0]!.start
    let node = root
    for (const segment of key) {
      if (node.items !== undefined) node = node.items.at(-1)!
      node = this.child(node, segment)
    }
    const last = key.at(-1)!
    if (!element) {
      // The table's own header is a better place than a longer header that mentioned it before.
      node.start = last.start
      node.end = last.end
      return node
    }
    const item = makeNode(last.start, last.end)
    node.items ??= []
    node.items.push(item)
    return item
  }

  private child(parent: Node, segment: Segment): Node {
    parent.children ??= new Map()
    let node = parent.children.get(segment.name)
    if (node === undefined) parent.children.set(segment.name, (node = makeNode(segment.start, segment.end)))
    return node
  }

  private pair(table: Node, depth: number): void {
    const key = this.key()
    this.at++
    let node = table
    for (const segment of key) node = this.child(node, segment)
    this.skipBlanks()
    node.value = this.at
    this.value(node, depth + key.length)
  }

  private value(node: Node, depth: number): void {
    if (depth > this.maxDepth) {
      this.tooDeep = node.start
      this.at = this.text.length
      return
    }
    const first = this.text[this.at]
    if (first === '"' || first === "'") this.at = skipString(this.text, this.at)
    else if (first === "[") this.array(node, depth)
    else if (first === "{") this.inlineTable(node, depth)
    else this.at = this.endOfBareValue()
  }

  private array(node: Node, depth: number): void {
    node.items = []
    this.at++
    this.skipVoid()
    while (this.at < this.text.length && this.text[this.at] !== "]") {
      const item = makeNode(this.at, this.at)
      item.value = this.at
      node.items.push(item)
      this.value(item, depth + 1)
      item.end = Math.min(this.at, lineEnd(this.text, item.start))
      this.nextElement()
    }
    this.at++
  }

  private inlineTable(node: Node, depth: number): void {
    this.at++
    this.skipVoid()
    while (this.at < this.text.length && this.text[this.at] !== "}") {
      this.pair(node, depth)
      this.nextElement()
    }
    this.at++
  }

  private nextElement(): void {
    this.skipVoid()
    if (this.text[this.at] === ",") this.at++
    this.skipVoid()
  }

  private key(): ReadonlyArray<Segment> {
    const segments: Array<Segment> = []
    do {
      this.skipBlanks()
      const start = this.at
      const quoted = this.text[start] === '"' || this.text[start] === "'"
      this.at = quoted ? skipString(this.text, start) : endOfBareKey(this.text, start)
      const raw = this.text.slice(start, this.at)
      segments.push({ name: quoted ? unquote(raw) : raw, start, end: this.at })
      this.skipBlanks()
    } while (this.text[this.at] === "." && this.at++ >= 0)
    return segments
  }

  private skipBlanks(): void {
    while (this.text[this.at] === " " || this.text[this.at] === "\t") this.at++
  }

  private skipVoid(): void {
    // Blanks, line ends and comments.
    while (this.at < this.text.length) {
      const code = this.text.charCodeAt(this.at)
      if (code === 35) this.at = lineEnd(this.text, this.at)
      else if (code === 32 || code === 9 || code === 10 || code === 13) this.at++
      else return
    }
  }

  private endOfBareValue(): number {
    BARE_VALUE.lastIndex = this.at
    BARE_VALUE.exec(this.text)
    // At least one character, so that no text can hold the scan still.
    return Math.max(BARE_VALUE.lastIndex, this.at + 1)
  }
}

const BARE_VALUE = /[^,\]}#\r\n]*/y
