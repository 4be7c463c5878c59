/**
 * From the path of a request to a path below the served directory, as binary text (one character per byte), so that
 * names which are no UTF-8 work too. Pure; nothing here looks at the disk.
 *
 * The path is split at the slashes it has on the wire and each segment is decoded once: an encoded slash, a NUL or a
 * doubly encoded dot can therefore never separate or climb (hardening 6, 10).
 */

/** A place below the root. */
export interface Target {
  /** Decoded segments joined by `/`, without a leading one; empty for the root itself. */
  readonly path: string
  /** The request named a directory: its path ends in a slash. */
  readonly directory: boolean
}

/** The path climbs above the root. */
export const OUTSIDE: unique symbol = Symbol("outside")
/** No file can be meant, or one that is not shown. */
export const MISSING: unique symbol = Symbol("missing")

/**
 * The place that a request path names. Names that begin with a dot are {@link MISSING} unless `dotFiles`; the
 * top-level `.well-known` (RFC 8615) is always shown.
 */
export const resolve = (path: string, dotFiles: boolean): Target | typeof OUTSIDE | typeof MISSING => {
  const segments: Array<string> = []
  let from = path.charCodeAt(0) === SLASH ? 1 : 0
  for (;;) {
    const slash = path.indexOf("/", from)
    const segment = decode(slash === -1 ? path.slice(from) : path.slice(from, slash))
    const last = slash === -1
    if (segment === "" || segment === ".") {
      if (last) return { path: segments.join("/"), directory: true }
    } else if (segment === "..") {
      if (segments.length === 0) return OUTSIDE
      segments.pop()
      if (last) return { path: segments.join("/"), directory: true }
    } else {
      if (FORBIDDEN.test(segment)) return MISSING
      if (segment.charCodeAt(0) === DOT && !dotFiles && !(segments.length === 0 && segment === ".well-known")) {
        return MISSING
      }
      segments.push(segment)
      if (last) return { path: segments.join("/"), directory: false }
    }
    from = slash + 1
  }
}

const SLASH = 47
const DOT = 46
// Where `\` separates and `:` names a stream or a drive, neither may come from a request.
const FORBIDDEN = process.platform === "win32" ? /[/\\:\0]/ : /[/\0]/

const ESCAPE = /%([0-9a-fA-F]{2})/g

/** Decodes `%XX` once. What is no escape stays as it is. */
export const decode = (segment: string): string =>
  segment.includes("%")
    ? segment.replace(ESCAPE, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    : segment

/** True when `path` is `root` or lies below it, by segment. Both are absolute and normal. */
export const isInside = (root: string, path: string): boolean =>
  path === root || path.startsWith(root.endsWith("/") ? root : `${root}/`)

/** True when a real path below `root` goes through a name that begins with a dot. */
export const isHidden = (root: string, path: string): boolean => path.indexOf("/.", root.length) !== -1

const UNSAFE = /[^A-Za-z0-9\-._~!$&'()*+,;=:@%/]/g
const UNSAFE_QUERY = /[^A-Za-z0-9\-._~!$&'()*+,;=:@%/?]/g
const UNSAFE_NAME = /[^A-Za-z0-9\-._~]/g

const percent = (char: string): string => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`

/** A request path with everything encoded that RFC 3986 does not allow in a path; escapes stay. */
export const encodePath = (path: string): string => path.replace(UNSAFE, percent)

/** A query with everything encoded that RFC 3986 does not allow in one; escapes stay. */
export const encodeQuery = (query: string): string => query.replace(UNSAFE_QUERY, percent)

/** One decoded name as a path segment that can stand anywhere in a URL or an attribute. */
export const encodeName = (name: string): string => name.replace(UNSAFE_NAME, percent)
