/**
 * Changes of one value in a TOML text: the elements of a list and the entries of an inline table that stay are not
 * touched, with their comments and their layout. Takes time in proportion to the text.
 */
import { type Entry, entriesOf, pairAt } from "./TomlPairs.ts"
import * as Render from "./TomlRender.ts"
import { lineEnd } from "./TomlText.ts"

/** A stretch of text and what takes its place. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** The text with edits that do not overlap. */
export const applyAll = (text: string, edits: ReadonlyArray<Edit>): string => {
  const sorted = [...edits].sort((a, b) => a.start - b.start || a.end - b.end)
  let result = ""
  let at = 0
  for (const { end, start, text: replacement } of sorted) {
    result += text.slice(at, start) + replacement
    at = end
  }
  return result + text.slice(at)
}

/** Edits that make a value out of the one that stands at a place. */
export const change = (
  text: string,
  at: Entry,
  before: unknown,
  after: unknown,
  style: Render.Style
): ReadonlyArray<Edit> => {
  if (Render.isSame(before, after)) return []
  const edits = Array.isArray(before) && Array.isArray(after) ? changeList(text, at, before, after, style) : undefined
  if (edits !== undefined) return edits
  const inner =
    Render.isTable(before) && Render.isTable(after) ? changeInline(text, at, before, after, style) : undefined
  return inner ?? [{ ...at, text: Render.format(after, style) }]
}

const changeList = (
  text: string,
  at: Entry,
  before: ReadonlyArray<unknown>,
  after: ReadonlyArray<unknown>,
  style: Render.Style
): Array<Edit> | undefined => {
  const { close, entries } = entriesOf(text, at.start)
  if (after.length === 0 || entries.length === 0 || entries.length !== before.length) return undefined
  const edits: Array<Edit> = []
  let [from, to] = [0, 0]
  // Between elements that stay, some are changed in their place, and what is left over is removed or added.
  for (const [oldIndex, newIndex] of [...inCommon(before, after), [before.length, after.length] as const]) {
    while (from < oldIndex && to < newIndex) {
      edits.push(...change(text, entries[from]!, before[from], after[to], style))
      from++
      to++
    }
    if (from < oldIndex) edits.push(cut(text, entries, from, oldIndex, close))
    else if (to < newIndex) {
      const values = after.slice(to, newIndex).map(Render.inline)
      if (from === 0) edits.push(prepend(text, entries, values, style))
      else edits.push(...insert(text, entries, from - 1, close, values, style))
    }
    from = oldIndex + 1
    to = newIndex + 1
  }
  return edits
}

/** Indexes of elements that two lists have in common, in an order that both have: the longest such sequence. */
const inCommon = (
  before: ReadonlyArray<unknown>,
  after: ReadonlyArray<unknown>
): Array<readonly [oldIndex: number, newIndex: number]> => {
  const places = new Map(before.map((value, index) => [Render.inline(value), index]))
  /** The ends of the sequences found so far by their length, each knowing what comes before it. */
  const ends: Array<Step> = []
  for (const [newIndex, value] of after.entries()) {
    const oldIndex = places.get(Render.inline(value))
    if (oldIndex === undefined) continue
    let [low, high] = [0, ends.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (ends[middle]!.oldIndex < oldIndex) low = middle + 1
      else high = middle
    }
    ends[low] = { oldIndex, newIndex, previous: ends[low - 1] }
  }
  const found: Array<readonly [number, number]> = []
  for (let step = ends.at(-1); step !== undefined; step = step.previous) found.push([step.oldIndex, step.newIndex])
  return found.reverse()
}

interface Step {
  readonly oldIndex: number
  readonly newIndex: number
  readonly previous: Step | undefined
}

const changeInline = (
  text: string,
  at: Entry,
  before: Render.Table,
  after: Render.Table,
  style: Render.Style
): Array<Edit> | undefined => {
  const { close, entries } = entriesOf(text, at.start)
  const pairs = entries.map((entry) => pairAt(text, entry.start))
  const names = pairs.map(({ keys }) => keys[0]!)
  const removed = names.flatMap((name, index) => (Object.hasOwn(after, name) ? [] : [index]))
  if (pairs.length === 0 || pairs.some(({ keys }) => keys.length > 1)) return undefined
  if (removed.length > 1 || removed.length === pairs.length) return undefined
  const edits: Array<Edit> = []
  for (const [index, { end, value }] of pairs.entries()) {
    const name = names[index]!
    if (removed.includes(index)) edits.push(cut(text, entries, index, index + 1, close))
    else edits.push(...change(text, { start: value, end }, before[name], after[name], style))
  }
  const added = Object.keys(after)
    .filter((name) => !names.includes(name))
    .map((name) => `${Render.key([name])} = ${Render.inline(after[name])}`)
  // Both would put a comma behind the last entry.
  if (added.length > 0 && removed.includes(entries.length - 1)) return undefined
  if (added.length > 0) edits.push(...insert(text, entries, entries.length - 1, close, added, style))
  return edits
}

/** Removes the entries from one index up to another. */
const cut = (text: string, entries: ReadonlyArray<Entry>, from: number, to: number, close: number): Edit => {
  const [first, last] = [entries[from]!, entries[to - 1]!]
  const next = entries[to]
  const end = Math.min(lineEnd(text, last.end) + 1, close)
  const endsLine = next === undefined ? end < close || text[end - 1] === "\n" : end <= next.start
  // On lines of their own, they go with their comments.
  if (startsLine(text, first.start) && endsLine) return { start: lineStart(text, first.start), end, text: "" }
  if (next !== undefined) return { start: first.start, end: next.start, text: "" }
  return { start: entries[from - 1]?.end ?? first.start, end: last.end, text: "" }
}

/** Puts new entries behind the one at an index. */
const insert = (
  text: string,
  entries: ReadonlyArray<Entry>,
  index: number,
  close: number,
  added: ReadonlyArray<string>,
  style: Render.Style
): Array<Edit> => {
  const { end, start } = entries[index]!
  const limit = entries[index + 1]?.start ?? close
  const line = lineEnd(text, end)
  if (!startsLine(text, start) || line >= limit) return [{ start: end, end, text: `, ${added.join(", ")}` }]
  const indent = text.slice(lineStart(text, start), start)
  const hasComma = /^[ \t]*,/.test(text.slice(end, limit))
  const lines = added.map((entry) => `${indent}${entry},${style.lineEnd}`).join("")
  const at = { start: line + 1, end: line + 1, text: lines }
  return hasComma ? [at] : [{ start: end, end, text: "," }, at]
}

/** Puts new entries in front of the first one. */
const prepend = (
  text: string,
  entries: ReadonlyArray<Entry>,
  added: ReadonlyArray<string>,
  style: Render.Style
): Edit => {
  const { start } = entries[0]!
  const indent = startsLine(text, start) ? style.lineEnd + text.slice(lineStart(text, start), start) : " "
  return { start, end: start, text: added.map((entry) => `${entry},${indent}`).join("") }
}

/** Where the line of an offset begins. */
export const lineStart = (text: string, offset: number): number =>
  offset === 0 ? 0 : text.lastIndexOf("\n", offset - 1) + 1

const startsLine = (text: string, offset: number): boolean =>
  /^[ \t]*$/.test(text.slice(lineStart(text, offset), offset))
