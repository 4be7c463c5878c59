/**
 * The service that tells people outside what happens: notifications of the categories that
 * `basic.webhook_notifications` allows go to `basic.webhook`; all of them are in the log at DEBUG. Spec: runtime 15.
 *
 *   send ──▶ log
 *     ╰───▶ queue (bounded, the oldest gives way) ──▶ one sender ──▶ up to 3 attempts ──▶ receiver
 *
 * Sending neither waits nor fails: a slow or broken receiver costs notifications, never the work that they are about.
 * The settings are those of the configuration that is in force, at every attempt anew. When the service closes, what
 * is queued has two seconds to get out.
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import { Config } from "../config/Config.ts"
import type { BasicConf } from "../config/ConfigSchema.ts"
import { Environment } from "../platform/Environment.ts"
import { LocalAddresses } from "./LocalAddresses.ts"
import { clip, type Notification } from "./Notification.ts"
import * as Webhook from "./Webhook.ts"

export class Notifications extends Context.Service<
  Notifications,
  {
    /** Logs a notification and hands it to the sender. Returns at once. */
    readonly send: (notification: Notification) => Effect.Effect<void>
  }
>()("pingap/notification/Notifications") {
  /** Sends to the webhook of the configuration. */
  static readonly layer: Layer.Layer<Notifications, never, Config> = Layer.effect(
    Notifications,
    Effect.suspend(() => make)
  )

  /** Collects notifications instead: for tests. */
  static readonly layerCapture = (list: Array<Notification>): Layer.Layer<Notifications> =>
    Layer.succeed(Notifications, {
      send: (notification) =>
        Effect.sync(() => {
          list.push(notification)
        })
    })

  /** Tells nobody. */
  static readonly layerNone: Layer.Layer<Notifications> = Layer.succeed(Notifications, { send: () => Effect.void })
}

const CAPACITY = 100
/** What a message is cut to, in bytes. */
const MAX_MESSAGE = 8 * 1024
const CLOSING = Duration.seconds(2)

// One second, then three.
const RETRIES = { schedule: Schedule.exponential("1 second", 3), times: 2 } as const

const make = Effect.gen(function* () {
  const { webhook } = yield* followWebhook
  const queue = yield* Queue.sliding<Notification, Cause.Done>(CAPACITY)
  let dropped = 0
  let isBusy = false

  const reportDropped = Effect.suspend(() => {
    if (dropped === 0) return Effect.void
    const count = dropped
    dropped = 0
    return Effect.logWarning("the webhook is too slow, the oldest notifications were dropped", { dropped: count })
  })
  const deliver = Effect.fnUntraced(function* (notification: Notification) {
    yield* reportDropped
    const { hostname } = yield* Environment
    const ip = (yield* LocalAddresses)().join(";")
    // The receiver may have been corrected, or taken out, since the notification was queued or last tried.
    const attempt = Effect.flatMap(webhook, (receiver) =>
      receiver === null
        ? Effect.void
        : Webhook.post(receiver, receiver.format(notification, { name: receiver.name, hostname, ip }))
    )
    yield* attempt.pipe(
      Effect.retry({ ...RETRIES, while: ({ isTransient }) => isTransient }),
      Effect.catch(({ host, reason }) =>
        Effect.logWarning("a notification was not delivered", { notification: notification.category, host, reason })
      )
    )
  })
  const sender = yield* Queue.take(queue).pipe(
    Effect.tap(() => Effect.sync(() => (isBusy = true))),
    Effect.flatMap((notification) =>
      Effect.catchDefect(deliver(notification), (defect) => Effect.logError("a notification was lost", defect))
    ),
    Effect.tap(() => Effect.sync(() => (isBusy = false))),
    Effect.forever,
    // The queue was closed and is empty.
    Effect.ignore,
    Effect.catchCause((cause) => Effect.logError("notifications are not sent any more", cause)),
    Effect.forkScoped
  )
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      yield* Queue.end(queue)
      yield* Effect.timeoutOption(Effect.interruptible(Fiber.await(sender)), CLOSING)
      const unsent = Queue.sizeUnsafe(queue) + (isBusy ? 1 : 0)
      if (unsent > 0) yield* Effect.logWarning("notifications were not sent before the end", { unsent })
    })
  )

  const enqueue = (notification: Notification) =>
    Effect.map(webhook, (receiver) => {
      if (receiver === null || !receiver.categories.has(notification.category)) return
      if (Queue.isFullUnsafe(queue)) dropped++
      Queue.offerUnsafe(queue, notification)
    })
  return Notifications.of({
    send: (notification) => {
      const message = clip(notification.message, MAX_MESSAGE)
      const bounded = message === notification.message ? notification : { ...notification, message }
      return Effect.andThen(log(bounded), enqueue(bounded))
    }
  })
}).pipe(Effect.annotateLogs({ category: "webhook" }))

/** The receiver of the configuration in force; null when there is none, or none that can be used. */
const followWebhook = Effect.gen(function* () {
  const config = yield* Config
  let seen: BasicConf | null = null
  let known: Webhook.Webhook | null = null
  const webhook = Effect.map(config.current, ({ config: { basic } }) => {
    if (basic !== seen) {
      known = Webhook.of(basic)
      seen = basic
    }
    return known
  })
  return { webhook }
})

// Whoever has something to tell logs it in its own words; this says what was told to others.
const log = ({ category, message, title }: Notification): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logDebug(`${title}: ${message}`), { category: "webhook", notification: category })
