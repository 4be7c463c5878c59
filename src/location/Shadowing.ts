/**
 * Locations that no request can reach, because earlier ones take every request that they match. Spec: config 7.4.
 *
 * A location is weighed against those in front of it in the order of selection that have neither conditions nor
 * regular expressions, host by host. A wildcard or a path prefix stands for more texts than any finite number of
 * narrower rules can take, so one earlier rule must take all of it; then the answer is exact. What a regular expression
 * or a condition matches is unknown: it counts as everything that its literal beginning allows, so that a location is
 * reported only when it really never is chosen. A location that is not reported may still be one.
 */
import type { Sliced } from "../model/Sliced.ts"
import { PathTree } from "./PathTree.ts"
import * as Rules from "./Rules.ts"

/** A location that is never chosen. */
export interface Shadowed {
  /** Its position in the list of rules. */
  readonly index: number
  /** Positions of those that take its requests, in the order of selection; more than one when its hosts differ. */
  readonly by: ReadonlyArray<number>
}

/**
 * The locations of a server, given in the order of its list, that are never chosen; in that order. A name that is
 * listed again is no second location. Rules that cannot be used are left out: they have errors of their own.
 */
export function* find(rules: ReadonlyArray<Rules.LocationRule>): Sliced<ReadonlyArray<Shadowed>> {
  const entries: Array<Entry> = []
  const names = new Set<string>()
  for (const [index, rule] of rules.entries()) {
    if (index % PAUSE === PAUSE - 1) yield
    if (names.has(rule.name)) continue
    names.add(rule.name)
    const entry = read(rule, index)
    if (entry !== null) entries.push(entry)
  }
  entries.sort((a, b) => b.weight - a.weight || a.index - b.index)
  const taken = new Taken()
  const found: Array<Shadowed> = []
  for (const [rank, entry] of entries.entries()) {
    if (rank % PAUSE === PAUSE - 1) yield
    const by = taken.by(entry)
    if (by !== null) found.push({ index: entry.index, by: by.map((other) => entries[other]!.index) })
    // What is shadowed takes nothing that is not taken already.
    else if (entry.takesAll) taken.add(entry, rank)
  }
  return found.sort((a, b) => a.index - b.index)
}

/** Rules between two pauses. */
const PAUSE = 50

/** A host that a location asks for; null stands for any. */
type Host = Exclude<Rules.Host, { type: "regex" }> | null

/** What a location matches at most. */
interface Entry {
  readonly index: number
  readonly weight: number
  readonly hosts: ReadonlyArray<Host>
  /** Texts that a path must be, or begin with. */
  readonly paths: ReadonlyArray<string>
  readonly exact: boolean
  /** Whether it matches all of that. */
  readonly takesAll: boolean
}

const read = (rule: Rules.LocationRule, index: number): Entry | null => {
  const path = (rule.path ?? "").trim()
  const hosts = (rule.host ?? "").split(",").filter((item) => item.trim() !== "")
  const plainHosts = hosts.filter((item) => !item.trim().startsWith("~"))
  const hasRegexPath = path.startsWith("~")
  const hasRegexHost = plainHosts.length < hosts.length
  // Nothing is compiled: ten thousand regular expressions take a third of a second.
  const parsed = Rules.parse({ ...rule, path: hasRegexPath ? "" : path, host: plainHosts.join(",") }, index)
  if ("message" in parsed) return null
  const asked = parsed.hosts.filter((host) => host.type !== "regex")
  return {
    index,
    weight: Rules.weight(rule),
    hosts: hasRegexHost || asked.length === 0 ? [...asked, null] : asked,
    paths: parsed.path.type === "regex" || hasRegexPath ? [literalPrefix(path.slice(1).trim())] : parsed.path.texts,
    exact: parsed.path.type === "exact",
    takesAll: !hasRegexPath && !hasRegexHost && parsed.conditions.length === 0
  }
}

/**
 * Text that every path begins with that a pattern matches. Shorter than it could be where that is easier to see; an
 * alternative anywhere may be one to the anchor.
 */
const literalPrefix = (pattern: string): string => {
  const [, literal = "", repeated] = LITERAL.exec(pattern) ?? []
  if (pattern.includes("|")) return ""
  const text = literal.replaceAll("\\", "")
  return repeated === undefined ? text : text.slice(0, -1)
}

const LITERAL = /^\^((?:[A-Za-z0-9/_-]|\\[./-])*)([?*+{])?/

/** What the locations so far leave to nobody behind them. */
class Taken {
  private readonly any = new PathTree()
  private readonly exact = new Map<string, PathTree>()
  /** By suffix, which begins with a dot. */
  private readonly wildcards = new Map<string, PathTree>()

  /** Entries must be added in the order of selection. */
  add(entry: Entry, rank: number): void {
    const candidate = { rank, exact: entry.exact, path: null, hosts: null, conditions: null }
    for (const host of entry.hosts) for (const path of entry.paths) this.treeOf(host).add(path, candidate)
  }

  /** The ranks of those that take everything that an entry may match, or null. */
  by(entry: Entry): ReadonlyArray<number> | null {
    const ranks = new Set<number>()
    for (const host of entry.hosts) {
      for (const path of entry.paths) {
        const rank = this.first(host, path, entry.exact)
        if (rank === NOBODY) return null
        ranks.add(rank)
      }
    }
    return [...ranks].sort((a, b) => a - b)
  }

  private treeOf(host: Host): PathTree {
    if (host === null) return this.any
    return host.type === "exact" ? memberOf(this.exact, host.host) : memberOf(this.wildcards, host.suffix)
  }

  private first(host: Host, path: string, exact: boolean): number {
    const rank = first(this.any, path, exact)
    if (host === null) return rank
    if (host.type === "wildcard") return Math.min(rank, this.firstOfWildcards(host.suffix, 0, path, exact))
    const own = this.exact.get(host.host)
    // A wildcard stands for at least one character.
    const covering = this.firstOfWildcards(host.host, 1, path, exact)
    return Math.min(rank, covering, own === undefined ? NOBODY : first(own, path, exact))
  }

  private firstOfWildcards(host: string, from: number, path: string, exact: boolean): number {
    let rank = NOBODY
    if (this.wildcards.size === 0) return rank
    for (let dot = host.indexOf(".", from); dot !== -1; dot = host.indexOf(".", dot + 1)) {
      const tree = this.wildcards.get(host.slice(dot))
      if (tree !== undefined) rank = Math.min(rank, first(tree, path, exact))
    }
    return rank
  }
}

const NOBODY = Number.POSITIVE_INFINITY

/** The first rank in a tree that takes a path, or all that begin with it. */
const first = (tree: PathTree, path: string, exact: boolean): number => {
  let branch = tree.root
  let at = 0
  let rank = NOBODY
  while (true) {
    rank = Math.min(rank, branch.prefixes[0]?.rank ?? NOBODY)
    if (at === path.length) return exact ? Math.min(rank, branch.exacts[0]?.rank ?? NOBODY) : rank
    const child = branch.children[branch.childAt(path.charCodeAt(at))]
    if (child === undefined || !path.startsWith(child.label, at)) return rank
    branch = child
    at += child.label.length
  }
}

const memberOf = (trees: Map<string, PathTree>, name: string): PathTree => {
  let tree = trees.get(name)
  if (tree === undefined) trees.set(name, (tree = new PathTree()))
  return tree
}
