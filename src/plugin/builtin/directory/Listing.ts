/**
 * The page that lists a directory. Spec: plugins 6.9, hardening 10.
 *
 * Names come from whoever may write to the directory: in links every byte that is not unreserved is percent-encoded,
 * in text everything that HTML could read as markup is escaped, and the page's policy allows no script at all.
 */
import * as ByteSize from "../../../model/ByteSize.ts"
import { encodeName } from "./Target.ts"

/** One line of a listing. */
export interface Entry {
  /** Name as binary text. */
  readonly name: string
  readonly directory: boolean
  /** Bytes; files only. */
  readonly size: number
  /** Milliseconds since the epoch; files only. */
  readonly modified: number
}

/** Lines of one page; a directory may hold more, which the page says. */
export const MAX_ENTRIES = 10_000

/** What the page may do: style itself. */
export const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

const CONTROL = /[\x00-\x1f\x7f-\x9f]/g
const MARKUP = /[&<>"']/g
const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

/** Binary text as HTML text: decoded from UTF-8, control characters replaced, markup escaped. */
export const escapeHtml = (binary: string): string =>
  Buffer.from(binary, "latin1")
    .toString("utf8")
    .replace(CONTROL, "\ufffd")
    .replace(MARKUP, (char) => ENTITIES[char]!)

/** `YYYY-MM-DD HH:MM:SS UTC`; empty for what a file system may hold but a calendar does not. */
export const formatTime = (millis: number): string =>
  Math.abs(millis) <= MAX_MILLIS ? `${new Date(millis).toISOString().slice(0, -5).replace("T", " ")} UTC` : ""

const MAX_MILLIS = 8.64e15

const STYLE =
  "body{font:14px/1.6 system-ui,sans-serif;margin:2em}table{border-collapse:collapse}" +
  "th,td{text-align:left;padding:.2em 2em .2em 0}td+td{white-space:nowrap;font-variant-numeric:tabular-nums}"

/**
 * The page for the directory `path` (below the root, empty for the root itself). `entries` are in order; `omitted` is
 * how many more there are.
 */
export const render = (path: string, entries: ReadonlyArray<Entry>, omitted: number): string => {
  const title = `Index of ${escapeHtml(path === "" ? "/" : `/${path}/`)}`
  const rows = entries.map(row)
  if (path !== "") rows.unshift(`<tr><td><a href="../">../</a></td><td></td><td></td></tr>`)
  const more = omitted === 0 ? "" : `<p>${omitted} more entries are not shown.</p>\n`
  return `<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${title}</h1>
<table>
<thead><tr><th>File Name</th><th>Size</th><th>Last Modified</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody>
</table>
${more}</body>
</html>
`
}

const row = (entry: Entry): string => {
  const slash = entry.directory ? "/" : ""
  const link = `<a href="./${encodeName(entry.name)}${slash}">${escapeHtml(entry.name)}${slash}</a>`
  return entry.directory
    ? `<tr><td>${link}</td><td></td><td></td></tr>`
    : `<tr><td>${link}</td><td>${ByteSize.iec(entry.size)}</td><td>${formatTime(entry.modified)}</td></tr>`
}
