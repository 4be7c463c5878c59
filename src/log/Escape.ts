/**
 * Makes text safe to stand in one line of a log: nothing a client sends can end a line, close a quoted field or move a
 * terminal's cursor. Hardening 10.
 *
 * Values of the wire hold one byte per character and are written as nginx writes them: whatever is not printable ASCII,
 * and the double quote and the backslash, become `\xNN`, so that a line is plain ASCII and every value can be read back.
 */

const NOT_PRINTABLE = /[^ -~]/
const DISTURBING = /[\x00-\x1f"\\\x7f-\x9f\u2028\u2029]/g

/** A value from the wire. Text beyond latin1, which only hooks can bring in, is written as its UTF-8 bytes. */
export const wire = (value: string): string =>
  // One pass of a class that compiles to a range check; quote and backslash are cheaper to find by themselves.
  NOT_PRINTABLE.test(value) || value.indexOf('"') !== -1 || value.indexOf("\\") !== -1 ? escapeWire(value) : value

/** A name from the configuration: it keeps its letters, in whatever script, and loses its power over the line. */
export const name = (text: string): string =>
  NOT_PRINTABLE.test(text) ? text.replace(DISTURBING, escapeWire) : wire(text)

/** Literal text of a format. It may hold what the operator likes, but one line stays one line. */
export const literal = (text: string): string => text.replace(/[\r\n\x00\u2028\u2029]+/g, " ")

/** A message of the application log: readable escapes for what would break or disturb the line. */
export const message = (text: string): string => (NOT_PRINTABLE.test(text) ? text.replace(UNREADABLE, readable) : text)

// Bidirectional controls included: they make a line show in another order than it has.
const UNREADABLE = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** A JSON text that must stay one line on every terminal: only inside of strings can there be anything to escape. */
export const json = (text: string): string =>
  NOT_PRINTABLE.test(text)
    ? text.replace(UNREADABLE, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`)
    : text

const readable = (found: string): string => {
  if (found === "\n") return "\\n"
  if (found === "\r") return "\\r"
  if (found === "\t") return "\\t"
  const code = found.charCodeAt(0)
  return code < 256 ? hexByte(code) : `\\u${code.toString(16).padStart(4, "0")}`
}

const hexByte = (code: number): string => `\\x${code < 16 ? "0" : ""}${code.toString(16)}`

const escapeWire = (value: string): string => {
  const bytes = BEYOND_LATIN1.test(value) ? Buffer.from(value, "utf8").toString("latin1") : value
  let safe = ""
  let from = 0
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes.charCodeAt(i)
    if (code >= 32 && code <= 126 && code !== 34 && code !== 92) continue
    safe += bytes.slice(from, i) + hexByte(code)
    from = i + 1
  }
  return safe + bytes.slice(from)
}

const BEYOND_LATIN1 = /[^\x00-\xff]/
