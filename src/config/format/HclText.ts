/**
 * Blocks and arguments of an HCL text in their order, with their places.
 *
 * The parser gives values grouped by name: without places, without the order of blocks (in which locations match and
 * plugins run), and without those blocks that share their name with an argument. So this pass finds the heads of the
 * blocks, and {@link distinct} writes the text anew with a head of its own for each. It only has to find its way, not
 * to judge: expressions are skipped by their delimiters, and the parser reads the result. Spec: config 13.
 */

/** An argument, `name = expression`. */
export interface Argument {
  readonly name: string
  readonly start: number
  readonly end: number
  /** The first character of its expression. */
  readonly first: string
}

/** A block, `kind "label" { … }`. */
export interface TextBlock {
  readonly kind: string
  /** The labels; `undefined` stands for one that is not written plainly. */
  readonly labels: ReadonlyArray<string | undefined>
  /** Where the kind stands. */
  readonly head: { readonly start: number; readonly end: number }
  /** Where the first label stands, or the kind without one. */
  readonly start: number
  readonly end: number
  readonly lastLabelEnd: number
  readonly body: Body
}

/** The content of a block, or of the whole text. */
export interface Body {
  readonly arguments: ReadonlyArray<Argument>
  readonly blocks: ReadonlyArray<TextBlock>
}

/** An interpolation, `${…}` or `%{…}`, in a text. */
export interface Interpolation {
  readonly start: number
  readonly end: number
  /** True when it can be escaped by doubling its first character. */
  readonly isPlain: boolean
}

/** What is found in a text. */
export interface Scan extends Body {
  readonly interpolations: ReadonlyArray<Interpolation>
}

/** The content of an HCL text. For text that is not valid the result is of no use, but there is one. */
export const scan = (text: string): Scan => {
  const scanner = new Scanner(text)
  return { ...scanner.body(), interpolations: scanner.interpolations }
}

/** A text in which every block has another kind and no labels, and the kind of each. */
export interface Distinct {
  readonly text: string
  readonly kinds: ReadonlyMap<TextBlock, string>
}

/**
 * The text with distinct blocks, or `undefined` when a label is written in a way that only the parser can judge.
 * Plain interpolations are escaped: the parser would evaluate those that it can, and `${1}` is a capture.
 */
export const distinct = (text: string, { interpolations, ...body }: Scan): Distinct | undefined => {
  let prefix = "block"
  while (text.includes(prefix)) prefix += "_"
  const kinds = new Map<TextBlock, string>()
  const edits = interpolations.flatMap(({ isPlain, start }) =>
    isPlain ? [{ start, end: start, text: text[start]! }] : []
  )
  const visit = ({ blocks }: Body): boolean =>
    blocks.every((block) => {
      const kind = `${prefix}${kinds.size}`
      kinds.set(block, kind)
      edits.push({ start: block.head.start, end: block.lastLabelEnd, text: kind })
      return block.labels.every((label) => label !== undefined) && visit(block.body)
    })
  if (!visit(body)) return undefined
  const pieces: Array<string> = []
  let copied = 0
  for (const edit of edits.sort((a, b) => a.start - b.start)) {
    pieces.push(text.slice(copied, edit.start), edit.text)
    copied = edit.end
  }
  pieces.push(text.slice(copied))
  return { text: pieces.join(""), kinds }
}

const BLANK = /(?:[ \t\r\n\ufeff]|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y
const COMMENT = /#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\//y
const INLINE = /(?:[ \t]|\/\*[\s\S]*?\*\/)*/y
const NAME = /[\p{ID_Start}_][\p{ID_Continue}-]*/uy
const HEREDOC = /<<-?([\p{ID_Start}_][\p{ID_Continue}-]*)\r?\n/uy

class Scanner {
  readonly interpolations: Array<Interpolation> = []
  private readonly text: string
  private at = 0
  private depth = 0

  constructor(text: string) {
    this.text = text
  }

  body(): Body {
    const found: { arguments: Array<Argument>; blocks: Array<TextBlock> } = { arguments: [], blocks: [] }
    for (;;) {
      this.skip(BLANK)
      const start = this.at
      const name = this.take(NAME)
      if (name === "") return found
      const end = this.at
      this.skip(INLINE)
      if (this.text[this.at] === "=") {
        this.at++
        this.skip(INLINE)
        found.arguments.push({ name, start, end, first: this.text[this.at] ?? "" })
        this.expression()
      } else found.blocks.push(this.block(name, start, end))
    }
  }

  private block(kind: string, start: number, end: number): TextBlock {
    const labels: Array<string | undefined> = []
    let place = { start, end }
    let lastLabelEnd = end
    while (this.at < this.text.length && this.text[this.at] !== "{") {
      const from = this.at
      if (this.text[from] === '"') this.quoted()
      else if (this.take(NAME) === "") break
      if (labels.length === 0) place = { start: from, end: this.at }
      labels.push(labelOf(this.text.slice(from, this.at)))
      lastLabelEnd = this.at
      this.skip(INLINE)
    }
    this.at++
    const body = this.body()
    if (this.text[this.at] === "}") this.at++
    return { kind, labels, head: { start, end }, ...place, lastLabelEnd, body }
  }

  /** Skips an expression: to the end of the line outside of brackets, or to the brace that closes its block. */
  private expression(): void {
    let depth = 0
    while (this.at < this.text.length) {
      const char = this.text[this.at]!
      if (char === '"') this.quoted()
      else if (char === "<" && this.heredoc()) continue
      else if (this.take(COMMENT) !== "") continue
      else if (char === "\n" && depth === 0) return
      else if (OPENING.includes(char)) {
        depth++
        this.at++
      } else if (CLOSING.includes(char)) {
        if (depth === 0) return
        depth--
        this.at++
      } else this.at++
    }
  }

  /** Skips a quoted text with what is interpolated in it. */
  private quoted(): void {
    this.at++
    while (this.at < this.text.length) {
      const char = this.text[this.at]!
      if (char === "\\") this.at += 2
      else if (this.isInterpolation(this.at)) this.interpolation()
      else if (char === '"') {
        this.at++
        return
      } else this.at++
    }
  }

  // `$${` is the text `${`.
  private isInterpolation(at: number): boolean {
    const char = this.text[at]
    return (char === "$" || char === "%") && this.text[at + 1] === "{" && this.text[at - 1] !== char
  }

  private interpolation(): void {
    const start = this.at
    this.at += 2
    this.depth++
    this.expression()
    while (this.text[this.at] === "\n") {
      this.at++
      this.expression()
    }
    this.depth--
    this.at++
    if (this.depth === 0) this.found(start, this.at)
  }

  private found(start: number, end: number): void {
    this.interpolations.push({ start, end, isPlain: /^..[^"{}\n]*\}$/.test(this.text.slice(start, end)) })
  }

  /** Skips a heredoc up to the end of its last line. False when there is none. */
  private heredoc(): boolean {
    HEREDOC.lastIndex = this.at
    const word = HEREDOC.exec(this.text)?.[1]
    if (word === undefined) return false
    let line = HEREDOC.lastIndex
    // A file that is being written may end here.
    this.at = line
    while (line < this.text.length) {
      const lineEnd = this.text.indexOf("\n", line)
      this.at = lineEnd === -1 ? this.text.length : lineEnd
      if (this.text.slice(line, this.at).trim() === word) return true
      for (let at = line; at < this.at && this.depth === 0; at++) {
        if (this.isInterpolation(at)) this.found(at, this.endOfLineInterpolation(at))
      }
      line = this.at + 1
    }
    return true
  }

  private endOfLineInterpolation(start: number): number {
    const length = this.text.slice(start, this.at).indexOf("}") + 1
    return length === 0 ? this.at : start + length
  }

  private skip(pattern: RegExp): void {
    this.take(pattern)
  }

  private take(pattern: RegExp): string {
    pattern.lastIndex = this.at
    const taken = pattern.exec(this.text)?.[0] ?? ""
    this.at += taken.length
    return taken
  }
}

const OPENING = "([{"
const CLOSING = ")]}"

const PLAIN = /^"(?:[^"\\$%\p{Cc}]|[$%](?!\{)|\\(?:[nrt"\\]|u[\da-fA-F]{4}))*"$/u

const labelOf = (written: string): string | undefined => {
  if (!written.startsWith('"')) return written
  // What is left has the escapes of JSON.
  return PLAIN.test(written) ? String(JSON.parse(written)) : undefined
}
