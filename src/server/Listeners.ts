/**
 * The service that owns listening sockets and the client connections behind them.
 *
 * Follows the generations: an address that stays keeps its socket and connections and only learns of the new server,
 * a new one is bound, one that is gone stops accepting and its connections finish. A server whose new address cannot be
 * bound stays at its old one until it can. When the scope closes, nothing is
 * accepted any more, idle connections end at once, running exchanges get the grace period, then everything is cut.
 */
import * as net from "node:net"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { ConnectionOptions, Generation, ListenAddress, ServerEntry } from "../generation/Generation.ts"
import { Generations } from "../generation/Generations.ts"
import * as Address from "../model/Address.ts"
import { Defects, type ReportDefect } from "../platform/Defects.ts"
import { Timekeeper } from "../platform/Timekeeper.ts"
import type { ServerRuntime } from "../proxy/Runtime.ts"
import type { Ticker } from "../proxy/Ticker.ts"
import { type ConnectionOwner, Http1Connection } from "./Http1Connection.ts"

/** A socket that could not be bound. */
export class ListenError extends Data.TaggedError("ListenError")<{
  readonly server: string
  readonly address: string
  readonly message: string
}> {}

/** A server's socket as it was bound: the port is the real one where the configuration says 0. */
export interface BoundAddress {
  readonly server: string
  readonly host: string
  readonly port: number
}

/** A generation that the sockets have taken over, and which of its addresses they could not. */
export interface Serving {
  readonly generation: Generation
  readonly errors: ReadonlyArray<ListenError>
}

/** Completing it ends a running drain at once: a second signal, a test that does not want to wait. */
export const Hurry = Context.Reference<Deferred.Deferred<void>>("pingap/server/Hurry", {
  defaultValue: () => Deferred.makeUnsafe<void>()
})

const BACKLOG = 65_535
/** First wait before an address that was in use is tried again, and the longest. */
const RETRY_MILLIS = 1_000
const MAX_RETRY_MILLIS = 30_000
/** For connections that were cut to say so. They do at once; nothing may keep a process from its end. */
const CUT_MILLIS = 5_000

export class Listeners extends Context.Service<
  Listeners,
  {
    readonly addresses: Effect.Effect<ReadonlyArray<BoundAddress>>
    /** The generation that new requests on every socket run on, then each newer one. */
    readonly serving: Stream.Stream<Serving>
    /** Number of that generation. */
    readonly generation: Effect.Effect<number>
    /** Open client connections, for statistics and tests. */
    readonly connections: Effect.Effect<number>
  }
>()("pingap/server/Listeners") {
  static readonly layer = Layer.effect(
    Listeners,
    Effect.gen(function* () {
      const generations = yield* Generations
      const { ticker } = yield* Timekeeper
      const hurry = yield* Hurry
      const { report } = yield* Defects
      const listeners = new Map<string, Listener>()
      const retired = new Set<Listener>()

      const retire = (listener: Listener): void => {
        retired.add(listener)
        listener.retire(() => retired.delete(listener))
      }

      const bindAll = Effect.fnUntraced(function* (generation: Generation) {
        const wanted = wantedBy(generation)
        const leaving = new Map(listeners)
        const keep = (key: string, listener: Listener, entry: ServerEntry): void => {
          listeners.set(key, listener)
          listener.serve(generation, entry)
          wanted.delete(key)
        }
        // First what stays: every listener sees the new generation in the same turn.
        for (const [key, { address, entry }] of wanted) {
          const listener = leaving.get(key)
          if (listener === undefined || !Equal.equals(listener.address, address)) continue
          leaving.delete(key)
          keep(key, listener, entry)
        }
        // Then what another server takes over: the socket goes along.
        for (const [key, { address, entry }] of wanted) {
          for (const [old, listener] of leaving) {
            if (!Equal.equals(listener.address, address)) continue
            leaving.delete(old)
            listeners.delete(old)
            keep(key, listener, entry)
            break
          }
        }
        const leave = (key: string, listener: Listener): void => {
          leaving.delete(key)
          // Another one may have taken its place.
          if (listeners.get(key) === listener) listeners.delete(key)
          retire(listener)
        }
        const errors: Array<ListenError> = []
        for (const [key, { address, entry }] of wanted) {
          for (const [old, listener] of leaving) if (overlap(listener.address, address)) leave(old, listener)
          const listener = new Listener(entry, address, ticker, report)
          const bound = yield* Effect.result(listener.bind)
          if (bound._tag === "Failure") errors.push(bound.failure)
          else keep(key, listener, entry)
        }
        // A server that cannot be where it should be goes on where it was.
        for (const [key, listener] of leaving) {
          const entry = generation.servers.find(({ name }) => name === listener.label.server)
          const isStuck = errors.some(({ server }) => server === entry?.name)
          if (entry !== undefined && isStuck) listener.serve(generation, entry)
          else leave(key, listener)
        }
        return errors
      })

      // Held from this call on, while sockets are bound: the next generation may be published meanwhile.
      const apply = (generation: Generation) => {
        generation.retain()
        return Effect.uninterruptible(Effect.ensuring(bindAll(generation), Effect.sync(generation.release)))
      }

      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          for (const listener of listeners.values()) retire(listener)
          listeners.clear()
          const all = [...retired]
          const allEmpty = Effect.forEach(all, (listener) => listener.empty, {
            concurrency: "unbounded",
            discard: true
          })
          yield* allEmpty.pipe(
            Effect.timeoutOrElse({ duration: generations.current().graceMillis, orElse: () => Effect.void }),
            Effect.raceFirst(Deferred.await(hurry))
          )
          for (const listener of all) listener.cut()
          // What was cut still has to say so: in the access log, which closes after this.
          yield* Effect.timeoutOption(allEmpty, CUT_MILLIS)
        }).pipe(Effect.ignoreCause)
      )

      let applied = generations.current()
      const [first] = yield* apply(applied)
      if (first !== undefined) return yield* first
      const serving = yield* SubscriptionRef.make<Serving>({ generation: applied, errors: [] })
      let errors: ReadonlyArray<ListenError> = []
      // As a whole or not at all: what was bound is logged and told.
      const takeOver = Effect.gen(function* () {
        // Not the one that was announced, which may have been replaced and closed by now: the newest.
        const generation = generations.current()
        const isNew = generation !== applied
        const before = new Map(listeners)
        const still = yield* apply(generation)
        applied = generation
        yield* logChanges(before, listeners)
        if (isNew) for (const error of still) yield* Effect.logError(error.message, { server: error.server })
        if (isNew || still.length < errors.length) yield* SubscriptionRef.set(serving, { generation, errors: still })
        errors = still
      }).pipe(Effect.uninterruptible)
      const follow = Effect.gen(function* () {
        // An earlier announcement may have led to it already.
        if (generations.current() !== applied) yield* takeOver
        // Whoever has an address may give it back.
        for (let wait = RETRY_MILLIS; errors.length > 0; wait = Math.min(2 * wait, MAX_RETRY_MILLIS)) {
          yield* Effect.sleep(wait)
          yield* takeOver
        }
      })
      yield* generations.changes.pipe(
        // A newer generation ends the waiting for an address; it does not end the taking over itself.
        Stream.switchMap(() => Stream.fromEffectDrain(follow)),
        Stream.runDrain,
        Effect.catchCause((cause) => Effect.logError("Listeners stopped following the configuration", cause)),
        Effect.forkScoped
      )
      return {
        addresses: Effect.sync(() => [...listeners.values()].flatMap((listener) => listener.bound)),
        serving: SubscriptionRef.changes(serving),
        generation: Effect.map(SubscriptionRef.get(serving), ({ generation }) => generation.id),
        connections: Effect.sync(() => {
          let count = 0
          for (const listener of listeners.values()) count += listener.count
          for (const listener of retired) count += listener.count
          return count
        })
      }
    })
  )
}

const wantedBy = (generation: Generation) => {
  const wanted = new Map<string, { readonly entry: ServerEntry; readonly address: ListenAddress }>()
  for (const entry of generation.servers) {
    for (const address of entry.addresses) wanted.set(keyOf(entry.name, address), { entry, address })
  }
  return wanted
}

/** Whether the system would refuse to have both, as far as it can be told. */
const overlap = (a: ListenAddress, b: ListenAddress): boolean =>
  a.port === b.port && (a.port === -1 ? a.host === b.host : a.port !== 0)

const logChanges = Effect.fnUntraced(function* (
  before: ReadonlyMap<string, Listener>,
  after: ReadonlyMap<string, Listener>
) {
  const [old, now] = [new Set(before.values()), new Set(after.values())]
  const gone = [...old].filter((listener) => !now.has(listener))
  const come = [...now].filter((listener) => !old.has(listener))
  const addresses = new Set(come.map(({ label }) => `${label.server} ${label.address}`))
  for (const { label } of gone) {
    // One that was replaced at once is still there for everybody else.
    if (!addresses.has(`${label.server} ${label.address}`)) yield* Effect.logInfo("not listening any more", label)
  }
  for (const { label } of come) yield* Effect.logInfo("listening", label)
})

const keyOf = (server: string, address: ListenAddress): string => `${server} ${textOf(address)}`

const textOf = ({ host, port }: ListenAddress): string => (port === -1 ? host : Address.formatHostPort(host, port))

/** One bound address: accepts connections and knows those that are open. */
class Listener implements ConnectionOwner {
  readonly ticker: Ticker
  readonly address: ListenAddress
  readonly report: ReportDefect
  private entry: ServerEntry
  private readonly server: net.Server
  private readonly open = new Set<Http1Connection>()
  private stopped = false
  private readonly emptied = Deferred.makeUnsafe<void>()
  /** Lets go of the generation that requests run on. */
  private release: () => void = () => {}
  private onEmpty: () => void = () => {}

  constructor(entry: ServerEntry, address: ListenAddress, ticker: Ticker, report: ReportDefect) {
    this.report = report
    this.entry = entry
    this.address = address
    this.ticker = ticker
    this.server = net.createServer(
      {
        allowHalfOpen: true,
        noDelay: true,
        keepAlive: address.keepAliveMillis > 0,
        keepAliveInitialDelay: address.keepAliveMillis
      },
      (socket) => {
        const connection = new Http1Connection(socket, this)
        this.open.add(connection)
        if (this.stopped) connection.drain()
      }
    )
    this.server.maxConnections = address.maxConnections
  }

  // ---- as the owner of its connections; methods, not closures: called per request

  readonly current = (): ServerRuntime => this.entry.runtime
  readonly options = (): ConnectionOptions => this.entry.connection
  readonly draining = (): boolean => this.stopped
  readonly closed = (connection: Http1Connection): void => {
    this.open.delete(connection)
    if (this.stopped && this.open.size === 0) this.ended()
  }

  // ---- lifecycle

  readonly bind: Effect.Effect<void, ListenError> = Effect.callback((resume) => {
    const { host, ipv6Only, port, reusePort } = this.address
    const onError = (error: NodeJS.ErrnoException): void =>
      resume(
        Effect.fail(
          new ListenError({
            server: this.entry.name,
            address: textOf(this.address),
            message: explain(error, this.entry.name, textOf(this.address))
          })
        )
      )
    this.server.once("error", onError)
    this.server.listen(
      port === -1 ? { path: host, backlog: BACKLOG } : { host, port, backlog: BACKLOG, reusePort, ipv6Only },
      () => {
        this.server.off("error", onError)
        // Errors of accepting (no descriptors left) are not the end: Node goes on when there is room.
        this.server.on("error", () => {})
        resume(Effect.void)
      }
    )
    return Effect.sync(() => this.server.close())
  })

  /** New requests run on `generation`, which is held until the next one or the end. */
  serve(generation: Generation, entry: ServerEntry): void {
    const releasePrevious = this.release
    generation.retain()
    this.release = generation.release
    this.entry = entry
    releasePrevious()
  }

  /** Stops accepting; `onEmpty` is called when the last connection has ended. */
  retire(onEmpty: () => void): void {
    this.stopped = true
    this.onEmpty = onEmpty
    this.server.close()
    for (const connection of this.open) connection.drain()
    if (this.open.size === 0) this.ended()
  }

  private ended(): void {
    // Not in the middle of the last connection's end: its access-log line is still to come, and who waits goes on at once.
    queueMicrotask(() => {
      this.onEmpty()
      this.release()
      this.release = () => {}
      Deferred.doneUnsafe(this.emptied, Effect.void)
    })
  }

  get empty(): Effect.Effect<void> {
    return Deferred.await(this.emptied)
  }

  cut(): void {
    for (const connection of this.open) connection.destroy()
  }

  /** For the log. */
  get label(): { readonly server: string; readonly address: string } {
    return { server: this.entry.name, address: textOf(this.address) }
  }

  get count(): number {
    return this.open.size
  }

  get bound(): ReadonlyArray<BoundAddress> {
    const bound = this.server.address()
    if (bound === null) return []
    return typeof bound === "string"
      ? [{ server: this.entry.name, host: bound, port: -1 }]
      : [{ server: this.entry.name, host: bound.address, port: bound.port }]
  }
}

const explain = (error: NodeJS.ErrnoException, server: string, address: string): string => {
  const what = `servers.${server}.addr: cannot listen on ${address}`
  switch (error.code) {
    case "EADDRINUSE":
      return `${what}: the address is in use. Stop what listens there or choose another port`
    case "EACCES":
      return `${what}: not permitted. Ports below 1024 need privileges (CAP_NET_BIND_SERVICE)`
    case "EADDRNOTAVAIL":
      return `${what}: this machine has no such address`
    default:
      return `${what}: ${error.message}`
  }
}
