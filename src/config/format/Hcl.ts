/**
 * HCL as configuration, read only: blocks become items, their arguments become keys. Spec: config 13.
 *
 * The values come from HashiCorp's own parser, compiled to WebAssembly; order and places from {@link scan}. The
 * package defines globals and keeps its memory, and a text that is nested too deep breaks it: this module is for a
 * thread of its own, see `Conversion.ts`. A rejected promise means that the thread is of no more use.
 */
import { createRequire } from "node:module"
import type { RawDocument } from "../Draft.ts"
import { type Argument, distinct, scan, type TextBlock } from "./HclText.ts"
import {
  type Block,
  type Converted,
  convert,
  type Entry,
  type Problem,
  toValue,
  unreadable,
  type Wording
} from "./Nested.ts"
import { Lines } from "./Places.ts"

// Its types would bring those of the DOM into every file.
const { parse }: { readonly parse: (file: string, text: string) => Promise<object> } = createRequire(import.meta.url)(
  "@cdktn/hcl2json"
)

const WORDING: Wording = {
  unknown: (kind) => `unknown HCL block type: ${kind}`,
  unnamed: (kind) => `\`${kind}\` block requires a name label`
}

/** Reads an HCL document. */
export const toToml = async (document: RawDocument): Promise<Converted> => {
  const lines = new Lines(document.text)
  const body = scan(document.text)
  const blocks = distinct(document.text, body)
  const values = blocks === undefined ? undefined : await read(blocks.text)
  // Only the text as it is written has the right places.
  if (blocks === undefined || typeof values === "string") {
    const message = await read(document.text)
    return unreadable(document, syntaxProblems(typeof message === "string" ? message : "", lines))
  }
  const reader = new Reader(lines, blocks.kinds)
  for (const stray of body.arguments) {
    reader.report("warning", stray, `argument ${stray.name} outside of a block is ignored`)
  }
  for (const interpolation of body.interpolations) reader.report("warning", interpolation, INTERPOLATED)
  return convert(document, reader.blocks(body.blocks, values), WORDING, reader.problems)
}

const INTERPOLATED = "interpolations are not evaluated; this one is taken as text, which HCL writes as $${…}"

/** The values of a text, or what the parser has against it. */
const read = async (text: string): Promise<object | string> => {
  try {
    return await parse(FILE, text)
  } catch (cause) {
    if (cause instanceof Error && cause.message.startsWith("parse config: ")) return cause.message
    throw cause
  }
}

class Reader {
  readonly problems: Array<Problem> = []
  private readonly lines: Lines
  private readonly kinds: ReadonlyMap<TextBlock, string>

  constructor(lines: Lines, kinds: ReadonlyMap<TextBlock, string>) {
    this.lines = lines
    this.kinds = kinds
  }

  /** Brings blocks together with their values: each is the only one of its kind, in a list of one. */
  blocks(blocks: ReadonlyArray<TextBlock>, values: unknown): ReadonlyArray<Block> {
    return blocks.map((block) => {
      const value = at(at(values, this.kinds.get(block)!), 0)
      if (block.labels.length > 1) this.report("warning", block, "only the first label is the name")
      return {
        kind: block.kind,
        name: block.labels[0],
        head: this.lines.span(block.head.start, block.head.end),
        span: this.lines.span(block.start, block.end),
        entries: this.entries(block.body.arguments, value),
        blocks: this.blocks(block.body.blocks, value)
      }
    })
  }

  private entries(args: ReadonlyArray<Argument>, values: unknown): ReadonlyMap<string, Entry> {
    const entries = new Map<string, Entry>()
    for (const argument of args) {
      const { end, first, name, start } = argument
      const written = at(values, name)
      const value = toValue(unescape(written), (message) => this.report("error", argument, message))
      if (value === undefined) continue
      entries.set(name, { value, span: this.lines.span(start, end) })
      const isText = typeof written === "string"
      if (isText && first !== '"' && first !== "<")
        this.report("warning", argument, "expressions are not evaluated; this one is taken as text")
    }
    return entries
  }

  report(severity: Problem["severity"], { end, start }: { start: number; end: number }, message: string): void {
    this.problems.push({ severity, span: this.lines.span(start, end), path: [], message })
  }
}

const at = (value: unknown, step: string | number): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, step)
    ? (value as Record<string | number, unknown>)[step]
    : undefined

// The parser leaves `$${` and `%%{`, which stand for `${` and `%{`, as they are.
const unescape = (value: unknown): unknown => {
  if (typeof value === "string") return value.replace(/([$%])\1\{/g, "$1{")
  if (Array.isArray(value)) return value.map(unescape)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unescape(inner)]))
}

/** What the parser takes for the name of the file, to find its places in messages. */
const FILE = "@document"
const PLACE = /@document:(\d+),(\d+)-(?:(\d+),)?(\d+): /g

/** Each message of the parser is `file:line,column-column: summary; detail.`, and several follow each other. */
const syntaxProblems = (message: string, lines: Lines): ReadonlyArray<Problem> => {
  const places = [...message.matchAll(PLACE)]
  if (places.length === 0) return [whole("text cannot be read as HCL")]
  return places.map((place, index) => {
    const [header, line, column, lastLine, lastColumn] = place
    const end = places[index + 1]?.index ?? message.lastIndexOf("]")
    const [summary = "", ...detail] = message
      .slice(place.index + header.length, end)
      .trim()
      .split("; ")
    const lineNumber = Number(line)
    const from = unitColumn(lines.line(lineNumber), Number(column))
    const to = lastLine === undefined ? unitColumn(lines.line(lineNumber), Number(lastColumn)) : from + 1
    const hint = detail.join("; ").replace(/@document:(\d+),\d+-[\d,]+/g, "line $1")
    return {
      severity: "error",
      span: { line: lineNumber, column: from, length: Math.max(1, to - from) },
      path: [],
      message: summary.replace(/^[A-Z]/, (letter) => letter.toLowerCase()),
      ...(hint === "" ? undefined : { hint })
    }
  })
}

// HCL counts what people see as characters, editors count UTF-16 units.
const unitColumn = (line: string, column: number): number => {
  let seen = 1
  for (const { index } of new Intl.Segmenter().segment(line)) if (seen++ === column) return index + 1
  return line.length + 1
}

const whole = (message: string): Problem => ({
  severity: "error",
  span: { line: 1, column: 1, length: 1 },
  path: [],
  message
})
