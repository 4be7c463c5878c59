/**
 * Which file a log is written to at a moment. Spec: access-log 4.2, runtime 14.
 *
 * A rotated file carries the period it covers in its name, in UTC: `access.log.2025-01-31`. Rotation renames nothing and
 * removes nothing (`Compression.ts` does, when asked to). All of this is computed from a time that is handed in.
 */
import { basename, dirname, join } from "node:path"

export type Rolling = "daily" | "hourly" | "minutely" | "never"

/** A file target as written, with its parameters undecoded. `rolling` is empty when it is not given. */
export interface TargetText {
  readonly path: string
  readonly rolling: string
  readonly parameters: URLSearchParams
}

/** Splits `<path>?rolling=…&…`. Accepts every text. */
export const parseTarget = (text: string): TargetText => {
  const mark = text.indexOf("?")
  const parameters = new URLSearchParams(mark === -1 ? "" : text.slice(mark + 1))
  return { path: mark === -1 ? text : text.slice(0, mark), rolling: parameters.get("rolling") ?? "", parameters }
}

/** What a `rolling` parameter means: daily unless it is one of the others. */
export const rollingOf = (text: string): Rolling =>
  text === "hourly" || text === "minutely" || text === "never" ? text : "daily"

// Characters of `2025-01-31T10:20:30.123Z` that tell periods apart.
const PRECISION = { daily: 10, hourly: 13, minutely: 16 } as const
const PERIOD = { daily: 86_400_000, hourly: 3_600_000, minutely: 60_000 } as const

/** The name of the period that a moment is in: `2025-01-31`, `2025-01-31-10`, `2025-01-31-10-20`. */
export const suffix = (rolling: Exclude<Rolling, "never">, millis: number): string =>
  new Date(millis).toISOString().slice(0, PRECISION[rolling]).replace(/[T:]/g, "-")

/** The moment the period after this one begins; infinity when there is only one. */
export const periodEnd = (rolling: Rolling, millis: number): number =>
  rolling === "never" ? Number.POSITIVE_INFINITY : (Math.floor(millis / PERIOD[rolling]) + 1) * PERIOD[rolling]

const PERIOD_NAME = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:-(?:[01]\d|2[0-3])(?:-[0-5]\d)?)?$/

/** Whether a text is what {@link suffix} gives for some moment, whatever the rolling was then. */
export const isSuffix = (text: string): boolean => PERIOD_NAME.test(text)

/** What stands at a target's path. Devices and pipes (`/dev/stdout`) are written as they are. */
export type Place = "file" | "directory" | "device"

/** The file to write at a moment. In a directory the name is the period alone; with `never`, the day it was opened. */
export const fileAt = (path: string, rolling: Rolling, place: Place, millis: number): string => {
  if (place === "device") return path
  if (place === "directory") return join(path, suffix(rolling === "never" ? "daily" : rolling, millis))
  return rolling === "never" ? path : `${path}.${suffix(rolling, millis)}`
}

/** Where the files of a target's periods are, and which names are theirs. Null for devices, which have none. */
export const family = (
  path: string,
  place: Place
): { readonly folder: string; readonly includes: (name: string) => boolean } | null => {
  if (place === "device") return null
  if (place === "directory") return { folder: path, includes: isSuffix }
  const prefix = `${basename(path)}.`
  return {
    folder: dirname(path),
    includes: (name) => name.startsWith(prefix) && isSuffix(name.slice(prefix.length))
  }
}
