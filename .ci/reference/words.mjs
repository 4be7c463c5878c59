// What the reference pages say beyond the annotations of the schemas: remedies, examples, and which keys do something
// in this version. The generator refuses to run when one of these tables and the program disagree about what exists.

/** Keys that are read and checked, and change nothing in this version. `*`: all keys of the section. */
export { WITHOUT_EFFECT } from "../../src/config/Unsupported.ts"

/** Keys that do only part of what their meaning says. */
export const PARTLY = {
  basic: {
    name: "Notifications carry it.",
    webhook:
      "http or https, with user and password in it if need be. See [webhooks](../guide/configuration.md#webhooks).",
    webhook_notifications:
      'In this version `"diff_config"`, `"reload_config"` and `"reload_config_fail"` occur; the other categories are accepted.',
    log_buffered_size: "For `--log <file>` only."
  },
  servers: {
    global_certificates: "TLS is not there yet: a server with `true` is not started, and the log says so."
  },
  locations: {
    max_retries: "Never more than 16 attempts in total."
  },
  upstreams: {
    discovery:
      "In this version names are resolved by the system on each connect, and with `docker` or `transparent` the locations of the upstream answer 503.",
    algo: "In this version anything but `round_robin` falls back to it with a warning.",
    alpn: "In this version `H2H1` speaks HTTP/1.1, and with `H2` the locations of the upstream answer 503.",
    enable_tracer: "The count is `{:upstream_connected}` of the access log."
  },
  plugins: {
    step: "Has an effect where the page of the plugin lists a choice."
  },
  certificates: {},
  storages: {
    category: "A storage may be included whatever its category is.",
    secret: "`$ENV:NAME` is the content of a variable. See [secrets](../guide/configuration.md#secrets)."
  }
}

/** What each section is for, in front of its table. */
export const SECTIONS = {
  basic:
    "What concerns the whole process. One table, `[basic]`. All of it is followed while the process runs, except what [needs a restart](../guide/configuration.md#what-needs-a-restart).",
  servers: "Addresses to listen on, and the locations behind them. One table a server, `[servers.<name>]`.",
  locations:
    "Which requests, what happens to them, and where they go: `[locations.<name>]`. A server asks its locations in descending order of `weight`; the first that matches takes the request.",
  upstreams: "Named groups of backends: `[upstreams.<name>]`.",
  plugins:
    "Instances of plugins: `[plugins.<name>]`. `category` names the implementation; the other keys are its options, see [plugins](plugins/README.md). A location lists instances by name. `pingap:ping` and `pingap:requestId` exist without configuration.",
  certificates:
    "Certificates: `[certificates.<name>]`. Read and checked, with the files that they name, so that a Pingap configuration loads; TLS listeners are not there yet.",
  storages:
    "Pieces of text that servers, locations and upstreams include: `[storages.<name>]`. The `value` of an included storage is TOML, its keys go into the table that includes it, over keys of the same name. It may be encrypted."
}

/** Where an option of a plugin is ours and unknown to Pingap. */
export const OWN_OPTIONS = { directory: ["dot_files"], sub_filter: ["max_match_size"] }

/** What a plugin's page says behind the table of options, and the example it shows. */
export const PLUGINS = {
  basic_auth: {
    notes: [
      "No `Authorization`: 401 at once. A wrong one, or more than one: 401 after `delay`. Both carry `WWW-Authenticate: Basic`.",
      "Every candidate is compared, as a digest, so that the time taken tells nothing.",
      "`printf 'admin:secret' | base64` makes an entry."
    ],
    example: `[plugins.login]
category = "basic_auth"
authorizations = ["YWRtaW46c2VjcmV0"] # admin:secret
delay = "1s"
hide_credentials = true

[locations.private]
path = "/private"
plugins = ["login"]`
  },
  directory: {
    notes: [
      "`GET` and `HEAD` only, anything else is 405. Conditional requests and single byte ranges are answered (RFC 9110 13 and 14).",
      "A path is decoded once. What would leave the directory is 403; a name that begins with a dot is 404 unless `dot_files` says otherwise.",
      "Use `rewrite` to take a prefix off before the file is looked up."
    ],
    example: `[plugins.files]
category = "directory"
path = "conf/www"
autoindex = true
max_age = "1h"

[locations.files]
path = "/files"
rewrite = "^/files/?(.*)$ /$1"
plugins = ["files"]`
  },
  mock: {
    notes: [
      "Fields that frame a message (`Content-Length`, `Transfer-Encoding`, `Connection` and their like) are left out with a notice.",
      "204 and 304 are sent without a body."
    ],
    example: `[plugins.maintenance]
category = "mock"
status = 503
headers = ["Content-Type: text/plain", "Retry-After: 600"]
data = "back in ten minutes\\n"

[locations.shop]
path = "/shop"
plugins = ["maintenance"]`
  },
  ping: {
    notes: ["The instance `pingap:ping` answers `/ping` and needs no configuration."],
    example: `[plugins.alive]
category = "ping"
path = "/healthz"

[locations.alive]
path = "/healthz"
plugins = ["alive"]`
  },
  redirect: {
    notes: [
      "The target is absolute and its host is the request's. Give the location a `host`: one that takes every host redirects to every host.",
      "A port is kept only where the scheme stays the same.",
      "A request without a usable host is 400."
    ],
    example: `[plugins.toHttps]
category = "redirect"
http_to_https = true
status = 301

[locations.http]
host = "example.com"
plugins = ["toHttps"]`
  },
  request_id: {
    notes: [
      "An id that the client sends is kept when it consists of letters, digits and `._~:@/+=-`, cut to 128 characters; any other is replaced.",
      "The id goes to the upstream as `header_name`, to the client as `X-Request-Id` on proxied responses, and into the access log as `{request_id}`.",
      "The instance `pingap:requestId` needs no configuration."
    ],
    example: `[plugins.id]
category = "request_id"
algorithm = "nanoid"
size = 12

[upstreams.api]
addrs = ["127.0.0.1:5000"]

[locations.api]
upstream = "api"
plugins = ["id"]`
  },
  response_headers: {
    notes: [
      "The operations run in the order of the table, whatever the order in the file. Values may be [dynamic](../configuration.md#dynamic-values); one without a value leaves its field out.",
      "Proxied responses only: a response that a plugin makes does not pass here.",
      "There is no cache yet, so the two modes differ in their place only."
    ],
    example: `[plugins.headers]
category = "response_headers"
set_headers = ["X-Served-By: $hostname"]
set_headers_not_exists = ["Cache-Control: no-cache"]
remove_headers = ["X-Powered-By"]

[upstreams.api]
addrs = ["127.0.0.1:5000"]

[locations.api]
upstream = "api"
plugins = ["headers"]`
  },
  sub_filter: {
    notes: [
      "Bodies stream: only what may still become a match is held back.",
      "Coded bodies (`Content-Encoding`), 204 and 206 are left alone. Of a rewritten response `Content-Length`, digests and `Accept-Ranges` are removed, a strong `ETag` becomes weak.",
      "In the replacement of `subs_filter`, `$1` and `$name` are captures and `$$` is a dollar sign."
    ],
    example: `[plugins.links]
category = "sub_filter"
filters = [
  "sub_filter 'http://internal.example.com' 'https://example.com' g",
  "subs_filter 'v(\\\\d+)\\\\.example\\\\.com' 'example.com/v$1' ig"
]
status_codes = "200"

[upstreams.site]
addrs = ["127.0.0.1:5000"]

[locations.site]
upstream = "site"
plugins = ["links"]`
  }
}

/** What to do about each failure. */
export const REMEDIES = {
  "request.malformed":
    "The client's message is not valid HTTP/1, or has two readings (two lengths, a folded line, a bare line feed, a bad Host). Also: a rewrite whose captured text is no path. Fix the client; look at what it really sends, e.g. with `curl -v`.",
  "request.timeout":
    "A head or a body came too slowly. Limits: `header_read_timeout`, `header_idle_timeout`, `downstream_read_timeout` of the server.",
  "request.body_too_large": "The body is larger than `client_max_body_size` of the location.",
  "request.target_too_long": "The request line is longer than `max_field_size` of the server.",
  "request.expectation": "The client sent an `Expect` other than `100-continue`.",
  "request.head_too_large":
    "The head is larger than `max_head_size`, one field is larger than `max_field_size`, or there are more than `max_header_count` fields, or names in `Connection`. Usually cookies.",
  "request.method": "`CONNECT` and `TRACE` are not served.",
  "request.transfer_coding": "The client sent a transfer coding other than `chunked`.",
  "request.version": "The client speaks an HTTP version other than 1.0 and 1.1.",
  "client.gone":
    "The client closed before its response was complete. The access log has 499, or the status of the response that had begun. Many of them: look at latency.",
  "client.too_slow": "The client did not read its response for `downstream_write_timeout`. The connection is cut.",
  "route.no_location":
    "No location of the server matches host, path and conditions. Add one without `host` and `path` to catch the rest.",
  "location.max_processing": "The location has `max_processing` requests in progress already.",
  "upstream.unavailable":
    "The location has no upstream, the upstream could not be built (see the log), or a `$variable` named none.",
  "upstream.max_connections": "All connections that `max_connections` of the upstream allows are in use.",
  "config.unbuilt":
    "The location names a plugin that does not exist or could not be built. The log said so when the configuration was applied; `pingap -t` says it again.",
  "plugin.failed":
    "A hook of a plugin threw, failed, or returned something that is no answer. The log has the plugin's name and the cause.",
  internal: "A defect of the program. Please report it with the log.",
  "process.stopping": "The request waited in a plugin when its generation ended, because the process stops.",
  "upstream.connect_refused": "Nothing listens at the backend's address. Is it running, is the port right?",
  "upstream.connect_timeout":
    "The backend did not accept within `connection_timeout`. Firewall, or a full accept queue.",
  "upstream.connect_failed":
    "The name does not resolve, or there is no route. See `{:upstream_addr}` in the access log.",
  "upstream.tls":
    "The TLS handshake failed: an untrusted or expired certificate, a wrong `sni`, or a backend that does not speak TLS. `NODE_EXTRA_CA_CERTS` adds a private authority.",
  "upstream.closed": "The backend closed the connection in the middle of a message. Look at its log.",
  "upstream.invalid_response":
    "The backend's answer is not valid HTTP/1, or its head is larger than 64 KiB or 200 fields.",
  "upstream.read_timeout": "The backend was silent for `read_timeout`.",
  "upstream.write_timeout": "The backend did not read the request for `write_timeout`."
}

/** Tags of access-log formats. */
export const TAGS = {
  host: "host of the request, without port",
  method: "method",
  path: "path that was matched, after rewriting",
  query: "query without `?`",
  uri: "target as it goes upstream: what the client sent, unless a rewrite changed it",
  proto: "`HTTP/1.0`, `HTTP/1.1`, `HTTP/2.0`",
  scheme: "`http` or `https`",
  remote: "address of the TCP peer",
  client_ip: "address of the client: the right-most of `X-Forwarded-For` that is no trusted proxy, else the peer",
  referer: "`Referer`",
  user_agent: "`User-Agent`",
  when: "local time, `2025-01-31T10:20:30.123+08:00`",
  when_utc_iso: "UTC, `2025-01-31T02:20:30.123Z`",
  when_unix: "Unix time in milliseconds",
  status: "status of the response; 499 when the client left before it began",
  size: "bytes of the response body that were sent",
  size_human: "the same as `1.5KB`",
  latency: "milliseconds from the parsed head to the end of the response",
  latency_human: "the same as `1.5s`",
  payload_size: "bytes of the request body that were read",
  payload_size_human: "the same as `1.5KB`",
  request_id: "id from the [request_id](plugins/request_id.md) plugin"
}

/** Keys of `{:key}`. */
export const CONTEXT = {
  connection_id: "number of the client's connection",
  connection_reused: "`true` from the second request of a connection on",
  tls_version: "TLS version of the client's connection",
  tls_cipher: "its cipher suite",
  location: "name of the location",
  processing: "requests in progress on the server when this one began, itself included",
  upstream_addr: "address of the backend",
  upstream_reused: "`true` when the connection to the backend had served before",
  upstream_status: "status of the backend's response, `-` when there is none",
  failure: "stable name of what went wrong, see [errors](errors.md); not in Pingap",
  upstream_connected: "open connections of the upstream when its backend was chosen, with `enable_tracer`",
  compression_ratio: "bytes in by bytes out",
  connection_time: "age of the client's connection when the request began",
  tls_handshake_time: "TLS handshake of the client, first request of a connection only",
  upstream_connect_time: "from the choice of a backend to a ready connection",
  upstream_tcp_connect_time: "TCP connect, new connections only",
  upstream_tls_handshake_time: "TCP connect and TLS handshake, new TLS connections only",
  upstream_processing_time: "from the ready connection to the response head",
  upstream_response_time: "from the response head to the end of the response",
  upstream_connection_time: "age of the connection to the backend when it was taken",
  cache_lookup_time: "for the cache, not there yet",
  cache_lock_time: "for the cache, not there yet",
  compression_time: "for compression, not there yet",
  service_time: "from the parsed head to now, the same clock as `{latency}`"
}
