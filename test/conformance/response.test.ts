/** Responses of upstreams: how long they are, what passes, and what is refused (RFC 9112 6, hardening 8). */
import { assert, describe, it } from "@effect/vitest"
import { header, RawClient } from "../support/RawClient.ts"
import { echo, reply } from "../support/StrictUpstream.ts"
import { INVALID_RESPONSES, OK } from "./responses.ts"
import { assertClean, useWire } from "./wire.ts"

const wire = useWire()

const get = (path = "/"): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
/** What a poisoner wants the next client to see. */
const POISON = reply("poison")

describe("framing", () => {
  const cases: ReadonlyArray<readonly [name: string, answer: string, framing: string, body: string, keeps: boolean]> = [
    ["a length", `${OK}Content-Length: 5\r\n\r\nhello`, "length", "hello", true],
    ["a length of 0", `${OK}Content-Length: 0\r\n\r\n`, "length", "", true],
    ["chunks", `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n`, "chunked", "hello", true],
    ["no chunks", `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, "chunked", "", true],
    ["HTTP/1.0 with a length", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "length", "hello", false],
    [
      "HTTP/1.0 that keeps the connection",
      "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
      "length",
      "hello",
      true
    ],
    ["Connection: close", `${OK}Connection: close\r\nContent-Length: 5\r\n\r\nhello`, "length", "hello", false],
    [
      "Connection: Close in a list",
      `${OK}Connection: x, Close\r\nContent-Length: 5\r\n\r\nhello`,
      "length",
      "hello",
      false
    ]
  ]
  for (const [name, answer, framing, body, keeps] of cases) {
    it(`${name}: relayed, and the upstream connection is ${keeps ? "kept" : "closed"}`, async () => {
      const { plane, upstream } = wire
      upstream.onRequest = () => answer
      using client = await RawClient.connect(plane.port)
      for (let i = 0; i < 2; i++) {
        const response = await client.send(get()).response()
        assert.deepStrictEqual([response.status, response.framing, `${response.body}`], [200, framing, body])
        assert.strictEqual(header(response, "connection"), undefined)
      }
      const [first, second] = upstream.requests
      assert.strictEqual(first!.connection === second!.connection, keeps)
      upstream.onRequest = echo
      await assertClean(wire)
    })
  }

  it("the end of the connection becomes chunks, or the end of an HTTP/1.0 client's", async () => {
    const { plane, upstream } = wire
    upstream.onRequest = ({ socket }) => {
      socket.end(`${OK}X: y\r\n\r\nhello`)
      return undefined
    }
    using client = await RawClient.connect(plane.port)
    const chunked = await client.send(get()).response()
    assert.deepStrictEqual([chunked.framing, `${chunked.body}`], ["chunked", "hello"])
    using old = await RawClient.connect(plane.port)
    const close = await old.send("GET / HTTP/1.0\r\n\r\n").response()
    assert.deepStrictEqual([close.framing, `${close.body}`], ["close", "hello"])
    upstream.clear()
    await assertClean(wire)
  })

  it("arrives the same in one-byte pieces", async () => {
    const { plane, upstream } = wire
    for (const answer of [
      `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${reply("hello")}`,
      `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nX: y\r\n\r\n`
    ]) {
      upstream.onRequest = ({ socket }) => {
        let at = 0
        const next = () => {
          if (at < answer.length && !socket.destroyed) socket.write(answer[at++]!, () => setImmediate(next))
        }
        next()
        return undefined
      }
      using client = await RawClient.connect(plane.port)
      const response = await client.send(get()).response()
      assert.strictEqual(`${response.body}`, "hello")
      upstream.clear()
      await assertClean(wire)
    }
  })
})

describe("no body", () => {
  for (const fields of ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", ""]) {
    for (const [method, status] of [
      ["HEAD", 200],
      ["HEAD", 404],
      ["GET", 304]
    ] as const) {
      it(`${method} ${status} ${JSON.stringify(fields)}`, async () => {
        const { plane, upstream } = wire
        upstream.onRequest = () => `HTTP/1.1 ${status} X\r\nETag: "a"\r\n${fields}\r\n`
        using client = await RawClient.connect(plane.port)
        for (let i = 0; i < 2; i++) {
          const response = await client.send(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`).response(method)
          assert.strictEqual(response.status, status)
          assert.strictEqual(header(response, "content-length"), fields.startsWith("Content-Length") ? "5" : undefined)
          assert.strictEqual(header(response, "transfer-encoding"), undefined)
        }
        assert.strictEqual(upstream.requests[1]!.connection, upstream.requests[0]!.connection)
        upstream.onRequest = echo
        await assertClean(wire)
      })
    }
  }

  it("204 goes out without framing", async () => {
    wire.upstream.onRequest = () => "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
    using client = await RawClient.connect(wire.plane.port)
    const response = await client.send(get()).response()
    assert.strictEqual(response.head, "HTTP/1.1 204 No Content\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n")
    wire.upstream.onRequest = echo
    await assertClean(wire)
  })
})

describe("interim responses", () => {
  it("103 passes, as often as it comes", async () => {
    wire.upstream.onHead = () => "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: 1\r\n\r\n".repeat(2)
    using client = await RawClient.connect(wire.plane.port)
    const response = await client.send(get()).response()
    assert.deepStrictEqual(
      response.interims.map(({ head }) => head),
      Array(2).fill("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    )
    assert.strictEqual(`${response.body}`, "GET / 0")
    assert.strictEqual((await wire.plane.ended(wire.plane.finished.length)).status, 200)
    wire.upstream.clear()
    await assertClean(wire)
  })

  it("103 reaches the client before the final response", async () => {
    wire.upstream.onRequest = () => "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    using client = await RawClient.connect(wire.plane.port)
    assert.strictEqual((await client.send(get()).interim()).status, 103)
    wire.upstream.requests[0]!.socket.write(reply("late"))
    assert.strictEqual(`${(await client.response()).body}`, "late")
    wire.upstream.clear()
    await assertClean(wire)
  })

  it("20 are not too many", async () => {
    wire.upstream.onHead = () => "HTTP/1.1 102 Processing\r\n\r\n".repeat(20)
    using client = await RawClient.connect(wire.plane.port)
    const response = await client.send(get()).response()
    assert.deepStrictEqual([response.status, response.interims.length], [200, 20])
    wire.upstream.clear()
    await assertClean(wire)
  })
})

describe("refused: 502, the connection destroyed, nothing of it to the client", () => {
  for (const [name, answer] of INVALID_RESPONSES) {
    it(name, async () => {
      const { plane, upstream } = wire
      upstream.onRequest = () => answer
      using client = await RawClient.connect(plane.port)
      const response = await client.send(get()).response()
      assert.strictEqual(response.status, 502)
      assert.notInclude(response.head, "X: a")
      assert.include(`${response.body}`, "Upstream sent an invalid response")
      upstream.clear()
      await upstream.disconnected()
      // The client's own connection is sound and goes on.
      assert.strictEqual(`${(await client.send(get("/next")).response()).body}`, "GET /next 0")
      client.socket.destroy()
      upstream.clear()
      await assertClean(wire)
    })
  }

  it("a head of 64 KiB with 200 fields is not too large", async () => {
    const start = `${OK}${"x: y\r\n".repeat(198)}Content-Length: 0\r\nX: `
    wire.upstream.onRequest = () => `${start}${"a".repeat(64 * 1024 - start.length - 4)}\r\n\r\n`
    using client = await RawClient.connect(wire.plane.port)
    assert.strictEqual((await client.send(get()).response()).status, 200)
    wire.upstream.clear()
    await assertClean(wire)
  })
})

describe("what is behind a response is never another client's answer", () => {
  const cases: ReadonlyArray<readonly [name: string, method: string, answer: string]> = [
    ["a second response", "GET", `${reply("first")}${POISON}`],
    ["one byte", "GET", `${reply("first")}x`],
    ["a 408", "GET", `${reply("first")}HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n`],
    ["behind the last chunk", "GET", `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n${POISON}`],
    ["behind trailers", "GET", `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\nX: y\r\n\r\n${POISON}`],
    ["a body of HEAD", "HEAD", `${OK}Content-Length: ${POISON.length}\r\n\r\n${POISON}`],
    ["a body of 204", "GET", `HTTP/1.1 204 No Content\r\nContent-Length: ${POISON.length}\r\n\r\n${POISON}`],
    ["a body of 304", "GET", `HTTP/1.1 304 Not Modified\r\nContent-Length: ${POISON.length}\r\n\r\n${POISON}`],
    ["behind a length of 0", "GET", `${OK}Content-Length: 0\r\n\r\n${POISON}`]
  ]
  for (const [name, method, answer] of cases) {
    for (const late of [false, true]) {
      it(`${name}${late ? ", when the connection is idle" : ""}`, async () => {
        const { plane, upstream } = wire
        const length = answer.endsWith(POISON)
          ? answer.length - POISON.length
          : answer.endsWith("x")
            ? answer.length - 1
            : answer.indexOf("HTTP/1.1 408")
        upstream.onRequest = ({ socket, connection }) => {
          if (connection !== upstream.requests[0]!.connection) return echo(upstream.requests.at(-1)!)
          if (!late) return answer
          socket.write(answer.slice(0, length))
          return undefined
        }
        using client = await RawClient.connect(plane.port)
        await client.send(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`).response(method)
        if (late) upstream.requests[0]!.socket.write(answer.slice(length))
        await upstream.disconnected()
        upstream.onRequest = echo
        for (let i = 0; i < 4; i++) {
          using next = await RawClient.connect(plane.port)
          const response = await next.send(get(`/${i}`)).response()
          assert.strictEqual(`${response.status} ${response.body}`, `200 GET /${i} 0`)
        }
        assert.strictEqual(`${(await client.send(get("/same")).response()).body}`, "GET /same 0")
        upstream.check()
      })
    }
  }

  it("an answer on a fresh connection before the request was written", async () => {
    const { plane, upstream } = wire
    // Everything that is pooled goes, so that the next request opens a connection.
    for (const socket of upstream.sockets) socket.destroy()
    await upstream.disconnected()
    upstream.onConnection = (socket) => socket.write(POISON)
    using client = await RawClient.connect(plane.port)
    client.send(get("/early"))
    // Whoever asks first gets what was pushed, and the connection is not used again.
    await client.response()
    upstream.clear()
    for (let i = 0; i < 4; i++) {
      using next = await RawClient.connect(plane.port)
      assert.strictEqual(`${(await next.send(get(`/${i}`)).response()).body}`, `GET /${i} 0`)
    }
  })
})

describe("an answer before the request body was read", () => {
  const post = (path: string, length: number) => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`

  it("is relayed; the upstream connection is not used again", async () => {
    const { plane, upstream } = wire
    upstream.onHead = (request) => (request.target === "/early" ? reply("no", "HTTP/1.1 403 Forbidden\r\n") : undefined)
    using client = await RawClient.connect(plane.port)
    const response = await client.send(post("/early", 100)).response()
    assert.strictEqual(`${response.status} ${response.body}`, "403 no")
    await upstream.disconnected()
    assert.isTrue(upstream.requests[0]!.broken)
    // The rest is short: it is read and dropped, and the connection goes on.
    client.send("x".repeat(100)).send(get("/next"))
    assert.strictEqual(`${(await client.response()).body}`, "GET /next 0")
    await assertClean(wire)
  })

  it("to a long body announces the end of the client's connection", async () => {
    const { plane, upstream } = wire
    upstream.onHead = () => reply("no", "HTTP/1.1 403 Forbidden\r\n")
    for (const head of [
      post("/early", 1_000_000),
      "POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    ]) {
      using client = await RawClient.connect(plane.port)
      const response = await client.send(head).response()
      assert.strictEqual(response.status, 403)
      assert.strictEqual(header(response, "connection"), "close")
      client.send("x".repeat(1_000_000))
      assert.strictEqual(await client.end(), "end")
    }
    upstream.clear()
    await assertClean(wire)
  })

  it("may be as long as the request: both flow at once", async () => {
    const { plane, upstream } = wire
    upstream.onHead = () => `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n`
    upstream.onRequest = () => "6\r\nsecond\r\n0\r\n\r\n"
    using client = await RawClient.connect(plane.port)
    client.send("POST /both HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    await upstream.received()
    client.send("0\r\n\r\n")
    assert.strictEqual(`${(await client.response()).body}`, "firstsecond")
    assert.isTrue(upstream.requests[0]!.complete)
    client.socket.destroy()
    upstream.clear()
    await assertClean(wire)
  })
})
