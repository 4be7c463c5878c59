/** Guesses which known word a misspelt one stands for. */

/**
 * The candidate that a misspelt word most probably stands for, or `undefined`: the nearest one, and among equally near
 * ones that with which the word has the longest beginning in common. Case does not count, nor which of `-` and `_`
 * joins words.
 */
export const suggest = (word: string, candidates: Iterable<string>): string | undefined => {
  const written = folded(word)
  const limit = Math.max(1, Math.floor(word.length / 3))
  let best: string | undefined
  let bestDistance = limit
  let bestCommon = -1
  for (const candidate of candidates) {
    if (candidate === word || Math.abs(candidate.length - word.length) > bestDistance) continue
    const known = folded(candidate)
    const distance = editDistance(written, known, bestDistance + 1)
    if (distance > bestDistance) continue
    const common = commonLength(written, known)
    if (distance === bestDistance && common <= bestCommon) continue
    best = candidate
    bestDistance = distance
    bestCommon = common
  }
  return best
}

const folded = (word: string): string => word.toLowerCase().replaceAll("-", "_")

const commonLength = (a: string, b: string): number => {
  let length = 0
  while (length < a.length && a[length] === b[length]) length++
  return length
}

/** A hint for a misspelt word, or `undefined` when nothing is near. */
export const didYouMean = (word: string, candidates: Iterable<string>): string | undefined => {
  const candidate = suggest(word, candidates)
  return candidate === undefined ? undefined : `did you mean ${JSON.stringify(candidate)}?`
}

// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours count one each. Gives up
// where the distance cannot fall below `limit` any more.
const editDistance = (a: string, b: string, limit: number): number => {
  if (a.length > 64 || b.length > 64) return Number.POSITIVE_INFINITY
  let beforeLast: Array<number> = []
  let last = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min(row[j - 1]! + 1, last[j]! + 1, last[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforeLast[j - 2]! + 1)
      row.push(cost)
    }
    // A swap reaches back two rows and adds one.
    if (Math.min(...row) >= limit && Math.min(...last) + 1 >= limit) return limit
    beforeLast = last
    last = row
  }
  return last[b.length]!
}
