/**
 * Places of a document that was written in another format than TOML: where each path of the converted configuration
 * stands in the text that people edit. Offers what diagnostics ask of TOML positions, so that they name the right
 * line of an HCL or KDL file.
 *
 * They come from another thread as one text ({@link pack}), which is read when somebody asks: taking over tens of
 * thousands of objects would stall the event loop, and a document without a fault needs none of them.
 */
import { type Located, lineStarts, type Path, type Span, spanOf } from "./TomlPositions.ts"

/** A path of the converted configuration with its place. */
export interface Placed {
  readonly path: Path
  readonly span: Span
}

/** Offsets of a text as lines and columns. */
export class Lines {
  readonly text: string
  private readonly starts: ReadonlyArray<number>

  constructor(text: string) {
    this.text = text
    this.starts = lineStarts(text)
  }

  /** The span from `start` to `end`, or to the end of its first line. */
  span(start: number, end: number): Span {
    const { column, length, line } = spanOf(this.starts, start, end)
    return { line, column, length: Math.max(1, Math.min(length, this.line(line).length - column + 1)) }
  }

  /** The text of a line without its end; empty when there is none. */
  line(line: number): string {
    const start = this.starts[line - 1]
    if (start === undefined) return ""
    return this.text.slice(start, (this.starts[line] ?? this.text.length + 1) - 1).replace(/\r$/, "")
  }
}

/** Places as one text. */
export const pack = (placed: ReadonlyArray<Placed>): string =>
  JSON.stringify(placed.map(({ path, span: { column, length, line } }): Packed => [path, line, column, length]))

type Packed = readonly [path: Path, line: number, column: number, length: number]

interface Node {
  span: Span | undefined
  readonly children: Map<string | number, Node>
}

/** Places by path. */
export class Places {
  private readonly text: string
  private readonly packed: string
  private tree: Node | undefined
  private split: Lines | undefined

  /** `text` is what the packed places are about. */
  constructor(text: string, packed: string) {
    this.text = text
    this.packed = packed
  }

  /** The place of a path, or of its nearest ancestor that has one. */
  locate(path: Path): Located {
    this.tree ??= unpack(this.packed)
    let node: Node | undefined = this.tree
    let span: Span = { line: 1, column: 1, length: 1 }
    for (const step of path) {
      node = node.children.get(step)
      if (node === undefined) return { span, exact: false }
      span = node.span ?? span
    }
    return { span, exact: node.span !== undefined }
  }

  /** The place of something inside a text value: that of its key, because the formats fold and escape text. */
  inside(path: Path, _line: number, _column: number): Span {
    return this.locate(path).span
  }

  lineText(line: number): string {
    this.split ??= new Lines(this.text)
    return this.split.line(line)
  }
}

// Of several places of a path the last counts.
const unpack = (packed: string): Node => {
  const root: Node = { span: undefined, children: new Map() }
  for (const [path, line, column, length] of JSON.parse(packed) as ReadonlyArray<Packed>) {
    let node = root
    for (const step of path) {
      const child: Node = node.children.get(step) ?? { span: undefined, children: new Map() }
      node.children.set(step, child)
      node = child
    }
    node.span = { line, column, length }
  }
  return root
}
