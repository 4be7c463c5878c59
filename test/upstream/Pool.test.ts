/** Backends and their connections: order of reuse, limits, counters, closing. */
import { assert, describe, it } from "@effect/vitest"
import { Backend } from "../../src/upstream/Backend.ts"
import { DataPlane, type DataPlaneOptions } from "../support/DataPlane.ts"
import { eventually, header, RawClient } from "../support/RawClient.ts"
import { reply, StrictUpstream } from "../support/StrictUpstream.ts"

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

const withUpstream = async (
  options: Omit<DataPlaneOptions, "backends">,
  run: (plane: DataPlane, upstream: StrictUpstream) => Promise<void>
): Promise<void> => {
  await using upstream = await StrictUpstream.start()
  await using plane = await DataPlane.start({ ...options, backends: [upstream.port] })
  await run(plane, upstream)
  await plane.settled()
  upstream.check()
}

/** Runs that many requests at once and leaves their connections idle. */
const warm = async (plane: DataPlane, upstream: StrictUpstream, count: number): Promise<void> => {
  const before = upstream.requests.length
  upstream.onRequest = () => undefined
  const clients = await Promise.all(Array.from({ length: count }, () => RawClient.connect(plane.port)))
  for (const [i, client] of clients.entries()) {
    client.send(get(`/warm${i}`))
    await upstream.received(before + i + 1)
  }
  for (const request of upstream.requests.slice(before)) request.socket.write(reply(request.target))
  for (const [i, client] of clients.entries()) {
    assert.strictEqual(`${(await client.response()).body}`, `/warm${i}`)
    client.socket.destroy()
  }
  upstream.clear()
}

describe("addresses", () => {
  for (const [host, port, address] of [
    ["127.0.0.1", 80, "127.0.0.1:80"],
    ["example.com", 8080, "example.com:8080"],
    ["::1", 80, "[::1]:80"],
    ["/run/app.sock", 0, "/run/app.sock"]
  ] as const) {
    it(address, () => assert.strictEqual(new Backend(host, port, 1).address, address))
  }
})

describe("reuse", () => {
  it("the connection used last is used first", () =>
    withUpstream({}, async (plane, upstream) => {
      await warm(plane, upstream, 3)
      assert.strictEqual(plane.idle, 3)
      using client = await RawClient.connect(plane.port)
      for (let i = 0; i < 5; i++) await client.send(get("/")).response()
      assert.deepStrictEqual(
        upstream.requests.map(({ connection }) => connection),
        [3, 3, 3, 3, 3]
      )
      assert.strictEqual(upstream.accepted, 3)
    }))

  it("no more idle connections are kept than allowed", () =>
    withUpstream({ pool: { maxIdle: 2 } }, async (plane, upstream) => {
      await warm(plane, upstream, 5)
      assert.strictEqual(plane.idle, 2)
      await eventually(() => upstream.sockets.size === 2, "two connections")
      assert.strictEqual(plane.pool.connected, 2)
    }))

  it("exchanges learn how they were connected", () =>
    withUpstream({ pool: { traced: true } }, async (plane) => {
      using client = await RawClient.connect(plane.port)
      await client.send(get("/")).response()
      await client.send(get("/")).response()
      assert.deepStrictEqual(
        plane.finished.map(({ reused }) => reused),
        [false, true]
      )
    }))
})

describe("a limit of connections", () => {
  it("refuses with 503 what is beyond it, and serves again when there is room", () =>
    withUpstream({ pool: { maxConnections: 2 }, location: { maxRetries: 3 } }, async (plane, upstream) => {
      upstream.onRequest = () => undefined
      const clients = await Promise.all(Array.from({ length: 3 }, () => RawClient.connect(plane.port)))
      clients[0]!.send(get("/0"))
      clients[1]!.send(get("/1"))
      await upstream.received(2)
      const refused = await clients[2]!.send(get("/2")).response()
      assert.strictEqual(refused.status, 503)
      assert.strictEqual(header(refused, "connection"), undefined)
      upstream.requests[0]!.socket.write(reply("0"))
      await clients[0]!.response()
      upstream.onRequest = () => reply("again")
      assert.strictEqual(`${(await clients[2]!.send(get("/3")).response()).body}`, "again")
      upstream.requests[1]!.socket.write(reply("1"))
      await clients[1]!.response()
      assert.strictEqual(upstream.accepted, 2)
      for (const client of clients) client.socket.destroy()
    }))

  it("idle connections count, but make room for a repetition that needs a new one", () =>
    withUpstream({ pool: { maxConnections: 1 } }, async (plane, upstream) => {
      using client = await RawClient.connect(plane.port)
      await client.send(get("/warm")).response()
      upstream.onHead = ({ connection, socket }) => {
        if (connection === 1) socket.resetAndDestroy()
        return undefined
      }
      assert.strictEqual((await client.send(get("/again")).response()).status, 200)
      assert.strictEqual(plane.pool.connected, 1)
    }))
})

describe("counters", () => {
  it("of connections follow what is open", () =>
    withUpstream({}, async (plane, upstream) => {
      assert.strictEqual(plane.pool.connected, 0)
      upstream.onRequest = () => undefined
      using client = await RawClient.connect(plane.port)
      client.send(get("/"))
      await upstream.received()
      assert.deepStrictEqual([plane.pool.connected, plane.idle, plane.pool.counters.processing], [1, 0, 1])
      upstream.requests[0]!.socket.write(reply("x"))
      await client.response()
      assert.deepStrictEqual([plane.pool.connected, plane.idle, plane.pool.counters.processing], [1, 1, 0])
      upstream.requests[0]!.socket.end()
      await eventually(() => plane.pool.connected === 0, "no connection")
    }))
})

describe("closing", () => {
  it("ends idle connections at once, others behind their exchange", () =>
    withUpstream({}, async (plane, upstream) => {
      await warm(plane, upstream, 2)
      upstream.onRequest = () => undefined
      using client = await RawClient.connect(plane.port)
      client.send(get("/running"))
      await upstream.received()
      plane.pool.close()
      await eventually(() => upstream.sockets.size === 1, "one connection")
      upstream.requests[0]!.socket.write(reply("finished"))
      assert.strictEqual(`${(await client.response()).body}`, "finished")
      await upstream.disconnected()
      assert.strictEqual(plane.pool.connected, 0)
    }))
})

describe("backends", () => {
  it("take turns by weight, each with connections of its own", async () => {
    await using one = await StrictUpstream.start()
    await using two = await StrictUpstream.start()
    await using plane = await DataPlane.start({ backends: [one.port, two.port] })
    using client = await RawClient.connect(plane.port)
    for (let i = 0; i < 6; i++) await client.send(get("/")).response()
    assert.deepStrictEqual([one.requests.length, two.requests.length, one.accepted, two.accepted], [3, 3, 1, 1])
  })
})
