/**
 * The servers of a generation. The arrangement of a server's locations is kept while they match the same requests:
 * it is the only part of a server that costs.
 */
import type { ProxyConfig, ServerConf } from "../config/ConfigSchema.ts"
import type { LocationRule } from "../location/Matcher.ts"
import * as Routes from "../location/Routes.ts"
import type { OpenedLog } from "../log/AccessLog.ts"
import * as Address from "../model/Address.ts"
import type { Sliced } from "../model/Sliced.ts"
import type { Counters, LocationRuntime, ServerRuntime } from "../proxy/Runtime.ts"
import type { ConnectionOptions, ListenAddress, ServerEntry } from "./Generation.ts"
import { type BuiltLocation, type Note, readsMarks } from "./Locations.ts"

/** What a server has in common with the others of its generation. */
export type Common = Pick<ServerRuntime, "trusted" | "errorPage" | "report" | "upstream" | "retain" | "release">

interface Planned {
  readonly rules: ReadonlyArray<LocationRule>
  readonly plan: Routes.Plan
}

export class Servers {
  private readonly counters: (name: string) => Counters
  private published: ReadonlyMap<string, Planned> = new Map()

  constructor(counters: (name: string) => Counters) {
    this.counters = counters
  }

  /** Builds the servers that `logs` has an entry for, null for those without an access log. */
  *assemble(
    config: ProxyConfig,
    locations: ReadonlyMap<string, BuiltLocation>,
    logs: ReadonlyMap<string, OpenedLog | null>,
    common: Common
  ): Sliced<{
    readonly servers: ReadonlyArray<ServerEntry>
    /** Rules that never match, of servers that were planned anew. */
    readonly notes: ReadonlyArray<Note>
    readonly publish: () => void
  }> {
    const planned = new Map<string, Planned>()
    const servers: Array<ServerEntry> = []
    const notes: Array<Note> = []
    // Marks that plugins read count for every server whose locations use them.
    const plugins = new Set(Object.keys(config.plugins).filter((name) => readsMarks(config.plugins[name])))
    const ipv4Ports = ipv4PortsOf(Array.from(logs.keys(), (name) => config.servers[name]!))
    for (const [name, log] of logs) {
      const conf = config.servers[name]!
      const rules: Array<LocationRule> = []
      const runtimes: Array<LocationRuntime> = []
      let measured = log?.measured ?? false
      for (const location of conf.locations ?? []) {
        const built = locations.get(location)
        if (built === undefined) continue
        rules.push(built.rule)
        runtimes.push(built.runtime)
        measured ||= built.readsMarks
        if (!measured && plugins.size > 0) measured = built.conf.plugins?.some((plugin) => plugins.has(plugin)) ?? false
      }
      yield
      const before = this.published.get(name)
      const isSame = before !== undefined && isSameList(before.rules, rules)
      const plan = isSame ? before.plan : yield* Routes.planning(rules, before?.plan)
      if (!isSame) for (const { location, message } of plan.errors) notes.push({ level: "error", location, message })
      planned.set(name, { rules, plan })
      const runtime: ServerRuntime = {
        name,
        counters: this.counters(name),
        route: plan.to(runtimes),
        measured,
        accessLog: log?.write ?? null,
        ...common
      }
      servers.push({ name, runtime, addresses: addressesOf(conf, ipv4Ports), connection: connectionOf(conf) })
    }
    return { servers, notes, publish: () => void (this.published = planned) }
  }
}

const isSameList = <A>(a: ReadonlyArray<A>, b: ReadonlyArray<A>): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

// `[::]` takes IPv4 along, unless somebody says where that goes.
const ipv4PortsOf = (servers: ReadonlyArray<ServerConf>): ReadonlySet<number> => {
  const ports = new Set<number>()
  for (const { addr } of servers) {
    const addresses = Address.parseListenList(addr)
    if (addresses instanceof Address.AddressError) continue
    for (const address of addresses) if (address.kind === "tcp" && !address.host.includes(":")) ports.add(address.port)
  }
  return ports
}

const addressesOf = (conf: ServerConf, ipv4Ports: ReadonlySet<number>): ReadonlyArray<ListenAddress> => {
  const addresses = Address.parseListenList(conf.addr)
  if (addresses instanceof Address.AddressError) return []
  return addresses.map((address) => ({
    host: address.kind === "unix" ? address.path : address.host,
    port: address.kind === "unix" ? -1 : address.port,
    reusePort: conf.reuse_port ?? false,
    ipv6Only: address.kind === "tcp" && address.host === "::" && address.port !== 0 && ipv4Ports.has(address.port),
    keepAliveMillis: conf.tcp_idle ?? 0,
    maxConnections: conf.max_connections
  }))
}

const connectionOf = (conf: ServerConf): ConnectionOptions => ({
  limits: { headBytes: conf.max_head_size, lineBytes: conf.max_field_size, fieldCount: conf.max_header_count },
  headMillis: conf.header_read_timeout,
  headIdleMillis: conf.header_idle_timeout,
  keepAliveMillis: conf.keepalive_timeout,
  maxRequests: conf.keepalive_requests,
  readMillis: conf.downstream_read_timeout,
  writeMillis: conf.downstream_write_timeout
})
