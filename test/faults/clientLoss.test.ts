/** Clients that leave: everything that runs for them ends at once, and is counted exactly once. */
import { assert, describe, it } from "@effect/vitest"
import { PENDING } from "../../src/proxy/Runtime.ts"
import { DataPlane, type DataPlaneOptions } from "../support/DataPlane.ts"
import { eventually, RawClient } from "../support/RawClient.ts"
import { type ReceivedRequest, StrictUpstream } from "../support/StrictUpstream.ts"

const get = (path = "/"): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

const withUpstream = async (
  options: Omit<DataPlaneOptions, "backends">,
  run: (plane: DataPlane, upstream: StrictUpstream) => Promise<void>
): Promise<void> => {
  await using upstream = await StrictUpstream.start()
  await using plane = await DataPlane.start({ ...options, backends: [upstream.port] })
  await run(plane, upstream)
  await plane.settled()
  await eventually(() => plane.connections.size === 0, "no client connection")
  upstream.clear()
  using client = await RawClient.connect(plane.port)
  assert.strictEqual(`${(await client.send(get("/clean")).response()).body}`, "GET /clean 0")
}

const WAYS = [
  ["end", (client: RawClient) => client.finish()],
  ["destroy", (client: RawClient) => client.socket.destroy()],
  ["reset", (client: RawClient) => client.abort()]
] as const

for (const [how, leave] of WAYS) {
  describe(`by ${how}`, () => {
    const gone = async (
      plane: DataPlane,
      upstream: StrictUpstream,
      client: RawClient,
      status: number
    ): Promise<ReceivedRequest> => {
      leave(client)
      const finished = await plane.ended()
      assert.deepInclude(finished, { status, failure: "client.gone" })
      await upstream.disconnected()
      await plane.settled()
      assert.lengthOf(plane.finished, 1)
      assert.strictEqual(plane.pool.connected, 0)
      client.socket.destroy()
      return upstream.requests[0]!
    }

    it("before the request is complete: nothing has begun", () =>
      withUpstream({}, async (plane) => {
        using client = await RawClient.connect(plane.port)
        await client.sendPieces(["GET / HTTP/1.1\r\n"])
        leave(client)
        await eventually(() => plane.connections.size === 0, "no client connection")
        assert.strictEqual(plane.server.counters.accepted, 0)
        client.socket.destroy()
      }))

    it("in the middle of the request body", () =>
      withUpstream({}, async (plane, upstream) => {
        using client = await RawClient.connect(plane.port)
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        await upstream.received()
        const request = await gone(plane, upstream, client, 499)
        assert.deepStrictEqual([request.complete, request.broken], [false, true])
      }))

    it("in the middle of a chunked request body", () =>
      withUpstream({}, async (plane, upstream) => {
        using client = await RawClient.connect(plane.port)
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await upstream.received()
        const request = await gone(plane, upstream, client, 499)
        assert.deepStrictEqual([request.complete, request.broken], [false, true])
      }))

    it("while the upstream thinks", () =>
      withUpstream({}, async (plane, upstream) => {
        upstream.onRequest = () => undefined
        using client = await RawClient.connect(plane.port)
        client.send(get())
        await upstream.received()
        await gone(plane, upstream, client, 499)
      }))

    it("while the upstream thinks about a request with a body", () =>
      withUpstream({}, async (plane, upstream) => {
        upstream.onRequest = () => undefined
        using client = await RawClient.connect(plane.port)
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        const request = await upstream.received()
        await eventually(() => request.complete, "the whole request")
        await gone(plane, upstream, client, 499)
      }))

    it("in the middle of the response", () =>
      withUpstream({}, async (plane, upstream) => {
        upstream.onRequest = () => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
        using client = await RawClient.connect(plane.port)
        client.send(get())
        await eventually(() => client.rest.includes("hello"), "the first half")
        await gone(plane, upstream, client, 200)
      }))

    it("while a plugin thinks: it is interrupted", () => {
      let interrupted = 0
      return withUpstream(
        {
          location: {
            request: {
              run: (exchange) => {
                if (exchange.path !== "/wait") return undefined
                exchange.interrupt = () => {
                  interrupted++
                }
                return PENDING
              }
            }
          }
        },
        async (plane, upstream) => {
          using client = await RawClient.connect(plane.port)
          client.send(get("/wait"))
          await eventually(() => plane.server.counters.processing === 1, "the request")
          leave(client)
          assert.deepInclude(await plane.ended(), { status: 499, failure: "client.gone" })
          assert.strictEqual(interrupted, 1)
          assert.lengthOf(upstream.requests, 0)
          client.socket.destroy()
        }
      )
    })
  })
}

describe("by a reset", () => {
  it("while the response waits for the client to read", () =>
    withUpstream({}, async (plane, upstream) => {
      upstream.onRequest = ({ socket }) => {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        const piece = Buffer.alloc(1 << 20)
        const push = () => {
          while (!socket.destroyed && socket.write(piece));
        }
        socket.on("drain", push)
        push()
        return undefined
      }
      using client = await RawClient.connect(plane.port)
      client.socket.pause()
      client.send(get())
      await eventually(() => [...plane.sockets].some((socket) => socket.writableNeedDrain), "backpressure")
      client.abort()
      assert.deepInclude(await plane.ended(), { status: 200, failure: "client.gone" })
      await upstream.disconnected()
    }))

  it("while the upload waits for the upstream to read: noticed when the upstream goes on", () =>
    withUpstream({}, async (plane, upstream) => {
      upstream.onConnection = (socket) => socket.pause()
      using client = await RawClient.connect(plane.port)
      client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${64 << 20}\r\n\r\n`).send(Buffer.alloc(32 << 20))
      await eventually(() => upstream.sockets.size === 1 && client.socket.bytesWritten > 0, "a connection")
      await eventually(() => [...plane.sockets].some((socket) => socket.isPaused()), "backpressure")
      client.abort()
      for (const socket of upstream.sockets) socket.resume()
      assert.deepInclude(await plane.ended(), { status: 499, failure: "client.gone" })
      await upstream.disconnected()
    }))

  it("of five hundred connections at every stage: nothing is left", () =>
    withUpstream({}, async (plane, upstream) => {
      upstream.onRequest = ({ target }) =>
        target === "/half" ? "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello" : undefined
      const starts = [
        "",
        "GET / HT",
        get("/wait"),
        get("/half"),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"
      ]
      for (let round = 0; round < 10; round++) {
        const clients = await Promise.all(Array.from({ length: 50 }, () => RawClient.connect(plane.port)))
        clients.forEach((client, i) => void (starts[i % 5] !== "" && client.send(starts[i % 5]!)))
        await eventually(() => plane.server.counters.accepted === (round + 1) * 30, "all requests")
        for (const client of clients) client.abort()
        await plane.settled()
      }
      await upstream.disconnected()
      assert.lengthOf(plane.finished, 300)
    }))
})
