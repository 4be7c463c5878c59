/**
 * The JSON Schema of the configuration, for editors that complete and check TOML: generated from the very schemas that
 * decode it, with what those say in words (a duration, a size, a choice) as patterns and lists of words.
 *
 * It refuses what loading refuses or warns about, as far as one value shows it; what needs the rest of the document, a
 * name that nothing has, stays with `-t`. It accepts everything that loads without a finding. Spec: config 2 to 11.
 */
import * as Schema from "effect/Schema"
import { ConfigSchema, NAMED_SECTIONS } from "./ConfigSchema.ts"
import { NOTIFICATIONS } from "./schema/Basic.ts"
import { MODULES, TLS_VERSIONS } from "./schema/Server.ts"
import { ALPN, DISCOVERY } from "./schema/Upstream.ts"

/** A JSON Schema, or a part of one. */
export interface JsonSchema {
  readonly [keyword: string]: unknown
}

/** What the schema tells about a plugin. A plugin's definition is one. */
export interface PluginSchema {
  readonly category: string
  readonly description: string
  /** Steps that its `step` may name. */
  readonly steps: ReadonlyArray<string>
  readonly options: Schema.Constraint
}

/**
 * The schema of a document (dialect 2020-12) with the given plugins. `later` are categories whose options nobody knows
 * here; any other category is refused.
 */
export const generate = (plugins: ReadonlyArray<PluginSchema>, later: Iterable<string> = []): JsonSchema => {
  const { definitions, schema } = compile(ConfigSchema)
  const { PingapConfig, Plugin, ...sections } = definitions
  const $defs: Record<string, JsonSchema> = { Name: ITEM_NAME }
  for (const [name, section] of Object.entries(sections)) $defs[name] = withIncludes(withWords(name, section))
  const common = objectOf(Plugin?.["properties"])
  $defs["Plugin"] = anyPlugin(Plugin ?? {}, plugins, later)
  for (const plugin of plugins) {
    const options = compile(plugin.options)
    $defs[`Plugin.${plugin.category}`] = onePlugin(plugin, options.schema, common)
    Object.assign($defs, options.definitions)
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Configuration of pingap-effect",
    ...withNames(PingapConfig ?? schema),
    $defs
  }
}

const compile = (
  schema: Schema.Constraint
): { schema: JsonSchema; definitions: Readonly<Record<string, JsonSchema>> } => {
  const document = Schema.toJsonSchemaDocument(schema, {
    onExcessProperty: "error",
    includeAnnotationKey: (key) => key === "expected"
  })
  const definitions = Object.entries(document.definitions).map(([name, definition]) => [name, refined(definition)])
  return { schema: refined(document.schema), definitions: Object.fromEntries(definitions) }
}

// ---- values

/** A schema and those inside of it, with what `expected` says in the words of JSON Schema. */
const refined = (schema: JsonSchema): JsonSchema => {
  const { expected, ...flat } = flattened(schema)
  const inner: Record<string, unknown> = {}
  for (const [keyword, value] of Object.entries(flat)) {
    // Names of properties are no keywords, and a default is no schema.
    if (keyword === "properties") inner[keyword] = mapped(objectOf(value), refined)
    else if (Array.isArray(value)) inner[keyword] = value.map((item) => (isObject(item) ? refined(item) : item))
    else inner[keyword] = isObject(value) ? refined(value) : value
  }
  return typeof expected === "string" ? spelledOut(inner, expected) : inner
}

/** Checks stand in a list of their own; a reader wants them, and the description, next to the type. */
const flattened = (schema: JsonSchema): JsonSchema => {
  const { allOf, ...own } = schema
  if (!Array.isArray(allOf) || !allOf.every((part) => isObject(part) && !("type" in part))) return schema
  const merged: Record<string, unknown> = Object.assign({}, own, ...allOf)
  const numbers = (keyword: string): Array<number> =>
    [own, ...allOf].map((part) => part[keyword]).filter((value) => typeof value === "number")
  delete merged["minimum"]
  delete merged["maximum"]
  const minimum = Math.max(...numbers("minimum"))
  const maximum = Math.min(...numbers("maximum"))
  // Where integers stop being exact is no bound that anybody set.
  if (minimum > Number.MIN_SAFE_INTEGER) merged["minimum"] = minimum
  if (maximum < Number.MAX_SAFE_INTEGER) merged["maximum"] = maximum
  return merged
}

const spelledOut = (schema: JsonSchema, expected: string): JsonSchema => {
  if (expected.startsWith("a duration")) {
    // Plugins take an empty text for an absent one.
    const pattern = expected.startsWith("a duration such") ? `^$|${DURATION}` : DURATION
    return { ...schema, pattern, examples: ["500ms", "10s", "1m 30s", "2days"] }
  }
  if (expected.startsWith("bytes as") && Array.isArray(schema["anyOf"])) {
    const forms = schema["anyOf"].map((form) => (form.type === "string" ? { ...form, pattern: SIZE } : form))
    return { ...schema, anyOf: forms, examples: [8192, "10kb", "1.5 MiB"] }
  }
  if (expected.startsWith("a list of headers")) {
    return { ...schema, items: { type: "string", pattern: HEADER, examples: ["X-Name: value", "X-Host: $host"] } }
  }
  return schema
}

// The patterns are those of the grammars in `model/`, but for sums and fractions that are too large or too fine. They
// keep to what the engines of JavaScript and Rust share, because editors have either.
const UNITS =
  "ns|nsec|nanos|us|usec|µs|ms|msec|millis|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?|M|months?|y|yrs?|years?"
const DURATION = `^(?:0|\\s*(?:\\d+(?:\\.\\d+)?\\s*(?:${UNITS})\\s*)+)$`
const SIZE = "^(?:\\d+|(?:\\d+\\.?\\d*|\\.\\d+)\\s*(?:[bB]|[kKmMgGtTpPeE][iI]?[bB]?))$"
const NAME = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const HEADER = `^\\s*${NAME}\\s*:\\s*[\\t\\u0020-\\u007e\\u0080-\\u00ff]*\\s*$`
const STATUS = "\\s*(?:[1-9]\\d\\d)?\\s*"

// ---- keys

/** One of some words. Editors offer `offered`; case and blanks around a word do not matter. */
const oneOf = (offered: ReadonlyArray<string>, words: Iterable<string> = offered): JsonSchema => ({
  anyOf: [{ enum: offered }, { pattern: `^\\s*(?:${[...words].map(inAnyCase).join("|")})\\s*$` }]
})

const inAnyCase = (word: string): string =>
  word.replaceAll(".", "\\.").replace(/[A-Za-z]/g, (letter) => `[${letter.toLowerCase()}${letter.toUpperCase()}]`)

const TLS_VERSION = oneOf(["tlsv1.2", "tlsv1.3", "tlsv1.1"], Object.keys(TLS_VERSIONS))

/** What the schemas of some keys leave to validation, or do not say as a list of words. */
const WORDS: Readonly<Record<string, Readonly<Record<string, JsonSchema>>>> = {
  Basic: {
    webhook: { pattern: "^\\s*$|^\\s*[hH][tT][tT][pP][sS]?://[^/]", examples: ["https://hooks.example.net/pingap"] },
    webhook_notifications: { items: { type: "string", enum: NOTIFICATIONS } },
    webhook_type: oneOf(["wecom", "dingtalk", "normal"], ["wecom", "dingtalk", "normal", ""]),
    log_level: { examples: ["info", "warn", "debug", "info,pingap::proxy=debug"] },
    log_compress_algorithm: oneOf(["gzip", "zstd"], ["gzip", "zstd", ""]),
    log_compress_time_point_hour: { maximum: 23 }
  },
  Server: {
    addr: { examples: ["0.0.0.0:80", "0.0.0.0:443,[::]:443"] },
    access_log: { examples: ["combined", "common", "short", "tiny", "{client_ip} {method} {uri} {status}"] },
    tls_min_version: TLS_VERSION,
    tls_max_version: TLS_VERSION,
    modules: { items: { type: "string", enum: MODULES } }
  },
  Location: {
    path: { examples: ["/api", "=/api/health", "~^/api/v(?<version>\\d+)/"] },
    host: { examples: ["example.com", "*.example.com,example.com", "~^(?<tenant>\\w+)\\.example\\.com$"] },
    rewrite: { examples: ["^/api/(.*)$ /$1"] }
  },
  Upstream: {
    addrs: { examples: [["10.0.0.1:8080", "10.0.0.2:8080 3"]] },
    discovery: oneOf(["static", "dns", "docker", "transparent"], Object.keys(DISCOVERY)),
    algo: {
      pattern: `^(?:|round_robin|hash|hash:(?:ip|url|path)(?::.*)?|hash:header:${NAME}(?::.*)?|hash:(?:cookie|query):[^:]+(?::.*)?)$`,
      examples: [
        "round_robin",
        "hash:ip",
        "hash:path",
        "hash:url",
        "hash:header:x-id",
        "hash:cookie:id",
        "hash:query:id"
      ]
    },
    alpn: oneOf(Object.values(ALPN)),
    health_check: { examples: ["http://name/path?check_frequency=10s&failure=3", "tcp://name", "grpc://name"] },
    backend_failure_status_code: { pattern: `^${STATUS}(?:,${STATUS})*$`, examples: ["500,502,503"] }
  },
  Certificate: {
    dns_provider: oneOf(
      ["ali", "cf", "tencent", "huawei", "manual"],
      ["ali", "aliyun", "cf", "cloudflare", "tencent", "huawei", "manual", ""]
    )
  },
  Storage: {
    category: { examples: ["config", "secret"] }
  }
}

const withWords = (name: string, section: JsonSchema): JsonSchema => {
  const words = WORDS[name] ?? {}
  const properties = mapped(objectOf(section["properties"]), (property, key) => ({ ...property, ...words[key] }))
  return { ...section, properties }
}

/** Keys that a section asks for may come from an include. */
const withIncludes = (section: JsonSchema): JsonSchema => {
  const { required, ...rest } = section
  if (required === undefined || !("includes" in objectOf(section["properties"]))) return section
  // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
  return { ...rest, if: { not: { required: ["includes"] } }, then: { required } }
}

const withNames = (document: JsonSchema): JsonSchema => ({
  ...document,
  properties: mapped(objectOf(document["properties"]), (property, key) =>
    NAMED_SECTIONS.some((section) => section === key)
      ? { ...property, propertyNames: { $ref: "#/$defs/Name" } }
      : property
  )
})

/** Names of items end up in names of files. */
const ITEM_NAME: JsonSchema = {
  type: "string",
  minLength: 1,
  pattern: "^[^/\\\\\\u0000]*$",
  not: { enum: [".", ".."] }
}

// ---- plugins

/** The table of some plugin: its category decides which keys it has. */
const anyPlugin = (base: JsonSchema, plugins: ReadonlyArray<PluginSchema>, later: Iterable<string>): JsonSchema => {
  const categories = plugins.map(({ category }) => category)
  const { category, ...common } = objectOf(base["properties"])
  const { minLength: _, ...word } = category ?? {}
  return {
    type: "object",
    description: base["description"],
    properties: { category: { ...word, enum: [...new Set([...categories, ...later])].sort() }, ...common },
    required: ["category"],
    allOf: categories.map((name) => ({
      if: { properties: { category: { const: name } }, required: ["category"] },
      // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
      then: { $ref: referenceTo(name) }
    })),
    // Always fulfilled: editors that offer nothing from conditions offer the options from here.
    anyOf: [...categories.map((name) => ({ $ref: referenceTo(name) })), {}]
  }
}

const referenceTo = (category: string): string => `#/$defs/Plugin.${category}`

const onePlugin = (
  { category, description, steps }: PluginSchema,
  options: JsonSchema,
  common: Readonly<Record<string, JsonSchema>>
): JsonSchema => ({
  type: "object",
  description,
  properties: {
    ...common,
    category: { const: category, description: common["category"]?.["description"] },
    step: { ...common["step"], enum: [...steps, ""] },
    ...objectOf(options["properties"])
  },
  required: ["category", ...(Array.isArray(options["required"]) ? options["required"] : [])],
  additionalProperties: options["additionalProperties"] ?? false
})

// ---- objects

const isObject = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const objectOf = (value: unknown): Readonly<Record<string, JsonSchema>> =>
  isObject(value) ? (value as Readonly<Record<string, JsonSchema>>) : {}

const mapped = (
  schemas: Readonly<Record<string, JsonSchema>>,
  change: (schema: JsonSchema, key: string) => JsonSchema
): Record<string, JsonSchema> =>
  Object.fromEntries(Object.entries(schemas).map(([key, schema]) => [key, change(schema, key)]))
