/** The result as text: Markdown tables padded so that a terminal reads as well as the saved page. */
import { describeBar, type Verdict } from "./Budget.ts"
import { ours } from "./contender/Pingap.ts"
import type { Entry, RowResult } from "./Result.ts"
import { median, medianRatio, short, spread } from "./Statistics.ts"

/** Facts about the run that stand above its tables. */
export interface Circumstances {
  readonly date: string
  readonly machine: string
  readonly versions: readonly string[]
  readonly method: string
  readonly loadBefore: number
}

/** Foreign CPU use in the busiest row from which a run is called busy. */
const busyShare = 0.1

/** The whole report. */
export function render(
  circumstances: Circumstances,
  results: readonly RowResult[],
  verdicts: readonly Verdict[]
): string {
  const problems = results.flatMap(({ id, entries }) =>
    entries.filter((entry) => entry.problem !== null).map((entry) => `- ${id}, ${entry.name}: ${entry.problem}`)
  )
  return [
    "# Benchmark results",
    "",
    `- date: ${circumstances.date}`,
    `- machine: ${circumstances.machine}`,
    `- versions: ${circumstances.versions.join(", ")}`,
    `- method: ${circumstances.method}`,
    `- ${busyness(circumstances.loadBefore, results)}`,
    "",
    table(measurements(results)),
    "",
    ...(verdicts.length === 0 ? [] : ["## Bars", "", table(bars(verdicts)), ""]),
    ...(problems.length === 0 ? [] : ["## Invalid", "", ...problems, ""])
  ].join("\n")
}

// The worst row decides: a median over the rows would call a run quiet whose first half was not.
function busyness(loadBefore: number, results: readonly RowResult[]): string {
  const shares = results.map((result) => result.foreignShare).filter((value) => !Number.isNaN(value))
  const load = `load average before the run ${loadBefore.toFixed(2)}`
  if (shares.length === 0) return `${load}; what other processes took was not measured in these rows`
  const percent = (value: number) => (value * 100).toFixed(0)
  const worst = Math.max(...shares)
  const range = `${percent(Math.min(...shares))}–${percent(worst)} %`
  const figure = `per row, other processes took ${range} of all cores (median round; rows under load only)`
  const verdict = worst > busyShare ? "**busy machine**, ratios are the robust part" : "quiet machine"
  return `${verdict}: ${figure}, ${load}`
}

function measurements(results: readonly RowResult[]): readonly (readonly string[])[] {
  const extras = [...new Set(results.flatMap(({ entries }) => entries.flatMap(({ extras }) => Object.keys(extras))))]
  const lines = [["row", "contender", "median", "unit", "spread", `${ours} ÷ it`, ...extras]]
  for (const { id, title, unit, entries } of results) {
    for (const [i, entry] of entries.entries()) {
      const valid = entry.problem === null
      lines.push([
        i === 0 ? `${id}: ${title}` : "",
        entry.name,
        valid ? short(median(entry.values)) : "invalid",
        unit,
        spread(entry.values, short),
        valid ? ratio(entries, entry) : "",
        ...extras.map((column) => entry.extras[column] ?? "")
      ])
    }
  }
  return lines
}

/** Ours with the same setting over this entry, in the same rounds; empty for ours. */
function ratio(entries: readonly Entry[], entry: Entry): string {
  if (entry.name.startsWith(ours)) return ""
  const mine = entries.find(
    ({ name }) => name.startsWith(ours) && (name === ours || entry.name.endsWith(name.slice(ours.length)))
  )
  return mine === undefined || mine.problem !== null ? "" : short(medianRatio(mine.values, entry.values))
}

function bars(verdicts: readonly Verdict[]): readonly (readonly string[])[] {
  return [
    ["bar", "measured", "bar", "aim", ""],
    ...verdicts.map(({ bar, value, outcome, reason }) => [
      describeBar(bar),
      // Three decimals, so that a ratio just beyond its bar does not look as if it were on it.
      Number.isNaN(value) || bar.to === undefined ? short(value) : value.toFixed(3),
      `≤ ${bar.bar}`,
      `≤ ${bar.aim}`,
      reason === "" ? outcome : `${outcome}: ${reason}`
    ])
  ]
}

function table(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(3, ...lines.map((line) => line[column]!.length)))
  const row = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  return [row(lines[0]!), row(widths.map((width) => "-".repeat(width))), ...lines.slice(1).map(row)].join("\n")
}
