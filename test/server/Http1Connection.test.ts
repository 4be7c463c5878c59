/** A client connection's life: keep-alive, pipelining, time-outs, lingering and draining. */
import { assert, describe, it } from "@effect/vitest"
import type { BodySink, BodySource } from "../../src/proxy/Body.ts"
import { respond, respondStream } from "../../src/proxy/Response.ts"
import type { RequestChain } from "../../src/proxy/Runtime.ts"
import { DataPlane, type DataPlaneOptions } from "../support/DataPlane.ts"
import { BrokenResponse, eventually, header, RawClient, turn } from "../support/RawClient.ts"
import { StrictUpstream } from "../support/StrictUpstream.ts"

const get = (path: string, fields = ""): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`
const ping = get("/ping")

const withUpstream = async (
  options: Omit<DataPlaneOptions, "backends">,
  run: (plane: DataPlane, upstream: StrictUpstream) => Promise<void>
): Promise<void> => {
  await using upstream = await StrictUpstream.start()
  await using plane = await DataPlane.start({ ...options, backends: [upstream.port] })
  await run(plane, upstream)
  await plane.settled()
}

/** Turns enough for everything that can happen without time passing to happen. */
const idle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await turn()
}

describe("keep-alive", () => {
  it("closes after the last request of its allowance and says so", () =>
    withUpstream({ connection: { maxRequests: 3 } }, async (plane) => {
      using client = await RawClient.connect(plane.port)
      for (const expected of [undefined, undefined, "close"]) {
        const response = await client.send(ping).response()
        assert.strictEqual(header(response, "connection"), expected)
      }
      assert.strictEqual(await client.end(), "end")
    }))

  it("closes when the client asks, pipelined requests behind it are not answered", () =>
    withUpstream({}, async (plane, upstream) => {
      using client = await RawClient.connect(plane.port)
      const response = await client.send(get("/ping", "Connection: Close\r\n") + get("/more")).response()
      assert.strictEqual(header(response, "connection"), "close")
      assert.strictEqual(await client.end(), "end")
      assert.lengthOf(upstream.requests, 0)
    }))

  it("an error page does not close a connection whose framing is sound", () =>
    withUpstream({ location: { upstream: null } }, async (plane) => {
      using client = await RawClient.connect(plane.port)
      assert.strictEqual((await client.send(get("/")).response()).status, 503)
      assert.strictEqual((await client.send(ping).response()).status, 200)
    }))

  it("ends an idle connection in time, not before", () =>
    withUpstream({ connection: { keepAliveMillis: 5_000 } }, async (plane) => {
      using client = await RawClient.connect(plane.port)
      await client.send(ping).response()
      plane.advance(4_900)
      await client.send(ping).response()
      plane.advance(4_900)
      await idle()
      assert.isFalse(client.ended)
      plane.advance(300)
      assert.strictEqual(await client.end(), "end")
      await eventually(() => plane.connections.size === 0, "no connection")
    }))
})

describe("pipelining", () => {
  it("answers in order, however the answers come", () =>
    withUpstream({}, async (plane, upstream) => {
      const paths = Array.from({ length: 40 }, (_, i) => (i % 3 === 0 ? "/ping" : `/${i}`))
      using client = await RawClient.connect(plane.port)
      client.send(paths.map((path) => get(path)).join(""))
      for (const path of paths) {
        const response = await client.response()
        assert.strictEqual(`${response.body}`, path === "/ping" ? "pong" : `GET ${path} 0`)
      }
      assert.deepStrictEqual(
        upstream.requests.map((request) => request.target),
        paths.filter((path) => path !== "/ping")
      )
    }))

  it("answers in order with bodies between the heads", () =>
    withUpstream({}, async (plane) => {
      const post = (path: string, body: string) =>
        `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      const chunked = (path: string) =>
        `PUT ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`
      using client = await RawClient.connect(plane.port)
      client.send(
        post("/1", "x".repeat(3000)) + chunked("/2") + post("/ping", "unread") + get("/3") + chunked("/4") + ping
      )
      const bodies: Array<string> = []
      for (let i = 0; i < 6; i++) bodies.push(`${(await client.response()).body}`)
      assert.deepStrictEqual(bodies, ["POST /1 3000", "PUT /2 3", "pong", "GET /3 0", "PUT /4 3", "pong"])
    }))

  it("forwards nothing of the second request before the first is answered", () =>
    withUpstream({}, async (plane, upstream) => {
      upstream.onRequest = () => undefined
      using client = await RawClient.connect(plane.port)
      client.send(get("/first") + get("/second"))
      const first = await upstream.received()
      await idle()
      assert.lengthOf(upstream.requests, 1)
      upstream.onRequest = () => "HTTP/1.1 204 No Content\r\n\r\n"
      first.socket.write("HTTP/1.1 204 No Content\r\n\r\n")
      assert.strictEqual((await client.response()).status, 204)
      assert.strictEqual((await client.response()).status, 204)
    }))

  it("a malformed request behind good ones is answered in its place", () =>
    withUpstream({}, async (plane) => {
      using client = await RawClient.connect(plane.port)
      client.send(`${ping}${get("/a")}GET / HTTP/9.9\r\n\r\n`)
      const statuses = []
      for (let i = 0; i < 3; i++) statuses.push((await client.response()).status)
      assert.deepStrictEqual(statuses, [200, 200, 505])
      assert.strictEqual(await client.end(), "end")
    }))

  it("takes no more requests while the client does not read the answers", () =>
    withUpstream({ connection: { maxRequests: 1e9 } }, async (plane) => {
      using client = await RawClient.connect(plane.port)
      client.socket.pause()
      const batch = ping.repeat(2_000)
      const total = 400
      const before = plane.server.counters.accepted
      for (let i = 0; i < total; i++) client.send(batch)
      // Until nothing moves any more: everybody's buffers are full.
      let last = -1
      while (plane.server.counters.accepted !== last) {
        last = plane.server.counters.accepted
        for (let i = 0; i < 200; i++) await turn()
      }
      const [socket] = plane.sockets
      assert.isBelow(socket!.writableLength, 1024 * 1024)
      assert.isBelow(last - before, 2_000 * total)
      client.socket.resume()
      let answered = 0
      while (answered < 2_000 * total) {
        const response = await client.response()
        assert.strictEqual(response.status, 200)
        answered++
        if (answered === 20_000) break
      }
    }))

  it("closes when the client sends requests and never reads", () =>
    withUpstream({ connection: { maxRequests: 1e9 } }, async (plane) => {
      using client = await RawClient.connect(plane.port)
      client.socket.pause()
      for (let i = 0; i < 400; i++) client.send(ping.repeat(2_000))
      let last = -1
      while (plane.server.counters.accepted !== last) {
        last = plane.server.counters.accepted
        for (let i = 0; i < 200; i++) await turn()
      }
      plane.advance(59_000)
      await idle()
      assert.strictEqual(plane.connections.size, 1)
      plane.advance(2_000)
      await eventually(() => plane.connections.size === 0, "the connection is closed")
    }))
})

describe("time-outs", () => {
  it("no byte at all: closes without an answer", () =>
    withUpstream({}, async (plane) => {
      using client = await RawClient.connect(plane.port)
      await eventually(() => plane.connections.size === 1, "a connection")
      plane.advance(29_900)
      await idle()
      assert.isFalse(client.ended)
      plane.advance(300)
      assert.strictEqual(await client.end(), "end")
      assert.strictEqual(client.rest, "")
    }))

  it("a head that stops: 408 after the idle time", () =>
    withUpstream({}, async (plane) => {
      using client = await RawClient.connect(plane.port)
      await client.sendPieces(["GET / HT"])
      plane.advance(10_200)
      assert.strictEqual((await client.response()).status, 408)
      assert.strictEqual(await client.end(), "end")
    }))

  it("a head that trickles: 408 after the total time", () =>
    withUpstream({}, async (plane) => {
      using client = await RawClient.connect(plane.port)
      for (let i = 0; i < 10; i++) {
        await client.sendPieces(["G"])
        assert.strictEqual(client.rest, "", `after ${i * 5} s`)
        if (i === 6) break
        plane.advance(5_000)
      }
      plane.advance(300)
      assert.strictEqual((await client.response()).status, 408)
    }))

  it("a body that stops: 408, upstream request aborted", () =>
    withUpstream({}, async (plane, upstream) => {
      using client = await RawClient.connect(plane.port)
      client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
      const request = await upstream.received()
      await eventually(() => request.bodyBytes === 5, "half of the body")
      plane.advance(59_900)
      await idle()
      assert.isFalse(request.broken)
      plane.advance(300)
      const response = await client.response()
      assert.strictEqual(response.status, 408)
      assert.strictEqual(header(response, "connection"), "close")
      await upstream.disconnected()
      assert.isTrue(request.broken)
      assert.deepStrictEqual([(await plane.ended()).status, (await plane.ended()).failure], [408, "request.timeout"])
    }))

  it("a response that is not read: broken off after the write time, upstream destroyed", () =>
    withUpstream({}, async (plane, upstream) => {
      upstream.onRequest = ({ socket }) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${1 << 28}\r\n\r\n`)
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
      client.send(get("/"))
      await eventually(() => [...plane.sockets].some((socket) => socket.writableNeedDrain), "backpressure")
      await idle()
      plane.advance(59_000)
      await idle()
      assert.lengthOf(plane.finished, 0)
      plane.advance(2_000)
      assert.deepInclude(await plane.ended(), { status: 200, failure: "client.too_slow" })
      await upstream.disconnected()
    }))
})

describe("the end of a connection", () => {
  const big = respond(200, [], Buffer.alloc(8 << 20, "x"))
  const bigText = respond(200, [], "x".repeat(8 << 20))
  const local = (response = big): { readonly location: { readonly request: RequestChain } } => ({
    location: { request: { run: (exchange) => (exchange.path === "/big" ? response : undefined) } }
  })

  /** Reads a little, lets time pass, and so on, until the response is whole. */
  const readSlowly = async (plane: DataPlane, client: RawClient, millis: number): Promise<void> => {
    let done = false
    const response = client.response("GET", 15_000).finally(() => {
      done = true
    })
    response.catch(() => {})
    let read = client.socket.bytesRead
    while (!done) {
      client.socket.resume()
      await eventually(() => done || client.socket.bytesRead > read, "progress", 10_000)
      client.socket.pause()
      read = client.socket.bytesRead
      await idle()
      plane.advance(millis)
      await turn()
      client.socket.resume()
    }
    await response
  }

  it("waits until a slow client has read a large response of ours", () =>
    withUpstream(local(), async (plane) => {
      using client = await RawClient.connect(plane.port)
      client.send(get("/big"))
      await readSlowly(plane, client, 5_000)
      assert.strictEqual((await plane.ended()).failure, null)
    }))

  it("waits until a slow client has read a large text of ours", () =>
    withUpstream(local(bigText), async (plane) => {
      using client = await RawClient.connect(plane.port)
      client.send(get("/big"))
      await readSlowly(plane, client, 5_000)
      assert.strictEqual((await plane.ended()).failure, null)
    }))

  it("waits until a slow client has read the last response", () =>
    withUpstream({}, async (plane, upstream) => {
      const length = 8 << 20
      upstream.onRequest = () =>
        Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`), Buffer.alloc(length)])
      using client = await RawClient.connect(plane.port)
      client.send(get("/big", "Connection: close\r\n"))
      await readSlowly(plane, client, 5_000)
      assert.strictEqual(await client.end(), "end")
    }))

  it("drops what a refused client still sends without resetting its answer", () =>
    withUpstream({ location: { maxBodyBytes: 10 } }, async (plane) => {
      using client = await RawClient.connect(plane.port)
      client.socket.pause()
      client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n`)
      for (let i = 0; i < 200; i++) {
        client.send(Buffer.alloc(64 << 10))
        await turn()
      }
      client.socket.resume()
      const response = await client.response()
      assert.strictEqual(response.status, 413)
      assert.strictEqual(await client.end(), "end")
      await idle()
      assert.strictEqual(plane.connections.size, 1)
      plane.advance(2_200)
      await eventually(() => plane.connections.size === 0, "the connection is closed")
    }))

  it("does not wait for the rest of a body when the client has ended its side", () =>
    withUpstream({}, async (plane) => {
      using client = await RawClient.connect(plane.port)
      const response = await client.send("POST /ping HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello").response()
      assert.strictEqual(header(response, "connection"), undefined)
      client.finish()
      assert.strictEqual(await client.end(), "end")
      await eventually(() => plane.connections.size === 0, "the connection is closed")
    }))

  it("a broken chunk in a body that nobody reads closes", () =>
    withUpstream({}, async (plane, upstream) => {
      // The whole answer comes before the body: what is left of the body is dropped.
      upstream.onHead = () => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
      using client = await RawClient.connect(plane.port)
      client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
      assert.strictEqual(`${(await client.response()).body}`, "ok")
      client.send("zz\r\n")
      assert.strictEqual(await client.end(), "end")
      client.finish()
      await eventually(() => plane.connections.size === 0, "the connection is closed")
    }))

  it("the rest of a short body that nobody wanted is read, then the next request is taken", () =>
    withUpstream({}, async (plane) => {
      using client = await RawClient.connect(plane.port)
      client.send("POST /ping HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n")
      assert.strictEqual(`${(await client.response()).body}`, "pong")
      client.send("x".repeat(60_000)).send(get("/next"))
      assert.strictEqual(`${(await client.response()).body}`, "GET /next 0")
    }))

  it("a long body that nobody wanted ends the connection, and the answer says so", () =>
    withUpstream({}, async (plane) => {
      for (const framing of ["Content-Length: 70000", "Transfer-Encoding: chunked"]) {
        using client = await RawClient.connect(plane.port)
        const response = await client.send(`POST /ping HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`).response()
        assert.strictEqual(header(response, "connection"), "close")
        assert.strictEqual(await client.end(), "end")
      }
    }))
})

describe("responses of our own", () => {
  const answer = (response: ReturnType<typeof respond>): Omit<DataPlaneOptions, "backends"> => ({
    location: { request: { run: () => response } }
  })

  it("to HEAD announce a length and send, and count, no body", async () => {
    for (const body of ["hello", Buffer.from("hello")]) {
      await withUpstream(answer(respond(200, [], body)), async (plane) => {
        using client = await RawClient.connect(plane.port)
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        const response = await client.response("HEAD")
        assert.strictEqual(header(response, "content-length"), "5")
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.response("HEAD")
        assert.strictEqual((await plane.ended(2)).responseBytes, 0)
      })
    }
  })

  it("with 204 and 304 have no length of a body that is not theirs", async () => {
    for (const status of [204, 304]) {
      await withUpstream(answer(respond(status)), async (plane) => {
        using client = await RawClient.connect(plane.port)
        for (let i = 0; i < 2; i++) {
          const response = await client.send(get("/")).response()
          assert.strictEqual(response.status, status)
          assert.strictEqual(header(response, "content-length"), undefined)
        }
      })
    }
  })

  it("stream with a length, in chunks, or until the end", async () => {
    const stream = (length: number) =>
      respondStream(
        200,
        [],
        (sink: BodySink): BodySource => {
          sink.write(Buffer.from("hel"))
          sink.write(Buffer.from("lo"))
          sink.end(null)
          return { resume: () => {}, cancel: () => {} }
        },
        length
      )
    for (const [length, version, framing] of [
      [5, "1.1", "length"],
      [-1, "1.1", "chunked"],
      [-1, "1.0", "close"]
    ] as const) {
      await withUpstream(answer(stream(length)), async (plane) => {
        using client = await RawClient.connect(plane.port)
        const response = await client.send(`GET / HTTP/${version}\r\nHost: a\r\n\r\n`).response()
        assert.deepStrictEqual([response.framing, `${response.body}`], [framing, "hello"])
      })
    }
  })

  it("that end short of their length are broken", () =>
    withUpstream(
      answer(
        respondStream(
          200,
          [],
          (sink: BodySink): BodySource => {
            sink.write(Buffer.from("hel"))
            sink.end(null)
            return { resume: () => {}, cancel: () => {} }
          },
          5
        )
      ),
      async (plane) => {
        using client = await RawClient.connect(plane.port)
        const error = await client
          .send(get("/"))
          .response()
          .then(
            () => null,
            (cause: unknown) => cause
          )
        assert.instanceOf(error, BrokenResponse)
      }
    ))
})

describe("draining", () => {
  it("closes an idle connection, and takes no request from it any more", () =>
    withUpstream({}, async (plane, upstream) => {
      using client = await RawClient.connect(plane.port)
      await client.send(ping).response()
      plane.drain()
      client.send(get("/late"))
      assert.strictEqual(await client.end(), "end")
      await idle()
      assert.lengthOf(upstream.requests, 0)
      client.finish()
      await eventually(() => plane.connections.size === 0, "the connection is closed")
    }))

  it("lets a running exchange finish and closes behind it", () =>
    withUpstream({}, async (plane, upstream) => {
      upstream.onRequest = () => undefined
      using client = await RawClient.connect(plane.port)
      client.send(get("/running"))
      const request = await upstream.received()
      plane.drain()
      request.socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
      const response = await client.response()
      assert.strictEqual(header(response, "connection"), "close")
      assert.strictEqual(await client.end(), "end")
    }))

  it("answers a request whose head has begun to arrive", () =>
    withUpstream({}, async (plane) => {
      using client = await RawClient.connect(plane.port)
      await client.sendPieces(["GET /ping HT"])
      plane.drain()
      const response = await client.send("TP/1.1\r\nHost: a\r\n\r\n").response()
      assert.strictEqual(header(response, "connection"), "close")
      assert.strictEqual(await client.end(), "end")
    }))

  it("answers one more of the requests that wait because the client does not read", () =>
    withUpstream({ connection: { maxRequests: 1e9 } }, async (plane) => {
      using client = await RawClient.connect(plane.port)
      client.socket.pause()
      client.send(ping.repeat(200_000))
      await eventually(() => [...plane.sockets].some((socket) => socket.writableNeedDrain), "backpressure")
      await idle()
      plane.drain()
      client.socket.resume()
      for (;;) {
        const response = await client.response()
        assert.strictEqual(response.status, 200)
        if (header(response, "connection") === "close") break
      }
      assert.strictEqual(await client.end(), "end")
    }))

  it("does not cut a running download short", () =>
    withUpstream({}, async (plane, upstream) => {
      upstream.onRequest = () => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
      using client = await RawClient.connect(plane.port)
      client.send(get("/download"))
      await eventually(() => client.rest.endsWith("hello"), "half of the body")
      plane.drain()
      upstream.requests[0]!.socket.write("world")
      assert.strictEqual(`${(await client.response()).body}`, "helloworld")
      assert.strictEqual(await client.end(), "end")
    }))
})
