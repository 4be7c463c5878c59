/**
 * Preconditions of a request against one file's validators, in the order of RFC 9110 13.2.2, and the dates they are
 * written in (5.6.7). Pure.
 */
import type { Fields } from "../../../model/Fields.ts"

/** What a file's state says about its representation. */
export interface Validators {
  /** Weak entity tag, empty when there is none. */
  readonly etag: string
  /** Seconds since the epoch, 0 when not known. */
  readonly modified: number
}

/** Send what was asked for. */
export const PROCEED = 200
/** The client has it: 304. */
export const NOT_MODIFIED = 304
/** The client's condition does not hold: 412. */
export const FAILED = 412

/** Evaluates `If-Match`, `If-Unmodified-Since`, `If-None-Match` and `If-Modified-Since` of a GET or HEAD. */
export const evaluate = (
  fields: Fields,
  validators: Validators
): typeof PROCEED | typeof NOT_MODIFIED | typeof FAILED => {
  const { etag, modified } = validators
  const match = fields.get("if-match")
  if (match !== undefined) {
    // Strong comparison (RFC 9110 8.8.3.2): a weak tag never matches, only `*` does.
    if (match !== "*") return FAILED
  } else {
    const unmodifiedSince = dateOf(fields.get("if-unmodified-since"))
    if (unmodifiedSince !== null && modified > 0 && modified > unmodifiedSince) return FAILED
  }
  if (fields.has("if-none-match")) return isListed(fields.getAll("if-none-match"), etag) ? NOT_MODIFIED : PROCEED
  const modifiedSince = dateOf(fields.get("if-modified-since"))
  return modifiedSince !== null && modified > 0 && modified <= modifiedSince ? NOT_MODIFIED : PROCEED
}

// Weak comparison: the opaque parts are equal. Ours holds neither comma nor quote inside its quotes, so finding it
// with them is the same as taking the list apart.
const isListed = (values: ReadonlyArray<string>, etag: string): boolean => {
  const opaque = etag.slice(etag.indexOf('"'))
  return values.some((value) => value === "*" || (etag !== "" && value.includes(opaque)))
}

/**
 * True when a `Range` may be served: there is no `If-Range`, or it is the date of exactly this state. An entity tag
 * never holds because ours is weak (RFC 9110 13.1.5). The date counts as strong once a second has passed since the
 * file changed (8.8.2.2).
 */
export const allowsRange = (fields: Fields, validators: Validators, nowMillis: number): boolean => {
  const ifRange = fields.get("if-range")
  if (ifRange === undefined) return true
  const date = dateOf(ifRange)
  return date !== null && date === validators.modified && nowMillis >= (validators.modified + 2) * 1_000
}

const dateOf = (value: string | undefined): number | null => (value === undefined ? null : parseDate(value))

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const IMF = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/
const RFC850 = /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\d\d)-([A-Z][a-z]{2})-(\d\d) (\d\d):(\d\d):(\d\d) GMT$/
const ASCTIME = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/

/** Seconds since the epoch of an HTTP date in any of its three forms, `null` for anything else. RFC 9110 5.6.7. */
export const parseDate = (text: string, nowMillis = Date.now()): number | null => {
  let match = IMF.exec(text)
  if (match !== null) return secondsOf(match[3]!, match[2]!, match[1]!, match[4]!, match[5]!, match[6]!)
  match = ASCTIME.exec(text)
  if (match !== null) return secondsOf(match[6]!, match[1]!, match[2]!, match[3]!, match[4]!, match[5]!)
  match = RFC850.exec(text)
  if (match === null) return null
  // Two digits that seem more than 50 years ahead mean the past.
  const thisYear = new Date(nowMillis).getUTCFullYear()
  const year = Math.floor(thisYear / 100) * 100 + Number(match[3])
  const meant = year > thisYear + 50 ? year - 100 : year
  return secondsOf(String(meant), match[2]!, match[1]!, match[4]!, match[5]!, match[6]!)
}

const secondsOf = (year: string, name: string, day: string, hour: string, minute: string, second: string) => {
  const month = MONTHS.indexOf(name)
  // A day that does not exist in its month rolls over and shows.
  const at = new Date(0)
  at.setUTCFullYear(Number(year), month, Number(day))
  if (month === -1 || at.getUTCMonth() !== month || at.getUTCDate() !== Number(day)) return null
  // Second 60 is a leap second.
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return null
  return at.getTime() / 1_000 + Number(hour) * 3_600 + Number(minute) * 60 + Number(second)
}

/** An HTTP date (IMF-fixdate) of seconds since the epoch. */
export const formatDate = (seconds: number): string => new Date(seconds * 1_000).toUTCString()
