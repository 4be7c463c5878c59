/** A configuration that changes while it serves: what survives, what is rebuilt, what is refused. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { define, PluginError } from "../../src/plugin/Plugin.ts"
import { text } from "../../src/proxy/Response.ts"
import { Gate, Origin } from "../support/Origin.ts"
import { eventually, header, RawClient } from "../support/RawClient.ts"
import { TestProxy } from "../support/TestProxy.ts"

/** One server; its locations, and everything else, as given. */
const config = (locations: Record<string, string>, rest = "", server = ""): string => `
[servers.test]
addr = "127.0.0.1:0"
locations = ${JSON.stringify(Object.keys(locations))}
${server}
${Object.entries(locations)
  .map(([name, keys]) => `[locations.${name}]\n${keys}\n`)
  .join("")}
${rest}`

const upstream = (origin: Origin, keys = ""): string => `[upstreams.up]\naddrs = ["${origin.address}"]\n${keys}\n`

const mock = (name: string, data: string): string => `[plugins.${name}]\ncategory = "mock"\ndata = "${data}"\n`

const body = async (proxy: TestProxy, path = "/"): Promise<string> => {
  const response = await proxy.get(path)
  return response.status === 200 ? response.body.toString() : String(response.status)
}

describe("an upstream", () => {
  it("keeps its pool, its connections and its counters when other things change", async () => {
    await using origin = await Origin.start()
    await using proxy = await TestProxy.start(config({ lo: `upstream = "up"` }, upstream(origin)))
    await proxy.get("/")
    const { counters, upstream: pool } = proxy.current.locations.get("lo")!
    await proxy.reload(
      config({ lo: `upstream = "up"\nproxy_set_headers = ["X-New: 1"]` }, upstream(origin) + mock("unused", "x"))
    )
    await proxy.get("/")
    const after = proxy.current.locations.get("lo")!
    assert.strictEqual(after.upstream, pool)
    assert.strictEqual(after.counters, counters)
    assert.deepStrictEqual([counters.accepted, pool!.counters.accepted], [2, 2])
    assert.deepStrictEqual(
      origin.requests.map(({ connection, headers }) => [connection, headers["x-new"]]),
      [
        [1, undefined],
        [1, "1"]
      ]
    )
  })

  it("gets a new pool when it changes itself, and the old one's idle connections are closed", async () => {
    await using origin = await Origin.start()
    await using proxy = await TestProxy.start(config({ lo: `upstream = "up"` }, upstream(origin)))
    await proxy.get("/")
    await proxy.reload(config({ lo: `upstream = "up"` }, upstream(origin, `read_timeout = "7s"`)))
    await eventually(() => origin.connected === 0, "the idle connection's end")
    await proxy.get("/")
    assert.strictEqual(origin.accepted, 2)
  })

  it("finishes what runs on the old pool", async () => {
    await using old = await Origin.start("old")
    await using young = await Origin.start("young")
    const gate = new Gate()
    old.respond = gate.respond
    await using proxy = await TestProxy.start(config({ lo: `upstream = "up"` }, upstream(old)))
    using client = await proxy.connect()
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await gate.holds(1)
    await proxy.reload(config({ lo: `upstream = "up"` }, upstream(young)))
    assert.strictEqual(JSON.parse(await body(proxy)).origin, "young")
    gate.open("from the old one")
    assert.strictEqual((await client.response()).body.toString(), "from the old one")
    // The same connection goes on with the new configuration, and the old pool is left without any.
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.strictEqual(JSON.parse((await client.response()).body.toString()).origin, "young")
    await eventually(() => old.connected === 0, "no connection to the old origin")
  })

  it("that cannot be built leaves its previous version, or 503", async () => {
    await using origin = await Origin.start()
    await using proxy = await TestProxy.start(config({ lo: `upstream = "up"` }, upstream(origin)))
    const broken = (name: string) => `[upstreams.${name}]\naddrs = ["${origin.address}"]\nalpn = "H2"\n`
    await proxy.reload(config({ lo: `upstream = "up"` }, broken("up")))
    assert.strictEqual(JSON.parse(await body(proxy)).origin, "origin")
    await proxy.logged(/^ERROR .*its previous version goes on .*name=up/)
    await proxy.reload(config({ lo: `upstream = "other"` }, broken("other")))
    assert.strictEqual(await body(proxy), "503")
    await proxy.logged(/^ERROR .*what needs it answers 503 .*name=other/)
    // Taken out and put back broken, nothing of it comes back.
    await proxy.reload(config({ lo: `upstream = "up"` }, broken("up")))
    assert.strictEqual(await body(proxy), "503")
  })
})

describe("a plugin", () => {
  it("is replaced when it changes", async () => {
    await using proxy = await TestProxy.start(config({ lo: `plugins = ["m"]` }, mock("m", "one")))
    using client = await proxy.connect()
    const ask = async () => (await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()).body.toString()
    assert.strictEqual(await ask(), "one")
    await proxy.reload(config({ lo: `plugins = ["m"]` }, mock("m", "two")))
    assert.strictEqual(await ask(), "two")
  })

  const login = (credential: string): string =>
    `[plugins.login]\ncategory = "basic_auth"\nauthorizations = ["${credential}"]\n`
  const protectedSite = (credential: string): string =>
    config(
      { secret: `path = "/secret"\nplugins = ["login", "m"]`, lo: `plugins = ["m"]` },
      login(credential) + mock("m", "in")
    )

  it("that breaks keeps its previous version, and says so", async () => {
    await using proxy = await TestProxy.start(protectedSite("YTpi"))
    const ask = (credential: string) => proxy.get("/secret", `Host: a\r\nAuthorization: Basic ${credential}\r\n`)
    assert.strictEqual((await ask("YTpi")).status, 200)
    await proxy.reload(protectedSite("no base64!"))
    assert.match(
      await proxy.logged(/^ERROR/),
      /basic_auth, base64 decode error .*; its previous version goes on .*name=login/
    )
    assert.deepStrictEqual([(await ask("YTpi")).status, (await ask("YTpj")).status], [200, 401])
    await proxy.reload(protectedSite("YTpj"))
    assert.deepStrictEqual([(await ask("YTpi")).status, (await ask("YTpj")).status], [401, 200])
  })

  it("that was never built closes the locations that name it, and no others", async () => {
    await using proxy = await TestProxy.start(protectedSite("no base64!"))
    const response = await proxy.get("/secret")
    assert.strictEqual(response.status, 503)
    assert.strictEqual(await body(proxy, "/open"), "in")
    assert.match(await proxy.logged(/^ERROR/), /what needs it answers 503 .*name=login/)
    await proxy.reload(protectedSite("YTpi"))
    assert.strictEqual((await proxy.get("/secret")).status, 401)
  })

  it("that does not exist closes the locations that name it", async () => {
    await using proxy = await TestProxy.start(config({ lo: `plugins = ["typo", "m"]` }, mock("m", "in")))
    assert.strictEqual(await body(proxy), "503")
    assert.match(await proxy.logged(/^WARN/), /locations\.lo\.plugins\[0\]: .*typo/)
  })
})

describe("a request", () => {
  /** Answers with its option when the gate opens, and records the life of its instances. */
  const waiting = (events: Array<string>, gate: Deferred.Deferred<void>) =>
    define({
      category: "waiting",
      description: "Waits.",
      options: Schema.Struct({ answer: Schema.String }),
      make: ({ answer }) =>
        Effect.gen(function* () {
          if (answer === "never") return yield* PluginError.invalid("waiting", "never is too late")
          yield* Effect.acquireRelease(
            Effect.sync(() => events.push(`+${answer}`)),
            () => Effect.sync(() => events.push(`-${answer}`))
          )
          return {
            request: (exchange) =>
              exchange.path === "/wait" ? Effect.as(Deferred.await(gate), text(answer)) : text(answer)
          }
        })
    })
  const site = (answer: string): string =>
    config({ lo: `plugins = ["w"]` }, `[plugins.w]\ncategory = "waiting"\nanswer = "${answer}"`)

  it("ends on the generation it began with, which is kept so long", async () => {
    const events: Array<string> = []
    const gate = Deferred.makeUnsafe<void>()
    await using proxy = await TestProxy.start(site("old"), { plugins: [waiting(events, gate)] })
    using client = await proxy.connect()
    client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
    await eventually(() => proxy.current.servers[0]!.runtime.counters.processing === 1, "the request")
    await proxy.reload(site("new"))
    assert.strictEqual(await body(proxy), "new")
    assert.deepStrictEqual(events, ["+old", "+new"])
    Deferred.doneUnsafe(gate, Effect.void)
    assert.strictEqual((await client.response()).body.toString(), "old")
    await eventually(() => events.length === 3, "the end of the old instance")
    assert.deepStrictEqual(events, ["+old", "+new", "-old"])
  })

  it("without a socket too", async () => {
    const events: Array<string> = []
    const gate = Deferred.makeUnsafe<void>()
    await using proxy = await TestProxy.start(site("old"), { plugins: [waiting(events, gate)] })
    const response = proxy.handle(new Request("http://a/wait"))
    await eventually(() => proxy.current.servers[0]!.runtime.counters.processing === 1, "the request")
    await proxy.reload(site("new"))
    Deferred.doneUnsafe(gate, Effect.void)
    assert.strictEqual(await (await response).text(), "old")
    await eventually(() => events.length === 3, "the end of the old instance")
  })

  it("never fails because of a reload", async () => {
    const gate = Deferred.makeUnsafe<void>()
    Deferred.doneUnsafe(gate, Effect.void)
    const slow = define({
      category: "slow",
      description: "Waits a turn.",
      options: Schema.Struct({ n: Schema.Int }),
      // A new instance each time, whose effects die with the scope they run in.
      make: ({ n }) => Effect.succeed({ request: () => Effect.as(Effect.yieldNow, text(String(n))) })
    })
    const content = (n: number) => config({ lo: `plugins = ["s"]` }, `[plugins.s]\ncategory = "slow"\nn = ${n}`)
    await using proxy = await TestProxy.start(content(0), { plugins: [slow] })
    let isOver = false
    const statuses = new Map<number, number>()
    const load = async () => {
      using client = await proxy.connect()
      while (!isOver) {
        const { status } = await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }
    }
    const clients = Array.from({ length: 8 }, load)
    for (let n = 1; n < 30; n += 2) {
      // The first of the two is overtaken while the socket that it adds is bound.
      await proxy.offer(`${content(n)}\n[servers.extra${n}]\naddr = "localhost:0"\nlocations = ["lo"]\n`)
      await proxy.reload(content(n + 1))
    }
    isOver = true
    await Promise.all(clients)
    assert.deepStrictEqual([...statuses.keys()], [200])
    assert.strictEqual(await body(proxy), "30")
  })
})

describe("a listener", () => {
  it("is added and removed while others go on", async () => {
    const base = config({ lo: `plugins = ["m"]` }, mock("m", "one"))
    const extra = `[servers.extra]\naddr = "127.0.0.1:0"\nlocations = ["lo"]\n`
    await using proxy = await TestProxy.start(base)
    const port = proxy.port("test")
    using stays = await proxy.connect("test")
    await stays.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()

    await proxy.reload(base + extra)
    assert.deepStrictEqual([...proxy.servers].sort(), ["extra", "test"])
    const extraPort = proxy.port("extra")
    using idle = await proxy.connect("extra")
    assert.strictEqual((await idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()).status, 200)

    await proxy.reload(base)
    assert.deepStrictEqual(proxy.servers, ["test"])
    assert.strictEqual(proxy.port("test"), port)
    assert.strictEqual(await idle.end(), "end")
    idle.finish()
    const refused = await RawClient.connect(extraPort).then(
      () => "accepted",
      (error: NodeJS.ErrnoException) => error.code
    )
    assert.strictEqual(refused, "ECONNREFUSED")
    assert.strictEqual((await stays.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()).status, 200)
    await eventually(() => proxy.connections === 1, "one connection")
  })

  it("that goes lets its running request end", async () => {
    await using origin = await Origin.start()
    const gate = new Gate()
    origin.respond = gate.respond
    const base = config({ lo: `upstream = "up"` }, upstream(origin))
    await using proxy = await TestProxy.start(`${base}[servers.extra]\naddr = "127.0.0.1:0"\nlocations = ["lo"]\n`)
    using client = await proxy.connect("extra")
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await gate.holds(1)
    await proxy.reload(base)
    gate.open("to the end")
    const response = await client.response()
    assert.strictEqual(response.body.toString(), "to the end")
    assert.strictEqual(header(response, "connection"), "close")
  })

  it("that cannot be bound is reported and costs nothing else", async () => {
    await using origin = await Origin.start()
    const base = config({ lo: `plugins = ["m"]` }, mock("m", "one"))
    await using proxy = await TestProxy.start(base)
    await proxy.reload(`${base}[servers.taken]\naddr = "${origin.address}"\nlocations = ["lo"]\n`)
    assert.match(await proxy.logged(/^ERROR/), /servers\.taken\.addr: cannot listen on .*: the address is in use/)
    assert.strictEqual(await body(proxy), "one")
    assert.deepStrictEqual(proxy.servers, ["test"])
  })

  it("of a server that cannot move stays until it can", async () => {
    await using origin = await Origin.start()
    await using proxy = await TestProxy.start(config({ lo: `plugins = ["m"]` }, mock("m", "one")))
    using client = await proxy.connect()
    const moved = config({ lo: `plugins = ["m"]` }, mock("m", "two")).replace("127.0.0.1:0", origin.address)
    await proxy.reload(moved)
    await proxy.logged(/^ERROR servers\.test\.addr: cannot listen on .*: the address is in use/)
    // The old socket, and the connection to it, serve the new configuration.
    assert.strictEqual(await body(proxy), "two")
    assert.strictEqual((await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()).body.toString(), "two")
    const taken = origin.port
    await origin[Symbol.asyncDispose]()
    await eventually(() => proxy.port() === taken, "the new address")
    assert.lengthOf(proxy.servers, 1)
    assert.strictEqual(await body(proxy), "two")
  })

  it("of IPv4 and one of IPv6 share a port, and IPv6 alone takes both", async () => {
    const free = await Origin.start()
    const { port } = free
    await free[Symbol.asyncDispose]()
    const both = config({ lo: `plugins = ["m"]` }, mock("m", "one")).replace(
      "127.0.0.1:0",
      `0.0.0.0:${port},[::]:${port}`
    )
    await using proxy = await TestProxy.start(both)
    assert.deepStrictEqual(proxy.servers, ["test", "test"])
    const ask = async (host: string): Promise<number> => (await fetch(`http://${host}:${port}/`)).status
    assert.deepStrictEqual([await ask("127.0.0.1"), await ask("[::1]")], [200, 200])
    await proxy.reload(both.replace(`0.0.0.0:${port},`, ""))
    assert.deepStrictEqual(proxy.servers, ["test"])
    assert.deepStrictEqual([await ask("127.0.0.1"), await ask("[::1]")], [200, 200])
  })

  it("goes along to a server of another name", async () => {
    const base = config({ lo: `plugins = ["m"]` }, mock("m", "one"))
    await using proxy = await TestProxy.start(base)
    const port = proxy.port("test")
    using client = await proxy.connect()
    await proxy.reload(base.replace("[servers.test]", "[servers.other]"))
    assert.deepStrictEqual([proxy.port("other"), proxy.servers], [port, ["other"]])
    assert.strictEqual((await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()).status, 200)
    assert.isFalse(proxy.log.some((line) => line.includes("listening")))
  })

  it("learns new limits without losing its connections", async () => {
    const locations = { lo: `plugins = ["m"]` }
    await using proxy = await TestProxy.start(config(locations, mock("m", "one")))
    using client = await proxy.connect()
    const long = `GET /${"x".repeat(2_000)} HTTP/1.1\r\nHost: a\r\n\r\n`
    assert.strictEqual((await client.send(long).response()).status, 200)
    await proxy.reload(config(locations, mock("m", "one"), "max_field_size = 1000"))
    assert.strictEqual((await client.send(long).response()).status, 414)
  })
})

describe("a wrong configuration", () => {
  it("changes nothing and says what is wrong", async () => {
    await using proxy = await TestProxy.start(config({ lo: `plugins = ["m"]` }, mock("m", "one")))
    const { id } = proxy.current
    await proxy.offer(config({ lo: `upstream = "nowhere"` }))
    await proxy.logged(/^ERROR configuration is rejected, the previous one stays/)
    await proxy.logged(/^ERROR memory:\d+:\d+: error: locations\.lo\.upstream: .*nowhere/)
    await proxy.offer("[[[")
    await eventually(
      () => proxy.log.filter((line) => /^ERROR .*rejected/.test(line)).length === 2,
      "the second refusal"
    )
    assert.strictEqual(proxy.current.id, id)
    assert.strictEqual(await body(proxy), "one")
  })

  it("without any text is one: somebody has emptied a file", async () => {
    const base = config({ lo: `plugins = ["m"]` }, mock("m", "one"))
    await using proxy = await TestProxy.start(base)
    await proxy.offer(" \n\t\n")
    await proxy.logged(/^ERROR memory: error: is empty/)
    await proxy.offer([])
    await proxy.logged(/^ERROR error: there is no configuration any more/)
    assert.strictEqual(await body(proxy), "one")
    await proxy.reload(base.replace("one", "two"))
    assert.strictEqual(await body(proxy), "two")
  })

  it("without any server is one, unless somebody asks for it", async () => {
    const base = config({ lo: `plugins = ["m"]` }, mock("m", "one"))
    await using proxy = await TestProxy.start(base)
    await proxy.offer(base.slice(base.indexOf("[locations")))
    await proxy.logged(/^ERROR error: servers: no server is left/)
    assert.strictEqual(await body(proxy), "one")
    await proxy.ask()
    assert.deepStrictEqual(proxy.servers, [])
  })

  it("is no obstacle to the next right one", async () => {
    await using proxy = await TestProxy.start(config({ lo: `plugins = ["m"]` }, mock("m", "one")))
    await proxy.offer("nonsense")
    await proxy.reload(config({ lo: `plugins = ["m"]` }, mock("m", "two")))
    assert.strictEqual(await body(proxy), "two")
  })

  it("that only differs in comments is no new generation", async () => {
    const text = config({ lo: `plugins = ["m"]` }, mock("m", "one"))
    await using proxy = await TestProxy.start(text)
    await proxy.offer(`# a comment\n${text}`)
    await proxy.reload(config({ lo: `plugins = ["m"]` }, mock("m", "two")))
    assert.strictEqual(proxy.current.id, 2)
  })
})
