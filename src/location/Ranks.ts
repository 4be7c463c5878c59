/**
 * Numbers for rules in the order of selection: by descending weight, then by their place in the list. A number does
 * not depend on other rules, so a rule keeps it while others change.
 */
import { NONE } from "./PathTree.ts"

/** Bits of a rank; {@link NONE} is the greatest number of so many bits. */
const BITS = 30
const WEIGHT_BITS = 16
const MAX_WEIGHT = 2 ** WEIGHT_BITS - 1

export class Ranks {
  /** The bits of a rank that are the place in the list; 0 when ranks are places in {@link positions}. */
  readonly mask: number
  /** Place in the list by rank, for lists that leave no room for it in a number. */
  readonly positions: Int32Array
  private readonly shift: number
  /** Order of the weights, where they do not all fit; else null. */
  private readonly orders: ReadonlyMap<number, number> | null

  private constructor(
    shift: number,
    orders: ReadonlyMap<number, number> | null,
    positions: Int32Array = new Int32Array(0)
  ) {
    this.shift = shift
    this.mask = shift === 0 ? 0 : 2 ** shift - 1
    this.orders = orders
    this.positions = positions
  }

  /** Ranks for a list of rules with these weights. */
  static of(weights: ReadonlyArray<number>): Ranks {
    const roomy = BITS - WEIGHT_BITS
    // The last place of the last weight would be NONE.
    if (weights.length < 2 ** roomy - 1) return new Ranks(roomy, null)
    const distinct = [...new Set(weights)].sort((a, b) => b - a)
    const shift = Math.ceil(Math.log2(weights.length + 2))
    if (distinct.length * 2 ** shift < NONE) return new Ranks(shift, new Map(distinct.map((w, order) => [w, order])))
    const order = Array.from(weights, (_, index) => index)
    return new Ranks(0, null, Int32Array.from(order.sort((a, b) => weights[b]! - weights[a]! || a - b)))
  }

  /** Ranks of all rules, by their place in the list. */
  all(weights: ReadonlyArray<number>): Int32Array {
    const ranks = new Int32Array(weights.length)
    if (this.mask === 0) for (const [rank, index] of this.positions.entries()) ranks[index] = rank
    else for (let index = 0; index < weights.length; index++) ranks[index] = this.of(weights[index]!, index)
    return ranks
  }

  /** The rank of a rule, or -1 when there is no number for it. */
  of(weight: number, index: number): number {
    if (this.mask === 0 || index >= this.mask) return -1
    // The host of a location counts by its length, which may be any.
    const order = this.orders === null ? Math.max(0, MAX_WEIGHT - weight) : this.orders.get(weight)
    return order === undefined ? -1 : order * 2 ** this.shift + index
  }
}
