/**
 * One built configuration: what the data plane runs on until the next one is published. Types only.
 *
 * Immutable except for the count of requests that use it; a request holds the generation it began with to its end.
 */
import type { Snapshot } from "../config/Snapshot.ts"
import type { Limits } from "../http1/Limits.ts"
import type { LocationRuntime, ServerRuntime } from "../proxy/Runtime.ts"

export interface Generation {
  /** 1 for the first, counting up. */
  readonly id: number
  /** What it was built from. */
  readonly snapshot: Snapshot
  readonly servers: ReadonlyArray<ServerEntry>
  readonly locations: ReadonlyMap<string, LocationRuntime>
  /** How long a stop waits for running requests, in milliseconds (`basic.grace_period`). */
  readonly graceMillis: number
  /**
   * Whoever may still begin requests on this generation holds it, as running requests do. What it is made of closes
   * when it has been replaced and nobody holds it any more.
   */
  readonly retain: () => void
  readonly release: () => void
}

/** A server and how it is reached. */
export interface ServerEntry {
  readonly name: string
  readonly runtime: ServerRuntime
  readonly addresses: ReadonlyArray<ListenAddress>
  readonly connection: ConnectionOptions
}

/** What one listener's connections are held to. Times in milliseconds. */
export interface ConnectionOptions {
  readonly limits: Limits
  /** For a whole head, from its first byte; also for the first byte of the first request. */
  readonly headMillis: number
  /** Between two reads of one head. */
  readonly headIdleMillis: number
  /** Between requests. */
  readonly keepAliveMillis: number
  readonly maxRequests: number
  /** Between two reads of a request body. */
  readonly readMillis: number
  /** Between two moments of progress while the client does not read. */
  readonly writeMillis: number
}

/** A bound address with what belongs to the socket. A change in any of it needs a new socket. */
export interface ListenAddress {
  /** Host, without brackets, and port; or the path of a unix socket with port -1. */
  readonly host: string
  readonly port: number
  readonly reusePort: boolean
  /** Whether an IPv6 wildcard leaves IPv4 to another address of the same port. */
  readonly ipv6Only: boolean
  /** Idle time before TCP keep-alive probes in milliseconds, 0 for none. */
  readonly keepAliveMillis: number
  readonly maxConnections: number
}
