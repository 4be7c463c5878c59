/**
 * `[servers.<name>]`: addresses to listen on, the locations behind them, limits of the connections. Spec: config 8,
 * hardening 2.
 */
import * as Schema from "effect/Schema"
import * as Values from "./Values.ts"

/** Texts of the TLS version keys, lower case, and the version they name. */
export const TLS_VERSIONS = {
  "tlsv1.1": "TLSv1.1",
  "tlsv1.2": "TLSv1.2",
  "tlsv1.3": "TLSv1.3",
  "tls1.1": "TLSv1.1",
  "tls1.2": "TLSv1.2",
  "tls1.3": "TLSv1.3",
  "1.1": "TLSv1.1",
  "1.2": "TLSv1.2",
  "1.3": "TLSv1.3"
} as const

const TlsVersion = Values.choice(TLS_VERSIONS, "tlsv1.1, tlsv1.2 or tlsv1.3")

/** A TLS version as Node names it. */
export type TlsVersion = (typeof TLS_VERSIONS)[keyof typeof TLS_VERSIONS]

/** Modules that a server can load. */
export const MODULES: ReadonlyArray<string> = ["grpc-web"]

export const Server = Schema.Struct({
  addr: Values.required(Values.Text, "Comma list of listen addresses, `ip:port`, `[ipv6]:port` or `unix:/path`."),
  locations: Values.optional(Values.Texts, "Names of the locations that this server has."),
  access_log: Values.optional(
    Values.Text,
    "Access log: `combined`, `common`, `short`, `tiny`, a format such as `{method} {uri}`, or `<file> <format>`. " +
      "Unset: none."
  ),
  threads: Values.optional(Values.Count, "Worker threads of this server; 0 is one per CPU. Unset: `basic.threads`."),
  global_certificates: Values.flagKey(
    false,
    "Whether all addresses speak TLS, with the certificates of `[certificates.*]`."
  ),
  enabled_h2: Values.flagKey(false, "Whether HTTP/2 is spoken: by ALPN with TLS, by prior knowledge without."),
  tls_min_version: Values.withDefault(
    TlsVersion,
    "TLSv1.2",
    "tlsv1.2",
    "Lowest TLS version: `tlsv1.1`, `tlsv1.2`, `tlsv1.3`."
  ),
  tls_max_version: Values.optional(TlsVersion, "Highest TLS version. Unset: the newest."),
  tls_cipher_list: Values.optional(Values.Text, "OpenSSL cipher list for TLS 1.2 and older."),
  tls_ciphersuites: Values.optional(Values.Text, "Cipher suites of TLS 1.3."),
  tcp_idle: Values.optional(Values.Duration, "Idle time before keep-alive probes of accepted sockets."),
  tcp_interval: Values.optional(Values.Duration, "Time between keep-alive probes."),
  tcp_probe_count: Values.optional(Values.Count, "Unanswered keep-alive probes that end a connection."),
  tcp_user_timeout: Values.optional(Values.Duration, "Time that written data may stay unacknowledged (Linux)."),
  tcp_fastopen: Values.optional(Values.Count, "Length of the TCP Fast Open queue."),
  reuse_port: Values.optional(Values.Flag, "Whether SO_REUSEPORT is set on the listening sockets."),
  downstream_read_timeout: Values.durationKey(
    60_000,
    "Longest silence while a request body is read. (The default is ours; Pingap has none.)"
  ),
  downstream_write_timeout: Values.durationKey(
    60_000,
    "Longest stall while a response is written. (The default is ours; Pingap has none.)"
  ),
  enable_server_timing: Values.flagKey(false, "Whether responses carry a `Server-Timing` header."),
  prometheus_metrics: Values.optional(
    Values.Text,
    "Path on this server that answers with metrics, or the URL of a push gateway."
  ),
  otlp_exporter: Values.optional(Values.Text, "URL of an OTLP collector for traces of this server."),
  modules: Values.optional(Values.Texts, "Modules to load; `grpc-web` is the only one."),
  max_head_size: Values.sizeKey(
    32 * 1024,
    "Largest request head, at least 1 KiB; beyond it: 431. (Ours, not in Pingap.)",
    1024
  ),
  max_field_size: Values.sizeKey(
    8 * 1024,
    "Largest request line (beyond it: 414) and header field (beyond it: 431), at least 256 bytes. (Ours, not in Pingap.)",
    256
  ),
  max_header_count: Values.withDefault(
    Values.integer(1, 65_535),
    100,
    100,
    "Most header fields of a request; beyond it: 431. (Ours, not in Pingap.)"
  ),
  header_read_timeout: Values.durationKey(
    30_000,
    "Time for a whole request head; on a new connection also for its first byte. (Ours, not in Pingap.)"
  ),
  header_idle_timeout: Values.durationKey(
    10_000,
    "Longest silence between two pieces of a request head. (Ours, not in Pingap.)"
  ),
  keepalive_timeout: Values.durationKey(
    75_000,
    "Time that a connection may wait for its next request. (Ours, not in Pingap.)"
  ),
  keepalive_requests: Values.withDefault(
    Values.integer(1, 4_294_967_295),
    10_000,
    10_000,
    "Requests on one connection; the last answer closes it. (Ours, not in Pingap.)"
  ),
  max_connections: Values.withDefault(
    Values.integer(1, 4_294_967_295),
    16_384,
    16_384,
    "Connections at a time on each address; further ones are closed at once. (Ours, not in Pingap.)"
  ),
  includes: Values.optional(
    Values.Texts,
    "Names of storages whose keys are inserted here, over keys of the same name."
  ),
  remark: Values.optional(Values.Text, "Free text.")
}).annotate({ identifier: "Server", description: "Listening addresses and the locations behind them." })

/** `[servers.<name>]`, decoded: durations in milliseconds, sizes in bytes. */
export type ServerConf = typeof Server.Type
