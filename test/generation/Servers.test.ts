/** Servers from one configuration to the next: the arrangement of locations is kept while it would be the same. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import type { ProxyConfig } from "../../src/config/ConfigSchema.ts"
import { format } from "../../src/config/Diagnostic.ts"
import { decode } from "../../src/config/Snapshot.ts"
import { Locations, type Parts } from "../../src/generation/Locations.ts"
import { type Common, Servers } from "../../src/generation/Servers.ts"
import type { OpenedLog } from "../../src/log/AccessLog.ts"
import { now } from "../../src/model/Sliced.ts"
import type { UpstreamRuntime } from "../../src/proxy/Runtime.ts"
import { fakeExchange, fakeServer } from "../support/FakeExchange.ts"

const configOf = (text: string): ProxyConfig => {
  const result = decode([{ file: "a.toml", text }])
  if (Result.isFailure(result)) throw new Error(result.failure.map(format).join("\n"))
  return result.success.config
}

const { errorPage, release, report, retain, trusted, upstream } = fakeServer()
const COMMON: Common = { errorPage, release, report, retain, trusted, upstream }

const log = (measured: boolean): OpenedLog => ({ write: () => {}, measured })

const pool = (name: string): UpstreamRuntime => ({ name, counters: { processing: 0, accepted: 0 }, open: () => null })

const make = () => {
  const counters = () => ({ processing: 0, accepted: 0 })
  const locations = new Locations({
    environment: { hostname: "machine", env: {} },
    runner: () => assert.fail("nothing waits"),
    counters,
    reportRewrite: () => {}
  })
  const servers = new Servers(counters)
  const parts: Parts = { pools: new Map(["one", "two"].map((name) => [name, pool(name)])), instances: new Map() }
  /** Builds and publishes; `logs` are by server, none for the others. */
  const next = (config: ProxyConfig, logs: Readonly<Record<string, OpenedLog | null>> = {}) => {
    const located = now(locations.assemble(config.locations, parts))
    const logsOf = new Map(Object.keys(config.servers).map((name) => [name, logs[name] ?? null]))
    const assembled = now(servers.assemble(config, located.built, logsOf, COMMON))
    located.publish()
    assembled.publish()
    return {
      ...assembled,
      built: located.built,
      routed: (uri: string, server = 0) => assembled.servers[server]!.runtime.route(fakeExchange({ uri }))?.name ?? null
    }
  }
  return { next, servers }
}

const UPSTREAMS = ["one", "two"].map((name) => `[upstreams.${name}]\naddrs = ["127.0.0.1:1"]\n`).join("")

const site = (parts: { readonly upstream?: string; readonly path?: string; readonly list?: string } = {}): string =>
  `${UPSTREAMS}[servers.v]\naddr = "127.0.0.1:1"\nlocations = ${parts.list ?? '["a", "b"]'}\n` +
  `[locations.a]\npath = "${parts.path ?? "/a"}"\nupstream = "${parts.upstream ?? "one"}"\n[locations.b]\npath = "/b"\n`

/** A path that no request matches is told whenever locations are arranged: that is how one sees it from outside. */
const WITNESS = "\n[locations.witness]\n"
const witnessed = (config: ProxyConfig): ProxyConfig => ({
  ...config,
  locations: { ...config.locations, witness: { ...config.locations["witness"]!, path: "~(" } }
})

describe("a server", () => {
  it("routes by its own list to the locations as they are now", () => {
    const { next } = make()
    const first = next(configOf(site()))
    assert.deepStrictEqual([first.routed("/a/x"), first.routed("/b"), first.routed("/c")], ["a", "b", null])
    const second = next(configOf(site({ upstream: "two" })))
    const { runtime } = second.servers[0]!
    assert.strictEqual(runtime.route(fakeExchange({ uri: "/a" })), second.built.get("a")!.runtime)
    assert.strictEqual(runtime.route(fakeExchange({ uri: "/a" }))!.upstream!.name, "two")
    // What was published before goes on as it was.
    assert.strictEqual(first.servers[0]!.runtime.route(fakeExchange({ uri: "/a" }))!.upstream!.name, "one")
  })

  it("keeps the arrangement when a location's upstream changed, and makes a new one when its path did", () => {
    const { next } = make()
    const list = '["a", "b", "witness"]'
    const arranged = (text: string): boolean => next(witnessed(configOf(text + WITNESS))).notes.length > 0
    assert.isTrue(arranged(site({ list })))
    assert.isFalse(arranged(site({ list })))
    assert.isFalse(arranged(site({ list, upstream: "two" })))
    assert.isTrue(arranged(site({ list, path: "/x" })))
    assert.isFalse(arranged(site({ list, path: "/x" })))
    assert.isTrue(arranged(site({ list: '["witness", "b", "a"]', path: "/x" })))
    assert.isTrue(arranged(site({ list: '["witness", "b"]', path: "/x" })))
  })

  it("tells of rules that never match", () => {
    const { next } = make()
    const { notes, routed } = next(witnessed(configOf(site({ list: '["a", "witness"]' }) + WITNESS)))
    assert.deepStrictEqual(
      notes.map(({ level, location }) => [level, location]),
      [["error", "witness"]]
    )
    assert.deepStrictEqual([routed("/a"), routed("/witness")], ["a", null])
  })

  it("gets its own arrangement back when it comes back", () => {
    const { next } = make()
    next(configOf(site()))
    next(configOf(UPSTREAMS))
    assert.strictEqual(next(configOf(site())).routed("/a"), "a")
  })

  it("shares nothing with another one but the locations", () => {
    const { next } = make()
    const two = `${site()}[servers.w]\naddr = "127.0.0.1:2"\nlocations = ["b"]\n`
    const { routed, servers } = next(configOf(two))
    assert.deepStrictEqual([routed("/a", 0), routed("/a", 1), routed("/b", 1)], ["a", null, "b"])
    assert.notStrictEqual(servers[0]!.runtime.counters, servers[1]!.runtime.counters)
  })

  it("leaves out locations that are not there", () => {
    const { next } = make()
    const config = configOf(site())
    const { routed } = next({ ...config, locations: { b: config.locations["b"]! } })
    assert.deepStrictEqual([routed("/a"), routed("/b")], [null, "b"])
  })

  it("is there only when it has an entry among the logs", () => {
    const { servers } = make()
    const built = now(servers.assemble(configOf(site()), new Map(), new Map(), COMMON))
    assert.deepStrictEqual(built.servers, [])
  })
})

describe("a server's time marks are taken", () => {
  const marks = (text: string, measured = false, config = configOf(text)): boolean =>
    make().next(config, { v: log(measured) }).servers[0]!.runtime.measured

  it.each<readonly [who: string, text: string, measured: boolean, expected: boolean]>([
    ["nobody reads them", site(), false, false],
    ["the access log does", site(), true, true],
    [
      "a location of its list does",
      site().replace("[locations.b]", '[locations.b]\nproxy_set_headers = ["A: :service_time"]'),
      false,
      true
    ],
    [
      "a location of another list does",
      `${site()}[locations.c]\nproxy_set_headers = ["A: :service_time"]\n`,
      false,
      false
    ],
    [
      "a plugin of a location does",
      `${site().replace("[locations.b]", '[locations.b]\nplugins = ["p"]')}[plugins.p]\ncategory = "response_headers"\nadd_headers = ["A: :service_time"]\n`,
      false,
      true
    ],
    [
      "a plugin of no location does",
      `${site()}[plugins.p]\ncategory = "response_headers"\nadd_headers = ["A: :service_time"]\n`,
      false,
      false
    ]
  ])("when %s: %#", (_, text, measured, expected) => {
    assert.strictEqual(marks(text, measured), expected)
  })

  it("as soon as, and as long as, somebody reads them, though the arrangement stays", () => {
    const { next } = make()
    const reading = site().replace("[locations.b]", '[locations.b]\nproxy_set_headers = ["A: :service_time"]')
    const measured = [site(), reading, site()].map((text) => next(configOf(text)).servers[0]!.runtime.measured)
    assert.deepStrictEqual(measured, [false, true, false])
  })
})

describe("addresses", () => {
  it.each([
    ["127.0.0.1:80", [["127.0.0.1", 80]]],
    [
      "127.0.0.1:80, [::1]:81",
      [
        ["127.0.0.1", 80],
        ["::1", 81]
      ]
    ],
    ["unix:/run/a.sock", [["/run/a.sock", -1]]]
  ])("%s", (addr, expected) => {
    const { next } = make()
    const { servers } = next(configOf(`[servers.v]\naddr = "${addr}"\n`))
    assert.deepStrictEqual(
      servers[0]!.addresses.map(({ host, port }) => [host, port]),
      expected
    )
  })
})
