/**
 * Candidates arranged by the text a path must begin with, or be: a radix tree over characters.
 *
 * A search walks down along one path and meets every candidate whose text is a prefix of it. Subtrees that hold
 * nothing better than what is already found are not entered. Nothing is allocated.
 */
import * as Rules from "./Rules.ts"

/** A location as it stands in one tree. */
export interface Candidate {
  /** Place in the order of selection; the smallest that matches wins. */
  readonly rank: number
  /** Whether the path must end where the tree's text ends. */
  readonly exact: boolean
  readonly path: RegexTest | null
  /** One of these must match; null when the tree is only searched for hosts that match. */
  readonly hosts: ReadonlyArray<RegexTest> | null
  readonly conditions: ReadonlyArray<Rules.Condition> | null
}

type RegexTest = Extract<Rules.Host, { type: "regex" }>["regex"]

/** A rank beyond all others: nothing found. */
export const NONE = 0x3fffffff

class Branch {
  label: string
  /** Smallest rank in this branch and below. */
  best = NONE
  /** Candidates for which the text up to here is a prefix, by rank. */
  prefixes: Array<Candidate> | null = null
  /** Candidates for which the text up to here is the whole path, by rank. */
  exacts: Array<Candidate> | null = null
  /** First character of `children[0]`; the others are placed by their distance from it. */
  base = 0
  children: Array<Branch | null> = []

  constructor(label: string) {
    this.label = label
  }
}

export class PathTree {
  private readonly root = new Branch("")

  /** Smallest rank in the tree. */
  get best(): number {
    return this.root.best
  }

  /** Adds a candidate below `text`. Candidates must be added in the order of their ranks. */
  add(text: string, candidate: Candidate): void {
    let branch = this.root
    let at = 0
    branch.best = Math.min(branch.best, candidate.rank)
    while (at < text.length) {
      const slot = text.charCodeAt(at) - branch.base
      const child = branch.children[slot] ?? null
      if (child === null) {
        const leaf = new Branch(text.slice(at))
        place(branch, leaf)
        at = text.length
        branch = leaf
      } else {
        const common = commonLength(child.label, text, at)
        if (common < child.label.length) split(child, common)
        at += common
        branch = child
      }
      branch.best = Math.min(branch.best, candidate.rank)
    }
    if (candidate.exact) (branch.exacts ??= []).push(candidate)
    else (branch.prefixes ??= []).push(candidate)
  }

  /** The smallest rank below `best` of a candidate that matches, else `best`. */
  search(subject: Rules.Subject, path: string, best: number): number {
    let branch = this.root
    let at = 0
    const length = path.length
    for (;;) {
      if (branch.prefixes !== null) best = firstMatch(branch.prefixes, subject, path, best)
      if (at === length) {
        return branch.exacts === null ? best : firstMatch(branch.exacts, subject, path, best)
      }
      const slot = path.charCodeAt(at) - branch.base
      if (slot < 0 || slot >= branch.children.length) return best
      const child = branch.children[slot]!
      if (child === null || child.best >= best) return best
      const label = child.label
      const end = at + label.length
      if (end > length) return best
      for (let i = 1; i < label.length; i++) if (label.charCodeAt(i) !== path.charCodeAt(at + i)) return best
      at = end
      branch = child
    }
  }
}

const firstMatch = (
  candidates: ReadonlyArray<Candidate>,
  subject: Rules.Subject,
  path: string,
  best: number
): number => {
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i]!
    if (candidate.rank >= best) return best
    if (candidate.path !== null && !Rules.testRegex(candidate.path, path)) continue
    if (candidate.hosts !== null && !anyHost(candidate.hosts, subject.host)) continue
    if (candidate.conditions !== null && !Rules.conditionsHold(candidate.conditions, subject)) continue
    return candidate.rank
  }
  return best
}

const anyHost = (hosts: ReadonlyArray<RegexTest>, host: string): boolean => {
  for (const regex of hosts) if (Rules.testRegex(regex, host)) return true
  return false
}

const commonLength = (label: string, text: string, at: number): number => {
  let length = 0
  while (length < label.length && label.charCodeAt(length) === text.charCodeAt(at + length)) length++
  return length
}

const place = (parent: Branch, child: Branch): void => {
  const code = child.label.charCodeAt(0)
  if (parent.children.length === 0) parent.base = code
  while (code < parent.base) {
    parent.children.unshift(null)
    parent.base--
  }
  while (parent.children.length <= code - parent.base) parent.children.push(null)
  parent.children[code - parent.base] = child
}

/** Cuts a branch after `length` characters of its label; what it held moves into the new lower part. */
const split = (branch: Branch, length: number): void => {
  const lower = new Branch(branch.label.slice(length))
  lower.best = branch.best
  lower.prefixes = branch.prefixes
  lower.exacts = branch.exacts
  lower.base = branch.base
  lower.children = branch.children
  branch.label = branch.label.slice(0, length)
  branch.prefixes = null
  branch.exacts = null
  branch.children = []
  place(branch, lower)
}
