/**
 * Reads TOML documents table by table and remembers the tables of each document: after a change, only what lies around
 * the difference is looked at, and tables whose text is the same are the very same objects.
 *
 * A document that is written table by table, `[section.name]` with what belongs to it below, is read that way.
 * Anything else that TOML allows (dotted keys, inline tables, a table continued elsewhere) is read as a whole, with
 * the same result. Mistakes are reported for each table that has one.
 */
import type { Sliced } from "../../model/Sliced.ts"
import * as Toml from "./Toml.ts"
import { blocks } from "./TomlBlocks.ts"
import type { Path, Positions } from "./TomlPositions.ts"

/** A value at a path of its document. */
export interface Part {
  readonly path: Path
  readonly value: unknown
  /** Places in the document, by paths that begin at its root. */
  readonly positions: Positions
}

export interface Reading {
  readonly parts: ReadonlyArray<Part>
  readonly errors: ReadonlyArray<Toml.TomlError>
}

export interface ReaderOptions {
  /** Tables that hold tables by name: they are read one by one. Every other is read as one. */
  readonly named: ReadonlyArray<string>
}

type Parsed = Toml.TomlDocument | Toml.TomlError

/** Where a table with its sub-tables stands in a document. */
interface Cut {
  readonly id: string
  readonly path: ReadonlyArray<string>
  readonly start: number
  readonly end: number
  readonly linesBefore: number
}

interface Table extends Cut {
  readonly parsed: Parsed
  /** Null for what stands before the first table, and for what is no TOML. */
  readonly part: Part | null
}

/** A document as it was read last. */
interface Known {
  readonly text: string
  readonly reading: Reading
  /** None when the document is not written table by table. */
  readonly tables: ReadonlyArray<Table>
  readonly ids: ReadonlySet<string>
}

const NOTHING: Known = { text: "", reading: { parts: [], errors: [] }, tables: [], ids: new Set() }

const TABLES_PER_STEP = 50
const KNOWN_TABLES_PER_STEP = 500

export class TomlReader {
  private readonly options: ReaderOptions
  private readonly known = new Map<string, Known>()

  constructor(options: ReaderOptions) {
    this.options = options
  }

  /** Forgets every document but those of these names. */
  keep(names: ReadonlySet<string>): void {
    for (const name of this.known.keys()) if (!names.has(name)) this.known.delete(name)
  }

  /** Number of documents that are remembered. */
  get size(): number {
    return this.known.size
  }

  /** Reads the document of a name; it is compared with what had that name before. */
  *read(text: string, name = ""): Sliced<Reading> {
    const before = this.known.get(name) ?? NOTHING
    if (before.text === text && before !== NOTHING) return before.reading
    const known = (yield* this.readTables(text, before)) ?? readWhole(text)
    this.known.set(name, known)
    return known.reading
  }

  /** Reads table by table, or not at all when the document is not written that way. */
  private *readTables(text: string, before: Known): Sliced<Known | undefined> {
    const old = before.tables
    const shift = text.length - before.text.length
    const [front, back] = common(before.text, text)
    // What is the same in front of the difference. The table before it may go on behind it, and is read again.
    const first = Math.max(0, old.findLastIndex(({ start }) => start <= front) - 1)
    // What may be the same behind it; never what stands before the first table, which may be empty.
    const behind = old.findIndex(({ path, start }) => path.length > 0 && start >= before.text.length - back)
    const scanned = yield* this.scan(
      text,
      first === 0 ? undefined : old[first],
      old,
      behind === -1 ? old.length : behind,
      shift
    )
    if (scanned === undefined) return undefined
    const { cuts, next } = scanned
    const replaced = old.slice(first, next)
    const ids = new Set(before.ids)
    for (const { id } of replaced) ids.delete(id)
    for (const { id } of cuts) {
      // A table that goes on elsewhere, or stands there twice.
      if (ids.has(id)) return undefined
      ids.add(id)
    }
    const remembered = new Map(replaced.map((table) => [before.text.slice(table.start, table.end), table]))
    const tables = old.slice(0, first)
    for (const [index, cut] of cuts.entries()) {
      if (index % TABLES_PER_STEP === 0) yield
      const table = tableOf(text.slice(cut.start, cut.end), cut, remembered)
      // Keys in front of the first table are no part of any.
      if (table.path.length === 0 && table.parsed._tag === "TomlDocument" && !isEmpty(table.parsed.value))
        return undefined
      tables.push(table)
    }
    const lines = next < old.length ? scanned.linesBefore - old[next]!.linesBefore : 0
    for (let index = next; index < old.length; index++) {
      if (index % KNOWN_TABLES_PER_STEP === 0) yield
      tables.push(moved(old[index]!, shift, lines))
    }
    return { text, reading: readingOf(tables), tables, ids }
  }

  /**
   * Cuts a text, from a table that is known to be there on, until the rest is what it was: `next` is the first of the
   * old tables that follow, `linesBefore` its new place.
   */
  private *scan(text: string, from: Table | undefined, old: ReadonlyArray<Table>, behind: number, shift: number) {
    const cuts: Array<Cut> = []
    let next = behind
    for (const { element, end, header, linesBefore, start } of blocks(text, from)) {
      if (cuts.length % TABLES_PER_STEP === 0) yield
      const last = cuts.at(-1)
      while (next < old.length && old[next]!.start + shift < start) next++
      const known = old[next]
      if (last !== undefined && known !== undefined && known.start + shift === start && known.id !== last.id) {
        return { cuts, next, linesBefore }
      }
      const path = header === null ? [] : this.pathOf(header, element)
      if (path === undefined) return undefined
      // A header that cannot be read is a mistake, or rare enough to be read with the whole document.
      const id = header === null ? `${start}` : path.join("\n")
      if (last?.id === id) cuts[cuts.length - 1] = { ...last, end }
      else cuts.push({ id, path, start, end, linesBefore })
    }
    return { cuts, next: old.length, linesBefore: 0 }
  }

  private pathOf(header: ReadonlyArray<string>, element: boolean): ReadonlyArray<string> | undefined {
    const [section, name] = header
    if (section === undefined) return []
    if (!this.options.named.includes(section)) return element && name === undefined ? undefined : [section]
    return name === undefined || (element && header.length === 2) ? undefined : [section, name]
  }
}

const readWhole = (text: string): Known => {
  const parsed = Toml.parse(text)
  if (parsed._tag === "TomlError") return { ...NOTHING, text, reading: { parts: [], errors: [parsed] } }
  const { positions, value } = parsed
  const parts = Object.entries(value).map(([key, inner]): Part => ({ path: [key], value: inner, positions }))
  return { ...NOTHING, text, reading: { parts, errors: [] } }
}

/** A table of its text: what a table with the same text was, or newly parsed. */
const tableOf = (text: string, cut: Cut, remembered: ReadonlyMap<string, Table>): Table => {
  const known = remembered.get(text)
  if (known !== undefined) return { ...moved(known, 0, cut.linesBefore - known.linesBefore), ...cut }
  const parsed = Toml.parse(detached(text))
  return { ...cut, parsed, part: partOf(cut, parsed) }
}

const partOf = ({ linesBefore, path }: Cut, parsed: Parsed): Part | null => {
  if (parsed._tag === "TomlError" || path.length === 0) return null
  let value: unknown = parsed.value
  for (const name of path) value = (value as Record<string, unknown>)[name]
  return { path, value, positions: parsed.positions.below(linesBefore) }
}

const moved = (table: Table, shift: number, lines: number): Table => {
  if (shift === 0 && lines === 0) return table
  const { end, linesBefore, parsed, part, start } = table
  const cut = { ...table, start: start + shift, end: end + shift, linesBefore: linesBefore + lines }
  return { ...cut, part: lines === 0 ? part : partOf(cut, parsed) }
}

const readingOf = (tables: ReadonlyArray<Table>): Reading => {
  const parts: Array<Part> = []
  const errors: Array<Toml.TomlError> = []
  for (const { linesBefore, parsed, part } of tables) {
    if (part !== null) parts.push(part)
    else if (parsed._tag === "TomlError") {
      errors.push(new Toml.TomlError(parsed.message, parsed.line + linesBefore, parsed.column))
    }
  }
  return { parts, errors }
}

const isEmpty = (value: object): boolean => Object.keys(value).length === 0

// A part of a string keeps all of it in memory: a table that never changes would keep its first document for ever.
const detached = (text: string): string => JSON.parse(JSON.stringify(text)) as string

/** How much two texts have in common at their beginning, and in the rest at their end. */
const common = (a: string, b: string): readonly [front: number, back: number] => {
  const most = Math.min(a.length, b.length)
  let front = 0
  while (front + CHUNK <= most && a.slice(front, front + CHUNK) === b.slice(front, front + CHUNK)) front += CHUNK
  while (front < most && a.charCodeAt(front) === b.charCodeAt(front)) front++
  const rest = most - front
  const fromEnd = (text: string, from: number, to: number): string => text.slice(text.length - from, text.length - to)
  let back = 0
  while (back + CHUNK <= rest && fromEnd(a, back + CHUNK, back) === fromEnd(b, back + CHUNK, back)) back += CHUNK
  while (back < rest && a.charCodeAt(a.length - 1 - back) === b.charCodeAt(b.length - 1 - back)) back++
  return [front, back]
}

const CHUNK = 4096
