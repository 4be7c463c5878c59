/** A graceful stop: what runs is finished, what idles is closed, what comes is refused, and nothing waits for ever. */
import { assert, describe, it } from "@effect/vitest"
import { Gate, Origin } from "../support/Origin.ts"
import { BrokenResponse, eventually, header, RawClient } from "../support/RawClient.ts"
import { TestProxy } from "../support/TestProxy.ts"

const config = (origin: Origin, grace: string): string => `
[basic]
grace_period = "${grace}"
[servers.test]
addr = "127.0.0.1:0"
locations = ["lo"]
access_log = "{uri} {status}"
[locations.lo]
upstream = "up"
[upstreams.up]
addrs = ["${origin.address}"]
`

const gated = async (grace: string) => {
  const origin = await Origin.start()
  const gate = new Gate()
  origin.respond = gate.respond
  const proxy = await TestProxy.start(config(origin, grace))
  return {
    origin,
    gate,
    proxy,
    port: proxy.port(),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]()
      await origin[Symbol.asyncDispose]()
    }
  }
}

const stopped = async (stop: Promise<void>): Promise<boolean> => {
  let isStopped = false
  void stop.then(() => {
    isStopped = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  return isStopped
}

describe("a graceful stop", () => {
  it("finishes the running request, closes idle connections and refuses new ones", async () => {
    await using test = await gated("1h")
    const { gate, port, proxy } = test
    using busy = await proxy.connect()
    busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await gate.holds(1)
    using idle = await proxy.connect()
    idle.send("GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
    await gate.holds(2)
    using fresh = await proxy.connect()
    await eventually(() => proxy.connections === 3, "three connections")

    const stop = proxy.stop()
    assert.strictEqual(await fresh.end(), "end")
    fresh.finish()
    const refused = await RawClient.connect(port).then(
      () => "accepted",
      (error: NodeJS.ErrnoException) => error.code
    )
    assert.strictEqual(refused, "ECONNREFUSED")
    assert.isFalse(await stopped(stop))

    gate.open("late")
    const response = await busy.response()
    assert.strictEqual(response.body.toString(), "late")
    assert.strictEqual(header(response, "connection"), "close")
    assert.strictEqual(await busy.end(), "end")
    busy.finish()
    assert.isFalse(await stopped(stop))

    gate.open("later")
    await idle.response()
    idle.finish()
    await stop
    assert.deepStrictEqual(proxy.log, ["INFO /slow 200", "INFO /quick 200"])
  })

  it("closes an idle keep-alive connection at once", async () => {
    await using origin = await Origin.start()
    await using proxy = await TestProxy.start(config(origin, "1h"))
    using client = await proxy.connect()
    await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()
    const stop = proxy.stop()
    assert.strictEqual(await client.end(), "end")
    client.finish()
    await stop
    await eventually(() => origin.connected === 0, "no connection to the origin")
  })

  it("takes the rest of a request body that is on its way", async () => {
    await using origin = await Origin.start()
    await using proxy = await TestProxy.start(config(origin, "1h"))
    using client = await proxy.connect()
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
    await eventually(() => proxy.current.locations.get("lo")!.counters.processing === 1, "the request")
    const stop = proxy.stop()
    const response = await client.send("world").response()
    assert.strictEqual(JSON.parse(response.body.toString()).body, "helloworld")
    client.finish()
    await stop
  })

  it("cuts what still runs when the grace period is over", async () => {
    await using test = await gated("300ms")
    const { gate, proxy } = test
    using client = await proxy.connect()
    client.send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
    await gate.holds(1)
    const began = performance.now()
    await proxy.stop()
    assert.isAtLeast(performance.now() - began, 290)
    const error = await client.response().then(
      () => null,
      (reason: unknown) => reason
    )
    assert.instanceOf(error, BrokenResponse)
    assert.deepStrictEqual(proxy.log, ["INFO /stuck 499"])
  })

  it("does not wait any longer when it is hurried", async () => {
    await using test = await gated("1h")
    const { gate, proxy } = test
    using client = await proxy.connect()
    client.send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
    await gate.holds(1)
    const stop = proxy.stop()
    assert.isFalse(await stopped(stop))
    proxy.hurry()
    await stop
    assert.notStrictEqual(await client.end(), undefined)
  })

  it("does not wait for a client that leaves", async () => {
    await using test = await gated("1h")
    const { gate, proxy } = test
    const client = await proxy.connect()
    client.send("GET /gone HTTP/1.1\r\nHost: a\r\n\r\n")
    await gate.holds(1)
    const stop = proxy.stop()
    client.abort()
    await stop
    assert.deepStrictEqual(proxy.log, ["INFO /gone 499"])
  })
})
