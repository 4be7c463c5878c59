/**
 * Smooth weighted round robin: each backend gets its share, spread evenly over the cycle (5:1:1 gives a a b a c a a).
 *
 * The cycle is computed once, so that a pick is one array read. Weights are reduced by their common divisor; cycles
 * longer than {@link MAX_CYCLE} are cut to proportional shares of it.
 */
const MAX_CYCLE = 10_000

/** Returns a function that yields indexes into `weights`. Weights are positive integers, at least one. */
export const make = (weights: ReadonlyArray<number>): (() => number) => {
  if (weights.length === 1) return () => 0
  const cycle = compile(weights)
  const length = cycle.length
  let next = 0
  return () => {
    const index = cycle[next]!
    next = next + 1 === length ? 0 : next + 1
    return index
  }
}

/** The order in which one cycle picks. */
export const compile = (weights: ReadonlyArray<number>): Uint32Array => {
  const shares = reduce(weights)
  const total = shares.reduce((sum, share) => sum + share, 0)
  const cycle = new Uint32Array(total)
  const current = shares.map(() => 0)
  for (let turn = 0; turn < total; turn++) {
    let best = 0
    for (let i = 0; i < shares.length; i++) {
      current[i]! += shares[i]!
      if (current[i]! > current[best]!) best = i
    }
    current[best]! -= total
    cycle[turn] = best
  }
  return cycle
}

const reduce = (weights: ReadonlyArray<number>): Array<number> => {
  const divisor = weights.reduce(gcd)
  const shares = weights.map((weight) => weight / divisor)
  const total = shares.reduce((sum, share) => sum + share, 0)
  if (total <= MAX_CYCLE) return shares
  return shares.map((share) => Math.max(1, Math.round((share * MAX_CYCLE) / total)))
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))
