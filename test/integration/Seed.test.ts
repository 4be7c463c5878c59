/** The smallest useful configuration, against an origin on another implementation of HTTP. */
import { assert, describe, it } from "@effect/vitest"
import { Origin } from "../support/Origin.ts"
import { header } from "../support/RawClient.ts"
import { TestProxy } from "../support/TestProxy.ts"

const seed = (origin: Origin): string => `
[servers.test]
addr = "127.0.0.1:0"
locations = ["lo"]
access_log = "{method} {uri} {status} {:upstream_addr} {:upstream_reused}"

[locations.lo]
upstream = "charts"
path = "/"

[upstreams.charts]
addrs = ["${origin.address}"]
`

describe("a server, a location and an upstream", () => {
  it("pass a request on as it is, and its response back", async () => {
    await using origin = await Origin.start("charts")
    await using proxy = await TestProxy.start(seed(origin))
    using client = await proxy.connect()
    const response = await client
      .send("POST /a/b?c=%20d HTTP/1.1\r\nHost: Test:81\r\nX-Odd: a,b\r\nContent-Length: 5\r\n\r\nhello")
      .response()
    assert.strictEqual(response.status, 200)
    assert.strictEqual(header(response, "content-type"), "application/json")
    assert.strictEqual(header(response, "connection"), undefined)
    assert.deepStrictEqual(JSON.parse(response.body.toString()), {
      origin: "charts",
      method: "POST",
      url: "/a/b?c=%20d",
      headers: { host: "Test:81", "x-odd": "a,b", "content-length": "5" },
      body: "hello",
      connection: 1
    })
  })

  it("reuse the connections of both sides", async () => {
    await using origin = await Origin.start("charts")
    await using proxy = await TestProxy.start(seed(origin))
    using client = await proxy.connect()
    for (let i = 0; i < 3; i++) {
      assert.strictEqual((await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()).status, 200)
    }
    assert.strictEqual(origin.accepted, 1)
    assert.strictEqual(proxy.connections, 1)
    const { address } = origin
    assert.deepStrictEqual(proxy.log, [
      `INFO GET / 200 ${address} false`,
      `INFO GET / 200 ${address} true`,
      `INFO GET / 200 ${address} true`
    ])
  })

  it("take part of a pipeline each, in order", async () => {
    await using origin = await Origin.start("charts")
    await using proxy = await TestProxy.start(seed(origin))
    using client = await proxy.connect()
    client.send(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    const urls = []
    for (let i = 0; i < 3; i++) urls.push(JSON.parse((await client.response()).body.toString()).url)
    assert.deepStrictEqual(urls, ["/1", "/2", "/3"])
  })

  it("share requests among the backends by weight", async () => {
    await using one = await Origin.start("one")
    await using two = await Origin.start("two")
    await using proxy = await TestProxy.start(
      seed(one).replace(`"${one.address}"`, `"${one.address}", "${two.address} 3"`)
    )
    for (let i = 0; i < 8; i++) await proxy.get("/")
    assert.deepStrictEqual([one.requests.length, two.requests.length], [2, 6])
  })

  it("cannot start on an address that is in use, and say which", async () => {
    await using origin = await Origin.start()
    const error = await TestProxy.start(seed(origin).replace("127.0.0.1:0", origin.address)).then(
      () => null,
      (reason: Error) => reason
    )
    assert.match(
      String(error?.message),
      new RegExp(`^servers\\.test\\.addr: cannot listen on ${origin.address}: the address is in use`)
    )
  })
})
