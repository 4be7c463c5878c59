/**
 * Values by the end of a host name, for `*.example.com`: a tree over characters, walked backwards.
 *
 * The values of all suffixes of one another are linked, so that one walk finds every wildcard that covers a host.
 */

/** The value of a suffix, and the next shorter suffix that also covers the same hosts. */
export interface Covering<Value> {
  readonly value: Value
  readonly shorter: Covering<Value> | null
}

interface Branch<Value> {
  covering: Covering<Value> | null
  readonly next: Map<number, Branch<Value>>
}

export class SuffixTree<Value> {
  private readonly root: Branch<Value> = { covering: null, next: new Map() }

  /** Suffixes begin with a dot. */
  constructor(entries: ReadonlyArray<readonly [suffix: string, value: Value]>) {
    // Shorter ones first: they are there when a longer one links to them.
    for (const [suffix, value] of [...entries].sort(([a], [b]) => a.length - b.length)) this.add(suffix, value)
  }

  private add(suffix: string, value: Value): void {
    let branch = this.root
    let shorter: Covering<Value> | null = null
    for (let i = suffix.length - 1; i >= 0; i--) {
      const code = suffix.charCodeAt(i)
      let next = branch.next.get(code)
      if (next === undefined) branch.next.set(code, (next = { covering: null, next: new Map() }))
      branch = next
      shorter = branch.covering ?? shorter
    }
    branch.covering = { value, shorter }
  }

  /** The longest suffix that covers a host: at least one character stands before it. */
  longest(host: string): Covering<Value> | null {
    let branch = this.root
    let found: Covering<Value> | null = null
    for (let i = host.length - 1; i > 0; i--) {
      const next = branch.next.get(host.charCodeAt(i))
      if (next === undefined) break
      branch = next
      if (branch.covering !== null) found = branch.covering
    }
    return found
  }
}
