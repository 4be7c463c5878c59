/** What measuring a row yields, whichever way it was measured. */

/** One contender (with one setting) in one row. */
export interface Entry {
  readonly name: string
  /** The row's figure, one per round; rounds align across the entries of a row. */
  readonly values: readonly number[]
  /** Further columns, already formatted, by column title. */
  readonly extras: Readonly<Record<string, string>>
  /** Why the figures must not be used, or null. */
  readonly problem: string | null
}

/** A measured row. Every figure is better when smaller. */
export interface RowResult {
  readonly id: string
  readonly title: string
  readonly unit: string
  readonly entries: readonly Entry[]
  /** Median share of the machine's cores that other people's processes used during the rounds; NaN when unknown. */
  readonly foreignShare: number
}
