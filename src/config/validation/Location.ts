/**
 * Rules of `[locations.*]`: the upstream and the plugins exist, host, path and rewrite patterns compile.
 *
 * The reference finds a bad host or path pattern only when it builds the location. Spec: config 6 and 7.
 */
import * as Regex from "../../model/Regex.ts"
import { type Draft, type Item, text, texts } from "../Draft.ts"

/** Reports what is wrong with one location. */
export const validate = (draft: Draft, item: Item, plugins: ReadonlySet<string>): void => {
  const upstream = text(item, "upstream") ?? ""
  if (upstream !== "" && !upstream.startsWith("$") && draft.item("upstreams", upstream) === undefined) {
    draft.notFound("error", item, ["upstream"], "upstream", upstream, draft.items.upstreams.keys())
  }
  for (const [index, name] of texts(item, "plugins")) {
    if (plugins.has(name)) continue
    // The reference runs the location without the plugin.
    draft.notFound("warning", item, ["plugins", index], "plugin", name, plugins, "; the location answers 503")
  }
  validatePath(draft, item)
  for (const host of text(item, "host")?.split(",") ?? []) validateHost(draft, item, host.trim())
  validateRewrite(draft, item)
}

const validatePath = (draft: Draft, item: Item): void => {
  const path = (text(item, "path") ?? "").trim()
  if (path.startsWith("~")) validatePattern(draft, item, "path", path.slice(1).trim())
}

const validateHost = (draft: Draft, item: Item, host: string): void => {
  if (host.startsWith("~")) {
    validatePattern(draft, item, "host", host.slice(1).trim())
    return
  }
  if (!host.includes("*")) return
  const suffix = host.slice(2)
  if (host.startsWith("*.") && suffix !== "" && !suffix.includes("*")) return
  draft.about("error", item, ["host"], `invalid host wildcard pattern: ${host}`, {
    expected: "a wildcard in front only, such as *.example.com"
  })
}

const validateRewrite = (draft: Draft, item: Item): void => {
  const [pattern = "", ...rest] = (text(item, "rewrite") ?? "").split(" ")
  // A single word with a `$` is a replacement without a pattern. Spec: config 7.6.
  if (rest.length > 0 || !pattern.includes("$")) validatePattern(draft, item, "rewrite", pattern)
}

const validatePattern = (draft: Draft, item: Item, key: string, source: string): void => {
  const regex = Regex.compile(source)
  if (regex instanceof Regex.RegexError)
    draft.about("error", item, [key], regex.message, { expected: "a regular expression" })
}
