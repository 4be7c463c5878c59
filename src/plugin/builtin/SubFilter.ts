/**
 * The `sub_filter` plugin: replaces text in response bodies while they pass. Spec: plugins 6.24, plugin-vectors 22.
 *
 * Bodies are never collected: a rule holds back only what may still become a match. This file declares the options and
 * decides which responses are rewritten; `sub_filter/` has the rules (`Rules`), the two ways to search (`Literal`;
 * `Pattern` with `Machine`, `Program` and `ByteSets`) and the stage that joins them (`Stage`).
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Values from "../../config/schema/Values.ts"
import type { Fields } from "../../model/Fields.ts"
import * as Regex from "../../model/Regex.ts"
import type { Exchange } from "../../proxy/Exchange.ts"
import * as Options from "../Options.ts"
import { define, PluginError } from "../Plugin.ts"
import type { Rule } from "./sub_filter/Rewriter.ts"
import * as Rules from "./sub_filter/Rules.ts"
import * as Stage from "./sub_filter/Stage.ts"

const CATEGORY = "sub_filter"
const MAX_MATCH_BYTES = 65_536
const MIN_WINDOW = 64
const MAX_WINDOW = 16_777_216

const SubFilterOptions = Schema.Struct({
  path: Options.text("Paths whose responses are rewritten, a regular expression; without it all."),
  filters: Options.texts(
    "Rules in the order in which they apply: `sub_filter 'text' 'replacement' g` replaces text, `subs_filter 'regex' 'replacement' ig` what a regular expression matches. Only the first match without `g`; `i` ignores case."
  ),
  status_codes: Options.text("Statuses whose responses are rewritten, separated by commas; without it all."),
  max_match_size: Values.withDefault(
    Values.ByteSize,
    MAX_MATCH_BYTES,
    "64KiB",
    "Longest match of a regular expression, 64 bytes to 16 MiB. So much of a body is held back at most."
  )
})

type Decoded = typeof SubFilterOptions.Type

const compileRule = Effect.fnUntraced(function* (text: string, index: number, maxMatchBytes: number) {
  const key = ["filters", index]
  const rule = Rules.parse(text)
  if (rule === null) return yield* PluginError.invalid(CATEGORY, `invalid subs filter: ${text}`)
  if (rule.rest !== "") yield* Options.notice(key, `"${rule.rest}" is no part of the rule and ignored`)
  if (rule.ignoreCase && !rule.isRegex) yield* Options.notice(key, "sub_filter never ignores case, subs_filter does")
  const compiled = Rules.compile(rule, maxMatchBytes)
  return typeof compiled === "string" ? yield* PluginError.invalid(CATEGORY, `${compiled}: ${text}`) : compiled
})

const compileRules = Effect.fnUntraced(function* (options: Decoded) {
  const size = options.max_match_size
  if (size < MIN_WINDOW || size > MAX_WINDOW) {
    return yield* PluginError.invalid(CATEGORY, "max_match_size must be from 64 bytes to 16 MiB")
  }
  const rules: Array<Rule> = []
  for (const [i, text] of options.filters.entries()) rules.push(yield* compileRule(text, i, size))
  return rules
})

const compilePath = Effect.fnUntraced(function* (source: string) {
  if (source === "") return null
  const regex = Regex.compile(source)
  return regex instanceof Regex.RegexError ? yield* PluginError.invalid(CATEGORY, regex.message) : regex
})

const compileStatuses = Effect.fnUntraced(function* (text: string) {
  if (text.trim() === "") return null
  const items = text.split(",").map((item) => item.trim())
  const statuses = new Set(items.filter((item) => /^[0-9]+$/.test(item)).map(Number))
  if (statuses.size < new Set(items).size) {
    yield* Options.notice(
      "status_codes",
      statuses.size === 0 ? "names no status: nothing is rewritten" : "items that are no status are ignored"
    )
  }
  return statuses
})

// What a strong validator or a digest says about the bytes does not hold for the rewritten ones, and ranges of them are
// not served (RFC 9110 8.8.1, 14.3; RFC 9530).
const UNTRUE = ["content-length", "content-md5", "digest", "content-digest", "repr-digest", "accept-ranges"]

const correct = (fields: Fields): void => {
  for (const name of UNTRUE) fields.remove(name)
  const etag = fields.get("etag")
  if (etag?.startsWith('"')) fields.set("ETag", `W/${etag}`)
}

/** A body that can be read as text: whole, not coded. The head of a HEAD or 304 speaks of such a body too. */
const isReadable = (exchange: Exchange): boolean => {
  const status = exchange.status
  if (status < 200 || status === 204 || status === 206) return false
  const coding = exchange.response.get("content-encoding")
  return coding === undefined || coding === "" || coding.toLowerCase() === "identity"
}

const hasBody = (exchange: Exchange): boolean => exchange.method !== "HEAD" && exchange.status !== 304

export const SubFilter = define({
  category: CATEGORY,
  description: "Replaces text in response bodies, by literal or by regular expression.",
  steps: ["response"],
  options: SubFilterOptions,
  make: Effect.fnUntraced(function* (options: Decoded) {
    const path = yield* compilePath(options.path)
    const statuses = yield* compileStatuses(options.status_codes)
    const rules = yield* compileRules(options)
    if (rules.length === 0) return {}
    const stage = Stage.compile(rules)

    const applies = (exchange: Exchange): boolean =>
      (statuses === null || statuses.has(exchange.status)) &&
      isReadable(exchange) &&
      (path === null || (exchange.path.length <= Regex.MAX_SUBJECT && path.test(exchange.path)))

    return {
      response: (exchange) => {
        if (applies(exchange)) correct(exchange.response)
      },
      responseBody: (exchange) => (hasBody(exchange) && applies(exchange) ? stage : undefined)
    }
  })
})
