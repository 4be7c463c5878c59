/** Request lines, field lines, targets, hosts and limits of a head (RFC 9112 2–5, hardening 2 and 4). */
import { assert, describe, it } from "@effect/vitest"
import { header, RawClient } from "../support/RawClient.ts"
import { field } from "../support/StrictUpstream.ts"
import { HOST, INVALID_HEADS, INVALID_HOSTS } from "./requests.ts"
import { assertClean, assertPasses, assertRefused, useWire } from "./wire.ts"

const wire = useWire()

describe("refused", () => {
  for (const [name, bytes, status] of INVALID_HEADS) {
    it(name, async () => {
      await assertRefused(wire, bytes, status)
      assert.lengthOf(wire.upstream.requests, 1, "only the clean request was forwarded")
    })
  }

  for (const host of INVALID_HOSTS) {
    it(`Host: ${JSON.stringify(host)}`, async () => {
      await assertRefused(wire, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 400)
    })
  }
})

describe("refused before the head is complete", () => {
  for (const bytes of [
    "\x16\x03\x01\x02\x00",
    "GET / HTTP/1.1\nHost: a\n",
    "GET / HTTP/1.1\r\nX: a\rb",
    "GET / HTTP/1.1\r\nX: \0",
    "\nGET"
  ]) {
    it(JSON.stringify(bytes), () => assertRefused(wire, bytes, 400).then(() => {}))
  }
})

describe("limits", () => {
  const refusedInPieces = async (bytes: string, status: number) => {
    await assertRefused(wire, bytes, status)
    wire.upstream.clear()
    using client = await RawClient.connect(wire.plane.port)
    const pieces = bytes.match(/[\s\S]{1,4000}/g) ?? []
    await client.sendPieces(pieces)
    assert.strictEqual((await client.response()).status, status)
    assert.strictEqual(await client.end(), "end")
  }

  it("a target of 256 KiB: 414", () => refusedInPieces(`GET /${"a".repeat(256 * 1024)} HTTP/1.1\r\n${HOST}`, 414))

  it("a target of 256 KiB without an end: 414", () => refusedInPieces(`GET /${"a".repeat(256 * 1024)}`, 414))

  it("64 KiB of one field without an end: 431", () =>
    refusedInPieces(`GET / HTTP/1.1\r\nX: ${"a".repeat(64 * 1024)}`, 431))

  it("64 KiB of fields without an end: 431", () =>
    refusedInPieces(`GET / HTTP/1.1\r\n${`X: ${"a".repeat(100)}\r\n`.repeat(620)}`, 431))

  it("10,000 fields: 431", () => refusedInPieces(`GET / HTTP/1.1\r\n${"x: y\r\n".repeat(10_000)}${HOST}`, 431))

  it("a request line of 8 KiB passes, one byte more is 414", async () => {
    const target = `/${"a".repeat(8 * 1024 - 5)}`
    const [request] = await assertPasses(wire, `GET ${target} HTTP/1.1\r\n${HOST}`)
    assert.strictEqual(request!.target, target)
    wire.upstream.clear()
    await assertRefused(wire, `GET ${target}a HTTP/1.1\r\n${HOST}`, 414)
  })

  it("a field of 8 KiB passes, one byte more is 431", async () => {
    const value = "a".repeat(8 * 1024 - 5)
    const [request] = await assertPasses(wire, `GET / HTTP/1.1\r\nX: ${value}\r\n${HOST}`)
    assert.strictEqual(field(request!, "x"), value)
    wire.upstream.clear()
    await assertRefused(wire, `GET / HTTP/1.1\r\nX: ${value}a\r\n${HOST}`, 431)
  })

  it("a head of 32 KiB passes, one byte more is 431", async () => {
    const start = "GET / HTTP/1.1\r\n"
    const line = `X: ${"a".repeat(8000)}\r\n`
    const left = 32 * 1024 - start.length - 4 * line.length - HOST.length - 5
    const bytes = `${start}${line.repeat(4)}X: ${"a".repeat(left)}\r\n${HOST}`
    assert.lengthOf(bytes, 32 * 1024)
    await assertPasses(wire, bytes)
    wire.upstream.clear()
    await assertPasses(wire, bytes.match(/[\s\S]{1,1500}/g)!)
    wire.upstream.clear()
    await assertRefused(wire, bytes.replace("X: a", "X: aa"), 431)
  })

  it("100 fields pass, 101 are 431, dropped ones counted", async () => {
    await assertPasses(wire, `GET / HTTP/1.1\r\n${"x: y\r\n".repeat(99)}${HOST}`)
    wire.upstream.clear()
    await assertRefused(wire, `GET / HTTP/1.1\r\n${"Keep-Alive: y\r\n".repeat(100)}${HOST}`, 431)
  })

  it("thousands of names in Connection cost little", async () => {
    const names = Array.from({ length: 2_000 }, (_, i) => `x${i}`)
      .join(",")
      .slice(0, 8_000)
    const bytes = `GET / HTTP/1.1\r\n${`Connection: ${names}\r\n`.repeat(3)}${"x: y\r\n".repeat(90)}${HOST}`
    const before = performance.now()
    using client = await RawClient.connect(wire.plane.port)
    assert.include([200, 400, 431], (await client.send(bytes).response()).status)
    assert.isBelow(performance.now() - before, 50)
    await assertClean(wire)
  })
})

describe("passes", () => {
  it("a head in one-byte pieces", async () => {
    const bytes = `GET /a?b=c HTTP/1.1\r\nUser-Agent: x\r\n${HOST}`
    const [request] = await assertPasses(wire, bytes.split(""))
    assert.strictEqual(request!.head, bytes)
  })

  it("one empty line before a request", async () => {
    const [request] = await assertPasses(wire, `\r\nGET / HTTP/1.1\r\n${HOST}`)
    assert.strictEqual(request!.head, `GET / HTTP/1.1\r\n${HOST}`)
  })

  it("one empty line before a request, in one-byte pieces", async () => {
    await assertPasses(wire, `\r\nGET / HTTP/1.1\r\n${HOST}`.split(""))
  })

  it("untouched fields byte for byte", async () => {
    const fields =
      "uSER-aGENT: a  b\r\nX:\r\nX:a\r\nx_y: \t\xe9\xff \t\r\n!#$%&'*+-.^_`|~: {}\r\nAccept: */*\r\nCookie: a=b\r\nCookie: c=d\r\n"
    const [request] = await assertPasses(wire, `GET / HTTP/1.1\r\n${fields}${HOST}`)
    assert.strictEqual(request!.head, `GET / HTTP/1.1\r\n${fields}${HOST}`)
  })

  for (const target of [
    "/",
    "//x",
    "/a/../b",
    "/%00",
    "/%2e%2e/%",
    "/a?b?c",
    "/?",
    '/"<>\\^`{|}',
    "/\xe9",
    "/;a=b",
    "/*"
  ]) {
    it(`target ${JSON.stringify(target)} byte for byte`, async () => {
      const [request] = await assertPasses(wire, `GET ${target} HTTP/1.1\r\n${HOST}`)
      assert.strictEqual(request!.target, target)
    })
  }

  for (const [target, forwarded, host] of [
    ["http://b.example/x?y", "/x?y", "b.example"],
    ["HTTP://B.example:81/x", "/x", "B.example:81"],
    ["https://b.example", "/", "b.example"],
    ["http://b.example?x", "/?x", "b.example"],
    ["http://[::1]:80/", "/", "[::1]:80"]
  ] as const) {
    it(`absolute target ${target} replaces Host`, async () => {
      const [request] = await assertPasses(wire, `GET ${target} HTTP/1.1\r\nX: y\r\nHost: evil\r\n\r\n`)
      assert.strictEqual(request!.head, `GET ${forwarded} HTTP/1.1\r\nHost: ${host}\r\nX: y\r\n\r\n`)
    })
  }

  it("OPTIONS *", async () => {
    const [request] = await assertPasses(wire, `OPTIONS * HTTP/1.1\r\n${HOST}`)
    assert.strictEqual(request!.target, "*")
  })

  for (const host of [
    "a",
    "A.b-c_d~e",
    "a:80",
    "a:",
    "127.0.0.1",
    "[::1]",
    "[::1]:8080",
    "[fe80::1]",
    "a%20b",
    "xn--a"
  ]) {
    it(`Host: ${host}`, async () => {
      const [request] = await assertPasses(wire, `GET / HTTP/1.1\r\nHost:${host}\r\n\r\n`)
      assert.strictEqual(request!.head, `GET / HTTP/1.1\r\nHost:${host}\r\n\r\n`)
    })
  }

  it("HTTP/1.7 is read as 1.1", async () => {
    const [request] = await assertPasses(wire, `GET / HTTP/1.7\r\n${HOST}`)
    assert.strictEqual(request!.head, `GET / HTTP/1.1\r\n${HOST}`)
  })

  it("methods of any name", async () => {
    for (const method of ["PROPFIND", "M-SEARCH", "get", "X!"]) {
      const [request] = await assertPasses(wire, `${method} / HTTP/1.1\r\n${HOST}`)
      assert.strictEqual(request!.method, method)
      wire.upstream.clear()
    }
  })
})

describe("HTTP/1.0", () => {
  it("needs no Host, gets one upstream, and closes", async () => {
    using client = await RawClient.connect(wire.plane.port)
    const response = await client.send("GET /old HTTP/1.0\r\n\r\n").response()
    assert.strictEqual(`${response.status} ${response.body}`, "200 GET /old 0")
    assert.strictEqual(header(response, "connection"), "close")
    assert.strictEqual(await client.end(), "end")
    assert.strictEqual(
      wire.upstream.requests[0]!.head,
      `GET /old HTTP/1.1\r\nHost: 127.0.0.1:${wire.upstream.port}\r\n\r\n`
    )
    await assertClean(wire)
  })

  it("keeps the connection when asked to, and says so", async () => {
    using client = await RawClient.connect(wire.plane.port)
    for (const path of ["/one", "/two"]) {
      const response = await client.send(`GET ${path} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`).response()
      assert.strictEqual(`${response.body}`, `GET ${path} 0`)
      assert.strictEqual(header(response, "connection"), "keep-alive")
    }
    const last = await client.send("GET /three HTTP/1.0\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n").response()
    assert.strictEqual(header(last, "connection"), "close")
    assert.strictEqual(await client.end(), "end")
    await assertClean(wire)
  })

  it("with a length is a request with a body", async () => {
    using client = await RawClient.connect(wire.plane.port)
    const response = await client.send("POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello").response()
    assert.strictEqual(`${response.body}`, "POST / 5")
    await assertClean(wire)
  })

  it("never gets chunks or interim responses", async () => {
    wire.upstream.onHead = () => "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    wire.upstream.onRequest = () =>
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"
    using client = await RawClient.connect(wire.plane.port)
    const response = await client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").response()
    assert.deepStrictEqual(
      [response.interims.length, response.framing, `${response.body}`, header(response, "connection")],
      [0, "close", "abcd", "close"]
    )
    wire.upstream.clear()
    await assertClean(wire)
  })
})
