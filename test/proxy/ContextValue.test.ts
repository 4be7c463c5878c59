import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { contextKeys, contextValue, readsMarks } from "../../src/proxy/ContextValue.ts"
import { type ExchangeOptions, exchangeOf } from "../log/exchanges.ts"

const read = (key: string, options: ExchangeOptions): string | undefined => contextValue(key)?.(exchangeOf(options))

describe("context values", () => {
  const cases: ReadonlyArray<readonly [id: string, options: ExchangeOptions, values: Record<string, string>]> = [
    ["LC1", { client: { id: 10 } }, { connection_id: "10" }],
    ["LC2", {}, { upstream_reused: "false" }],
    ["LC2 reused", { set: { upstreamReused: true } }, { upstream_reused: "true" }],
    [
      "LC3",
      { set: { upstreamAddress: "192.168.1.1:80", upstreamStatus: 201, processing: 10, upstreamConnected: 30 } },
      { upstream_addr: "192.168.1.1:80", upstream_status: "201", processing: "10", upstream_connected: "30" }
    ],
    [
      "LC4",
      {
        set: {
          upstreamStartedAt: 1000,
          upstreamConnectedAt: 1001,
          upstreamHeadAt: 1003,
          upstreamEndAt: 1006,
          upstreamOpenedAt: 881,
          tcpConnectMillis: 100,
          tlsConnectMillis: 110
        }
      },
      {
        upstream_connect_time: "1",
        upstream_connect_time_human: "1ms",
        upstream_processing_time: "2",
        upstream_processing_time_human: "2ms",
        upstream_response_time: "3",
        upstream_response_time_human: "3ms",
        upstream_tcp_connect_time: "100",
        upstream_tcp_connect_time_human: "100ms",
        upstream_tls_handshake_time: "110",
        upstream_tls_handshake_time_human: "110ms",
        upstream_connection_time: "120",
        upstream_connection_time_human: "120ms"
      }
    ],
    [
      "LC5",
      { location: "pingap", client: { openedAt: 500, requests: 1 }, set: { startedAt: 504 } },
      { location: "pingap", connection_time: "4", connection_time_human: "4ms", connection_reused: "false" }
    ],
    ["LC5 reused", { client: { requests: 2 } }, { connection_reused: "true" }],
    [
      "LC6",
      {
        client: { tlsVersion: "TLSv1.3", tlsCipher: "ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", tlsHandshakeMillis: 101 }
      },
      {
        tls_version: "TLSv1.3",
        tls_cipher: "ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        tls_handshake_time: "101",
        tls_handshake_time_human: "101ms"
      }
    ],
    [
      "LC7",
      { set: { compressionIn: 1024, compressionOut: 500, compressionMillis: 5 } },
      { compression_time: "5", compression_time_human: "5ms", compression_ratio: "2.0" }
    ],
    ["LC7 nothing written", { set: { compressionIn: 10, compressionMillis: 0 } }, { compression_ratio: "0.0" }],
    [
      "LC8",
      { set: { cacheLookupMillis: 6, cacheLockMillis: 7 } },
      {
        cache_lookup_time: "6",
        cache_lookup_time_human: "6ms",
        cache_lock_time: "7",
        cache_lock_time_human: "7ms"
      }
    ],
    ["LC10", { set: { upstreamHeadAt: 1, upstreamEndAt: 101 } }, { upstream_response_time: "100" }],
    ["LC10 unset", { set: { upstreamHeadAt: 1 } }, { upstream_response_time: "", upstream_response_time_human: "" }],
    [
      "LC10 negative: marks of an attempt before the last",
      { set: { upstreamStartedAt: 50, upstreamConnectedAt: 10, upstreamHeadAt: 5 } },
      { upstream_connect_time: "", upstream_processing_time: "", upstream_processing_time_human: "" }
    ],
    [
      "handshake of the first request only",
      { client: { tlsHandshakeMillis: 101, requests: 2 } },
      { tls_handshake_time: "", tls_handshake_time_human: "" }
    ],
    [
      "a reused upstream connection has no connect time",
      { set: { tcpConnectMillis: 0.4 } },
      { upstream_tcp_connect_time: "" }
    ],
    [
      "fractions are cut",
      { set: { cacheLookupMillis: 1.99 } },
      { cache_lookup_time: "1", cache_lookup_time_human: "1ms" }
    ]
  ]
  for (const [id, options, values] of cases) {
    it(id, () => {
      for (const [key, expected] of Object.entries(values)) assert.strictEqual(read(key, options), expected, key)
    })
  }

  it("LC9 has no reader for an unknown key", () => {
    assert.isUndefined(contextValue("unknown_key"))
    assert.isUndefined(contextValue(""))
    assert.isUndefined(contextValue("location_human"))
    assert.isUndefined(contextValue("__proto__"))
  })

  it("LC11 measures the service time until now", () => {
    const exchange = exchangeOf({ set: { startedAt: performance.now() - 11 } })
    const text = contextValue("service_time")!(exchange)
    assert.match(text, /^\d+$/)
    assert.isAtLeast(Number(text), 10)
  })

  it("is empty for whatever did not happen", () => {
    const empty = exchangeOf()
    const present = new Set(["connection_id", "connection_reused", "processing", "upstream_reused", "upstream_status"])
    for (const key of contextKeys()) {
      if (!present.has(key)) assert.strictEqual(contextValue(key)!(empty), "", key)
    }
    assert.strictEqual(contextValue("upstream_status")!(empty), "-")
  })

  it("has a human twin for every time", () => {
    for (const key of contextKeys()) {
      if (key.endsWith("_time")) assert.isDefined(contextValue(`${key}_human`), key)
    }
  })

  it("knows which keys need time marks", () => {
    assert.isTrue(readsMarks("upstream_connect_time"))
    assert.isTrue(readsMarks("service_time_human"))
    assert.isFalse(readsMarks("tls_handshake_time"))
    assert.isFalse(readsMarks("location"))
  })

  it("any text is a key or is not, without throwing", () => {
    fc.assert(
      fc.property(fc.string(), (key) => {
        const value = contextValue(key)
        return value === undefined || typeof value(exchangeOf()) === "string"
      })
    )
  })
})
