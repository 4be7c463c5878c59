/**
 * Every key of the configuration: what it takes and becomes, what its absence means, what a wrong value is told and
 * where, and that it has a meaning for people. The table and the schemas have the same keys. Spec: config 4 to 11.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { KNOWN_KEYS } from "../../src/config/ConfigSchema.ts"
import type { Diagnostic } from "../../src/config/Diagnostic.ts"
import { generate } from "../../src/config/JsonSchema.ts"
import { Plugin } from "../../src/config/schema/Plugin.ts"
import { findingsOf, load } from "../fixtures/config/Fixtures.ts"

interface Row {
  readonly key: string
  /** A right value as a file has it, and what it is decoded to. */
  readonly written: string
  readonly decoded: unknown
  /** What a program sees when the key is absent; undefined for nothing. */
  readonly fallback: unknown
  /** What is said when the key is absent and must not be. */
  readonly missing?: string
  /** A wrong value, and what is said about it. */
  readonly wrong: string
  readonly message: string
  /** Where that is, behind the key. */
  readonly at?: string
  /** Further keys or tables that the right value needs. */
  readonly also?: string
}

const row = (
  key: string,
  written: string,
  decoded: unknown,
  fallback: unknown,
  wrong: string,
  message: string,
  more: Partial<Row> = {}
): Row => ({ key, written, decoded, fallback, wrong, message, ...more })

const text = (key: string, value: string, fallback?: string, more: Partial<Row> = {}): Row =>
  row(key, JSON.stringify(value), value, fallback, "1", "wrong type, found an integer", more)

const flag = (key: string, fallback?: boolean): Row =>
  row(key, String(fallback !== true), fallback !== true, fallback, '"yes"', "wrong type, found a string")

const duration = (key: string, fallback?: number): Row =>
  row(key, '"1m 30s"', 90_000, fallback, '"10"', "invalid duration: time unit needed, for example 10sec or 10ms")

const size = (key: string, fallback?: number): Row =>
  row(
    key,
    '"64 KiB"',
    65_536,
    fallback,
    '"1 zb"',
    'invalid size: unknown size unit "zb", supported units: B, KB, KiB, MB, MiB, …'
  )

const integer = (key: string, value: number, fallback?: number, wrong = "-1", message = "out of range"): Row =>
  row(key, String(value), value, fallback, wrong, message)

const list = (key: string, values: ReadonlyArray<string>, fallback?: [], more: Partial<Row> = {}): Row =>
  row(key, JSON.stringify(values), values, fallback, '"a"', "wrong type, found a string", more)

const header = (key: string): Row =>
  row(key, '["X-A: b"]', ["X-A: b"], undefined, '["X-A: b", "x"]', "header x is invalid", { at: "[1]" })

const includes: Row = list("includes", ["s"], undefined, {
  // Expanded and gone.
  decoded: undefined,
  also: '[storages.s]\ncategory = "config"\nvalue = \'remark = "x"\'\n'
})

const missing = "missing required key"

const ROWS: Readonly<Record<string, ReadonlyArray<Row>>> = {
  basic: [
    text("name", "edge-1"),
    text("error_template", "<p>{{content}}</p>", ""),
    text("pid_file", "/run/pingap.pid"),
    text("error_log", "/var/log/pingap.log"),
    text("upgrade_sock", "/run/pingap.sock", "/tmp/pingap_upgrade.sock"),
    text("user", "www-data"),
    text("group", "www-data"),
    integer("threads", 4, 1),
    flag("work_stealing", true),
    integer("listener_tasks_per_fd", 2, 1),
    duration("grace_period", 300_000),
    duration("graceful_shutdown_timeout", 5_000),
    integer("upstream_keepalive_pool_size", 256, 128),
    list("trusted_proxies", ["10.0.0.0/8", "192.168.1.4"]),
    text("webhook", "https://hooks.example.net/pingap", ""),
    text("webhook_type", "wecom"),
    list("webhook_notifications", ["backend_status"], []),
    text("log_level", "info,pingap::proxy=debug"),
    size("log_buffered_size", 0),
    flag("log_format_json", false),
    text("sentry", "https://key@sentry.example.com/1"),
    text("pyroscope", "http://127.0.0.1:4040"),
    duration("auto_restart_check_interval", 90_000),
    text("log_compress_algorithm", "gzip"),
    integer("log_compress_level", 9, 0, "256"),
    integer("log_compress_days_ago", 3, 0),
    integer("log_compress_time_point_hour", 4, 0)
  ],
  servers: [
    text("addr", "127.0.0.1:80,[::1]:80", undefined, { missing }),
    list("locations", ["l"], undefined, { also: "[locations.l]\n" }),
    text("access_log", "combined"),
    integer("threads", 0),
    flag("global_certificates", false),
    flag("enabled_h2", false),
    row("tls_min_version", '"TLSv1.3"', "TLSv1.3", "TLSv1.2", '"ssl3"', '"ssl3" is unknown'),
    row("tls_max_version", '"tls1.3"', "TLSv1.3", undefined, '"ssl3"', '"ssl3" is unknown'),
    text("tls_cipher_list", "ECDHE-RSA-AES128-GCM-SHA256"),
    text("tls_ciphersuites", "TLS_AES_128_GCM_SHA256"),
    duration("tcp_idle"),
    duration("tcp_interval"),
    integer("tcp_probe_count", 5),
    duration("tcp_user_timeout"),
    integer("tcp_fastopen", 64),
    flag("reuse_port"),
    duration("downstream_read_timeout", 60_000),
    duration("downstream_write_timeout", 60_000),
    flag("enable_server_timing", false),
    text("prometheus_metrics", "/metrics"),
    text("otlp_exporter", "http://127.0.0.1:4317"),
    list("modules", ["grpc-web"]),
    size("max_head_size", 32_768),
    size("max_field_size", 8_192),
    integer("max_header_count", 200, 100, "0"),
    duration("header_read_timeout", 30_000),
    duration("header_idle_timeout", 10_000),
    duration("keepalive_timeout", 75_000),
    integer("keepalive_requests", 500, 10_000, "0"),
    integer("max_connections", 500, 16_384, "0"),
    includes,
    text("remark", "free text")
  ],
  locations: [
    text("upstream", "$name", ""),
    text("path", "=/api", ""),
    text("host", "*.example.com", ""),
    list("match_headers", ["X-Client: app"]),
    list("match_query", ["v:2"]),
    list("match_cookies", ["session"]),
    header("proxy_set_headers"),
    header("proxy_add_headers"),
    flag("enable_reverse_proxy_headers", false),
    text("rewrite", "^/api/(.*)$ /$1"),
    integer("weight", 2_048, undefined, "65536"),
    list("plugins", ["pingap:ping"]),
    size("client_max_body_size", 0),
    integer("max_processing", 100, 0, "2147483648"),
    flag("grpc_web", false),
    integer("max_retries", 2, undefined, "256"),
    duration("max_retry_window"),
    includes,
    text("remark", "free text")
  ],
  upstreams: [
    list("addrs", ["10.0.0.1:8080 3", "10.0.0.2:8080"], undefined, { missing }),
    row("discovery", '"Docker"', "docker", undefined, "1", "wrong type, found an integer"),
    text("dns_server", "10.0.0.2"),
    text("dns_domain", "example.com"),
    text("dns_search", "internal"),
    duration("update_frequency", 60_000),
    text("algo", "hash:cookie:sid", "round_robin"),
    text("sni", "example.com", ""),
    flag("verify_cert", true),
    text("health_check", "http://name/health", ""),
    flag("ipv4_only", false),
    flag("enable_tracer", false),
    flag("enable_backend_stats", false),
    text("backend_failure_status_code", "500,502"),
    duration("backend_stats_interval", 60_000),
    integer("circuit_break_max_consecutive_failures", 5, 0),
    integer("circuit_break_max_failure_percent", 50, 0, "65536"),
    integer("circuit_break_min_requests_threshold", 20, 10),
    integer("circuit_break_half_open_consecutive_success_threshold", 3, 5),
    duration("circuit_break_open_duration", 10_000),
    row("alpn", '"h2"', "H2", "H1", "2", "wrong type, found an integer"),
    integer("max_h2_streams", 64, 1, "0", "max h2 streams should be greater than 0"),
    duration("connection_timeout", 5_000),
    duration("total_connection_timeout"),
    duration("read_timeout", 60_000),
    duration("write_timeout", 60_000),
    duration("idle_timeout", 60_000),
    duration("tcp_idle"),
    duration("tcp_interval"),
    integer("tcp_probe_count", 9, undefined, "17", "tcp probe count should be <= 16"),
    duration("tcp_user_timeout"),
    size("tcp_recv_buf"),
    flag("tcp_fast_open", false),
    integer("max_connections", 500, 0),
    includes,
    text("remark", "free text")
  ],
  certificates: [
    text("domains", "example.com,*.example.com"),
    text("tls_cert", "~/a.pem", undefined, { also: 'tls_key = "~/a.key"' }),
    text("tls_key", "~/a.key", undefined, { also: 'tls_cert = "~/a.pem"' }),
    flag("is_default", false),
    flag("is_ca", false),
    text("acme", "lets_encrypt"),
    flag("dns_challenge", false),
    row(
      "dns_provider",
      '"Cloudflare"',
      "cf",
      "manual",
      '"route53"',
      "Invalid dns_provider(route53), expect one of: ali, cf, tencent, huawei, manual"
    ),
    text("dns_service_url", "$ENV:DNS_URL"),
    integer("buffer_days", 14, 0, "65536"),
    text("remark", "free text")
  ],
  storages: [
    text("category", "secret", undefined, { missing }),
    text("value", "anything", undefined, { missing }),
    text("secret", "passphrase"),
    text("remark", "let's encrypt http-01 token"),
    integer("created_at", 1_735_689_600)
  ],
  plugins: [
    row("category", '"ping"', "ping", undefined, '""', "category of x can not be empty", {
      missing: "category of x can not be empty"
    }),
    text("step", "request"),
    text("remark", "free text")
  ]
}

/** Keys that the items of a section need. */
const REQUIRED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  servers: { addr: '"127.0.0.1:1"' },
  upstreams: { addrs: '["127.0.0.1:1"]' },
  storages: { category: '"config"', value: '""' },
  plugins: { category: '"mock"' }
}

const NAMES: Readonly<Record<string, string>> = {
  basic: "Basic",
  servers: "Server",
  locations: "Location",
  upstreams: "Upstream",
  certificates: "Certificate",
  storages: "Storage",
  plugins: "Plugin"
}

const FILE = "conf.toml"
const pathOf = (section: string): string => (section === "basic" ? section : `${section}.x`)

/** A document with one item, which has one key besides those that it needs. */
const documentOf = (section: string, key: string, value: string | undefined, also = ""): string => {
  const needed = Object.entries(REQUIRED[section] ?? {}).filter(([other]) => other !== key)
  const lines = needed.map(([other, written]) => `${other} = ${written}`)
  // In line 2, so that every test knows the place.
  const own = value === undefined ? "# absent" : `${key} = ${value}`
  return [`[${pathOf(section)}]`, own, ...lines, also].join("\n")
}

const findings = (document: string): ReadonlyArray<Diagnostic> => findingsOf([{ file: FILE, text: document }])

/** The decoded item. */
const itemOf = (section: string, document: string): Readonly<Record<string, unknown>> => {
  const snapshot = Result.getOrThrow(load([{ file: FILE, text: document }]))
  const item = section === "basic" ? snapshot.config.basic : snapshot.config[section as "servers"]["x"]
  return item as unknown as Readonly<Record<string, unknown>>
}

const definitions = generate([])["$defs"] as Readonly<
  Record<string, { readonly properties: Readonly<Record<string, { readonly description?: string }>> }>
>

const counted = { accepted: 0, defaults: 0, meanings: 0, errors: 0 }

describe.each(Object.entries(ROWS))("%s", (section, rows) => {
  it.each(rows)("$key takes $written", ({ also, decoded, key, written }) => {
    const document = documentOf(section, key, written, also)
    assert.deepStrictEqual(findings(document), [])
    assert.deepStrictEqual(itemOf(section, document)[key], decoded)
    counted.accepted++
  })

  it.each(rows)("$key may be absent, or is asked for", ({ fallback, key, missing: told }) => {
    const document = documentOf(section, key, undefined)
    if (told === undefined) {
      const item = itemOf(section, document)
      assert.strictEqual(Object.hasOwn(item, key), fallback !== undefined)
      assert.deepStrictEqual(item[key], fallback)
    } else {
      const [finding] = findings(document)
      assert.deepInclude(finding, { severity: "error", file: FILE, line: 1, message: told })
      assert.strictEqual(finding?.path, `${pathOf(section)}.${key}`)
    }
    counted.defaults++
  })

  it.each(rows)("$key has a meaning", ({ key }) => {
    assert.match(definitions[NAMES[section]!]!.properties[key]?.description ?? "", /^[A-Z].*[.)]$/)
    counted.meanings++
  })

  it.each(rows)("$key refuses $wrong: $message", ({ at = "", key, message, wrong }) => {
    const found = findings(documentOf(section, key, wrong))
    const path = `${pathOf(section)}.${key}${at}`
    const column = at === "" ? 1 : `${key} = `.length + wrong.lastIndexOf('"x"') + 1
    assert.strictEqual(found.length, 1)
    assert.deepInclude(found[0], { severity: "error", file: FILE, line: 2, column, path, message })
    counted.errors++
  })
})

describe("the table", () => {
  it("has the keys that the schemas have, each once", () => {
    for (const [section, keys = Object.keys(Plugin.schema.fields)] of Object.entries(KNOWN_KEYS)) {
      assert.deepStrictEqual((ROWS[section] ?? []).map(({ key }) => key).sort(), [...keys].sort(), section)
    }
    assert.deepStrictEqual(Object.keys(ROWS).sort(), Object.keys(KNOWN_KEYS).sort())
  })

  it("is covered", () => {
    const { accepted, defaults, errors, meanings } = counted
    console.info(
      `configuration keys: ${accepted} accepted, ${defaults} with default, ${meanings} with meaning, ${errors} with an error`
    )
    const total = Object.values(ROWS).flat().length
    assert.deepStrictEqual(counted, { accepted: total, defaults: total, meanings: total, errors: total })
  })
})
