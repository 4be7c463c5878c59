/**
 * One decoded configuration: documents in, a frozen {@link Snapshot} or the complete list of what is wrong out.
 *
 * Parsing, merging, includes, decoding and cross references all report into one list, so that one run shows every
 * mistake of every item. Nothing here does I/O or throws; the same documents always give the same result.
 */
import * as Result from "effect/Result"
import type { BasicConf, ProxyConfig } from "./ConfigSchema.ts"
import * as Decode from "./Decode.ts"
import { type Diagnostic, sort } from "./Diagnostic.ts"
import { Draft, type Item, isTable, type Place, type RawDocument, type Section } from "./Draft.ts"
import type { Path } from "./format/TomlPositions.ts"
import * as Includes from "./Includes.ts"
import * as Unsupported from "./Unsupported.ts"
import { type CheckPlugin, type CheckText, validate } from "./Validation.ts"

export type { RawDocument } from "./Draft.ts"

/** A configuration that can be built. Everything in it is frozen. */
export interface Snapshot {
  readonly config: ProxyConfig
  readonly warnings: ReadonlyArray<Diagnostic>
  /** Names of the documents it was read from. */
  readonly files: ReadonlyArray<string>
  /** Where a path such as `["locations", "root", "upstream"]` stands, or the table around it. */
  readonly locate: (path: Path) => Omit<Place, "text"> | undefined
}

export interface DecodeOptions {
  /** Whether warnings are errors. */
  readonly strict?: boolean
  /** Checks the tables of plugins. */
  readonly checkPlugin?: CheckPlugin
  /** Check `access_log` of servers and `log_level`; the logs themselves warn when they open. Default: not checked. */
  readonly checkAccessLog?: CheckText
  readonly checkLogLevel?: CheckText
  /** Names of plugins that exist without configuration. */
  readonly builtinPlugins?: ReadonlyArray<string>
  /** Warn about what this version does not do yet. Default: no. */
  readonly reportUnsupported?: boolean
}

/** Plugins that need no configuration. Spec: config 11. */
export const BUILTIN_PLUGINS: ReadonlyArray<string> = [
  "pingap:compression",
  "pingap:compressionUpstream",
  "pingap:ping",
  "pingap:stats",
  "pingap:requestId",
  "pingap:acceptEncodingAdjustment",
  "pingap:admin"
]

/** Decodes documents. A failure holds errors and warnings, ordered by file and line. */
export const decode = (
  documents: ReadonlyArray<RawDocument>,
  options: DecodeOptions = {}
): Result.Result<Snapshot, ReadonlyArray<Diagnostic>> => {
  const draft = new Draft(options.strict ?? false)
  for (const document of documents) draft.add(document)
  Includes.expand(draft)
  // A NUL that is written out is a syntax error, so only escapes can bring one.
  const mayHoldNul = documents.some(({ text }) => /\\(?:x00|u0000|U00000000)/.test(text))
  for (const item of allItems(draft)) {
    draft.reportUnknownKeys(item)
    if (mayHoldNul) reportNul(draft, item, item.table, [])
  }
  const config: ProxyConfig = {
    basic: decodeBasic(draft),
    servers: Decode.section(draft, "servers"),
    locations: Decode.section(draft, "locations"),
    upstreams: Decode.section(draft, "upstreams"),
    plugins: Decode.section(draft, "plugins"),
    certificates: Decode.section(draft, "certificates"),
    storages: Decode.section(draft, "storages")
  }
  validate(draft, {
    checkPlugin: options.checkPlugin ?? (() => []),
    checkAccessLog: options.checkAccessLog,
    checkLogLevel: options.checkLogLevel,
    builtinPlugins: options.builtinPlugins ?? BUILTIN_PLUGINS
  })
  if (options.reportUnsupported === true) Unsupported.report(draft)
  const files = documents.map((document) => document.file)
  const diagnostics = sort(draft.diagnostics, files)
  if (draft.failed) return Result.fail(diagnostics)
  return Result.succeed({
    config: freeze(config),
    warnings: diagnostics,
    files,
    locate: (path) => {
      const place = draft.locate(path)
      return place === undefined ? undefined : { file: place.file, span: place.span }
    }
  })
}

const decodeBasic = (draft: Draft): BasicConf => Decode.section(draft, "basic")[""] ?? Decode.BASIC_DEFAULTS

const allItems = (draft: Draft): Array<Item> =>
  (Object.keys(draft.items) as Array<Section>).flatMap((section) => [...draft.items[section].values()])

// A NUL ends a path for the operating system and a name for TLS, but not for the check in front of them.
const reportNul = (draft: Draft, item: Item, value: unknown, path: Path): void => {
  if (typeof value === "string") {
    if (value.includes("\0")) draft.about("error", item, path, "text contains a NUL")
  } else if (Array.isArray(value)) {
    for (const [index, element] of value.entries()) reportNul(draft, item, element, [...path, index])
  } else if (isTable(value)) {
    for (const [key, inner] of Object.entries(value)) reportNul(draft, item, inner, [...path, key])
  }
}

const freeze = <T>(value: T): T => {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) freeze(inner)
  }
  return value
}
