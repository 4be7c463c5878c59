/**
 * Candidates arranged by the text a path must begin with, or be: radix trees over characters, packed into one array.
 *
 * A search walks down along one path and meets every candidate whose text is a prefix of it. Subtrees that hold
 * nothing better than what is already found are not entered. Nothing is allocated, and a step reads one run of
 * numbers: with ten thousand locations it is memory that costs, not comparisons.
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

const NO_CANDIDATES: ReadonlyArray<Candidate> = []

class Branch {
  label: string
  /** Smallest rank in this branch and below. */
  best = NONE
  /** Candidates for which the text up to here is a prefix, by rank. */
  prefixes = NO_CANDIDATES
  /** Candidates for which the text up to here is the whole path, by rank. */
  exacts = NO_CANDIDATES
  readonly children: Array<Branch> = []

  constructor(label: string) {
    this.label = label
  }

  /** Position of the child whose label begins with a character, or -1. */
  childAt(code: number): number {
    for (let i = 0; i < this.children.length; i++) if (this.children[i]!.label.charCodeAt(0) === code) return i
    return -1
  }
}

/** A tree while candidates are added to it. */
export class PathTree {
  readonly root = new Branch("")

  /** Adds a candidate below `text`. Candidates must be added in the order of their ranks. */
  add(text: string, candidate: Candidate): void {
    // In no path of a request, and more than a packed branch has room for.
    if (text.length > 0xffff || /[^\x01-\xff]/.test(text)) return
    let branch = this.root
    let at = 0
    branch.best = Math.min(branch.best, candidate.rank)
    while (at < text.length) {
      const place = branch.childAt(text.charCodeAt(at))
      if (place === -1) {
        const leaf = new Branch(text.slice(at))
        branch.children.push(leaf)
        branch = leaf
        at = text.length
      } else {
        const child = branch.children[place]!
        const common = commonLength(child.label, text, at)
        if (common < child.label.length) branch.children[place] = split(child, common)
        branch = branch.children[place]!
        at += common
      }
      branch.best = Math.min(branch.best, candidate.rank)
    }
    if (candidate.exact) branch.exacts = extended(branch.exacts, candidate)
    else branch.prefixes = extended(branch.prefixes, candidate)
  }
}

/** Nothing behind a candidate that asks for nothing else can ever win. */
const extended = (list: ReadonlyArray<Candidate>, candidate: Candidate): ReadonlyArray<Candidate> => {
  const last = list[list.length - 1]
  return last === undefined || !isPlain(last) ? [...list, candidate] : list
}

const isPlain = (candidate: Candidate): boolean =>
  candidate.path === null && candidate.hosts === null && candidate.conditions === null

const commonLength = (label: string, text: string, at: number): number => {
  let length = 0
  while (length < label.length && label.charCodeAt(length) === text.charCodeAt(at + length)) length++
  return length
}

/** A new branch above `child`, which keeps its label but for the first `length` characters. */
const split = (child: Branch, length: number): Branch => {
  const upper = new Branch(child.label.slice(0, length))
  upper.best = child.best
  child.label = child.label.slice(length)
  upper.children.push(child)
  return upper
}

// A packed branch: four numbers, the label without the character that led here, one offset per child. Children are
// found by the distance of their first character from `BASE`.
const BEST = 0
/** A rank, {@link NONE}, or when negative the complement of an index into the lists. */
const PREFIX = 1
const EXACT = 2
/** Length of the label (16 bits), first character and number of the children (8 bits each). */
const SHAPE = 3
const HEADER = 4

/** Packed trees. Made by a {@link Packer}. */
export class PathTrees {
  readonly data: Int32Array
  readonly lists: ReadonlyArray<ReadonlyArray<Candidate>>

  constructor(data: Int32Array, lists: ReadonlyArray<ReadonlyArray<Candidate>>) {
    this.data = data
    this.lists = lists
  }

  /** Numbers that the trees take. */
  get size(): number {
    return this.data.length
  }

  /** The smallest rank below `best` of a candidate of the tree at `offset` that matches, else `best`. */
  search(offset: number, subject: Rules.Subject, path: string, best: number): number {
    const data = this.data
    const length = path.length
    let at = 0
    while (data[offset + BEST]! < best) {
      const shape = data[offset + SHAPE]!
      const label = shape & 0xffff
      const end = at + label
      if (end > length) return best
      let cursor = offset + HEADER
      while (at < end) if (path.charCodeAt(at++) !== data[cursor++]) return best
      const prefix = data[offset + PREFIX]!
      if (prefix < 0) best = this.firstMatch(~prefix, subject, path, best)
      else if (prefix < best) best = prefix
      if (at === length) {
        const exact = data[offset + EXACT]!
        return exact < 0 ? this.firstMatch(~exact, subject, path, best) : Math.min(exact, best)
      }
      const slot = path.charCodeAt(at++) - ((shape >> 16) & 0xff)
      if (slot < 0 || slot >= shape >>> 24) return best
      offset = data[cursor + slot]!
    }
    return best
  }

  private firstMatch(list: number, subject: Rules.Subject, path: string, best: number): number {
    for (const candidate of this.lists[list]!) {
      if (candidate.rank >= best) return best
      if (candidate.path !== null && !Rules.testRegex(candidate.path, path)) continue
      if (candidate.hosts !== null && !anyHost(candidate.hosts, subject.host)) continue
      if (candidate.conditions !== null && !Rules.conditionsHold(candidate.conditions, subject)) continue
      return candidate.rank
    }
    return best
  }
}

const anyHost = (hosts: ReadonlyArray<RegexTest>, host: string): boolean => {
  for (const regex of hosts) if (Rules.testRegex(regex, host)) return true
  return false
}

/** Packs trees one after the other, behind those that are packed already. */
export class Packer {
  private data: Int32Array
  private length: number
  private readonly lists: Array<ReadonlyArray<Candidate>>

  constructor(before?: PathTrees) {
    this.lists = [...(before?.lists ?? [])]
    this.length = before?.size ?? 0
    this.data = new Int32Array(this.length + 1024)
    if (before !== undefined) this.data.set(before.data)
    else {
      // The first branch is empty and stands for everything that does not exist.
      this.reserve(HEADER)
      this.data.fill(NONE, 0, SHAPE)
    }
  }

  /** Packs a tree and returns its offset. */
  add(tree: PathTree): number {
    return tree.root.best === NONE ? 0 : this.write(tree.root, 0)
  }

  /** What was packed. */
  trees(): PathTrees {
    return new PathTrees(this.data.slice(0, this.length), this.lists)
  }

  /** Writes a branch whose label is read from `skip` on. */
  private write(branch: Branch, skip: number): number {
    const { children, label } = branch
    const labelLength = label.length - skip
    let low = 0xff
    let high = 0
    for (const child of children) {
      low = Math.min(low, child.label.charCodeAt(0))
      high = Math.max(high, child.label.charCodeAt(0))
    }
    const count = children.length === 0 ? 0 : high - low + 1
    const offset = this.reserve(HEADER + labelLength + count)
    const slots = offset + HEADER + labelLength
    this.data[offset + BEST] = branch.best
    this.data[offset + PREFIX] = this.reference(branch.prefixes)
    this.data[offset + EXACT] = this.reference(branch.exacts)
    this.data[offset + SHAPE] = (count << 24) | (low << 16) | labelLength
    for (let i = 0; i < labelLength; i++) this.data[offset + HEADER + i] = label.charCodeAt(skip + i)
    for (const child of children) {
      const childOffset = this.write(child, 1)
      this.data[slots + child.label.charCodeAt(0) - low] = childOffset
    }
    return offset
  }

  /** Zeroed room for `count` numbers. */
  private reserve(count: number): number {
    const offset = this.length
    this.length += count
    if (this.length > this.data.length) {
      const larger = new Int32Array(2 * this.length)
      larger.set(this.data)
      this.data = larger
    }
    return offset
  }

  private reference(list: ReadonlyArray<Candidate>): number {
    if (list.length === 0) return NONE
    if (isPlain(list[0]!)) return list[0]!.rank
    return ~(this.lists.push(list) - 1)
  }
}
