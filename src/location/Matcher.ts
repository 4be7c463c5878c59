/**
 * Finds the location of a request. Spec: config 7; the answer is that of a linear scan over the list in order of
 * descending weight, ties in list order.
 *
 * Locations have a rank (`Ranks.ts`) and are arranged by host and path (`Arrangement.ts`), so that a search asks few of
 * them and ends as soon as no better rank is left. Regular expressions run last, and only those that could still win;
 * one that is tied to the start of the path is looked up by its literal beginning. A search allocates nothing.
 *
 * A matcher is immutable: a changed location means a new one, which takes over what the change is not about.
 */
import { now, type Sliced } from "../model/Sliced.ts"
import { type Arrangement, arrange, type Bucket, rearrange } from "./Arrangement.ts"
import { NONE } from "./PathTree.ts"
import * as Rules from "./Rules.ts"
import type { Covering } from "./SuffixTree.ts"

export type { LocationRule, RuleError, Subject } from "./Rules.ts"
export { weight } from "./Rules.ts"

export interface Matcher {
  /** Position in the list of the location for `subject`, or -1; its captures are added to the variables. */
  match(subject: Rules.Subject & { readonly path: string }): number
  /** Position of the location for `subject` with another path, or -1. Records nothing. */
  find(subject: Rules.Subject, path: string): number
  /** Adds the captures of the location at `index`, which was found for `path`. */
  capture(index: number, subject: Rules.Subject, path: string): void
}

export interface Compiled {
  readonly matcher: Matcher
  /** Rules that cannot be used. They never match. */
  readonly errors: ReadonlyArray<Rules.RuleError>
  readonly arrangement: Arrangement
}

/** Arranges locations, given in the order of the server's list. */
export const compile = (locations: ReadonlyArray<Rules.LocationRule>): Compiled => now(compiling(locations))

/** The same, with pauses; `before` is what was compiled from a similar list. */
export function* compiling(locations: ReadonlyArray<Rules.LocationRule>, before?: Compiled): Sliced<Compiled> {
  const errors: Array<Rules.RuleError> = []
  const rules: Array<Rules.Rule | null> = []
  for (const [index, location] of locations.entries()) {
    if (index % RULES_PER_STEP === 0) yield
    const rule = parsed.get(location) ?? Rules.parse(location, index)
    if ("message" in rule) {
      errors.push(rule)
      rules.push(null)
    } else {
      parsed.set(location, rule)
      rules.push(rule)
    }
  }
  const arrangement =
    (before === undefined ? undefined : yield* rearrange(before.arrangement, rules)) ?? (yield* arrange(rules))
  return { matcher: new Index(arrangement), errors, arrangement }
}

const RULES_PER_STEP = 200

// A reload brings most rules again, as the same objects.
const parsed = new WeakMap<Rules.LocationRule, Rules.Rule>()

class Index implements Matcher {
  private readonly trees: Arrangement["trees"]
  private readonly any: Arrangement["any"]
  private readonly exact: Arrangement["exact"]
  private readonly wildcards: Arrangement["wildcards"]
  private readonly regexHosts: Arrangement["regexHosts"]
  private readonly mask: number
  private readonly positions: Int32Array
  private readonly capturing: Arrangement["capturing"]

  constructor(arrangement: Arrangement) {
    this.trees = arrangement.trees
    this.any = arrangement.any
    this.exact = arrangement.exact
    this.wildcards = arrangement.wildcards
    this.regexHosts = arrangement.regexHosts
    this.mask = arrangement.ranks.mask
    this.positions = arrangement.ranks.positions
    this.capturing = arrangement.capturing
  }

  match(subject: Rules.Subject & { readonly path: string }): number {
    const index = this.find(subject, subject.path)
    if (index !== -1) this.capture(index, subject, subject.path)
    return index
  }

  find(subject: Rules.Subject, path: string): number {
    const trees = this.trees
    const exact = this.exact.get(subject.host)
    const wildcards = this.wildcards === null ? null : this.wildcards.longest(subject.host)
    let best = NONE
    // Text first: what it finds rules out most regular expressions.
    if (exact !== undefined) best = trees.search(exact.plain, subject, path, best)
    if (wildcards !== null) best = this.searchAll(wildcards, subject, path, best, false)
    best = trees.search(this.any.plain, subject, path, best)
    if (exact !== undefined) best = trees.search(exact.regex, subject, path, best)
    if (wildcards !== null) best = this.searchAll(wildcards, subject, path, best, true)
    best = trees.search(this.any.regex, subject, path, best)
    best = trees.search(this.regexHosts.plain, subject, path, best)
    best = trees.search(this.regexHosts.regex, subject, path, best)
    if (best === NONE) return -1
    return this.mask === 0 ? this.positions[best]! : best & this.mask
  }

  private searchAll(
    wildcards: Covering<Bucket> | null,
    subject: Rules.Subject,
    path: string,
    best: number,
    ofRegex: boolean
  ): number {
    for (let covering = wildcards; covering !== null; covering = covering.shorter) {
      const { plain, regex } = covering.value
      best = this.trees.search(ofRegex ? regex : plain, subject, path, best)
    }
    return best
  }

  capture(index: number, subject: Rules.Subject, path: string): void {
    if (this.capturing.size === 0) return
    const rule = this.capturing.get(index)
    if (rule !== undefined) Rules.capture(rule, subject, path)
  }
}
