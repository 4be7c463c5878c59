/**
 * basic_auth: lets requests pass whose `Authorization` is one of the configured credentials (RFC 7617). Spec:
 * plugins 6.3, hardening 10.
 *
 * A credential is compared in the form in which it is configured and sent, `Basic <base64>`, so nothing a client
 * sends is decoded. `delay` slows guessing down without holding anything but the one connection.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { indexOfField, valueAt } from "../../model/Fields.ts"
import { type LocalResponse, respond } from "../../proxy/Response.ts"
import { problemOf } from "../Base64.ts"
import * as Options from "../Options.ts"
import { define, type Hooks, PluginError } from "../Plugin.ts"
import { Secrets } from "../Secret.ts"

const BasicAuthOptions = Schema.Struct({
  authorizations: Options.texts("Accepted credentials, each the base64 of `user:password`."),
  delay: Options.duration("Time to wait before a wrong credential is refused."),
  hide_credentials: Options.flag(
    "Remove `Authorization` from requests that pass, so that the upstream does not see it."
  )
})

const refusal = (text: string): LocalResponse =>
  respond(401, [["WWW-Authenticate", 'Basic realm="Access to the staging site"']], text)

const secretsOf = Effect.fnUntraced(function* (authorizations: ReadonlyArray<string>) {
  const values: Array<string> = []
  for (const text of authorizations) {
    if (text === "") continue
    const problem = problemOf(text)
    if (problem !== undefined) {
      const message = `Plugin basic_auth, base64 decode error ${problem}`
      return yield* new PluginError({ category: "basic_auth", message })
    }
    values.push(`Basic ${text}`)
  }
  if (values.length === 0) {
    return yield* PluginError.invalid("basic_auth", "basic authorizations can't be empty")
  }
  return new Secrets(values)
})

const NAME = "authorization"

export const BasicAuth = define({
  category: "basic_auth",
  description: "Asks for a user name and a password (RFC 7617).",
  options: BasicAuthOptions,
  make: (options) =>
    Effect.gen(function* () {
      const secrets = yield* secretsOf(options.authorizations)
      const hide = options.hide_credentials
      const missing = refusal("Authorization is missing")
      const wrong = refusal("Invalid user or password")
      const refuse = options.delay > 0 ? Effect.as(Effect.sleep(options.delay), wrong) : wrong
      return {
        request: (exchange) => {
          const text = exchange.fields.text
          const start = indexOfField(text, NAME)
          if (start === -1) return missing
          const value = valueAt(text, start, NAME.length)
          if (value === "") return missing
          // A second field would reach the upstream unchecked, and which of two counts is anybody's guess.
          if (indexOfField(text, NAME, text.indexOf("\n", start) + 1) !== -1) return refuse
          if (!secrets.has(value)) return refuse
          if (hide) exchange.fields.remove(NAME)
          return undefined
        }
      } satisfies Hooks
    })
})
