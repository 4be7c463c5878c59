/**
 * What can be said about one item by itself: its decoded value and every finding that needs no other item.
 *
 * An item whose table is the same object as before has the same result, so a reload only looks at what was touched.
 * Decoded values are frozen. Spec: config 3, 17.
 */
import { isPem } from "../model/Pem.ts"
import { didYouMean } from "../model/Suggestion.ts"
import { KNOWN_KEYS } from "./ConfigSchema.ts"
import * as Decode from "./Decode.ts"
import { formatPath, type Severity } from "./Diagnostic.ts"
import { type Details, type Item, isTable, type Report, type Table } from "./Draft.ts"
import type { Path } from "./format/TomlPositions.ts"
import * as Unsupported from "./Unsupported.ts"
import { type CheckedReport, type Checks, validate } from "./Validation.ts"

export interface Inspected {
  /** Undefined when the item cannot be decoded; the findings say why. */
  readonly value: unknown
  readonly findings: ReadonlyArray<Finding>
}

/** One finding, with its path inside the item. */
export interface Finding {
  readonly severity: Severity
  readonly path: Path
  readonly message: string
  readonly details: Details | undefined
}

export interface InspectionOptions extends Checks {
  /** Whether to warn about what this version does not do yet. */
  readonly reportUnsupported: boolean
}

/** Looks at items and remembers what it saw. */
export class Inspection {
  private readonly options: InspectionOptions
  private readonly known = new WeakMap<Table, Inspected>()

  constructor(options: InspectionOptions) {
    this.options = options
  }

  of(item: Item): Inspected {
    const known = this.known.get(item.table)
    if (known !== undefined) return known
    const inspected = this.inspect(item)
    if (standsAlone(item)) this.known.set(item.table, inspected)
    return inspected
  }

  private inspect(item: Item): Inspected {
    const collected = new Collected()
    reportUnknownKeys(collected, item)
    reportNul(collected, item, item.table, [])
    const value = Decode.item(collected, item)
    validate(collected, item, this.options)
    if (this.options.reportUnsupported) Unsupported.validate(collected, item)
    return { value, findings: collected.findings }
  }
}

// A certificate may be the name of a file, which changes without the text that names it.
const standsAlone = ({ section, table }: Item): boolean =>
  section !== "certificates" ||
  [table["tls_cert"], table["tls_key"]].every((value) => typeof value !== "string" || value === "" || isPem(value))

class Collected implements CheckedReport {
  readonly findings: Array<Finding> = []

  about(severity: Severity, _item: Item, path: Path, message: string, details?: Details): void {
    this.findings.push({ severity, path, message, details })
  }

  readonly hasError = (path: Path): boolean => {
    const text = formatPath(path)
    return this.findings.some((finding) => finding.severity === "error" && formatPath(finding.path) === text)
  }
}

/** Warns about keys that mean nothing. Spec: config 17, item 1. */
const reportUnknownKeys = (report: Report, item: Item): void => {
  const known = KNOWN_KEYS[item.section]
  if (known === undefined) return
  for (const key of Object.keys(item.table)) {
    if (known.includes(key)) continue
    const hint = MOVED.get(`${item.section}.${key}`) ?? didYouMean(key, known) ?? dottedName(item, key)
    report.about("warning", item, [key], "unknown key is ignored", { hint })
  }
}

// `[upstreams.example.com]` is the table `com` of the upstream `example`.
const dottedName = ({ name, section, table }: Item, key: string): string | undefined =>
  section !== "basic" && isTable(table[key])
    ? `a name with a dot needs quotes, [${section}."${name}.${key}"]`
    : undefined

// Keys that the reference's sample file shows although its program does not know them. Spec: config 4.
const MOVED: ReadonlyMap<string, string> = new Map([
  ["basic.cache_directory", "a plugin of category cache has the key directory for this"],
  ["basic.cache_max_size", "a plugin of category cache has the key max_size for this"]
])

// A NUL ends a path for the operating system and a name for TLS, but not for the check in front of them.
const reportNul = (report: Report, item: Item, value: unknown, path: Path): void => {
  if (typeof value === "string") {
    if (value.includes("\0")) report.about("error", item, path, "text contains a NUL")
  } else if (Array.isArray(value)) {
    for (const [index, element] of value.entries()) reportNul(report, item, element, [...path, index])
  } else if (isTable(value)) {
    for (const [key, inner] of Object.entries(value)) reportNul(report, item, inner, [...path, key])
  }
}
