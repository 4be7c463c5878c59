/** What clients get when there is nothing better: status, page, and whether the connection goes on. */
import { assert, describe, it } from "@effect/vitest"
import { Gate, Origin } from "../support/Origin.ts"
import { header, type RawResponse } from "../support/RawClient.ts"
import { freePorts, TestProxy } from "../support/TestProxy.ts"

const config = (origin: Origin, unreachable: number, basic = ""): string => `
[basic]
${basic}
[servers.test]
addr = "127.0.0.1:0"
locations = ["small", "narrow", "dead", "lost", "none", "broken"]
access_log = "{uri} {status}"
[locations.small]
path = "/small"
upstream = "up"
client_max_body_size = "10B"
[locations.narrow]
path = "/narrow"
upstream = "up"
max_processing = 1
[locations.dead]
path = "/dead"
upstream = "dead"
[locations.lost]
path = "~^/lost/(?<name>.+)$"
upstream = "$name"
[locations.none]
path = "/none"
[locations.broken]
path = "/broken"
upstream = "up"
plugins = ["missing"]
[upstreams.up]
addrs = ["${origin.address}"]
[upstreams.dead]
addrs = ["127.0.0.1:${unreachable}"]
`

const assertPage = (response: RawResponse, status: number, type: string, message: string): void => {
  assert.strictEqual(response.status, status, response.head)
  assert.strictEqual(header(response, "x-pingap-etype"), type)
  assert.strictEqual(header(response, "cache-control"), "private, no-store")
  assert.strictEqual(header(response, "content-type"), "text/html; charset=utf-8")
  const page = response.body.toString()
  assert.include(page, `<h1>${message}</h1>`)
  assert.include(page, `<p>${type}</p>`)
}

describe("an error page", () => {
  it.each([
    ["/elsewhere", 404, "HTTPStatus", "No matching location"],
    ["/none", 503, "HTTPStatus", "No available upstream"],
    ["/lost/nobody", 503, "HTTPStatus", "No available upstream"],
    ["/dead", 502, "ConnectRefused", "Upstream refused the connection"],
    ["/broken", 503, "HTTPStatus", "This location could not be built from its configuration"]
  ] as const)("of %s is a %i, and the connection goes on", async (path, status, type, message) => {
    await using origin = await Origin.start()
    const [port] = await freePorts(1)
    await using proxy = await TestProxy.start(config(origin, port!))
    using client = await proxy.connect()
    for (let i = 0; i < 2; i++) {
      const response = await client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).response()
      assertPage(response, status, type, message)
      // Nothing that the client wrote, and no backend.
      assert.notInclude(response.body.toString(), path)
      assert.notInclude(response.body.toString(), "127.0.0.1")
    }
    assert.strictEqual(await proxy.logged(new RegExp(`^INFO ${path}`)), `INFO ${path} ${status}`)
    const head = await proxy.request(`HEAD ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    assert.strictEqual(head.status, status)
  })

  it("answers a body that is announced too long before any of it is read", async () => {
    await using origin = await Origin.start()
    await using proxy = await TestProxy.start(config(origin, 1))
    using client = await proxy.connect()
    const response = await client
      .send("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
      .response()
    assertPage(response, 413, "HTTPStatus", "Request Entity Too Large")
    assert.strictEqual(header(response, "connection"), "close")
    assert.deepStrictEqual(response.interims, [])
    assert.strictEqual(origin.accepted, 0)
  })

  it("answers a body that turns out too long", async () => {
    await using origin = await Origin.start()
    await using proxy = await TestProxy.start(config(origin, 1))
    using client = await proxy.connect()
    const response = await client
      .send("POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n")
      .response()
    assert.strictEqual(response.status, 413)
    assert.strictEqual(await client.end(), "end")
    assert.deepStrictEqual(origin.requests, [])
    const fits = await proxy.request(
      "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\n1234567890\r\n0\r\n\r\n"
    )
    assert.strictEqual(JSON.parse(fits.body.toString()).body, "1234567890")
  })

  it("keeps more than max_processing requests out, and lets the next in", async () => {
    await using origin = await Origin.start()
    const gate = new Gate()
    origin.respond = gate.respond
    await using proxy = await TestProxy.start(config(origin, 1))
    using first = await proxy.connect()
    first.send("GET /narrow HTTP/1.1\r\nHost: a\r\n\r\n")
    await gate.holds(1)
    for (let i = 0; i < 3; i++) assertPage(await proxy.get("/narrow"), 429, "HTTPStatus", "Too Many Requests")
    gate.open("done")
    assert.strictEqual((await first.response()).status, 200)
    origin.respond = (_request, response) => void response.end("again")
    assert.strictEqual((await proxy.get("/narrow")).status, 200)
    assert.strictEqual(proxy.current.locations.get("narrow")!.counters.processing, 0)
  })

  it("may be a template, as JSON", async () => {
    await using origin = await Origin.start()
    const template = `error_template = '{"error":"{{error_type}}","message":"{{content}}"}'`
    await using proxy = await TestProxy.start(config(origin, 1, template))
    const response = await proxy.get("/elsewhere")
    assert.strictEqual(header(response, "content-type"), "application/json; charset=utf-8")
    assert.deepStrictEqual(JSON.parse(response.body.toString()), {
      error: "HTTPStatus",
      message: "No matching location"
    })
  })
})

describe("an upstream that breaks off", () => {
  it("after the head leaves a broken response, not a page in the body", async () => {
    await using origin = await Origin.start()
    origin.respond = (_request, response) => {
      response.writeHead(200, { "Content-Length": 1_000 }).write("x".repeat(10), () => response.destroy())
    }
    await using proxy = await TestProxy.start(config(origin, 1))
    using client = await proxy.connect()
    const error = await client
      .send("GET /narrow HTTP/1.1\r\nHost: a\r\n\r\n")
      .response()
      .then(
        () => null,
        (reason: { received: string }) => reason.received
      )
    assert.match(error ?? "", /^HTTP\/1\.1 200 OK[\s\S]*\r\n\r\nx{10}$/)
  })
})
