/**
 * Durations as configuration writes them: `10s`, `1m 30s`, `2days`, `1.5h`. A duration is a number of milliseconds,
 * with a fraction when the text names micro- or nanoseconds.
 *
 * {@link parse} computes in whole nanoseconds, so a text either has an exact meaning or is refused; it never throws.
 * {@link format} writes the normal form back, {@link human} is the short form of access logs. Spec: config 2.1,
 * plugins 2.1, access-log 3.2.
 */

/** Why a text is not a duration. The messages are those of the reference's duration library. */
export class DurationError {
  readonly _tag = "DurationError"
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

const SECOND = 1_000_000_000n

// Nanoseconds per unit. Unit names are case-sensitive: `m` is a minute, `M` a month.
const UNITS: ReadonlyMap<string, bigint> = new Map(
  (
    [
      [1n, "ns nsec nanos"],
      [1_000n, "us usec µs"],
      [1_000_000n, "ms msec millis"],
      [SECOND, "s sec secs second seconds"],
      [60n * SECOND, "m min mins minute minutes"],
      [3_600n * SECOND, "h hr hrs hour hours"],
      [86_400n * SECOND, "d day days"],
      [7n * 86_400n * SECOND, "w wk wks week weeks"],
      [2_630_016n * SECOND, "M month months"],
      [31_557_600n * SECOND, "y yr yrs year years"]
    ] as const
  ).flatMap(([nanos, names]) => names.split(" ").map((name) => [name, nanos] as const))
)

const HOUR = 3_600n * SECOND
const MAX_NANOS = (1n << 64n) * SECOND
// A longer run of digits overflows every unit; refusing it here keeps BigInt work small.
const MAX_DIGITS = 40

const SPAN = /(\d+)(?:(\.)(\d*))?\s*([A-Za-zµ]*)/y

/** The milliseconds that `text` means, or why it means none. */
export const parse = (text: string): number | DurationError => {
  if (text === "0") return 0
  let at = skipBlanks(text, 0)
  if (at === text.length) return new DurationError("value was empty")
  let total = 0n
  while (at < text.length) {
    SPAN.lastIndex = at
    const span = SPAN.exec(text)
    if (span === null) return new DurationError(`expected number at ${at}`)
    const [whole, digits, point, fraction = "", unit] = span as unknown as [string, string, string?, string?, string?]
    if (point !== undefined && fraction === "") {
      return new DurationError(`invalid character at ${at + digits.length + 1}`)
    }
    at += whole.length
    if (!unit) {
      const strange = at < text.length && !isDigit(text.charCodeAt(at))
      return strange
        ? new DurationError(`invalid character at ${at}`)
        : new DurationError(`time unit needed, for example ${digits}sec or ${digits}ms`)
    }
    const size = UNITS.get(unit)
    if (size === undefined) return unknownUnit(unit)
    const nanos = exactNanos(digits, fraction, size)
    if (nanos === undefined || (total += nanos) >= MAX_NANOS) {
      return new DurationError("number is too large or cannot be represented without a lack of precision")
    }
    at = skipBlanks(text, at)
  }
  return Number(total / 1_000_000n) + Number(total % 1_000_000n) / 1_000_000
}

const unknownUnit = (unit: string): DurationError =>
  new DurationError(
    `unknown time unit "${unit}", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)`
  )

const exactNanos = (digits: string, fraction: string, size: bigint): bigint | undefined => {
  if (digits.length + fraction.length > MAX_DIGITS) return undefined
  const scale = 10n ** BigInt(fraction.length)
  const scaled = BigInt(digits + fraction) * size
  const nanos = scaled / scale
  if (nanos * scale !== scaled) return undefined
  // Fractions of hours and longer units must come out as whole seconds.
  return fraction !== "" && size >= HOUR && nanos % SECOND !== 0n ? undefined : nanos
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57

const skipBlanks = (text: string, from: number): number => {
  let at = from
  while (at < text.length && /\s/.test(text[at]!)) at++
  return at
}

const LONG: ReadonlyArray<readonly [seconds: number, name: string, plural: string]> = [
  [31_557_600, "year", "years"],
  [2_630_016, "month", "months"],
  [86_400, "day", "days"],
  [3_600, "h", "h"],
  [60, "m", "m"],
  [1, "s", "s"]
]
const SHORT: ReadonlyArray<readonly [nanos: number, name: string]> = [
  [1_000_000, "ms"],
  [1_000, "us"],
  [1, "ns"]
]

/** The normal text of a duration, which {@link parse} reads back: `1m`, `1h 30m`, `2days`, `0s`. */
export const format = (millis: number): string => {
  const parts: Array<string> = []
  let seconds = Math.floor(millis / 1_000)
  let nanos = Math.round((millis - seconds * 1_000) * 1_000_000)
  if (nanos === 1_000_000_000) {
    seconds++
    nanos = 0
  }
  for (const [size, name, plural] of LONG) {
    const count = Math.floor(seconds / size)
    seconds -= count * size
    if (count > 0) parts.push(`${count}${count === 1 ? name : plural}`)
  }
  for (const [size, name] of SHORT) {
    const count = Math.floor(nanos / size)
    nanos -= count * size
    if (count > 0) parts.push(`${count}${name}`)
  }
  return parts.length === 0 ? "0s" : parts.join(" ")
}

/** The short text of access logs: one unit, at most one decimal, cut and not rounded: `512ms`, `1.1s`, `1m`, `1.9h`. */
export const human = (millis: number): string =>
  millis < 1_000
    ? `${Math.floor(millis)}ms`
    : millis < 60_000
      ? tenths(millis, 100, "s")
      : millis < 3_600_000
        ? tenths(millis, 6_000, "m")
        : tenths(millis, 360_000, "h")

const tenths = (millis: number, tenth: number, unit: string): string => {
  const count = Math.floor(millis / tenth)
  const rest = count % 10
  return rest === 0 ? `${count / 10}${unit}` : `${(count - rest) / 10}.${rest}${unit}`
}
