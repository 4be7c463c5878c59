/**
 * Regular expressions of the configuration: Rust's dialect, with a cost that no subject can blow up. Spec: config 7.2,
 * plugins 2.4; hardening 10.
 *
 * A pattern is read into a tree and written anew for the engine that runs it. V8's engine backtracks, so every
 * pattern is analysed (`regex/Cost.ts`): V8 matches subjects that are short enough for the pattern's worst case to
 * stay below a million steps, which most patterns are for every text a request brings; everything else goes to RE2JS,
 * which is slower and linear. Both find the leftmost-first match that Rust finds.
 *
 * Differences from Rust: `\d`, `\w`, `\s`, `\b` and POSIX classes are ASCII, because subjects are wire text with one
 * character per byte. A literal character beyond ASCII matches itself and its UTF-8 bytes. The flag `R` is refused.
 */
import { RE2JS } from "re2js"
import { safeLength, startsAnchored } from "./regex/Cost.ts"
import { toLinear, toV8 } from "./regex/Emit.ts"
import { type Node, type Pattern, parse } from "./regex/Syntax.ts"

/** Longest text that is matched while a request waits. Callers treat a longer one as not matching. */
export const MAX_SUBJECT = 8192

/** A pattern that cannot be used. A value, never thrown. */
export class RegexError {
  readonly _tag = "RegexError"
  readonly source: string
  readonly message: string

  constructor(source: string, message: string) {
    this.source = source
    this.message = message
  }
}

/** One match. */
export interface RegexMatch {
  /** Where the match begins, in characters. */
  readonly index: number
  /** Where it ends. */
  readonly end: number
  /** The whole match, then each group; `undefined` for groups that took no part. */
  readonly groups: ReadonlyArray<string | undefined>
  /** The named groups that took part. Has no prototype. */
  readonly named: Readonly<Record<string, string>>
}

/** A reference in a replacement text, to a group's number or name. */
export interface Reference {
  readonly name: string
}

/** A replacement text prepared for one pattern: literal text and group numbers. */
export type Replacement = ReadonlyArray<string | number>

/** An immutable compiled pattern. Searches are unanchored, as in Rust. */
export interface Regex {
  /** The pattern as it was written. */
  readonly source: string
  /** Names of the named groups. */
  readonly names: ReadonlyArray<string>
  /** Number of capturing groups. */
  readonly groups: number
  /** Text that a subject must begin with to match; empty when the pattern is not tied to the start. */
  readonly prefix: string
  /** The number of the group that a reference means, or -1. */
  group(name: string): number
  /** True when `text` contains a match. */
  test(text: string): boolean
  /** The first match that begins at or after `from`. */
  exec(text: string, from?: number): RegexMatch | null
  /** Prepares a replacement for this pattern, see {@link template}. Unknown groups insert nothing. */
  replacement(text: string): Replacement
  /** `text` with its first match replaced. */
  replaceFirst(text: string, replacement: Replacement): string
  /** `text` with every match replaced. */
  replaceAll(text: string, replacement: Replacement): string
}

/** Compiles a pattern. `i` ignores case in all of it. Equal patterns are compiled once. */
export const compile = (source: string, flags: "" | "i" = ""): Regex | RegexError => {
  const key = `${flags}/${source}`
  const known = compiled.get(key)
  if (known !== undefined) return known
  const regex = build(source, flags === "i")
  if (regex instanceof RegexError) return regex
  // A reload compiles the same patterns again; the bound only matters to a program that never stops inventing some.
  if (compiled.size >= 4096) compiled.clear()
  compiled.set(key, regex)
  return regex
}

const compiled = new Map<string, Regex>()

/** A pattern that matches `text` and nothing else. */
export const quote = (text: string): string => text.replace(/[\\^$.|?*+()[\]{}&~#-]/g, "\\$&")

const build = (source: string, ignoreCase: boolean): Regex | RegexError => {
  const pattern = parse(source, ignoreCase)
  if ("message" in pattern) {
    return new RegexError(source, `regex parse error at ${pattern.position}: ${pattern.message}`)
  }
  const limit = safeLength(pattern.root)
  const execLimit = forgetsGroups(pattern.root) ? -1 : limit
  const linearSource = toLinear(pattern.root)
  if (linearSource === null && execLimit < MAX_SUBJECT) {
    return new RegexError(source, "regex combines word edges with repetitions that are not safe to backtrack")
  }
  try {
    const native = limit === -1 ? null : new RegExp(toV8(pattern.root), "u")
    const linear = execLimit < MAX_SUBJECT ? RE2JS.compile(linearSource!) : null
    const prefix = literalPrefix(pattern.root)
    return new Compiled({ source, pattern, prefix, native, linear, linearSource, limit, execLimit })
  } catch (cause) {
    return new RegexError(source, `regex cannot be compiled: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}

/** The literal text at the start of a pattern that is tied to the start of its subject. */
const literalPrefix = (root: Node): string => {
  if (!startsAnchored(root) || root.type !== "concat" || root.parts[0]!.type !== "anchor") return ""
  let prefix = ""
  for (const part of root.parts.slice(1)) {
    if (part.type !== "set" || part.set.properties.length > 0) break
    const [low, high] = part.set.ranges
    if (part.set.ranges.length !== 2 || low !== high || low! > 0x7f) break
    prefix += String.fromCodePoint(low!)
  }
  return prefix
}

/**
 * True when a group inside a repetition may take no part in the last round: V8 then forgets what it captured before,
 * Rust keeps it.
 */
const forgetsGroups = (node: Node, repeated = false, optional = false): boolean => {
  switch (node.type) {
    case "group":
      return (node.index > 0 && repeated && optional) || forgetsGroups(node.body, repeated, optional)
    case "concat":
      return node.parts.some((part) => forgetsGroups(part, repeated, optional))
    case "alternate":
      return node.options.some((option) => forgetsGroups(option, repeated, true))
    case "repeat":
      return forgetsGroups(node.body, repeated || node.max > 1, repeated && (optional || node.min === 0))
    default:
      return false
  }
}

interface Parts {
  readonly source: string
  readonly pattern: Pattern
  readonly prefix: string
  /** Null for patterns that V8 must never run. */
  readonly native: RegExp | null
  /** Null until a text is too long for V8. */
  readonly linear: RE2JS | null
  readonly linearSource: string | null
  /** Longest text that V8 tests. */
  readonly limit: number
  /** Longest text for which V8 reports groups. */
  readonly execLimit: number
}

class Compiled implements Regex {
  readonly source: string
  readonly names: ReadonlyArray<string>
  readonly groups: number
  readonly prefix: string
  private readonly numbers: ReadonlyMap<string, number>
  private readonly native: RegExp | null
  private linear: RE2JS | null
  private readonly linearSource: string | null
  private readonly limit: number
  private readonly execLimit: number
  private continued: RegExp | null = null

  constructor(parts: Parts) {
    this.source = parts.source
    this.names = [...parts.pattern.names.keys()]
    this.groups = parts.pattern.groups
    this.prefix = parts.prefix
    this.numbers = parts.pattern.names
    this.native = parts.native
    this.linear = parts.linear
    this.linearSource = parts.linearSource
    this.limit = parts.limit
    this.execLimit = parts.execLimit
  }

  test(text: string): boolean {
    return text.length <= this.limit ? this.native!.test(text) : (this.linearEngine()?.test(text) ?? false)
  }

  exec(text: string, from = 0): RegexMatch | null {
    if (text.length > this.execLimit) return this.execLinear(text, from)
    let found: RegExpExecArray | null
    if (from === 0) found = this.native!.exec(text)
    else {
      this.continued ??= new RegExp(this.native!.source, "gu")
      this.continued.lastIndex = from
      found = this.continued.exec(text)
    }
    return found === null ? null : this.match(found.index, found)
  }

  private execLinear(text: string, from: number): RegexMatch | null {
    const matcher = this.linearEngine()?.matcher(text)
    if (matcher === undefined || from > text.length || !matcher.find(from)) return null
    const groups: Array<string | undefined> = []
    for (let group = 0; group <= this.groups; group++) groups.push(matcher.group(group) ?? undefined)
    return this.match(matcher.start(), groups)
  }

  // Most patterns never meet a text that is too long for V8.
  private linearEngine(): RE2JS | null {
    if (this.linear !== null || this.linearSource === null) return this.linear
    try {
      this.linear = RE2JS.compile(this.linearSource)
    } catch {
      return null
    }
    return this.linear
  }

  private match(index: number, groups: ReadonlyArray<string | undefined>): RegexMatch {
    return { index, end: index + groups[0]!.length, groups, named: this.named(groups) }
  }

  private named(groups: ReadonlyArray<string | undefined>): Readonly<Record<string, string>> {
    if (this.numbers.size === 0) return NONE
    const named: Record<string, string> = Object.create(null)
    for (const [name, number] of this.numbers) {
      const value = groups[number]
      if (value !== undefined) named[name] = value
    }
    return named
  }

  replacement(text: string): Replacement {
    const parts: Array<string | number> = []
    for (const part of template(text)) {
      if (typeof part === "string") parts.push(part)
      else if (this.group(part.name) !== -1) parts.push(this.group(part.name))
    }
    return parts
  }

  group(name: string): number {
    if (!/^[0-9]+$/.test(name)) return this.numbers.get(name) ?? -1
    return Number(name) <= this.groups ? Number(name) : -1
  }

  replaceFirst(text: string, replacement: Replacement): string {
    const match = this.exec(text)
    return match === null ? text : text.slice(0, match.index) + expand(match, replacement) + text.slice(match.end)
  }

  replaceAll(text: string, replacement: Replacement): string {
    let out = ""
    let copied = 0
    let from = 0
    while (from <= text.length) {
      const match = this.exec(text, from)
      if (match === null) break
      // An empty match that touches the one before is no match of its own.
      if (match.end > match.index || match.index !== copied || copied === 0) {
        out += text.slice(copied, match.index) + expand(match, replacement)
        copied = match.end
      }
      from = match.end > match.index ? match.end : match.end + 1
    }
    return out + text.slice(copied)
  }
}

/**
 * Reads a replacement text in Rust's syntax: `$1`, `${1}`, `$name`, `${name}`, and `$$` for a dollar sign. A name is as
 * long as it can be: `$1abc` is the group `1abc`. A dollar sign before anything else stands for itself.
 */
export const template = (text: string): ReadonlyArray<string | Reference> => {
  const parts: Array<string | Reference> = []
  let literal = ""
  let at = 0
  for (let dollar = text.indexOf("$"); dollar !== -1; dollar = text.indexOf("$", at)) {
    literal += text.slice(at, dollar)
    const reference = REFERENCE.exec(text.slice(dollar))
    at = dollar + (reference?.[0].length ?? 1)
    if (reference === null || reference[0] === "$$") {
      literal += "$"
      continue
    }
    if (literal !== "") parts.push(literal)
    literal = ""
    parts.push({ name: reference[1] ?? reference[2]! })
  }
  literal += text.slice(at)
  if (literal !== "") parts.push(literal)
  return parts
}

/** The text a replacement stands for. */
export const expand = (match: RegexMatch, replacement: Replacement): string => {
  let text = ""
  for (const part of replacement) text += typeof part === "string" ? part : (match.groups[part] ?? "")
  return text
}

const REFERENCE = /^\$(?:\$|\{([^}]*)\}|([0-9A-Za-z_]+))/
const NONE: Readonly<Record<string, string>> = Object.freeze(Object.create(null))
