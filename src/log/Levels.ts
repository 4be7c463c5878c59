/**
 * Log levels and the directives that set them: `info`, or `info,upstream=debug` for single stages. Spec: runtime 13.
 *
 * A directive's target is a stage, which records name in their `category` field; the prefixes `pingap::` and `main::`
 * of the reference are understood. Texts are applied in order, later ones on top; parts that are no directive are
 * handed back and change nothing.
 */
import { didYouMean } from "../model/Suggestion.ts"

export type Level = "trace" | "debug" | "info" | "warn" | "error"

/** Position of each level; a record passes a threshold that is not above its own. */
const RANK: Readonly<Record<Level | "off", number>> = { trace: 0, debug: 1, info: 2, warn: 3, error: 4, off: 5 }

export interface Levels {
  readonly isEnabled: (level: Level, category: unknown) => boolean
  /** Parts of the texts that mean nothing. */
  readonly rejected: ReadonlyArray<string>
}

const LEVEL = /^(trace|debug|info|warn|error|off)$/i
const TARGET = /^[A-Za-z0-9_]+(?:::[A-Za-z0-9_]+)*$/

/** Thresholds from directive lists, the most important one last. INFO where nothing is said. */
export const compile = (texts: Iterable<string | undefined>): Levels => {
  const targets = new Map<string, number>()
  const rejected: Array<string> = []
  for (const text of texts) {
    for (const part of (text ?? "").split(",")) {
      const directive = part.trim()
      if (directive !== "" && !add(targets, directive)) rejected.push(directive)
    }
  }
  const standard = targets.get("") ?? RANK.info
  targets.delete("")
  // The longest name that fits decides.
  const byLength = [...targets].sort(([a], [b]) => b.length - a.length)
  const threshold = (category: string): number =>
    byLength.find(([target]) => category === target || category.startsWith(`${target}::`))?.[1] ?? standard
  return {
    rejected,
    isEnabled: (level, category) =>
      RANK[level] >= (byLength.length === 0 || typeof category !== "string" ? standard : threshold(category))
  }
}

const add = (targets: Map<string, number>, directive: string): boolean => {
  if (LEVEL.test(directive)) {
    targets.set("", rankOf(directive))
    return true
  }
  const [target, level = "trace", ...rest] = directive.split("=").map((part) => part.trim())
  if (target === undefined || rest.length > 0 || !TARGET.test(target) || !LEVEL.test(level)) return false
  targets.set(target.replace(/^(?:pingap|main)(?:::|$)/, ""), rankOf(level))
  return true
}

/** What in a list of directives is probably not meant, one sentence each. A word alone is the name of a stage. */
export const check = (text: string): Array<string> => {
  const problems = compile([text]).rejected.map((part) => `${JSON.stringify(part)} is ignored`)
  for (const word of text.split(",").map((part) => part.trim())) {
    const hint = LEVEL.test(word) ? undefined : didYouMean(word, Object.keys(RANK))
    if (hint !== undefined) problems.push(`${JSON.stringify(word)} is taken for a stage, ${hint}`)
  }
  return problems
}

const rankOf = (level: string): number => RANK[level.toLowerCase() as Level | "off"]
