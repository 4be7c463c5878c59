/** What a drill is, what it yields, and what its figures are held against. */
import type { Cores, Tool } from "../e2e/Machine.ts"

/** What every drill of one run shares. */
export interface Session {
  /** The built `main.js` under test, a copy of it. */
  readonly main: string
  readonly cores: Cores
  /** Null where etcd is not installed: what needs it is left out. */
  readonly etcd: Tool | null
  /** Says on standard error what is being done. */
  readonly progress: (text: string) => void
}

/** One measured figure. */
export interface Figure {
  /** The variant of the drill, such as the kind of place. */
  readonly variant: string
  readonly name: string
  readonly measured: string
  /** The bar as text; empty for a figure that only explains others. */
  readonly bar: string
  /** Whether the bar is met; null without one. */
  readonly met: boolean | null
}

/** A drill: runs once and yields its figures. Throws when it cannot be measured. */
export interface Drill {
  readonly name: string
  readonly title: string
  readonly measure: (session: Session) => Promise<readonly Figure[]>
}

/** A figure that has to be smaller than its bar. */
export function below(variant: string, name: string, value: number, unit: string, bar: number): Figure {
  return { variant, name, measured: `${digits(value)} ${unit}`, bar: `< ${bar} ${unit}`, met: value < bar }
}

/** A count of which there may be none; `why` tells about the first ones. */
export function none(variant: string, name: string, count: number, why: readonly string[] = []): Figure {
  const reasons = count === 0 || why.length === 0 ? "" : ` (${why.slice(0, 3).join("; ")})`
  return { variant, name, measured: `${count}${reasons}`, bar: "0", met: count === 0 }
}

/** Something that has to hold. */
export function holds(variant: string, name: string, isSo: boolean, otherwise = "no"): Figure {
  return { variant, name, measured: isSo ? "yes" : otherwise, bar: "yes", met: isSo }
}

/** A figure without a bar. */
export function note(variant: string, name: string, measured: string): Figure {
  return { variant, name, measured, bar: "", met: null }
}

/** Milliseconds as text. */
export function millis(value: number): string {
  return `${digits(value)} ms`
}

function digits(value: number): string {
  return Number.isInteger(value) || Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(1)
}
