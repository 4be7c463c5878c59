/**
 * Changes of items as changes of documents: an item is changed where it stands, a new one goes where the layout wants
 * it. Plain functions of what the store held; nothing is written here.
 */
import * as Result from "effect/Result"
import type { Sliced } from "../../model/Sliced.ts"
import { KNOWN_KEYS } from "../ConfigSchema.ts"
import type { StoredDocument, Write } from "../ConfigStore.ts"
import type { Section, Table } from "../Draft.ts"
import * as TomlEdit from "../format/TomlEdit.ts"
import { outlineOf } from "../format/TomlOutline.ts"
import * as Render from "../format/TomlRender.ts"
import { keyOf, type Layout } from "../Layout.ts"
import { type Contents, idOf, isName, revisionOf } from "./Contents.ts"
import {
  AmbiguousItem,
  DocumentUnreadable,
  InvalidName,
  type ItemName,
  NotWritable,
  WriteConflict
} from "./WriteError.ts"

/** The change of one item. */
export interface Change extends ItemName {
  /** The complete new table, or null to remove the item. */
  readonly table: Readonly<Record<string, unknown>> | null
  /** The revision that is replaced, or null when there must be none. Without it, whatever there is. */
  readonly expected?: string | null | undefined
}

/** What is to be written, and what must be there afterwards. */
export interface Prepared {
  readonly writes: ReadonlyArray<Write>
  /** All documents, with the writes in them. */
  readonly documents: ReadonlyArray<StoredDocument>
  /** Every table that must be in them, by id. */
  readonly expected: ReadonlyMap<string, ReadonlyArray<{ readonly table: Table }>>
  readonly removed: ReadonlySet<string>
}

export type ChangeError = InvalidName | WriteConflict | AmbiguousItem | DocumentUnreadable | NotWritable

/** Where documents are to go. */
export interface Target {
  readonly layout: Layout
  /** Name of a document for people, when it is not there yet. */
  readonly fileOf: (key: string) => string
}

/** The changes of documents that changes of items ask for, in the order given. */
export function* prepare(
  contents: Contents,
  target: Target,
  changes: ReadonlyArray<Change>
): Sliced<Result.Result<Prepared, ChangeError>> {
  const draft = new Draft(contents, target)
  for (const change of changes) {
    const error = yield* draft.apply(change)
    if (error !== undefined) return Result.fail(error)
    yield
  }
  return Result.succeed(draft.prepared())
}

class Draft {
  private readonly contents: Contents
  private readonly target: Target
  private readonly documents: ReadonlyMap<string, StoredDocument>
  /** New texts, by key. */
  private readonly texts = new Map<string, string>()
  /** Tables that were changed, with the document that they are in now. */
  private readonly changed = new Map<string, { readonly key: string; readonly table: Table | undefined }>()

  constructor(contents: Contents, target: Target) {
    this.contents = contents
    this.target = target
    this.documents = new Map(contents.documents.map((document) => [document.key, document]))
  }

  *apply({ expected, name, section, table }: Change): Sliced<ChangeError | undefined> {
    if (!isName(section, name)) return new InvalidName({ section, name })
    const id = idOf(section, name)
    const found = this.contents.items.get(id) ?? []
    if (found.length > 1) {
      return new AmbiguousItem({ section, name, files: found.map(({ document }) => document.file) })
    }
    const change = this.changed.get(id)
    const current = change === undefined ? found[0]?.table : change.table
    const conflict = conflictOf(current, expected)
    if (conflict !== undefined) return new WriteConflict({ section, name, found: conflict })
    const key = change?.key ?? found[0]?.document.key ?? keyOf(this.target.layout, section, name)
    const unreadable = this.unreadable(section, name, key, current === undefined)
    if (unreadable !== undefined) return unreadable
    if (table === null) return current === undefined ? undefined : yield* this.write(section, name, key, undefined)
    const cleaned = Render.clean(table)
    if (cleaned instanceof Render.NotToml) {
      const reason = `${[...cleaned.path, ""].join(".").replace(/\.$/, "")} ${cleaned.message}`.trim()
      return new NotWritable({ section, name, file: this.fileOf(key), reason })
    }
    return current !== undefined && Render.isSame(current, cleaned)
      ? undefined
      : yield* this.write(section, name, key, inOrder(section, cleaned))
  }

  private *write(
    section: Section,
    name: string,
    key: string,
    table: Table | undefined
  ): Sliced<ChangeError | undefined> {
    // A document that cannot be read and is the item's own is replaced: see `unreadable`.
    const before = this.texts.get(key) ?? (this.contents.broken.has(key) ? "" : (this.documents.get(key)?.text ?? ""))
    const path = section === "basic" ? ([section] as const) : ([section, name] as const)
    const after = yield* TomlEdit.edit(before, path, table, { isValid: true })
    if (typeof after !== "string") {
      return new NotWritable({ section, name, file: this.fileOf(key), reason: after.message })
    }
    this.texts.set(key, after)
    this.changed.set(idOf(section, name), { key, table })
    return undefined
  }

  /** Why a document cannot be written, or an item may be in one that cannot be read. */
  private unreadable(section: Section, name: string, key: string, isNew: boolean): DocumentUnreadable | undefined {
    for (const [brokenKey, { column, line, message }] of this.contents.broken) {
      const document = this.documents.get(brokenKey)!
      const { layout } = this.target
      if (brokenKey === key) {
        // The document of this one item: saving the item is the remedy.
        if (layout === "by-item" && key === keyOf(layout, section, name)) continue
      } else if (!isNew || !mentions(document.text, section, name)) continue
      return new DocumentUnreadable({ file: document.file, line, column, reason: message })
    }
    return undefined
  }

  private fileOf(key: string): string {
    return this.documents.get(key)?.file ?? this.target.fileOf(key)
  }

  prepared(): Prepared {
    const expected = new Map<string, ReadonlyArray<{ readonly table: Table }>>(this.contents.items)
    const removed = new Set<string>()
    for (const [id, { table }] of this.changed) {
      if (table !== undefined) expected.set(id, [{ table }])
      else if (expected.delete(id)) removed.add(id)
    }
    const writes: Array<Write> = []
    for (const [key, text] of this.texts) {
      const before = this.documents.get(key)
      const isEmpty = this.target.layout === "by-item" && this.isEmptied(key)
      if (isEmpty ? before === undefined : text === before?.text) continue
      writes.push({ key, text: isEmpty ? null : text, expected: before?.revision ?? null })
    }
    return { writes, documents: afterwards(this.contents.documents, writes, this.target), expected, removed }
  }

  /** Whether nothing is left in a document. */
  private isEmptied(key: string): boolean {
    if (this.contents.withOthers.has(key)) return false
    for (const [id, items] of this.contents.items) {
      if (!this.changed.has(id) && items.some(({ document }) => document.key === key)) return false
    }
    for (const change of this.changed.values()) if (change.key === key && change.table !== undefined) return false
    return true
  }
}

const conflictOf = (
  current: Table | undefined,
  expected: string | null | undefined
): WriteConflict["found"] | undefined => {
  if (expected === undefined) return undefined
  if (expected === null) return current === undefined ? undefined : "present"
  if (current === undefined) return "missing"
  return revisionOf(current) === expected ? undefined : "changed"
}

const mentions = (text: string, section: Section, name: string): boolean =>
  outlineOf(text).some(({ header }) => header[0] === section && (section === "basic" || header[1] === name))

/** Keys in the order in which the reference lists them, then all others as they are. */
const inOrder = (section: Section, table: Table): Table => {
  const known = KNOWN_KEYS[section] ?? ["category", "step", "remark"]
  const ordered: Record<string, unknown> = Object.create(null)
  for (const key of known) if (Object.hasOwn(table, key)) ordered[key] = table[key]
  return Object.assign(ordered, table)
}

/** The documents of a store after writes. */
export const afterwards = (
  documents: ReadonlyArray<StoredDocument>,
  writes: ReadonlyArray<Write>,
  { fileOf }: Pick<Target, "fileOf">
): ReadonlyArray<StoredDocument> => {
  const after = new Map(documents.map((document) => [document.key, document]))
  for (const { key, text } of writes) {
    const before = after.get(key)
    if (text === null) after.delete(key)
    else after.set(key, { key, file: before?.file ?? fileOf(key), text, revision: before?.revision ?? "" })
  }
  return [...after.values()].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
}
