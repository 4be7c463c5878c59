/**
 * The rules of a server, arranged for a search: by host (exact, wildcard suffix, regular expression, any), and below
 * that by path (`PathTree.ts`).
 *
 * An arrangement is immutable. One for a list in which few rules are different takes over the trees of every host that
 * they are not about.
 */
import type { Regex } from "../model/Regex.ts"
import type { Sliced } from "../model/Sliced.ts"
import { type Candidate, Packer, PathTree, type PathTrees } from "./PathTree.ts"
import { Ranks } from "./Ranks.ts"
import * as Rules from "./Rules.ts"
import { SuffixTree } from "./SuffixTree.ts"

/** Offsets of two packed trees: without and with a regular expression for the path. */
export interface Bucket {
  readonly plain: number
  readonly regex: number
}

export interface Arrangement {
  /** By their place in the list; null for those that cannot be used. */
  readonly rules: ReadonlyArray<Rules.Rule | null>
  readonly ranks: Ranks
  readonly trees: PathTrees
  readonly any: Bucket
  /** Candidates that test the host themselves. */
  readonly regexHosts: Bucket
  readonly exact: ReadonlyMap<string, Bucket>
  readonly suffixes: ReadonlyMap<string, Bucket>
  /** The suffixes as a tree; null without wildcard hosts. */
  readonly wildcards: SuffixTree<Bucket> | null
  /** Rules that capture, by their place in the list. */
  readonly capturing: ReadonlyMap<number, Rules.Rule>
  /** Size of the trees when they were last packed all anew. */
  readonly size: number
}

type RuleList = ReadonlyArray<Rules.Rule | null>

/** The candidates of one host, while they are collected. */
class Collection {
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

// Every host that trees are kept for has a key: these two, and the name of the host behind a sign.
const ANY = ""
const REGEX = "~"
const EXACT = "="
const WILDCARD = "*"

const keysOf = ({ hosts }: Rules.Rule): ReadonlyArray<string> => {
  if (hosts.length === 0) return [ANY]
  return hosts.map((host) =>
    host.type === "regex" ? REGEX : host.type === "exact" ? EXACT + host.host : WILDCARD + host.suffix
  )
}

const RULES_PER_STEP = 50
const KNOWN_RULES_PER_STEP = 1_000
const HOSTS_PER_STEP = 20

/** Arranges rules. */
export function* arrange(rules: RuleList): Sliced<Arrangement> {
  const weights = rules.map(weightOf)
  const ranks = Ranks.of(weights)
  yield
  const all = ranks.all(weights)
  const order = usable(rules).sort((a, b) => all[a]! - all[b]!)
  yield
  const packer = new Packer()
  const buckets = yield* packAll(packer, yield* collect(rules, order, all, null))
  const trees = packer.trees()
  const capturing = new Map<number, Rules.Rule>()
  for (const index of order) if (Rules.captures(rules[index]!)) capturing.set(index, rules[index]!)
  return finish({ rules, ranks, trees, capturing, size: trees.size }, buckets, NOTHING)
}

/** Arranges rules that are mostly those of another arrangement; or does not, when that would be no less work. */
export function* rearrange(before: Arrangement, rules: RuleList): Sliced<Arrangement | undefined> {
  const changed = differences(before.rules, rules)
  // Trees that nobody searches any more are only left behind.
  if (changed === undefined || before.trees.size > 2 * before.size) return undefined
  const { ranks } = before
  const wanted = new Set<string>()
  const capturing = new Map(before.capturing)
  for (const index of changed) {
    const [old, now] = [before.rules[index] ?? null, rules[index] ?? null]
    if (now !== null && ranks.of(now.weight, index) === -1) return undefined
    for (const rule of [old, now]) if (rule !== null) for (const key of keysOf(rule)) wanted.add(key)
    if (now !== null && Rules.captures(now)) capturing.set(index, now)
    else capturing.delete(index)
  }
  const members: Array<number> = []
  const all = new Int32Array(rules.length)
  for (const [index, rule] of rules.entries()) {
    if (index % KNOWN_RULES_PER_STEP === 0) yield
    if (rule === null || !keysOf(rule).some((key) => wanted.has(key))) continue
    all[index] = ranks.of(rule.weight, index)
    members.push(index)
  }
  members.sort((a, b) => all[a]! - all[b]!)
  const packer = new Packer(before.trees)
  const buckets = yield* packAll(packer, yield* collect(rules, members, all, wanted))
  const trees = packer.trees()
  return finish({ rules, ranks, trees, capturing, size: before.size }, buckets, { before, wanted })
}

/** More rules than this are not worth the effort. */
const MAX_DIFFERENCES = 64

const differences = (before: RuleList, now: RuleList): ReadonlyArray<number> | undefined => {
  const found: Array<number> = []
  for (let index = 0; index < Math.max(before.length, now.length); index++) {
    if (before[index] !== now[index] && found.push(index) > MAX_DIFFERENCES) return undefined
  }
  return found
}

const weightOf = (rule: Rules.Rule | null): number => rule?.weight ?? 0

const usable = (rules: RuleList): Array<number> => {
  const found: Array<number> = []
  for (const [index, rule] of rules.entries()) if (rule !== null) found.push(index)
  return found
}

/** The candidates by key; `order` is that of ranks. */
function* collect(
  rules: RuleList,
  order: ReadonlyArray<number>,
  ranks: Int32Array,
  wanted: ReadonlySet<string> | null
): Sliced<ReadonlyMap<string, Collection>> {
  const collections = new Map<string, Collection>()
  for (const [count, index] of order.entries()) {
    if (count % RULES_PER_STEP === 0) yield
    const rule = rules[index]!
    for (const key of new Set(keysOf(rule))) {
      if (wanted !== null && !wanted.has(key)) continue
      let collection = collections.get(key)
      if (collection === undefined) collections.set(key, (collection = new Collection()))
      collection.add(rule, ranks[index]!, key === REGEX ? regexesOf(rule) : null)
    }
  }
  return collections
}

const regexesOf = ({ hosts }: Rules.Rule): ReadonlyArray<Regex> =>
  hosts.flatMap((host) => (host.type === "regex" ? [host.regex] : []))

function* packAll(packer: Packer, collections: ReadonlyMap<string, Collection>): Sliced<ReadonlyMap<string, Bucket>> {
  const buckets = new Map<string, Bucket>()
  for (const [key, { plain, regex }] of collections) {
    if (buckets.size % HOSTS_PER_STEP === 0) yield
    buckets.set(key, { plain: packer.add(plain), regex: packer.add(regex) })
  }
  return buckets
}

interface Rest {
  readonly before: Pick<Arrangement, "any" | "regexHosts" | "exact" | "suffixes" | "wildcards">
  /** Keys that are not taken from it. */
  readonly wanted: ReadonlySet<string>
}

const EMPTY: Bucket = { plain: 0, regex: 0 }

const NOTHING: Rest = {
  before: { any: EMPTY, regexHosts: EMPTY, exact: new Map(), suffixes: new Map(), wildcards: null },
  wanted: new Set([ANY, REGEX])
}

const finish = (
  arrangement: Pick<Arrangement, "rules" | "ranks" | "trees" | "capturing" | "size">,
  buckets: ReadonlyMap<string, Bucket>,
  { before, wanted }: Rest
): Arrangement => {
  const exact = new Map(before.exact)
  const suffixes = new Map(before.suffixes)
  let isSameSuffixes = true
  for (const key of wanted) {
    if (key.startsWith(EXACT)) exact.delete(key.slice(1))
    else if (key.startsWith(WILDCARD)) suffixes.delete(key.slice(1))
  }
  for (const key of [...wanted, ...buckets.keys()]) if (key.startsWith(WILDCARD)) isSameSuffixes = false
  for (const [key, bucket] of buckets) {
    if (key.startsWith(EXACT)) exact.set(key.slice(1), bucket)
    else if (key.startsWith(WILDCARD)) suffixes.set(key.slice(1), bucket)
  }
  return {
    ...arrangement,
    any: wanted.has(ANY) ? (buckets.get(ANY) ?? EMPTY) : before.any,
    regexHosts: wanted.has(REGEX) ? (buckets.get(REGEX) ?? EMPTY) : before.regexHosts,
    exact,
    suffixes,
    wildcards: isSameSuffixes ? before.wildcards : suffixes.size === 0 ? null : new SuffixTree([...suffixes])
  }
}
