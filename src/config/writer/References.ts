/**
 * Who refers to an item: locations to upstreams and plugins, servers to locations, plugins that split traffic to
 * upstreams, and whoever includes a storage. References that an include brings count as well. Spec: config 15.
 */
import type { Sliced } from "../../model/Sliced.ts"
import { isTable, type Section, type Table } from "../Draft.ts"
import * as Toml from "../format/Toml.ts"
import { type Contents, idOf } from "./Contents.ts"
import type { ItemName } from "./WriteError.ts"

/** The items that refer to one of the given ones, by the id of that one. */
export function* usersOf(
  contents: Contents,
  wanted: ReadonlySet<string>
): Sliced<ReadonlyMap<string, ReadonlyArray<ItemName>>> {
  const users = new Map<string, Array<ItemName>>()
  const snippets = new Map<string, Table>()
  let count = 0
  for (const items of contents.items.values()) {
    if (++count % ITEMS_PER_STEP === 0) yield
    for (const { name, section, table } of items) {
      for (const id of new Set(referencesOf(contents, snippets, section, table))) {
        if (wanted.has(id)) users.set(id, [...(users.get(id) ?? []), { section, name }])
      }
    }
  }
  return users
}

const ITEMS_PER_STEP = 200

const referencesOf = (
  contents: Contents,
  snippets: Map<string, Table>,
  section: Section,
  table: Table
): ReadonlyArray<string> => {
  if (section === "plugins") {
    return table["category"] === "traffic_splitting" ? idsOf("upstreams", table["upstream"]) : []
  }
  if (section !== "locations" && section !== "servers" && section !== "upstreams") return []
  const includes = namesOf(table["includes"])
  const brought = includes.map((name) => snippetOf(contents, snippets, name))
  const all: Table = includes.length === 0 ? table : Object.assign({}, table, ...brought)
  const included = idsOf("storages", includes)
  if (section === "upstreams") return included
  if (section === "servers") return [...included, ...idsOf("locations", all["locations"])]
  return [...included, ...idsOf("upstreams", all["upstream"]), ...idsOf("plugins", all["plugins"])]
}

/** The keys that a storage brings. */
const snippetOf = (contents: Contents, snippets: Map<string, Table>, name: string): Table => {
  let snippet = snippets.get(name)
  if (snippet === undefined) {
    const text = contents.items.get(idOf("storages", name))?.[0]?.table["value"]
    const parsed = typeof text === "string" ? Toml.parse(text) : undefined
    snippet = parsed?._tag === "TomlDocument" && isTable(parsed.value) ? parsed.value : {}
    snippets.set(name, snippet)
  }
  return snippet
}

const idsOf = (section: Section, value: unknown): ReadonlyArray<string> =>
  namesOf(value).map((name) => idOf(section, name))

const namesOf = (value: unknown): ReadonlyArray<string> =>
  (Array.isArray(value) ? value : [value]).filter((name) => typeof name === "string")
