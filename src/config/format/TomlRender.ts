/**
 * TOML text for values, in the style in which people write configuration: short lists on one line, long ones with an
 * element per line, texts of several lines as such, sub-tables below their table.
 *
 * Keys and scalars are those of `smol-toml`. What TOML cannot say is a {@link NotToml}.
 */
import { stringify } from "smol-toml"
import { MAX_DEPTH } from "./Toml.ts"

/** A TOML table. */
export type Table = Readonly<Record<string, unknown>>

/** Why a value is none of TOML's. */
export class NotToml {
  readonly _tag = "NotToml"
  /** Keys that lead to it. */
  readonly path: ReadonlyArray<string | number>
  readonly message: string

  constructor(path: ReadonlyArray<string | number>, message: string) {
    this.path = path
    this.message = message
  }
}

/** How text is laid out. */
export interface Style {
  readonly lineEnd: "\n" | "\r\n"
}

/** The style of an existing text. */
export const styleOf = (text: string): Style => ({ lineEnd: text.includes("\r\n") ? "\r\n" : "\n" })

export const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)

/** A copy of a table without the keys that have no value, `null` or `undefined`. */
export const clean = (value: Table): Table | NotToml => {
  const cleaned = copy(value, [])
  return cleaned instanceof NotToml || isTable(cleaned) ? cleaned : new NotToml([], "is not a table")
}

const copy = (value: unknown, path: ReadonlyArray<string | number>): unknown => {
  if (path.length > MAX_DEPTH) return new NotToml([], `tables are nested deeper than ${MAX_DEPTH} levels`)
  if (Array.isArray(value)) {
    const list: Array<unknown> = []
    for (const [index, inner] of value.entries()) {
      const copied = copy(inner, [...path, index])
      if (copied instanceof NotToml) return copied
      list.push(copied)
    }
    return list
  }
  if (isTable(value)) {
    const table: Record<string, unknown> = Object.create(null)
    for (const [key, inner] of Object.entries(value)) {
      if (inner === null || inner === undefined) continue
      if (key === "__proto__" || key === "constructor") return new NotToml([...path, key], "is not allowed as a key")
      const copied = copy(inner, [...path, key])
      if (copied instanceof NotToml) return copied
      table[key] = copied
    }
    return table
  }
  if (typeof value === "string") return value.isWellFormed() ? value : new NotToml(path, "is not valid Unicode")
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 1e21) {
    return new NotToml(path, "is an integer that is too large to be exact")
  }
  if (typeof value === "number" || typeof value === "boolean" || value instanceof Date) return value
  return new NotToml(path, value === null || value === undefined ? "has no value" : "is no TOML value")
}

/** Whether two values are the same configuration: the order of keys does not matter. */
export const isSame = (a: unknown, b: unknown): boolean => {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true
  if (a instanceof Date || b instanceof Date) {
    return a instanceof Date && b instanceof Date && scalar(a) === scalar(b)
  }
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((inner, index) => isSame(inner, b[index]))
  }
  if (!isTable(a) || !isTable(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isSame(a[key], b[key]))
}

/** A key, dotted when the path has several names. */
export const key = (path: ReadonlyArray<string>): string =>
  path.map((name) => (/^[A-Za-z0-9_-]+$/.test(name) ? name : scalar(name))).join(".")

/** A table with its header and everything below it, ending with a line end. */
export const table = (path: ReadonlyArray<string>, content: Table, style: Style): string => {
  const blocks: Array<string> = []
  collect(blocks, path, content, `[${key(path)}]`, style)
  return blocks.join(style.lineEnd)
}

const collect = (
  blocks: Array<string>,
  path: ReadonlyArray<string>,
  content: Table,
  header: string,
  style: Style
): void => {
  const lines = [header]
  const inner: Array<readonly [path: ReadonlyArray<string>, value: Table, isElement: boolean]> = []
  for (const [name, value] of Object.entries(content)) {
    const below = [...path, name]
    if (isTable(value)) inner.push([below, value, false])
    else if (isListOfTables(value)) for (const element of value) inner.push([below, element, true])
    else lines.push(`${key([name])} = ${format(value, style)}`)
  }
  // A table that only holds tables needs no header of its own.
  if (lines.length > 1 || inner.length === 0 || header.startsWith("[[")) {
    blocks.push(lines.join(style.lineEnd) + style.lineEnd)
  }
  for (const [below, value, isElement] of inner) {
    collect(blocks, below, value, isElement ? `[[${key(below)}]]` : `[${key(below)}]`, style)
  }
}

const isListOfTables = (value: unknown): value is ReadonlyArray<Table> =>
  Array.isArray(value) && value.length > 0 && value.every(isTable)

/** A value as it stands behind `key =`. */
export const format = (value: unknown, style: Style): string => {
  if (typeof value === "string" && value.includes("\n")) return multiline(value, style)
  if (!Array.isArray(value) || value.length < 2) return inline(value)
  const onOneLine = inline(value)
  if (onOneLine.length <= MAX_LIST_COLUMNS) return onOneLine
  const { lineEnd } = style
  return `[${lineEnd}${value.map((element) => `  ${inline(element)},${lineEnd}`).join("")}]`
}

/** A value on one line. */
export const inline = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`
  if (!isTable(value)) return scalar(value)
  const pairs = Object.entries(value).map(([name, inner]) => `${key([name])} = ${inline(inner)}`)
  return pairs.length === 0 ? "{}" : `{ ${pairs.join(", ")} }`
}

const PREFIX = "x = "

const scalar = (value: unknown): string => stringify({ x: value }).slice(PREFIX.length, -1)

// Line ends inside a string are part of it: a file with CR LF would change them, so it gets escapes.
const multiline = (value: string, style: Style): string => {
  if (style.lineEnd === "\r\n" || /[\x00-\x08\x0b-\x1f\x7f]/.test(value)) return scalar(value)
  if (!value.includes("'''") && !value.endsWith("'")) return `'''\n${value}'''`
  const escaped = value.replaceAll("\\", "\\\\").replaceAll('"""', '""\\"').replace(/"$/, '\\"')
  return `"""\n${escaped}"""`
}

const MAX_LIST_COLUMNS = 80
