/**
 * A server's routing function: from an exchange to what stands for its location. Hardening 6.
 *
 * The location is chosen by the normal form of the path, and the upstream never gets bytes that could be read as a
 * path of another location: what the client sent is only passed on when it leads to the same location and holds no
 * dot segments and no backslash, otherwise the normal form is.
 */
import { MAX_SUBJECT } from "../model/Regex.ts"
import * as RequestTarget from "../model/RequestTarget.ts"
import { now, type Sliced } from "../model/Sliced.ts"
import type { Exchange } from "../proxy/Exchange.ts"
import * as Matcher from "./Matcher.ts"

/** Finds the value of the location of an exchange. */
export type Route<Value> = (exchange: Exchange) => Value | null

export interface Routes<Value> {
  /**
   * The value of the location of an exchange, or null when there is none or the path has no single meaning. Sets `path`
   * to its normal form, replaces `target` when the bytes of the client must not be passed on, and records captures.
   */
  readonly route: Route<Value>
  /** Rules that cannot be used. They never match. */
  readonly errors: ReadonlyArray<Matcher.RuleError>
}

/** The arrangement of a server's locations: it depends on how they match, not on what stands for them. */
export interface Plan {
  readonly errors: ReadonlyArray<Matcher.RuleError>
  /** For a plan of a similar list. */
  readonly compiled: Matcher.Compiled
  /** The routing function to these values, one for each rule. */
  readonly to: <Value>(values: ReadonlyArray<Value>) => Route<Value>
}

/** Compiles a server's locations, in list order, with a value for each. */
export const compile = <Value>(
  rules: ReadonlyArray<Matcher.LocationRule>,
  values: ReadonlyArray<Value>
): Routes<Value> => {
  const { errors, to } = now(planning(rules))
  return { route: to(values), errors }
}

/** Arranges a server's locations, in list order, with pauses; `before` is the plan of a similar list. */
export function* planning(rules: ReadonlyArray<Matcher.LocationRule>, before?: Plan): Sliced<Plan> {
  const compiled = yield* Matcher.compiling(rules, before?.compiled)
  const { errors, matcher } = compiled
  // A pattern does not look at longer text, and a location that does not look may be the one that protects.
  const maxLength = rules.some(usesPattern) ? MAX_SUBJECT : Number.POSITIVE_INFINITY
  return {
    errors,
    compiled,
    to: (values) => (exchange) => {
      const raw = exchange.path
      if (raw.length > maxLength) return null
      const index = RequestTarget.needsNormalizing(raw)
        ? findNormalized(matcher, exchange, raw)
        : matcher.find(exchange, raw)
      if (index === -1) return null
      matcher.capture(index, exchange, exchange.path)
      return values[index]!
    }
  }
}

const usesPattern = (rule: Matcher.LocationRule): boolean =>
  (rule.path ?? "").trim().startsWith("~") || (rule.host ?? "").includes("~")

const findNormalized = (matcher: Matcher.Matcher, exchange: Exchange, raw: string): number => {
  const path = RequestTarget.normalizePath(raw)
  if (RequestTarget.hasAmbiguousDots(path)) return -1
  const index = matcher.find(exchange, path)
  if (path === raw) return index
  if (RequestTarget.hasDotSegments(raw) || RequestTarget.hasBackslash(raw) || matcher.find(exchange, raw) !== index) {
    exchange.retarget(path, exchange.query)
  } else exchange.path = path
  return index
}
