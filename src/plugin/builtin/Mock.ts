/**
 * mock: answers with a fixed response, for maintenance pages, health endpoints and tests. Spec: plugins 6.17.
 *
 * The response is built once. With `delay` it is an effect that sleeps first, and that ends when the client leaves.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isConnectionField } from "../../model/Fields.ts"
import { type LocalResponse, respond } from "../../proxy/Response.ts"
import * as Options from "../Options.ts"
import { at, define } from "../Plugin.ts"

const MockOptions = Schema.Struct({
  path: Options.text("Path that is answered, compared as a whole. Empty: every request."),
  status: Options.integer("Status of the response, 200 to 999. Anything else means 200.", 200),
  headers: Options.headers("Fields of the response, each `Name: value`. A name may occur more than once."),
  data: Options.text("Body of the response."),
  delay: Options.duration("Time to wait before answering.")
})

const responseOf = Effect.fnUntraced(function* (options: typeof MockOptions.Type) {
  const { status, headers, data } = options
  // A final response has no 1xx status (RFC 9110 15.2).
  const usable = status >= 200 && status <= 999
  if (!usable && status !== 0) yield* Options.notice("status", `${status} cannot be sent, 200 is used`)
  for (const [index, header] of headers.entries()) {
    if (isConnectionField(header.lowerName)) {
      yield* Options.notice(["headers", index], `${header.name} is written by the proxy itself, the line is left out`)
    }
  }
  const fields = headers.filter(({ lowerName }) => !isConnectionField(lowerName))
  const bodiless = status === 204 || status === 304
  return respond(
    usable ? status : 200,
    fields.map(({ name, value }) => [name, value] as const),
    bodiless ? "" : data
  )
})

export const Mock = define({
  category: "mock",
  description: "Answers with a fixed response.",
  steps: ["request", "proxy_upstream"],
  stepPolicy: "strict",
  options: MockOptions,
  make: (options, { step }) =>
    Effect.gen(function* () {
      const { path, delay } = options
      const response: LocalResponse = yield* responseOf(options)
      const answer = delay > 0 ? Effect.as(Effect.sleep(delay), response) : response
      return at(step, (exchange) => (path === "" || exchange.path === path ? answer : undefined))
    })
})
