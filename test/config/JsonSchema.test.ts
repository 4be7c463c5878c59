import { assert, describe, it } from "@effect/vitest"
import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js"
import * as Schema from "effect/Schema"
import fc from "fast-check"
import { parse, stringify } from "smol-toml"
import { KNOWN_KEYS } from "../../src/config/ConfigSchema.ts"
import { formatPath } from "../../src/config/Diagnostic.ts"
import { generate, type JsonSchema } from "../../src/config/JsonSchema.ts"
import * as ByteSize from "../../src/model/ByteSize.ts"
import * as Duration from "../../src/model/Duration.ts"
import { builtins, notThereYet } from "../../src/plugin/builtin/index.ts"
import { conf, examples, findingsOf } from "../fixtures/config/Fixtures.ts"

const schema = generate(builtins, notThereYet)
const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, verbose: true })
const validate = ajv.compile(schema)

/** What the schema finds in a document, as paths. */
const refused = (toml: string): ReadonlyArray<string> => {
  validate(parse(toml))
  return (validate.errors ?? []).map(pathOf)
}

const pathOf = ({ instancePath, params }: ErrorObject): string => {
  const path = instancePath
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step))
  const key: unknown = params["additionalProperty"] ?? params["missingProperty"] ?? params["propertyName"]
  return formatPath(typeof key === "string" ? [...path, key] : path)
}

/** What loading finds, without what is only said because this version cannot do it yet. */
const found = (toml: string): ReadonlyArray<string> =>
  findingsOf([{ file: "c.toml", text: toml }])
    .filter(({ message }) => !message.includes("is not supported in this version"))
    .map(({ path }) => path)

describe("documents that load", () => {
  it.each([...conf, ...examples].map(({ file, text }) => [file, text] as const))("%s is right", (_, text) => {
    assert.deepStrictEqual(refused(text), [])
  })

  it.each([...examples].map(({ file, text }) => [file, text] as const))("%s loads without a finding", (_, text) => {
    assert.deepStrictEqual(found(text), [])
  })

  it("conf/ loads without a finding", () => {
    assert.deepStrictEqual(findingsOf(conf), [])
  })
})

const server = (line: string): string => `[servers.a]\naddr = "127.0.0.1:1"\n${line}`
const upstream = (line: string): string => `[upstreams.a]\naddrs = ["127.0.0.1:1"]\n${line}`
const plugin = (category: string, line = ""): string => `[plugins.a]\ncategory = "${category}"\n${line}`

describe("schema and loading agree", () => {
  it.each([
    ["", "nothing"],
    ["[basic]", "an empty section"],
    [server('tls_min_version = "tls1.3"'), "another spelling of a TLS version"],
    [server('tls_min_version = " TLSv1.3 "'), "case and blanks around a word"],
    [server('tls_max_version = "1.2"'), "a TLS version without its name"],
    [server('max_head_size = "64kib"'), "a size as a text"],
    [server("max_head_size = 65536"), "a size as an integer"],
    [server('keepalive_timeout = "0"'), "the duration without a unit"],
    [server('keepalive_timeout = " 1 m  30s "'), "a duration with blanks"],
    [server('modules = ["grpc-web"]'), "the module"],
    [upstream('discovery = "Static"'), "a word in another case"],
    [upstream('discovery = ""'), "an empty word that has a meaning"],
    [upstream('alpn = "h2h1"'), "an ALPN in lower case"],
    [upstream('algo = "hash"'), "a hash of the path"],
    [upstream('algo = "hash:url"'), "a hash of the URL"],
    [upstream('algo = "hash:header:x-id"'), "a hash of a header"],
    [upstream('algo = ""'), "no algorithm"],
    [upstream('backend_failure_status_code = "500, 502,"'), "a list of statuses"],
    ['[certificates.a]\ndns_provider = "Aliyun"', "another name of a provider"],
    ['[certificates.a]\ndns_provider = ""', "no provider"],
    ['[basic]\nwebhook_type = "DingTalk"', "a webhook in another case"],
    ['[basic]\nwebhook = " HTTPS://h/x"\nwebhook_notifications = ["restart"]', "a webhook"],
    ['[basic]\nwebhook = ""', "no webhook"],
    ['[locations.a]\nproxy_set_headers = ["X-A:", "x-b : c d", "host: $host"]', "headers"],
    ['[locations."ä b"]', "a name that needs quotes"],
    ["[upstreams.a]\nincludes = ['s']\n[storages.s]\ncategory = 'x'\nvalue = 'addrs = [\"a:1\"]'", "an included key"],
    [plugin("mock", 'step = "proxy_upstream"'), "a step"],
    [plugin("ping", 'remark = "x"\npath = "/p"'), "a remark in a plugin"],
    [plugin("basic_auth", 'authorizations = ["YTpi"]\ndelay = ""'), "an empty duration of a plugin"],
    [plugin("jwt", "anything = { goes = 1 }"), "a plugin of a later version"]
  ])("%j is right: %s", (toml) => {
    assert.deepStrictEqual([refused(toml), found(toml)], [[], []])
  })

  it.each([
    ["[server.a]", "server"],
    ["[Basic]", "Basic"],
    ["basic = 1", "basic"],
    ["servers = []", "servers"],
    ["[servers]\na = 1", "servers.a"],
    ['[locations.""]', 'locations.""'],
    ['[locations.".."]', 'locations.".."'],
    ['[locations."a/b"]', 'locations."a/b"'],
    ["[basic]\nthread = 1", "basic.thread"],
    ["[basic]\nthreads = -1", "basic.threads"],
    ["[basic]\nthreads = 1.5", "basic.threads"],
    ['[basic]\nthreads = "1"', "basic.threads"],
    ["[basic]\nlog_compress_level = 256", "basic.log_compress_level"],
    ["[basic]\nlog_compress_time_point_hour = 24", "basic.log_compress_time_point_hour"],
    ['[basic]\nwebhook_type = "slack"', "basic.webhook_type"],
    ['[basic]\nwebhook = "ftp://h"', "basic.webhook"],
    ['[basic]\nwebhook_notifications = ["restarts"]', "basic.webhook_notifications[0]"],
    ['[basic]\nlog_compress_algorithm = "lzma"', "basic.log_compress_algorithm"],
    ["[basic]\ntrusted_proxies = '10.0.0.0/8'", "basic.trusted_proxies"],
    ["[basic]\ntrusted_proxies = [1]", "basic.trusted_proxies[0]"],
    ["[basic]\ngrace_period = 30", "basic.grace_period"],
    ["[basic]\ngrace_period = '30'", "basic.grace_period"],
    ["[basic]\ngrace_period = ''", "basic.grace_period"],
    ["[basic]\ngrace_period = '3 parsecs'", "basic.grace_period"],
    ["[basic]\ngrace_period = '1.s'", "basic.grace_period"],
    ["[basic]\nlog_buffered_size = '1 zb'", "basic.log_buffered_size"],
    ["[basic]\nlog_buffered_size = -1", "basic.log_buffered_size"],
    ["[basic]\nlog_buffered_size = 1.5", "basic.log_buffered_size"],
    ["[basic]\nlog_buffered_size = '1.5'", "basic.log_buffered_size"],
    ["[basic]\nlog_format_json = 'true'", "basic.log_format_json"],
    ["[servers.a]", "servers.a.addr"],
    [server("adr = 'x'"), "servers.a.adr"],
    [server("max_header_count = 0"), "servers.a.max_header_count"],
    [server("tls_min_version = 'tlsv1.0'"), "servers.a.tls_min_version"],
    [server("modules = ['grpc']"), "servers.a.modules[0]"],
    ["[upstreams.a]", "upstreams.a.addrs"],
    ["[upstreams.a]\naddrs = 'a:1'", "upstreams.a.addrs"],
    [upstream("tcp_probe_count = 17"), "upstreams.a.tcp_probe_count"],
    [upstream("discovery = 'consul'"), "upstreams.a.discovery"],
    [upstream("alpn = 'h3'"), "upstreams.a.alpn"],
    [upstream("algo = 'least_conn'"), "upstreams.a.algo"],
    [upstream("algo = 'hash:cookie'"), "upstreams.a.algo"],
    [upstream("backend_failure_status_code = '5xx'"), "upstreams.a.backend_failure_status_code"],
    [upstream("max_h2_streams = 0"), "upstreams.a.max_h2_streams"],
    ["[locations.a]\nproxy_set_headers = ['X-A: b', 'no colon']", "locations.a.proxy_set_headers[1]"],
    ["[locations.a]\nproxy_add_headers = ['X A: b']", "locations.a.proxy_add_headers[0]"],
    ['[locations.a]\nproxy_add_headers = ["X-A: b\\u0007c"]', "locations.a.proxy_add_headers[0]"],
    ["[locations.a]\nweight = 65536", "locations.a.weight"],
    ["[locations.a]\nmax_retries = -1", "locations.a.max_retries"],
    ["[certificates.a]\ndns_provider = 'route53'", "certificates.a.dns_provider"],
    ["[certificates.a]\nis_ca = 1", "certificates.a.is_ca"],
    ["[storages.a]\nvalue = 'x'", "storages.a.category"],
    ["[storages.a]\ncategory = 'x'", "storages.a.value"],
    ["[plugins.a]", "plugins.a.category"],
    [plugin("mok"), "plugins.a.category"],
    [plugin(""), "plugins.a.category"],
    [plugin("mock", "statsu = 200"), "plugins.a.statsu"],
    [plugin("mock", "status = '200'"), "plugins.a.status"],
    [plugin("mock", "step = 'response'"), "plugins.a.step"],
    [plugin("mock", "delay = '1'"), "plugins.a.delay"],
    [plugin("mock", "delay = 1"), "plugins.a.delay"],
    [plugin("mock", "headers = 'X: y'"), "plugins.a.headers"],
    [plugin("sub_filter", "max_match_size = '1 zb'"), "plugins.a.max_match_size"]
  ])("%j is wrong at %s", (toml, path) => {
    assert.include(refused(toml), path, "the schema")
    assert.include(found(toml), path, "loading")
  })

  it("about every text that could be a duration or a size", () => {
    const words = [
      "0",
      "1",
      "12",
      ".",
      ".5",
      "1.5",
      " ",
      "s",
      "m",
      "ms",
      "h",
      "d",
      "M",
      "kb",
      "MiB",
      "B",
      "k",
      "-",
      "x"
    ]
    const text = fc.array(fc.constantFrom(...words), { maxLength: 6 }).map((parts) => parts.join(""))
    const [duration, size] = [property("Basic", "grace_period"), property("Basic", "log_buffered_size")]
    const [isDuration, isSize] = [ajv.compile(duration), ajv.compile(size)]
    fc.assert(
      fc.property(text, (value) => {
        const parsed = Duration.parse(value)
        // What is too large or too fine is left to loading.
        if (typeof parsed === "number" || !parsed.message.startsWith("number is too large")) {
          assert.strictEqual(isDuration(value), typeof parsed === "number", `duration ${JSON.stringify(value)}`)
        }
        assert.strictEqual(isSize(value), typeof ByteSize.parse(value) === "number", `size ${JSON.stringify(value)}`)
      }),
      { numRuns: 2000 }
    )
  })
})

const definitions = schema["$defs"] as Readonly<Record<string, JsonSchema>>
const propertiesOf = (name: string): Readonly<Record<string, JsonSchema>> =>
  definitions[name]!["properties"] as Readonly<Record<string, JsonSchema>>
const property = (name: string, key: string): JsonSchema => propertiesOf(name)[key]!

const SECTIONS = {
  basic: "Basic",
  servers: "Server",
  locations: "Location",
  upstreams: "Upstream",
  certificates: "Certificate",
  storages: "Storage"
} as const

const REQUIRED: Readonly<Record<string, object>> = {
  // Any highest version goes with the lowest lowest one.
  servers: { addr: "127.0.0.1:1", tls_min_version: "tlsv1.1" },
  upstreams: { addrs: ["127.0.0.1:1"] },
  storages: { category: "x", value: "x" }
}

const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

describe("what editors show", () => {
  it.each(Object.entries(SECTIONS))("%s has exactly the keys that load, each with its meaning", (section, name) => {
    const properties = propertiesOf(name)
    assert.deepStrictEqual(Object.keys(properties).sort(), [...(KNOWN_KEYS[section as "basic"] ?? [])].sort())
    for (const [key, { description }] of Object.entries(properties)) assert.match(String(description), /[.)]$/, key)
    assert.strictEqual(definitions[name]!["additionalProperties"], false)
  })

  it.each(Object.entries(SECTIONS))("%s offers only what is right", (section, name) => {
    for (const [key, { anyOf, default: fallback, examples: shown }] of Object.entries(propertiesOf(name))) {
      const words = list(anyOf).flatMap((form) => list((form as JsonSchema)["enum"]))
      for (const value of [...(fallback === undefined ? [] : [fallback]), ...list(shown), ...words]) {
        const table = { ...REQUIRED[section], [key]: value }
        const toml = stringify({ [section]: section === "basic" ? table : { a: table } })
        assert.deepStrictEqual([refused(toml), found(toml)], [[], []], toml)
      }
    }
  })

  it.each(builtins.map((definition) => [definition.category, definition] as const))(
    "%s has its options",
    (_, plugin) => {
      const properties = propertiesOf(`Plugin.${plugin.category}`)
      const own = Object.keys((plugin.options as unknown as { fields: object }).fields)
      assert.deepStrictEqual(Object.keys(properties).sort(), ["category", "remark", "step", ...own].sort())
      for (const [key, { description }] of Object.entries(properties)) assert.isString(description, key)
    }
  )

  it("says nothing in words of our own", () => {
    assert.notInclude(JSON.stringify(schema), '"expected"')
    assert.isTrue(ajv.validateSchema(schema))
  })
})

describe("plugins of others", () => {
  it("are checked like those of the house", () => {
    const options = Schema.Struct({ size: Schema.Int.annotate({ description: "Its size." }) })
    const own = new Ajv2020().compile(
      generate([{ category: "mine", description: "Mine.", steps: ["request"], options }], ["theirs"])
    )
    const table = (inner: object): object => ({ plugins: { a: inner } })
    assert.isTrue(own(table({ category: "mine", size: 1 })))
    assert.isTrue(own(table({ category: "theirs", anything: 1 })))
    assert.isFalse(own(table({ category: "mine" })))
    assert.isFalse(own(table({ category: "mine", size: "1" })))
    assert.isFalse(own(table({ category: "mine", size: 1, sise: 1 })))
    assert.isFalse(own(table({ category: "ping" })))
  })
})
