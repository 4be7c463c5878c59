/**
 * The contract of a contender: a proxy that can be told, in its own configuration language, to do what a row measures.
 * Each contender gets equivalent settings, the ones its documentation recommends for this work: one worker, kept-alive
 * connections on both sides, no access log unless the row asks for it.
 */
import type { Launch } from "./Processes.ts"

/** A route of the many-locations row. */
export interface Route {
  readonly host: string
  readonly path: string
}

/** What a row asks of a contender. Always: `/ping` answers `pong` itself, everything else goes to the origin. */
export interface Setting {
  readonly port: number
  readonly originPort: number
  /** An empty directory for configuration and logs. */
  readonly directory: string
  /** Writes the `combined` access log to this file. */
  readonly accessLog: string | null
  /** Replaces the single catch-all route. */
  readonly routes: readonly Route[] | null
  /** Adds X-Real-IP and the four X-Forwarded-* fields to the request. */
  readonly forwarded: boolean
  /** Speaks HTTP/2 with prior knowledge to the client. */
  readonly http2: boolean
}

/** What a contender can do beyond forwarding and answering; a row that needs more leaves it out. */
export type Ability = "accessLog" | "routes" | "forwarded" | "http2"

/** A proxy that takes part. */
export interface Contender {
  readonly name: string
  readonly version: string
  /** Why it cannot take part and what would help, or null. */
  readonly missing: string | null
  readonly abilities: ReadonlySet<Ability>
  /** Writes the configuration and returns the command that serves it in the foreground. */
  readonly prepare: (setting: Setting) => Launch
}
