/** A configuration as its items, which a place keeps in documents of its own kind. */

/** Texts by key: `basic`, `locations/api`. Each has its table header. */
export type Items = ReadonlyMap<string, string>

export type Section = "basic" | "upstreams" | "plugins" | "locations" | "servers"

/** The text of an item from the lines below its header. */
export function item(section: Section, name: string, ...lines: readonly string[]): readonly [string, string] {
  const key = section === "basic" ? section : `${section}/${name}`
  const header = section === "basic" ? section : `${section}.${name}`
  return [key, `[${header}]\n${lines.join("\n")}\n`]
}

/** `[basic]` of every drill: what is logged is what is measured, and the end is quick. */
export const basic = item("basic", "", 'log_level = "info"', 'grace_period = "1s"')

/** A server that listens on loopback. */
export function server(name: string, ports: readonly number[], locations: readonly string[]) {
  const addr = ports.map((port) => `127.0.0.1:${port}`).join(",")
  return item("servers", name, `addr = "${addr}"`, `locations = [${locations.map((text) => `"${text}"`).join(", ")}]`)
}

/** A location that is forwarded. */
export function location(name: string, upstream: string, host: string, path: string) {
  return item("locations", name, `host = "${host}"`, `path = "${path}"`, `upstream = "${upstream}"`)
}

export function upstream(name: string, port: number, ...lines: readonly string[]) {
  return item("upstreams", name, `addrs = ["127.0.0.1:${port}"]`, ...lines)
}

/** A plugin that answers with a text. */
export function mock(name: string, text: string) {
  return item("plugins", name, 'category = "mock"', `data = "${text}"`)
}
