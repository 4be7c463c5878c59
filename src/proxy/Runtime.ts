/**
 * The compiled, immutable values a generation hands to the data plane: what a server, a location and an upstream are
 * while requests run. The control plane builds them; nothing here is an effect. Only the counters change.
 */
import type { IpRules } from "../model/IpRules.ts"
import type { BodyTransform } from "./Body.ts"
import type { Exchange, UpstreamReceiver } from "./Exchange.ts"
import type { Failure } from "./Failure.ts"
import type { LocalResponse } from "./Response.ts"

/** A hook chain has to wait; it continues the exchange itself through `Lifecycle.proceed`. */
export const PENDING: unique symbol = Symbol("pingap/proxy/PENDING")

/** What a step decided: nothing (go on), a response, a failure, or that it is not decided yet. */
export type Outcome = undefined | LocalResponse | Failure | typeof PENDING

/** All hooks of one request step of a location, in order. */
export interface RequestChain {
  run(exchange: Exchange): Outcome
}

/** Edits `exchange.response` before the head is sent. */
export type ResponseChain = (exchange: Exchange) => void

/** Decides per exchange whether a body passes through a rewriting stage, and which. */
export type BodyChain = (exchange: Exchange) => BodyTransform | null

export interface Counters {
  /** Requests in progress. */
  processing: number
  /** Requests since start. */
  accepted: number
}

export interface LocationRuntime {
  readonly name: string
  readonly counters: Counters
  /** Greatest request body in bytes, 0 for no limit. */
  readonly maxBodyBytes: number
  /** Concurrent requests, 0 for no limit. */
  readonly maxProcessing: number
  readonly maxRetries: number
  /** No retry once this much time has passed since the request began; 0 for no limit. */
  readonly maxRetryWindowMillis: number
  /** Rewrites `exchange.path` and may add variables; a failure refuses the request. */
  readonly rewrite: ((exchange: Exchange) => Failure | undefined) | null
  /** Fields to send upstream: `exchange.fields` with the location's own applied. Evaluated on every attempt. */
  readonly upstreamFields: ((exchange: Exchange) => string) | null
  /** The location's upstream; null when it has none or it does not exist. */
  readonly upstream: UpstreamRuntime | null
  /** Variable that names the upstream; empty when none does. */
  readonly upstreamVariable: string
  readonly early: RequestChain | null
  readonly request: RequestChain | null
  readonly proxyUpstream: RequestChain | null
  readonly upstreamResponse: ResponseChain | null
  readonly response: ResponseChain | null
  readonly requestBody: BodyChain | null
  readonly upstreamBody: BodyChain | null
  readonly responseBody: BodyChain | null
  /** Set when the location cannot serve: every request gets this failure. */
  readonly broken: Failure | null
}

export interface ServerRuntime {
  readonly name: string
  readonly counters: Counters
  /** The upstream of a name that only the request tells: by a variable, or by a plugin. */
  readonly upstream: (name: string) => UpstreamRuntime | null
  /** Finds the location of a request and records its captures on the exchange. */
  readonly route: (exchange: Exchange) => LocationRuntime | null
  /** Peers whose forwarding fields count. */
  readonly trusted: IpRules
  /** Someone reads the time marks of exchanges. */
  readonly measured: boolean
  /** Writes one line per exchange; null without an access log. */
  readonly accessLog: ((exchange: Exchange) => void) | null
  /** Body of generated error responses. */
  readonly errorPage: (failure: Failure) => LocalResponse
  /** Takes an exception that came from where none may come from. Never throws. */
  readonly report: (error: unknown) => void
  /** A request of this server's generation began or ended; the last one of a retired generation releases it. */
  readonly retain: () => void
  readonly release: () => void
}

export interface UpstreamRuntime {
  readonly name: string
  readonly counters: Counters
  /**
   * Chooses a backend and reports a stream, or a failure, to `receiver`: during the call when a pooled connection is
   * at hand, later otherwise. `fresh` asks for a new connection, after a pooled one turned out to be dead.
   * Returns a function that gives up while nothing has been reported yet, or null when it already has.
   */
  readonly open: (exchange: Exchange, receiver: UpstreamReceiver, fresh: boolean) => (() => void) | null
}
