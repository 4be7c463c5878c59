/**
 * `[upstreams.<name>]`: where requests go, how a backend is chosen and watched, how connections to it behave.
 * Spec: config 5, upstreams.
 */
import * as Schema from "effect/Schema"
import * as Values from "./Values.ts"

/** Texts of `discovery` and what they mean. Other text is refreshed like `dns`, as in the reference. */
export const DISCOVERY = {
  "": "static",
  static: "static",
  dns: "dns",
  docker: "docker",
  transparent: "transparent"
} as const

/** Texts of `alpn` and what they mean. Other text means `H1`, as in the reference. */
export const ALPN = { h1: "H1", h2: "H2", h2h1: "H2H1" } as const

export const Upstream = Schema.Struct({
  addrs: Values.required(
    Values.Texts,
    "Backends as `host[:port] [weight]`. The port defaults to 443 when `sni` is set, else to 80; the weight to 1. " +
      "With docker discovery a container label stands for the host. Also `unix:/path`."
  ),
  discovery: Values.optional(
    Values.choice(DISCOVERY, "static, dns, docker or transparent", { otherwise: "dns" }),
    "How addresses become backends: `static`, `dns`, `docker` or `transparent` (the request's own host). " +
      "Unset: `dns` when an address is a name, else `static`."
  ),
  dns_server: Values.optional(Values.Text, "Comma list of name servers for dns discovery, IP addresses."),
  dns_domain: Values.optional(Values.Text, "Domain of the resolver, dns discovery only."),
  dns_search: Values.optional(Values.Text, "Comma list of search domains, dns discovery only."),
  update_frequency: Values.durationKey(60_000, "Time between two discoveries; static addresses are resolved once."),
  algo: Values.withDefault(
    Values.Text,
    "round_robin",
    "round_robin",
    "How a backend is chosen: `round_robin`, `hash:url`, `hash:path`, `hash:ip`, `hash:header:<name>`, " +
      "`hash:cookie:<name>` or `hash:query:<name>`."
  ),
  sni: Values.withDefault(
    Values.Text,
    "",
    "",
    "Server name for TLS to the backend; empty means plain TCP. `$host` is the request's host with transparent discovery."
  ),
  verify_cert: Values.flagKey(true, "Whether the backend's certificate chain and name are verified."),
  health_check: Values.withDefault(
    Values.Text,
    "",
    "",
    "Probe as a URL: `tcp://name`, `http://host/path`, `https://host/path` or `grpc://host`, with `check_frequency`, " +
      "`connection_timeout`, `read_timeout`, `success` and `failure` in the query. Empty: a TCP connect."
  ),
  ipv4_only: Values.flagKey(false, "Whether discovery keeps IPv4 addresses only."),
  enable_tracer: Values.flagKey(false, "Whether open connections are counted."),
  enable_backend_stats: Values.flagKey(false, "Whether answers are counted per backend."),
  backend_failure_status_code: Values.optional(
    Values.Text,
    "Comma list of status codes that count as a failure of the backend. Unset: every 5xx."
  ),
  backend_stats_interval: Values.durationKey(60_000, "Length of the window for backend statistics."),
  circuit_break_max_consecutive_failures: Values.withDefault(
    Values.U32,
    0,
    0,
    "Failures in a row that open the circuit; 0 turns the rule off."
  ),
  circuit_break_max_failure_percent: Values.withDefault(
    Values.U16,
    0,
    0,
    "Share of failures in the window, in percent, that opens the circuit; 0 turns the rule off."
  ),
  circuit_break_min_requests_threshold: Values.withDefault(
    Values.Count,
    10,
    10,
    "Requests that the window must hold before the percentage counts."
  ),
  circuit_break_half_open_consecutive_success_threshold: Values.withDefault(
    Values.U32,
    5,
    5,
    "Successes in a row that close a half-open circuit."
  ),
  circuit_break_open_duration: Values.durationKey(10_000, "Time an open circuit stays closed to requests."),
  alpn: Values.withDefault(
    Values.choice(ALPN, "H1, H2 or H2H1", { otherwise: "H1" }),
    "H1",
    "H1",
    "HTTP version to the backend: `H1`, `H2` (prior knowledge without TLS) or `H2H1` (by ALPN)."
  ),
  max_h2_streams: Values.withDefault(
    Values.integer(1, Number.MAX_SAFE_INTEGER, "max h2 streams should be greater than 0"),
    1,
    1,
    "Requests that share one HTTP/2 connection."
  ),
  connection_timeout: Values.durationKey(
    5_000,
    "Limit for connecting, the TLS handshake included. (The default is ours; Pingap has none.)"
  ),
  total_connection_timeout: Values.optional(Values.Duration, "Limit for TCP connect and TLS handshake together."),
  read_timeout: Values.durationKey(
    60_000,
    "Longest silence while reading from the backend. (The default is ours; Pingap has none.)"
  ),
  write_timeout: Values.durationKey(
    60_000,
    "Longest stall while writing to the backend. (The default is ours; Pingap has none.)"
  ),
  idle_timeout: Values.durationKey(60_000, "Time a pooled connection may stay idle."),
  tcp_idle: Values.optional(Values.Duration, "Idle time before keep-alive probes of the socket."),
  tcp_interval: Values.optional(Values.Duration, "Time between keep-alive probes."),
  tcp_probe_count: Values.optional(
    Values.integer(0, 16, "tcp probe count should be <= 16"),
    "Unanswered keep-alive probes that end a connection, at most 16."
  ),
  tcp_user_timeout: Values.optional(Values.Duration, "Time that written data may stay unacknowledged (Linux)."),
  tcp_recv_buf: Values.optional(Values.ByteSize, "Size of the socket's receive buffer."),
  tcp_fast_open: Values.flagKey(false, "Whether TCP Fast Open is used for connecting."),
  max_connections: Values.withDefault(
    Values.U32,
    0,
    0,
    "Connections to one backend at a time; 0 is unlimited. (Ours, not in Pingap.)"
  ),
  includes: Values.optional(
    Values.Texts,
    "Names of storages whose keys are inserted here, over keys of the same name."
  ),
  remark: Values.optional(Values.Text, "Free text.")
}).annotate({ identifier: "Upstream", description: "A named group of backends." })

/** `[upstreams.<name>]`, decoded: durations in milliseconds, sizes in bytes. */
export type UpstreamConf = typeof Upstream.Type
