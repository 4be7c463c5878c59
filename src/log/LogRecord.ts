/**
 * Records of the application log as text or JSON, one line each. Spec: runtime 13.
 *
 * Text: `<RFC 3339 local time> <LEVEL> <message> key=value …`. JSON: `timestamp`, `level` and `fields` with `message`
 * among them. Whatever a message or a field holds, control bytes are escaped, stacks and causes stay on the line, and
 * a value that cannot be written is named instead of thrown.
 */
import * as Escape from "./Escape.ts"
import type { Level } from "./Levels.ts"
import type { Timestamps } from "./Timestamp.ts"

export type LogFields = Readonly<Record<string, unknown>>

/** Writes one record as a line without line end. */
export type RecordFormat = (millis: number, level: Level, message: string, fields: LogFields | undefined) => string

// A record is for people; what is longer than this is a dump.
const MAX_TEXT = 16 * 1024

export const text =
  (timestamps: Timestamps): RecordFormat =>
  (millis, level, message, fields) => {
    let line = `${timestamps.local(millis)} ${level.toUpperCase()} ${Escape.message(cut(message))}`
    if (fields === undefined) return line
    for (const key in fields) line += ` ${key.replace(NO_KEY, "_")}=${textValue(fields[key])}`
    return line
  }

export const json =
  (timestamps: Timestamps): RecordFormat =>
  (millis, level, message, fields) => {
    const record = {
      timestamp: timestamps.local(millis),
      level: level.toUpperCase(),
      fields: { message: cut(message), ...fields }
    }
    return Escape.json(stringify(record) ?? stringify({ ...record, fields: { message: cut(message) } })!)
  }

const NO_KEY = /[^\w.-]/g
const BARE = /^[^\s"=\\]+$/

const textValue = (value: unknown): string => {
  const plain = cut(describe(value))
  if (typeof value === "object" && value !== null && !(value instanceof Error)) return Escape.message(plain)
  return BARE.test(plain) && Escape.message(plain) === plain ? plain : Escape.json(JSON.stringify(plain))
}

/** What a value is, as text; an error is its stack. */
export const describe = (value: unknown): string => {
  if (typeof value === "string") return value
  if (value instanceof Error) return value.stack ?? `${value.name}: ${value.message}`
  if (typeof value === "object" && value !== null) return stringify(value) ?? Object.prototype.toString.call(value)
  return String(value)
}

const stringify = (value: unknown): string | undefined => {
  try {
    return JSON.stringify(value, replaceUnprintable)
  } catch {
    // Cycles, throwing getters: the record matters more than this field.
    return undefined
  }
}

const replaceUnprintable = (_key: string, value: unknown): unknown => {
  if (typeof value === "bigint") return String(value)
  if (value instanceof Error) return value.stack ?? `${value.name}: ${value.message}`
  return typeof value === "string" ? cut(value) : value
}

const cut = (text: string): string => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text)

const UNITS = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "m"]
] as const

/** How long a background task took, with one decimal: `1.0s`, `2.5m`. */
export const duration = (millis: number): string => {
  const seconds = millis / 1_000
  const [size, unit] = UNITS.find(([size]) => seconds >= size) ?? ([1, "s"] as const)
  return `${(seconds / size).toFixed(1)}${unit}`
}
