/**
 * What is different between two configurations, entity by entity: added, removed, or modified in these keys.
 *
 * An entity is an item of a section, or `[basic]` as a whole. Entities that are the same object cost one comparison,
 * others are compared by value. A diff can be logged and sent as it is: changed values are not part of its data, and
 * the text of a change ({@link KeyChange.lines}) masks secrets. Spec: config 16.
 */
import { NAMED_SECTIONS, type ProxyConfig } from "./ConfigSchema.ts"
import { linesOf } from "./DiffText.ts"
import type { Section } from "./Draft.ts"

export { format, pathOf } from "./DiffText.ts"

/** An item of a section. The name of `[basic]` is empty. */
export interface Entity {
  readonly section: Section
  readonly name: string
}

/** An entity that both configurations have. */
export interface Modified extends Entity {
  /** Never empty. */
  readonly changes: ReadonlyArray<KeyChange>
}

/** Each list is in the order of sections, `basic` first, and sorted by name. */
export interface Diff {
  readonly added: ReadonlyArray<Entity>
  readonly removed: ReadonlyArray<Entity>
  readonly modified: ReadonlyArray<Modified>
}

/** A key whose value is not the same, not there any more, or new. Defaults count as values. */
export class KeyChange {
  readonly key: string
  readonly #section: Section
  // Private, so that nothing that prints or serialises a diff meets a secret.
  readonly #before: unknown
  readonly #after: unknown

  constructor(section: Section, key: string, before: unknown, after: unknown) {
    this.key = key
    this.#section = section
    this.#before = before
    this.#after = after
  }

  /** The change as text, `- read_timeout = "10s"` and `+ read_timeout = "20s"`, bounded and without secrets. */
  get lines(): ReadonlyArray<string> {
    return linesOf(this.#section, this.key, this.#before, this.#after)
  }
}

/** The difference from one configuration to another. */
export const between = (previous: ProxyConfig, next: ProxyConfig): Diff => {
  const diff = { added: [] as Array<Entity>, removed: [] as Array<Entity>, modified: [] as Array<Modified> }
  compare(diff, "basic", "", previous.basic, next.basic)
  for (const section of NAMED_SECTIONS) {
    if (previous[section] !== next[section]) compareItems(diff, section, previous[section], next[section])
  }
  return diff
}

type Items = Readonly<Record<string, Table>>
type Growing = { readonly [K in keyof Diff]: Array<Diff[K][number]> }

// How many items a section has. Listing the names of 10 000 takes a millisecond, and the next section of one difference
// is the previous one of the following.
const sizes = new WeakMap<Items, number>()

const compareItems = (diff: Growing, section: Section, previous: Items, next: Items): void => {
  const suspects: Array<string> = []
  const added: Array<string> = []
  const names = Object.keys(next)
  for (const name of names) {
    if (previous[name] === next[name]) continue
    if (Object.hasOwn(previous, name)) suspects.push(name)
    else added.push(name)
  }
  for (const name of added.sort()) diff.added.push({ section, name })
  for (const name of suspects.sort()) compare(diff, section, name, previous[name]!, next[name]!)
  const size = sizes.get(previous) ?? Object.keys(previous).length
  if (Object.isFrozen(next)) sizes.set(next, names.length)
  // Everything that was there is still there.
  if (size === names.length - added.length) return
  for (const name of Object.keys(previous).sort()) if (!Object.hasOwn(next, name)) diff.removed.push({ section, name })
}

type Table = Readonly<Record<string, unknown>>

const compare = (diff: Growing, section: Section, name: string, previous: Table, next: Table): void => {
  if (previous === next) return
  const changes: Array<KeyChange> = []
  for (const key of Object.keys(previous)) {
    const after = Object.hasOwn(next, key) ? next[key] : undefined
    if (!isSame(previous[key], after)) changes.push(new KeyChange(section, key, previous[key], after))
  }
  for (const key of Object.keys(next)) {
    if (!Object.hasOwn(previous, key)) changes.push(new KeyChange(section, key, undefined, next[key]))
  }
  if (changes.length > 0) diff.modified.push({ section, name, changes })
}

// Effect's `Equal` hashes both sides first and remembers every table it has met: twenty times the cost of this for
// values that are read from a document and met once.
const isSame = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((element, index) => isSame(element, b[index]))
  }
  if (a instanceof Date) return b instanceof Date && a.toJSON() === b.toJSON()
  if (Array.isArray(b) || b instanceof Date) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isSame((a as Table)[key], (b as Table)[key]))
  )
}

export const isEmpty = (diff: Diff): boolean =>
  diff.added.length === 0 && diff.removed.length === 0 && diff.modified.length === 0

/** The difference in one line: `3 upstreams, 1 location modified; 1 server added`. */
export const summary = (diff: Diff): string => {
  const parts = (["modified", "added", "removed"] as const).flatMap((kind) =>
    diff[kind].length === 0 ? [] : [`${counted(diff[kind])} ${kind}`]
  )
  return parts.length === 0 ? "no changes" : parts.join("; ")
}

const counted = (entities: ReadonlyArray<Entity>): string => {
  const counts = new Map<Section, number>()
  for (const { section } of entities) counts.set(section, (counts.get(section) ?? 0) + 1)
  return Array.from(counts, ([section, count]) => {
    if (section === "basic") return section
    return `${count} ${count === 1 ? section.slice(0, -1) : section}`
  }).join(", ")
}
