/**
 * Finding one's way in a TOML text without parsing it: where strings, keys and lines end.
 *
 * Nothing here judges. A text that is no TOML gives places all the same; whoever parses it says what is wrong.
 */
import { parse as parseToml } from "smol-toml"

const BARE_KEY = /[A-Za-z0-9_-]*/y

/** The end of the bare key that begins at `from`; at least one character further. */
export const endOfBareKey = (text: string, from: number): number => {
  BARE_KEY.lastIndex = from
  BARE_KEY.exec(text)
  return Math.max(BARE_KEY.lastIndex, from + 1)
}

/** Where the line feed of a line stands, or the end of the text. */
export const lineEnd = (text: string, from: number): number => {
  const end = text.indexOf("\n", from)
  return end === -1 ? text.length : end
}

/** The end of the string that begins at `from`, behind its closing quotes; a line end if it is not closed there. */
export const skipString = (text: string, from: number): number => {
  const quote = text[from]!
  return text.startsWith(quote.repeat(3), from) ? skipLines(text, from, quote) : skipLine(text, from)
}

const LF = 10
const SINGLE_QUOTE = 39
const BACKSLASH = 92

const skipLine = (text: string, from: number): number => {
  const quote = text.charCodeAt(from)
  let at = from + 1
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) return at + 1
    if (code === LF) return at
    if (code === BACKSLASH && quote !== SINGLE_QUOTE && text.charCodeAt(at + 1) !== LF) at++
  }
  return text.length
}

const skipLines = (text: string, from: number, quote: string): number => {
  const closing = quote.repeat(3)
  let at = text.indexOf(closing, from + 3)
  while (at !== -1 && quote === '"' && isEscaped(text, at)) at = text.indexOf(closing, at + 1)
  if (at === -1) return text.length
  at += 3
  // Up to two quotes may stand before the closing three and belong to the string.
  for (let extra = 0; extra < 2 && text[at] === quote; extra++) at++
  return at
}

const isEscaped = (text: string, at: number): boolean => {
  let first = at
  while (text.charCodeAt(first - 1) === BACKSLASH) first--
  return (at - first) % 2 === 1
}

/** The name that a quoted key stands for. */
export const unquote = (raw: string): string =>
  raw.includes("\\") ? Object.keys(parseToml(`${raw}=0`))[0]! : raw.slice(1, -1)
