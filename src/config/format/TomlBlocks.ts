/**
 * A TOML text cut at its table headers: what a change leaves alone need not be parsed again, and one table can be
 * rewritten while everything around it stays as somebody wrote it.
 *
 * The blocks cover the text without gaps. They are those of valid TOML; of other text they are some cut, and parsing
 * the parts finds what is wrong.
 */
import { endOfBareKey, lineEnd, skipString, unquote } from "./TomlText.ts"

export interface Block {
  /** Names of the header; empty for what stands before the first header, null for a header that cannot be read. */
  readonly header: ReadonlyArray<string> | null
  /** Whether the header opens an element of a list, `[[a.b]]`. */
  readonly element: boolean
  /** Offset of the first character, which is the first of the header's line. */
  readonly start: number
  /** Offset behind the last character. */
  readonly end: number
  /** Lines in front of the block. */
  readonly linesBefore: number
}

const TAB = 9
const LF = 10
const CR = 13
const SPACE = 32
const DOUBLE_QUOTE = 34
const HASH = 35
const SINGLE_QUOTE = 39
const EQUALS = 61
const OPEN = 91
const CLOSE = 93
const OPEN_BRACE = 123
const CLOSE_BRACE = 125

/** Cuts a text. The first block is what stands before the first header; it may be empty. */
export const split = (text: string): ReadonlyArray<Block> => [...blocks(text)]

/** The same, one block after the other; from the beginning, or from a block on whose header is known to stand there. */
export function* blocks(text: string, from?: Pick<Block, "start" | "linesBefore">): Generator<Block, void, void> {
  let { element, header }: Header = { header: [], element: false }
  let { linesBefore, start } = from ?? { start: 0, linesBefore: 0 }
  let lines = linesBefore
  let lineStart = start
  let at = from === undefined && text.charCodeAt(0) === 0xfeff ? 1 : start
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === LF) {
      lineStart = ++at
      lines++
    } else if (code === SPACE || code === TAB || code === CR) at++
    else {
      if (code === OPEN) {
        // Before a header that is known to be there, nothing stands.
        if (from === undefined || start !== lineStart) yield { header, element, start, end: lineStart, linesBefore }
        ;({ element, header } = readHeader(text, at))
        start = lineStart
        linesBefore = lines
      } else if (code !== HASH) {
        const end = endOfPair(text, at)
        // A value may stand on several lines.
        for (let next = text.indexOf("\n", at); next !== -1 && next < end; next = text.indexOf("\n", next + 1)) lines++
        at = end
      }
      at = lineEnd(text, at)
    }
  }
  yield { header, element, start, end: text.length, linesBefore }
}

type Header = Pick<Block, "header" | "element">

const UNREADABLE: Header = { header: null, element: false }

/** The header that begins at `from`. */
const readHeader = (text: string, from: number): Header => {
  const element = text.charCodeAt(from + 1) === OPEN
  const names: Array<string> = []
  let at = from + (element ? 2 : 1)
  while (true) {
    at = skipBlanks(text, at)
    const code = text.charCodeAt(at)
    const isQuoted = code === DOUBLE_QUOTE || code === SINGLE_QUOTE
    const end = isQuoted ? skipString(text, at) : endOfBareKey(text, at)
    const raw = text.slice(at, end)
    if (isQuoted ? !isKey(raw) : !BARE.test(raw)) return UNREADABLE
    names.push(isQuoted ? unquote(raw) : raw)
    at = skipBlanks(text, end)
    if (text[at] !== ".") break
    at++
  }
  return text.startsWith(element ? "]]" : "]", at) ? { header: names, element } : UNREADABLE
}

const BARE = /^[A-Za-z0-9_-]+$/

// A quoted key stands on one line and is closed. One with escapes is left to the parser: it may be wrong.
const isKey = (raw: string): boolean => /^(?:"[^"\\\n]*"|'[^'\n]*')$/.test(raw)

/** The end of a `key = value` pair that begins at `from`, or some place behind it on its last line. */
const endOfPair = (text: string, from: number): number => {
  let at = from
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === EQUALS) break
    if (code === LF) return at
    if (code === DOUBLE_QUOTE || code === SINGLE_QUOTE) at = skipString(text, at) - 1
  }
  at = skipBlanks(text, at + 1)
  const code = text.charCodeAt(at)
  if (code === DOUBLE_QUOTE || code === SINGLE_QUOTE) return skipString(text, at)
  return code === OPEN || code === OPEN_BRACE ? endOfNested(text, at) : at
}

const endOfNested = (text: string, from: number): number => {
  let depth = 0
  let at = from
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === DOUBLE_QUOTE || code === SINGLE_QUOTE) {
      at = skipString(text, at)
      continue
    }
    if (code === HASH) {
      at = lineEnd(text, at)
      continue
    }
    at++
    if (code === OPEN || code === OPEN_BRACE) depth++
    else if ((code === CLOSE || code === CLOSE_BRACE) && --depth === 0) return at
  }
  return at
}

const skipBlanks = (text: string, from: number): number => {
  let at = from
  while (text.charCodeAt(at) === SPACE || text.charCodeAt(at) === TAB) at++
  return at
}
