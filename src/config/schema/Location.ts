/**
 * `[locations.<name>]`: which requests, what happens to them, where they go. Spec: config 6 and 7.
 */
import * as Schema from "effect/Schema"
import * as Values from "./Values.ts"

export const Location = Schema.Struct({
  upstream: Values.withDefault(
    Values.Text,
    "",
    "",
    "Name of the upstream, or `$name` to take it from a variable that host, path or rewrite captured."
  ),
  path: Values.withDefault(Values.Text, "", "", "Path rule: a prefix, `=/exact` or `~regex`. Empty: any path."),
  host: Values.withDefault(
    Values.Text,
    "",
    "",
    "Comma list of host rules: `example.com`, `*.example.com` or `~regex`. Empty: any host."
  ),
  match_headers: Values.optional(Values.Texts, "Header conditions, `name:value` or `name`; all of them must hold."),
  match_query: Values.optional(Values.Texts, "Query conditions, `name:value` or `name`; all of them must hold."),
  match_cookies: Values.optional(Values.Texts, "Cookie conditions, `name:value` or `name`; all of them must hold."),
  proxy_set_headers: Values.optional(
    Values.HeaderLines,
    "Request headers to set towards the upstream, `Name: value`; the value may be a variable such as `$host`."
  ),
  proxy_add_headers: Values.optional(
    Values.HeaderLines,
    "Request headers to append towards the upstream, `Name: value`."
  ),
  enable_reverse_proxy_headers: Values.flagKey(
    false,
    "Whether `X-Real-IP`, `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Host` and `X-Forwarded-Port` are set."
  ),
  rewrite: Values.optional(Values.Text, "Path rewriting, `<regex> <replacement>`; `$1` and `$name` are captures."),
  weight: Values.optional(Values.U16, "Rank among the locations of a server. Unset: computed from path and host."),
  plugins: Values.optional(Values.Texts, "Names of plugins, in the order in which they run."),
  client_max_body_size: Values.sizeKey(0, "Largest request body; 0 is unlimited. Beyond it: 413."),
  max_processing: Values.withDefault(
    Values.integer(-2_147_483_648, 2_147_483_647),
    0,
    0,
    "Requests in progress at a time; 0 is unlimited. Beyond it: 429."
  ),
  grpc_web: Values.flagKey(false, "Whether gRPC-Web requests are converted; the server needs the module `grpc-web`."),
  max_retries: Values.optional(Values.U8, "Further attempts after a failed connect."),
  max_retry_window: Values.optional(Values.Duration, "Time since the request started after which nothing is retried."),
  includes: Values.optional(
    Values.Texts,
    "Names of storages whose keys are inserted here, over keys of the same name."
  ),
  remark: Values.optional(Values.Text, "Free text.")
}).annotate({ identifier: "Location", description: "A route: conditions, plugins and an upstream." })

/** `[locations.<name>]`, decoded: durations in milliseconds, sizes in bytes. */
export type LocationConf = typeof Location.Type
