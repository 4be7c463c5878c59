/**
 * Byte sizes as configuration writes them: `1024`, `10kb`, `1.5 MiB`. A size is a whole number of bytes.
 *
 * {@link parse} computes with integers and cuts what is left below one byte; it never throws. {@link format} writes a
 * size back without loss, {@link iec} and {@link human} are the rounded forms of listings and access logs.
 * Spec: config 2.2, plugins 2.2, access-log 3.1.
 */

/** Why a text is not a byte size. */
export class ByteSizeError {
  readonly _tag = "ByteSizeError"
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

const PREFIXES = "kmgtpe"
const SIZE = /^(\d+\.?\d*|\.\d+)\s*([A-Za-z]+)$/
const UNIT = /^(?:b|([kmgtpe])(i?)b?)$/
const MAX_BYTES = 1n << 64n
const MAX_DIGITS = 64

/** The bytes that `text` means, or why it means none. Digits alone are bytes; units are case-insensitive. */
export const parse = (text: string): number | ByteSizeError => {
  if (text === "") return new ByteSizeError("value was empty")
  const bytes = /^\d+$/.test(text) ? exactBytes(text, 1n) : parseWithUnit(text)
  if (typeof bytes !== "bigint") return bytes
  return bytes < MAX_BYTES ? Number(bytes) : new ByteSizeError("size is too large")
}

const parseWithUnit = (text: string): bigint | ByteSizeError => {
  const match = SIZE.exec(text)
  if (match === null) {
    return new ByteSizeError(/^[\d.]+$/.test(text) ? "size unit needed, for example 10kb" : "not a number with a unit")
  }
  const unit = UNIT.exec(match[2]!.toLowerCase())
  if (unit === null)
    return new ByteSizeError(`unknown size unit "${match[2]}", supported units: B, KB, KiB, MB, MiB, …`)
  const power = unit[1] === undefined ? 0 : PREFIXES.indexOf(unit[1]) + 1
  return exactBytes(match[1]!, BigInt(unit[2] === "i" ? 1024 : 1000) ** BigInt(power))
}

const exactBytes = (number: string, size: bigint): bigint | ByteSizeError => {
  if (number.length > MAX_DIGITS) return new ByteSizeError("size is too large")
  const [whole = "", fraction = ""] = number.split(".")
  return (BigInt(whole + fraction) * size) / 10n ** BigInt(fraction.length)
}

const EXACT: ReadonlyArray<readonly [size: number, unit: string]> = [5, 4, 3, 2, 1].flatMap((power) => [
  [1024 ** power, `${PREFIXES[power - 1]!.toUpperCase()}iB`] as const,
  [1000 ** power, `${PREFIXES[power - 1]!.toUpperCase()}B`] as const
])

/** The shortest text that {@link parse} reads back as the same number of bytes: `4 KiB`, `1 MB`, `1500`. */
export const format = (bytes: number): string => {
  for (const [size, unit] of EXACT) {
    if (bytes >= size && bytes % size === 0) return `${bytes / size} ${unit}`
  }
  // BigInt writes every digit where a number beyond 2^70 would turn to an exponent.
  return String(BigInt(bytes))
}

/** The rounded text of listings, in powers of 1024 with one decimal: `12 B`, `1.0 KiB`, `97.7 KiB`. */
export const iec = (bytes: number): string => {
  if (bytes < 1024) return `${bytes} B`
  let power = 0
  let value = bytes
  while (value >= 1024 && power < PREFIXES.length) {
    value /= 1024
    power++
  }
  return `${value.toFixed(1)} ${PREFIXES[power - 1]!.toUpperCase()}iB`
}

/** The short text of access logs, in powers of 1000, at most one decimal, cut and not rounded: `999B`, `1.1KB`. */
export const human = (bytes: number): string =>
  bytes < 1_000
    ? `${bytes}B`
    : bytes < 1_000_000
      ? tenths(bytes, 100, "KB")
      : bytes < 1_000_000_000
        ? tenths(bytes, 100_000, "MB")
        : tenths(bytes, 100_000_000, "GB")

const tenths = (bytes: number, tenth: number, unit: string): string => {
  const count = Math.floor(bytes / tenth)
  const rest = count % 10
  return rest === 0 ? `${count / 10}${unit}` : `${(count - rest) / 10}.${rest}${unit}`
}
