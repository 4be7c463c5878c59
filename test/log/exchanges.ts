/** Exchanges that have ended, as an access log sees them. */
import { Fields } from "../../src/model/Fields.ts"
import * as IpRules from "../../src/model/IpRules.ts"
import { type ClientConnection, type Downstream, Exchange, type RequestHalf } from "../../src/proxy/Exchange.ts"
import type { LocationRuntime, ServerRuntime } from "../../src/proxy/Runtime.ts"

/** What a test wants to differ from a plain `GET /`. `set` fills in the fields that a lifecycle fills in. */
export interface ExchangeOptions {
  readonly request?: Partial<Omit<RequestHalf, "fields">>
  readonly fields?: ReadonlyArray<readonly [name: string, value: string]>
  readonly response?: ReadonlyArray<readonly [name: string, value: string]>
  readonly client?: Partial<ClientConnection>
  readonly location?: string
  readonly set?: Partial<Pick<Exchange, SettableField>>
}

type SettableField = {
  [K in keyof Exchange]-?: Exchange[K] extends number | string | boolean ? K : never
}[keyof Exchange]

const server = { name: "test", trusted: IpRules.compile(["127.0.0.0/8", "10.0.0.0/8"]) } as unknown as ServerRuntime

export const exchangeOf = (options: ExchangeOptions = {}): Exchange => {
  const client: ClientConnection = {
    id: 1,
    remoteAddress: "192.0.2.7",
    remotePort: 50_000,
    localAddress: "192.0.2.1",
    localPort: 80,
    tlsVersion: "",
    tlsCipher: "",
    tlsHandshakeMillis: -1,
    openedAt: 0,
    requests: 1,
    ...options.client
  }
  const path = options.request?.path ?? "/"
  const query = options.request?.query ?? ""
  const exchange = new Exchange({ client } as unknown as Downstream, server, {
    method: "GET",
    path,
    query,
    target: query === "" ? path : `${path}?${query}`,
    host: "example.com",
    version: 11,
    scheme: "http",
    length: 0,
    upgrade: "",
    expectsContinue: false,
    acceptsTrailers: false,
    ...options.request,
    fields: Fields.of(options.fields ?? []).text
  })
  exchange.response = Fields.of(options.response ?? [])
  if (options.location !== undefined) exchange.location = { name: options.location } as LocationRuntime
  Object.assign(exchange, options.set)
  return exchange
}
