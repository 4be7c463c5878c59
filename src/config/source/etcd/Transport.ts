/**
 * Requests to one endpoint of etcd, over connections that are kept: one answer at a time, or a stream of lines.
 *
 * Owns the sockets and, with TLS, the files: they are read when the transport is made, where a mistake is an error, and
 * again after a failed connection, because certificates are renewed while a proxy runs. Everything that arrives is
 * bounded. A failure says whether the request may have been carried out all the same.
 */
import * as http from "node:http"
import * as https from "node:https"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { ConfigSourceError } from "../../ConfigSource.ts"
import type { Unreachable } from "./EtcdError.ts"
import type { Endpoint, TlsSettings } from "./EtcdUrl.ts"
import { type Answer, type OnLine, RoundTrip, TCP_KEEPALIVE_MILLIS } from "./RoundTrip.ts"
import * as TlsFiles from "./TlsFiles.ts"

export interface Call {
  readonly path: string
  readonly body: string
  readonly token: string | null
}

export interface Transport {
  /** Asks once. */
  readonly post: (endpoint: Endpoint, call: Call) => Effect.Effect<Answer, Unreachable>
  /**
   * Asks, and hands over the JSON value of each line. The end of the stream is a failure; `onLine` ends it by returning
   * an error. It succeeds only with an answer that is no stream.
   */
  readonly stream: <E>(endpoint: Endpoint, call: Call, onLine: OnLine<E>) => Effect.Effect<Answer, Unreachable | E>
}

export interface TransportOptions {
  readonly tls: TlsSettings | null
  readonly connectTimeoutMillis: number
  /** Name of the configuration's place for errors about files. */
  readonly place: string
}

const MAX_SOCKETS = 16

/** Makes a transport whose connections end with the scope. */
export const make = (options: TransportOptions): Effect.Effect<Transport, ConfigSourceError, Scope.Scope> =>
  Effect.gen(function* () {
    const { tls: settings } = options
    let secure = settings === null ? null : yield* TlsFiles.load(options.place, settings)
    const agentOptions = { keepAlive: true, keepAliveMsecs: TCP_KEEPALIVE_MILLIS, maxSockets: MAX_SOCKETS }
    const agent = yield* Effect.acquireRelease(
      Effect.sync(() => (secure === null ? new http.Agent(agentOptions) : new https.Agent(agentOptions))),
      (made) => Effect.sync(() => made.destroy())
    )
    const ask = <E>(endpoint: Endpoint, call: Call, onLine: OnLine<E> | null): Effect.Effect<Answer, Unreachable | E> =>
      Effect.callback<Answer, Unreachable | E>((resume) => {
        const open = (): http.ClientRequest => {
          const common: http.RequestOptions = {
            agent,
            host: endpoint.host,
            port: endpoint.port,
            method: "POST",
            path: call.path,
            headers: {
              "content-type": "application/json",
              "content-length": Buffer.byteLength(call.body),
              ...(call.token === null ? undefined : { authorization: call.token }),
              // A member that has lost its cluster ends the stream instead of staying silent.
              ...(onLine === null ? undefined : { "grpc-metadata-hasleader": "true" })
            }
          }
          return secure === null ? http.request(common) : https.request({ ...common, ...secure })
        }
        const started = new RoundTrip<E>(endpoint, options.connectTimeoutMillis, onLine, resume)
        started.start(open, call.body)
        return Effect.sync(() => started.abort())
      })
    // Read anew before the first request after a failure; files that are just being replaced are read the next time.
    let failed = false
    const renew = Effect.suspend(() =>
      settings === null || !failed
        ? Effect.void
        : Effect.ignore(Effect.map(TlsFiles.load(options.place, settings), (loaded) => void (secure = loaded)))
    )
    const start = <E>(endpoint: Endpoint, call: Call, onLine: OnLine<E> | null) =>
      Effect.andThen(renew, ask(endpoint, call, onLine)).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            failed = !Exit.isSuccess(exit)
          })
        )
      )
    return {
      post: (endpoint, call) => start<never>(endpoint, call, null),
      stream: start
    }
  })
