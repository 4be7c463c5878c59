/**
 * One finding about a configuration: what is wrong, where, what was expected, what was probably meant.
 *
 * {@link format} prints it like a compiler does, `file:line:column: severity: path: message`, with the line and a
 * caret. Text from the configuration is shown without control characters, and lines that may hold a secret are
 * masked, because diagnostics end up in logs and issue trackers.
 */

export type Severity = "error" | "warning"

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
  const lines = [`${place === "" ? "" : `${place}: `}${severity}: ${path === "" ? "" : `${path}: `}${message}`]
  if (expected !== undefined) lines.push(`  expected: ${expected}`)
  if (hint !== undefined) lines.push(`  hint: ${hint}`)
  if (excerpt !== undefined && line > 0 && column <= excerpt.text.length + 1) {
    const gutter = String(line)
    const caret = "^".repeat(Math.max(1, Math.min(excerpt.length, excerpt.text.length - column + 1)))
    lines.push(`  ${gutter} | ${maskSecrets(excerpt.text, path)}`)
    lines.push(`  ${" ".repeat(gutter.length)} | ${" ".repeat(column - 1)}${caret}`)
  }
  return lines.map(printable).join("\n")
}

/** The printed form of several findings with a closing count. */
export const formatAll = (diagnostics: ReadonlyArray<Diagnostic>): string => {
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === "error").length
  const warnings = diagnostics.length - errors
  const counts = [count(errors, "error"), count(warnings, "warning")].filter((text) => text !== "")
  return [...diagnostics.map(format), ...(counts.length === 0 ? [] : [counts.join(", ")])].join("\n")
}

const count = (number: number, noun: string): string =>
  number === 0 ? "" : `${number} ${noun}${number === 1 ? "" : "s"}`

/** By file, in the given order of files, then by place. */
export const sort = (diagnostics: ReadonlyArray<Diagnostic>, files: ReadonlyArray<string>): Array<Diagnostic> => {
  const rank = new Map(files.map((file, index) => [file, index]))
  return [...diagnostics].sort(
    (a, b) => (rank.get(a.file) ?? -1) - (rank.get(b.file) ?? -1) || a.line - b.line || a.column - b.column
  )
}

// One terminal column per character, and nothing that a terminal would act on.
const printable = (text: string): string =>
  text.replaceAll("\t", " ").replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "\ufffd")

const SECRET = /secret|passw|token|auth|credential|(?:_|\b)keys?\b|sentry|dsn|\bwebhook\b|service_url|\bvalue\b/i
const HEADER = /^\s*\[\[?[\w\s.-]+\]/
const KEY = /^(?:[\w\s.-]|"[^"]*"|'[^']*')*=/

// A header with a telling name, in a list under any key.
const SECRET_HEADER = /["'][\w-]*(?:secret|passw|token|auth|cookie|credential|key)[\w-]*[\s:]/i

// Keeps the length of the line, so that the caret still fits.
const maskSecrets = (text: string, path: string): string => {
  if (HEADER.test(text)) return text
  const key = KEY.exec(text)?.[0] ?? ""
  // Names of items are no reason to hide anything.
  const inner = path.split(".").slice(path.startsWith("basic.") ? 1 : 2)
  // Without a path and a key, nobody knows what the line is part of.
  const unknown = path === "" && key === ""
  const isSecret = unknown || SECRET.test(inner.join(".")) || SECRET.test(key) || SECRET_HEADER.test(text)
  if (!isSecret) return text
  return key + text.slice(key.length).replace(/[^\s=[\]{},"']/g, "*")
}
