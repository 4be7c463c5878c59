/**
 * A configuration between text and decoding: the items of all documents, merged, each knowing where it came from,
 * and the list of findings so far.
 *
 * A table may stand in one document only; the sections themselves may be spread over several. Nothing is thrown:
 * whatever is wrong is reported at its place and the rest goes on. Spec: config 1.2.
 */
import { didYouMean } from "../model/Suggestion.ts"
import { NAMED_SECTIONS, type NamedSection } from "./ConfigSchema.ts"
import { type Diagnostic, formatPath, type Severity } from "./Diagnostic.ts"
import type { Converted } from "./format/Nested.ts"
import { Places } from "./format/Places.ts"
import { hintFor } from "./format/TomlHints.ts"
import type { Path, Positions, Span } from "./format/TomlPositions.ts"
import type { Part, Reading } from "./format/TomlReader.ts"

/** A document as its source delivered it. */
export interface RawDocument {
  /** Name for diagnostics, usually the path of the file. */
  readonly file: string
  readonly text: string
}

export type Section = NamedSection | "basic"

export type Table = Record<string, unknown>

/** The part of a document that an item was read from. */
export interface Origin {
  readonly file: string
  readonly positions: Pick<Positions, "locate" | "inside" | "lineText">
}

/** Where something stands. */
export interface Place {
  readonly file: string
  readonly span: Span
  /** The text of that line. */
  readonly text: string
}

/** One table of the configuration, `[section.name]`, before decoding. The same object as before when nothing of it is new. */
export interface Item {
  readonly section: Section
  readonly name: string
  /** Path of the table in its document. */
  readonly path: Path
  readonly origin: Origin
  /** The table as it is written; the same object as before when its text is. */
  readonly written: Table
  /** The table, with the keys of its includes once they are expanded. */
  readonly table: Table
  /** Where the keys stand that an include brought. */
  readonly included: ReadonlyMap<string, () => Place>
}

const NOTHING: Item["included"] = new Map()

/** The item that a part was found to be: what is read again as the same object needs no second look. */
const known = new WeakMap<Part, Item>()

/** What a finding says besides its place. */
export interface Details {
  readonly expected?: string | undefined
  readonly hint?: string | undefined
}

/** Takes findings about items. `path` is relative to the item. */
export interface Report {
  about(severity: Severity, item: Item, path: Path, message: string, details?: Details): void
}

/** Collects the items of all documents and the findings about them. */
export class Draft implements Report {
  readonly diagnostics: Array<Diagnostic> = []
  readonly items: Readonly<Record<Section, Map<string, Item>>> = {
    basic: new Map(),
    servers: new Map(),
    locations: new Map(),
    upstreams: new Map(),
    plugins: new Map(),
    certificates: new Map(),
    storages: new Map()
  }
  /** True when a document could not be read: a name that nothing has may be in there. */
  incomplete = false
  private readonly strict: boolean

  constructor(strict: boolean) {
    this.strict = strict
  }

  /** Takes over what was read from a document. */
  add(document: RawDocument, { errors, parts }: Reading): void {
    for (const { column, line, message } of errors) {
      this.incomplete = true
      const text = document.text.split("\n", line)[line - 1] ?? ""
      const span = { line, column, length: 1 }
      this.report("error", { file: document.file, span, text: text.replace(/\r$/, "") }, "", message, {
        hint: hintFor(text, message)
      })
    }
    const places = "placed" in document ? this.addProblems(document as Converted) : undefined
    for (const part of parts) {
      const item = known.get(part)
      if (item?.origin.file === document.file && places === undefined) this.addItem(item)
      else this.addPart(document.file, part, places)
    }
  }

  private addPart(file: string, part: Part, places: Places | undefined): void {
    const [section, name] = part.path
    const origin = { file, positions: places ?? part.positions }
    if (name === undefined) this.addSection(origin, String(section), part.value)
    else {
      const item = this.addNamed(origin, section as NamedSection, String(name), part.value)
      if (item !== undefined && places === undefined) known.set(part, item)
    }
  }

  /** Takes over what converting a document found. Returns where its paths stand in the text that was written. */
  private addProblems({ file, placed, problems, source }: Converted): Places {
    const places = new Places(source, placed)
    for (const { hint, message, path, severity, span } of problems) {
      if (severity === "error") this.incomplete = true
      this.report(severity, { file, span, text: places.lineText(span.line) }, formatPath(path), message, { hint })
    }
    return places
  }

  private addSection(origin: Origin, key: string, value: unknown): void {
    const named = NAMED_SECTIONS.find((section) => section === key)
    if (named === undefined && key !== "basic") {
      const hint = didYouMean(key, [...NAMED_SECTIONS, "basic"])
      this.reportAt("warning", origin, [key], "unknown section is ignored", { hint })
    } else if (!isTable(value)) {
      this.reportAt("error", origin, [key], `wrong type, found ${kindOf(value)}`, { expected: "a table" })
    } else if (named === undefined) this.addItem(itemOf(origin, "basic", "", ["basic"], value))
    else for (const [name, table] of Object.entries(value)) this.addNamed(origin, named, name, table)
  }

  private addNamed(origin: Origin, section: NamedSection, name: string, value: unknown): Item | undefined {
    const path = [section, name]
    if (!isTable(value)) {
      this.reportAt("error", origin, path, `wrong type, found ${kindOf(value)}`, { expected: "a table" })
    } else if (name === "" || name === "." || name === ".." || /[/\\\0]/.test(name)) {
      this.reportAt("error", origin, path, "invalid config name", {
        expected: "a name that is not empty, not a dot or two, and without /, \\ and NUL"
      })
    } else return this.addItem(itemOf(origin, section, name, path, value))
    return undefined
  }

  private addItem(item: Item): Item {
    const { name, origin, path, section } = item
    const other = this.items[section].get(name)
    if (other === undefined) {
      this.items[section].set(name, item)
      return item
    }
    const first = other.origin.positions.locate(path).span
    this.reportAt(
      "error",
      origin,
      path,
      `table is already defined at ${other.origin.file}:${first.line}:${first.column}`
    )
    return item
  }

  /** Puts what includes bring into an item. */
  expand(item: Item, table: Table, included: Item["included"]): void {
    this.items[item.section].set(item.name, { ...item, table, included })
  }

  /** The item of that name. */
  item(section: Section, name: string): Item | undefined {
    return this.items[section].get(name)
  }

  /** Where a path of the merged configuration stands, or its nearest ancestor. */
  locate(path: Path): Place | undefined {
    const [section, name] = path
    if (typeof section !== "string" || !Object.hasOwn(this.items, section)) return undefined
    const key = section === "basic" ? path[1] : path[2]
    const item = this.items[section as Section].get(section === "basic" ? "" : String(name))
    if (item === undefined) return undefined
    const included = key === undefined ? undefined : item.included.get(String(key))
    return included?.() ?? placeOf(item.origin, item.origin.positions.locate(path).span)
  }

  /** Reports something about a key of an item; `path` is relative to the item. */
  about(severity: Severity, item: Item, path: Path, message: string, details?: Details): void {
    const full = [...item.path, ...path]
    const place = this.locate(full)
    if (place !== undefined) this.report(severity, place, formatPath(full), message, details)
  }

  private reportAt(severity: Severity, origin: Origin, path: Path, message: string, details?: Details): void {
    const place = placeOf(origin, origin.positions.locate(path).span)
    this.report(severity, place, formatPath(path), message, details)
  }

  report(severity: Severity, place: Place, path: string, message: string, details: Details = {}): void {
    const { line, column, length } = place.span
    this.diagnostics.push({
      severity: this.strict && severity === "warning" ? "error" : severity,
      file: place.file,
      line,
      column,
      path,
      message,
      ...(details.expected === undefined ? undefined : { expected: details.expected }),
      ...(details.hint === undefined ? undefined : { hint: details.hint }),
      excerpt: { text: place.text.length > MAX_EXCERPT ? `${place.text.slice(0, MAX_EXCERPT)}…` : place.text, length }
    })
  }

  get failed(): boolean {
    return this.diagnostics.some((diagnostic) => diagnostic.severity === "error")
  }

  /** Reports a name that no item of its section has. Silent while a document is missing. */
  notFound(
    severity: Severity,
    item: Item,
    path: Path,
    kind: string,
    name: string,
    names: Iterable<string>,
    effect = ""
  ): void {
    if (this.incomplete) return
    // Comparing with every name costs; whoever has this many findings has one cause for all of them.
    const hint = this.diagnostics.length < MAX_HINTS ? didYouMean(name, names) : undefined
    const expected = `the name of a configured ${kind}`
    this.about(severity, item, path, `${kind}(${name}) is not found${effect}`, { expected, hint })
  }
}

const itemOf = (origin: Origin, section: Section, name: string, path: Path, table: Table): Item => ({
  section,
  name,
  path,
  origin,
  written: table,
  table,
  included: NOTHING
})

export const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)

/** The text of a key, or `undefined` when it is absent or no text. */
export const text = (item: Item, key: string): string | undefined => {
  const value = item.table[key]
  return typeof value === "string" ? value : undefined
}

/** The texts of a list, with their positions; elements that are no text are left to decoding. */
export const texts = (item: Item, key: string): ReadonlyArray<readonly [index: number, text: string]> => {
  const value = item.table[key]
  return Array.isArray(value)
    ? value.flatMap((element, index) => (typeof element === "string" ? [[index, element] as const] : []))
    : []
}

/** What a TOML value is, in words. */
export const kindOf = (value: unknown): string => {
  if (typeof value === "string") return value === "" ? "an empty string" : "a string"
  if (typeof value === "number")
    return Number.isInteger(value) ? (value < 0 ? "a negative integer" : "an integer") : "a float"
  if (typeof value === "boolean") return "a boolean"
  if (Array.isArray(value)) return "a list"
  return value instanceof Date ? "a date" : "a table"
}

/** The place of a span in a document. */
export const placeOf = (origin: Origin, span: Span): Place => ({
  file: origin.file,
  span,
  text: origin.positions.lineText(span.line)
})

const MAX_EXCERPT = 160
const MAX_HINTS = 20
