/** Character classes of HTTP/1 messages as lookup tables, and comparisons of raw names. One character is one byte. */

const table = (allowed: (code: number) => boolean): Uint8Array => {
  const classes = new Uint8Array(256)
  for (let code = 0; code < 256; code++) if (allowed(code)) classes[code] = 1
  return classes
}

const isAlphanumeric = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122)

/** `tchar` (RFC 9110 5.6.2): bytes of methods and field names. */
export const TOKEN: Uint8Array = table(
  (code) => isAlphanumeric(code) || "!#$%&'*+-.^_`|~".includes(String.fromCharCode(code))
)

/** Bytes of field values: visible, blank, tab, obs-text (RFC 9110 5.5). */
export const VALUE: Uint8Array = table((code) => code === 9 || (code >= 32 && code !== 127))

/** Bytes of a request target: anything but controls, blank and DEL. `#` is refused where targets are parsed. */
export const TARGET: Uint8Array = table((code) => code > 32 && code !== 127)

/** Bytes of a registered name (RFC 3986 3.2.2) without the comma, which separates lists elsewhere. */
export const REG_NAME: Uint8Array = table(
  (code) => isAlphanumeric(code) || "-._~%!$&'()*+;=".includes(String.fromCharCode(code))
)

/** Value of a hexadecimal digit, 255 for other bytes. */
export const HEX: Uint8Array = (() => {
  const values = new Uint8Array(256).fill(255)
  for (let digit = 0; digit < 16; digit++) {
    values["0123456789abcdef".charCodeAt(digit)] = digit
    values["0123456789ABCDEF".charCodeAt(digit)] = digit
  }
  return values
})()

/** True when the name at `start` is `lowerName` in any case. The caller knows that the lengths are equal. */
export const nameIs = (text: string, start: number, lowerName: string): boolean => {
  for (let i = 0; i < lowerName.length; i++) {
    const code = text.charCodeAt(start + i)
    const expected = lowerName.charCodeAt(i)
    if (code !== expected && !(code >= 65 && code <= 90 && code + 32 === expected)) return false
  }
  return true
}

/** A `Content-Length` value: 1 to 15 digits and nothing else, else -1. */
export const parseLength = (value: string): number => {
  const digits = value.length
  if (digits === 0 || digits > 15) return -1
  let length = 0
  for (let i = 0; i < digits; i++) {
    const digit = value.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) return -1
    length = length * 10 + digit
  }
  return length
}
