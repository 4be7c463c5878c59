/**
 * What the proxy tells people outside of it: the categories and levels that configuration and receivers know, and the
 * message itself. Pure. Spec: runtime 15.
 */

import type { NOTIFICATIONS } from "../config/schema/Basic.ts"

/** How bad it is, as it is printed. */
export const LEVELS = ["info", "warn", "error"] as const

export type Level = (typeof LEVELS)[number]

/** What it is about; `basic.webhook_notifications` lists those that are sent. */
export type Category = (typeof NOTIFICATIONS)[number]

export interface Notification {
  readonly category: Category
  readonly level: Level
  /** A few words; some receivers do not get them, so the message stands alone. */
  readonly title: string
  /** May have several lines. Holds no secrets: it goes to the log and to a third party. */
  readonly message: string
}

/** Who tells it. */
export interface Origin {
  /** Name of the instance. */
  readonly name: string
  readonly hostname: string
  /** Addresses of the machine, joined by `;`. */
  readonly ip: string
}

/** Writes the body that a receiver of a kind understands. */
export type Format = (notification: Notification, origin: Origin) => string

/** The beginning of a text, in whole characters, so that it has at most `maxBytes` bytes of UTF-8. */
export const clip = (text: string, maxBytes: number): string => {
  if (text.length * 3 <= maxBytes) return text
  const bytes = new TextEncoder().encode(text)
  if (bytes.length <= maxBytes) return text
  // As a stream, the decoder waits for the rest of a character that was cut, instead of replacing it.
  return `${new TextDecoder().decode(bytes.subarray(0, maxBytes - 3), { stream: true })}…`
}
