/**
 * What a location asks of a request, read from its configuration: hosts, path, conditions, weight. Spec: config 7.1 to
 * 7.4.
 *
 * A rule can be asked by itself ({@link matches}); `Matcher.ts` arranges many of them so that few have to be asked.
 */
import * as Cookie from "../model/Cookie.ts"
import type { Fields } from "../model/Fields.ts"
import * as Query from "../model/Query.ts"
import * as Regex from "../model/Regex.ts"
import * as RequestTarget from "../model/RequestTarget.ts"

/** The part of `[locations.*]` that decides about matching. */
export interface LocationRule {
  readonly name: string
  readonly path?: string | undefined
  readonly host?: string | undefined
  readonly weight?: number | undefined
  readonly match_headers?: ReadonlyArray<string> | undefined
  readonly match_query?: ReadonlyArray<string> | undefined
  readonly match_cookies?: ReadonlyArray<string> | undefined
}

/** What matching needs to know of a request. An exchange is one. */
export interface Subject {
  /** Lower case, without port. */
  readonly host: string
  /** Raw, without `?`. */
  readonly query: string
  readonly fields: Fields
  addVariables(captures: Iterable<readonly [string, string]>): void
}

/** A part of a rule that cannot be used. */
export interface RuleError {
  /** Position in the list of rules. */
  readonly index: number
  /** Name of the location. */
  readonly location: string
  readonly key: "name" | "path" | "host"
  readonly message: string
}

export type Host =
  | { readonly type: "exact"; readonly host: string }
  /** `suffix` begins with a dot. */
  | { readonly type: "wildcard"; readonly suffix: string }
  | { readonly type: "regex"; readonly regex: Regex.Regex }

export type Path =
  /** More than one text when the configured one may arrive in several spellings. */
  | { readonly type: "exact"; readonly texts: ReadonlyArray<string> }
  | { readonly type: "prefix"; readonly texts: ReadonlyArray<string> }
  | { readonly type: "regex"; readonly regex: Regex.Regex }

export interface Condition {
  readonly source: "header" | "query" | "cookie"
  readonly name: string
  /** Null when being present is enough. */
  readonly value: string | null
}

/** A rule ready to be asked. */
export interface Rule {
  /** Empty: any host. */
  readonly hosts: ReadonlyArray<Host>
  readonly path: Path
  readonly conditions: ReadonlyArray<Condition>
  readonly weight: number
}

/** Reads a rule, or says what is wrong with it. */
export const parse = (rule: LocationRule, index: number): Rule | RuleError => {
  const error = (key: RuleError["key"], message: string): RuleError => ({
    index,
    location: rule.name,
    key,
    message
  })
  if (rule.name === "") return error("name", "location name is empty")
  const path = parsePath(rule.path ?? "")
  if (path instanceof Regex.RegexError) return error("path", path.message)
  const hosts: Array<Host> = []
  for (const item of (rule.host ?? "").split(",")) {
    if (item.trim() === "") continue
    const host = parseHost(item.trim())
    if (typeof host === "string") return error("host", host)
    hosts.push(host)
  }
  return { hosts, path, conditions: parseConditions(rule), weight: weight(rule) }
}

const parsePath = (path: string): Path | Regex.RegexError => {
  const text = path.trim()
  if (text.startsWith("~")) {
    const regex = Regex.compile(text.slice(1).trim())
    return regex instanceof Regex.RegexError ? regex : { type: "regex", regex }
  }
  if (text.startsWith("=")) return { type: "exact", texts: spellings(text.slice(1).trim()) }
  return { type: "prefix", texts: spellings(text) }
}

/**
 * A configured path as it looks in a request whose path is normal, and, when it is not ASCII, also as the bytes that a
 * client which does not escape would send. Dots and slashes stay: the prefix `/.` means hidden files, not everything.
 */
const spellings = (written: string): ReadonlyArray<string> => {
  const path = RequestTarget.escapeBackslashes(written)
  if (ORDINARY.test(path)) return [path]
  const encoded = RequestTarget.encode(path)
  const normal =
    encoded.includes("%") && !/%(?![0-9A-Fa-f]{2})/.test(encoded) ? RequestTarget.normalizeEscapes(encoded) : encoded
  if (!/[^\x00-\x7f]/.test(path)) return [normal]
  return [normal, String.fromCharCode(...new TextEncoder().encode(path))]
}

/** Text without escapes and without anything that would have to be escaped. */
const ORDINARY = /^[\x21-\x24\x26-\x7e]*$/

const parseHost = (text: string): Host | string => {
  if (text.startsWith("~")) {
    const regex = Regex.compile(text.slice(1).trim(), "i")
    return regex instanceof Regex.RegexError ? regex.message : { type: "regex", regex }
  }
  const host = text.toLowerCase()
  if (!host.startsWith("*.")) return { type: "exact", host }
  const suffix = host.slice(1)
  return suffix.length < 2 || suffix.includes("*")
    ? `invalid host wildcard pattern: ${text}`
    : { type: "wildcard", suffix }
}

const parseConditions = (rule: LocationRule): ReadonlyArray<Condition> => {
  const conditions: Array<Condition> = []
  const add = (source: Condition["source"], entries: ReadonlyArray<string> | undefined): void => {
    for (const entry of entries ?? []) {
      const colon = entry.indexOf(":")
      const name = (colon === -1 ? entry : entry.slice(0, colon)).trim()
      if (name === "") continue
      conditions.push({
        source,
        name: source === "header" ? name.toLowerCase() : name,
        value: colon === -1 ? null : entry.slice(colon + 1).trim()
      })
    }
  }
  add("header", rule.match_headers)
  add("query", rule.match_query)
  add("cookie", rule.match_cookies)
  return conditions
}

/** Priority of a location: configured, or computed from how specific it is. Spec: config 7.4. */
export const weight = (rule: LocationRule): number => {
  if (rule.weight !== undefined) return rule.weight
  const path = rule.path ?? ""
  const host = rule.host ?? ""
  const length = byteLength(path)
  let sum = 0
  if (length > 1) sum += (path[0] === "=" ? 1024 : path[0] === "~" ? 256 : 512) + Math.min(length, 64)
  if (host !== "") sum += host.split(",").some((item) => item.startsWith("~")) ? byteLength(host) : 128
  return sum
}

const byteLength = (text: string): number => (ORDINARY.test(text) ? text.length : new TextEncoder().encode(text).length)

/** True when a rule holds for a request whose path is `path`. */
export const matches = (rule: Rule, subject: Subject, path: string): boolean =>
  pathMatches(rule.path, path) && hostMatches(rule.hosts, subject.host) && conditionsHold(rule.conditions, subject)

const pathMatches = (rule: Path, path: string): boolean => {
  if (rule.type === "exact") return rule.texts.includes(path)
  if (rule.type === "prefix") return rule.texts.some((text) => path.startsWith(text))
  return testRegex(rule.regex, path)
}

const hostMatches = (hosts: ReadonlyArray<Host>, host: string): boolean =>
  hosts.length === 0 || hostThatMatches(hosts, host) !== null

const hostThatMatches = (hosts: ReadonlyArray<Host>, host: string): Host | null => {
  for (const rule of hosts) {
    if (rule.type === "exact" && rule.host === host) return rule
    if (rule.type === "wildcard" && host.length > rule.suffix.length && host.endsWith(rule.suffix)) return rule
    if (rule.type === "regex" && testRegex(rule.regex, host)) return rule
  }
  return null
}

/** A search in text of a request. Text beyond {@link Regex.MAX_SUBJECT} does not match. */
export const testRegex = (regex: Regex.Regex, text: string): boolean =>
  text.length <= Regex.MAX_SUBJECT && regex.test(text)

/** True when all extra conditions hold. Spec: config 7.3. */
export const conditionsHold = (conditions: ReadonlyArray<Condition>, subject: Subject): boolean => {
  for (const condition of conditions) {
    const found = lookUp(condition, subject)
    if (found === undefined || (condition.value !== null && condition.value !== found)) return false
  }
  return true
}

const lookUp = (condition: Condition, subject: Subject): string | undefined => {
  if (condition.source === "query") return Query.value(subject.query, condition.name)
  if (condition.source === "cookie") return Cookie.value(subject.fields, condition.name)
  const value = subject.fields.get(condition.name)
  return value !== undefined && VISIBLE.test(value) ? value : undefined
}

const VISIBLE = /^[\t\x20-\x7e]*$/

/** True when a rule that matched has something to add to the variables. */
export const captures = (rule: Rule): boolean =>
  (rule.path.type === "regex" && rule.path.regex.names.length > 0) ||
  rule.hosts.some((host) => host.type === "regex" && host.regex.names.length > 0)

/** Records the named groups of a rule that matched. Those of the host replace those of the path. */
export const capture = (rule: Rule, subject: Subject, path: string): void => {
  if (rule.path.type === "regex") record(rule.path.regex, path, subject)
  const host = hostThatMatches(rule.hosts, subject.host)
  if (host?.type === "regex") record(host.regex, subject.host, subject)
}

const record = (regex: Regex.Regex, text: string, subject: Subject): void => {
  if (regex.names.length === 0) return
  const match = regex.exec(text)
  if (match !== null) subject.addVariables(Object.entries(match.named))
}
