/**
 * The `key = value` pairs of a stretch of valid TOML, and the entries inside a list or an inline table: offsets only,
 * so that one value can be replaced and everything around it stays as it was written.
 */
import type { Block } from "./TomlBlocks.ts"
import { endOfBareKey, lineEnd, skipString, unquote } from "./TomlText.ts"

/** One pair. It stands alone on its lines, but for a comment behind it. */
export interface Pair {
  /** Names of its key; several when it is dotted. */
  readonly keys: ReadonlyArray<string>
  /** Offset of the first line's first character. */
  readonly start: number
  /** Offset of the value. */
  readonly value: number
  /** Offset behind the value. */
  readonly end: number
}

/** Something between two commas of a list or an inline table. */
export interface Entry {
  readonly start: number
  readonly end: number
}

/** The pairs of a block. */
export const pairsOf = (text: string, block: Block): ReadonlyArray<Pair> => {
  const pairs: Array<Pair> = []
  const hasHeader = block.header === null || block.header.length > 0
  let at = hasHeader ? lineEnd(text, block.start) + 1 : block.start
  if (text.charCodeAt(at) === BYTE_ORDER_MARK) at++
  while (at < block.end) {
    const start = at
    at = skip(text, at, BLANKS)
    const end = lineEnd(text, at)
    if (at >= block.end) break
    if (text[at] !== "#" && !/^\r?$/.test(text.slice(at, end))) {
      const pair = pairAt(text, start)
      pairs.push(pair)
      at = lineEnd(text, pair.end) + 1
    } else at = end + 1
  }
  return pairs
}

/** The pair that begins at or behind `start`. */
export const pairAt = (text: string, start: number): Pair => {
  const keys: Array<string> = []
  let at = skip(text, start, BLANKS)
  while (true) {
    const isQuoted = text[at] === '"' || text[at] === "'"
    const end = isQuoted ? skipString(text, at) : endOfBareKey(text, at)
    const raw = text.slice(at, end)
    keys.push(isQuoted ? unquote(raw) : raw)
    at = skip(text, end, BLANKS)
    if (text[at] !== ".") break
    at = skip(text, at + 1, BLANKS)
  }
  const value = skip(text, at + 1, BLANKS)
  return { keys, start, value, end: endOfValue(text, value) }
}

/** The entries of the list or inline table that begins at `from`, and the offset of its closing bracket. */
export const entriesOf = (
  text: string,
  from: number
): { readonly entries: ReadonlyArray<Entry>; readonly close: number } => {
  const entries: Array<Entry> = []
  let at = from + 1
  while (at < text.length) {
    at = skip(text, at, SEPARATORS)
    if (text[at] === "#") at = lineEnd(text, at)
    else if (text[at] === "]" || text[at] === "}") break
    else if (at < text.length) {
      const end = endOfValue(text, at)
      entries.push({ start: at, end })
      at = Math.max(end, at + 1)
    }
  }
  return { entries, close: at }
}

/** The end of a value, without the blanks behind it. Inside brackets a comma or the closing bracket ends it too. */
const endOfValue = (text: string, from: number): number => {
  let depth = 0
  let at = from
  while (at < text.length) {
    const code = text[at]!
    if (code === '"' || code === "'") {
      at = skipString(text, at)
      continue
    }
    if (depth === 0 && (code === "#" || code === "\n" || code === "," || code === "]" || code === "}")) break
    if (code === "#") at = lineEnd(text, at)
    else {
      if (code === "[" || code === "{") depth++
      else if (code === "]" || code === "}") depth--
      at++
    }
  }
  while (at > from && BLANKS.includes(text[at - 1]!)) at--
  return at
}

const skip = (text: string, from: number, characters: string): number => {
  let at = from
  while (at < text.length && characters.includes(text[at]!)) at++
  return at
}

const BLANKS = " \t\r"
const SEPARATORS = " \t\r\n,"
const BYTE_ORDER_MARK = 0xfeff
