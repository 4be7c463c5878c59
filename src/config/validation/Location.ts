/**
 * Rules of `[locations.*]`: the upstream and the plugins exist, host, path and rewrite patterns compile, and some request
 * can have that host and path.
 *
 * The reference finds a bad host or path pattern only when it builds the location, and says nothing about one that
 * nothing matches. Spec: config 6 and 7.
 */

import * as Regex from "../../model/Regex.ts"
import { didYouMean } from "../../model/Suggestion.ts"
import { type Draft, type Item, type Report, text, texts } from "../Draft.ts"

/** Reports what is wrong with one location by itself. */
export const validate = (report: Report, item: Item): void => {
  validatePath(report, item)
  for (const host of text(item, "host")?.split(",") ?? []) validateHost(report, item, host.trim())
  validateRewrite(report, item)
}

/** Reports names in a location that nothing has. `plugins` are those that exist. */
export const validateReferences = (draft: Draft, item: Item, plugins: ReadonlySet<string>): void => {
  const upstream = text(item, "upstream") ?? ""
  if (upstream !== "" && !upstream.startsWith("$") && draft.item("upstreams", upstream) === undefined) {
    draft.notFound("error", item, ["upstream"], "upstream", upstream, draft.items.upstreams.keys())
  }
  if (item.table["plugins"] === undefined) return
  for (const [index, name] of texts(item, "plugins")) {
    if (plugins.has(name)) continue
    const path = ["plugins", index]
    // The reference runs the location without the plugin.
    const effect = "; the location answers 503"
    // The prefix belongs to plugins that come with the program: nobody has to configure one.
    if (!name.startsWith("pingap:") || didYouMean(name, plugins) !== undefined) {
      draft.notFound("warning", item, path, "plugin", name, plugins, effect)
    } else if (!draft.incomplete) {
      const hint = "this version has no built-in plugin of this name"
      draft.about("warning", item, path, `plugin(${name}) is not found${effect}`, { hint })
    }
  }
}

const validatePath = (report: Report, item: Item): void => {
  const path = (text(item, "path") ?? "").trim()
  if (path.startsWith("~")) return validatePattern(report, item, "path", path.slice(1).trim())
  const plain = path.replace(/^=\s*/, "")
  if (path === "" || (plain.startsWith("/") && !/[?#]/.test(plain))) return
  report.about("warning", item, ["path"], `no request has the path ${JSON.stringify(plain)}`, {
    expected: "a path that begins with /, =/exact, or ~ and a regular expression",
    hint: pathHint(plain)
  })
}

const pathHint = (path: string): string | undefined => {
  if (path.startsWith("/")) return "the query is no part of the path: match_query is for it"
  if (path.startsWith("^")) return `did you mean ${JSON.stringify(`~${path}`)}?`
  return path === "*" ? "without a path, a location takes every path" : undefined
}

const validateHost = (report: Report, item: Item, host: string): void => {
  if (host.startsWith("~")) {
    validatePattern(report, item, "host", host.slice(1).trim())
    return
  }
  if (/[:/]/.test(host) && !host.startsWith("[")) {
    report.about("warning", item, ["host"], `no request has the host ${JSON.stringify(host)}`, {
      expected: "a host name without scheme, port and path"
    })
    return
  }
  if (!host.includes("*")) return
  const suffix = host.slice(2)
  if (host.startsWith("*.") && suffix !== "" && !suffix.includes("*")) return
  report.about("error", item, ["host"], `invalid host wildcard pattern: ${host}`, {
    expected: "a wildcard in front only, such as *.example.com"
  })
}

const validateRewrite = (report: Report, item: Item): void => {
  const [pattern = "", ...rest] = (text(item, "rewrite") ?? "").split(" ")
  // A single word with a `$` is a replacement without a pattern. Spec: config 7.6.
  if (rest.length > 0 || !pattern.includes("$")) validatePattern(report, item, "rewrite", pattern)
}

const validatePattern = (report: Report, item: Item, key: string, source: string): void => {
  const regex = Regex.compile(source)
  if (regex instanceof Regex.RegexError)
    report.about("error", item, [key], regex.message, { expected: "a regular expression" })
}
