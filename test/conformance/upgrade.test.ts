/** Switching protocols: only WebSocket, only when the upstream agrees, and no byte out of place (hardening 4). */
import { assert, describe, it } from "@effect/vitest"
import { eventually, header, RawClient } from "../support/RawClient.ts"
import { field, reply, switchProtocols } from "../support/StrictUpstream.ts"
import { assertClean, useWire } from "./wire.ts"

const wire = useWire()

const KEY = "Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n"
const upgrade = (path = "/chat", fields = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"): string =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\n${KEY}${fields}\r\n`
const SWITCH =
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n"

/** An upstream that agrees and says everything back, in upper case. */
const shout = (behind = "") => {
  wire.upstream.onRequest = (request) => {
    const socket = switchProtocols(request)
    socket.write(`${SWITCH}${behind}`, "latin1")
    socket.on("data", (chunk: Buffer) => socket.write(chunk.toString("latin1").toUpperCase(), "latin1"))
    return undefined
  }
}

describe("agreed", () => {
  it("both sides become streams", async () => {
    shout()
    using client = await RawClient.connect(wire.plane.port)
    const response = await client.send(upgrade()).response()
    assert.strictEqual(
      response.head,
      "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: y\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    assert.strictEqual(
      wire.upstream.requests[0]!.head,
      `GET /chat HTTP/1.1\r\nHost: a\r\n${KEY}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
    )
    for (const text of ["hello", "GET / HTTP/1.1\r\n\r\n", "\0\x81".repeat(50_000)]) {
      client.send(text)
      assert.strictEqual(await client.bytes(text.length), text.toUpperCase())
    }
    client.finish()
    assert.strictEqual(await client.end(), "end")
    await wire.plane.settled()
    assert.deepInclude(wire.plane.finished.at(-1), { status: 101, failure: null })
    wire.upstream.clear()
    await wire.upstream.disconnected()
    await assertClean(wire)
  })

  it("bytes behind the 101 and behind the request arrive, in order", async () => {
    shout("behind")
    using client = await RawClient.connect(wire.plane.port)
    await client.send(`${upgrade()}early`).response()
    assert.strictEqual(await client.bytes(11), "behindEARLY")
    client.send("late")
    assert.strictEqual(await client.bytes(4), "LATE")
    client.abort()
    wire.upstream.clear()
    await wire.upstream.disconnected()
    await assertClean(wire)
  })

  it("bytes that come before the 101 stay ours until it is read", async () => {
    let switched: (() => void) | null = null
    let seen = ""
    wire.upstream.onRequest = (request) => {
      const socket = switchProtocols(request)
      socket.on("data", (chunk: Buffer) => {
        seen += chunk.toString("latin1")
      })
      switched = () => socket.write(SWITCH)
      return undefined
    }
    using client = await RawClient.connect(wire.plane.port)
    await client.sendPieces([upgrade(), "one", "two", "three"])
    await eventually(() => switched !== null, "the request")
    assert.strictEqual(seen, "")
    switched!()
    assert.strictEqual((await client.response()).status, 101)
    await eventually(
      () => seen === "onetwothree",
      () => `all bytes: ${seen}`
    )
    client.abort()
    wire.upstream.clear()
    await wire.upstream.disconnected()
    await assertClean(wire)
  })

  it("the upstream's end is the client's", async () => {
    shout()
    using client = await RawClient.connect(wire.plane.port)
    await client.send(upgrade()).response()
    wire.upstream.requests[0]!.socket.end("bye")
    assert.strictEqual(await client.bytes(3), "bye")
    assert.strictEqual(await client.end(), "end")
    client.finish()
    wire.upstream.clear()
    await assertClean(wire)
  })

  it("the upstream's loss is the client's", async () => {
    shout()
    using client = await RawClient.connect(wire.plane.port)
    await client.send(upgrade()).response()
    wire.upstream.requests[0]!.socket.resetAndDestroy()
    assert.strictEqual(await client.end(), "reset")
    await wire.plane.settled()
    assert.deepInclude(wire.plane.finished.at(-1), { status: 101, failure: "upstream.closed" })
    wire.upstream.clear()
    await assertClean(wire)
  })

  it("lives on without a word, unless one side has ended", async () => {
    shout()
    using client = await RawClient.connect(wire.plane.port)
    await client.send(upgrade()).response()
    wire.plane.advance(3_600_000)
    client.send("still there")
    assert.strictEqual(await client.bytes(11), "STILL THERE")
    const { socket } = wire.upstream.requests[0]!
    socket.removeAllListeners("end")
    client.finish()
    await eventually(() => socket.readableEnded, "the half-close at the upstream")
    wire.plane.advance(61_000)
    await client.end()
    socket.destroy()
    wire.upstream.clear()
    await wire.upstream.disconnected()
    await assertClean(wire)
  })
})

describe("refused", () => {
  it("bytes behind the request are the next request", async () => {
    wire.upstream.onRequest = (request) => reply(`refused ${request.target}`)
    using client = await RawClient.connect(wire.plane.port)
    client.send(`${upgrade("/one")}GET /two HTTP/1.1\r\nHost: a\r\n\r\n`)
    assert.strictEqual(`${(await client.response()).body}`, "refused /one")
    assert.strictEqual(`${(await client.response()).body}`, "refused /two")
    assert.strictEqual(field(wire.upstream.requests[1]!, "upgrade"), undefined)
    wire.upstream.clear()
    await assertClean(wire)
  })

  it("bytes behind the request pass all rules", async () => {
    wire.upstream.onRequest = (request) => reply(`refused ${request.target}`)
    using client = await RawClient.connect(wire.plane.port)
    client.send(`${upgrade("/one")}\x81\x85smuggled`)
    assert.strictEqual(`${(await client.response()).body}`, "refused /one")
    assert.strictEqual((await client.response()).status, 400)
    assert.strictEqual(await client.end(), "end")
    assert.lengthOf(wire.upstream.requests, 1)
    client.finish()
    wire.upstream.clear()
    await assertClean(wire)
  })

  it("a 101 to another protocol is a 502", async () => {
    wire.upstream.onRequest = () => "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    using client = await RawClient.connect(wire.plane.port)
    assert.strictEqual((await client.send(upgrade()).response()).status, 502)
    wire.upstream.clear()
    await wire.upstream.disconnected()
    await assertClean(wire)
  })
})

describe("not asked for", () => {
  for (const [name, request] of [
    ["in HTTP/1.0", upgrade().replace("HTTP/1.1", "HTTP/1.0")],
    ["with another method", upgrade().replace("GET", "POST")],
    [
      "with a body",
      upgrade("/chat", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n").concat("ab")
    ],
    ["h2c", upgrade("/chat", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n")],
    ["without Connection", upgrade("/chat", "Upgrade: websocket\r\n")]
  ] as const) {
    it(`${name}: an ordinary request without Upgrade, and 101 is refused`, async () => {
      using client = await RawClient.connect(wire.plane.port)
      assert.strictEqual((await client.send(request).response()).status, 200)
      assert.strictEqual(field(wire.upstream.requests[0]!, "upgrade"), undefined)
      wire.upstream.check()
      wire.upstream.onRequest = () => SWITCH
      using other = await RawClient.connect(wire.plane.port)
      const response = await other.send(request).response()
      assert.strictEqual(response.status, 502)
      assert.strictEqual(header(response, "upgrade"), undefined)
      wire.upstream.clear()
      await wire.upstream.disconnected()
      await assertClean(wire)
    })
  }
})
