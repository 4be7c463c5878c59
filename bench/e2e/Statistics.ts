/**
 * The few figures the benchmark reports. Medians throughout: one round that a neighbour on the machine disturbed must
 * not move the result.
 */

/** The middle value; the mean of the two middle ones when the count is even; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return Number.NaN
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The median of `of[i] / to[i]`: both sides of each ratio were measured seconds apart, so slow drift cancels. */
export function medianRatio(of: readonly number[], to: readonly number[]): number {
  const rounds = Math.min(of.length, to.length)
  return median(Array.from({ length: rounds }, (_, round) => of[round]! / to[round]!))
}

/** Smallest and largest value as text, or an empty text when there is only one. */
export function spread(values: readonly number[], format: (value: number) => string): string {
  return values.length < 2 ? "" : `${format(Math.min(...values))}–${format(Math.max(...values))}`
}

/** A figure with about three significant digits. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "–"
  const size = Math.abs(value)
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(2)
}
