/**
 * One decoded configuration: documents in, a frozen {@link Snapshot} or the complete list of what is wrong out.
 *
 * Parsing, merging, includes, decoding and cross references all report into one list, so that one run shows every
 * mistake of every item. Nothing here does I/O or throws; the same documents always give the same result.
 */
import type * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Result from "effect/Result"
import { now, type Sliced } from "../model/Sliced.ts"
import { NAMED_SECTIONS, type ProxyConfig, type SECTIONS } from "./ConfigSchema.ts"
import * as Decode from "./Decode.ts"
import { type Diagnostic, sort } from "./Diagnostic.ts"
import { Draft, isTable, type Place, type RawDocument, type Section } from "./Draft.ts"
import type { Path } from "./format/TomlPositions.ts"
import { type Reading, TomlReader } from "./format/TomlReader.ts"
import { type Decrypt, type Encrypted, Includes } from "./Includes.ts"
import { Inspection } from "./Inspection.ts"
import {
  type CheckCertificate,
  type CheckPlugin,
  type CheckText,
  type FindShadowed,
  hintShadowed,
  References
} from "./Validation.ts"
import * as Unused from "./validation/Unused.ts"

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
  /** Checks the texts of certificates. */
  readonly checkCertificate?: CheckCertificate
  /** Finds locations that are never chosen. */
  readonly findShadowed?: FindShadowed
  /** Reads encrypted values of storages. */
  readonly decrypt?: Decrypt
  /** Does what takes long about {@link decrypt} beforehand. */
  readonly prepareSecrets?: (secrets: ReadonlyArray<Encrypted>) => Effect.Effect<void>
  /** Names of plugins that exist without configuration. */
  readonly builtinPlugins?: ReadonlyArray<string>
  /** Warn about what this version does not do yet. Default: no. */
  readonly reportUnsupported?: boolean
  /** Add hints: what nothing uses, what no request reaches. Default: no. */
  readonly hints?: boolean
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
export const decode = (documents: ReadonlyArray<RawDocument>, options: DecodeOptions = {}): Decoded =>
  now(new Decoder(options).decode(documents))

export type Decoded = Result.Result<Snapshot, ReadonlyArray<Diagnostic>>

/**
 * Decodes one state of the documents after the other. Items that did not change between two calls are the same
 * objects in both snapshots, and so is the whole configuration when only comments or spelling changed.
 */
export class Decoder {
  private readonly options: DecodeOptions
  private readonly reader = new TomlReader({ named: NAMED_SECTIONS })
  private readonly includes: Includes
  private readonly inspection: Inspection
  private readonly references: References
  private documents: ReadonlyArray<Read> = []
  private previous: ProxyConfig | undefined

  constructor(options: DecodeOptions = {}) {
    this.options = options
    const builtinPlugins = options.builtinPlugins ?? BUILTIN_PLUGINS
    this.references = new References(builtinPlugins)
    this.includes = new Includes(options.decrypt)
    this.inspection = new Inspection({
      checkPlugin: options.checkPlugin ?? (() => []),
      checkAccessLog: options.checkAccessLog,
      checkLogLevel: options.checkLogLevel,
      checkCertificate: options.checkCertificate,
      builtinPlugins,
      reportUnsupported: options.reportUnsupported ?? false
    })
  }

  *decode(documents: ReadonlyArray<RawDocument>): Sliced<Decoded> {
    const draft = new Draft(this.options.strict ?? false)
    for (const [index, { reading }] of (yield* this.read(documents)).entries()) {
      if (index % DOCUMENTS_PER_STEP === 0) yield
      draft.add(documents[index]!, reading)
    }
    yield
    yield* this.includes.expanding(draft)
    yield
    const config = yield* this.decodeItems(draft)
    yield* this.references.validate(draft)
    if (this.options.hints === true) yield* this.hint(draft, config)
    const files = documents.map((document) => document.file)
    const diagnostics = sort(draft.diagnostics, files)
    if (draft.failed) return Result.fail(diagnostics)
    this.previous = config
    return Result.succeed({
      config,
      warnings: diagnostics,
      files,
      locate: (path) => {
        const place = draft.locate(path)
        return place === undefined ? undefined : { file: place.file, span: place.span }
      }
    })
  }

  /** Reads documents; one that is the same object as before is not looked at. */
  private *read(documents: ReadonlyArray<RawDocument>): Sliced<ReadonlyArray<Read>> {
    const before = this.documents
    const read: Array<Read> = []
    for (const [index, document] of documents.entries()) {
      if (index % DOCUMENTS_PER_STEP === 0) yield
      const same = before[index]
      if (same?.document === document) read.push(same)
      else read.push({ document, reading: yield* this.reader.read(document.text, document.file) })
    }
    this.documents = read
    if (this.reader.size > documents.length) this.reader.keep(new Set(documents.map(({ file }) => file)))
    return read
  }

  /** Encrypted values among the storages of documents that are about to be decoded. */
  *secrets(documents: ReadonlyArray<RawDocument>): Sliced<ReadonlyArray<Encrypted>> {
    const found: Array<Encrypted> = []
    if (!documents.some(({ text }) => text.includes("secret") && text.includes("storages"))) return found
    for (const { reading } of yield* this.read(documents)) {
      for (const { path, value } of reading.parts) {
        if (path[0] !== "storages") continue
        for (const storage of path.length === 1 && isTable(value) ? Object.values(value) : [value]) {
          if (!isTable(storage)) continue
          const { secret, value: text } = storage
          if (typeof secret === "string" && secret !== "" && typeof text === "string")
            found.push({ secret, value: text })
        }
      }
    }
    return found
  }

  private *hint(draft: Draft, config: ProxyConfig): Sliced<void> {
    Unused.report(draft)
    // What is wrong elsewhere may be what keeps a location from its requests.
    if (this.options.findShadowed !== undefined && !draft.failed) {
      yield* hintShadowed(draft, config, this.options.findShadowed)
    }
  }

  private *decodeItems(draft: Draft): Sliced<ProxyConfig> {
    const basic = (yield* this.decodeSection(draft, "basic"))[""] ?? Decode.BASIC_DEFAULTS
    const config: ProxyConfig = {
      basic,
      servers: yield* this.decodeSection(draft, "servers"),
      locations: yield* this.decodeSection(draft, "locations"),
      upstreams: yield* this.decodeSection(draft, "upstreams"),
      plugins: yield* this.decodeSection(draft, "plugins"),
      certificates: yield* this.decodeSection(draft, "certificates"),
      storages: yield* this.decodeSection(draft, "storages")
    }
    const { previous } = this
    const sections = Object.keys(config) as Array<keyof ProxyConfig>
    if (previous !== undefined && sections.every((section) => config[section] === previous[section])) return previous
    return Object.freeze(config)
  }

  /** The items of a section that can be decoded; what is wrong with the others is reported. */
  private *decodeSection<S extends Section>(draft: Draft, section: S): Sliced<Items<S>> {
    const previous: Readonly<Record<string, unknown>> =
      section === "basic" ? { "": this.previous?.basic } : (this.previous?.[section] ?? NOTHING)
    // No prototype: names come from the configuration.
    const decoded: Record<string, unknown> = Object.create(null)
    let same = true
    let count = 0
    for (const item of draft.items[section].values()) {
      if (++count % ITEMS_PER_STEP === 0) yield
      const { findings, value } = this.inspection.of(item)
      for (const { details, message, path, severity } of findings) draft.about(severity, item, path, message, details)
      if (value === undefined) continue
      const before = previous[item.name]
      const unchanged = value === before || (before !== undefined && Equal.equals(value, before))
      decoded[item.name] = unchanged ? before : value
      same &&= unchanged
    }
    const kept = same && count === Object.keys(previous).length
    return Object.freeze(kept ? previous : decoded) as Items<S>
  }
}

const NOTHING: Readonly<Record<string, unknown>> = Object.freeze(Object.create(null))

interface Read {
  readonly document: RawDocument
  readonly reading: Reading
}

type Items<S extends Section> = Readonly<Record<string, (typeof SECTIONS)[S]["Type"]>>

const DOCUMENTS_PER_STEP = 100
const ITEMS_PER_STEP = 50
