/** Guesses which known word a misspelt one stands for. */

/** The candidate that a misspelt word most probably stands for, or `undefined`. */
export const suggest = (word: string, candidates: Iterable<string>): string | undefined => {
  const limit = Math.max(1, Math.floor(word.length / 3))
  let best: string | undefined
  let bestDistance = limit + 1
  for (const candidate of candidates) {
    if (candidate === word || Math.abs(candidate.length - word.length) >= bestDistance) continue
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase(), bestDistance)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
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
