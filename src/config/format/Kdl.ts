/**
 * KDL v2 as configuration, read only: nodes become items, their properties and children become keys. Spec: config 14.
 *
 * A key is a list when the schema says so, whatever number of values it has; in the reference a list of one value
 * becomes a scalar for most keys, which then fails to load or is dropped.
 */
import {
  type Document,
  getLocation,
  InvalidKdlError,
  type Entry as KdlEntry,
  type Node as KdlNode,
  parse
} from "@bgotink/kdl"
import type { RawDocument, Section, Table } from "../Draft.ts"
import {
  append,
  type Block,
  type Converted,
  convert,
  type Entry,
  isUnsafe,
  MAX_DEPTH,
  mayStandIn,
  type Problem,
  sectionOf,
  toValue,
  UNSAFE,
  unreadable,
  type Wording
} from "./Nested.ts"
import { Lines } from "./Places.ts"
import type { Span } from "./TomlPositions.ts"

/** The keys that are lists. */
export interface ListKeys {
  readonly sections: Readonly<Partial<Record<Section, ReadonlyArray<string>>>>
  /** By category of plugins, the keys inside of tables included. */
  readonly plugins: Readonly<Record<string, ReadonlyArray<string>>>
}

const WORDING: Wording = {
  unknown: (kind) => `unknown KDL node type: ${kind}`,
  unnamed: (kind) => `'${kind}' node requires a name as first argument`
}

/** Reads a KDL document. */
export const toToml = (document: RawDocument, lists: ListKeys): Converted => {
  const lines = new Lines(document.text)
  let parsed: Document
  try {
    parsed = parse(document.text, { storeLocations: true })
  } catch (cause) {
    return unreadable(document, syntaxProblems(cause, lines))
  }
  const reader = new Reader(lines, lists)
  const blocks = parsed.nodes.map((node) => reader.block(node, sectionOf(node.name.name)))
  return convert(document, blocks, WORDING, reader.problems)
}

class Reader {
  readonly problems: Array<Problem> = []
  private readonly lines: Lines
  private readonly lists: ListKeys

  constructor(lines: Lines, lists: ListKeys) {
    this.lines = lines
    this.lists = lists
  }

  /** A node that defines an item. */
  block(node: KdlNode, section: Section | undefined): Block {
    const values = node.getArgumentEntries()
    const nameEntry = section === "basic" ? undefined : values.shift()
    const name = nameEntry?.getValue()
    for (const entry of values) this.warn(this.spanOf(entry), "argument is ignored")
    const keys = new Keys(this, this.listsOf(section, node))
    const blocks: Array<Block> = []
    keys.properties(node)
    for (const child of node.children?.nodes ?? []) {
      const inner = sectionOf(child.name.name)
      if (section === undefined || inner === undefined || !mayStandIn(inner, section)) keys.child(child)
      else if (child.hasProperties() || child.children !== null) blocks.push(this.block(child, inner))
      else if (!this.refer(child, section, inner, keys)) keys.child(child)
    }
    return {
      kind: node.name.name,
      name: typeof name === "string" ? name : undefined,
      head: this.spanOf(node.name),
      span: this.spanOf(nameEntry ?? node.name),
      entries: keys.entries,
      blocks
    }
  }

  /** A node with arguments alone names items that stand elsewhere. */
  private refer(node: KdlNode, outer: Section, inner: Section, keys: Keys): boolean {
    for (const entry of node.getArgumentEntries()) if (typeof entry.value.value !== "string") return false
    const names = node.getArgumentEntries().map((entry) => [String(entry.value.value), this.spanOf(entry)] as const)
    if (outer === "servers" && inner !== "locations") return false
    if (inner !== "upstreams") {
      for (const [name, span] of names) append(keys.entries, inner, name, span)
    } else if (names[0] !== undefined && !keys.entries.has("upstream")) {
      keys.entries.set("upstream", { value: names[0][0], span: names[0][1] })
    }
    return true
  }

  private listsOf(section: Section | undefined, node: KdlNode): ReadonlySet<string> {
    if (section !== "plugins") return new Set(section === undefined ? [] : this.lists.sections[section])
    const category = node.getProperty("category") ?? node.children?.findNodeByName("category")?.getArgument(0)
    const known = typeof category === "string" && Object.hasOwn(this.lists.plugins, category)
    return new Set(known ? this.lists.plugins[category] : [])
  }

  spanOf(element: KdlEntry | KdlNode | KdlNode["name"]): Span {
    const place = getLocation(element)
    const start = place?.start.offset ?? 0
    // Blanks behind an argument count as part of it.
    return this.lines.span(start, start + this.lines.text.slice(start, place?.end.offset).trimEnd().length)
  }

  warn(span: Span, message: string): void {
    this.problems.push({ severity: "warning", span, path: [], message })
  }

  refuse(span: Span, message: string): undefined {
    this.problems.push({ severity: "error", span, path: [], message })
  }
}

/** The keys of one table. */
class Keys {
  readonly entries = new Map<string, Entry>()
  private readonly reader: Reader
  private readonly lists: ReadonlySet<string>
  private readonly depth: number

  constructor(reader: Reader, lists: ReadonlySet<string>, depth = 0) {
    this.reader = reader
    this.lists = lists
    this.depth = depth
  }

  /** Takes over the properties of a node. */
  properties(node: KdlNode): void {
    for (const entry of node.entries) {
      const name = entry.getName()
      if (name !== null) this.set(name, this.scalar(entry), this.reader.spanOf(entry))
    }
  }

  /** Takes over a child node as a key of its name. */
  child(node: KdlNode): void {
    const span = this.reader.spanOf(node.name)
    const values = node.getArgumentEntries()
    const key = node.name.name
    const value = values.length === 0 ? this.tables(node) : this.arguments(node)
    if (values.length === 0 && value === "" && this.lists.has(key)) this.add(key, { value: [], span })
    else
      this.set(
        key,
        value,
        span,
        values.map((value) => this.reader.spanOf(value))
      )
    const extra = values.length > 0 && (node.hasProperties() || node.hasChildren())
    if (extra) this.reader.warn(span, `only the arguments of ${key} count`)
  }

  private set(key: string, value: unknown, span: Span, elements?: ReadonlyArray<Span>): void {
    // Refused and reported.
    if (value === undefined) return
    if (isUnsafe(key)) {
      this.reader.refuse(span, UNSAFE)
      return
    }
    const list = Array.isArray(value) ? value : this.lists.has(key) ? [value] : undefined
    if (list === undefined) this.add(key, { value, span: elements?.[0] ?? span })
    else
      this.add(key, { value: list, span, elements: elements?.length === list.length ? elements : list.map(() => span) })
  }

  // A repeated list grows; of a repeated scalar the last counts.
  private add(key: string, entry: Entry): void {
    const before = this.entries.get(key)
    if (before !== undefined && Array.isArray(before.value)) {
      const values: ReadonlyArray<unknown> = Array.isArray(entry.value) ? entry.value : [entry.value]
      const spans = before.elements ?? before.value.map(() => before.span)
      const elements = [...spans, ...(entry.elements ?? values.map(() => entry.span))]
      this.entries.set(key, { value: [...before.value, ...values], span: before.span, elements })
      return
    }
    if (before !== undefined) this.reader.warn(entry.span, `${key} is given twice, the later one counts`)
    this.entries.set(key, entry)
  }

  /** The value of a node without arguments: a table, a list of tables from children `item`, or the empty text. */
  private tables(node: KdlNode): unknown {
    const children = node.children?.nodes ?? []
    if (children.length > 0 && !node.hasProperties() && children.every(({ name }) => name.name === "item")) {
      const items = children.map((item) => (item.hasArguments() ? this.arguments(item) : this.table(item)))
      return items.filter((item) => item !== undefined)
    }
    return children.length > 0 || node.hasProperties() || node.children !== null ? this.table(node) : ""
  }

  private arguments(node: KdlNode): unknown {
    const values = node.getArgumentEntries().map((entry) => this.scalar(entry))
    return values.length === 1 ? values[0] : values.filter((value) => value !== undefined)
  }

  private table(node: KdlNode): Table | undefined {
    if (this.depth === MAX_DEPTH) return this.reader.refuse(this.reader.spanOf(node.name), TOO_DEEP)
    const keys = new Keys(this.reader, this.lists, this.depth + 1)
    keys.properties(node)
    for (const child of node.children?.nodes ?? []) keys.child(child)
    const table: Table = Object.create(null)
    for (const [key, { value }] of keys.entries) table[key] = value
    return table
  }

  private scalar(entry: KdlEntry): unknown {
    const span = this.reader.spanOf(entry)
    // The parser takes what follows a hexadecimal number at once for a part of it, the end of its node too.
    const written = entry.value.representation ?? ""
    if (/^[+-]?0x/.test(written) && !/^[+-]?0x[\da-fA-F_]+$/.test(written)) {
      return this.reader.refuse(span, "a hexadecimal number needs a blank or a line end behind it")
    }
    return toValue(entry.getValue(), (message) => this.reader.refuse(span, message))
  }
}

const syntaxProblems = (cause: unknown, lines: Lines): ReadonlyArray<Problem> => {
  const details = cause instanceof InvalidKdlError ? [...cause.flat()] : []
  if (details.length === 0) details.push(new InvalidKdlError("text cannot be read as KDL"))
  // One character may be wrong in several ways.
  const first = new Map(details.reverse().map((detail) => [detail.start?.offset ?? 0, detail]))
  return Array.from(first, ([at, { end, message }]) => {
    return { severity: "error", span: lines.span(at, end?.offset ?? at), path: [], message: wordsOf(message) } as const
  }).reverse()
}

// What the parser quotes may be a secret; its place says which text is meant.
const wordsOf = (message: string): string => {
  if (message.includes("Maximum call stack")) return TOO_DEEP
  if (message.includes("unexpected error occurred")) return "text cannot be read as KDL"
  return message
    .replace(/ at \d+:\d+$/, "")
    .replace(
      /^((?:Invalid|Unexpected) (?:keyword|token|character|(?:number )?suffix)) (?:"(?:[^"\\]|\\.)*"|[^\s,]+)/,
      "$1"
    )
    .replace(/, write \S+ instead| but got .*/, "")
    .replace(/^[A-Z]/, (letter) => letter.toLowerCase())
}

const TOO_DEEP = "nodes are nested too deep"
