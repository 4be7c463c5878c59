/** Locations from one configuration to the next: which are built anew, and what stays the same object. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import type { LocationConf } from "../../src/config/ConfigSchema.ts"
import { format } from "../../src/config/Diagnostic.ts"
import { decode } from "../../src/config/Snapshot.ts"
import { CounterTable } from "../../src/generation/CounterTable.ts"
import { type AssembledLocations, Locations, type Parts, readsMarks } from "../../src/generation/Locations.ts"
import { now } from "../../src/model/Sliced.ts"
import type { Instance } from "../../src/plugin/Plugins.ts"
import { unbuilt } from "../../src/proxy/Failure.ts"
import type { UpstreamRuntime } from "../../src/proxy/Runtime.ts"
import { fakeExchange } from "../support/FakeExchange.ts"

/** Decoded locations; upstreams and plugins that they name are there. */
const confsOf = (text: string): Readonly<Record<string, LocationConf>> => {
  const named = ["one", "two"].map((name) => `[upstreams.${name}]\naddrs = ["127.0.0.1:1"]\n`).join("")
  const plugins = ["p", "q"].map((name) => `[plugins.${name}]\ncategory = "mock"\n`).join("")
  const result = decode([{ file: "a.toml", text: `${named}${plugins}${text}` }])
  if (Result.isFailure(result)) throw new Error(result.failure.map(format).join("\n"))
  return result.success.config.locations
}

const pool = (name: string): UpstreamRuntime => ({
  name,
  counters: { processing: 0, accepted: 0 },
  open: () => null
})

const instance = (name: string): Instance => ({ name, category: "mock", hooks: { request: () => undefined } })

const partsOf = (pools: ReadonlyArray<UpstreamRuntime>, instances: ReadonlyArray<Instance> = []): Parts => ({
  pools: new Map(pools.map((pool) => [pool.name, pool])),
  instances: new Map(instances.map((instance) => [instance.name, instance]))
})

const make = () => {
  const table = new CounterTable()
  const rewrites: Array<string> = []
  const locations = new Locations({
    environment: { hostname: "machine", env: {} },
    runner: () => assert.fail("nothing waits"),
    counters: (name) => table.of(name),
    reportRewrite: (location, path, result) => rewrites.push(`${location}: ${path} -> ${result}`)
  })
  const assemble = (confs: Readonly<Record<string, LocationConf>>, parts: Parts): AssembledLocations =>
    now(locations.assemble(confs, parts))
  /** Assembles and publishes. */
  const next = (confs: Readonly<Record<string, LocationConf>>, parts: Parts): AssembledLocations => {
    const assembled = assemble(confs, parts)
    assembled.publish()
    return assembled
  }
  return { assemble, next, rewrites }
}

const runtimeOf = ({ built }: AssembledLocations, name = "l") => built.get(name)!.runtime
const ruleOf = ({ built }: AssembledLocations, name = "l") => built.get(name)!.rule

describe("a location", () => {
  const one = pool("one")
  const [p, q] = [instance("p"), instance("q")]
  const text = '[locations.l]\nupstream = "one"\nplugins = ["p", "q"]\n[locations.m]\nupstream = "two"\n'

  it("is the same object while its configuration and everything it uses are", () => {
    const { next } = make()
    const confs = confsOf(text)
    const first = next(confs, partsOf([one, pool("two")], [p, q]))
    // Only what `m` uses has changed.
    const second = next(confs, partsOf([one, pool("two"), pool("three")], [p, q, instance("r")]))
    assert.strictEqual(runtimeOf(second), runtimeOf(first))
    assert.notStrictEqual(runtimeOf(second, "m"), runtimeOf(first, "m"))
    assert.strictEqual(ruleOf(second, "m"), ruleOf(first, "m"))
  })

  it.each<readonly [what: string, parts: Parts]>([
    ["another pool", partsOf([pool("one")], [p, q])],
    ["no pool", partsOf([], [p, q])],
    ["another instance of its first plugin", partsOf([one], [instance("p"), q])],
    ["another instance of its last plugin", partsOf([one], [p, instance("q")])],
    ["no instance of a plugin", partsOf([one], [p])]
  ])("is built anew with %s, and matches the same requests by the same rule", (_, parts) => {
    const { next } = make()
    const confs = confsOf(text)
    const first = next(confs, partsOf([one], [p, q]))
    const second = next(confs, parts)
    assert.notStrictEqual(runtimeOf(second), runtimeOf(first))
    assert.strictEqual(ruleOf(second), ruleOf(first))
    assert.strictEqual(runtimeOf(second).upstream, parts.pools.get("one") ?? null)
    assert.strictEqual(runtimeOf(second).counters, runtimeOf(first).counters)
  })

  it.each<readonly [what: string, line: string, isSameRule: boolean]>([
    ["upstream", 'upstream = "two"', true],
    ["plugins", 'plugins = ["q", "p"]', true],
    ["max_retries", "max_retries = 7", true],
    ["rewrite", 'rewrite = "^/a /b"', true],
    ["path", 'path = "/x"', false],
    ["host", 'host = "example.com"', false],
    ["weight", "weight = 7", false],
    ["match_headers", 'match_headers = ["a:1"]', false],
    ["match_query", 'match_query = ["a:1"]', false],
    ["match_cookies", 'match_cookies = ["a:1"]', false]
  ])("whose %s changed is built anew", (_, line, isSameRule) => {
    const { next } = make()
    const parts = partsOf([one, pool("two")], [p, q])
    const first = next(confsOf('[locations.l]\npath = "/"\n'), parts)
    const key = line.split(" ", 1)[0]!
    const changed = key === "path" ? `[locations.l]\n${line}\n` : `[locations.l]\npath = "/"\n${line}\n`
    const second = next(confsOf(changed), parts)
    assert.notStrictEqual(runtimeOf(second), runtimeOf(first))
    assert.strictEqual(ruleOf(second) === ruleOf(first), isSameRule)
    assert.deepStrictEqual(ruleOf(second), {
      ...ruleOf(first),
      ...(isSameRule ? {} : { [key]: confsOf(changed)["l"]![key as "path"] })
    })
  })

  it.each(["match_headers", "match_query", "match_cookies"])("with the same list of %s has the same rule", (key) => {
    const { next } = make()
    const first = next(confsOf(`[locations.l]\n${key} = ["a:1", "b"]\n`), partsOf([]))
    const second = next(confsOf(`[locations.l]\nmax_retries = 1\n${key} = ["a:1", "b"]\n`), partsOf([]))
    const third = next(confsOf(`[locations.l]\n${key} = ["a:1"]\n`), partsOf([]))
    const fourth = next(confsOf(`[locations.l]\n${key} = ["b"]\n`), partsOf([]))
    assert.strictEqual(ruleOf(second), ruleOf(first))
    assert.notStrictEqual(ruleOf(third), ruleOf(first))
    assert.notStrictEqual(ruleOf(fourth), ruleOf(third))
  })

  it("is compared with what was published, not with what was built", () => {
    const { assemble, next } = make()
    const confs = confsOf(text)
    const other = { ...confs, l: confsOf('[locations.l]\npath = "/x"\n')["l"]! }
    const first = next(confs, partsOf([one], [p, q]))
    assemble(other, partsOf([one], [p, q]))
    const second = next(confs, partsOf([one], [p, q]))
    assert.strictEqual(runtimeOf(second), runtimeOf(first))
  })

  it("that names its upstream by a variable does not depend on any pool", () => {
    const { next } = make()
    const confs = confsOf('[locations.l]\nupstream = "$up"\n')
    const first = next(confs, partsOf([one]))
    const second = next(confs, partsOf([pool("one")]))
    assert.strictEqual(runtimeOf(second), runtimeOf(first))
    assert.deepStrictEqual([runtimeOf(first).upstream, runtimeOf(first).upstreamVariable], [null, "up"])
  })

  it("that comes back has its counters while something of it is in progress", () => {
    const { next } = make()
    const confs = confsOf("[locations.l]\n")
    const first = next(confs, partsOf([]))
    next({}, partsOf([]))
    const third = next(confs, partsOf([]))
    assert.notStrictEqual(runtimeOf(third), runtimeOf(first))
    assert.strictEqual(runtimeOf(third).counters, runtimeOf(first).counters)
  })
})

describe("a location that cannot serve", () => {
  it("without one of its plugins answers with an error, says so once, and serves when the plugin is there", () => {
    const { next } = make()
    const confs = confsOf('[locations.l]\nplugins = ["p", "q"]\n')
    const [p, q] = [instance("p"), instance("q")]
    const first = next(confs, partsOf([], [q]))
    assert.strictEqual(runtimeOf(first).broken, unbuilt)
    assert.deepStrictEqual(first.notes, [
      { level: "error", location: "l", message: "plugin p is not there; the location answers 503" }
    ])
    const second = next(confs, partsOf([], [q]))
    assert.strictEqual(runtimeOf(second), runtimeOf(first))
    assert.deepStrictEqual(second.notes, [])
    const third = next(confs, partsOf([], [p, q]))
    assert.isNull(runtimeOf(third).broken)
    assert.deepStrictEqual(third.notes, [])
  })

  it("says everything that is wrong with it", () => {
    const { next } = make()
    const [conf] = Object.values(confsOf('[locations.l]\nplugins = ["p", "q"]\n'))
    // What validation refuses does not get here from a file.
    const { notes } = next({ l: { ...conf!, rewrite: "( /x" } }, partsOf([]))
    assert.deepStrictEqual(
      notes.map(({ message }) => message.replace(/rewrite: .*;/, "rewrite: …;")),
      ["p", "q"]
        .map((name) => `plugin ${name} is not there; the location answers 503`)
        .concat("rewrite: …; the location answers 503")
    )
  })

  it("for want of its upstream is not broken: that is the upstream's trouble", () => {
    const { next } = make()
    const { built, notes } = next(confsOf('[locations.l]\nupstream = "one"\n'), partsOf([]))
    assert.deepStrictEqual([built.get("l")!.runtime.broken, built.get("l")!.runtime.upstream, notes], [null, null, []])
  })
})

describe("a rewrite that gives no path", () => {
  it("is told once, and once again by the location that takes its place", () => {
    const { next, rewrites } = make()
    const ask = (assembled: AssembledLocations) => runtimeOf(assembled).rewrite!(fakeExchange({ uri: "/a" }))
    const confs = confsOf('[locations.l]\nrewrite = "^/a x"\n')
    const first = next(confs, partsOf([]))
    ask(first)
    ask(first)
    ask(next(confs, partsOf([])))
    assert.deepStrictEqual(rewrites, ["l: /a -> x"])
    ask(next(confsOf('[locations.l]\nmax_retries = 1\nrewrite = "^/a x"\n'), partsOf([])))
    assert.lengthOf(rewrites, 2)
  })
})

describe("time marks", () => {
  it.each([
    ["X-Time: :service_time", true],
    ["X-Time: :upstream_connect_time_human", true],
    ["X-Time: :compression_ratio", true],
    [":connection_time", true],
    ["X-Time: :tls_handshake_time", false],
    ["X-Host: :hostname", false],
    ["X-Time: a:service_time", false],
    ["service_time", false],
    ["", false]
  ])("are read by %j: %s", (value, reads) => {
    assert.strictEqual(readsMarks(value), reads)
    assert.strictEqual(readsMarks({ add_headers: ["X-A: b", value] }), reads)
  })

  it.each([1, true, null, undefined, [], {}])("are not read by %j", (value) => {
    assert.isFalse(readsMarks(value))
  })

  it("are the location's own business when its header values read them", () => {
    const { next } = make()
    const { built } = next(
      confsOf(
        '[locations.l]\nproxy_set_headers = ["X-T: :service_time"]\n[locations.m]\nproxy_add_headers = ["X-T: :service_time"]\n[locations.n]\n'
      ),
      partsOf([])
    )
    assert.deepStrictEqual(
      Array.from(built, ([name, { readsMarks }]) => [name, readsMarks]),
      [
        ["l", true],
        ["m", true],
        ["n", false]
      ]
    )
  })
})

it("many locations are assembled with pauses", () => {
  const confs = confsOf(Array.from({ length: 500 }, (_, index) => `[locations.l${index}]\n`).join(""))
  const locations = new Locations({
    environment: { hostname: "", env: {} },
    runner: () => assert.fail(),
    counters: () => ({ processing: 0, accepted: 0 }),
    reportRewrite: () => {}
  })
  let pauses = 0
  const work = locations.assemble(confs, partsOf([]))
  while (work.next().done !== true) pauses++
  assert.isAtLeast(pauses, 10)
})
