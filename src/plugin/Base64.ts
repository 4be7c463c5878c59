/**
 * Checks standard padded base64 (RFC 4648 4) and says what is wrong with it in the words of the reference, which users
 * find in their logs. Spec: plugins 1.4.
 */

/** Why `text` is not canonical padded base64, or `undefined` when it is. */
export const problemOf = (text: string): string | undefined => {
  const bytes = new TextEncoder().encode(text)
  // The last group, complete or not, is the only one in which padding may stand.
  const tail = bytes.length === 0 ? 0 : (Math.ceil(bytes.length / 4) - 1) * 4
  const last = bytes.length - 1
  if (bytes.length % 4 === 1 && bytes[last] !== PAD && sextet(bytes[last]!) === -1) return symbol(bytes[last]!, last)
  for (let i = 0; i < tail; i++) if (sextet(bytes[i]!) === -1) return symbol(bytes[i]!, i)
  let symbols = 0
  let padding = 0
  for (let i = tail; i < bytes.length; i++) {
    const byte = bytes[i]!
    if (byte === PAD) {
      if (i - tail < 2) return symbol(PAD, i)
      padding++
    } else if (padding > 0) {
      return symbol(PAD, i - padding)
    } else if (sextet(byte) === -1) {
      return symbol(byte, i)
    } else {
      symbols++
    }
  }
  if (bytes.length > 0 && symbols < 2) return `Invalid input length: ${tail + symbols}`
  if ((symbols + padding) % 4 !== 0) return "Invalid padding"
  const unused = symbols === 2 ? 0x0f : symbols === 3 ? 0x03 : 0
  const end = tail + symbols - 1
  return symbols > 0 && (sextet(bytes[end]!) & unused) !== 0
    ? `Invalid last symbol ${bytes[end]}, offset ${end}.`
    : undefined
}

const PAD = 61
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

const sextet = (byte: number): number => ALPHABET.indexOf(String.fromCharCode(byte))

const symbol = (byte: number, offset: number): string => `Invalid symbol ${byte}, offset ${offset}.`
