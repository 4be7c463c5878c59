/**
 * What schemas cannot see: references between items, addresses, patterns, URLs, and text that the reference accepts
 * although it means something else than it says.
 *
 * Works on the tables before decoding, so that an item with a mistyped key is still checked in everything else. What
 * cannot work is an error. What works in the reference by ignoring the text is a warning, as is a name that nothing
 * has: the configuration boots as it does there. Spec: config 5, 6, 8, 9, 11.
 */
import * as IpRules from "../model/IpRules.ts"
import { didYouMean } from "../model/Suggestion.ts"
import { type Draft, type Item, text, texts } from "./Draft.ts"
import type { Path } from "./format/TomlPositions.ts"
import * as LocationRules from "./validation/Location.ts"
import * as ServerRules from "./validation/Server.ts"
import * as UpstreamRules from "./validation/Upstream.ts"

/** A finding of a plugin's own schema, with a path inside the plugin's table. */
export interface PluginFinding {
  readonly severity: "error" | "warning"
  readonly path: Path
  readonly message: string
  readonly expected?: string
  readonly hint?: string
}

/** Checks one plugin table; the registry of plugins provides it. */
export type CheckPlugin = (name: string, table: Readonly<Record<string, unknown>>) => ReadonlyArray<PluginFinding>

/** Names what in a text with a grammar of its own is probably not meant, one sentence each. */
export type CheckText = (text: string) => ReadonlyArray<string>

/** What validation needs to know from outside the configuration. */
export interface ValidationOptions {
  readonly checkPlugin: CheckPlugin
  readonly checkAccessLog?: CheckText | undefined
  readonly checkLogLevel?: CheckText | undefined
  /** Names of plugins that exist without configuration. */
  readonly builtinPlugins: ReadonlyArray<string>
}

/** Reports everything that is wrong with the items of a draft beyond their schemas. */
export const validate = (draft: Draft, options: ValidationOptions): void => {
  for (const item of draft.items.basic.values()) {
    validateBasic(draft, item)
    warnAbout(draft, item, "log_level", options.checkLogLevel)
  }
  for (const item of draft.items.upstreams.values()) UpstreamRules.validate(draft, item)
  const pluginNames = new Set([...draft.items.plugins.keys(), ...options.builtinPlugins])
  for (const item of draft.items.locations.values()) LocationRules.validate(draft, item, pluginNames)
  ServerRules.validate(draft)
  for (const item of draft.items.servers.values()) warnAbout(draft, item, "access_log", options.checkAccessLog)
  for (const item of draft.items.certificates.values()) validateCertificate(draft, item)
  for (const item of draft.items.plugins.values()) validatePlugin(draft, item, options)
}

const validateBasic = (draft: Draft, item: Item): void => {
  for (const [index, rule] of texts(item, "trusted_proxies")) {
    if (IpRules.compile([rule]).invalid.length === 0) continue
    draft.about("warning", item, ["trusted_proxies", index], `${JSON.stringify(rule)} is ignored`, {
      expected: "an IP address or a network such as 10.0.0.0/8"
    })
  }
  warnUnless(draft, item, "webhook_type", ["wecom", "dingtalk", "normal", ""], "other text means generic JSON")
  const hour = item.table["log_compress_time_point_hour"]
  if (typeof hour === "number" && hour > 23) {
    draft.about("warning", item, ["log_compress_time_point_hour"], "no log is ever compressed", {
      expected: "an hour of the day, 0 to 23"
    })
  }
  warnUnless(draft, item, "log_compress_algorithm", ["gzip", "zstd", ""], "other text means zstd")
}

const warnAbout = (draft: Draft, item: Item, key: string, check: CheckText = () => []): void => {
  for (const problem of check(text(item, key) ?? "")) draft.about("warning", item, [key], problem)
}

const warnUnless = (draft: Draft, item: Item, key: string, known: ReadonlyArray<string>, meaning: string): void => {
  const value = text(item, key)
  if (value === undefined || known.includes(value.toLowerCase())) return
  const choices = known.filter((word) => word !== "" && word !== "normal")
  draft.about("warning", item, [key], `${JSON.stringify(value)} is unknown, ${meaning}`, {
    expected: choices.join(" or "),
    hint: didYouMean(value, choices)
  })
}

const validateCertificate = (draft: Draft, item: Item): void => {
  const [cert = "", key = ""] = [text(item, "tls_cert"), text(item, "tls_key")]
  if ((cert === "") !== (key === "") && (text(item, "acme") ?? "") === "") {
    draft.about("warning", item, [cert === "" ? "tls_key" : "tls_cert"], "certificate is not used", {
      expected: "both tls_cert and tls_key"
    })
  }
}

const validatePlugin = (draft: Draft, item: Item, options: ValidationOptions): void => {
  if (options.builtinPlugins.includes(item.name)) {
    draft.about("warning", item, [], "the built-in plugin of this name is used instead")
    return
  }
  const category = item.table["category"]
  // Decoding reports a missing category.
  if (typeof category !== "string" || category === "") return
  for (const finding of options.checkPlugin(item.name, item.table)) {
    // The common keys are in the plugin's schema and in ours.
    if (draft.hasError([...item.path, ...finding.path])) continue
    draft.about(finding.severity, item, finding.path, finding.message, finding)
  }
}
