/** Bodies far larger than memory should be: a slow reader slows its source, in both directions. */
import * as net from "node:net"
import type { Readable, Writable } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import { Origin } from "../support/Origin.ts"
import { eventually } from "../support/RawClient.ts"
import { TestProxy } from "../support/TestProxy.ts"

const MIB = 1024 * 1024
const TOTAL = 128 * MIB
const PIECE = Buffer.alloc(64 * 1024, "0123456789abcdef")
/** What the kernel may hold in the four socket buffers on the way, and a little more. */
const IN_FLIGHT = 48 * MIB
const MEMORY = 48 * MIB

const config = (port: number): string => `
[servers.test]
addr = "127.0.0.1:0"
locations = ["lo"]
[locations.lo]
upstream = "up"
[upstreams.up]
addrs = ["127.0.0.1:${port}"]
`

/** Writes `TOTAL` bytes as fast as the stream takes them. */
const pour = (stream: Writable, progress: { sent: number }): void => {
  const go = (): void => {
    while (progress.sent < TOTAL) {
      progress.sent += PIECE.length
      if (!stream.write(PIECE)) return
    }
    stream.off("drain", go)
    stream.end()
  }
  stream.on("drain", go)
  go()
}

/** Waits until a counter has stood still for a while. */
const settled = async (read: () => number): Promise<number> => {
  let last = -1
  let since = performance.now()
  await eventually(() => {
    if (read() !== last) {
      last = read()
      since = performance.now()
    }
    return performance.now() - since > 150
  }, "a standstill")
  return last
}

/** Counts, and checks that nothing is lost or swapped. */
const drinking = (stream: Readable, received: { bytes: number }): void => {
  stream.on("data", (chunk: Buffer) => {
    const expected = PIECE[received.bytes % 16]
    if (chunk[0] !== expected) stream.destroy(new Error(`wrong byte at ${received.bytes}`))
    received.bytes += chunk.length
  })
}

const memory = (): number => {
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return arrayBuffers + heapUsed
}

describe("128 MiB", () => {
  it("to a client that stops reading stop at their source, then arrive whole", async () => {
    await using origin = await Origin.start()
    const progress = { sent: 0 }
    origin.respond = (_request, response) => pour(response.writeHead(200, { "Content-Length": TOTAL }), progress)
    await using proxy = await TestProxy.start(config(origin.port))
    const before = memory()
    const client = net.connect(proxy.port(), "127.0.0.1")
    client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    await settled(() => progress.sent)
    assert.isBelow(progress.sent, IN_FLIGHT)
    assert.isBelow(memory() - before, MEMORY)

    let head = 0
    const received = { bytes: 0 }
    client.once("data", (chunk: Buffer) => {
      head = chunk.indexOf("\r\n\r\n") + 4
      received.bytes = chunk.length - head
      drinking(client, received)
    })
    await eventually(
      () => received.bytes === TOTAL || client.destroyed,
      () => `all: ${received.bytes}`,
      10_000
    )
    assert.strictEqual(received.bytes, TOTAL)
    client.destroy()
  })

  it("to an upstream that stops reading stop at their source, then arrive whole", async () => {
    const received = { bytes: 0 }
    let waiting: Readable | null = null
    const server = (await import("node:http")).createServer((request, response) => {
      waiting = request
      request.on("end", () => response.end(String(received.bytes)))
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    await using proxy = await TestProxy.start(config((server.address() as net.AddressInfo).port))
    const before = memory()
    const client = net.connect(proxy.port(), "127.0.0.1")
    let answer = ""
    client.setEncoding("latin1").on("data", (chunk: string) => {
      answer += chunk
    })
    client.write(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${TOTAL}\r\n\r\n`)
    const progress = { sent: 0 }
    // `end` would close our side; a length says where the body stops.
    client.end = () => client
    pour(client, progress)
    await eventually(() => waiting !== null, "the request")
    await settled(() => progress.sent)
    assert.isBelow(progress.sent, IN_FLIGHT)
    assert.isBelow(memory() - before, MEMORY)

    drinking(waiting!, received)
    await eventually(
      () => answer.includes("\r\n\r\n"),
      () => `an answer after ${received.bytes}`,
      10_000
    )
    assert.isTrue(answer.endsWith(String(TOTAL)))
    client.destroy()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
})
