/** A slow reader slows its source and never fills memory (hardening 1.5). */
import { createHash, randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { DataPlane } from "../support/DataPlane.ts"
import { eventually, RawClient, turn } from "../support/RawClient.ts"
import { StrictUpstream, switchProtocols } from "../support/StrictUpstream.ts"

const MIB = 1 << 20
/** What one direction of one connection may hold in user space. */
const BOUND = MIB

/** Highest of the watched values, taken on every turn of the event loop. */
const watch = (value: () => number): { readonly peak: () => number; readonly stop: () => void } => {
  let peak = 0
  let running = true
  const look = (): void => {
    peak = Math.max(peak, value())
    if (running) setImmediate(look)
  }
  look()
  return { peak: () => peak, stop: () => void (running = false) }
}

/** Writes `total` bytes as fast as the socket takes them, without holding more than a piece. */
const pour = (socket: import("node:net").Socket, total: number, done: () => void = () => {}): void => {
  const piece = Buffer.alloc(MIB, "x")
  let left = total
  const push = (): void => {
    while (left > 0 && !socket.destroyed) {
      const next = Math.min(left, piece.length)
      left -= next
      if (!socket.write(next === piece.length ? piece : piece.subarray(0, next))) break
    }
    if (left === 0) {
      socket.off("drain", push)
      done()
    }
  }
  socket.on("drain", push)
  push()
}

/** Reads everything, with pauses. Resolves with the number of bytes. */
const sip = async (client: RawClient, total: number): Promise<void> => {
  let read = 0
  let reads = 0
  client.socket.removeAllListeners("data")
  client.socket.on("data", (chunk: Buffer) => {
    read += chunk.length
    if (++reads % 64 === 0) {
      client.socket.pause()
      setImmediate(() => setImmediate(() => client.socket.resume()))
    }
  })
  client.socket.resume()
  await eventually(
    () => read >= total,
    () => `${total} bytes: ${read}`,
    20_000
  )
}

const FRAMINGS = [
  ["with a length", (total: number) => `HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`, false],
  ["until the connection ends", () => "HTTP/1.1 200 OK\r\n\r\n", true]
] as const

for (const [name, head, ends] of FRAMINGS) {
  it(`256 MiB ${name} to a client that reads slowly`, async () => {
    const total = 256 * MIB
    await using upstream = await StrictUpstream.start()
    await using plane = await DataPlane.start({ backends: [upstream.port] })
    upstream.onRequest = ({ socket }) => {
      socket.write(head(total))
      pour(socket, total, () => void (ends && socket.end()))
      return undefined
    }
    using client = await RawClient.connect(plane.port)
    client.socket.pause()
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await eventually(() => [...plane.sockets].some((socket) => socket.writableNeedDrain), "backpressure")
    const held = watch(() => Math.max(0, ...[...plane.sockets].map((socket) => socket.writableLength)))
    const before = process.memoryUsage.rss()
    const memory = watch(() => process.memoryUsage.rss() - before)
    await sip(client, total)
    held.stop()
    memory.stop()
    await plane.settled()
    assert.isBelow(held.peak(), BOUND)
    assert.isBelow(memory.peak(), 96 * MIB)
    assert.strictEqual(plane.finished[0]!.responseBytes, total)
    assert.strictEqual(plane.finished[0]!.failure, null)
  })
}

it("a client that does not read at all stops the upstream", async () => {
  await using upstream = await StrictUpstream.start()
  await using plane = await DataPlane.start({ backends: [upstream.port] })
  upstream.onRequest = ({ socket }) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${1024 * MIB}\r\n\r\n`)
    pour(socket, 1024 * MIB)
    return undefined
  }
  using client = await RawClient.connect(plane.port)
  client.socket.pause()
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
  const { socket } = await upstream.received()
  let written = -1
  while (written !== socket.bytesWritten - socket.writableLength) {
    written = socket.bytesWritten - socket.writableLength
    for (let i = 0; i < 100; i++) await turn()
  }
  // Kernel buffers of both connections, and little more.
  assert.isBelow(written, 32 * MIB)
  for (const downstream of plane.sockets) assert.isBelow(downstream.writableLength, BOUND)
})

// In small pieces, several reads wait at once for the client: each must keep its memory.
for (const size of [24 * MIB, 10_000]) {
  it(`what a slow client reads is what the upstream sent, to the byte: pieces of ${size}`, () => whole(size))
}

const whole = async (size: number): Promise<void> => {
  const content = randomBytes(24 * MIB)
  await using upstream = await StrictUpstream.start()
  await using plane = await DataPlane.start({ backends: [upstream.port] })
  upstream.onRequest = ({ socket }) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\n\r\n`)
    void (async () => {
      for (let at = 0; at < content.length; at += size) {
        socket.write(content.subarray(at, at + size))
        if (size < content.length) await turn()
      }
    })()
    return undefined
  }
  using client = await RawClient.connect(plane.port)
  const digest = createHash("sha256")
  client.socket.pause()
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
  await eventually(() => [...plane.sockets].some((socket) => socket.writableNeedDrain), "backpressure")
  client.socket.removeAllListeners("data")
  let head = Buffer.alloc(0)
  let left = content.length
  client.socket.on("data", (chunk: Buffer) => {
    let body = chunk
    if (left === content.length && !head.includes("\r\n\r\n")) {
      head = Buffer.concat([head, chunk])
      body = head.subarray(head.indexOf("\r\n\r\n") + 4)
    }
    digest.update(body)
    left -= body.length
    client.socket.pause()
    setImmediate(() => client.socket.resume())
  })
  client.socket.resume()
  await eventually(
    () => left <= 0,
    () => `${left} bytes left`,
    10_000
  )
  assert.strictEqual(left, 0)
  assert.strictEqual(digest.digest("hex"), createHash("sha256").update(content).digest("hex"))
}

it("requests behind one that waits stay in the kernel", async () => {
  await using upstream = await StrictUpstream.start()
  await using plane = await DataPlane.start({ backends: [upstream.port] })
  upstream.onRequest = () => undefined
  using client = await RawClient.connect(plane.port)
  client.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
  await upstream.received()
  pour(client.socket, 256 * MIB)
  const [socket] = plane.sockets
  let read = -1
  while (read !== socket!.bytesRead) {
    read = socket!.bytesRead
    for (let i = 0; i < 100; i++) await turn()
  }
  assert.isAtMost(read, BOUND)
  assert.lengthOf(upstream.requests, 1)
})

describe("an upload of 64 MiB to an upstream that reads slowly", () => {
  const total = 64 * MIB
  for (const framing of ["length", "chunked"] as const) {
    it(framing, async () => {
      await using upstream = await StrictUpstream.start()
      await using plane = await DataPlane.start({ backends: [upstream.port] })
      upstream.keepsBodies = false
      upstream.onConnection = (socket) => {
        let reads = 0
        socket.on("data", () => {
          if (++reads % 16 === 0) {
            socket.pause()
            setImmediate(() => setImmediate(() => socket.resume()))
          }
        })
      }
      using client = await RawClient.connect(plane.port)
      const before = process.memoryUsage.rss()
      const memory = watch(() => process.memoryUsage.rss() - before)
      const head = framing === "length" ? `Content-Length: ${total}` : "Transfer-Encoding: chunked"
      client.send(`POST / HTTP/1.1\r\nHost: a\r\n${head}\r\n\r\n`)
      if (framing === "length") pour(client.socket, total)
      else {
        const chunk = Buffer.concat([Buffer.from("100000\r\n"), Buffer.alloc(MIB, "x"), Buffer.from("\r\n")])
        for (let left = total; left > 0; left -= MIB) {
          if (!client.socket.write(chunk)) await new Promise((resolve) => client.socket.once("drain", resolve))
        }
        client.send("0\r\n\r\n")
      }
      const response = await client.response("POST", 20_000)
      memory.stop()
      assert.strictEqual(response.status, 200)
      await plane.settled()
      assert.strictEqual(plane.finished[0]!.requestBytes, total)
      assert.isBelow(memory.peak(), 96 * MIB)
    })
  }
})

it("an upgraded connection holds back in both directions", async () => {
  const total = 32 * MIB
  await using upstream = await StrictUpstream.start()
  await using plane = await DataPlane.start({ backends: [upstream.port] })
  let echoed: import("node:net").Socket | null = null
  upstream.onRequest = (request) => {
    const socket = switchProtocols(request)
    echoed = socket
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    socket.on("data", (chunk: Buffer) => {
      if (!socket.write(chunk)) socket.pause()
    })
    socket.on("drain", () => socket.resume())
    return undefined
  }
  using client = await RawClient.connect(plane.port)
  await client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").response()
  const held = watch(() => Math.max(0, ...[...plane.sockets].map((socket) => socket.writableLength)))
  client.socket.pause()
  pour(client.socket, total)
  await eventually(() => [...plane.sockets].some((socket) => socket.writableNeedDrain), "backpressure")
  for (let i = 0; i < 100; i++) await turn()
  await sip(client, total)
  held.stop()
  assert.isBelow(held.peak(), BOUND)
  assert.isNotNull(echoed)
})
