/** The bars of `bench/budget.json` held against what was measured. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { ours } from "./contender/Pingap.ts"
import { root } from "./Machine.ts"
import type { RowResult } from "./Result.ts"
import { median, medianRatio } from "./Statistics.ts"

/** One bar. With `to` the figure is a ratio of two entries of the row, without it the median of one. */
export interface Bar {
  readonly row: string
  /** The entry under test; the program itself when absent. */
  readonly of?: string
  readonly to?: string
  readonly unit?: string
  readonly bar: number
  readonly aim: number
}

/** How a bar came out. `unmeasured` holds the reason. */
export interface Verdict {
  readonly bar: Bar
  readonly value: number
  readonly outcome: "aim met" | "met" | "missed" | "unmeasured"
  readonly reason: string
}

/** How far beyond a bar `--check` lets a result be: the noise of a shared machine, not a second budget. */
export const tolerance = 1.3

/** The bars on the rows that were measured. */
export function judge(results: readonly RowResult[]): readonly Verdict[] {
  const { bars } = JSON.parse(readFileSync(join(root, "bench", "budget.json"), "utf8")) as { bars: readonly Bar[] }
  return bars.flatMap((bar) => {
    const row = results.find((result) => result.id === bar.row)
    return row === undefined ? [] : [verdict(bar, row)]
  })
}

/** Whether a verdict fails `--check`. */
export function isFarMissed({ outcome, value, bar }: Verdict): boolean {
  return outcome === "missed" && value > bar.bar * tolerance
}

/** What a bar measures, in words. */
export function describeBar({ row, of, to, unit }: Bar): string {
  return to === undefined ? `${row}, ${unit}` : `${row}, ${of ?? ours} ÷ ${to}`
}

function verdict(bar: Bar, row: RowResult): Verdict {
  const unmeasured = (reason: string): Verdict => ({ bar, value: Number.NaN, outcome: "unmeasured", reason })
  const sides = [bar.of ?? ours, ...(bar.to === undefined ? [] : [bar.to])]
  const entries = sides.map((name) => row.entries.find((entry) => entry.name === name))
  for (const [i, entry] of entries.entries()) {
    if (entry === undefined) return unmeasured(`${sides[i]} did not take part`)
    if (entry.problem !== null) return unmeasured(`${entry.name} is invalid`)
  }
  const [of, to] = entries
  const value = to === undefined ? median(of!.values) : medianRatio(of!.values, to.values)
  return { bar, value, outcome: value <= bar.aim ? "aim met" : value <= bar.bar ? "met" : "missed", reason: "" }
}
