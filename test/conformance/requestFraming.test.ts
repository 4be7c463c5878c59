/** How long a request is: every way to say it twice, wrongly or not at all (RFC 9112 6, hardening 4). */
import { assert, describe, it } from "@effect/vitest"
import { header, RawClient } from "../support/RawClient.ts"
import { field } from "../support/StrictUpstream.ts"
import { INVALID_CHUNKS, INVALID_FRAMING, post, SMUGGLED } from "./requests.ts"
import { assertClean, assertPasses, assertRefused, useWire } from "./wire.ts"

const wire = useWire()

describe("refused before anything is forwarded", () => {
  for (const [name, fields, body, status] of INVALID_FRAMING) {
    it(name, async () => {
      await assertRefused(wire, `${post(fields, body)}${SMUGGLED}`, status)
      assert.lengthOf(wire.upstream.requests, 1, "only the clean request was forwarded")
    })
  }

  it("Transfer-Encoding in HTTP/1.0", async () => {
    await assertRefused(
      wire,
      `POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      400
    )
  })
})

describe("a broken chunk: 400, and the upstream never has a whole request", () => {
  for (const [name, body] of INVALID_CHUNKS) {
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
      const [request] = await assertPasses(
        wire,
        post(`Transfer-Encoding:${coding}\r\n`, "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")
      )
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
      const [request] = await assertPasses(
        wire,
        `${head}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
        1,
        method
      )
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

  it("do not say again, or in a look-alike spelling, what the head says", async () => {
    const [request] = await assertPasses(
      wire,
      post(
        "Transfer-Encoding: chunked\r\nX-User: me\r\n",
        "5\r\nhello\r\n0\r\nX-User: root\r\nx_user: root\r\nX-Sum: 1\r\n\r\n"
      )
    )
    assert.strictEqual(request!.trailers, "X-Sum: 1\r\n")
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
    const accepting = await client
      .send("GET / HTTP/1.1\r\nHost: a\r\nTE: gzip, trailers;q=0.5\r\nConnection: TE\r\n\r\n")
      .response()
    assert.strictEqual(accepting.trailers, "")
    const wanted = await client
      .send("GET / HTTP/1.1\r\nHost: a\r\nTE: deflate, trailers\r\nConnection: TE\r\n\r\n")
      .response()
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
