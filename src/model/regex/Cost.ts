/**
 * How much a backtracking engine may have to do for a pattern, and for how long a text that is bearable.
 *
 * The pattern becomes a position automaton. Backtracking costs what the number of its partial runs costs: exponential
 * when a loop can read one text in two ways, otherwise polynomial in the length of the longest chain of loops that
 * can hand the same text to each other (Weber and Seidl, "On the degree of ambiguity of finite automata", 1991). A
 * search that may start anywhere counts as one more loop over everything. The result is never too low; where the
 * exact answer would be expensive it is too high.
 */
import * as CharSet from "./CharSet.ts"
import type { Node } from "./Syntax.ts"

const MAX_EDGES = 20_000
const MAX_LOOP = 60
const MAX_LOOPS = 24
const MAX_FORKS = 8
const MAX_EXPANSION = 64

/** Steps a backtracking match may take in the worst case: about a millisecond. */
const BUDGET = 2 ** 20

/**
 * Length of the longest text on which a search stays within {@link BUDGET}; -1 for patterns that are exponential, or
 * too large to tell.
 */
export const safeLength = (root: Node): number => {
  const pattern = withoutTail(root)
  const automaton = build(pattern)
  if (automaton === null) return -1
  const { sets, follow, first } = automaton
  const component = components(follow)
  const loops = loopsOf(follow, component)
  const doublings = forks(sets, follow, component)
  if (loops.length > MAX_LOOPS || doublings > MAX_FORKS) return -1
  for (const loop of loops) if (ambiguous(loop, sets, follow)) return -1
  const degree = longestChain(loops, sets, follow, startsAnchored(pattern) ? null : first)
  return degree === 1 ? BUDGET : Math.floor((BUDGET / 2 ** doublings) ** (1 / degree))
}

/**
 * The pattern without the repetition at its end: once it is reached the match has succeeded, so nothing ever
 * backtracks into it.
 */
const withoutTail = (node: Node): Node => {
  switch (node.type) {
    case "group":
      return { ...node, body: withoutTail(node.body) }
    case "concat": {
      const parts = [...node.parts]
      for (let last = parts.length - 1; last >= 0; last--) {
        const tail = withoutTail(parts[last]!)
        parts[last] = tail
        if (tail.type !== "empty") break
        if (last > 0) parts.pop()
      }
      return { type: "concat", parts }
    }
    case "repeat":
      if (node.body.type !== "set" || node.max !== Number.POSITIVE_INFINITY || node.min > 1) return node
      return node.min === 0 ? { type: "empty" } : node.body
    default:
      return node
  }
}

/** True when every match must begin at the start of the text. */
export const startsAnchored = (node: Node): boolean => {
  switch (node.type) {
    case "anchor":
      return node.anchor === "start"
    case "group":
      return startsAnchored(node.body)
    case "concat":
      return startsAnchored(node.parts[0]!)
    case "alternate":
      return node.options.every(startsAnchored)
    case "repeat":
      return node.min > 0 && startsAnchored(node.body)
    default:
      return false
  }
}

interface Automaton {
  readonly sets: Array<CharSet.CharSet>
  readonly follow: Array<Set<number>>
  readonly first: ReadonlyArray<number>
}

interface Fragment {
  readonly first: ReadonlyArray<number>
  readonly last: ReadonlyArray<number>
  readonly nullable: boolean
}

const NOTHING: Fragment = { first: [], last: [], nullable: true }

/** Glushkov's construction; null when a loop is ambiguous in itself or the automaton is too large. */
const build = (root: Node): Automaton | null => {
  const sets: Array<CharSet.CharSet> = []
  const follow: Array<Set<number>> = []
  let edges = 0
  let hopeless = false

  const connect = (from: ReadonlyArray<number>, to: ReadonlyArray<number>): void => {
    edges += from.length * to.length
    if (edges > MAX_EDGES) hopeless = true
    if (hopeless) return
    for (const x of from) {
      const next = follow[x]!
      for (const y of to) {
        // A second way to take the same step, as in (a*)*, is what makes backtracking explode.
        if (next.has(y)) hopeless = true
        next.add(y)
      }
    }
  }

  const concat = (a: Fragment, b: Fragment): Fragment => {
    connect(a.last, b.first)
    return {
      first: a.nullable ? [...a.first, ...b.first] : a.first,
      last: b.nullable ? [...a.last, ...b.last] : b.last,
      nullable: a.nullable && b.nullable
    }
  }

  const visit = (node: Node): Fragment => {
    if (hopeless) return NOTHING
    switch (node.type) {
      case "empty":
      case "anchor":
        return NOTHING
      case "set": {
        const position = sets.push(node.set) - 1
        follow.push(new Set())
        return { first: [position], last: [position], nullable: false }
      }
      case "group":
        return visit(node.body)
      case "concat":
        return node.parts.map(visit).reduce(concat)
      case "alternate": {
        const options = node.options.map(visit)
        return {
          first: options.flatMap((option) => option.first),
          last: options.flatMap((option) => option.last),
          nullable: options.some((option) => option.nullable)
        }
      }
      case "repeat":
        return repeat(node)
    }
  }

  const repeat = (node: Extract<Node, { type: "repeat" }>): Fragment => {
    const { body, min, max } = node
    if (max === 0) return NOTHING
    if (min === max && max > 1 && body.type === "set" && sets.length + max <= MAX_EXPANSION) {
      return Array.from({ length: max }, () => visit(body)).reduce(concat)
    }
    const inner = visit(body)
    if (max > 1) {
      // Engines disagree about iterations that match nothing, and (a?){50} is exponential.
      if (inner.nullable && inner.first.length > 0) hopeless = true
      connect(inner.last, inner.first)
    }
    return min === 0 ? { ...inner, nullable: true } : inner
  }

  const { first } = visit(root)
  return hopeless ? null : { sets, follow, first }
}

/** The strongly connected component of each position, numbered so that edges lead to equal or smaller numbers. */
const components = (follow: ReadonlyArray<ReadonlySet<number>>): Int32Array => {
  const count = follow.length
  const component = new Int32Array(count).fill(-1)
  const index = new Int32Array(count).fill(-1)
  const low = new Int32Array(count)
  const stack: Array<number> = []
  let counter = 0
  let found = 0
  // Tarjan's algorithm with a stack of its own: long literals would overflow the call stack.
  for (let root = 0; root < count; root++) {
    if (index[root] !== -1) continue
    const path: Array<{ readonly at: number; readonly next: Iterator<number> }> = []
    const enter = (at: number): void => {
      index[at] = low[at] = counter++
      stack.push(at)
      path.push({ at, next: follow[at]!.values() })
    }
    enter(root)
    while (path.length > 0) {
      const { at, next } = path[path.length - 1]!
      const step = next.next()
      if (step.done !== true) {
        if (index[step.value] === -1) enter(step.value)
        else if (component[step.value] === -1) low[at] = Math.min(low[at]!, index[step.value]!)
        continue
      }
      path.pop()
      const parent = path[path.length - 1]
      if (parent !== undefined) low[parent.at] = Math.min(low[parent.at]!, low[at]!)
      if (low[at] !== index[at]) continue
      let member: number
      do component[(member = stack.pop()!)] = found
      while (member !== at)
      found++
    }
  }
  return component
}

/** The positions of each loop, loops that come first in the pattern first. */
const loopsOf = (
  follow: ReadonlyArray<ReadonlySet<number>>,
  component: Int32Array
): ReadonlyArray<ReadonlyArray<number>> => {
  const members = new Map<number, Array<number>>()
  component.forEach((of, position) => {
    const list = members.get(of)
    if (list === undefined) members.set(of, [position])
    else list.push(position)
  })
  return [...members.entries()]
    .sort(([a], [b]) => b - a)
    .map(([, list]) => list)
    .filter((list) => list.length > 1 || follow[list[0]!]!.has(list[0]!))
}

/** Positions after which the same character may go two ways that no loop accounts for: each doubles the work. */
const forks = (
  sets: ReadonlyArray<CharSet.CharSet>,
  follow: ReadonlyArray<ReadonlySet<number>>,
  component: Int32Array
): number => {
  let count = 0
  follow.forEach((next, position) => {
    const outside = [...next].filter((to) => component[to] !== component[position])
    if (outside.length > 100 || outside.some((a, i) => outside.some((b, j) => j > i && meets(sets, a, b)))) count++
  })
  return count
}

const meets = (sets: ReadonlyArray<CharSet.CharSet>, a: number, b: number): boolean =>
  CharSet.overlaps(sets[a]!, sets[b]!)

/** True when the loop can return to a position by reading one text in two ways. */
const ambiguous = (
  loop: ReadonlyArray<number>,
  sets: ReadonlyArray<CharSet.CharSet>,
  follow: ReadonlyArray<ReadonlySet<number>>
): boolean => {
  const size = loop.length
  if (size === 1) return false
  if (size > MAX_LOOP) return true
  const next = loop.map((position) => loop.flatMap((to, i) => (follow[position]!.has(to) ? [i] : [])))
  const meet = loop.map((a) => loop.map((b) => meets(sets, a, b)))
  // Two runs side by side: `pair` is where both are. They are one run again when both are at the same position.
  const back: Array<Array<number>> = Array.from({ length: size * size }, () => [])
  const seen = new Uint8Array(size * size)
  const queue: Array<number> = []
  for (let i = 0; i < size; i++) queue.push(i * size + i)
  for (const pair of queue) seen[pair] = 1
  for (const pair of queue) {
    for (const a of next[Math.floor(pair / size)]!) {
      for (const b of next[pair % size]!) {
        if (!meet[a]![b]) continue
        const to = a * size + b
        back[to]!.push(pair)
        if (seen[to] === 0) {
          seen[to] = 1
          queue.push(to)
        }
      }
    }
  }
  const returning: Array<number> = []
  const returns = new Uint8Array(size * size)
  for (let i = 0; i < size; i++) returning.push(i * size + i)
  for (const pair of returning) {
    for (const from of back[pair]!) {
      if (returns[from] === 1) continue
      returns[from] = 1
      if (Math.floor(from / size) !== from % size) return true
      returning.push(from)
    }
  }
  return false
}

/** Length of the longest chain of loops of which each can pass on, character by character, what it reads. */
const longestChain = (
  loops: ReadonlyArray<ReadonlyArray<number>>,
  sets: ReadonlyArray<CharSet.CharSet>,
  follow: ReadonlyArray<ReadonlySet<number>>,
  searchFirst: ReadonlyArray<number> | null
): number => {
  const alphabets = loops.map((loop) => loop.map((position) => sets[position]!))
  const within = (position: number, alphabet: ReadonlyArray<CharSet.CharSet>): boolean =>
    alphabet.some((set) => CharSet.overlaps(set, sets[position]!))
  const reaches = (from: ReadonlyArray<number>, source: ReadonlyArray<CharSet.CharSet> | null, to: number): boolean => {
    const target = new Set(loops[to]!)
    const allowed = (position: number): boolean =>
      within(position, alphabets[to]!) && (source === null || within(position, source))
    const queue = from.filter(allowed)
    const seen = new Set(queue)
    for (const position of queue) {
      if (target.has(position)) return true
      for (const next of follow[position]!) {
        if (seen.has(next) || !allowed(next)) continue
        seen.add(next)
        queue.push(next)
      }
    }
    return false
  }
  const chain: Array<number> = []
  let longest = 1
  loops.forEach((_, to) => {
    let length = searchFirst !== null && reaches(searchFirst, null, to) ? 2 : 1
    for (let from = 0; from < to; from++) {
      if (chain[from]! >= length && reaches(loops[from]!, alphabets[from]!, to)) length = chain[from]! + 1
    }
    chain.push(length)
    longest = Math.max(longest, length)
  })
  return longest
}
