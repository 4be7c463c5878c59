/**
 * Code that throws where it may not: the exchange fails, its connection ends, everything else goes on, and whoever
 * watches the process hears of it (hardening 1.9).
 */
import { assert, describe, it } from "@effect/vitest"
import type { BodySink } from "../../src/proxy/Body.ts"
import { respondStream } from "../../src/proxy/Response.ts"
import { DataPlane, type DataPlaneOptions } from "../support/DataPlane.ts"
import { eventually, RawClient } from "../support/RawClient.ts"
import { StrictUpstream } from "../support/StrictUpstream.ts"

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

const boom = (): never => {
  throw new Error("boom")
}

const once = <A>(later: A, first: () => A): (() => A) => {
  let calls = 0
  return () => (++calls === 1 ? first() : later)
}

const broken = async (options: DataPlaneOptions): Promise<DataPlane> => {
  const plane = await DataPlane.start(options)
  plane.expectsDefects = true
  return plane
}

const assertServes = async (plane: DataPlane): Promise<void> => {
  using client = await RawClient.connect(plane.port)
  assert.strictEqual((await client.send("GET /ping HTTP/1.1\r\nHost: a\r\n\r\n").response()).status, 200)
  await plane.settled()
}

describe("before the head is out: 500", () => {
  for (const [what, location] of [
    ["a request chain", { request: { run: once(undefined, boom) } }],
    ["a rewrite", { rewrite: once(undefined, boom) }]
  ] as const) {
    it(what, async () => {
      await using plane = await broken({ location })
      using client = await RawClient.connect(plane.port)
      const response = await client.send(GET).response()
      assert.strictEqual(response.status, 500)
      assert.deepStrictEqual(plane.defects.map(String), ["Error: boom"])
      assert.strictEqual((await plane.ended()).failure, "internal")
    })
  }

  it("the choice of the location", async () => {
    await using plane = await broken({ server: { route: boom } })
    using client = await RawClient.connect(plane.port)
    assert.strictEqual((await client.send(GET).response()).status, 500)
    assert.strictEqual(plane.server.counters.processing, 0)
  })
})

describe("in the middle of an upstream's answer", () => {
  it("a response hook: 500 or a broken response, and a new connection for the next request", async () => {
    await using upstream = await StrictUpstream.start()
    await using plane = await broken({ backends: [upstream.port], location: { response: once(undefined, boom) } })
    using client = await RawClient.connect(plane.port)
    client.send(GET)
    await eventually(() => plane.defects.length === 1, "the report")
    await plane.settled()
    await assertServes(plane)
  })
})

describe("when the exchange is over", () => {
  it("an access log that throws loses its line and nothing else", async () => {
    await using plane = await broken({ server: { accessLog: once(undefined, boom) } })
    using client = await RawClient.connect(plane.port)
    for (let i = 0; i < 2; i++) {
      assert.strictEqual((await client.send("GET /ping HTTP/1.1\r\nHost: a\r\n\r\n").response()).status, 200)
    }
    assert.strictEqual(plane.defects.length, 1)
    assert.strictEqual(plane.retained, 0)
  })

  it("a finalizer that throws does not keep the generation", async () => {
    await using plane = await broken({
      location: {
        request: {
          run: (exchange) => {
            exchange.onDone(boom)
            return undefined
          }
        }
      }
    })
    using client = await RawClient.connect(plane.port)
    assert.strictEqual((await client.send(GET).response()).status, 503)
    assert.strictEqual(plane.retained, 0)
    assert.strictEqual(plane.defects.length, 1)
  })
})

it("a streamed body that throws when it starts breaks the response", async () => {
  const stream = respondStream(
    200,
    [],
    (sink: BodySink) => {
      sink.write(Buffer.from("some"))
      return boom()
    },
    10
  )
  await using plane = await broken({ location: { request: { run: () => stream } } })
  using client = await RawClient.connect(plane.port)
  client.send(GET)
  assert.include(["end", "reset"], await client.end())
  assert.strictEqual(plane.defects.length, 1)
  await plane.settled()
})
