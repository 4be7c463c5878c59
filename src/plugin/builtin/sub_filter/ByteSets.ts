/**
 * Sets of characters as automata over their UTF-8 bytes, so that a pattern sees text where a body has bytes. Bytes that
 * are no UTF-8 match no character, as in the reference.
 */
import type { CharSet, Property } from "../../../model/regex/CharSet.ts"

/** The bytes of a character do not go on like this. */
export const DEAD = 0
/** The character is complete. */
export const ACCEPT = 1
/** First value that stands for a table: the table's index is the value less this. */
export const FIRST_TABLE = 2

/** Tables from a byte to {@link DEAD}, {@link ACCEPT} or another table. The first one reads the first byte. */
export type ByteSet = ReadonlyArray<Uint16Array>

type ByteRange = readonly [low: number, high: number]
type Sequence = ReadonlyArray<ByteRange>

const cache = new Map<string, ByteSet>()

/** The automaton of a set. Equal sets share one. */
export const compile = (set: CharSet): ByteSet => {
  const ranges = rangesOf(set)
  const key = ranges.join()
  let tables = cache.get(key)
  if (tables === undefined) {
    tables = build(ranges)
    if (cache.size >= 1_024) cache.clear()
    cache.set(key, tables)
  }
  return tables
}

const build = (ranges: ReadonlyArray<number>): ByteSet => {
  const sequences: Array<Sequence> = []
  for (let i = 0; i < ranges.length; i += 2) split(ranges[i]!, ranges[i + 1]!, sequences)
  const tables: Array<Uint16Array> = []
  const known = new Map<string, number>()
  const table = (tails: ReadonlyArray<Sequence>): number => {
    const key = tails.map((tail) => tail.map((range) => range.join("-")).join(" ")).join()
    const same = known.get(key)
    if (same !== undefined) return same
    const entries = new Uint16Array(256)
    const index = tables.push(entries) - 1
    known.set(key, index)
    for (let byte = 0; byte < 256; byte++) {
      const rest: Array<Sequence> = []
      for (const tail of tails) if (byte >= tail[0]![0] && byte <= tail[0]![1]) rest.push(tail.slice(1))
      // Sequences of one set never overlap, and no character's bytes begin another's.
      if (rest.length > 0) entries[byte] = rest[0]!.length === 0 ? ACCEPT : FIRST_TABLE + table(rest)
    }
    return index
  }
  table(sequences)
  return tables
}

/** The UTF-8 bytes of a character. */
export const bytesOf = (codePoint: number): Buffer => Buffer.from(String.fromCodePoint(codePoint), "utf8")

const SURROGATES: ByteRange = [0xd800, 0xdfff]
const LAST_OF_LENGTH = [0x7f, 0x7ff, 0xffff]

/** Splits a range of code points into runs whose bytes vary independently of each other. */
const split = (low: number, high: number, out: Array<Sequence>): void => {
  if (low > high) return
  if (low <= SURROGATES[1] && high >= SURROGATES[0]) {
    split(low, SURROGATES[0] - 1, out)
    split(SURROGATES[1] + 1, high, out)
    return
  }
  for (const last of LAST_OF_LENGTH) {
    if (low <= last && high > last) {
      split(low, last, out)
      split(last + 1, high, out)
      return
    }
  }
  // Below 0x80 a character is its byte.
  for (let bits = 6; high > 0x7f && bits < 24; bits += 6) {
    const mask = (1 << bits) - 1
    if (low >> bits === high >> bits) continue
    if ((low & mask) !== 0) {
      split(low, low | mask, out)
      split((low | mask) + 1, high, out)
      return
    }
    if ((high & mask) !== mask) {
      split(low, (high & ~mask) - 1, out)
      split(high & ~mask, high, out)
      return
    }
  }
  const from = bytesOf(low)
  const to = bytesOf(high)
  out.push(Array.from(from, (byte, i): ByteRange => [byte, to[i]!]))
}

const MAX = 0x10ffff

// The ranges of a set, Unicode properties spelled out.
const rangesOf = (set: CharSet): ReadonlyArray<number> => {
  if (set.properties.length === 0) return set.ranges
  let alphabet = ""
  for (let code = 0; code <= MAX; code++) if (code < 0xd800 || code > 0xdfff) alphabet += String.fromCodePoint(code)
  let source = set.properties.map(termOf).join("")
  for (let i = 0; i < set.ranges.length; i += 2) {
    source += `\\u{${set.ranges[i]!.toString(16)}}-\\u{${set.ranges[i + 1]!.toString(16)}}`
  }
  const ranges: Array<number> = []
  for (const run of alphabet.matchAll(new RegExp(`[${set.negated ? "^" : ""}${source}]+`, "gu"))) {
    const [text] = run
    const low = text.codePointAt(0)!
    const size = Array.from(text).length
    // A run may go over the gap where surrogates are.
    const high = low < SURROGATES[0] && low + size > SURROGATES[0] ? low + size - 1 + 2_048 : low + size - 1
    ranges.push(low, high)
  }
  return ranges
}

const termOf = ({ name, negated, script }: Property): string =>
  `\\${negated ? "P" : "p"}{${script ? `Script=${name}` : name}}`
