/**
 * Rewriting of a request's path: `<pattern> <replacement>`. Spec: config 7.6, hardening 6.
 *
 * The pattern sees the path that was matched. The replacement is taken apart when the configuration is built, and
 * captured text is inserted once: a `$1` that a client sends stays text. A result that cannot be a path, because of
 * what was captured, refuses the request.
 */
import * as Regex from "../model/Regex.ts"
import * as RequestTarget from "../model/RequestTarget.ts"
import type { Exchange } from "../proxy/Exchange.ts"
import { badRequest, type Failure, targetTooLong } from "../proxy/Failure.ts"

/** A rewrite that cannot be used. A value, never thrown. */
export class RewriteError {
  readonly _tag = "RewriteError"
  readonly source: string
  readonly message: string

  constructor(source: string, message: string) {
    this.source = source
    this.message = message
  }
}

/** Rewrites the path of an exchange; a failure refuses the request. */
export type Rewrite = (exchange: Exchange) => Failure | undefined

/** Called when a rewrite gave something that is no path (`result`) and the old path stays. */
export type OnInvalid = (exchange: Exchange, result: string) => void

/** Prepares a rewrite. */
export const compile = (rewrite: string, onInvalid?: OnInvalid): Rewrite | RewriteError => {
  const [source, replacement] = split(rewrite)
  const regex = Regex.compile(source)
  if (regex instanceof Regex.RegexError) return new RewriteError(rewrite, regex.message)
  // A fragment never reaches a server.
  const [template] = replacement.split("#", 1)
  const parts = compileTemplate(template!, regex)
  const whole = source === ".*"
  return (exchange) => {
    const path = exchange.path
    if (path.charCodeAt(0) !== SLASH) return undefined
    // What cannot be looked at must not go on as if it had not matched.
    if (path.length > Regex.MAX_SUBJECT) return targetTooLong
    const match = whole ? wholePath(path) : regex.exec(path)
    if (match === null) return undefined
    const before = path.slice(0, match.index)
    const after = path.slice(match.end)
    const question = parts.query === null ? "" : expand(parts.query, match, exchange)
    const result = before + expand(parts.path, match, exchange) + after
    if (result === path && question === "") return undefined
    if (result.charCodeAt(0) !== SLASH) {
      onInvalid?.(exchange, result)
      return undefined
    }
    if (!PATH.test(result) || !QUERY.test(question) || RequestTarget.hasDotSegments(result)) return badRequest
    if (regex.names.length > 0) exchange.addVariables(Object.entries(match.named))
    const query = question === "" ? exchange.query : exchange.query === "" ? question : `${question}&${exchange.query}`
    exchange.retarget(result, query)
    return undefined
  }
}

/**
 * Pattern and replacement. A single word is a replacement for the whole path when it refers to a variable, else a
 * pattern whose match is deleted. `^/old$` is a pattern: its dollar sign names nothing.
 */
const split = (rewrite: string): readonly [pattern: string, replacement: string] => {
  const words = rewrite.trim().split(/ +/)
  const [first, second] = words
  if (words.length === 2) return [first!, second!]
  const refers = first!.startsWith("/") || first!.startsWith("$")
  return words.length === 1 && refers && REFERENCE.test(first!) && !first!.endsWith("$") ? [".*", first!] : [first!, ""]
}

const SLASH = 47
const REFERENCE = /\$(?:\{|[0-9A-Za-z_])/
const PATH = /^[\x21\x22\x24-\x3e\x40-\x7e\x80-\xff]*$/
const QUERY = /^[\x21\x22\x24-\x7e\x80-\xff]*$/

type Part = string | { readonly name: string; readonly group: number }

/** The parts of a replacement, before and behind its `?`. */
interface Template {
  readonly path: ReadonlyArray<Part>
  readonly query: ReadonlyArray<Part> | null
}

const compileTemplate = (text: string, regex: Regex.Regex): Template => {
  const question = text.indexOf("?")
  const parts = (part: string): ReadonlyArray<Part> =>
    Regex.template(part).map((item) =>
      typeof item === "string" ? RequestTarget.encode(item) : { name: item.name, group: regex.group(item.name) }
    )
  return question === -1
    ? { path: parts(text), query: null }
    : { path: parts(text.slice(0, question)), query: parts(text.slice(question + 1)) }
}

/** Variables of the host and path come before groups of the same name, as they are substituted first. */
const expand = (parts: ReadonlyArray<Part>, match: Regex.RegexMatch, exchange: Exchange): string => {
  let text = ""
  for (const part of parts) {
    text += typeof part === "string" ? part : (exchange.variable(part.name) ?? match.groups[part.group] ?? "")
  }
  return text
}

const NO_NAMES: Readonly<Record<string, string>> = Object.freeze({})

const wholePath = (path: string): Regex.RegexMatch => ({ index: 0, end: path.length, groups: [path], named: NO_NAMES })
