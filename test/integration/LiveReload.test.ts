/**
 * Reloads beside connections that stay: WebSockets and slow downloads go on, byte by byte, while everything around
 * them comes, changes and goes. The same at full size is a drill of the benchmark (`bench/drills/`).
 */
import { assert, describe, it } from "@effect/vitest"
import { eventually, RawClient } from "../support/RawClient.ts"
import { type ReceivedRequest, StrictUpstream, switchProtocols } from "../support/StrictUpstream.ts"
import { freePorts, TestProxy } from "../support/TestProxy.ts"

const WEB_SOCKETS = 10
const DOWNLOADS = 5
const RELOADS = 30

const UPGRADE =
  "GET /ws HTTP/1.1\r\nHost: streams.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n"
const SWITCH =
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n"

/** What stays in every configuration. */
const staying = (port: number, upstream: StrictUpstream, locations: string): string => `
[servers.web]
addr = "127.0.0.1:${port}"
locations = ${locations}
[locations.streams]
host = "streams.test"
upstream = "up"
[upstreams.up]
addrs = ["127.0.0.1:${upstream.port}"]
`

interface Ports {
  readonly web: number
  readonly second: number
  readonly third: number
}

/** The `n`-th configuration; each differs from the one before in other entities than those that stay. */
const configuration = (n: number, { second, third, web }: Ports, upstream: StrictUpstream): string => {
  const round = Math.floor(n / 6)
  const address = `127.0.0.1:${upstream.port}`
  const other = `[upstreams.other]\naddrs = ["${address}"]\nread_timeout = "${n + 1}s"\n`
  const plugin = `[plugins.greeting]\ncategory = "mock"\ndata = "${round}"\n`
  const location = (keys: string): string => `[locations.extra]\nhost = "extra.test"\n${keys}\n`
  const server = (addr: string): string => `[servers.second]\naddr = "${addr}"\nlocations = ["extra"]\n`
  switch (n % 6) {
    case 0:
      return staying(web, upstream, '["streams"]') + other
    case 1:
      return staying(web, upstream, '["streams", "extra"]') + other + location('upstream = "other"')
    case 2:
      return staying(web, upstream, '["streams", "extra"]') + plugin + location('plugins = ["greeting"]')
    case 3:
      return staying(web, upstream, '["extra", "streams"]') + location(`path = "/${n}"\nupstream = "up"`)
    case 4:
      return (
        staying(web, upstream, '["streams"]') +
        plugin +
        location('plugins = ["greeting"]') +
        server(`127.0.0.1:${second}`)
      )
    default:
      return (
        staying(web, upstream, '["streams"]') +
        other +
        location('upstream = "other"') +
        server(`127.0.0.1:${second},127.0.0.1:${third}`)
      )
  }
}

/** Bytes that can be told from those of any other place and download. */
const piece = (download: number, n: number): string =>
  `<${download}.${n}${String.fromCharCode(0x80 + n)}${"\0\r\n".repeat(n)}>`

describe("connections that stay", () => {
  it(`${WEB_SOCKETS} WebSockets and ${DOWNLOADS} downloads outlive ${RELOADS} reloads of other entities`, async () => {
    await using upstream = await StrictUpstream.start()
    const [web = 0, second = 0, third = 0] = await freePorts(3)
    const ports = { web, second, third }
    await using proxy = await TestProxy.start(configuration(0, ports, upstream))

    upstream.onRequest = (request) => {
      if (request.target !== "/ws") return undefined
      const socket = switchProtocols(request)
      socket.write(SWITCH)
      socket.on("data", (chunk: Buffer) => socket.write(chunk.toString("latin1").toUpperCase(), "latin1"))
      return undefined
    }
    const opened: Array<RawClient> = []
    using _clients = {
      [Symbol.dispose]: () => {
        for (const client of opened) client[Symbol.dispose]()
      }
    }
    const connect = async (): Promise<RawClient> => {
      const client = await RawClient.connect(web)
      opened.push(client)
      return client
    }

    const webSockets = await Promise.all(Array.from({ length: WEB_SOCKETS }, connect))
    for (const client of webSockets) assert.strictEqual((await client.send(UPGRADE).response()).status, 101)

    // Half of them with a length, half of them in chunks.
    const length = Array.from({ length: RELOADS }, (_, n) => piece(0, n)).join("").length
    const downloads: Array<{
      readonly client: RawClient
      readonly request: ReceivedRequest
      readonly chunked: boolean
    }> = []
    for (let i = 0; i < DOWNLOADS; i++) {
      const chunked = i % 2 === 1
      const client = await connect()
      client.send(`GET /download/${i} HTTP/1.1\r\nHost: streams.test\r\n\r\n`)
      const request = await upstream.received(WEB_SOCKETS + i + 1)
      const framing = chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`
      request.socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`)
      await eventually(() => client.rest.endsWith("\r\n\r\n"), `the head of download ${i}`)
      await client.bytes(client.rest.length)
      downloads.push({ client, request, chunked })
    }
    const { upstream: pool } = proxy.current.locations.get("streams")!
    const { accepted } = upstream

    for (let n = 0; n < RELOADS; n++) {
      await proxy.reload(configuration(n + 1, ports, upstream))
      for (const [i, client] of webSockets.entries()) {
        const text = `hello ${i} after ${n} \x80\0`
        assert.strictEqual(await client.send(text).bytes(text.length), text.toUpperCase())
      }
      for (const [i, { chunked, client, request }] of downloads.entries()) {
        const data = piece(i, n)
        const bytes = chunked ? `${data.length.toString(16)}\r\n${data}\r\n` : data
        request.socket.write(bytes, "latin1")
        assert.strictEqual(await client.bytes(bytes.length), bytes)
      }
    }
    assert.strictEqual(proxy.current.id, RELOADS + 1)
    assert.strictEqual(proxy.current.locations.get("streams")!.upstream, pool)
    assert.strictEqual(upstream.accepted, accepted)
    assert.strictEqual(proxy.connections, WEB_SOCKETS + DOWNLOADS)
    assert.deepStrictEqual(
      proxy.log.filter((line) => /^(?:WARN|ERROR)/.test(line)),
      []
    )

    // Every download comes to its end, and its connections serve again.
    for (const [i, { chunked, client, request }] of downloads.entries()) {
      if (chunked) {
        request.socket.write("0\r\n\r\n")
        assert.strictEqual(await client.bytes(5), "0\r\n\r\n")
      }
      upstream.onRequest = () => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
      const response = await client.send(`GET /after/${i} HTTP/1.1\r\nHost: streams.test\r\n\r\n`).response()
      assert.strictEqual(`${response.status} ${response.body}`, "200 ok")
    }
    for (const client of webSockets) {
      client.finish()
      assert.strictEqual(await client.end(), "end")
    }
    upstream.check()
  })
})
