/** Fields that belong to a hop or to the proxy (RFC 9110 7.6.1, hardening 5). */
import { assert, describe, it } from "@effect/vitest"
import { Fields } from "../../src/model/Fields.ts"
import { DataPlane } from "../support/DataPlane.ts"
import { header, RawClient } from "../support/RawClient.ts"
import { type ReceivedRequest, reply, StrictUpstream } from "../support/StrictUpstream.ts"
import { assertPasses, useWire } from "./wire.ts"

const wire = useWire()
const trusting = useWire({ trusted: ["127.0.0.0/8"] })

const get = (fields: string): string => `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`
const fieldsOf = (request: ReceivedRequest | undefined): string =>
  request!.head.slice("GET / HTTP/1.1\r\nHost: a\r\n".length, -2)

describe("requests", () => {
  const cases: ReadonlyArray<readonly [name: string, sent: string, forwarded: string]> = [
    ["Connection", "Connection: keep-alive\r\nA: b\r\n", "A: b\r\n"],
    ["what Connection names", "X: 1\r\nConnection: x, Y\r\nA: b\r\ny: 2\r\nX: 3\r\n", "A: b\r\n"],
    ["what several Connection fields name", "Connection: x\r\nX: 1\r\nConnection:\r\nY: 2\r\nConnection: ,y,\r\n", ""],
    ["Keep-Alive", "Keep-Alive: timeout=5\r\nA: b\r\n", "A: b\r\n"],
    ["Proxy-Connection", "A: b\r\nProxy-Connection: close\r\n", "A: b\r\n"],
    ["Proxy-Authorization", "PROXY-AUTHORIZATION: Basic eA==\r\nA: b\r\n", "A: b\r\n"],
    ["TE", "TE: gzip\r\nA: b\r\n", "A: b\r\n"],
    ["Trailer", "Trailer: X\r\nA: b\r\n", "A: b\r\n"],
    [
      "Upgrade to h2c",
      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
      ""
    ],
    ["Upgrade to several", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", ""],
    ["two Upgrades", "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n", ""],
    ["Upgrade that Connection does not name", "Upgrade: websocket\r\nA: b\r\n", "A: b\r\n"],
    [
      "every hop-by-hop field at once",
      "Connection: close, x\r\nKeep-Alive: 5\r\nTE: x\r\nTrailer: x\r\nUpgrade: x\r\nProxy-Connection: x\r\nx: 1\r\n",
      ""
    ]
  ]
  for (const [name, sent, forwarded] of cases) {
    it(`${name} is not forwarded`, async () => {
      using client = await RawClient.connect(wire.plane.port)
      assert.strictEqual((await client.send(get(sent)).response()).status, 200)
      assert.strictEqual(fieldsOf(wire.upstream.requests[0]), forwarded)
      wire.upstream.check()
    })
  }

  it("TE: trailers is carried as our own", async () => {
    const [request] = await assertPasses(wire, get("TE: trailers\r\nConnection: TE\r\nA: b\r\n"))
    assert.strictEqual(fieldsOf(request), "A: b\r\nConnection: TE\r\nTE: trailers\r\n")
  })

  it("Connection cannot nominate what frames, routes, identifies or authenticates", async () => {
    const body =
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: host, content-length, authorization, cookie, transfer-encoding, date\r\n"
    const kept = "Authorization: Basic eA==\r\nCookie: a=b\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    const [request] = await assertPasses(wire, `${body}${kept}Content-Length: 5\r\n\r\nhello`)
    assert.strictEqual(request!.head, `POST / HTTP/1.1\r\nHost: a\r\n${kept}Content-Length: 5\r\n\r\n`)
    assert.strictEqual(`${request!.body}`, "hello")
  })

  it("Connection cannot make our own additions disappear", async () => {
    await using upstream = await StrictUpstream.start()
    await using plane = await DataPlane.start({
      backends: [upstream.port],
      location: {
        upstreamFields: (exchange) => {
          const fields = new Fields(exchange.fields.text)
          fields.set("X-Forwarded-For", exchange.client.remoteAddress)
          fields.set("X-Real-IP", exchange.client.remoteAddress)
          fields.set("X-Ours", "1")
          return fields.text
        }
      }
    })
    using client = await RawClient.connect(plane.port)
    await client.send(get("Connection: X-Forwarded-For, X-Real-IP, X-Ours\r\nX-Real-IP: 6.6.6.6\r\n")).response()
    assert.strictEqual(
      fieldsOf(upstream.requests[0]),
      "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\nX-Ours: 1\r\n"
    )
    upstream.check()
  })

  const identity = [
    "X-Forwarded-For",
    "X-Real-IP",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "Forwarded"
  ]

  for (const name of identity) {
    it(`${name} counts only from a trusted peer`, async () => {
      const sent = get(`${name}: 1\r\nA: b\r\n${name.toLowerCase()}: 2\r\n`)
      const [fromAnybody] = await assertPasses(wire, sent)
      assert.strictEqual(fieldsOf(fromAnybody), "A: b\r\n")
      const [fromTrusted] = await assertPasses(trusting, sent)
      assert.strictEqual(fieldsOf(fromTrusted), `${name}: 1\r\nA: b\r\n${name.toLowerCase()}: 2\r\n`)
    })
  }

  for (const name of [
    "X_Forwarded_For",
    "X-Forwarded_For",
    "x_real_ip",
    "X_Forwarded_Proto",
    "Content_Length",
    "Transfer_Encoding",
    "Keep_Alive",
    "Proxy_Authorization",
    "HTTP2_Settings"
  ]) {
    it(`${name} is dropped, from a trusted peer, too`, async () => {
      for (const target of [wire, trusting]) {
        const [request] = await assertPasses(target, get(`${name}: 1\r\nA: b\r\n`))
        assert.strictEqual(fieldsOf(request), "A: b\r\n")
      }
    })
  }

  it("other names with _ pass", async () => {
    const [request] = await assertPasses(wire, get("X_Request_Id: 1\r\n_: 2\r\nContent_Type: x\r\n"))
    assert.strictEqual(fieldsOf(request), "X_Request_Id: 1\r\n_: 2\r\nContent_Type: x\r\n")
  })
})

describe("responses", () => {
  it("lose what belongs to the hop, keep everything else byte for byte", async () => {
    const kept =
      "Server: x\r\nset-cookie: a=b\r\nSet-Cookie: c=d\r\nX:  y \r\nX-Forwarded-For: 1\r\nDate: Fri, 02 Jan 2026 00:00:00 GMT\r\n"
    wire.upstream.onRequest = () =>
      reply(
        "ok",
        `HTTP/1.1 200 Fine\r\nConnection: X-Hop, keep-alive\r\nKeep-Alive: timeout=5\r\n${kept}X-Hop: 1\r\nProxy-Connection: x\r\nTE: x\r\nTrailer: X\r\nUpgrade: h2c\r\n`
      )
    using client = await RawClient.connect(wire.plane.port)
    const response = await client.send(get("")).response()
    assert.strictEqual(response.head, `HTTP/1.1 200 Fine\r\n${kept}Content-Length: 2\r\n\r\n`)
  })

  it("get a Date when they have none", async () => {
    using client = await RawClient.connect(wire.plane.port)
    const response = await client.send(get("")).response()
    assert.strictEqual(header(response, "date"), "Thu, 01 Jan 2026 00:00:00 GMT")
  })

  it("Connection cannot nominate Content-Length, Date, Set-Cookie's framing neighbours", async () => {
    wire.upstream.onRequest = () =>
      reply("ok", "HTTP/1.1 200 OK\r\nConnection: content-length, date\r\nDate: Fri, 02 Jan 2026 00:00:00 GMT\r\n")
    using client = await RawClient.connect(wire.plane.port)
    const response = await client.send(get("")).response()
    assert.strictEqual(
      response.head,
      "HTTP/1.1 200 OK\r\nDate: Fri, 02 Jan 2026 00:00:00 GMT\r\nContent-Length: 2\r\n\r\n"
    )
  })
})
