/**
 * Expansion of `includes`: the keys of named storages are inserted into an item, over keys of the same name.
 *
 * Only upstreams, locations and servers have includes. The reference drops includes that it cannot read; here an
 * unknown storage, a text that is no TOML and a key that two includes bring are errors, and an include that replaces
 * a key of the item is a warning. An encrypted value is decrypted first. Spec: config 3, 10.
 */
import * as Result from "effect/Result"
import { now, type Sliced } from "../model/Sliced.ts"
import { formatPath } from "./Diagnostic.ts"
import { type Draft, type Item, type Place, placeOf, type Table } from "./Draft.ts"
import * as Toml from "./format/Toml.ts"
import type { Span } from "./format/TomlPositions.ts"

interface Snippet {
  readonly table: Table
  readonly place: (key: string) => Place
}

interface Expanded {
  readonly table: Table
  /** Tables of the snippets that were inserted, in their order. */
  readonly from: ReadonlyArray<Table>
}

/** What a storage says about an encrypted value. */
export interface Encrypted {
  readonly value: string
  readonly secret: string
}

/** Reads the encrypted value of a storage; `secret` is what the storage says about the passphrase. */
export type Decrypt = (value: string, secret: string) => Result.Result<string, { readonly message: string }>

/** The text of a storage's value, and whether it stands in the document as it is. */
interface Value {
  readonly text: string
  readonly isWritten: boolean
}

const ITEMS_PER_STEP = 50

/** Expands includes, and remembers what an unchanged item with unchanged snippets became. */
export class Includes {
  private readonly decrypt: Decrypt | undefined
  private readonly expanded = new WeakMap<Table, Expanded>()
  private readonly parsed = new WeakMap<Table, Toml.TomlDocument | Toml.TomlError>()

  constructor(decrypt: Decrypt | undefined) {
    this.decrypt = decrypt
  }

  /** Expands the includes of every item of a draft. */
  expand(draft: Draft): void {
    now(this.expanding(draft))
  }

  /** The same, with pauses. */
  *expanding(draft: Draft): Sliced<void> {
    const snippets = new Map<Item, Snippet | undefined>()
    const snippetOf = (storage: Item, user: Item): Snippet | undefined => {
      if (!snippets.has(storage)) snippets.set(storage, this.read(draft, storage, user))
      return snippets.get(storage)
    }
    let count = 0
    for (const section of ["upstreams", "locations", "servers"] as const) {
      for (const item of draft.items[section].values()) {
        const names = item.written["includes"]
        // A list of something else stays in the table: decoding reports it.
        if (!Array.isArray(names) || !names.every((name) => typeof name === "string")) continue
        this.insert(draft, item, names, snippetOf)
        if (++count % ITEMS_PER_STEP === 0) yield
      }
    }
  }

  private insert(
    draft: Draft,
    item: Item,
    names: ReadonlyArray<string>,
    snippetOf: (storage: Item, user: Item) => Snippet | undefined
  ): void {
    const own = item.written
    const table: Table = Object.assign(Object.create(null), own)
    delete table["includes"]
    const broughtBy = new Map<string, string>()
    const included = new Map<string, () => Place>()
    const from: Array<Table> = []
    for (const [index, name] of names.entries()) {
      const storage = draft.item("storages", name)
      if (storage === undefined) {
        draft.notFound("error", item, ["includes", index], "storage", name, draft.items.storages.keys())
        continue
      }
      const snippet = snippetOf(storage, item)
      if (snippet === undefined) continue
      from.push(snippet.table)
      for (const [key, value] of Object.entries(snippet.table)) {
        if (key === "includes") {
          draft.report("warning", snippet.place(key), formatPath(item.path), "an included storage includes nothing", {
            hint: `list the storage in includes of ${item.section}.${item.name}`
          })
          continue
        }
        const other = broughtBy.get(key)
        if (other !== undefined) {
          const message =
            other === name
              ? `storage ${name} is included twice`
              : `storages ${other} and ${name} both bring the key ${JSON.stringify(key)}`
          draft.about("error", item, ["includes", index], message)
          continue
        }
        if (Object.hasOwn(own, key)) {
          draft.about("warning", item, [key], `key is overridden by the included storage ${name}`)
        }
        broughtBy.set(key, name)
        table[key] = value
        included.set(key, () => snippet.place(key))
      }
    }
    const before = this.expanded.get(own)
    const same =
      before !== undefined && before.from.length === from.length && before.from.every((t, i) => t === from[i])
    if (!same) this.expanded.set(own, { table, from })
    draft.expand(item, same ? before.table : table, included)
  }

  /** Parses the text of a storage. A mistake in it is reported once, at its place inside the storage. */
  private read(draft: Draft, storage: Item, user: Item): Snippet | undefined {
    const { origin, path, written } = storage
    const usedBy = `included by ${user.section}.${user.name}`
    const value = this.valueOf(draft, storage, usedBy)
    if (value === undefined) return undefined
    const at = [...path, "value"]
    // What was encrypted has no places of its own.
    const inside = (line: number, column: number): Span =>
      value.isWritten ? origin.positions.inside(at, line, column) : origin.positions.locate(at).span
    const parsed = this.parsed.get(written) ?? Toml.parse(value.text)
    this.parsed.set(written, parsed)
    if (parsed._tag === "TomlError") {
      const place = placeOf(origin, inside(parsed.line, parsed.column))
      draft.report("error", place, formatPath(path), `value is not TOML: ${parsed.message}`, { hint: usedBy })
      return undefined
    }
    return {
      table: parsed.value,
      place: (key) => {
        const { line, column, length } = parsed.positions.locate([key]).span
        const span = inside(line, column)
        return placeOf(origin, span.length === 1 ? { ...span, length } : span)
      }
    }
  }

  private valueOf(draft: Draft, storage: Item, usedBy: string): Value | undefined {
    const { secret, value } = storage.written
    // A missing or mistyped value is reported when the storage is decoded.
    if (typeof value !== "string") return undefined
    if (typeof secret !== "string" || secret === "") return { text: value, isWritten: true }
    const decrypted = this.decrypt?.(value, secret)
    if (decrypted !== undefined && Result.isSuccess(decrypted)) return { text: decrypted.success, isWritten: false }
    // The reference inserts values as they are, encrypted or not.
    if (Toml.parse(value)._tag === "TomlDocument") {
      draft.about("warning", storage, ["value"], "value is not encrypted although there is a secret", { hint: usedBy })
      return { text: value, isWritten: true }
    }
    const message = decrypted?.failure.message ?? "an encrypted value cannot be read here"
    draft.about("error", storage, ["value"], message, { hint: usedBy })
    return undefined
  }
}
