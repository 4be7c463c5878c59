/**
 * What configuration may say and this version does not do yet. Accepted, so that a configuration loads unchanged, and
 * said aloud, so that nobody believes in a health check that is not there.
 *
 * An entry goes when its feature comes; the reference pages mark the same keys.
 */
import type { Draft, Item } from "./Draft.ts"

/** Keys without effect in this version, per section; `*` stands for all of a section's. */
export const WITHOUT_EFFECT: Readonly<Record<string, ReadonlyArray<string>>> = {
  basic: [
    "name",
    "pid_file",
    "error_log",
    "upgrade_sock",
    "user",
    "group",
    "threads",
    "graceful_shutdown_timeout",
    "webhook",
    "webhook_type",
    "webhook_notifications",
    "sentry",
    "pyroscope",
    "auto_restart_check_interval"
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
const SILENT = new Set(["name", "pid_file", "error_log", "upgrade_sock", "user", "group", "created_at", "remark"])

/** Warns about every key and value of a draft that asks for something that is not there yet. */
export const report = (draft: Draft): void => {
  for (const [section, keys] of Object.entries(WITHOUT_EFFECT)) {
    for (const item of draft.items[section as keyof typeof draft.items].values()) {
      if (keys[0] === "*") {
        draft.about("warning", item, [], "has no effect in this version")
        continue
      }
      for (const key of keys) {
        if (asksForSomething(item.table[key]) && !SILENT.has(key))
          draft.about("warning", item, [key], "has no effect in this version")
      }
    }
  }
  for (const item of draft.items.servers.values()) {
    when(draft, item, "global_certificates", true, "TLS is not supported in this version: the server is not started")
  }
  for (const item of draft.items.upstreams.values()) {
    const unbuilt = "is not supported in this version: what needs the upstream answers 503"
    when(draft, item, "discovery", "docker", unbuilt)
    when(draft, item, "discovery", "transparent", unbuilt)
    when(draft, item, "alpn", "h2", unbuilt)
    when(draft, item, "alpn", "h2h1", "works like H1 in this version")
    const algo = item.table["algo"]
    if (typeof algo === "string" && algo.startsWith("hash")) {
      draft.about("warning", item, ["algo"], "works like round_robin in this version")
    }
  }
}

// What is off, empty or absent is what this version does.
const asksForSomething = (value: unknown): boolean => value !== undefined && value !== false && value !== ""

const when = (draft: Draft, item: Item, key: string, value: string | boolean, message: string): void => {
  const found = item.table[key]
  if ((typeof found === "string" ? found.toLowerCase() : found) === value) draft.about("warning", item, [key], message)
}
