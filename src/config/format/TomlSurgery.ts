/**
 * The edits that put one table of a TOML text in order, whatever way it is written in: under its header, under several
 * headers, with dotted keys below its section, inline. A plan only: `TomlEdit.ts` tries it out.
 */
import * as Toml from "./Toml.ts"
import { bodyEnd, insertion, leadStart, type Part, removal, startsWith } from "./TomlOutline.ts"
import { type Pair, pairsOf } from "./TomlPairs.ts"
import * as Render from "./TomlRender.ts"
import { lineEnd } from "./TomlText.ts"
import { change, type Edit, lineStart } from "./TomlValueEdit.ts"

type Path = ReadonlyArray<string>

/** A table under which new pairs can be written. */
interface Home {
  readonly header: Path
  readonly at: number
  readonly indent: string
}

/** What a change asks for. */
export interface Wish {
  readonly path: Path
  /** The new table, or `undefined` to remove it. */
  readonly table: Render.Table | undefined
  /** Whether the table is written anew instead of key by key. */
  readonly isRewrite: boolean
}

/** The edits for a wish. */
export const plan = (text: string, parts: ReadonlyArray<Part>, wish: Wish): ReadonlyArray<Edit> => {
  const surgery = new Surgery(text, parts, wish)
  surgery.visitParts()
  surgery.dropTables()
  surgery.addMissing()
  return surgery.edits
}

/** The value at a path inside another one. */
export const get = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (inner, name) => (Render.isTable(inner) && Object.hasOwn(inner, name) ? inner[name] : undefined),
    value
  )

/** A table with the value at a path replaced, or removed when it is `undefined`. */
export const put = (table: unknown, path: Path, value: unknown): unknown => {
  const [name, ...rest] = path
  if (name === undefined) return value
  if (table !== undefined && !Render.isTable(table)) return table
  const copy: Record<string, unknown> = Object.assign(Object.create(null), table)
  const inner = put(Object.hasOwn(copy, name) ? copy[name] : undefined, rest, value)
  if (inner === undefined) delete copy[name]
  else copy[name] = inner
  return copy
}

class Surgery {
  readonly edits: Array<Edit> = []
  private readonly text: string
  private readonly parts: ReadonlyArray<Part>
  private readonly wish: Wish
  private readonly style: Render.Style
  /** Paths whose values stand in the text, as they shall be. */
  private readonly covered: Array<Path> = []
  private readonly homes: Array<Home> = []
  private readonly dropped: Array<number> = []
  private firstKept: number | undefined

  constructor(text: string, parts: ReadonlyArray<Part>, wish: Wish) {
    this.text = text
    this.parts = parts
    this.wish = wish
    this.style = Render.styleOf(text)
  }

  visitParts(): void {
    const { isRewrite, path } = this.wish
    const lists = this.lists()
    const kept = lists.filter((header) => !isRewrite && this.isListKept(header))
    this.covered.push(...kept)
    for (const [index, part] of this.parts.entries()) {
      const { element, header } = part
      const isOwn = header.length > 0 && startsWith(header, path)
      if (isOwn) {
        const isInList = lists.some((list) => startsWith(header, list))
        const isInKeptList = kept.some((list) => startsWith(header, list))
        if (isInList ? !isInKeptList : !Render.isTable(this.wanted(header))) this.dropped.push(index)
        else {
          this.firstKept ??= index
          if (!isInList) this.visitPairs(part, true)
        }
      } else if (!element && header.length < path.length && startsWith(path, header)) this.visitPairs(part, false)
    }
  }

  /** The headers of the table's lists of tables, each once, however many elements it has. */
  private lists(): ReadonlyArray<Path> {
    const lists = new Map<string, Path>()
    for (const { element, header } of this.parts) {
      if (element && startsWith(header, this.wish.path)) lists.set(JSON.stringify(header), header)
    }
    return [...lists.values()]
  }

  /** Whether a list of tables, `[[a.b]]`, stays as it is. */
  private isListKept(header: Path): boolean {
    const texts = this.parts
      .filter((part) => startsWith(part.header, header))
      .map(({ end, start }) => this.text.slice(start, end))
    const parsed = Toml.parse(texts.join("\n"))
    return parsed._tag === "TomlDocument" && Render.isSame(get(parsed.value, header), this.wanted(header))
  }

  /** The new value at a path below the table's. */
  private wanted(full: Path): unknown {
    const { isRewrite, path, table } = this.wish
    return isRewrite ? undefined : get(table, full.slice(path.length))
  }

  private visitPairs(part: Part, isOwn: boolean): void {
    const { isRewrite, path, table } = this.wish
    const pairs = pairsOf(this.text, part)
    let last: Pair | undefined
    for (const [index, pair] of pairs.entries()) {
      const full = [...part.header, ...pair.keys]
      const isInside = startsWith(full, path)
      if (!isInside && !startsWith(path, full)) continue
      if (isInside) last = pair
      const before = this.valueOf(pair)
      const after = isInside ? this.wanted(full) : put(before, path.slice(full.length), table)
      if (after === undefined) {
        this.edits.push(this.removalOf(part, pairs, index))
        continue
      }
      this.covered.push(full)
      const place = { start: pair.value, end: pair.end }
      if (isRewrite) this.edits.push({ ...place, text: Render.format(after, this.style) })
      else this.edits.push(...change(this.text, place, before, after, this.style))
    }
    if (!isOwn && last === undefined) return
    const from = last?.start ?? part.start
    const indent = /^[ \t]*/.exec(this.text.slice(from, lineEnd(this.text, from)))![0]
    const at = Math.min(lineEnd(this.text, last?.end ?? part.start) + 1, this.text.length)
    this.homes.push({ header: part.header, at, indent })
  }

  private valueOf(pair: Pair): unknown {
    const parsed = Toml.parse(this.text.slice(pair.start, pair.end))
    return parsed._tag === "TomlDocument" ? get(parsed.value, pair.keys) : undefined
  }

  /** A pair goes with the comment above it, unless other pairs follow that the comment may be about as well. */
  private removalOf(part: Part, pairs: ReadonlyArray<Pair>, index: number): Edit {
    const { text } = this
    const pair = pairs[index]!
    const end = Math.min(lineEnd(text, pair.end) + 1, part.end)
    let { start } = pair
    if (pairs[index + 1]?.start === end) return { start, end, text: "" }
    const previous = pairs[index - 1]
    const hasHeader = part.header.length > 0
    const limit = previous !== undefined || hasHeader ? lineEnd(text, previous?.end ?? part.start) + 1 : part.start
    while (start > limit && /^[ \t]*#/.test(text.slice(lineStart(text, start - 1), start))) {
      start = lineStart(text, start - 1)
    }
    return { start, end, text: "" }
  }

  dropTables(): void {
    const { isRewrite, path, table } = this.wish
    for (let at = 0; at < this.dropped.length; ) {
      const from = this.dropped[at]!
      let to = from
      while (this.dropped[++at] === to + 1) to++
      if (isRewrite && table !== undefined && from === this.dropped[0]) {
        const written = Render.table(path, table, this.style)
        this.edits.push({ start: this.parts[from]!.start, end: bodyEnd(this.text, this.parts, to), text: written })
        this.covered.push(path)
      } else this.edits.push(removal(this.text, this.parts, from, to))
    }
  }

  addMissing(): void {
    const { path, table } = this.wish
    if (table === undefined) return
    const added = new Map<Home, Array<string>>()
    let orphans: unknown
    for (const { at, value } of this.missing(path, table)) {
      if (at.length === path.length) return this.addTable(table)
      const home = this.homeOf(at)
      if (home === undefined) orphans = put(orphans, at.slice(path.length), value)
      else {
        const line = `${home.indent}${Render.key(at.slice(home.header.length))} = ${Render.format(value, this.style)}`
        added.set(home, [...(added.get(home) ?? []), line + this.style.lineEnd])
      }
    }
    for (const [{ at }, lines] of added)
      this.edits.push({ start: at, end: at, text: this.newLine(at) + lines.join("") })
    if (Render.isTable(orphans) && this.firstKept !== undefined) {
      const at = leadStart(this.text, this.parts, this.firstKept)
      const { lineEnd } = this.style
      this.edits.push({ start: at, end: at, text: Render.table(path, orphans, this.style) + lineEnd })
    }
  }

  /** What of the table stands nowhere in the text. */
  private missing(at: Path, value: unknown): Array<{ readonly at: Path; readonly value: unknown }> {
    if (this.covered.some((path) => startsWith(at, path))) return []
    const standsInPart =
      this.covered.some((path) => startsWith(path, at)) ||
      this.homes.some(({ header }) => startsWith(header, at)) ||
      (this.firstKept !== undefined && at.length === this.wish.path.length)
    if (!Render.isTable(value) || !standsInPart) return [{ at, value }]
    return Object.entries(value).flatMap(([name, inner]) => this.missing([...at, name], inner))
  }

  private homeOf(at: Path): Home | undefined {
    const homes = this.homes.filter(({ header }) => at.length > header.length && startsWith(at, header))
    return homes.sort((a, b) => b.header.length - a.header.length)[0]
  }

  /** A table that is not there yet goes behind the last one of its section. */
  private addTable(table: Render.Table): void {
    const { path } = this.wish
    const last = path.length < 2 ? -1 : this.parts.findLastIndex(({ header }) => header[0] === path[0])
    const written = Render.table(path, table, this.style)
    this.edits.push(insertion(this.text, this.parts, last === -1 ? undefined : last, written, this.style.lineEnd))
  }

  private newLine(at: number): string {
    return at > 0 && this.text[at - 1] !== "\n" ? this.style.lineEnd : ""
  }
}
