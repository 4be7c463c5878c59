/**
 * What HCL and KDL have in common: items may stand inside the item that uses them. This lifts them to the sections
 * of the TOML document, links them with the item around them, and writes the result as TOML with one table per item.
 * Spec: config 13 and 14.
 *
 * A location inside a server joins the server's `locations`; inside a location, the first upstream becomes its
 * `upstream` unless it names one, and plugins join its `plugins`. Certificates and plugins inside a server are lifted
 * only. The reference drops what stands in the wrong place without a word; here it is a warning.
 */
import { stringify, type TomlTable } from "smol-toml"
import { didYouMean } from "../../model/Suggestion.ts"
import type { NamedSection } from "../ConfigSchema.ts"
import type { Severity } from "../Diagnostic.ts"
import type { RawDocument, Section, Table } from "../Draft.ts"
import { type Placed, pack } from "./Places.ts"
import type { Path, Span } from "./TomlPositions.ts"

/** Something wrong with a document, at a place of the text that people edit. */
export interface Problem {
  readonly severity: Severity
  readonly span: Span
  /** The path in the converted configuration; empty when it is about the text. */
  readonly path: Path
  readonly message: string
  readonly hint?: string
}

/** A document in TOML, made from one in another format. With errors among the problems it is not complete. */
export interface Converted extends RawDocument {
  /** The text that it was made from, which its places and problems are about. */
  readonly source: string
  /** Where its paths stand in that text, for `Places`. */
  readonly placed: string
  readonly problems: ReadonlyArray<Problem>
}

/** A value with the places of itself and, for a list, of its elements. */
export interface Entry {
  readonly value: unknown
  readonly span: Span
  readonly elements?: ReadonlyArray<Span>
}

/** An item as it is written: an HCL block or a KDL node. */
export interface Block {
  /** The word in front, `server` or `servers`. */
  readonly kind: string
  readonly name: string | undefined
  /** Where the kind stands. */
  readonly head: Span
  /** Where the name stands, or the kind without one. */
  readonly span: Span
  readonly entries: ReadonlyMap<string, Entry>
  /** Items inside, in the order of the text. */
  readonly blocks: ReadonlyArray<Block>
}

/** How a format calls its items, for messages. */
export interface Wording {
  readonly unknown: (kind: string) => string
  readonly unnamed: (kind: string) => string
}

const KINDS: ReadonlyMap<string, Section> = new Map<string, Section>([
  ["basic", "basic"],
  ...(["servers", "locations", "upstreams", "plugins", "certificates", "storages"] as const).flatMap(
    (section): Array<[string, Section]> => [
      [section, section],
      [section.slice(0, -1), section]
    ]
  )
])

/** The section that a word names, in the singular or in the plural. */
export const sectionOf = (kind: string): Section | undefined => KINDS.get(kind)

const INSIDE: Readonly<Partial<Record<Section, ReadonlyArray<Section>>>> = {
  servers: ["locations", "plugins", "certificates"],
  locations: ["upstreams", "plugins"]
}

/** True when an item of the one section may stand inside one of the other. */
export const mayStandIn = (section: Section, outer: Section): boolean => INSIDE[outer]?.includes(section) ?? false

/** Levels of lists and tables that a value may have. */
export const MAX_DEPTH = 64

/**
 * A value as TOML can have it: null is the empty text, as in the reference. What TOML cannot have is passed to
 * `refuse` and left out; a whole value that is left out is `undefined`.
 */
export const toValue = (value: unknown, refuse: (message: string) => void, depth = 0): unknown => {
  if (value === null) return ""
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return void refuse("integer is too large to be exact")
  }
  if (typeof value !== "object") return value
  if (depth === MAX_DEPTH) return void refuse(`values are nested deeper than ${MAX_DEPTH} levels`)
  const inner = (value: unknown): unknown => toValue(value, refuse, depth + 1)
  if (Array.isArray(value)) return value.map(inner).filter((element) => element !== undefined)
  const table: Table = Object.create(null)
  for (const [key, written] of Object.entries(value)) {
    const converted = isUnsafe(key) ? void refuse(UNSAFE) : inner(written)
    if (converted !== undefined) table[key] = converted
  }
  return table
}

/** What is wrong with a key that could reach an object's prototype. */
export const UNSAFE = "the keys __proto__ and constructor are not allowed"

export const isUnsafe = (key: string): boolean => key === "__proto__" || key === "constructor"

/** Lifts the items of a document and writes them as TOML. `problems` are those of reading it. */
export const convert = (
  { file, text }: RawDocument,
  blocks: ReadonlyArray<Block>,
  wording: Wording,
  problems: ReadonlyArray<Problem> = []
): Converted => {
  const lifting = new Lifting(wording)
  for (const block of blocks) lifting.outer(block)
  return {
    file,
    text: format(lifting.items),
    source: text,
    placed: pack([...lifting.items.values()].flatMap(placesOf)),
    problems: [...problems, ...lifting.problems].sort(
      (a, b) => a.span.line - b.span.line || a.span.column - b.span.column
    )
  }
}

/** A document of which nothing could be read. */
export const unreadable = ({ file, text }: RawDocument, problems: ReadonlyArray<Problem>): Converted => ({
  file,
  text: "",
  source: text,
  placed: pack([]),
  problems
})

interface Lifted {
  readonly path: Path
  readonly span: Span
  readonly entries: Map<string, Entry>
  /** The outermost block that it stands in. */
  readonly root: Block
}

class Lifting {
  readonly items = new Map<string, Lifted>()
  readonly problems: Array<Problem> = []
  private readonly wording: Wording

  constructor(wording: Wording) {
    this.wording = wording
  }

  /** Takes over an outermost block. */
  outer(block: Block): void {
    const section = sectionOf(block.kind)
    if (section === undefined) {
      this.report("error", block.head, [], this.wording.unknown(block.kind), didYouMean(block.kind, KINDS.keys()))
    } else if (section === "basic") {
      if (block.name !== undefined) this.report("warning", block.span, ["basic"], "the name of basic is ignored")
      this.item(block, section, ["basic"], block)
    } else if (block.name === undefined) {
      this.report("error", block.span, [section], this.wording.unnamed(block.kind))
    } else this.item(block, section, [section, block.name], block)
  }

  private item(block: Block, section: Section, path: Path, root: Block): void {
    const entries = new Map(block.entries)
    for (const key of entries.keys()) {
      if (!isUnsafe(key)) continue
      this.report("error", entries.get(key)!.span, path, UNSAFE)
      entries.delete(key)
    }
    if (path.some((step) => isUnsafe(String(step)))) {
      this.report("error", block.span, [section], UNSAFE)
      return
    }
    this.define({ path, span: block.span, entries, root })
    for (const inner of block.blocks) this.inner(inner, section, path, entries, root)
  }

  private inner(block: Block, outer: Section, path: Path, entries: Map<string, Entry>, root: Block): void {
    const section = sectionOf(block.kind)
    if (section === undefined || section === "basic" || !mayStandIn(section, outer)) {
      const known = INSIDE[outer]?.map((section) => section.slice(0, -1)) ?? []
      const hint = section === undefined ? didYouMean(block.kind, known) : undefined
      this.report("warning", block.head, path, `${block.kind} is ignored inside of ${path.join(".")}`, hint)
      return
    }
    if (block.name === undefined) {
      this.report("warning", block.span, path, `${block.kind} without a name is ignored`)
      return
    }
    if (outer === "locations" && section === "upstreams" && !entries.has("upstream")) {
      entries.set("upstream", { value: block.name, span: block.span })
    } else if (outer === "locations" && section === "plugins") append(entries, "plugins", block.name, block.span)
    else if (section === "locations") append(entries, "locations", block.name, block.span)
    this.item(block, section, [section, block.name], root)
  }

  private define(item: Lifted): void {
    const key = JSON.stringify(item.path)
    const other = this.items.get(key)
    const [section, name] = item.path
    if (other === undefined) this.items.set(key, item)
    else if (other.root !== item.root || name === undefined) {
      const what = name === undefined ? "duplicate basic" : `duplicate ${JSON.stringify(name)} in \`${section}\``
      this.report("error", item.span, item.path, what, `it is already defined in line ${other.span.line}`)
    } else {
      this.items.set(key, item)
      if (tomlOf(other) === tomlOf(item)) return
      const message = `${JSON.stringify(name)} is defined twice in this place, the later one counts`
      this.report("warning", item.span, item.path, message, `the other one is in line ${other.span.line}`)
    }
  }

  private report(severity: Severity, span: Span, path: Path, message: string, hint?: string): void {
    this.problems.push({ severity, span, path, message, ...(hint === undefined ? undefined : { hint }) })
  }
}

/** Adds a name to a list unless it is there. A value that is no list is left for decoding to report. */
export const append = (entries: Map<string, Entry>, key: string, name: string, span: Span): void => {
  const entry = entries.get(key)
  if (entry === undefined) entries.set(key, { value: [name], span, elements: [span] })
  else if (Array.isArray(entry.value) && !entry.value.includes(name)) {
    const { elements = entry.value.map(() => entry.span), value } = entry
    entries.set(key, { ...entry, value: [...value, name], elements: [...elements, span] })
  }
}

const ORDER: ReadonlyArray<Section> = [
  "basic",
  "servers",
  "upstreams",
  "locations",
  "plugins",
  "certificates",
  "storages"
] satisfies ReadonlyArray<NamedSection | "basic">

const format = (items: ReadonlyMap<string, Lifted>): string =>
  ORDER.flatMap((section) => [...items.values()].filter(({ path }) => path[0] === section).map(tomlOf)).join("\n")

const tomlOf = ({ entries, path }: Lifted): string => {
  const [section, name] = path
  const table = Object.assign(
    Object.create(null),
    Object.fromEntries(Array.from(entries, ([key, { value }]) => [key, value]))
  ) as TomlTable
  const named = name === undefined ? table : { [name]: table }
  return stringify({ [String(section)]: named })
}

const placesOf = ({ entries, path, span }: Lifted): ReadonlyArray<Placed> => {
  const placed: Array<Placed> = [{ path, span }]
  for (const [key, entry] of entries) {
    placed.push({ path: [...path, key], span: entry.span })
    for (const [index, span] of entry.elements?.entries() ?? []) placed.push({ path: [...path, key, index], span })
  }
  return placed
}
