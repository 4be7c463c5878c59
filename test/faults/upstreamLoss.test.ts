/** Upstreams that refuse, vanish, break off or are silent: what the client sees, and what is left behind. */
import * as net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { DataPlane, type DataPlaneOptions } from "../support/DataPlane.ts"
import { BrokenResponse, eventually, header, RawClient, turn } from "../support/RawClient.ts"
import { reply, StrictUpstream } from "../support/StrictUpstream.ts"

const get = (path = "/", version = "1.1"): string => `GET ${path} HTTP/${version}\r\nHost: a\r\n\r\n`
const OK = "HTTP/1.1 200 OK\r\n"

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

/** A port that nobody listens on. */
const deadPort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })

const brokenOff = async (client: RawClient, method = "GET"): Promise<BrokenResponse> => {
  const outcome = await client.response(method).then(
    (response) => response,
    (error: unknown) => error
  )
  if (outcome instanceof BrokenResponse) return outcome
  throw new Error(
    `expected a broken response, got ${outcome instanceof Error ? outcome.message : JSON.stringify(outcome)}`
  )
}

describe("a response that breaks off looks broken", () => {
  const starts: ReadonlyArray<readonly [name: string, bytes: string]> = [
    ["with a length", `${OK}Content-Length: 10\r\n\r\nhello`],
    ["in chunks", `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`],
    ["inside a chunk", `${OK}Transfer-Encoding: chunked\r\n\r\na\r\nhello`],
    ["inside the trailers", `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: `]
  ]
  for (const [name, bytes] of starts) {
    for (const how of ["end", "reset"] as const) {
      for (const version of ["1.1", "1.0"]) {
        it(`${name}, by ${how}, to HTTP/${version}`, () =>
          withUpstream({}, async (plane, upstream) => {
            upstream.onRequest = () => bytes
            using client = await RawClient.connect(plane.port)
            client.send(get("/", version))
            await eventually(() => client.rest.includes("hello"), "the first half")
            const { socket } = upstream.requests[0]!
            if (how === "end") socket.end()
            else socket.resetAndDestroy()
            const broken = await brokenOff(client)
            assert.include(broken.received, "hello")
            assert.notInclude(broken.received, "\r\n0\r\n\r\n")
            assert.notInclude(broken.received, "Upstream")
            // A body that ends with the connection is only seen to be broken by a reset.
            if (broken.received.includes("Content-Length")) assert.isFalse(broken.reset)
            else if (version === "1.0") assert.isTrue(broken.reset)
            assert.deepInclude(await plane.ended(), { status: 200, failure: "upstream.closed" })
            assert.strictEqual(plane.finished.length, 1)
            assert.strictEqual(plane.idle, 0)
          }))
      }
    }
  }

  it("without length, by reset, to HTTP/1.1 and 1.0", () =>
    withUpstream({}, async (plane, upstream) => {
      upstream.onRequest = () => `${OK}X: y\r\n\r\nhello`
      for (const version of ["1.1", "1.0"]) {
        using client = await RawClient.connect(plane.port)
        client.send(get("/", version))
        await eventually(() => client.rest.includes("hello"), "the first half")
        upstream.requests.at(-1)!.socket.resetAndDestroy()
        const broken = await brokenOff(client)
        assert.strictEqual(broken.reset, version === "1.0")
        assert.notInclude(broken.received, "0\r\n\r\n")
      }
    }))

  for (const [name, tail] of [
    ["a chunk without size", "zz\r\n"],
    ["a chunk longer than its size", "2\r\nabc\r\n"],
    ["a bare line feed", "2\nab\r\n"],
    ["a size of nine digits", "000000001\r\na\r\n"],
    ["a trailer that is none", "0\r\nX y\r\n\r\n"]
  ] as const) {
    it(`${name} in the middle`, () =>
      withUpstream({}, async (plane, upstream) => {
        upstream.onRequest = () => `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`
        using client = await RawClient.connect(plane.port)
        client.send(get())
        await eventually(() => client.rest.includes("hello"), "the first half")
        upstream.requests[0]!.socket.write(tail)
        const broken = await brokenOff(client)
        assert.notInclude(broken.received, "0\r\n\r\n")
        assert.deepInclude(await plane.ended(), { status: 200, failure: "upstream.invalid_response" })
        await upstream.disconnected()
      }))
  }

  it("to a client behind a unix socket, too, without taking the process down", async () => {
    await using upstream = await StrictUpstream.start()
    await using plane = await DataPlane.start({ backends: [upstream.port] })
    upstream.onRequest = () => `${OK}Content-Length: 10\r\n\r\nhello`
    await using pipe = await plane.pipe()
    const socket = net.connect(pipe.path)
    let received = ""
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1")
    })
    socket.write(get("/", "1.0"))
    upstream.onRequest = () => `${OK}X: y\r\n\r\nhello`
    await eventually(() => received.includes("hello"), "the first half")
    upstream.requests[0]!.socket.resetAndDestroy()
    await eventually(() => socket.destroyed || socket.readableEnded, "the end")
    await plane.settled()
    socket.destroy()
  })
})

describe("a head that never comes", () => {
  const cases: ReadonlyArray<readonly [name: string, bytes: string]> = [
    ["no byte", ""],
    ["half a status line", "HTTP/1."],
    ["half a head", `${OK}X: y\r\n`],
    ["an interim response alone", "HTTP/1.1 103 Early Hints\r\n\r\n"]
  ]
  for (const [name, bytes] of cases) {
    for (const how of ["end", "reset"] as const) {
      it(`${name}, then ${how}: 502`, () =>
        withUpstream({}, async (plane, upstream) => {
          upstream.onRequest = ({ socket }) => {
            socket.write(bytes, () => (how === "end" ? socket.end() : socket.resetAndDestroy()))
            return undefined
          }
          using client = await RawClient.connect(plane.port)
          const response = await client.send(get()).response()
          assert.strictEqual(response.status, 502)
          assert.strictEqual(header(response, "connection"), undefined)
          assert.lengthOf(upstream.requests, 1)
          upstream.onRequest = () => reply("fine")
          assert.strictEqual(`${(await client.send(get()).response()).body}`, "fine")
        }))
    }
  }
})

describe("connecting", () => {
  it("refused: 502 at once", async () => {
    await using plane = await DataPlane.start({ backends: [await deadPort()] })
    using client = await RawClient.connect(plane.port)
    for (let i = 0; i < 3; i++) {
      const response = await client.send(get()).response()
      assert.strictEqual(response.status, 502)
      assert.include(`${response.body}`, "ConnectRefused")
      assert.notInclude(`${response.body}`, "127.0.0.1")
    }
    await plane.settled()
    assert.strictEqual(plane.pool.connected, 0)
  })

  it("refused: another backend, as often as allowed, with any method", async () => {
    await using upstream = await StrictUpstream.start()
    const backends = [await deadPort(), await deadPort(), upstream.port]
    await using plane = await DataPlane.start({ backends, location: { maxRetries: 2 } })
    using client = await RawClient.connect(plane.port)
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
    assert.strictEqual(`${(await client.response()).body}`, "POST / 5")
    assert.strictEqual((await plane.ended()).attempts, 3)
  })

  it("refused: not more often than allowed", async () => {
    const backends = [await deadPort(), await deadPort()]
    await using plane = await DataPlane.start({ backends, location: { maxRetries: 100 } })
    using client = await RawClient.connect(plane.port)
    assert.strictEqual((await client.send(get()).response()).status, 502)
    assert.strictEqual((await plane.ended()).attempts, 16)
  })

  it("served again as soon as it listens", async () => {
    const port = await deadPort()
    await using plane = await DataPlane.start({ backends: [port] })
    using client = await RawClient.connect(plane.port)
    assert.strictEqual((await client.send(get()).response()).status, 502)
    const origin = net.createServer((socket) =>
      socket.on("data", () => socket.write(reply("back"))).on("error", () => {})
    )
    await new Promise<void>((resolve) => origin.listen(port, "127.0.0.1", resolve))
    assert.strictEqual(`${(await client.send(get()).response()).body}`, "back")
    plane.pool.close()
    await new Promise((resolve) => origin.close(resolve))
  })

  it("without an answer: 504 when the time is over, tried again when allowed", async () => {
    await using upstream = await StrictUpstream.start()
    await using plane = await DataPlane.start({
      backends: [upstream.port],
      pool: { connectMillis: 1_000 },
      location: { maxRetries: 1 }
    })
    using client = await RawClient.connect(plane.port)
    client.send(get())
    // Time passes before the event loop learns that the kernel has shaken hands.
    await eventually(() => plane.pool.connected === 1, "an attempt")
    plane.advance(1_200)
    await eventually(() => plane.pool.connected === 1, "a second attempt")
    plane.advance(1_200)
    const response = await client.response()
    assert.strictEqual(response.status, 504)
    assert.include(`${response.body}`, "ConnectTimedout")
    assert.strictEqual((await plane.ended()).attempts, 2)
    assert.strictEqual(plane.pool.connected, 0)
  })
})

describe("silence", () => {
  it("before the head: 504 when the time is over, not before", () =>
    withUpstream({ pool: { readMillis: 5_000 } }, async (plane, upstream) => {
      upstream.onRequest = () => undefined
      using client = await RawClient.connect(plane.port)
      client.send(get())
      await upstream.received()
      plane.advance(4_900)
      for (let i = 0; i < 20; i++) await turn()
      assert.strictEqual(client.rest, "")
      plane.advance(300)
      const response = await client.response()
      assert.strictEqual(response.status, 504)
      assert.include(`${response.body}`, "ReadTimedout")
      await upstream.disconnected()
    }))

  it("inside the body: broken off", () =>
    withUpstream({ pool: { readMillis: 5_000 } }, async (plane, upstream) => {
      upstream.onRequest = () => `${OK}Content-Length: 10\r\n\r\nhello`
      using client = await RawClient.connect(plane.port)
      client.send(get())
      await eventually(() => client.rest.includes("hello"), "the first half")
      plane.advance(5_200)
      await brokenOff(client)
      assert.deepInclude(await plane.ended(), { status: 200, failure: "upstream.read_timeout" })
    }))

  it("between pieces of a body it may be nearly that long each time", () =>
    withUpstream({ pool: { readMillis: 5_000 } }, async (plane, upstream) => {
      upstream.onRequest = () => `${OK}Content-Length: 5\r\n\r\n`
      using client = await RawClient.connect(plane.port)
      client.send(get())
      await eventually(() => client.rest.endsWith("\r\n\r\n"), "the head")
      for (const [i, piece] of [..."hello"].entries()) {
        plane.advance(4_900)
        upstream.requests[0]!.socket.write(piece)
        if (i < 4)
          await eventually(() => client.rest.endsWith(piece) && client.rest.endsWith("hello".slice(0, i + 1)), piece)
      }
      assert.strictEqual(`${(await client.response()).body}`, "hello")
    }))

  it("is not the upstream's while the client still sends", () =>
    withUpstream({ pool: { readMillis: 5_000 } }, async (plane, upstream) => {
      using client = await RawClient.connect(plane.port)
      client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
      const request = await upstream.received()
      for (const [i, piece] of [..."hello"].entries()) {
        plane.advance(30_000)
        client.send(piece)
        await eventually(() => request.bodyBytes === i + 1, piece)
      }
      assert.strictEqual(`${(await client.response()).body}`, "POST / 5")
    }))

  it("that does not read the request: 504 when the time to write is over", () =>
    withUpstream({ pool: { readMillis: 5_000, writeMillis: 20_000 } }, async (plane, upstream) => {
      upstream.onConnection = (socket) => socket.pause()
      using client = await RawClient.connect(plane.port)
      client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${64 << 20}\r\n\r\n`)
      client.send(Buffer.alloc(32 << 20))
      await eventually(() => plane.pool.connected === 1, "a connection")
      let sent = -1
      while (sent !== client.socket.bytesWritten - client.socket.writableLength || sent === 0) {
        sent = client.socket.bytesWritten - client.socket.writableLength
        for (let i = 0; i < 50; i++) await turn()
      }
      plane.advance(19_500)
      assert.strictEqual(client.rest, "")
      plane.advance(700)
      const response = await client.response()
      assert.strictEqual(response.status, 504)
      assert.include(`${response.body}`, "WriteTimedout")
      assert.strictEqual(header(response, "connection"), "close")
    }))

  it("of an idle connection ends it in time", () =>
    withUpstream({ pool: { idleMillis: 5_000 } }, async (plane, upstream) => {
      using client = await RawClient.connect(plane.port)
      await client.send(get()).response()
      assert.strictEqual(plane.idle, 1)
      plane.advance(4_900)
      await client.send(get()).response()
      plane.advance(4_900)
      assert.strictEqual(plane.idle, 1)
      plane.advance(300)
      assert.strictEqual(plane.idle, 0)
      await upstream.disconnected()
      assert.strictEqual(upstream.accepted, 1)
    }))
})

describe("a pooled connection that turns out to be dead", () => {
  const dieOnSecond = (upstream: StrictUpstream): void => {
    upstream.onHead = ({ connection, socket }) => {
      if (connection === 1 && upstream.requests.length > 1) socket.resetAndDestroy()
      return undefined
    }
  }

  for (const method of ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]) {
    it(`${method} without a body is sent once more, on a new connection`, () =>
      withUpstream({}, async (plane, upstream) => {
        dieOnSecond(upstream)
        using client = await RawClient.connect(plane.port)
        await client.send(get("/warm")).response()
        const response = await client.send(`${method} /again HTTP/1.1\r\nHost: a\r\n\r\n`).response(method)
        assert.strictEqual(response.status, 200)
        assert.deepStrictEqual(
          upstream.requests.map(({ connection, target }) => `${connection} ${target}`),
          ["1 /warm", "1 /again", "2 /again"]
        )
        assert.strictEqual((await plane.ended(2)).attempts, 2)
      }))
  }

  for (const [name, request] of [
    ["POST", "POST /again HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"],
    ["an unknown method", "CHARGE /again HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["PUT with a body", "PUT /again HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"],
    ["POST with a body", "POST /again HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"],
    ["POST with half a body", "POST /again HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"]
  ] as const) {
    it(`${name} is never sent twice: 502`, () =>
      withUpstream({}, async (plane, upstream) => {
        dieOnSecond(upstream)
        using client = await RawClient.connect(plane.port)
        await client.send(get("/warm")).response()
        assert.strictEqual((await client.send(request).response()).status, 502)
        assert.deepStrictEqual(
          upstream.requests.map(({ target }) => target),
          ["/warm", "/again"]
        )
      }))
  }

  it("is not tried a third time", () =>
    withUpstream({}, async (plane, upstream) => {
      upstream.onHead = ({ socket }) => {
        if (upstream.requests.length > 2) socket.resetAndDestroy()
        return undefined
      }
      // Two idle connections, so that a second reuse would be possible.
      using one = await RawClient.connect(plane.port)
      using two = await RawClient.connect(plane.port)
      upstream.onRequest = () => undefined
      one.send(get("/1"))
      await upstream.received(1)
      two.send(get("/2"))
      await upstream.received(2)
      for (const { socket } of upstream.requests.slice()) socket.write(reply("warm"))
      await one.response()
      await two.response()
      assert.strictEqual(plane.idle, 2)
      assert.strictEqual((await one.send(get("/3")).response()).status, 502)
      assert.lengthOf(upstream.requests, 4)
    }))

  it("is not repeated when a byte of an answer has come", () =>
    withUpstream({}, async (plane, upstream) => {
      using client = await RawClient.connect(plane.port)
      await client.send(get("/warm")).response()
      upstream.onRequest = ({ socket }) => {
        socket.end("HTTP/1.1 2")
        return undefined
      }
      assert.strictEqual((await client.send(get("/again")).response()).status, 502)
      assert.lengthOf(upstream.requests, 2)
    }))

  it("that the upstream has closed is not taken from the pool", () =>
    withUpstream({}, async (plane, upstream) => {
      using client = await RawClient.connect(plane.port)
      await client.send(get("/warm")).response()
      upstream.requests[0]!.socket.end()
      await eventually(() => plane.idle === 0, "an empty pool")
      await client.send("POST /next HTTP/1.1\r\nHost: a\r\n\r\n").response()
      assert.strictEqual((await plane.ended(2)).attempts, 1)
    }))
})
