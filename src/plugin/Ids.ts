/**
 * Makes ids for requests: UUID version 7 and nanoid. Random bytes come from a pool that is filled once for some
 * hundred ids, because one call into the system's generator costs more than everything else here.
 */
import { randomFillSync } from "node:crypto"

const pool = Buffer.alloc(4096)
let used = pool.length

const randomByte = (): number => {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  return pool[used++]!
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))
const hex16 = (word: number): string => HEX[(word >>> 8) & 0xff]! + HEX[word & 0xff]!

/**
 * A generator of UUIDs version 7 (RFC 9562 5.7) in ascending order. The 12 bits behind the time are a counter that
 * begins at a random value in its lower half each millisecond (6.2, method 1). When the counter runs over, or the clock
 * goes back, time stands still or runs ahead by a millisecond rather than the order breaking.
 */
export const uuidV7 = (now: () => number = Date.now, random: () => number = randomByte): (() => string) => {
  let time = 0
  let counter = 0
  const word = (): number => (random() << 8) | random()
  return () => {
    const clock = now()
    if (clock > time) {
      time = clock
      counter = word() & 0x7ff
    } else if (++counter > 0xfff) {
      time++
      counter = word() & 0x7ff
    }
    const high = Math.floor(time / 0x10000)
    return (
      `${hex16(high >>> 16)}${hex16(high)}-${hex16(time % 0x10000)}-${hex16(0x7000 | counter)}` +
      `-${hex16(0x8000 | (word() & 0x3fff))}-${hex16(word())}${hex16(word())}${hex16(word())}`
    )
  }
}

const NANOID = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

/** A text of `size` random characters out of 64 that are safe in URLs and file names. */
export const nanoid = (size: number, random: () => number = randomByte): string => {
  let id = ""
  for (let i = 0; i < size; i++) id += NANOID[random() & 63]
  return id
}
