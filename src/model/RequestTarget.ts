/**
 * The path of a request in the one form that rules are matched against. Hardening 6; RFC 3986 6.2.2.
 *
 * Two spellings of one path must not meet two different rules: escaped unreserved characters are decoded (once), hex
 * digits of the remaining escapes are upper case, runs of slashes are one slash, dot segments and segments of nothing
 * but parameters are removed. Escaped reserved bytes (`%2F`, `%5C`, `%00`) stay escaped, so they never become a
 * separator here. A backslash is escaped as well, because readers of URLs (WHATWG, Windows) take it for a slash.
 * Nothing is an error: a `%` that begins no escape is the escape of itself.
 */

/** False when {@link normalizePath} would certainly return its argument. */
export const needsNormalizing = (path: string): boolean =>
  path.includes("/.") || path.includes("%") || path.includes("//") || path.includes("/;") || hasBackslash(path)

/**
 * The normal form of a path. Applying it again changes nothing, and the result never leads above the root. Text that
 * does not begin with `/` (the `*` of OPTIONS) is returned as it is.
 */
export const normalizePath = (path: string): string => {
  if (path.charCodeAt(0) !== SLASH) return path
  const decoded = escapeBackslashes(normalizeEscapes(path))
  return decoded.includes("/.") || decoded.includes("//") || decoded.includes("/;") ? resolveSegments(decoded) : decoded
}

/**
 * True when a path holds a `.` or `..` segment in any spelling, parameters (`..;x`) included. Programs disagree about
 * what such a path leads to, so it must not be forwarded as it is.
 */
export const hasDotSegments = (path: string): boolean => DOT_SEGMENT.test(path)

/**
 * True when a `.` or `..` borders on an escaped separator (`/c/..%2fdeny`). Readers that unescape before they resolve
 * dot segments see another path than readers that do not: there is no form of it that means the same to both.
 */
export const hasAmbiguousDots = (path: string): boolean => AMBIGUOUS_DOTS.test(path)

const AMBIGUOUS_DOTS = /(?:^|\/|%2f|%5c)\.\.?(?:;[^/]*)?%(?:2f|5c)|%(?:2f|5c)\.\.?(?:;|\/|%2f|%5c|$)/i

/** True when a path holds a raw backslash, which others may read as a slash: it must not be forwarded as it is. */
export const hasBackslash = (path: string): boolean => path.includes("\\")

/** Writes every backslash as its escape, which is no separator to anybody. */
export const escapeBackslashes = (path: string): string => path.replaceAll("\\", "%5C")

/** Decodes escaped unreserved characters and writes all other escapes with upper-case digits. */
export const normalizeEscapes = (path: string): string => {
  let percent = path.indexOf("%")
  if (percent === -1) return path
  let out = ""
  let copied = 0
  while (percent !== -1) {
    const byte = hexByte(path, percent + 1)
    out += path.slice(copied, percent)
    if (byte === -1) {
      out += "%25"
      copied = percent + 1
    } else {
      out += isUnreserved(byte) ? String.fromCharCode(byte) : ESCAPES[byte]!
      copied = percent + 3
    }
    percent = path.indexOf("%", copied)
  }
  return out + path.slice(copied)
}

/**
 * The text with everything escaped that may not stand in a path or query as it is: blanks, control characters, and
 * the UTF-8 bytes of what is beyond ASCII. Existing escapes and delimiters are kept.
 */
export const encode = (text: string): string =>
  text.replace(/[^\x21-\x7e]+/gu, (run) => {
    let out = ""
    for (const byte of new TextEncoder().encode(run)) out += ESCAPES[byte]
    return out
  })

const DOT = 46
const SLASH = 47
const SEMICOLON = 59
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:[/;]|$)/i

const ESCAPES: ReadonlyArray<string> = Array.from(
  { length: 256 },
  (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`
)

const hexByte = (text: string, at: number): number => {
  const high = hexDigit(text.charCodeAt(at))
  const low = hexDigit(text.charCodeAt(at + 1))
  return high === -1 || low === -1 ? -1 : high * 16 + low
}

const hexDigit = (code: number): number =>
  code >= 48 && code <= 57
    ? code - 48
    : code >= 65 && code <= 70
      ? code - 55
      : code >= 97 && code <= 102
        ? code - 87
        : -1

/** RFC 3986 2.3. */
const isUnreserved = (code: number): boolean =>
  (code >= 97 && code <= 122) ||
  (code >= 65 && code <= 90) ||
  (code >= 48 && code <= 57) ||
  code === 45 ||
  code === 46 ||
  code === 95 ||
  code === 126

const resolveSegments = (path: string): string => {
  const kept: Array<string> = []
  const segments = path.split("/")
  let directory = false
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i]!
    directory = true
    if (segment === "") continue
    // Servlet containers drop `;parameters` before they look at a segment: `/;x/y` is `//y` to them.
    if (segment.charCodeAt(0) === SEMICOLON && i < segments.length - 1) continue
    if (segment.charCodeAt(0) === DOT) {
      const semicolon = segment.indexOf(";")
      const name = semicolon === -1 ? segment : segment.slice(0, semicolon)
      if (name === ".") continue
      if (name === "..") {
        kept.pop()
        continue
      }
    }
    kept.push(segment)
    directory = false
  }
  const normal = `/${kept.join("/")}`
  return directory && kept.length > 0 ? `${normal}/` : normal
}
