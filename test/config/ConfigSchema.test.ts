import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { ConfigSchema, KNOWN_KEYS, type ProxyConfig, SECTIONS } from "../../src/config/ConfigSchema.ts"

interface KeySchema {
  readonly description?: string
  readonly default?: unknown
}
const document = Schema.toJsonSchemaDocument(ConfigSchema) as unknown as {
  readonly definitions: Readonly<
    Record<
      string,
      { readonly properties: Readonly<Record<string, KeySchema>>; readonly required?: ReadonlyArray<string> }
    >
  >
}
const NAMES = {
  basic: "Basic",
  servers: "Server",
  locations: "Location",
  upstreams: "Upstream",
  plugins: "Plugin",
  certificates: "Certificate",
  storages: "Storage"
} as const

// Keys of the reference, config 4 to 11, and ours.
const KEYS: Readonly<Record<Exclude<keyof typeof NAMES, "plugins">, string>> = {
  basic: `name error_template pid_file error_log upgrade_sock user group threads work_stealing listener_tasks_per_fd
    grace_period graceful_shutdown_timeout upstream_keepalive_pool_size trusted_proxies webhook webhook_type
    webhook_notifications log_level log_buffered_size log_format_json sentry pyroscope auto_restart_check_interval
    log_compress_algorithm log_compress_level log_compress_days_ago log_compress_time_point_hour`,
  upstreams: `addrs discovery dns_server dns_domain dns_search update_frequency algo sni verify_cert health_check
    ipv4_only enable_tracer enable_backend_stats backend_failure_status_code backend_stats_interval
    circuit_break_max_consecutive_failures circuit_break_max_failure_percent circuit_break_min_requests_threshold
    circuit_break_half_open_consecutive_success_threshold circuit_break_open_duration alpn max_h2_streams
    connection_timeout total_connection_timeout read_timeout write_timeout idle_timeout tcp_idle tcp_interval
    tcp_probe_count tcp_user_timeout tcp_recv_buf tcp_fast_open includes remark max_connections`,
  locations: `upstream path host match_headers match_query match_cookies proxy_set_headers proxy_add_headers
    enable_reverse_proxy_headers rewrite weight plugins client_max_body_size max_processing grpc_web max_retries
    max_retry_window includes remark`,
  servers: `addr locations access_log threads global_certificates enabled_h2 tls_min_version tls_max_version
    tls_cipher_list tls_ciphersuites tcp_idle tcp_interval tcp_probe_count tcp_user_timeout tcp_fastopen reuse_port
    downstream_read_timeout downstream_write_timeout enable_server_timing prometheus_metrics otlp_exporter modules
    includes remark max_head_size max_header_count max_field_size header_read_timeout header_idle_timeout
    keepalive_timeout keepalive_requests max_connections`,
  certificates: `domains tls_cert tls_key is_default is_ca acme dns_challenge dns_provider dns_service_url buffer_days
    remark`,
  storages: "category value secret remark created_at"
}

describe("sections", () => {
  it.each(Object.keys(KEYS) as Array<keyof typeof KEYS>)("%s has every key of the reference", (section) => {
    assert.deepStrictEqual([...KNOWN_KEYS[section]!].sort(), KEYS[section].split(/\s+/).sort())
  })

  it.each(Object.keys(NAMES) as Array<keyof typeof NAMES>)("%s describes every key", (section) => {
    const { properties } = document.definitions[NAMES[section]]!
    for (const [key, schema] of Object.entries(properties)) assert.match(schema.description ?? "", /[.)]$/, key)
  })

  it.each(Object.keys(NAMES) as Array<keyof typeof NAMES>)("%s documents the defaults that it decodes", (section) => {
    const { properties, required = [] } = document.definitions[NAMES[section]]!
    const schema = SECTIONS[section] as Schema.Codec<Record<string, unknown>, unknown>
    const minimal = Object.fromEntries(required.map((key) => [key, key === "addrs" ? ["a"] : "a"]))
    const decoded = Schema.decodeUnknownSync(schema)(minimal)
    const documented = Object.entries(properties).filter(([, { default: value }]) => value !== undefined)
    const written = Object.fromEntries(documented.map(([key, { default: value }]) => [key, value]))
    // The file's form of each default decodes to the default, and nothing else has one.
    assert.deepStrictEqual(Schema.decodeUnknownSync(schema)({ ...written, ...minimal }), decoded)
    assert.deepStrictEqual(Object.keys(decoded).sort(), [...required, ...Object.keys(written)].sort())
  })

  it("require what the reference requires", () => {
    const required = Object.values(NAMES).map((name) => [name, document.definitions[name]!.required ?? []])
    assert.deepStrictEqual(Object.fromEntries(required), {
      Basic: [],
      Server: ["addr"],
      Location: [],
      Upstream: ["addrs"],
      Plugin: ["category"],
      Certificate: [],
      Storage: ["category", "value"]
    })
  })
})

describe("the document", () => {
  it("decodes to the type that programs use, and back", () => {
    const config: ProxyConfig = Schema.decodeUnknownSync(ConfigSchema)({
      basic: { grace_period: "1m 30s" },
      upstreams: { a: { addrs: ["127.0.0.1"], tcp_recv_buf: "4kib" } }
    })
    assert.strictEqual(config.basic.grace_period, 90_000)
    const encoded = Schema.encodeSync(ConfigSchema)(config)
    assert.strictEqual(encoded.basic?.grace_period, "1m 30s")
    assert.strictEqual(encoded.upstreams?.["a"]?.tcp_recv_buf, "4 KiB")
    assert.deepStrictEqual(Schema.decodeUnknownSync(ConfigSchema)(encoded), config)
  })
})
