/** One clock for all processes of a run, and waiting with a deadline. */
import { setTimeout as sleep } from "node:timers/promises"

/** Milliseconds since 1970 with their fraction, steady within a process. Log lines carry the same clock. */
export function now(): number {
  return performance.timeOrigin + performance.now()
}

/** Asks every few milliseconds until there is an answer; throws after the deadline. */
export async function until<T>(
  ask: () => T | undefined | Promise<T | undefined>,
  deadlineMillis: number,
  what: () => string,
  pauseMillis = 2
): Promise<T> {
  const deadline = performance.now() + deadlineMillis
  while (true) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMillis} ms: ${what()}`)
    await sleep(pauseMillis)
  }
}
