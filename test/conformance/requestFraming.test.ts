/** How long a request is: every way to say it twice, wrongly or not at all (RFC 9112 6, hardening 4). */
import { assert, describe, it } from "@effect/vitest"
import { header, RawClient } from "../support/RawClient.ts"
import { field } from "../support/StrictUpstream.ts"
import { assertClean, assertPasses, assertRefused, useWire } from "./wire.ts"

const wire = useWire()

/** What a smuggler wants to see at the upstream as a request of its own. */
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
const post = (fields: string, body: string): string => `POST /form HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`

const REFUSED: ReadonlyArray<readonly [name: string, fields: string, body: string, status: number]> = [
  ["length and coding", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", 400],
  ["coding and length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n", 400],
  ["coding and length 0", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", "5\r\nhello\r\n0\r\n\r\n", 400],
  ["lengths that differ", "Content-Length: 5\r\nContent-Length: 6\r\n", "hello", 400],
  ["the same length twice", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello", 400],
  ["a list of equal lengths", "Content-Length: 5, 5\r\n", "hello", 400],
  ["a list of different lengths", "Content-Length: 5, 6\r\n", "hello", 400],
  ["a length with sign", "Content-Length: +5\r\n", "hello", 400],
  ["a negative length", "Content-Length: -5\r\n", "hello", 400],
  ["a hexadecimal length", "Content-Length: 0x5\r\n", "hello", 400],
  ["a length with letters", "Content-Length: 5x\r\n", "hello", 400],
  ["an empty length", "Content-Length:\r\n", "", 400],
  ["a length of 20 digits", "Content-Length: 00000000000000000005\r\n", "hello", 400],
  ["a length beyond 2^53", "Content-Length: 9007199254740993\r\n", "hello", 400],
  ["a length with a blank inside", "Content-Length: 1 0\r\n", "hello", 400],
  ["a length in other digits", "Content-Length: \xb2\r\n", "hello", 400],
  ["xchunked", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n", 400],
  ["chunked, identity", "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n", 400],
  ["identity", "Transfer-Encoding: identity\r\n", "", 400],
  ["identity, chunked", "Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n", 400],
  ["chunked twice in a list", "Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n", 400],
  ["chunked with a comma", "Transfer-Encoding: chunked,\r\n", "0\r\n\r\n", 400],
  ["chunked in quotes", 'Transfer-Encoding: "chunked"\r\n', "0\r\n\r\n", 400],
  ["chunked with a parameter", "Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n", 400],
  ["an empty coding", "Transfer-Encoding:\r\n", "0\r\n\r\n", 400],
  ["two coding fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", 400],
  ["two coding fields, one empty", "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n", "0\r\n\r\n", 400],
  ["VT in the coding", "Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n", 400],
  ["NUL in the coding", "Transfer-Encoding: chunked\0\r\n", "0\r\n\r\n", 400],
  ["a no-break space in the coding", "Transfer-Encoding: chunked\xa0\r\n", "0\r\n\r\n", 400],
  ["a folded coding", "Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n", 400],
  ["gzip", "Transfer-Encoding: gzip\r\n", "", 501],
  ["gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n", 501],
  ["a blank before the colon", "Transfer-Encoding : chunked\r\n", "0\r\n\r\n", 400],
  ["a tab before the colon", "Content-Length\t: 5\r\n", "hello", 400],
  ["a length ended by a bare line feed", "Content-Length: 5\n\r\n", "hello", 400],
  ["a length ended by a bare carriage return", "Content-Length: 5\rX: y\r\n", "hello", 400],
  ["an unknown expectation", "Expect: 200-ok\r\nContent-Length: 5\r\n", "hello", 417]
]

describe("refused before anything is forwarded", () => {
  for (const [name, fields, body, status] of REFUSED) {
    it(name, async () => {
      await assertRefused(wire, `${post(fields, body)}${SMUGGLED}`, status)
      assert.lengthOf(wire.upstream.requests, 1, "only the clean request was forwarded")
    })
  }

  it("Transfer-Encoding in HTTP/1.0", async () => {
    await assertRefused(wire, `POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`, 400)
  })
})

const CHUNKS: ReadonlyArray<readonly [name: string, body: string]> = [
  ["a hexadecimal prefix", "0x5\r\nhello\r\n0\r\n\r\n"],
  ["a negative size", "-5\r\nhello\r\n0\r\n\r\n"],
  ["an underscore", "1_0\r\nhellohellohello!\r\n0\r\n\r\n"],
  ["17 digits", "00000000000000005\r\nhello\r\n0\r\n\r\n"],
  ["nine digits", "000000005\r\nhello\r\n0\r\n\r\n"],
  ["a size of 2^64", "10000000000000000\r\nhello\r\n0\r\n\r\n"],
  ["no size", "\r\nhello\r\n0\r\n\r\n"],
  ["an extension without size", ";a=b\r\nhello\r\n0\r\n\r\n"],
  ["a blank before the size", " 5\r\nhello\r\n0\r\n\r\n"],
  ["a blank behind the size", "5 \r\nhello\r\n0\r\n\r\n"],
  ["data longer than its size", "4\r\nhello\r\n0\r\n\r\n"],
  ["data shorter than its size", "6\r\nhello\r\n0\r\n\r\n"],
  ["a bare line feed behind the size", "5\nhello\r\n0\r\n\r\n"],
  ["a bare line feed behind the data", "5\r\nhello\n0\r\n\r\n"],
  ["a bare carriage return behind the size", "5\rhello\r\n0\r\n\r\n"],
  ["a bare line feed in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"],
  ["a bare carriage return in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"],
  ["a control byte in an extension", "5;a\0b\r\nhello\r\n0\r\n\r\n"],
  ["257 bytes of extension", `5;${"x".repeat(257)}\r\nhello\r\n0\r\n\r\n`],
  ["more than 16 KiB of extensions", `${`1;${"x".repeat(255)}\r\nh\r\n`.repeat(65)}0\r\n\r\n`],
  ["a bare line feed behind the last chunk", "5\r\nhello\r\n0\n\r\n"],
  ["a bare line feed at the end", "5\r\nhello\r\n0\r\n\n"],
  ["a trailer without colon", "5\r\nhello\r\n0\r\nX\r\n\r\n"],
  ["a trailer with a blank in its name", "5\r\nhello\r\n0\r\nX : y\r\n\r\n"],
  ["a folded trailer", "5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n"],
  ["a trailer that ends in a bare line feed", "5\r\nhello\r\n0\r\nX: y\n\r\n"],
  ["a trailer with a bare carriage return", "5\r\nhello\r\n0\r\nX: y\r\r\n\r\n"],
  ["a trailer with a control byte", "5\r\nhello\r\n0\r\nX: \x0by\r\n\r\n"],
  ["8 KiB of trailers", `5\r\nhello\r\n0\r\nX: ${"y".repeat(8192)}\r\n\r\n`],
  ["33 trailers", `5\r\nhello\r\n0\r\n${"X: y\r\n".repeat(33)}\r\n`]
]

describe("a broken chunk: 400, and the upstream never has a whole request", () => {
  for (const [name, body] of CHUNKS) {
    it(name, async () => {
      await assertRefused(wire, `${post("Transfer-Encoding: chunked\r\n", body)}${SMUGGLED}`, 400)
    })
  }

  it("aborts what was forwarded already", async () => {
    using client = await RawClient.connect(wire.plane.port)
    client.send(post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"))
    const forwarded = await wire.upstream.received()
    client.send("zz\r\n")
    assert.strictEqual((await client.response()).status, 400)
    await wire.plane.settled()
    await wire.upstream.disconnected()
    assert.deepStrictEqual([forwarded.complete, forwarded.broken], [false, true])
    await assertClean(wire)
  })
})

describe("what is plainly framed passes", () => {
  it("a length", async () => {
    const [request] = await assertPasses(wire, post("Content-Length: 5\r\n", "hello"))
    assert.strictEqual(request!.head, "POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    assert.strictEqual(request!.body.toString(), "hello")
  })

  it("a length of 15 digits, in canonical form", async () => {
    const [request] = await assertPasses(wire, post("Content-Length: 000000000000005\r\n", "hello"))
    assert.strictEqual(field(request!, "content-length"), "5")
    assert.strictEqual(request!.body.toString(), "hello")
  })

  it("no body", async () => {
    const [request] = await assertPasses(wire, post("", ""))
    assert.strictEqual(request!.head, "POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
  })

  for (const coding of ["chunked", "Chunked", "CHUNKED", "\tchunked ", "chunked\t"]) {
    it(`Transfer-Encoding: ${JSON.stringify(coding)}`, async () => {
      const [request] = await assertPasses(wire, post(`Transfer-Encoding:${coding}\r\n`, "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"))
      assert.strictEqual(request!.head, "POST /form HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
      assert.strictEqual(request!.body.toString(), "hello!")
    })
  }

  it("extensions are dropped", async () => {
    const body = `5;a=b;c="d;\te"\r\nhello\r\n00000001;${"x".repeat(256)}\r\n!\r\n0;last\r\n\r\n`
    const [request] = await assertPasses(wire, post("Transfer-Encoding: chunked\r\n", body))
    assert.strictEqual(request!.body.toString(), "hello!")
  })

  for (const method of ["GET", "HEAD", "OPTIONS", "DELETE"]) {
    it(`${method} with a body is one request`, async () => {
      const head = `${method} /form HTTP/1.1\r\nHost: a\r\n`
      const [request] = await assertPasses(wire, `${head}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`, 1, method)
      assert.strictEqual(request!.method, method)
      assert.strictEqual(request!.body.toString(), SMUGGLED)
    })
    it(`${method} with a chunked body is one request`, async () => {
      const chunk = `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`
      const [request] = await assertPasses(
        wire,
        `${method} /form HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}`,
        1,
        method
      )
      assert.strictEqual(request!.body.toString(), SMUGGLED)
    })
  }
})

describe("trailers", () => {
  it("pass to a chunked upstream, except those that frame, route, identify or authenticate", async () => {
    const kept = "X-Checksum: 1\r\nServer-Timing: a\r\n"
    const dropped = [
      "Content-Length: 5",
      "Transfer-Encoding: chunked",
      "Host: evil",
      "Connection: close",
      "Authorization: Basic eA==",
      "Cookie: a=b",
      "Set-Cookie: a=b",
      "X-Forwarded-For: 1.2.3.4",
      "X-Real-IP: 1.2.3.4",
      "Forwarded: for=1.2.3.4",
      "Content_Length: 5",
      "X_Forwarded_For: 1.2.3.4",
      "Content-Type: text/html",
      "Content-Encoding: gzip",
      "Te: trailers",
      "Trailer: X",
      "Expect: 100-continue"
    ].join("\r\n")
    const [request] = await assertPasses(
      wire,
      post("Transfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n", `5\r\nhello\r\n0\r\n${dropped}\r\n${kept}\r\n`)
    )
    assert.strictEqual(request!.trailers, kept)
    assert.notInclude(request!.head, "Trailer")
    assert.notInclude(request!.head, "X-Checksum")
  })

  it("32 of them are not too many", async () => {
    const [request] = await assertPasses(
      wire,
      post("Transfer-Encoding: chunked\r\n", `0\r\n${"X: y\r\n".repeat(32)}\r\n`)
    )
    assert.strictEqual(request!.trailers, "X: y\r\n".repeat(32))
  })

  it("of a response reach a client that accepts them, and no other", async () => {
    const { plane, upstream } = wire
    upstream.onRequest = () =>
      "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 9\r\nSet-Cookie: a=b\r\n\r\n"
    using client = await RawClient.connect(plane.port)
    const plain = await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()
    assert.strictEqual(plain.trailers, "")
    const accepting = await client.send("GET / HTTP/1.1\r\nHost: a\r\nTE: gzip, trailers;q=0.5\r\nConnection: TE\r\n\r\n").response()
    assert.strictEqual(accepting.trailers, "")
    const wanted = await client.send("GET / HTTP/1.1\r\nHost: a\r\nTE: deflate, trailers\r\nConnection: TE\r\n\r\n").response()
    assert.strictEqual(wanted.trailers, "X-Sum: 9\r\n")
    assert.strictEqual(header(wanted, "trailer"), undefined)
    upstream.check()
  })
})

describe("Expect: 100-continue", () => {
  const head = "POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"

  it("is answered once, when somebody reads the body, and not forwarded", async () => {
    using client = await RawClient.connect(wire.plane.port)
    client.send(head)
    const interim = await client.interim()
    assert.strictEqual(interim.head, "HTTP/1.1 100 Continue\r\n\r\n")
    const response = await client.send("hello").response()
    assert.lengthOf(response.interims, 0)
    assert.strictEqual(`${response.status} ${response.body}`, "200 POST /form 5")
    assert.strictEqual(wire.upstream.requests[0]!.head, "POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    await assertClean(wire)
  })

  it("is not answered when the body is there already", async () => {
    using client = await RawClient.connect(wire.plane.port)
    const response = await client.send(`${head}hello`).response()
    assert.lengthOf(response.interims, 0)
    assert.strictEqual(`${response.body}`, "POST /form 5")
    await assertClean(wire)
  })

  it("is not answered twice when the upstream says 100, too", async () => {
    wire.upstream.onHead = () => "HTTP/1.1 100 Continue\r\n\r\n"
    using client = await RawClient.connect(wire.plane.port)
    client.send(head)
    await client.interim()
    const response = await client.send("hello").response()
    assert.lengthOf(response.interims, 0)
    await wire.plane.settled()
    wire.upstream.check()
  })

  it("a final answer instead of it closes the connection: the body may come or not", async () => {
    const expecting = head.replace("/form", "/ping")
    using client = await RawClient.connect(wire.plane.port)
    const response = await client.send(expecting).response()
    assert.strictEqual(`${response.status} ${response.body}`, "200 pong")
    assert.strictEqual(header(response, "connection"), "close")
    client.send(SMUGGLED)
    assert.strictEqual(await client.end(), "end")
    assert.strictEqual(client.rest, "")
    await assertClean(wire)
  })

  it("is nothing to HTTP/1.0, nor without a body", async () => {
    for (const request of [
      head.replace("HTTP/1.1", "HTTP/1.0").replace("Host: a\r\n", "Host: a\r\nConnection: keep-alive\r\n"),
      head.replace("Content-Length: 5", "Content-Length: 0")
    ]) {
      using client = await RawClient.connect(wire.plane.port)
      client.send(request)
      if (request.includes("1.0")) {
        await wire.upstream.received()
        client.send("hello")
      }
      const response = await client.response()
      assert.strictEqual(response.status, 200)
      assert.lengthOf(response.interims, 0)
      wire.upstream.clear()
    }
    await assertClean(wire)
  })
})
