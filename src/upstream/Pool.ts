/**
 * One upstream while it lives: its backends, the choice among them, and their connections.
 *
 * Kept across reloads as long as the upstream's configuration is equal, with all of its state. Closing it lets running
 * exchanges finish and closes idle connections at once.
 */
import type { Exchange, UpstreamReceiver } from "../proxy/Exchange.ts"
import * as Failure from "../proxy/Failure.ts"
import type { Counters, UpstreamRuntime } from "../proxy/Runtime.ts"
import type { Backend } from "./Backend.ts"
import { type ClientOptions, Http1Client } from "./Http1Client.ts"

export interface PoolOptions extends ClientOptions {
  /** Connections per backend, 0 for no limit. At the limit a request is refused with 503. */
  readonly maxConnections: number
  /** Report the number of open connections to exchanges (`enable_tracer`). */
  readonly traced: boolean
}

export class Pool implements UpstreamRuntime {
  readonly name: string
  readonly counters: Counters = { processing: 0, accepted: 0 }
  readonly backends: ReadonlyArray<Backend>
  private readonly pick: () => number
  private readonly client: ClientOptions
  private readonly maxConnections: number
  private readonly traced: boolean

  /** `pick` yields indexes into `backends`, which is not empty. */
  constructor(name: string, backends: ReadonlyArray<Backend>, pick: () => number, options: PoolOptions) {
    this.name = name
    this.backends = backends
    this.pick = pick
    this.maxConnections = options.maxConnections
    this.traced = options.traced
    this.client = { ...options }
  }

  /** Open connections over all backends, idle ones included. */
  get connected(): number {
    let open = 0
    for (const backend of this.backends) open += backend.open
    return open
  }

  readonly open = (exchange: Exchange, receiver: UpstreamReceiver, fresh: boolean): (() => void) | null => {
    const backend = this.backends[this.pick()]!
    exchange.upstreamAddress = backend.address
    if (this.traced) exchange.upstreamConnected = this.connected
    if (!fresh) {
      const idle = backend.idle.pop()
      if (idle !== undefined) {
        idle.take(receiver, exchange)
        return null
      }
    }
    if (this.maxConnections > 0 && backend.open >= this.maxConnections && !evict(backend)) {
      receiver.failed(Failure.upstreamBusy, true)
      return null
    }
    const client = new Http1Client(backend, this.client, receiver, exchange)
    return () => client.cancel()
  }

  /** No new exchanges will come. Connections in use close when their exchange ends. */
  close(): void {
    this.client.maxIdle = 0
    for (const backend of this.backends) for (const client of backend.idle.splice(0)) client.destroy()
  }
}

// A fresh connection is wanted at the limit: an idle one makes room.
const evict = (backend: Backend): boolean => {
  const idle = backend.idle.shift()
  idle?.destroy()
  return idle !== undefined
}
