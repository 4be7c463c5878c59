/** Guesses which known word a misspelt one stands for. */

/** A question that proposes the nearest of `known`, or `undefined` when none is near. */
export const didYouMean = (word: string, known: Iterable<string>): string | undefined => {
  const limit = Math.max(1, Math.floor(word.length / 3))
  let best: string | undefined
  let least = limit + 1
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) >= least) continue
    const edits = distance(word.toLowerCase(), candidate.toLowerCase())
    if (edits < least) {
      best = candidate
      least = edits
    }
  }
  return best === undefined ? undefined : `did you mean ${JSON.stringify(best)}?`
}

/** Insertions, deletions and substitutions from one text to the other. */
const distance = (a: string, b: string): number => {
  if (a.length > 64) return Number.POSITIVE_INFINITY
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, substituted))
    }
    row = next
  }
  return row[b.length]!
}
