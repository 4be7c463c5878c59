/**
 * response_headers: adds, removes, replaces and renames fields of proxied responses. Spec: plugins 6.22.
 *
 * Operations run in a fixed order: add, remove, set, set where absent, rename. Values may be dynamic (plugins 2.9);
 * one that has no value for an exchange leaves its field out. With `mode = "upstream"` the cache stores the result,
 * otherwise it is applied on every delivery, from the cache too.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isConnectionField, isName } from "../../model/Fields.ts"
import { Environment, type EnvironmentValues } from "../../platform/Environment.ts"
import * as DynamicValue from "../../proxy/DynamicValue.ts"
import type { Exchange } from "../../proxy/Exchange.ts"
import * as Options from "../Options.ts"
import { define, type Hooks, PluginError } from "../Plugin.ts"

const ResponseHeadersOptions = Schema.Struct({
  add_headers: Options.headers("Fields to add, each `Name: value`. Fields of the same name stay."),
  remove_headers: Options.texts("Names of fields to remove."),
  set_headers: Options.headers("Fields to set, each `Name: value`. Fields of the same name go."),
  set_headers_not_exists: Options.headers("Fields to set where there is none of that name, each `Name: value`."),
  rename_headers: Options.texts("Fields to rename, each `old:new`. Every value moves."),
  mode: Options.text("`upstream` edits what the cache stores, `response` what is sent.", "response")
})

type Operation = (exchange: Exchange) => void
type Reader = (exchange: Exchange) => string | undefined

/** Reads a value for an exchange, `undefined` when it has none. What it gives may be sent as it is. */
const readerOf = (value: string, { hostname, env }: EnvironmentValues): Reader => {
  const compiled = DynamicValue.compile(value, hostname, env)
  return typeof compiled === "string" ? () => compiled : compiled
}

const add =
  (name: string, read: Reader): Operation =>
  (exchange) => {
    const value = read(exchange)
    if (value !== undefined) exchange.response.append(name, value)
  }

const remove =
  (name: string): Operation =>
  (exchange) => {
    exchange.response.remove(name)
  }

const set =
  (name: string, read: Reader): Operation =>
  (exchange) => {
    const value = read(exchange)
    exchange.response.remove(name)
    if (value !== undefined) exchange.response.append(name, value)
  }

const setWhereAbsent = (name: string, read: Reader): Operation => {
  const append = add(name, read)
  return (exchange) => {
    if (!exchange.response.has(name)) append(exchange)
  }
}

const rename =
  (from: string, to: string): Operation =>
  ({ response }) => {
    const values = response.getAll(from)
    if (values.length === 0) return
    response.remove(from)
    for (const value of values) response.append(to, value)
  }

/** A field name of the configuration in lower case. */
const nameOf = (text: string) => {
  const name = text.trim()
  return isName(name)
    ? Effect.succeed(name.toLowerCase())
    : PluginError.invalid("response_headers", `invalid header name: ${name} - invalid HTTP header name`)
}

const operationsOf = Effect.fnUntraced(function* (options: typeof ResponseHeadersOptions.Type) {
  const environment = yield* Environment
  const operations: Array<Operation> = []
  const take = Effect.fnUntraced(function* (path: Options.Path, names: ReadonlyArray<string>, operation: Operation) {
    const framing = names.find(isConnectionField)
    if (framing === undefined) operations.push(operation)
    else yield* Options.notice(path, `${framing} is written by the proxy itself, the entry is left out`)
  })
  const fields = [
    ["add_headers", add],
    ["set_headers", set],
    ["set_headers_not_exists", setWhereAbsent]
  ] as const
  const values = Effect.fnUntraced(function* ([key, make]: (typeof fields)[number]) {
    for (const [i, { lowerName, value }] of options[key].entries()) {
      yield* take([key, i], [lowerName], make(lowerName, readerOf(value, environment)))
    }
  })
  yield* values(fields[0])
  for (const [i, text] of options.remove_headers.entries()) {
    if (text.trim() === "") continue
    const name = yield* nameOf(text)
    yield* take(["remove_headers", i], [name], remove(name))
  }
  yield* values(fields[1])
  yield* values(fields[2])
  for (const [i, text] of options.rename_headers.entries()) {
    const colon = text.indexOf(":")
    if (colon === -1) {
      yield* Options.notice(["rename_headers", i], `"${text}" has no colon, expected "old:new"; the entry is left out`)
      continue
    }
    const from = yield* nameOf(text.slice(0, colon))
    const to = yield* nameOf(text.slice(colon + 1))
    if (from !== to) yield* take(["rename_headers", i], [from, to], rename(from, to))
  }
  return operations
})

export const ResponseHeaders = define({
  category: "response_headers",
  description: "Edits the fields of responses.",
  steps: ["response", "upstream_response"],
  options: ResponseHeadersOptions,
  make: (options) =>
    Effect.gen(function* () {
      const { mode } = options
      if (mode !== "upstream" && mode !== "response" && mode !== "") {
        yield* Options.notice("mode", `"${mode}" is not known, expected upstream or response; response is used`)
      }
      const operations = yield* operationsOf(options)
      if (operations.length === 0) return {}
      const edit: Operation = (exchange) => {
        for (let i = 0; i < operations.length; i++) operations[i]!(exchange)
      }
      return mode === "upstream" ? { upstreamResponse: edit } : ({ response: edit } satisfies Hooks)
    })
})
