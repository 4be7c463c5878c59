/**
 * TOML text as a plain object, together with the place of every key in the text.
 *
 * The values come from `smol-toml`, which keeps no positions; the places come from a second pass over text that is
 * already known to be valid. Whatever the text is, {@link parse} returns: a syntax error, a key that could reach an
 * object's prototype, a NUL or a nesting beyond {@link MAX_DEPTH} is a {@link TomlError} with line and column.
 */
import { parse as parseToml, TomlError as TomlSyntaxError, type TomlTable } from "smol-toml"
import { findTooDeep, Positions } from "./TomlPositions.ts"

/** Levels of tables and arrays that a document may have. Configuration needs five. */
export const MAX_DEPTH = 64

/** Why a text is not a document, and where. Lines and columns count from 1. */
export class TomlError {
  readonly _tag = "TomlError"
  readonly message: string
  readonly line: number
  readonly column: number

  constructor(message: string, line: number, column: number) {
    this.message = message
    this.line = line
    this.column = column
  }
}

/** A parsed text. Tables have no prototype. */
export interface TomlDocument {
  readonly _tag: "TomlDocument"
  readonly value: TomlTable
  readonly positions: Positions
}

/** Reads a TOML text. */
export const parse = (text: string): TomlDocument | TomlError => {
  let value: TomlTable
  try {
    value = parseToml(text, { maxDepth: MAX_DEPTH, unsafeKeyBehaviour: "throw" })
  } catch (cause) {
    if (!(cause instanceof TomlSyntaxError)) return new TomlError("text cannot be read as TOML", 1, 1)
    const { column, line } = placeOf(cause, text)
    return new TomlError(messageOf(cause, text), line, column)
  }
  if (!deeperThan(MAX_DEPTH, value)) return { _tag: "TomlDocument", value, positions: Positions.of(text) }
  const { line, column } = findTooDeep(text, MAX_DEPTH)
  return new TomlError(NESTED, line, column)
}

// Headers and dotted keys nest without the parser's limit. The recursion ends at the limit itself.
const deeperThan = (depth: number, value: unknown): boolean => {
  if (typeof value !== "object" || value === null || value instanceof Date) return false
  if (depth === 0) return true
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    if (deeperThan(depth - 1, inner)) return true
  }
  return false
}

const NESTED = `tables are nested deeper than ${MAX_DEPTH} levels`

// A list that is not closed is noticed where the next line does not go on with it. What is missing is missing behind
// the last element.
const placeOf = (error: TomlSyntaxError, text: string): { readonly line: number; readonly column: number } => {
  const lines = text.split("\n", error.line)
  const isNoticedLate =
    error.message.includes("expected comma or end of structure") &&
    (lines[error.line - 1] ?? "").slice(0, error.column - 1).trim() === ""
  let line = error.line - 1
  while (line > 0 && /^\s*(?:#.*)?$/.test(lines[line - 1]!)) line--
  return isNoticedLate && line > 0 ? { line, column: Math.max(1, lines[line - 1]!.trimEnd().length) } : error
}

// The library's message is `Invalid TOML document: <what>` followed by an excerpt, which diagnostics draw themselves.
const messageOf = (error: TomlSyntaxError, text: string): string => {
  const what = error.message.split("\n", 1)[0]!.replace("Invalid TOML document: ", "")
  if (what.includes("unsafe property")) return "the keys __proto__ and constructor are not allowed"
  if (what.includes("excessively nested")) return NESTED
  if (!what.includes("control characters are not allowed in strings")) return what
  const line = text.split("\n", error.line)[error.line - 1] ?? ""
  return line.replace(/\r$/, "").length < error.column ? "string is not closed on its line" : what
}
