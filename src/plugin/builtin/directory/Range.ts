/**
 * The `Range` field of a request for one representation. RFC 9110 14; spec: plugin-vectors 10 (DR1–DR8).
 *
 * One range is served at most: of a list the first that can be satisfied. A field that is not valid is ignored, and so
 * is one in another unit, as the RFC demands; the reference answers 416.
 */

/** Byte positions, both included. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/** Valid, but no range of it lies in the representation: 416. */
export const UNSATISFIABLE: unique symbol = Symbol("unsatisfiable")

const LIST = /^bytes=(.*)$/i
const SPEC = /^[ \t]*(?:(\d+)-(\d*)|-(\d+))?[ \t]*$/

/** The range to send of `size` bytes, `null` for the whole, or {@link UNSATISFIABLE}. */
export const parse = (value: string, size: number): ByteRange | null | typeof UNSATISFIABLE => {
  const list = LIST.exec(value)?.[1]
  if (list === undefined) return null
  let found: ByteRange | null = null
  let seen = false
  for (const part of list.split(",")) {
    const spec = SPEC.exec(part)
    if (spec === null) return null
    const [, from, to, suffix] = spec
    // Empty list elements are allowed and mean nothing (RFC 9110 5.6.1).
    if (from === undefined && suffix === undefined) continue
    seen = true
    const range = from === undefined ? suffixRange(Number(suffix), size) : bounded(Number(from), to ?? "", size)
    if (range === null) return null
    if (range !== UNSATISFIABLE) found ??= range
  }
  return found ?? (seen ? UNSATISFIABLE : null)
}

const bounded = (first: number, to: string, size: number): ByteRange | null | typeof UNSATISFIABLE => {
  const last = to === "" ? size - 1 : Number(to)
  if (to !== "" && last < first) return null
  return first >= size ? UNSATISFIABLE : { first, last: Math.min(last, size - 1) }
}

// `-0` asks for nothing. An empty representation has no position that a Content-Range could name.
const suffixRange = (length: number, size: number): ByteRange | null | typeof UNSATISFIABLE =>
  length === 0 ? UNSATISFIABLE : size === 0 ? null : { first: Math.max(0, size - length), last: size - 1 }
