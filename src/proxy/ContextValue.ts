/**
 * The `:key` values of an exchange, for access-log tags (`{:key}`) and for header values in the configuration.
 * Spec: access-log 2.1, config 7.7.
 *
 * A key is looked up once, when a generation is built; what it returns reads fields of the exchange and nothing else.
 * Times are whole milliseconds, cut, not rounded. Whatever did not happen, or has not happened yet, is empty text.
 */
import * as Duration from "../model/Duration.ts"
import type { Exchange } from "./Exchange.ts"

/** Text of one value of an exchange; empty when there is none. */
export type ContextValue = (exchange: Exchange) => string

/** The reader of a key, `undefined` for a key that does not exist. Each `*_time` key has a `*_time_human` twin. */
export const contextValue = (key: string): ContextValue | undefined => VALUES.get(key)

/** Every key, for documentation and for proposals when a name is misspelled. */
export const contextKeys = (): Array<string> => [...VALUES.keys()]

/** True when a key reads what is only taken while `server.measured` is set. */
export const readsMarks = (key: string): boolean => {
  const plain = key.endsWith(HUMAN) ? key.slice(0, -HUMAN.length) : key
  return plain !== "tls_handshake_time" && (TIMES.has(plain) || plain === "compression_ratio")
}

const HUMAN = "_human"

/** Milliseconds between two marks, negative when either was not reached or they belong to different attempts. */
const between = (from: number, to: number): number => (from === 0 || to === 0 ? -1 : to - from)

const TIMES: ReadonlyMap<string, (exchange: Exchange) => number> = new Map([
  // The age when the request began: a slow response does not make its connection look old.
  ["connection_time", (exchange) => between(exchange.client.openedAt, exchange.startedAt)],
  ["tls_handshake_time", (exchange) => (exchange.client.requests > 1 ? -1 : exchange.client.tlsHandshakeMillis)],
  ["upstream_connect_time", (exchange) => between(exchange.upstreamStartedAt, exchange.upstreamConnectedAt)],
  // A connection within the first millisecond counts as none, like a reused one.
  ["upstream_tcp_connect_time", (exchange) => (exchange.tcpConnectMillis < 1 ? -1 : exchange.tcpConnectMillis)],
  ["upstream_tls_handshake_time", (exchange) => exchange.tlsConnectMillis],
  ["upstream_processing_time", (exchange) => between(exchange.upstreamConnectedAt, exchange.upstreamHeadAt)],
  ["upstream_response_time", (exchange) => between(exchange.upstreamHeadAt, exchange.upstreamEndAt)],
  ["upstream_connection_time", (exchange) => between(exchange.upstreamOpenedAt, exchange.upstreamConnectedAt)],
  ["cache_lookup_time", (exchange) => exchange.cacheLookupMillis],
  ["cache_lock_time", (exchange) => exchange.cacheLockMillis],
  ["compression_time", (exchange) => exchange.compressionMillis],
  ["service_time", (exchange) => between(exchange.startedAt, performance.now())]
])

const compressionRatio: ContextValue = (exchange) => {
  if (exchange.compressionMillis < 0 && exchange.compressionIn === 0) return ""
  if (exchange.compressionOut === 0) return "0.0"
  return (exchange.compressionIn / exchange.compressionOut).toFixed(1)
}

const VALUES: ReadonlyMap<string, ContextValue> = (() => {
  const values = new Map<string, ContextValue>([
    ["connection_id", (exchange) => String(exchange.client.id)],
    // Counted, not guessed from the connection's age.
    ["connection_reused", (exchange) => (exchange.client.requests > 1 ? "true" : "false")],
    ["tls_version", (exchange) => exchange.client.tlsVersion],
    ["tls_cipher", (exchange) => exchange.client.tlsCipher],
    ["location", (exchange) => (exchange.location === null ? "" : exchange.location.name)],
    ["processing", (exchange) => String(exchange.processing)],
    ["upstream_addr", (exchange) => exchange.upstreamAddress],
    ["upstream_reused", (exchange) => (exchange.upstreamReused ? "true" : "false")],
    ["upstream_status", (exchange) => (exchange.upstreamStatus === 0 ? "-" : String(exchange.upstreamStatus))],
    ["upstream_connected", (exchange) => (exchange.upstreamConnected < 0 ? "" : String(exchange.upstreamConnected))],
    ["compression_ratio", compressionRatio],
    // Ours: the stable name of what went wrong, as in the reference of errors.
    ["failure", (exchange) => (exchange.failure === null ? "" : exchange.failure.code)]
  ])
  for (const [key, millis] of TIMES) {
    values.set(key, (exchange) => {
      const time = millis(exchange)
      return time < 0 ? "" : String(Math.trunc(time))
    })
    values.set(key + HUMAN, (exchange) => {
      const time = millis(exchange)
      return time < 0 ? "" : Duration.human(time)
    })
  }
  return values
})()
