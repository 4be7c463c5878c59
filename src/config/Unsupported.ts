/**
 * What configuration may say and this version does not do yet. Accepted, so that a configuration loads unchanged, and
 * said aloud, so that nobody believes in a health check that is not there.
 *
 * An entry goes when its feature comes; the reference pages mark the same keys.
 */
import type { Item, Report, Section } from "./Draft.ts"
import type { CheckedReport } from "./Validation.ts"

/** Keys without effect in this version, per section; `*` stands for all of a section's. */
export const WITHOUT_EFFECT: Readonly<Record<Section, ReadonlyArray<string>>> = {
  basic: [
    "pid_file",
    "error_log",
    "upgrade_sock",
    "user",
    "group",
    "threads",
    "graceful_shutdown_timeout",
    "sentry",
    "pyroscope"
  ],
  servers: [
    "threads",
    "enabled_h2",
    "tls_min_version",
    "tls_max_version",
    "tls_cipher_list",
    "tls_ciphersuites",
    "tcp_interval",
    "tcp_probe_count",
    "tcp_user_timeout",
    "tcp_fastopen",
    "enable_server_timing",
    "prometheus_metrics",
    "otlp_exporter",
    "modules"
  ],
  locations: ["grpc_web"],
  upstreams: [
    "dns_server",
    "dns_domain",
    "dns_search",
    "update_frequency",
    "health_check",
    "ipv4_only",
    "enable_backend_stats",
    "backend_failure_status_code",
    "backend_stats_interval",
    "circuit_break_max_consecutive_failures",
    "circuit_break_max_failure_percent",
    "circuit_break_min_requests_threshold",
    "circuit_break_half_open_consecutive_success_threshold",
    "circuit_break_open_duration",
    "max_h2_streams",
    "total_connection_timeout",
    "tcp_interval",
    "tcp_probe_count",
    "tcp_user_timeout",
    "tcp_recv_buf",
    "tcp_fast_open"
  ],
  plugins: [],
  certificates: ["*"],
  storages: ["created_at"]
}

// Nothing that anybody relies on changes without these: they inform, or belong to options that are refused themselves.
const SILENT = new Set(["pid_file", "error_log", "upgrade_sock", "user", "group", "created_at", "remark"])

/** Whether a key that is set has a warning that it does nothing. */
export const isReported = (section: Section, key: string): boolean =>
  WITHOUT_EFFECT[section].includes(key) && !SILENT.has(key)

/** Warns about every key and value of an item that asks for something that is not there yet. */
export const validate = (report: CheckedReport, item: Item): void => {
  const keys = WITHOUT_EFFECT[item.section]
  if (keys[0] === "*") report.about("warning", item, [], "has no effect in this version")
  else {
    for (const key of keys) {
      if (asksForSomething(item.table[key]) && !SILENT.has(key) && !report.hasError([key]))
        report.about("warning", item, [key], "has no effect in this version")
    }
  }
  if (item.section === "servers") {
    when(report, item, "global_certificates", true, "TLS is not supported in this version: the server is not started")
  } else if (item.section === "upstreams") {
    const unbuilt = "is not supported in this version: what needs the upstream answers 503"
    when(report, item, "discovery", "docker", unbuilt)
    when(report, item, "discovery", "transparent", unbuilt)
    when(report, item, "alpn", "h2", unbuilt)
    when(report, item, "alpn", "h2h1", "works like H1 in this version")
    const algo = item.table["algo"]
    if (typeof algo === "string" && algo.startsWith("hash")) {
      report.about("warning", item, ["algo"], "works like round_robin in this version")
    }
  }
}

// What is off, empty or absent is what this version does.
const asksForSomething = (value: unknown): boolean => value !== undefined && value !== false && value !== ""

const when = (report: Report, item: Item, key: string, value: string | boolean, message: string): void => {
  const found = item.table[key]
  if ((typeof found === "string" ? found.toLowerCase() : found) === value) report.about("warning", item, [key], message)
}
