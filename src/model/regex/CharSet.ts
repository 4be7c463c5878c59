/**
 * Sets of code points, as a parsed pattern holds them: sorted, disjoint ranges, and Unicode properties by name.
 *
 * Ranges are computed here instead of being left to an engine, so that both engines match the same set whatever
 * their own idea of `.`, `\s` or case is.
 */

export const MAX_CODE_POINT = 0x10ffff

export interface CharSet {
  /** Pairs of first and last code point, ascending, neither overlapping nor adjacent. */
  readonly ranges: ReadonlyArray<number>
  /** `\p{..}` terms whose members are added to the ranges. */
  readonly properties: ReadonlyArray<Property>
  /** The set is everything else. Only sets with properties need it. */
  readonly negated: boolean
}

export interface Property {
  readonly name: string
  /** The name is a script rather than a general category or a binary property. */
  readonly script: boolean
  readonly negated: boolean
}

const of = (ranges: ReadonlyArray<number>): CharSet => ({ ranges, properties: [], negated: false })

/** A set from pairs of first and last code point in any order. */
export const fromRanges = (pairs: ReadonlyArray<number>): CharSet => of(normalized(pairs))

export const single = (codePoint: number): CharSet => of([codePoint, codePoint])

export const EMPTY: CharSet = of([])
export const ANY: CharSet = of([0, MAX_CODE_POINT])
/** What `.` matches: everything but a line feed. */
export const NOT_LINE_FEED: CharSet = of([0, 9, 11, MAX_CODE_POINT])

// Perl classes are ASCII: subjects are mostly wire text with one character per byte, where a Unicode class would take
// the halves of an encoded character for letters.
export const DIGIT: CharSet = of([0x30, 0x39])
export const WORD: CharSet = of([0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a])
export const SPACE: CharSet = of([0x09, 0x0d, 0x20, 0x20])

/** The classes that may stand in `[[:name:]]`. */
export const POSIX: ReadonlyMap<string, CharSet> = new Map([
  ["alnum", of([0x30, 0x39, 0x41, 0x5a, 0x61, 0x7a])],
  ["alpha", of([0x41, 0x5a, 0x61, 0x7a])],
  ["ascii", of([0x00, 0x7f])],
  ["blank", of([0x09, 0x09, 0x20, 0x20])],
  ["cntrl", of([0x00, 0x1f, 0x7f, 0x7f])],
  ["digit", DIGIT],
  ["graph", of([0x21, 0x7e])],
  ["lower", of([0x61, 0x7a])],
  ["print", of([0x20, 0x7e])],
  ["punct", of([0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x60, 0x7b, 0x7e])],
  ["space", SPACE],
  ["upper", of([0x41, 0x5a])],
  ["word", WORD],
  ["xdigit", of([0x30, 0x39, 0x41, 0x46, 0x61, 0x66])]
])

const normalized = (pairs: ReadonlyArray<number>): Array<number> => {
  const sorted: Array<readonly [number, number]> = []
  for (let i = 0; i < pairs.length; i += 2) sorted.push([pairs[i]!, pairs[i + 1]!])
  sorted.sort((a, b) => a[0] - b[0])
  const out: Array<number> = []
  for (const [low, high] of sorted) {
    const last = out.length - 1
    if (last > 0 && low <= out[last]! + 1) out[last] = Math.max(out[last]!, high)
    else out.push(low, high)
  }
  return out
}

const inverted = (ranges: ReadonlyArray<number>): Array<number> => {
  const out: Array<number> = []
  let next = 0
  for (let i = 0; i < ranges.length; i += 2) {
    if (ranges[i]! > next) out.push(next, ranges[i]! - 1)
    next = ranges[i + 1]! + 1
  }
  if (next <= MAX_CODE_POINT) out.push(next, MAX_CODE_POINT)
  return out
}

export const complement = (set: CharSet): CharSet =>
  set.properties.length === 0 ? of(inverted(set.ranges)) : { ...set, negated: !set.negated }

/** Both sets together, or null when that cannot be written as one class. */
export const union = (a: CharSet, b: CharSet): CharSet | null => {
  if (a.ranges.length === 0 && a.properties.length === 0) return b
  if (a.negated || b.negated) return null
  return {
    ranges: normalized([...a.ranges, ...b.ranges]),
    properties: [...a.properties, ...b.properties],
    negated: false
  }
}

/** What both sets hold, or null for sets with properties. */
export const intersection = (a: CharSet, b: CharSet): CharSet | null => {
  if (a.properties.length > 0 || b.properties.length > 0) return null
  const joined = normalized([...inverted(a.ranges), ...inverted(b.ranges)])
  return of(inverted(joined))
}

/** The set with the other case of every letter. Letters beyond the European alphabets keep their case. */
export const foldCase = (set: CharSet): CharSet => {
  const pairs = [...set.ranges]
  for (let i = 0; i < set.ranges.length; i += 2) {
    const high = Math.min(set.ranges[i + 1]!, 0x52f)
    for (let code = set.ranges[i]!; code <= high; code++) {
      const char = String.fromCharCode(code)
      const lower = char.toLowerCase()
      const upper = char.toUpperCase()
      if (lower.length === 1 && lower !== char) pairs.push(lower.charCodeAt(0), lower.charCodeAt(0))
      if (upper.length === 1 && upper !== char) pairs.push(upper.charCodeAt(0), upper.charCodeAt(0))
    }
  }
  return { ...set, ranges: normalized(pairs) }
}

/** True when a code point may be in both sets. Properties are taken for everything. */
export const overlaps = (a: CharSet, b: CharSet): boolean => {
  if (a.properties.length > 0 || b.properties.length > 0) return true
  let i = 0
  let j = 0
  while (i < a.ranges.length && j < b.ranges.length) {
    if (a.ranges[i + 1]! < b.ranges[j]!) i += 2
    else if (b.ranges[j + 1]! < a.ranges[i]!) j += 2
    else return true
  }
  return false
}
