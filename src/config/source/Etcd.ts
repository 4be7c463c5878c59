/**
 * Configuration in etcd: a document per item below a key prefix, `<prefix>/upstreams/api.toml`, where Pingap keeps it
 * too. Processes of both may share it.
 *
 * It speaks the JSON gateway of etcd 3.4 and newer over plain HTTP connections of its own. What it gives:
 *
 * - Reads see all documents at one revision. An unchanged document keeps its identity.
 * - Changes below `<prefix>/` are announced within a fraction of a second, whatever becomes of connections, members,
 *   tokens and compacted revisions meanwhile. While etcd is away the last configuration stays.
 * - A commit replaces what its author has seen, or fails. Up to 128 operations it is one transaction; see `Commits.ts`
 *   for larger ones. With `enable_history=true` replaced texts go to `<prefix>-history/<key>/<revision>-<seconds>`.
 *
 * TLS is `tls=true`, with `ca`, `cert`, `key` as paths of PEM files, `server_name` and, against all advice,
 * `tls_verify=false`. User and password may be `$ENV:NAME`. etcd's gateway does not take users from client
 * certificates. Spec: config 1.3.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Environment } from "../../platform/Environment.ts"
import { ConfigSource, ConfigSourceError } from "../ConfigSource.ts"
import { ConfigStore } from "../ConfigStore.ts"
import * as Burst from "./Burst.ts"
import * as Changes from "./etcd/Changes.ts"
import * as Client from "./etcd/Client.ts"
import * as Commits from "./etcd/Commits.ts"
import * as Documents from "./etcd/Documents.ts"
import * as EtcdUrl from "./etcd/EtcdUrl.ts"
import * as Transport from "./etcd/Transport.ts"

export interface EtcdOptions {
  /**
   * Time between two checks that nothing was missed, `auto_restart_check_interval` for example. A check is one small
   * question; the default is also the longest: 10 s.
   */
  readonly checkMillis?: number
  /** Most documents that one answer of etcd brings. Default: 500. */
  readonly pageSize?: number
}

const MAX_CHECK_MILLIS = 10_000
const PAGE_SIZE = 500

/** The source and the store at an address. Nothing is asked before the first read. */
export const layer = (
  url: string,
  options: EtcdOptions = {}
): Layer.Layer<ConfigSource | ConfigStore, ConfigSourceError> => Layer.effectContext(make(url, options))

const make = (
  text: string,
  options: EtcdOptions
): Effect.Effect<Context.Context<ConfigSource | ConfigStore>, ConfigSourceError, Scope.Scope> =>
  Effect.gen(function* () {
    const { env } = yield* Environment
    const url = EtcdUrl.parse(text, env)
    if (url instanceof EtcdUrl.EtcdUrlError) {
      const { hint, message } = url
      return yield* new ConfigSourceError({ file: EtcdUrl.SCHEME, message, hint })
    }
    yield* warn(url)
    const { place, prefix } = url
    const transport = yield* Transport.make({ tls: url.tls, connectTimeoutMillis: url.connectTimeoutMillis, place })
    const client = yield* Client.make(transport, url)
    const pageSize = options.pageSize ?? PAGE_SIZE
    const documents = yield* Documents.make({ client, prefix, place, pageSize })
    const commits = { client, documents, prefix, place, history: url.history }

    const watched: Changes.Watched = {
      ...documents,
      watch: (start, onAnswer) => client.watch(`${prefix}/`, start, onAnswer)
    }
    const checkMillis = Math.min(MAX_CHECK_MILLIS, options.checkMillis ?? MAX_CHECK_MILLIS)
    const following = { place, checkMillis, timeoutMillis: url.timeoutMillis }
    const changes = Stream.callback<void>(
      (queue) =>
        Effect.gen(function* () {
          const signals = yield* Queue.sliding<void>(1)
          return yield* Effect.raceFirst(
            Changes.follow(watched, following, () => Queue.offerUnsafe(signals, undefined)),
            Burst.follow(signals, Queue.offer(queue, undefined))
          )
        }).pipe(Effect.annotateLogs({ category: "config" })),
      { bufferSize: 1, strategy: "sliding" }
    )

    return Context.make(ConfigSource, { read: documents.read, changes }).pipe(
      Context.add(ConfigStore, {
        place,
        layout: "by-item",
        read: documents.read,
        commit: (writes) => Commits.commit(commits, writes),
        history: url.history ? (key) => Commits.history(commits, key) : null
      })
    )
  })

/** What works and should not stay as it is. */
const warn = ({ credentials, endpoints, ignored, place, tls }: EtcdUrl.EtcdUrl): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (ignored > 0) {
      const known = EtcdUrl.PARAMETERS.join(", ")
      yield* Effect.logWarning("unknown parameters in the address of etcd are ignored", {
        place,
        count: ignored,
        known
      })
    }
    if (tls !== null && !tls.verify) {
      yield* Effect.logWarning("tls_verify=false: whoever answers counts as etcd", { place })
    }
    if (tls === null && credentials !== null && !endpoints.every(({ host }) => isLoopback(host))) {
      yield* Effect.logWarning("the password for etcd crosses the network in the clear, tls=true protects it", {
        place
      })
    }
  }).pipe(Effect.annotateLogs({ category: "config" }))

const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || /^127\./.test(host)
