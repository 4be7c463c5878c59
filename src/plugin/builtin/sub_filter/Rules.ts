/**
 * The rules of `sub_filter` as text: `subs_filter 'pattern' 'replacement' ig`. Spec: plugins 6.24, plugin-vectors 22.
 */
import { parse as parsePattern } from "../../../model/regex/Syntax.ts"
import * as Literal from "./Literal.ts"
import * as Pattern from "./Pattern.ts"
import * as Program from "./Program.ts"
import type { Rule } from "./Rewriter.ts"

/** A rule as it is written. */
export interface RuleText {
  /** `subs_filter`: the pattern is a regular expression. `sub_filter`: it is text. */
  readonly isRegex: boolean
  readonly pattern: string
  readonly replacement: string
  /** Case does not matter. Regular expressions only. */
  readonly ignoreCase: boolean
  /** Replaces every match, not the first only. */
  readonly everywhere: boolean
  /** What follows the rule in its text and means nothing. */
  readonly rest: string
}

const RULE = /(subs_filter|sub_filter)\s+'([^']+)'\s+'([^']+)'(?:\s+([ig]+))?/

/** The rule in `text`, null when there is none. */
export const parse = (text: string): RuleText | null => {
  const match = RULE.exec(text)
  if (match === null) return null
  const [whole, kind, pattern, replacement, flags = ""] = match
  return {
    isRegex: kind === "subs_filter",
    pattern: pattern!,
    replacement: replacement!,
    ignoreCase: flags.includes("i"),
    everywhere: flags.includes("g"),
    rest: (text.slice(0, match.index) + text.slice(match.index + whole.length)).trim()
  }
}

/** A rule ready for use, or what is wrong with its pattern. */
export const compile = (rule: RuleText, maxMatchBytes: number): Rule | string => {
  const { pattern, replacement, ignoreCase, everywhere } = rule
  if (!rule.isRegex) return Literal.compile(Buffer.from(pattern), Buffer.from(replacement), everywhere)
  const parsed = parsePattern(pattern, ignoreCase)
  if ("message" in parsed) return `regex parse error at ${parsed.position}: ${parsed.message}`
  const template = templateOf(replacement, parsed)
  const groups = new Set(template.filter((part) => typeof part === "number"))
  const program = Program.compile(parsed, groups)
  if (program === null) return "regex is too large"
  if (!program.isLiteral || program.slots > 1) return Pattern.compile(program, template, everywhere, maxMatchBytes)
  // Without groups, a number in the template is the match itself.
  const text = template.map((part) => (typeof part === "number" ? program.prefix : part))
  return Literal.compile(program.prefix, Buffer.concat(text), everywhere)
}

const REFERENCE = /\$(?:(\$)|\{([^}]*)\}|([0-9A-Za-z_]+))/g

/**
 * The parts of a replacement in Rust's syntax: `$1`, `${1}`, `$name`, `${name}`, `$$`. A name is as long as it can be
 * (`$1a` is the group `1a`); a group that does not exist inserts nothing.
 */
const templateOf = (
  text: string,
  pattern: { readonly groups: number; readonly names: ReadonlyMap<string, number> }
): Pattern.Template => {
  const parts: Array<Buffer | number> = []
  let literal = ""
  let from = 0
  for (const match of text.matchAll(REFERENCE)) {
    literal += text.slice(from, match.index)
    from = match.index + match[0].length
    if (match[1] !== undefined) {
      literal += "$"
      continue
    }
    const name = match[2] ?? match[3]!
    const group = /^[0-9]+$/.test(name) ? Number(name) : (pattern.names.get(name) ?? -1)
    if (group < 0 || group > pattern.groups) continue
    if (literal !== "") parts.push(Buffer.from(literal))
    parts.push(group)
    literal = ""
  }
  literal += text.slice(from)
  if (literal !== "") parts.push(Buffer.from(literal))
  return parts
}
