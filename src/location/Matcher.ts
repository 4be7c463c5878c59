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
import { type Candidate, NONE, PathTree } from "./PathTree.ts"
import * as Rules from "./Rules.ts"

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
  const entries: Array<{ readonly index: number; readonly rule: Rules.Rule }> = []
  locations.forEach((location, index) => {
    const rule = Rules.parse(location, index)
    if ("message" in rule) errors.push(rule)
    else entries.push({ index, rule })
  })
  entries.sort((a, b) => b.rule.weight - a.rule.weight || a.index - b.index)
  return { matcher: new Index(entries), errors }
}

/** The trees of one set of hosts. */
class Bucket {
  readonly plain = new PathTree()
  readonly regex = new PathTree()
  best = NONE
}

class Index implements Matcher {
  private readonly any = new Bucket()
  private readonly exact = new Map<string, Bucket>()
  private readonly wildcards = new SuffixTree()
  private readonly regexHosts = new Bucket()
  /** List position of each rank. */
  private readonly positions: Array<number> = []
  /** Rules that capture, by list position. */
  private readonly capturing = new Map<number, Rules.Rule>()

  constructor(entries: ReadonlyArray<{ readonly index: number; readonly rule: Rules.Rule }>) {
    entries.forEach(({ index, rule }, rank) => {
      this.positions.push(index)
      if (Rules.captures(rule)) this.capturing.set(index, rule)
      this.add(rule, rank)
    })
  }

  private add(rule: Rules.Rule, rank: number): void {
    const buckets = new Set<Bucket>()
    const regexes = rule.hosts.flatMap((host) => (host.type === "regex" ? [host.regex] : []))
    if (rule.hosts.length === 0) buckets.add(this.any)
    if (regexes.length > 0) buckets.add(this.regexHosts)
    for (const host of rule.hosts) {
      if (host.type === "wildcard") buckets.add(this.wildcards.bucket(host.suffix))
      if (host.type !== "exact") continue
      let bucket = this.exact.get(host.host)
      if (bucket === undefined) this.exact.set(host.host, (bucket = new Bucket()))
      buckets.add(bucket)
    }
    for (const bucket of buckets) {
      bucket.best = Math.min(bucket.best, rank)
      const candidate: Candidate = {
        rank,
        exact: rule.path.type === "exact",
        path: rule.path.type === "regex" ? rule.path.regex : null,
        hosts: bucket === this.regexHosts ? regexes : null,
        conditions: rule.conditions.length === 0 ? null : rule.conditions
      }
      if (rule.path.type === "regex") bucket.regex.add(rule.path.regex.prefix, candidate)
      else for (const text of rule.path.texts) bucket.plain.add(text, candidate)
    }
  }

  match(subject: Rules.Subject & { readonly path: string }): number {
    const index = this.find(subject, subject.path)
    if (index !== -1) this.capture(index, subject, subject.path)
    return index
  }

  find(subject: Rules.Subject, path: string): number {
    const exact = this.exact.get(subject.host)
    let best = NONE
    if (exact !== undefined) best = exact.plain.search(subject, path, best)
    if (this.wildcards.size > 0) best = this.wildcards.search(subject, path, best, false)
    if (this.any.plain.best < best) best = this.any.plain.search(subject, path, best)
    if (exact !== undefined && exact.regex.best < best) best = exact.regex.search(subject, path, best)
    if (this.wildcards.size > 0) best = this.wildcards.search(subject, path, best, true)
    if (this.any.regex.best < best) best = this.any.regex.search(subject, path, best)
    if (this.regexHosts.best < best) {
      best = this.regexHosts.plain.search(subject, path, best)
      if (this.regexHosts.regex.best < best) best = this.regexHosts.regex.search(subject, path, best)
    }
    return best === NONE ? -1 : this.positions[best]!
  }

  capture(index: number, subject: Rules.Subject, path: string): void {
    if (this.capturing.size === 0) return
    const rule = this.capturing.get(index)
    if (rule !== undefined) Rules.capture(rule, subject, path)
  }
}

/** Buckets of wildcard hosts, found by walking a host backwards. */
class SuffixTree {
  size = 0
  private readonly root: Suffix = { bucket: null, next: new Map() }

  /** The bucket of a suffix, which begins with a dot. */
  bucket(suffix: string): Bucket {
    let node = this.root
    for (let i = suffix.length - 1; i >= 0; i--) {
      const code = suffix.charCodeAt(i)
      let next = node.next.get(code)
      if (next === undefined) node.next.set(code, (next = { bucket: null, next: new Map() }))
      node = next
    }
    if (node.bucket === null) this.size++
    return (node.bucket ??= new Bucket())
  }

  search(subject: Rules.Subject, path: string, best: number, regex: boolean): number {
    const host = subject.host
    let node = this.root
    // At least one character must stand before the suffix.
    for (let i = host.length - 1; i > 0; i--) {
      const next = node.next.get(host.charCodeAt(i))
      if (next === undefined) return best
      node = next
      if (node.bucket !== null && node.bucket.best < best) {
        best = (regex ? node.bucket.regex : node.bucket.plain).search(subject, path, best)
      }
    }
    return best
  }
}

interface Suffix {
  bucket: Bucket | null
  readonly next: Map<number, Suffix>
}
