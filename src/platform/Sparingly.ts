/** What a flood of failures may say: a few words a second, so that a log is not the next thing that breaks. */

/** Calls `tell` at most `perSecond` times a second; further calls are dropped. */
export const sparingly = <Args extends ReadonlyArray<unknown>>(
  perSecond: number,
  tell: (...args: Args) => void
): ((...args: Args) => void) => {
  let second = 0
  let told = 0
  return (...args) => {
    const now = Math.floor(performance.now() / 1_000)
    if (now !== second) {
      second = now
      told = 0
    }
    if (told++ < perSecond) tell(...args)
  }
}
