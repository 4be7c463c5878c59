/**
 * What can go wrong with one exchange, as constants: made once, compared by identity, never thrown.
 *
 * `type` is shown to clients in `X-Pingap-EType` and in error pages (spec: proxy-behaviour 12), `code` is the stable
 * name for logs and documentation, `status` is what a client gets while nothing of a response has been sent.
 */
export interface Failure {
  readonly code: string
  readonly status: number
  readonly type: string
  /** One sentence for the error page and the log; never holds addresses or client input. */
  readonly message: string
  /** The message framing of the connection can no longer be trusted: close after answering. */
  readonly closes: boolean
}

const failure = (code: string, status: number, type: string, message: string, closes = false): Failure => ({
  code,
  status,
  type,
  message,
  closes
})

// What the client did
export const badRequest = failure("request.malformed", 400, "InvalidHTTPHeader", "Bad Request", true)
export const requestTimeout = failure("request.timeout", 408, "ReadTimedout", "Request Timeout", true)
export const bodyTooLarge = failure("request.body_too_large", 413, "HTTPStatus", "Request Entity Too Large", true)
export const targetTooLong = failure("request.target_too_long", 414, "InvalidHTTPHeader", "URI Too Long", true)
export const expectationFailed = failure("request.expectation", 417, "HTTPStatus", "Expectation Failed", true)
export const headTooLarge = failure(
  "request.head_too_large",
  431,
  "InvalidHTTPHeader",
  "Request Header Fields Too Large",
  true
)
export const methodNotAllowed = failure("request.method", 405, "HTTPStatus", "Method Not Allowed", true)
export const codingNotImplemented = failure(
  "request.transfer_coding",
  501,
  "InvalidHTTPHeader",
  "Transfer coding is not implemented",
  true
)
export const versionNotSupported = failure(
  "request.version",
  505,
  "InvalidHTTPHeader",
  "HTTP Version Not Supported",
  true
)
export const clientGone = failure("client.gone", 499, "ConnectionClosed", "Client Closed Request", true)
export const clientTooSlow = failure("client.too_slow", 499, "WriteTimedout", "Client does not read the response", true)

// What the configuration or the load did
export const noLocation = failure("route.no_location", 404, "HTTPStatus", "No matching location")
export const tooManyRequests = failure("location.max_processing", 429, "HTTPStatus", "Too Many Requests")
export const noUpstream = failure("upstream.unavailable", 503, "HTTPStatus", "No available upstream")
export const upstreamBusy = failure(
  "upstream.max_connections",
  503,
  "HTTPStatus",
  "Upstream is at its connection limit"
)
export const unbuilt = failure(
  "config.unbuilt",
  503,
  "HTTPStatus",
  "This location could not be built from its configuration"
)
export const pluginFailed = failure("plugin.failed", 500, "InternalError", "A plugin failed")
export const internal = failure("internal", 500, "InternalError", "Internal Server Error")
export const shuttingDown = failure("process.stopping", 503, "HTTPStatus", "Shutting down", true)

// What the upstream did
export const connectRefused = failure(
  "upstream.connect_refused",
  502,
  "ConnectRefused",
  "Upstream refused the connection"
)
export const connectTimeout = failure(
  "upstream.connect_timeout",
  504,
  "ConnectTimedout",
  "Upstream did not accept the connection in time"
)
export const connectFailed = failure("upstream.connect_failed", 502, "ConnectError", "Upstream could not be reached")
export const tlsFailed = failure("upstream.tls", 502, "TLSHandshakeFailure", "TLS handshake with the upstream failed")
export const upstreamClosed = failure(
  "upstream.closed",
  502,
  "ConnectionClosed",
  "Upstream closed the connection early"
)
export const upstreamInvalid = failure(
  "upstream.invalid_response",
  502,
  "InvalidHTTPHeader",
  "Upstream sent an invalid response"
)
export const upstreamReadTimeout = failure(
  "upstream.read_timeout",
  504,
  "ReadTimedout",
  "Upstream did not answer in time"
)
export const upstreamWriteTimeout = failure(
  "upstream.write_timeout",
  504,
  "WriteTimedout",
  "Upstream did not read the request in time"
)
