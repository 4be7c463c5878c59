/**
 * Decoding of single items: schema issues become diagnostics at the place of the key they are about.
 *
 * Every issue of an item is reported, and a failed item stays out of the result without hiding the others.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import { suggest } from "../model/Suggestion.ts"
import { KNOWN_KEYS, SECTIONS } from "./ConfigSchema.ts"
import { type Details, type Draft, type Item, kindOf, type Section } from "./Draft.ts"
import type { Path } from "./format/TomlPositions.ts"

type Decoded<S extends Section> = (typeof SECTIONS)[S]["Type"]

const decoder = <T, E>(schema: Schema.Codec<T, E>) => Schema.decodeUnknownResult(schema, { errors: "all" })

const DECODERS: { readonly [S in Section]: (input: unknown) => Result.Result<Decoded<S>, Schema.SchemaError> } = {
  basic: decoder(SECTIONS.basic),
  servers: decoder(SECTIONS.servers),
  locations: decoder(SECTIONS.locations),
  upstreams: decoder(SECTIONS.upstreams),
  plugins: decoder(SECTIONS.plugins),
  certificates: decoder(SECTIONS.certificates),
  storages: decoder(SECTIONS.storages)
}

/** What a configuration without `[basic]` has. */
export const BASIC_DEFAULTS: Decoded<"basic"> = Schema.decodeSync(SECTIONS.basic)({})

/** Decodes every item of a section that can be decoded; reports the rest. */
export const section = <S extends Section>(draft: Draft, name: S): Readonly<Record<string, Decoded<S>>> => {
  // No prototype: names come from the configuration.
  const decoded: Record<string, Decoded<S>> = Object.create(null)
  for (const item of draft.items[name].values()) {
    const result = DECODERS[name](item.table)
    if (Result.isSuccess(result)) decoded[item.name] = result.success
    else for (const finding of findings(result.failure.issue, [])) report(draft, item, finding)
  }
  return decoded
}

const MISSING = "missing required key"

interface Finding extends Details {
  readonly path: Path
  readonly message: string | undefined
}

const report = (draft: Draft, item: Item, { path, message, expected }: Finding): void => {
  const value = path.reduce<unknown>(
    (inner, step) => (inner as Record<string | number, unknown> | undefined)?.[step],
    item.table
  )
  if (item.section === "plugins" && path[0] === "category" && (value === undefined || value === "")) {
    const expected = "the name of a plugin implementation"
    draft.about("error", item, path, `category of ${item.name} can not be empty`, {
      expected,
      hint: misspelt(item, "category")
    })
  } else if (message === MISSING) {
    draft.about("error", item, path, message, { hint: misspelt(item, String(path.at(-1))) })
  } else draft.about("error", item, path, message ?? `wrong type, found ${kindOf(value)}`, { expected })
}

// A missing key is often there, under a name that means nothing.
const misspelt = (item: Item, key: string): string | undefined => {
  const known = KNOWN_KEYS[item.section]
  const strange = Object.keys(item.table).filter((written) => known?.includes(written) !== true)
  const written = suggest(key, strange)
  return written === undefined ? undefined : `${JSON.stringify(written)} may be meant to be this key`
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
