/** Figures beside their bars, as a table that a terminal reads as well as a page. */
import type { Figure } from "./Drill.ts"

/** What became of one drill. */
export interface Result {
  readonly drill: string
  readonly title: string
  readonly seconds: number
  readonly figures: readonly Figure[]
  /** Why it could not be measured, or null. */
  readonly problem: string | null
}

export function render(heading: readonly string[], results: readonly Result[]): string {
  const problems = results.flatMap(({ drill, problem }) => (problem === null ? [] : [`- ${drill}: ${problem}`]))
  return [
    "# Drills",
    "",
    ...heading.map((line) => `- ${line}`),
    ...results.map(({ drill, seconds }) => `- ${drill}: ${seconds.toFixed(0)} s`),
    "",
    table([["drill", "", "figure", "measured", "bar", ""], ...results.flatMap(linesOf)]),
    "",
    ...(problems.length === 0 ? [] : ["## Not measured", "", ...problems, ""])
  ].join("\n")
}

function linesOf({ drill, figures, title }: Result): readonly (readonly string[])[] {
  return figures.map(({ bar, measured, met, name, variant }, i) => [
    i === 0 ? `${drill}: ${title}` : "",
    figures[i - 1]?.variant === variant ? "" : variant,
    name,
    measured,
    bar,
    met === null ? "" : met ? "met" : "**missed**"
  ])
}

function table(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(3, ...lines.map((line) => line[column]!.length)))
  const row = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  return [row(lines[0]!), row(widths.map((width) => "-".repeat(width))), ...lines.slice(1).map(row)].join("\n")
}
