/**
 * The receiver that `[basic]` names, and one attempt to reach it. Spec: runtime 15.
 *
 * The address of a webhook is a credential: nothing here tells more of it than its host, neither errors nor logs.
 * Redirects are not followed, so a message goes nowhere that the configuration does not name; what the receiver
 * answers is not read.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { BasicConf } from "../config/ConfigSchema.ts"
import { VERSION } from "../platform/Version.ts"
import type { Format } from "./Notification.ts"
import * as Dingtalk from "./target/Dingtalk.ts"
import * as Generic from "./target/Generic.ts"
import * as Wecom from "./target/Wecom.ts"

export interface Webhook {
  /** Host and port, for people. */
  readonly host: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly format: Format
  /** Categories that are sent. */
  readonly categories: ReadonlySet<string>
  /** Name of this instance. */
  readonly name: string
}

const FORMATS: Readonly<Record<string, Format>> = { wecom: Wecom.format, dingtalk: Dingtalk.format }

/** The receiver; null when there is none, or the address is none: validation has said so. */
export const of = (basic: BasicConf): Webhook | null => {
  const address = basic.webhook.trim()
  if (address === "") return null
  const url = URL.parse(address)
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) return null
  const headers: Record<string, string> = { "content-type": "application/json", "user-agent": `pingap/${VERSION}` }
  if (url.username !== "" || url.password !== "") {
    const user = `${decoded(url.username)}:${decoded(url.password)}`
    headers["authorization"] = `Basic ${Buffer.from(user, "utf8").toString("base64")}`
    url.username = ""
    url.password = ""
  }
  return {
    host: url.host,
    url: url.href,
    headers,
    format: FORMATS[basic.webhook_type?.trim().toLowerCase() ?? ""] ?? Generic.format,
    categories: new Set(basic.webhook_notifications),
    name: basic.name || "pingap"
  }
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** A message that was not taken. */
export class DeliveryError extends Data.TaggedError("DeliveryError")<{
  readonly host: string
  /** A status or the code of an error; never text that may repeat the address. */
  readonly reason: string
  /** Whether another attempt may end better. */
  readonly isTransient: boolean
}> {
  override get message(): string {
    return `${this.host}: ${this.reason}`
  }
}

const TIMEOUT = Duration.seconds(30)

/** Sends a body once. Interruption gives up the connection. */
export const post = (webhook: Webhook, body: string): Effect.Effect<void, DeliveryError> => {
  const failure = (reason: string, isTransient: boolean) =>
    new DeliveryError({ host: webhook.host, reason, isTransient })
  return Effect.tryPromise({
    try: (signal) => fetch(webhook.url, { method: "POST", headers: webhook.headers, body, redirect: "manual", signal }),
    catch: (error) => failure(codeOf(error), true)
  }).pipe(
    Effect.timeoutOrElse({ duration: TIMEOUT, orElse: () => Effect.fail(failure("no answer in time", true)) }),
    Effect.flatMap((response) => {
      // Unread, so that no answer is too long; a receiver that is cut off while it answers is no failure.
      response.body?.cancel().catch(() => undefined)
      const { status } = response
      if (status < 300) return Effect.void
      return Effect.fail(failure(`status ${status}`, status >= 500 || status === 429 || status === 408))
    })
  )
}

/** The code of an error, `ECONNREFUSED`, or its name: messages of `fetch` may hold the URL. */
const codeOf = (error: unknown): string => {
  const { cause = error } = error instanceof Error ? error : {}
  if (!(cause instanceof Error)) return "unknown error"
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.name
}
