/**
 * Expansion of `includes`: the keys of named storages are inserted into an item, over keys of the same name.
 *
 * Only upstreams, locations and servers have includes. The reference drops includes that it cannot read; here an
 * unknown storage, a text that is no TOML and a key that two includes bring are errors, and an include that replaces
 * a key of the item is a warning. Spec: config 3.
 */
import { formatPath } from "./Diagnostic.ts"
import { type Draft, type Item, type Place, placeOf, type Table } from "./Draft.ts"
import * as Toml from "./format/Toml.ts"

interface Snippet {
  readonly table: Table
  readonly place: (key: string) => Place
}

/** Expands the includes of every item of a draft. */
export const expand = (draft: Draft): void => {
  const snippets = new Map<string, Snippet | undefined>()
  const snippetOf = (storage: Item, user: Item): Snippet | undefined => {
    if (!snippets.has(storage.name)) snippets.set(storage.name, read(draft, storage, user))
    return snippets.get(storage.name)
  }
  for (const section of ["upstreams", "locations", "servers"] as const) {
    for (const item of draft.items[section].values()) {
      const names = item.table["includes"]
      // A list of something else stays in the table: decoding reports it.
      if (Array.isArray(names) && names.every((name) => typeof name === "string")) insert(draft, item, names, snippetOf)
    }
  }
}

const insert = (
  draft: Draft,
  item: Item,
  names: ReadonlyArray<string>,
  snippetOf: (storage: Item, user: Item) => Snippet | undefined
): void => {
  const own = item.table
  const table: Table = Object.assign(Object.create(null), own)
  delete table["includes"]
  const broughtBy = new Map<string, string>()
  for (const [index, name] of names.entries()) {
    const storage = draft.item("storages", name)
    if (storage === undefined) {
      draft.notFound("error", item, ["includes", index], "storage", name, draft.items.storages.keys())
      continue
    }
    const snippet = snippetOf(storage, item)
    if (snippet === undefined) continue
    for (const [key, value] of Object.entries(snippet.table)) {
      if (key === "includes") continue
      const other = broughtBy.get(key)
      if (other !== undefined) {
        const message = `storages ${other} and ${name} both bring the key ${JSON.stringify(key)}`
        draft.about("error", item, ["includes", index], message)
        continue
      }
      if (Object.hasOwn(own, key)) {
        draft.about("warning", item, [key], `key is overridden by the included storage ${name}`)
      }
      broughtBy.set(key, name)
      table[key] = value
      item.included.set(key, () => snippet.place(key))
    }
  }
  item.table = table
}

/** Parses the text of a storage. A mistake in it is reported once, at its place inside the storage. */
const read = (draft: Draft, storage: Item, user: Item): Snippet | undefined => {
  const { origin, path, table } = storage
  const text = table["value"]
  // A missing or mistyped value is reported when the storage is decoded.
  if (typeof text !== "string") return undefined
  const at = [...path, "value"]
  const usedBy = `included by ${user.section}.${user.name}`
  if (typeof table["secret"] === "string" && table["secret"] !== "") {
    draft.about("warning", storage, ["secret"], "an encrypted value is inserted as it is", { hint: usedBy })
  }
  const parsed = Toml.parse(text)
  if (parsed._tag === "TomlError") {
    const place = placeOf(origin, origin.positions.inside(at, parsed.line, parsed.column))
    draft.report("error", place, formatPath(path), `value is not TOML: ${parsed.message}`, {
      hint: usedBy
    })
    return undefined
  }
  return {
    table: parsed.value,
    place: (key) => {
      const { line, column, length } = parsed.positions.locate([key]).span
      const span = origin.positions.inside(at, line, column)
      return placeOf(origin, span.length === 1 ? { ...span, length } : span)
    }
  }
}
