/**
 * Moments as log lines write them, RFC 3339 with milliseconds: local time with its numeric offset, or UTC with `Z`.
 * Spec: access-log 2.
 *
 * Everything but the milliseconds is formatted once a second, the offset included, so that a change to or from summer
 * time shows in the second it happens.
 */

/** Formats the moments of one log. Keep one per log: two that take turns with the same one would undo its cache. */
export interface Timestamps {
  /** `2025-01-31T10:20:30.123+08:00` */
  readonly local: (millis: number) => string
  /** `2025-01-31T02:20:30.123Z` */
  readonly utc: (millis: number) => string
}

/** Minutes that local time is ahead of UTC at a moment. */
export type Zone = (millis: number) => number

/** The zone of the process, from `TZ` or the system. */
export const systemZone: Zone = (millis) => -new Date(millis).getTimezoneOffset()

export const make = (zone: Zone = systemZone): Timestamps => {
  let localMillis = Number.NaN
  let localText = ""
  let localSecond = Number.NaN
  let localHead = ""
  let offset = ""
  let utcSecond = Number.NaN
  let utcHead = ""
  return {
    local: (millis) => {
      // A busy proxy writes dozens of lines a millisecond.
      if (millis === localMillis) return localText
      const second = Math.floor(millis / 1000)
      if (second !== localSecond) {
        const minutes = zone(second * 1000)
        localHead = upToSecond(second * 1000 + minutes * 60_000)
        offset = offsetText(minutes)
        localSecond = second
      }
      localMillis = millis
      localText = localHead + threeDigits(millis - second * 1000) + offset
      return localText
    },
    utc: (millis) => {
      const second = Math.floor(millis / 1000)
      if (second !== utcSecond) {
        utcHead = upToSecond(second * 1000)
        utcSecond = second
      }
      return `${utcHead}${threeDigits(millis - second * 1000)}Z`
    }
  }
}

/** `2025-01-31T02:20:30.` */
const upToSecond = (millis: number): string => new Date(millis).toISOString().slice(0, -4)

const threeDigits = (millis: number): string => {
  const whole = Math.trunc(millis)
  return whole < 10 ? `00${whole}` : whole < 100 ? `0${whole}` : `${whole}`
}

const offsetText = (minutes: number): string => {
  const size = Math.abs(Math.trunc(minutes))
  const hours = Math.floor(size / 60)
  return `${minutes < 0 ? "-" : "+"}${String(hours).padStart(2, "0")}:${String(size % 60).padStart(2, "0")}`
}
