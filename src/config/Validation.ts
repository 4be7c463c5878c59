/**
 * What schemas cannot see: references between items, addresses, patterns, URLs, and text that the reference accepts
 * although it means something else than it says.
 *
 * Works on the tables before decoding, so that an item with a mistyped key is still checked in everything else. What
 * cannot work is an error. What works in the reference by ignoring the text is a warning, as is a name that nothing
 * has: the configuration boots as it does there. Spec: config 5, 6, 8, 9, 11.
 */

import * as IpRules from "../model/IpRules.ts"
import type { Sliced } from "../model/Sliced.ts"
import { didYouMean } from "../model/Suggestion.ts"
import type { LocationConf, ProxyConfig } from "./ConfigSchema.ts"
import { type Draft, type Item, type Report, type Table, text, texts } from "./Draft.ts"
import type { Path } from "./format/TomlPositions.ts"
import { NOTIFICATIONS } from "./schema/Basic.ts"
import type { CertificateFinding } from "./validation/Certificate.ts"
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

/** Checks the texts of a certificate and its key; an empty text is one that is not there. */
export type CheckCertificate = (cert: string, key: string) => ReadonlyArray<CertificateFinding>

/** A location as far as it decides about matching. */
export type RouteRule = Pick<
  LocationConf,
  "path" | "host" | "weight" | "match_headers" | "match_query" | "match_cookies"
> & { readonly name: string }

/** Positions of locations that are never chosen, and of those that take their requests. */
export type FindShadowed = (
  rules: ReadonlyArray<RouteRule>
) => Sliced<ReadonlyArray<{ readonly index: number; readonly by: ReadonlyArray<number> }>>

/** What is known outside the configuration about texts with a grammar of their own. */
export interface Checks {
  readonly checkPlugin: CheckPlugin
  readonly checkAccessLog?: CheckText | undefined
  readonly checkLogLevel?: CheckText | undefined
  readonly checkCertificate?: CheckCertificate | undefined
  /** Names of plugins that exist without configuration. */
  readonly builtinPlugins: ReadonlyArray<string>
}

/** Takes findings and knows which paths have an error already. */
export interface CheckedReport extends Report {
  readonly hasError: (path: Path) => boolean
}

/** Reports everything that is wrong with one item by itself, beyond its schema. */
export const validate = (report: CheckedReport, item: Item, checks: Checks): void => {
  switch (item.section) {
    case "basic":
      validateBasic(report, item)
      return warnAbout(report, item, "log_level", checks.checkLogLevel)
    case "servers":
      ServerRules.validate(report, item)
      return warnAbout(report, item, "access_log", checks.checkAccessLog)
    case "upstreams":
      return UpstreamRules.validate(report, item)
    case "locations":
      return LocationRules.validate(report, item)
    case "certificates":
      return validateCertificate(report, item, checks)
    case "plugins":
      return validatePlugin(report, item, checks)
    case "storages":
      return
  }
}

/**
 * Finds what is wrong between items: names that nothing has, addresses that two servers want. While the names are the
 * same as before, an item that did not change has the same findings.
 */
export class References {
  private readonly builtinPlugins: ReadonlyArray<string>
  private names: ReadonlyArray<ReadonlySet<string>> = []
  private plugins: ReadonlySet<string> = new Set()
  /** Items whose names are all there. */
  private sound = new WeakSet<Table>()

  constructor(builtinPlugins: ReadonlyArray<string>) {
    this.builtinPlugins = builtinPlugins
  }

  *validate(draft: Draft): Sliced<void> {
    this.take([draft.items.upstreams, draft.items.plugins, draft.items.locations].map(namesOf))
    yield
    let count = 0
    const grpcWeb = new Set<string>()
    for (const item of draft.items.locations.values()) {
      if (++count % ITEMS_PER_STEP === 0) yield
      if (item.table["grpc_web"] === true) grpcWeb.add(item.name)
      if (this.sound.has(item.table)) continue
      const before = draft.diagnostics.length
      LocationRules.validateReferences(draft, item, this.plugins)
      if (draft.diagnostics.length === before && !draft.incomplete) this.sound.add(item.table)
    }
    yield* ServerRules.validateReferences(draft, this.sound, grpcWeb)
  }

  private take(names: ReadonlyArray<ReadonlySet<string>>): void {
    if (names.every((now, index) => isSameSet(now, this.names[index]))) return
    this.names = names
    this.plugins = new Set([...names[1]!, ...this.builtinPlugins])
    this.sound = new WeakSet()
  }
}

const namesOf = (items: ReadonlyMap<string, Item>): ReadonlySet<string> => new Set(items.keys())

const isSameSet = (a: ReadonlySet<string>, b: ReadonlySet<string> | undefined): boolean => {
  if (b === undefined || a.size !== b.size) return false
  for (const name of a) if (!b.has(name)) return false
  return true
}

/** Hints at locations that no request can reach. */
export function* hintShadowed(
  draft: Draft,
  { locations, servers }: Pick<ProxyConfig, "locations" | "servers">,
  find: FindShadowed
): Sliced<void> {
  for (const [server, conf] of Object.entries(servers)) {
    const rules: Array<RouteRule> = []
    for (const name of conf.locations ?? []) {
      const location = locations[name]
      if (location !== undefined) rules.push({ ...location, name })
    }
    for (const { by, index } of yield* find(rules)) {
      const item = draft.item("locations", rules[index]!.name)
      if (item === undefined) continue
      const names = by.map((other) => rules[other]!.name).join(", ")
      draft.about(
        "hint",
        item,
        [],
        `no request of server ${server} reaches it: ${names} take${by.length === 1 ? "s" : ""} them all`,
        {
          hint: "a larger weight puts it in front"
        }
      )
    }
  }
}

const ITEMS_PER_STEP = 500

const validateBasic = (report: Report, item: Item): void => {
  for (const [index, rule] of texts(item, "trusted_proxies")) {
    if (IpRules.compile([rule]).invalid.length === 0) continue
    report.about("warning", item, ["trusted_proxies", index], `${JSON.stringify(rule)} is ignored`, {
      expected: "an IP address or a network such as 10.0.0.0/8"
    })
  }
  warnUnless(report, item, "webhook_type", ["wecom", "dingtalk", "normal", ""], "other text means generic JSON")
  const webhook = text(item, "webhook")?.trim() ?? ""
  if (webhook !== "" && !/^https?:$/.test(URL.parse(webhook)?.protocol ?? "")) {
    report.about("warning", item, ["webhook"], "is no http or https URL; notifications are not sent")
  }
  const categories: ReadonlyArray<string> = NOTIFICATIONS
  for (const [index, category] of texts(item, "webhook_notifications")) {
    if (categories.includes(category)) continue
    report.about("warning", item, ["webhook_notifications", index], `${JSON.stringify(category)} is never sent`, {
      expected: `one of ${categories.join(", ")}`,
      hint: didYouMean(category, categories)
    })
  }
  const hour = item.table["log_compress_time_point_hour"]
  if (typeof hour === "number" && hour > 23 && hour <= 255) {
    report.about("warning", item, ["log_compress_time_point_hour"], "no log is ever compressed", {
      expected: "an hour of the day, 0 to 23"
    })
  }
  warnUnless(report, item, "log_compress_algorithm", ["gzip", "zstd", ""], "other text means zstd")
}

const warnAbout = (report: Report, item: Item, key: string, check: CheckText = () => []): void => {
  for (const problem of check(text(item, key) ?? "")) report.about("warning", item, [key], problem)
}

const warnUnless = (report: Report, item: Item, key: string, known: ReadonlyArray<string>, meaning: string): void => {
  const value = text(item, key)
  if (value === undefined || known.includes(value.toLowerCase())) return
  const choices = known.filter((word) => word !== "" && word !== "normal")
  report.about("warning", item, [key], `${JSON.stringify(value)} is unknown, ${meaning}`, {
    expected: choices.join(" or "),
    hint: didYouMean(value, choices)
  })
}

const validateCertificate = (report: Report, item: Item, checks: Checks): void => {
  const [cert = "", key = ""] = [text(item, "tls_cert"), text(item, "tls_key")]
  if ((cert === "") !== (key === "") && (text(item, "acme") ?? "") === "") {
    report.about("warning", item, [cert === "" ? "tls_key" : "tls_cert"], "certificate is not used", {
      expected: "both tls_cert and tls_key"
    })
  }
  for (const finding of checks.checkCertificate?.(cert, key) ?? []) {
    report.about(finding.severity, item, [finding.key], finding.message, finding)
  }
}

const validatePlugin = (report: CheckedReport, item: Item, checks: Checks): void => {
  if (checks.builtinPlugins.includes(item.name)) {
    report.about("warning", item, [], "the built-in plugin of this name is used instead")
    return
  }
  const category = item.table["category"]
  // Decoding reports a missing category.
  if (typeof category !== "string" || category === "") return
  for (const finding of checks.checkPlugin(item.name, item.table)) {
    // The common keys are in the plugin's schema and in ours.
    if (report.hasError(finding.path)) continue
    report.about(finding.severity, item, finding.path, finding.message, finding)
  }
}
