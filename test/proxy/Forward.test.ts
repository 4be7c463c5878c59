/** Bodies through rewriting stages, hooks on what is forwarded, and connections that outlive their exchange. */
import { assert, describe, it } from "@effect/vitest"
import { Fields } from "../../src/model/Fields.ts"
import {
  type BodySink,
  type BodySource,
  type BodyTransform,
  type Flow,
  FULL,
  type TransformSink
} from "../../src/proxy/Body.ts"
import { DataPlane, type DataPlaneOptions } from "../support/DataPlane.ts"
import { BrokenResponse, eventually, header, RawClient } from "../support/RawClient.ts"
import { reply, StrictUpstream } from "../support/StrictUpstream.ts"

const get = (path = "/"): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

const withUpstream = async (
  options: Omit<DataPlaneOptions, "backends">,
  run: (plane: DataPlane, client: RawClient, upstream: StrictUpstream) => Promise<void>
): Promise<void> => {
  await using upstream = await StrictUpstream.start()
  await using plane = await DataPlane.start({ ...options, backends: [upstream.port] })
  using client = await RawClient.connect(plane.port)
  await run(plane, client, upstream)
  await plane.settled()
  upstream.check()
}

/** Rewrites each piece, appends a mark at the end. */
const mapping =
  (rewrite: (text: string) => string, mark = ""): BodyTransform =>
  (next) => ({
    write: (chunk) => next.write(Buffer.from(rewrite(chunk.toString("latin1")), "latin1")),
    end: (trailers) => {
      if (mark !== "") next.write(Buffer.from(mark))
      next.end(trailers)
    },
    abort: (failure) => next.abort(failure)
  })

const upper = mapping((text) => text.toUpperCase(), "!")

/** Takes one piece at a time and passes it on only when it is told to. */
class Held implements TransformSink {
  readonly next: BodySink
  readonly source: BodySource
  private pieces: Array<Buffer> = []
  private ended = false
  aborted: string | null = null

  constructor(next: BodySink, source: BodySource) {
    this.next = next
    this.source = source
  }

  write(chunk: Buffer): Flow {
    this.pieces.push(Buffer.from(chunk))
    return FULL
  }

  end(): void {
    this.ended = true
  }

  abort(failure: { readonly code: string }): void {
    this.aborted = failure.code
  }

  get complete(): boolean {
    return this.ended
  }

  get waiting(): number {
    return this.pieces.length
  }

  pass(): void {
    for (const piece of this.pieces.splice(0)) this.next.write(piece)
    if (this.ended) this.next.end(null)
    else this.source.resume()
  }
}

const RESPONSES: ReadonlyArray<readonly [name: string, bytes: string]> = [
  ["in one read", reply("hello")],
  ["in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"],
  ["large", reply("hello".repeat(20_000))]
]

describe("stages of the response", () => {
  for (const [name, bytes] of RESPONSES) {
    it(`${name}: upstream stages first, then response stages; the length is not announced`, () =>
      withUpstream(
        {
          location: { upstreamBody: () => upper, responseBody: () => mapping((text) => text.replaceAll("L", "1"), "?") }
        },
        async (_, client, upstream) => {
          upstream.onRequest = () => bytes
          const response = await client.send(get()).response()
          assert.strictEqual(response.framing, "chunked")
          assert.strictEqual(`${response.body}`.slice(0, 5), "HE11O")
          assert.strictEqual(`${response.body}`.slice(-2), "!?")
        }
      ))
  }

  it("decide for each exchange", () =>
    withUpstream({ location: { responseBody: ({ path }) => (path === "/up" ? upper : null) } }, async (_, client) => {
      const plain = await client.send(get("/plain")).response()
      assert.deepStrictEqual([plain.framing, `${plain.body}`], ["length", "GET /plain 0"])
      const changed = await client.send(get("/up")).response()
      assert.deepStrictEqual([changed.framing, `${changed.body}`], ["chunked", "GET /UP 0!"])
    }))

  it("see nothing of responses without a body", () =>
    withUpstream(
      { location: { responseBody: () => upper, upstreamBody: () => upper } },
      async (_, client, upstream) => {
        for (const [method, bytes] of [
          ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"],
          ["GET", "HTTP/1.1 204 No Content\r\n\r\n"],
          ["GET", "HTTP/1.1 304 Not Modified\r\n\r\n"]
        ] as const) {
          upstream.onRequest = () => bytes
          const response = await client.send(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`).response(method)
          assert.strictEqual(response.framing, "none")
          assert.strictEqual(client.rest, "")
        }
      }
    ))

  it("slow the upstream down, and are resumed one after the other", () => {
    const stages: Array<Held> = []
    const hold: BodyTransform = (next, source) => {
      const stage = new Held(next, source)
      stages.push(stage)
      return stage
    }
    return withUpstream({ location: { responseBody: () => hold } }, async (_, client, upstream) => {
      upstream.onRequest = () => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
      client.send(get())
      await eventually(() => stages[0]?.waiting === 1, "the first piece")
      upstream.requests[0]!.socket.write("world")
      stages[0]!.pass()
      await eventually(() => stages[0]!.waiting === 1 && stages[0]!.complete, "the second piece")
      stages[0]!.pass()
      assert.strictEqual(`${(await client.response()).body}`, "helloworld")
    })
  })

  it("learn that the upstream broke off, and the client sees it", () => {
    let aborted = ""
    const watching: BodyTransform = (next) => ({
      write: (chunk) => next.write(chunk),
      end: (trailers) => next.end(trailers),
      abort: (failure) => {
        aborted = failure.code
        next.abort(failure)
      }
    })
    return withUpstream({ location: { responseBody: () => watching } }, async (plane, client, upstream) => {
      upstream.onRequest = () => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
      client.send(get())
      await eventually(() => client.rest.includes("hello"), "the first half")
      upstream.requests[0]!.socket.end()
      const outcome = await client.response().catch((error: unknown) => error)
      assert.instanceOf(outcome, BrokenResponse)
      assert.strictEqual(aborted, "upstream.closed")
      assert.lengthOf(plane.finished, 1)
    })
  })
})

describe("a connection that is done with its exchange", () => {
  // The stage still works on a body that has been read whole: its connection serves somebody else meanwhile.
  for (const bytes of [
    reply("first"),
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n"
  ]) {
    it(`is not touched by it any more: ${bytes.includes("chunked") ? "chunks" : "length"}`, () => {
      const stages: Array<Held> = []
      return withUpstream(
        {
          location: {
            responseBody: ({ path }) => {
              if (path !== "/slow") return null
              return (next, source) => {
                const stage = new Held(next, source)
                stages.push(stage)
                return stage
              }
            }
          }
        },
        async (plane, client, upstream) => {
          upstream.onRequest = ({ target }) => (target === "/slow" ? bytes : undefined)
          client.send(get("/slow"))
          await eventually(() => stages[0]?.complete === true, "the whole body")
          using other = await RawClient.connect(plane.port)
          other.send(get("/other"))
          const request = await upstream.received(2)
          assert.strictEqual(request.connection, 1)
          client.abort()
          assert.deepInclude(await plane.ended(), { failure: "client.gone" })
          assert.strictEqual(stages[0]!.aborted, "client.gone")
          request.socket.write(reply("other"))
          assert.strictEqual(`${(await other.response()).body}`, "other")
        }
      )
    })
  }
})

describe("stages of the request", () => {
  it("turn a length into chunks", () =>
    withUpstream({ location: { requestBody: () => upper } }, async (_, client, upstream) => {
      client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
      assert.strictEqual((await client.response()).status, 200)
      assert.deepStrictEqual([upstream.requests[0]!.framing, `${upstream.requests[0]!.body}`], ["chunked", "HELLO!"])
    }))

  it("slow the client down, and are resumed", () => {
    const stages: Array<Held> = []
    return withUpstream(
      {
        location: {
          requestBody: () => (next, source) => {
            const stage = new Held(next, source)
            stages.push(stage)
            return stage
          }
        }
      },
      async (_, client, upstream) => {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        await eventually(() => stages[0]?.waiting === 1, "the first piece")
        client.send("world")
        stages[0]!.pass()
        await eventually(() => stages[0]!.complete, "the second piece")
        stages[0]!.pass()
        assert.strictEqual((await client.response()).status, 200)
        assert.strictEqual(`${upstream.requests[0]!.body}`, "helloworld")
      }
    )
  })
})

describe("hooks", () => {
  it("on the response may change its fields and status, not its framing", () =>
    withUpstream(
      {
        location: {
          upstreamResponse: (exchange) => exchange.response.set("X-Up", String(exchange.upstreamStatus)),
          response: (exchange) => {
            exchange.status = 202
            exchange.response.remove("server")
            exchange.response.append("X-Status", String(exchange.status))
          }
        }
      },
      async (_, client, upstream) => {
        upstream.onRequest = () => reply("ok", "HTTP/1.1 200 Fine\r\nServer: x\r\n")
        const response = await client.send(get()).response()
        assert.strictEqual(
          response.head.replace(/Date: .*\r\n/, ""),
          "HTTP/1.1 202 Accepted\r\nX-Up: 200\r\nX-Status: 202\r\nContent-Length: 2\r\n\r\n"
        )
      }
    ))

  it("on the fields run again for every attempt", () => {
    let runs = 0
    return withUpstream(
      {
        location: {
          upstreamFields: (exchange) => {
            const fields = new Fields(exchange.fields.text)
            fields.set("X-Attempt", String(++runs))
            return fields.text
          }
        }
      },
      async (_, client, upstream) => {
        await client.send(get("/warm")).response()
        upstream.onHead = ({ connection, socket }) => {
          if (connection === 1) socket.resetAndDestroy()
          return undefined
        }
        await client.send(get("/again")).response()
        assert.deepStrictEqual(
          upstream.requests.map(({ head }) => /X-Attempt: (.)/.exec(head)?.[1]),
          ["1", "2", "3"]
        )
        assert.strictEqual(upstream.requests[2]!.head.match(/X-Attempt/g)!.length, 1)
      }
    )
  })

  it("may change the target", () =>
    withUpstream(
      {
        location: {
          rewrite: (exchange) => {
            exchange.retarget(`/v2${exchange.path}`, exchange.query)
            return undefined
          }
        }
      },
      async (_, client, upstream) => {
        const response = await client.send(get("/a?b=c")).response()
        assert.strictEqual(header(response, "content-length"), String("GET /v2/a?b=c 0".length))
        assert.strictEqual(upstream.requests[0]!.target, "/v2/a?b=c")
      }
    ))
})
