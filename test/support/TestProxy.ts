/**
 * A whole proxy: the layers of the application on real sockets, with a configuration in memory that can be replaced,
 * and an application log that a test can read. Access logs without a file are INFO lines of it.
 *
 * {@link layer} is for tests written as effects, {@link TestProxy} for those that speak bytes.
 */
import * as net from "node:net"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as App from "../../src/App.ts"
import type { Config } from "../../src/config/Config.ts"
import type { ConfigSource } from "../../src/config/ConfigSource.ts"
import * as MemorySource from "../../src/config/source/Memory.ts"
import type { Generation } from "../../src/generation/Generation.ts"
import { Generations } from "../../src/generation/Generations.ts"
import { AccessLog } from "../../src/log/AccessLog.ts"
import { AppLog } from "../../src/log/AppLog.ts"
import type { PluginDefinition } from "../../src/plugin/Plugin.ts"
import { Plugins } from "../../src/plugin/Plugins.ts"
import { Hurry, Listeners } from "../../src/server/Listeners.ts"
import { eventually, RawClient, type RawResponse } from "./RawClient.ts"

export interface TestProxyOptions {
  // biome-ignore lint/suspicious/noExplicitAny: plugins with options of any type
  readonly plugins?: ReadonlyArray<PluginDefinition<any, any>>
  /** Receives the application log, `LEVEL message key=value`. */
  readonly log?: Array<string>
  /** Ends a drain at once when it completes. */
  readonly hurry?: Deferred.Deferred<void>
}

/** What runs, for tests to look into. */
export type Stages = App.Stages | Config | AppLog | AccessLog

/** The application with a captured log. A text is a configuration that never changes. */
export const layer = (
  config: MemorySource.Content | Layer.Layer<ConfigSource>,
  { hurry = Deferred.makeUnsafe<void>(), log = [], plugins = [] }: TestProxyOptions = {}
): Layer.Layer<Stages, unknown> =>
  App.layer.pipe(
    Layer.provide(Layer.succeed(Hurry, hurry)),
    Layer.provideMerge(AccessLog.layer),
    Layer.provideMerge(App.config()),
    Layer.provideMerge(Plugins.layer({ extra: plugins })),
    Layer.provide(
      Layer.isLayer(config) ? (config as Layer.Layer<ConfigSource>) : MemorySource.layer(config as MemorySource.Content)
    ),
    Layer.provideMerge(AppLog.layerCapture(log))
  ) as Layer.Layer<Stages, unknown>

export class TestProxy implements AsyncDisposable {
  /** Lines of the application log so far. */
  readonly log: Array<string>
  private readonly source: MemorySource.MemorySource
  private readonly runtime: ManagedRuntime.ManagedRuntime<Stages, unknown>
  private readonly services: {
    readonly proxy: App.Proxy["Service"]
    readonly listeners: Listeners["Service"]
    readonly generations: Generations["Service"]
  }
  private readonly hurryUp: Deferred.Deferred<void>

  private constructor(
    source: MemorySource.MemorySource,
    runtime: ManagedRuntime.ManagedRuntime<Stages, unknown>,
    services: TestProxy["services"],
    log: Array<string>,
    hurryUp: Deferred.Deferred<void>
  ) {
    this.source = source
    this.runtime = runtime
    this.services = services
    this.log = log
    this.hurryUp = hurryUp
  }

  /** Starts a proxy; rejects with what a wrong configuration or an address in use gives. */
  static async start(content: MemorySource.Content, options: Omit<TestProxyOptions, "hurry"> = {}): Promise<TestProxy> {
    const log = options.log ?? []
    const hurry = Deferred.makeUnsafe<void>()
    const source = await Effect.runPromise(MemorySource.make(content))
    const runtime = ManagedRuntime.make(layer(source.layer, { ...options, log, hurry }))
    const services = await runtime.runPromise(
      Effect.all({ proxy: App.Proxy, listeners: Listeners, generations: Generations })
    )
    return new TestProxy(source, runtime, services, log, hurry)
  }

  /** Port of a server, by default of the only one. */
  port(server?: string): number {
    const bound = Effect.runSync(this.services.proxy.addresses)
    const found = server === undefined ? bound[0] : bound.find((address) => address.server === server)
    if (found === undefined) throw new Error(`no listener of ${server ?? "any server"}: ${JSON.stringify(bound)}`)
    return found.port
  }

  /** Names of the servers that listen. */
  get servers(): ReadonlyArray<string> {
    return Effect.runSync(this.services.proxy.addresses).map(({ server }) => server)
  }

  /** The generation that is published. */
  get current(): Generation {
    return this.services.generations.current()
  }

  /** Open client connections. */
  get connections(): number {
    return Effect.runSync(this.services.listeners.connections)
  }

  handle(request: Request, options?: App.HandleOptions): Promise<Response> {
    return this.runtime.runPromise(this.services.proxy.handle(request, options))
  }

  /** Opens a connection to a server. */
  connect(server?: string): Promise<RawClient> {
    return RawClient.connect(this.port(server))
  }

  /** One request on a connection of its own. */
  async request(text: string, server?: string): Promise<RawResponse> {
    using client = await this.connect(server)
    return await client.send(text).response(text.slice(0, text.indexOf(" ")))
  }

  /** A GET of a path on a connection of its own. */
  get(path: string, fields = "Host: test\r\n", server?: string): Promise<RawResponse> {
    return this.request(`GET ${path} HTTP/1.1\r\n${fields}\r\n`, server)
  }

  /** Replaces the configuration and waits until every socket serves it. */
  async reload(content: MemorySource.Content): Promise<void> {
    const before = Effect.runSync(this.services.listeners.generation)
    await this.offer(content)
    await eventually(() => Effect.runSync(this.services.listeners.generation) > before, "a new generation")
  }

  /** Asks to read the configuration again, as a signal does. */
  ask(): Promise<void> {
    return this.runtime.runPromise(this.services.proxy.reload)
  }

  /** Replaces the configuration and waits for nothing: it may be refused. */
  offer(content: MemorySource.Content): Promise<void> {
    return this.runtime.runPromise(this.source.set(content))
  }

  /** Waits for a line of the application log and returns it. */
  async logged(pattern: RegExp): Promise<string> {
    await eventually(
      () => this.log.some((line) => pattern.test(line)),
      () => `${pattern} in the log:\n${this.log.join("\n")}`
    )
    return this.log.find((line) => pattern.test(line))!
  }

  /** Begins a graceful stop; the promise is its end. */
  stop(): Promise<void> {
    return this.runtime.dispose()
  }

  /** Ends the wait of a stop, as a second signal does. */
  hurry(): void {
    Deferred.doneUnsafe(this.hurryUp, Effect.void)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hurry()
    await this.stop()
  }
}

/**
 * Ports that were free a moment ago, below the range that the system hands out by itself, so that no connection of
 * another test takes them meanwhile. For configurations that have to name a port before it is bound.
 */
export const freePorts = async (count: number): Promise<Array<number>> => {
  const ports: Array<number> = []
  while (ports.length < count) {
    const port = 12_000 + Math.floor(Math.random() * 20_000)
    if (!ports.includes(port) && (await isFree(port))) ports.push(port)
  }
  return ports
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = net.createServer()
    server.once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })
