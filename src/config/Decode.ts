/**
 * Decoding of single items: schema issues become findings at the keys they are about, all of them at once.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import { suggest } from "../model/Suggestion.ts"
import { KNOWN_KEYS, SECTIONS } from "./ConfigSchema.ts"
import { type Details, type Item, kindOf, type Report, type Section } from "./Draft.ts"
import type { Path } from "./format/TomlPositions.ts"

type Decoded<S extends Section> = (typeof SECTIONS)[S]["Type"]

const decoder = <T, E>(schema: Schema.Codec<T, E>) => Schema.decodeUnknownResult(schema, { errors: "all" })

const DECODERS: Readonly<Record<Section, (input: unknown) => Result.Result<Decoded<Section>, Schema.SchemaError>>> = {
  basic: decoder(SECTIONS.basic),
  servers: decoder(SECTIONS.servers),
  locations: decoder(SECTIONS.locations),
  upstreams: decoder(SECTIONS.upstreams),
  plugins: decoder(SECTIONS.plugins),
  certificates: decoder(SECTIONS.certificates),
  storages: decoder(SECTIONS.storages)
}

/** Freezes a value with everything in it. */
const freeze = <T>(value: T): T => {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) freeze(inner)
  }
  return value
}

/** What a configuration without `[basic]` has. */
export const BASIC_DEFAULTS: Decoded<"basic"> = freeze(Schema.decodeSync(SECTIONS.basic)({}))

/** The decoded value of an item, frozen; without one, everything that is wrong with it has been reported. */
export const item = (report: Report, subject: Item): Decoded<Section> | undefined => {
  const result = DECODERS[subject.section](subject.table)
  if (Result.isSuccess(result)) return freeze(result.success)
  for (const finding of findings(result.failure.issue, [])) tell(report, subject, finding)
  return undefined
}

const MISSING = "missing required key"

interface Finding extends Details {
  readonly path: Path
  readonly message: string | undefined
}

const tell = (report: Report, item: Item, { path, message, expected }: Finding): void => {
  const value = path.reduce<unknown>(
    (inner, step) => (inner as Record<string | number, unknown> | undefined)?.[step],
    item.table
  )
  if (item.section === "plugins" && path[0] === "category" && (value === undefined || value === "")) {
    // Nobody knows the keys of a plugin without category: nothing else is said about a misspelt one.
    const written = value === undefined ? strangeKey(item, "category") : undefined
    report.about("error", item, written === undefined ? path : [written], `category of ${item.name} can not be empty`, {
      expected: "the name of a plugin implementation",
      hint: written === undefined ? undefined : 'did you mean "category"?'
    })
  } else if (message === MISSING) {
    report.about("error", item, path, message, { hint: misspelt(item, String(path.at(-1))) })
  } else report.about("error", item, path, message ?? `wrong type, found ${kindOf(value)}`, { expected })
}

// A missing key is often there, under a name that means nothing.
const misspelt = (item: Item, key: string): string | undefined => {
  const written = strangeKey(item, key)
  return written === undefined ? undefined : `${JSON.stringify(written)} may be meant to be this key`
}

const strangeKey = (item: Item, key: string): string | undefined => {
  const known = KNOWN_KEYS[item.section]
  return suggest(
    key,
    Object.keys(item.table).filter((written) => known?.includes(written) !== true)
  )
}

/** The leaves of an issue tree. `expected` comes from the innermost schema or check that has the annotation. */
const findings = (issue: SchemaIssue.Issue, path: Path): Array<Finding> => {
  switch (issue._tag) {
    case "Pointer":
      return findings(issue.issue, [
        ...path,
        ...issue.path.map((step) => (typeof step === "number" ? step : String(step)))
      ])
    case "Composite":
      return issue.issues.flatMap((inner) => findings(inner, path))
    case "Encoding":
      return findings(issue.issue, path)
    case "Filter": {
      const annotations = issue.filter.annotations
      return findings(issue.issue, path).map((inner) => ({
        path: inner.path,
        message: inner.message ?? textOf(annotations?.["message"]) ?? "invalid value",
        expected: inner.expected ?? textOf(annotations?.["expected"])
      }))
    }
    case "InvalidValue":
      return [{ path, message: issue.annotations?.message, expected: issue.annotations?.expected }]
    case "MissingKey":
      return [{ path, message: MISSING }]
    case "InvalidType":
    case "AnyOf":
    case "OneOf":
      return [{ path, message: undefined, expected: expectedOf(issue.ast) }]
    default:
      return [{ path, message: "invalid value" }]
  }
}

// Annotations of a schema with checks are those of its last check.
const expectedOf = (ast: SchemaAST.AST): string | undefined =>
  textOf(ast.annotations?.["expected"]) ?? textOf(ast.checks?.at(-1)?.annotations?.["expected"])

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)
