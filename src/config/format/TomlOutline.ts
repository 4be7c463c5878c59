/**
 * A TOML text as people see it: tables with their headers, the comments that belong to them, and the white space in
 * between. Comment lines directly above a header belong to the table below them; those directly below a table's last
 * pair belong to that table; what stands apart belongs to nobody.
 */
import { now, type Sliced } from "../../model/Sliced.ts"
import * as Toml from "./Toml.ts"
import { type Block, blocks } from "./TomlBlocks.ts"
import { type Pair, pairsOf } from "./TomlPairs.ts"
import { lineEnd } from "./TomlText.ts"
import { type Edit, lineStart } from "./TomlValueEdit.ts"

/** One table of a text. */
export interface Part extends Block {
  /** Names of the header; empty for what stands before the first one. */
  readonly header: ReadonlyArray<string>
}

/** The parts of a text, which cover it without gaps; a byte order mark is part of none. */
export function* outline(text: string): Sliced<ReadonlyArray<Part>> {
  const first = text.startsWith("\ufeff") ? 1 : 0
  const parts: Array<Part> = []
  for (const block of blocks(text)) {
    if (parts.length % PARTS_PER_STEP === 0) yield
    if (isPart(block) && block.start >= first) parts.push(block)
    else {
      const start = Math.max(block.start, first)
      const line = text.slice(start, lineEnd(text, start)).trim()
      const isElement = block.header === null ? line.startsWith("[[") : block.element
      parts.push({ ...block, start, header: block.header ?? readHeader(line), element: isElement })
    }
  }
  return parts
}

/** The same at once. */
export const outlineOf = (text: string): ReadonlyArray<Part> => now(outline(text))

const isPart = (block: Block): block is Part => block.header !== null

const PARTS_PER_STEP = 200

// Headers with escapes in them: the text is valid, so its line is a document of one table.
const readHeader = (line: string): ReadonlyArray<string> => {
  const parsed = Toml.parse(line)
  const names: Array<string> = []
  let value: unknown = parsed._tag === "TomlDocument" ? parsed.value : undefined
  while (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const [entry] = Object.entries(value)
    if (entry === undefined) break
    names.push(entry[0])
    value = entry[1]
  }
  return names
}

/** Whether a path begins with another one. */
export const startsWith = (path: ReadonlyArray<string>, start: ReadonlyArray<string>): boolean =>
  path.length >= start.length && start.every((name, index) => path[index] === name)

/** Where the comments directly above a table begin; the table itself when it has none. */
export const leadStart = (text: string, parts: ReadonlyArray<Part>, index: number): number => {
  const { start } = parts[index]!
  const limit = index === 0 ? start : contentEnd(text, parts[index - 1]!)
  let at = start
  while (at > limit) {
    const line = lineStart(text, at - 1)
    if (line < limit || !isComment(text, line)) break
    at = line
  }
  return at
}

/** Where a table ends, with the comments directly below its last pair, without what follows. */
export const bodyEnd = (text: string, parts: ReadonlyArray<Part>, index: number): number => {
  const from = contentEnd(text, parts[index]!)
  const { end } = parts[index]!
  let at = from
  while (at < end && isComment(text, at)) at = Math.min(lineEnd(text, at) + 1, end)
  // A comment between two tables without a blank line is that of the second.
  return at === end && index + 1 < parts.length ? from : at
}

/** Behind the line of a table's last pair, or of its header. */
export const contentEnd = (text: string, part: Part): number => {
  const last = lastPair(text, part)
  if (last === undefined && part.header.length === 0) return part.start
  return Math.min(lineEnd(text, last?.end ?? part.start) + 1, part.end)
}

const lastPair = (text: string, part: Part): Pair | undefined => pairsOf(text, part).at(-1)

const isComment = (text: string, line: number): boolean => /^[ \t]*#/.test(text.slice(line, lineEnd(text, line)))

const isBlank = (text: string, line: number): boolean => /^[ \t]*\r?$/.test(text.slice(line, lineEnd(text, line)))

/** The removal of tables that follow each other, with the comments and the empty lines that are theirs. */
export const removal = (text: string, parts: ReadonlyArray<Part>, from: number, to: number): Edit => {
  let start = leadStart(text, parts, from)
  let end = bodyEnd(text, parts, to)
  let behind = end
  while (behind < text.length && isBlank(text, behind)) behind = Math.min(lineEnd(text, behind) + 1, text.length)
  // The gap above and the one below become one.
  const isFirst = text.slice(0, start).replace("\ufeff", "") === ""
  if (isFirst || (start > 0 && isBlank(text, lineStart(text, start - 1)))) end = behind
  if (behind === text.length) {
    end = behind
    while (start > 0 && isBlank(text, lineStart(text, start - 1))) start = lineStart(text, start - 1)
  }
  return { start, end, text: "" }
}

/** Puts a table behind another one, or behind everything, with an empty line around it. */
export const insertion = (
  text: string,
  parts: ReadonlyArray<Part>,
  after: number | undefined,
  table: string,
  eol: string
): Edit => {
  const at = after === undefined ? text.length : bodyEnd(text, parts, after)
  const isFirst = text.slice(0, at).replace("\ufeff", "") === ""
  const before = isFirst ? "" : endsLine(text, at) ? (isBlankBefore(text, at) ? "" : eol) : eol + eol
  const behind = at >= text.length || isBlank(text, at) ? "" : eol
  return { start: at, end: at, text: before + table + behind }
}

const endsLine = (text: string, at: number): boolean => text[at - 1] === "\n"

const isBlankBefore = (text: string, at: number): boolean => isBlank(text, lineStart(text, at - 1))
