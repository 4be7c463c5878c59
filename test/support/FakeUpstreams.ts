/** Upstreams without sockets: each answers by itself with what it was sent. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Fields } from "../../src/model/Fields.ts"
import { CONSUMED, type Flow } from "../../src/proxy/Body.ts"
import type { Exchange, UpstreamReceiver, UpstreamStream } from "../../src/proxy/Exchange.ts"
import type { UpstreamRuntime } from "../../src/proxy/Runtime.ts"
import { Upstreams } from "../../src/upstream/Upstreams.ts"

/** A layer in place of the pools. Answers are `name: METHOD target body`. */
export const layer: Layer.Layer<Upstreams> = Layer.succeed(Upstreams, {
  pool: (name) => Effect.succeed(runtime(name))
})

const runtime = (name: string): UpstreamRuntime => ({
  name,
  counters: { processing: 0, accepted: 0 },
  open: (exchange, receiver) => {
    exchange.upstreamAddress = `fake:${name}`
    receiver.opened(new Echo(name, exchange, receiver))
    return null
  }
})

class Echo implements UpstreamStream {
  readonly reused = false
  source = null
  private readonly name: string
  private readonly exchange: Exchange
  private readonly receiver: UpstreamReceiver
  private body = ""

  constructor(name: string, exchange: Exchange, receiver: UpstreamReceiver) {
    this.name = name
    this.exchange = exchange
    this.receiver = receiver
  }

  head(_exchange: Exchange, _fields: string, length: number): void {
    if (length === 0) this.answer()
  }

  write(chunk: Buffer): Flow {
    this.body += chunk.toString("latin1")
    return CONSUMED
  }

  end(): void {
    this.answer()
  }

  private answer(): void {
    const text = `${this.name}: ${this.exchange.method} ${this.exchange.target} ${this.body}`.trimEnd()
    this.receiver.whole(200, "OK", new Fields("Content-Type: text/plain\r\n"), text.length, text)
  }

  abort(): void {}
  flush(): void {}
  resume(): void {}
  cancel(): void {}
}
