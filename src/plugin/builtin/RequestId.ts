/**
 * request_id: gives every request an id, for logs here and at the upstream. Spec: plugins 6.21, hardening 10.
 *
 * An id that the client sends is kept, because it may tie several services together; it is text of a client all the
 * same, so it is cut to 128 characters and replaced when it holds anything beyond a safe set. The id is sent upstream
 * under `header_name` and added to the upstream's response as `X-Request-Id`.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isConnectionField, isName } from "../../model/Fields.ts"
import type { Exchange } from "../../proxy/Exchange.ts"
import * as Ids from "../Ids.ts"
import * as Options from "../Options.ts"
import { at, define, PluginError } from "../Plugin.ts"

const RequestIdOptions = Schema.Struct({
  algorithm: Options.text(
    "`uuid` for UUID version 7, which sorts by time, or `nanoid` for a short random text.",
    "uuid"
  ),
  size: Options.integer("Length of a nanoid, at most 128.", 8),
  header_name: Options.text("Request field that carries the id.", "x-request-id")
})

const MAX_LENGTH = 128
const SAFE = /^[A-Za-z0-9._~:@/+=-]+$/

/** The id to use instead of `sent`, or `sent` itself when it may stay. */
const accepted = (sent: string | undefined, generate: () => string): string =>
  sent === undefined || !SAFE.test(sent) ? generate() : sent.length > MAX_LENGTH ? sent.slice(0, MAX_LENGTH) : sent

const generatorOf = Effect.fnUntraced(function* (options: typeof RequestIdOptions.Type) {
  const { algorithm, size } = options
  if (algorithm !== "nanoid") {
    if (algorithm !== "uuid" && algorithm !== "") {
      yield* Options.notice("algorithm", `"${algorithm}" is not known, expected uuid or nanoid; uuid is used`)
    }
    return Ids.uuidV7()
  }
  const length = size <= 0 ? 8 : Math.min(size, MAX_LENGTH)
  if (length !== size && size !== 0) yield* Options.notice("size", `${size} is out of range, ${length} is used`)
  return () => Ids.nanoid(length)
})

const addToResponse = (exchange: Exchange): void => {
  if (exchange.requestId !== "") exchange.response.set("X-Request-Id", exchange.requestId)
}

export const RequestId = define({
  category: "request_id",
  description: "Gives every request an id.",
  steps: ["request", "proxy_upstream"],
  stepPolicy: "lenient",
  stepError: "Request id should be executed at request or proxy upstream step",
  options: RequestIdOptions,
  make: (options, { step }) =>
    Effect.gen(function* () {
      const name = options.header_name.trim() || "x-request-id"
      if (!isName(name)) return yield* PluginError.invalid("header_name", "invalid HTTP header name")
      if (isConnectionField(name.toLowerCase()) || name.toLowerCase() === "host") {
        return yield* PluginError.invalid("header_name", `${name} is written by the proxy itself`)
      }
      const lowerName = name.toLowerCase()
      const generate = yield* generatorOf(options)
      const identify = (exchange: Exchange): undefined => {
        const sent = exchange.fields.get(lowerName)
        const id = accepted(sent, generate)
        exchange.requestId = id
        if (id !== sent) exchange.fields.set(name, id)
      }
      return { ...at(step, identify), upstreamResponse: addToResponse }
    })
})
