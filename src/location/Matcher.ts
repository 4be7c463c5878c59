/**
 * Finds the location of a request. Spec: config 7; the answer is that of a linear scan over the list in order of
 * descending weight, ties in list order.
 *
 * Locations are sorted once and get a rank. They are then arranged by host (exact, wildcard suffix, regular
 * expression, any) and below that by path (`PathTree.ts`), so that a search asks few of them and ends as soon as no
 * better rank is left. Regular expressions run last, and only those that could still win; one that is tied to the
 * start of the path is looked up by its literal beginning. A search allocates nothing.
 *
 * A matcher is immutable: a changed location means a new one.
 */
import type { Regex } from "../model/Regex.ts"
import { type Candidate, NONE, Packer, PathTree, type PathTrees } from "./PathTree.ts"
import * as Rules from "./Rules.ts"
import { type Covering, SuffixTree } from "./SuffixTree.ts"

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
}

/** Arranges locations, given in the order of the server's list. */
export const compile = (locations: ReadonlyArray<Rules.LocationRule>): Compiled => {
  const errors: Array<Rules.RuleError> = []
  const entries: Array<Entry> = []
  locations.forEach((location, index) => {
    const rule = Rules.parse(location, index)
    if ("message" in rule) errors.push(rule)
    else entries.push({ index, rule })
  })
  entries.sort((a, b) => b.rule.weight - a.rule.weight || a.index - b.index)
  return { matcher: new Index(entries), errors }
}

interface Entry {
  readonly index: number
  readonly rule: Rules.Rule
}

/** The candidates of some hosts, while they are collected. */
class Collection {
  /** Those without a regular expression for the path. */
  readonly plain = new PathTree()
  readonly regex = new PathTree()

  add(rule: Rules.Rule, rank: number, hosts: Candidate["hosts"]): void {
    const { conditions, path } = rule
    const candidate: Candidate = {
      rank,
      exact: path.type === "exact",
      path: path.type === "regex" ? path.regex : null,
      hosts,
      conditions: conditions.length === 0 ? null : conditions
    }
    if (path.type === "regex") this.regex.add(path.regex.prefix, candidate)
    else for (const text of path.texts) this.plain.add(text, candidate)
  }
}

/** The same, packed: offsets of the two trees. */
interface Bucket {
  readonly plain: number
  readonly regex: number
}

class Index implements Matcher {
  private readonly trees: PathTrees
  private readonly any: Bucket
  private readonly exact: ReadonlyMap<string, Bucket>
  /** Null without wildcard hosts. */
  private readonly wildcards: SuffixTree<Bucket> | null
  /** Candidates that test the host themselves. */
  private readonly regexHosts: Bucket
  /** List position of each rank. */
  private readonly positions: Int32Array
  /** Rules that capture, by list position. */
  private readonly capturing: ReadonlyMap<number, Rules.Rule>

  /** `entries` are in the order of selection. */
  constructor(entries: ReadonlyArray<Entry>) {
    const any = new Collection()
    const regexHosts = new Collection()
    const exact = new Map<string, Collection>()
    const wildcards = new Map<string, Collection>()
    entries.forEach(({ rule }, rank) => {
      if (rule.hosts.length === 0) any.add(rule, rank, null)
      const regexes: Array<Regex> = []
      for (const host of rule.hosts) {
        if (host.type === "regex") regexes.push(host.regex)
        else if (host.type === "exact") memberOf(exact, host.host).add(rule, rank, null)
        else memberOf(wildcards, host.suffix).add(rule, rank, null)
      }
      if (regexes.length > 0) regexHosts.add(rule, rank, regexes)
    })
    const packer = new Packer()
    const pack = ({ plain, regex }: Collection): Bucket => ({ plain: packer.add(plain), regex: packer.add(regex) })
    this.any = pack(any)
    this.regexHosts = pack(regexHosts)
    this.exact = new Map(Array.from(exact, ([host, collection]) => [host, pack(collection)]))
    const suffixes = Array.from(wildcards, ([suffix, collection]): [string, Bucket] => [suffix, pack(collection)])
    this.wildcards = suffixes.length === 0 ? null : new SuffixTree(suffixes)
    this.trees = packer.trees()
    this.positions = Int32Array.from(entries, (entry) => entry.index)
    this.capturing = new Map(
      entries.flatMap(({ index, rule }): Array<[number, Rules.Rule]> => (Rules.captures(rule) ? [[index, rule]] : []))
    )
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
    return best === NONE ? -1 : this.positions[best]!
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

const memberOf = (collections: Map<string, Collection>, name: string): Collection => {
  let collection = collections.get(name)
  if (collection === undefined) collections.set(name, (collection = new Collection()))
  return collection
}
