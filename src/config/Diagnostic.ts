/**
 * One finding about a configuration: what is wrong, where, what was expected, what was probably meant.
 *
 * {@link format} prints it like a compiler does, `file:line:column: severity: path: message`, with the line and a
 * caret. Text from the configuration is shown without control characters, and lines that may hold a secret are
 * masked, because diagnostics end up in logs and issue trackers.
 */
import { holdsSecretHeader, isSecretKey, maskText, maskUrls, starred } from "./SecretKeys.ts"

/** What is wrong, what is probably wrong, and what may be of interest. Only the first two can refuse anything. */
export type Severity = "error" | "warning" | "hint"

/** The line of text that a diagnostic is about. */
export interface Excerpt {
  readonly text: string
  /** Number of characters to underline, from the diagnostic's column. */
  readonly length: number
}

export interface Diagnostic {
  readonly severity: Severity
  readonly file: string
  /** Counts from 1; 0 when the finding is about the file as a whole. */
  readonly line: number
  readonly column: number
  /** Where it is in the document, `locations.root.upstream`; empty for syntax errors. */
  readonly path: string
  readonly message: string
  readonly expected?: string
  readonly hint?: string
  readonly excerpt?: Excerpt
}

/** A path as text: `locations.root.plugins[1]`, with quotes around names that TOML would quote. */
export const formatPath = (path: ReadonlyArray<string | number>): string => {
  let text = ""
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`
    else text += `${text === "" ? "" : "."}${/^[A-Za-z0-9_-]+$/.test(step) ? step : JSON.stringify(step)}`
  }
  return text
}

/** The printed form of one finding, several lines without a line end. */
export const format = (diagnostic: Diagnostic): string => {
  const { file, line, column, severity, path, message, expected, hint, excerpt } = diagnostic
  const place = line === 0 ? file : `${file}:${line}:${column}`
  const lines = [
    `${place === "" ? "" : `${place}: `}${severity}: ${path === "" ? "" : `${path}: `}${maskUrls(message)}`
  ]
  if (expected !== undefined) lines.push(`  expected: ${expected}`)
  if (hint !== undefined) lines.push(`  hint: ${hint}`)
  if (excerpt !== undefined && line > 0 && column <= excerpt.text.length + 1) {
    const gutter = String(line)
    const caret = "^".repeat(Math.max(1, Math.min(excerpt.length, excerpt.text.length - column + 1)))
    lines.push(`  ${gutter} | ${maskSecrets(excerpt.text, path, hint)}`)
    lines.push(`  ${" ".repeat(gutter.length)} | ${" ".repeat(column - 1)}${caret}`)
  }
  return lines.map(printable).join("\n")
}

/** The printed form of several findings with a closing count. `limit` keeps the list short, not the count. */
export const formatAll = (diagnostics: ReadonlyArray<Diagnostic>, limit: number = Number.POSITIVE_INFINITY): string => {
  const number = (wanted: Severity): number => diagnostics.filter(({ severity }) => severity === wanted).length
  const counts = (["error", "warning", "hint"] as const)
    .map((severity) => count(number(severity), severity))
    .filter((text) => text !== "")
  const groups = alike(diagnostics)
  const shown = groups.length > limit ? errorsFirst(groups).slice(0, limit) : groups
  const more = diagnostics.length - shown.reduce((sum, { length }) => sum + length, 0)
  return [
    ...shown.map(formatGroup),
    ...(more === 0 ? [] : [`and ${more} more`]),
    ...(counts.length === 0 ? [] : [counts.join(", ")])
  ].join("\n")
}

/** Findings that say the same about the same place. Never empty. */
type Group = readonly [Diagnostic, ...ReadonlyArray<Diagnostic>]

/** One group for each thing that is wrong: a mistake in an include is found in every item that has it. */
const alike = (diagnostics: ReadonlyArray<Diagnostic>): ReadonlyArray<Group> => {
  const groups = new Map<string, [Diagnostic, ...Array<Diagnostic>]>()
  for (const diagnostic of diagnostics) {
    const { column, expected, file, hint, line, message, path, severity } = diagnostic
    const key = path.slice(path.lastIndexOf(".") + 1)
    const id = [file, line, column, severity, key, message, expected, hint].join("\0")
    const group = groups.get(id)
    if (group === undefined) groups.set(id, [diagnostic])
    else group.push(diagnostic)
  }
  return [...groups.values()]
}

const formatGroup = ([first, ...others]: Group): string => {
  const [second] = others
  if (second === undefined) return format(first)
  const rest = others.length === 1 ? "" : ` and ${others.length - 1} more`
  return `${format(first)}\n${printable(`  the same goes for ${second.path}${rest}`)}`
}

const errorsFirst = (groups: ReadonlyArray<Group>): ReadonlyArray<Group> => [
  ...groups.filter(([{ severity }]) => severity === "error"),
  ...groups.filter(([{ severity }]) => severity !== "error")
]

const count = (number: number, noun: string): string =>
  number === 0 ? "" : `${number} ${noun}${number === 1 ? "" : "s"}`

/** By file, in the given order of files, then by place. */
export const sort = (diagnostics: ReadonlyArray<Diagnostic>, files: ReadonlyArray<string>): Array<Diagnostic> => {
  if (diagnostics.length === 0) return []
  const rank = new Map(files.map((file, index) => [file, index]))
  return [...diagnostics].sort(
    (a, b) => (rank.get(a.file) ?? -1) - (rank.get(b.file) ?? -1) || a.line - b.line || a.column - b.column
  )
}

// One terminal column per character, and nothing that a terminal would act on.
const printable = (text: string): string =>
  text.replaceAll("\t", " ").replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "\ufffd")

const HEADER = /^\s*\[\[?[\w\s."'-]+\]\]?\s*(?:#.*)?$/
const PART = /(?:[\w-]+|"[^"]*"|'[^']*')/.source
// Base64 ends in signs of its own, which are no assignment: nothing comes before or behind them.
const KEY = new RegExp(`^\\s*${PART}(?:\\s*\\.\\s*${PART})*(?:\\s+=|=(?=\\s*(?:[^\\s='"]|["'][^\\s'"])))`)
// Also those of inline tables, of HCL and KDL, but not the parameters of URLs.
const KEYS = new RegExp(`(?<![?&;\\w-])${PART}(?:\\s*[=:]|\\s+(?=["']))`, "g")
const MEANT = /^did you mean "(.+)"\?$/

// Keeps the length of the line, so that the caret still fits.
const maskSecrets = (text: string, path: string, hint = ""): string => {
  if (HEADER.test(text)) return text
  const key = KEY.exec(text)?.[0] ?? ""
  // Names of items are no reason to hide anything.
  const inner = path.split(".").slice(path.startsWith("basic.") ? 1 : 2)
  // A suggestion for an element of a list is no key.
  const meant = path.endsWith("]") ? "" : (MEANT.exec(hint)?.[1] ?? "")
  const names = [inner.join("."), meant, ...(text.match(KEYS) ?? [])]
  // Without a path and a key, nobody knows what the line is part of.
  const isSecret = (path === "" && key === "") || names.some(isSecretKey) || holdsSecretHeader(text)
  return isSecret ? key + starred(text.slice(key.length)) : maskText(text, starred)
}
