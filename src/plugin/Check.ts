/**
 * Reads a plugin's table with its definition: decodes the options, resolves the step, and lists everything that is
 * wrong or has no effect, each with its place. Nothing is built and nothing runs. Spec: plugins 1.3, 1.4.
 */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { didYouMean } from "../model/Suggestion.ts"
import type { Path } from "./Options.ts"
import type { PluginDefinition, Step } from "./Plugin.ts"

/** A plugin's table as the configuration has it. */
export type Table = Readonly<Record<string, unknown>>

/** One finding about a plugin's table. */
export interface Problem {
  readonly severity: "error" | "warning"
  /** Inside the table; empty for the table as a whole. */
  readonly path: Path
  readonly message: string
  readonly expected?: string
  readonly hint?: string
}

/** What a table means to its plugin: null where an error keeps it from meaning anything. */
export interface Reading {
  readonly problems: ReadonlyArray<Problem>
  readonly ready: { readonly options: unknown; readonly step: Step } | null
}

const STEPS: ReadonlyArray<string> = ["early_request", "request", "proxy_upstream", "upstream_response", "response"]
// Keys of every plugin; the others belong to the plugin's own schema.
const COMMON: ReadonlySet<string> = new Set(["category", "step", "remark"])

/** Compiles a definition's schema into a function that reads tables. */
export const reader = (definition: PluginDefinition): ((table: Table) => Reading) => {
  const strict = Schema.decodeUnknownResult(definition.options, { errors: "all", onExcessProperty: "error" })
  const lenient = Schema.decodeUnknownResult(definition.options)
  return (table) => {
    const problems: Array<Problem> = []
    const step = resolveStep(definition, table.step, problems)
    const own = Object.fromEntries(Object.entries(table).filter(([key]) => !COMMON.has(key)))
    const options = optionsOf(strict(own), () => lenient(own), problems)
    const failed = problems.some(({ severity }) => severity === "error")
    return { problems, ready: failed || options === null ? null : { options: options.value, step } }
  }
}

const resolveStep = (definition: PluginDefinition, step: unknown, problems: Array<Problem>): Step => {
  const { category, steps, stepPolicy, stepError } = definition
  const path = ["step"]
  const fallback = steps[0]
  if (step === undefined || step === "") return fallback
  if (typeof step !== "string") {
    problems.push({ severity: "error", path, message: WRONG, expected: `one of ${steps.join(", ")}` })
    return fallback
  }
  const chosen = steps.find((candidate) => candidate === step)
  if (stepPolicy === "fixed") {
    if (chosen === undefined) {
      problems.push({ severity: "warning", path, message: `has no effect, ${category} runs at ${steps.join(" or ")}` })
    }
    return fallback
  }
  if (chosen !== undefined) return chosen
  if (stepPolicy === "strict") {
    const message = `Invalid step(${step}), expect one of: ${steps.join(", ")}`
    problems.push({ severity: "error", path, message })
  } else if (STEPS.includes(step)) {
    problems.push({ severity: "error", path, message: stepError })
  } else {
    const message = `unknown step is ignored, ${fallback} is used`
    problems.push({ severity: "warning", path, message, ...hintFor(step, steps) })
  }
  return fallback
}

type Decoded = Result.Result<unknown, Schema.SchemaError>

const optionsOf = (
  strict: Decoded,
  lenient: () => Decoded,
  problems: Array<Problem>
): { readonly value: unknown } | null => {
  if (strict._tag === "Success") return { value: strict.success }
  const { issue } = strict.failure
  collectUnknownKeys(issue, [], problems)
  for (const { path, message } of format(issue).issues) {
    if (message !== UNKNOWN_KEY) problems.push({ severity: "error", path: toPath(path ?? []), ...worded(message) })
  }
  const again = lenient()
  return again._tag === "Success" ? { value: again.success } : null
}

const UNKNOWN_KEY = "unknown key is ignored"
const WRONG = "has the wrong type or form"

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "UnexpectedKey") return UNKNOWN_KEY
    const expected = issue._tag === "InvalidType" ? issue.ast.annotations?.expected : undefined
    return typeof expected === "string" ? `Expected ${expected}` : SchemaIssue.defaultLeafHook(issue)
  }
})

/** Schemas say "Expected x" on their own; messages of ours stay as they are. */
const worded = (message: string): { readonly message: string; readonly expected?: string } =>
  message.startsWith("Expected ")
    ? { message: WRONG, expected: message.slice("Expected ".length) }
    : { message: message === "Missing key" ? "is missing" : message }

const collectUnknownKeys = (issue: SchemaIssue.Issue, path: Path, problems: Array<Problem>): void => {
  switch (issue._tag) {
    case "Filter":
    case "Encoding":
      collectUnknownKeys(issue.issue, path, problems)
      return
    case "Pointer":
      collectUnknownKeys(issue.issue, [...path, ...toPath(issue.path)], problems)
      return
    case "Composite":
    case "AnyOf":
      for (const inner of issue.issues) collectUnknownKeys(inner, path, problems)
      return
    case "UnexpectedKey": {
      const own = issue.ast._tag === "Objects" ? issue.ast.propertySignatures.map(({ name }) => String(name)) : []
      const known = path.length === 1 ? [...own, ...COMMON] : own
      problems.push({ severity: "warning", path, message: UNKNOWN_KEY, ...hintFor(String(path.at(-1)), known) })
    }
  }
}

const toPath = (path: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }>): Path =>
  path.map((part) => {
    const key = typeof part === "object" ? part.key : part
    return typeof key === "number" ? key : String(key)
  })

/** A `hint` property when a known word is near. */
export const hintFor = (word: string, known: Iterable<string>): { readonly hint?: string } => {
  const hint = didYouMean(word, known)
  return hint === undefined ? {} : { hint }
}

/** One finding as a clause: what was expected, and where, unless the message is one of the reference's own. */
export const describe = ({ path, message, expected }: Problem): string =>
  expected === undefined && message !== "is missing"
    ? message
    : `${path.join(".")} ${message}${expected === undefined ? "" : `, expected ${expected}`}`
