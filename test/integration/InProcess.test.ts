/** Requests without a socket: the web's `Request` in, its `Response` out, the same rules as on the wire. */
import { assert, describe, it } from "@effect/vitest"
import { Gate, Origin } from "../support/Origin.ts"
import { eventually } from "../support/RawClient.ts"
import { TestProxy } from "../support/TestProxy.ts"

const config = (origin: Origin, rest = ""): string => `
[basic]
trusted_proxies = ["10.0.0.0/8"]
[servers.first]
addr = "127.0.0.1:0"
locations = ["odd", "lo"]
access_log = "{method} {uri} {status} {client_ip} {payload_size}"
[servers.second]
addr = "127.0.0.1:0"
locations = ["odd"]
[locations.odd]
path = "/odd"
plugins = ["odd"]
[locations.lo]
upstream = "up"
client_max_body_size = "100KB"
${rest}
[plugins.odd]
category = "mock"
status = 999
data = "odd"
[upstreams.up]
addrs = ["${origin.address}"]
`

const start = async (rest = "") => {
  const origin = await Origin.start()
  const proxy = await TestProxy.start(config(origin, rest))
  return {
    origin,
    proxy,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]()
      await origin[Symbol.asyncDispose]()
    }
  }
}

// Node asks for it with a streamed body; the type of `RequestInit` does not know it.
const HALF: object = { duplex: "half" }

/** A body of so many kilobytes whose length nobody knows; `pulled` counts what was asked for. */
const streamOf = (kilobytes: number) => {
  const state = { pulled: 0, cancelled: false }
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (state.pulled++ < kilobytes) controller.enqueue(new Uint8Array(1_000).fill(120))
      else controller.close()
    },
    cancel: () => {
      state.cancelled = true
    }
  })
  return { state, stream }
}

describe("a request without a socket", () => {
  it("passes with its body and comes back as a response", async () => {
    await using test = await start()
    const { stream } = streamOf(10)
    const response = await test.proxy.handle(
      new Request("http://site.example/a?b=c", {
        method: "POST",
        body: stream,
        ...HALF,
        headers: { "X-Test": "1" }
      })
    )
    assert.strictEqual(response.status, 200)
    assert.strictEqual(response.headers.get("content-type"), "application/json")
    const seen = (await response.json()) as { url: string; headers: Record<string, string>; body: string }
    assert.strictEqual(seen.url, "/a?b=c")
    assert.strictEqual(seen.body.length, 10_000)
    assert.deepInclude(seen.headers, { host: "site.example", "x-test": "1", "transfer-encoding": "chunked" })
    assert.strictEqual(await test.proxy.logged(/^INFO/), "INFO POST /a?b=c 200 127.0.0.1 10000")
  })

  it("has no right to name its client unless its address is trusted", async () => {
    await using test = await start()
    const request = () =>
      new Request("http://a/", { headers: { "X-Forwarded-For": "198.51.100.7", X_Real_IP: "1", Forwarded: "for=x" } })
    await test.proxy.handle(request(), { remoteAddress: "203.0.113.1" })
    await test.proxy.handle(request(), { remoteAddress: "10.0.0.1" })
    assert.deepStrictEqual(
      test.proxy.log.map((line) => line.split(" ")[4]),
      ["203.0.113.1", "198.51.100.7"]
    )
    const [untrusted, trusted] = test.origin.requests
    assert.deepStrictEqual(untrusted!.headers, { host: "a" })
    assert.deepStrictEqual(trusted!.headers, { host: "a", forwarded: "for=x", "x-forwarded-for": "198.51.100.7" })
  })

  it("may enter by any server", async () => {
    await using test = await start()
    const ask = async (server?: string) =>
      (await test.proxy.handle(new Request("http://a/"), server === undefined ? {} : { server })).status
    assert.deepStrictEqual(
      [await ask(), await ask("first"), await ask("second"), await ask("third")],
      [200, 200, 404, 503]
    )
  })

  it("is held to the limits of its location, also when its length is not known", async () => {
    await using test = await start()
    const { state, stream } = streamOf(10_000)
    const response = await test.proxy.handle(new Request("http://a/", { method: "PUT", body: stream, ...HALF }))
    assert.strictEqual(response.status, 413)
    await eventually(() => state.cancelled, "the end of the body")
    assert.isBelow(state.pulled, 150)
    assert.deepStrictEqual(test.origin.requests, [])
  })

  it("ends when its body breaks", async () => {
    await using test = await start()
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error("torn"))
    })
    const response = await test.proxy.handle(new Request("http://a/", { method: "PUT", body, ...HALF }))
    assert.strictEqual(response.status, 400)
    assert.deepStrictEqual(test.origin.requests, [])
  })

  it("stops reading its body when it is answered early", async () => {
    await using test = await start()
    const { state, stream } = streamOf(10_000_000)
    const request = new Request("http://a/", { method: "PUT", body: stream, ...HALF })
    await test.proxy.reload(config(test.origin).replace(`client_max_body_size = "100KB"`, `client_max_body_size = 0`))
    const pending = test.proxy.handle(request)
    await eventually(() => test.origin.accepted === 1 && state.pulled > 100, "the upload")
    await test.origin[Symbol.asyncDispose]()
    assert.strictEqual((await pending).status, 502)
    await eventually(() => state.cancelled, "the end of the body")
  })

  it("gives statuses that the web does not know as 502", async () => {
    await using test = await start()
    assert.strictEqual((await test.proxy.handle(new Request("http://a/odd"))).status, 502)
    test.origin.respond = (_request, response) => void response.writeHead(799).end("x".repeat(100_000))
    assert.strictEqual((await test.proxy.handle(new Request("http://a/"))).status, 502)
    await eventually(() => test.proxy.current.servers[0]!.runtime.counters.processing === 0, "the end of the exchange")
  })

  it.each([204, 304])("may be answered with %i", async (status) => {
    await using test = await start()
    test.origin.respond = (_request, response) => void response.writeHead(status).end()
    const response = await test.proxy.handle(new Request("http://a/"))
    assert.strictEqual(response.status, status)
    assert.isNull(response.body)
  })

  it("ends at the upstream when its response is cancelled", async () => {
    await using test = await start()
    let closed = false
    test.origin.respond = (_request, response) => {
      response.on("close", () => {
        closed = true
      })
      response.writeHead(200)
      const pump = (): void => {
        while (!response.destroyed && response.write("x".repeat(65_536)));
      }
      response.on("drain", pump)
      pump()
    }
    const response = await test.proxy.handle(new Request("http://a/"))
    await response.body!.cancel()
    await eventually(() => closed, "the upstream's end")
    await test.proxy.logged(/^INFO GET \/ 200 /)
  })

  it("is refused when it has no readable host", async () => {
    await using test = await start()
    const response = await test.proxy.handle(new Request("http://a/", { headers: { Host: "a b" } }))
    assert.strictEqual(response.status, 400)
  })

  it("waits at the gate like any other", async () => {
    await using test = await start("max_processing = 1")
    const gate = new Gate()
    test.origin.respond = gate.respond
    const first = test.proxy.handle(new Request("http://a/"))
    await gate.holds(1)
    assert.strictEqual((await test.proxy.handle(new Request("http://a/"))).status, 429)
    gate.open("done")
    assert.strictEqual(await (await first).text(), "done")
  })
})
