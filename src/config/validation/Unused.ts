/**
 * What a configuration holds and nothing uses: upstreams, plugins, locations and storages whose name appears nowhere.
 *
 * These are hints: nothing is wrong, and nothing is ever refused for them. They stay away while something is wrong,
 * because what would use an item may be what could not be read, and where nothing exists that could use any of a kind.
 * Includes must be expanded before.
 */
import { type Draft, type Item, isTable, text } from "../Draft.ts"

/** Reports what nobody uses. */
export const report = (draft: Draft): void => {
  if (draft.incomplete || draft.failed) return
  const { locations, plugins, servers, storages, upstreams } = draft.items
  if (servers.size > 0) {
    const listed = names(servers.values(), "locations")
    tell(draft, unused(locations, listed), "no server lists this location")
  }
  if (locations.size > 0) {
    const listed = names(locations.values(), "plugins")
    // Tables with the name of a built-in plugin have a warning of their own.
    const own = unused(plugins, listed).filter(({ name }) => !name.startsWith("pingap:"))
    tell(draft, own, "no location lists this plugin")
    const used = usedUpstreams(draft)
    if (used !== undefined) tell(draft, unused(upstreams, used), "no location has this upstream")
  }
  const included = names([...upstreams.values(), ...locations.values(), ...servers.values()], "includes")
  const snippets = unused(storages, included).filter((item) => text(item, "category") === "config")
  tell(draft, snippets, "nothing includes this storage")
}

/** Findings of a kind that are told one by one. */
const MAX_HINTS = 20

const tell = (draft: Draft, items: ReadonlyArray<Item>, message: string): void => {
  const more = items.length - MAX_HINTS
  for (const [index, item] of items.slice(0, MAX_HINTS).entries()) {
    const isLast = index === MAX_HINTS - 1 && more > 0
    draft.about("hint", item, [], isLast ? `${message}, and the same goes for ${more} more` : message)
  }
}

const unused = (items: ReadonlyMap<string, Item>, used: ReadonlySet<string>): Array<Item> =>
  [...items.values()].filter(({ name }) => !used.has(name))

/** Every name in a list of some items. */
const names = (items: Iterable<Item>, key: "includes" | "locations" | "plugins"): ReadonlySet<string> => {
  const found = new Set<string>()
  for (const item of items) {
    // Expansion removes includes from a table, and an include brings none.
    const list = (key === "includes" ? item.written : item.table)[key]
    if (!Array.isArray(list)) continue
    for (const name of list) if (typeof name === "string") found.add(name)
  }
  return found
}

/**
 * Names of upstreams that requests may go to, or `undefined` where a variable can name any. Plugins choose upstreams
 * too (plugins 6.25), also such plugins as nobody knows here: a name counts wherever one of their texts is it.
 */
const usedUpstreams = (draft: Draft): ReadonlySet<string> | undefined => {
  const used = new Set<string>()
  for (const item of draft.items.locations.values()) {
    const upstream = text(item, "upstream") ?? ""
    if (upstream.startsWith("$")) return undefined
    used.add(upstream)
  }
  for (const item of draft.items.plugins.values()) {
    if (text(item, "upstream")?.startsWith("$")) return undefined
    addTexts(item.table, used)
  }
  return used
}

const addTexts = (value: unknown, found: Set<string>): void => {
  if (typeof value === "string") found.add(value)
  else if (Array.isArray(value)) for (const inner of value) addTexts(inner, found)
  else if (isTable(value)) for (const inner of Object.values(value)) addTexts(inner, found)
}
