/** Requests as they are written to a backend, byte for byte, over TCP, unix sockets and TLS. */
import { mkdtemp, rm } from "node:fs/promises"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { KEPT } from "../../src/proxy/Body.ts"
import { Ticker } from "../../src/proxy/Ticker.ts"
import { Backend } from "../../src/upstream/Backend.ts"
import { Pool } from "../../src/upstream/Pool.ts"
import { DataPlane } from "../support/DataPlane.ts"
import { RawClient } from "../support/RawClient.ts"
import { reply, StrictUpstream } from "../support/StrictUpstream.ts"

describe("heads", () => {
  const cases: ReadonlyArray<readonly [name: string, sent: string, forwarded: string]> = [
    ["GET", "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n"],
    [
      "POST without a body says so",
      "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    ],
    [
      "PUT without a body says so",
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    ],
    [
      "PATCH without a body says so",
      "PATCH / HTTP/1.1\r\nHost: a\r\n\r\n",
      "PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    ],
    [
      "DELETE without a body does not",
      "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
      "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"
    ],
    [
      "a length goes last",
      "POST / HTTP/1.1\r\ncontent-length: 2\r\nHost: a\r\nX: y\r\n\r\nab",
      "POST / HTTP/1.1\r\nHost: a\r\nX: y\r\nContent-Length: 2\r\n\r\n"
    ],
    [
      "chunks stay chunks",
      "POST / HTTP/1.1\r\nTRANSFER-ENCODING: Chunked\r\nHost: a\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    ]
  ]
  for (const [name, sent, forwarded] of cases) {
    it(name, async () => {
      await using upstream = await StrictUpstream.start()
      await using plane = await DataPlane.start({ backends: [upstream.port] })
      using client = await RawClient.connect(plane.port)
      assert.strictEqual((await client.send(sent).response()).status, 200)
      assert.strictEqual(upstream.requests[0]!.head, forwarded)
      upstream.check()
    })
  }
})

it("a backend behind a unix socket", async () => {
  const directory = await mkdtemp(join(tmpdir(), "backend-"))
  const path = join(directory, "socket")
  const origin = net.createServer((socket) =>
    socket.on("data", () => socket.write(reply("unix"))).on("error", () => {})
  )
  await new Promise<void>((resolve) => origin.listen(path, resolve))
  const report = (error: unknown) => assert.fail(String(error))
  const ticker = new Ticker(0, report)
  const pool = new Pool("unix", [new Backend(path, 0, 1)], () => 0, {
    connectMillis: 1_000,
    readMillis: 1_000,
    writeMillis: 1_000,
    idleMillis: 1_000,
    maxIdle: 1,
    keepAliveMillis: 0,
    sni: "",
    verify: true,
    ticker,
    maxConnections: 0,
    traced: false,
    report
  })
  await using plane = await DataPlane.start({ location: { upstream: pool } })
  using client = await RawClient.connect(plane.port)
  for (let i = 0; i < 2; i++) {
    const response = await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()
    assert.strictEqual(`${response.body}`, "unix")
  }
  assert.strictEqual(pool.connected, 1)
  pool.close()
  await new Promise((resolve) => origin.close(resolve))
  await rm(directory, { recursive: true })
})

it("a backend that speaks no TLS where TLS is expected: 502, nothing left open", async () => {
  await using upstream = await StrictUpstream.start()
  upstream.onConnection = (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")
  await using plane = await DataPlane.start({ backends: [upstream.port], pool: { sni: "example.com" } })
  using client = await RawClient.connect(plane.port)
  const response = await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()
  assert.strictEqual(response.status, 502)
  await plane.settled()
  assert.strictEqual(plane.pool.connected, 0)
})

it("small reads that somebody keeps share their memory, and none is written over", async () => {
  const chunks = Array.from({ length: 300 }, (_, i) => `6\r\n${String(i).padStart(6, "0")}\r\n`)
  const origin = net.createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {})
    socket.once("data", () => {
      let next = 0
      const send = (): void => {
        if (next === chunks.length) socket.end("0\r\n\r\n")
        else socket.write(chunks[next++]!, () => setImmediate(send))
      }
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", () => setImmediate(send))
    })
  })
  await new Promise<void>((resolve) => origin.listen(0, "127.0.0.1", resolve))
  const pieces: Array<Buffer> = []
  await using plane = await DataPlane.start({
    backends: [(origin.address() as net.AddressInfo).port],
    location: {
      responseBody: () => (next) => ({
        write: (chunk) => {
          pieces.push(chunk)
          return KEPT
        },
        end: (trailers) => {
          next.write(Buffer.concat(pieces))
          next.end(trailers)
        },
        abort: (failure) => next.abort(failure)
      })
    }
  })
  using client = await RawClient.connect(plane.port)
  const response = await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()
  origin.close()
  assert.strictEqual(`${response.body}`, chunks.map((chunk) => chunk.slice(3, 9)).join(""))
  assert.isAbove(pieces.length, 50)
  const held = [...new Set(pieces.map((piece) => piece.buffer))].reduce((sum, memory) => sum + memory.byteLength, 0)
  assert.isAtMost(held, 128 * 1024)
})
