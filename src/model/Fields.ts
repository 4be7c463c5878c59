/**
 * Header fields of one message, kept as the text they have on the wire.
 *
 * A block is a run of `Name: value\r\n` lines, one latin1 character per byte. It is never split into an object per
 * field: reading is a scan, editing is a slice, forwarding an untouched block costs nothing. A message of HTTP/2 is
 * joined into the same form, so that no stage beyond a codec knows where a block came from.
 *
 * A block only ever holds checked names and values. Codecs check what arrives; {@link isName} and {@link isValue}
 * check what configuration, tokens and plugins add.
 */

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
// Latin1 bytes that may stand in a field value (RFC 9110 5.5). Text beyond U+00FF is refused, not encoded: a latin1
// write keeps the low byte of each character, so U+010A would become a line feed on the wire.
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** True for a field name (RFC 9110 5.1). */
export const isName = (name: string): boolean => TOKEN.test(name)

/** True for text that may be sent as a field value, without line ends, control bytes or characters beyond latin1. */
export const isValue = (value: string): boolean => VALUE.test(value)

const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade"
])

/**
 * True for a name (lower case) that frames a message or belongs to one connection: only a codec writes such a field,
 * never configuration or a plugin (RFC 9110 7.6.1, 8.6).
 */
export const isConnectionField = (lowerName: string): boolean => CONNECTION_FIELDS.has(lowerName)

/** Position of the line of `lowerName` at or after `from`, which must be the start of a line; -1 when there is none. */
export const indexOfField = (text: string, lowerName: string, from = 0): number => {
  const length = lowerName.length
  const end = text.length
  let start = from
  while (start < end) {
    if (text.charCodeAt(start + length) === 58 && sameName(text, start, lowerName)) return start
    const next = text.indexOf("\n", start)
    if (next === -1) return -1
    start = next + 1
  }
  return -1
}

const sameName = (text: string, start: number, lowerName: string): boolean => {
  for (let i = 0; i < lowerName.length; i++) {
    const code = text.charCodeAt(start + i)
    const expected = lowerName.charCodeAt(i)
    if (code !== expected && !(code >= 65 && code <= 90 && code + 32 === expected)) return false
  }
  return true
}

/** The value of the line that starts at `start` and whose name has `nameLength` characters, without outer blanks. */
export const valueAt = (text: string, start: number, nameLength: number): string => {
  let from = start + nameLength + 1
  let to = text.indexOf("\r", from)
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

const isBlank = (code: number): boolean => code === 32 || code === 9

/** An editable block of header fields. Names passed to its methods are lower case unless they are written out. */
export class Fields {
  /** The block as it goes on the wire, without the empty line that ends a head. */
  text: string

  constructor(text: string) {
    this.text = text
  }

  /** Builds a block from pairs whose names and values are already known to be valid. */
  static of(pairs: Iterable<readonly [name: string, value: string]>): Fields {
    let text = ""
    for (const [name, value] of pairs) text += `${name}: ${value}\r\n`
    return new Fields(text)
  }

  /** The first value of a field, or `undefined`. */
  get(lowerName: string): string | undefined {
    const at = indexOfField(this.text, lowerName)
    return at === -1 ? undefined : valueAt(this.text, at, lowerName.length)
  }

  /** Every value of a field, in order. */
  getAll(lowerName: string): Array<string> {
    const values: Array<string> = []
    let at = indexOfField(this.text, lowerName)
    while (at !== -1) {
      values.push(valueAt(this.text, at, lowerName.length))
      at = indexOfField(this.text, lowerName, this.text.indexOf("\n", at) + 1)
    }
    return values
  }

  has(lowerName: string): boolean {
    return indexOfField(this.text, lowerName) !== -1
  }

  /** Removes every line of a field and says whether there was one. */
  remove(lowerName: string): boolean {
    let at = indexOfField(this.text, lowerName)
    if (at === -1) return false
    while (at !== -1) {
      this.text = this.text.slice(0, at) + this.text.slice(this.text.indexOf("\n", at) + 1)
      at = indexOfField(this.text, lowerName, at)
    }
    return true
  }

  /** Adds a line. `name` is written as given. */
  append(name: string, value: string): void {
    this.text += `${name}: ${value}\r\n`
  }

  /** Replaces every line of a field by one. `name` is written as given. */
  set(name: string, value: string): void {
    this.remove(name.toLowerCase())
    this.text += `${name}: ${value}\r\n`
  }

  /** Calls `visit` for each field in order, the name as it stands on the wire. */
  forEach(visit: (name: string, value: string) => void): void {
    const text = this.text
    let start = 0
    while (start < text.length) {
      const colon = text.indexOf(":", start)
      if (colon === -1) return
      visit(text.slice(start, colon), valueAt(text, start, colon - start))
      start = text.indexOf("\n", colon) + 1
    }
  }

  /** The fields as pairs, names as they stand on the wire. */
  entries(): Array<[name: string, value: string]> {
    const pairs: Array<[string, string]> = []
    this.forEach((name, value) => {
      pairs.push([name, value])
    })
    return pairs
  }

  clone(): Fields {
    return new Fields(this.text)
  }
}
