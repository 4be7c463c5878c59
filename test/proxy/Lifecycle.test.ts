/** Phases, ways out of them, and what is counted: each exchange begins once and ends once. */
import { assert, describe, it } from "@effect/vitest"
import type { Exchange } from "../../src/proxy/Exchange.ts"
import * as Failure from "../../src/proxy/Failure.ts"
import { proceed } from "../../src/proxy/Lifecycle.ts"
import { redirect, respond } from "../../src/proxy/Response.ts"
import { type LocationRuntime, type Outcome, PENDING, type RequestChain } from "../../src/proxy/Runtime.ts"
import { DataPlane, type DataPlaneOptions } from "../support/DataPlane.ts"
import { eventually, header, RawClient } from "../support/RawClient.ts"
import { StrictUpstream } from "../support/StrictUpstream.ts"

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

type Steps = Partial<Record<"early" | "rewrite" | "request" | "proxyUpstream", (exchange: Exchange) => Outcome>>

/** A location whose steps write down that they ran. */
const recording = (events: Array<string>, steps: Steps = {}): Partial<LocationRuntime> => {
  const chain = (name: keyof Steps): RequestChain => ({
    run: (exchange) => {
      events.push(name)
      return steps[name]?.(exchange)
    }
  })
  return {
    early: chain("early"),
    rewrite: (exchange) => {
      events.push("rewrite")
      return steps.rewrite?.(exchange) as Failure.Failure | undefined
    },
    request: chain("request"),
    proxyUpstream: chain("proxyUpstream"),
    upstreamResponse: () => void events.push("upstreamResponse"),
    response: () => void events.push("response"),
    upstreamFields: (exchange) => {
      events.push("upstreamFields")
      return exchange.fields.text
    }
  }
}

const TO_UPSTREAM = ["early", "rewrite", "request", "proxyUpstream", "upstreamFields", "upstreamResponse", "response"]

describe("phases", () => {
  it("run in order", () => {
    const events: Array<string> = []
    return withUpstream({ location: recording(events) }, async (_, client) => {
      assert.strictEqual((await client.send(get()).response()).status, 200)
      assert.deepStrictEqual(events, TO_UPSTREAM)
    })
  })

  for (const [i, step] of (["early", "rewrite", "request", "proxyUpstream"] as const).entries()) {
    if (step !== "rewrite") {
      it(`a response from ${step} ends them; response hooks do not run`, () => {
        const events: Array<string> = []
        const steps: Steps = { [step]: () => redirect("/elsewhere") }
        return withUpstream({ location: recording(events, steps) }, async (plane, client, upstream) => {
          const response = await client.send(get()).response()
          assert.deepStrictEqual([response.status, header(response, "location")], [307, "/elsewhere"])
          assert.deepStrictEqual(events, TO_UPSTREAM.slice(0, i + 1))
          assert.lengthOf(upstream.requests, 0)
          assert.deepInclude(await plane.ended(), { status: 307, failure: null })
        })
      })

      it(`${step} may wait and go on, answer or fail later`, () => {
        const events: Array<string> = []
        const waiting: Array<Exchange> = []
        const steps: Steps = {
          [step]: (exchange: Exchange) => {
            waiting.push(exchange)
            return PENDING
          }
        }
        return withUpstream({ location: recording(events, steps) }, async (plane, client) => {
          for (const [outcome, status] of [
            [undefined, 200],
            [respond(418), 418],
            [Failure.pluginFailed, 500]
          ] as const) {
            client.send(get())
            await eventually(() => waiting.length === 1, "the step")
            const exchange = waiting.pop()!
            proceed(exchange, outcome)
            assert.strictEqual((await client.response()).status, status)
            // Once it has ended, nothing moves it any more.
            proceed(exchange, respond(500))
          }
          await plane.settled()
        })
      })
    }

    it(`a failure from ${step} becomes an error page`, () => {
      const events: Array<string> = []
      const steps: Steps = { [step]: () => Failure.pluginFailed }
      return withUpstream({ location: recording(events, steps) }, async (plane, client) => {
        const response = await client.send(get()).response()
        assert.deepStrictEqual([response.status, header(response, "x-pingap-etype")], [500, "InternalError"])
        assert.deepStrictEqual(events, TO_UPSTREAM.slice(0, i + 1))
        assert.deepInclude(await plane.ended(), { status: 500, failure: "plugin.failed" })
      })
    })
  }
})

describe("before any phase", () => {
  it("no location: 404", () =>
    withUpstream({ server: { route: () => null } }, async (plane, client) => {
      assert.strictEqual((await client.send(get()).response()).status, 404)
      assert.strictEqual(plane.location.counters.accepted, 0)
    }))

  it("a broken location answers its failure", () =>
    withUpstream({ location: { broken: Failure.unbuilt } }, async (_, client) => {
      assert.strictEqual((await client.send(get()).response()).status, 503)
    }))

  it("a body announced too large: 413, no phase runs, counters pair", () => {
    const events: Array<string> = []
    return withUpstream({ location: { ...recording(events), maxBodyBytes: 4 } }, async (plane, client) => {
      const response = await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").response()
      assert.strictEqual(response.status, 413)
      assert.strictEqual(header(response, "connection"), "close")
      assert.deepStrictEqual(events, [])
      await plane.settled()
      assert.deepStrictEqual(plane.location.counters, { processing: 0, accepted: 1 })
    })
  })

  it("a body that turns out too large: 413, the upstream request is broken off", () =>
    withUpstream({ location: { maxBodyBytes: 8 } }, async (plane, client, upstream) => {
      client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
      const request = await upstream.received()
      client.send("5\r\nworld\r\n")
      const response = await client.response()
      assert.deepStrictEqual([response.status, header(response, "connection")], [413, "close"])
      await upstream.disconnected()
      assert.deepStrictEqual([request.complete, request.broken], [false, true])
      assert.deepInclude(await plane.ended(), { status: 413, failure: "request.body_too_large" })
    }))

  it("exactly as large as allowed passes", () =>
    withUpstream({ location: { maxBodyBytes: 5 } }, async (_, client) => {
      for (const request of [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
      ]) {
        assert.strictEqual((await client.send(request).response()).status, 200)
      }
    }))

  it("more at once than allowed: 429 for those beyond", () =>
    withUpstream({ location: { maxProcessing: 1 } }, async (plane, client, upstream) => {
      upstream.onRequest = () => undefined
      client.send(get())
      await upstream.received()
      using other = await RawClient.connect(plane.port)
      assert.strictEqual((await other.send(get()).response()).status, 429)
      upstream.requests[0]!.socket.write("HTTP/1.1 204 No Content\r\n\r\n")
      await client.response()
      upstream.onRequest = () => "HTTP/1.1 204 No Content\r\n\r\n"
      assert.strictEqual((await other.send(get()).response()).status, 204)
    }))
})

describe("the choice of an upstream", () => {
  it("a plugin's name, a variable, the location's own, or 503", async () => {
    await using named = await StrictUpstream.start()
    await using upstream = await StrictUpstream.start()
    await using other = await DataPlane.start({ backends: [named.port] })
    const cases: ReadonlyArray<
      readonly [path: string, choose: (exchange: Exchange) => void, location: Partial<LocationRuntime>, to: string]
    > = [
      ["/own", () => {}, {}, "own"],
      ["/name", (exchange) => void (exchange.upstreamName = "other"), {}, "other"],
      ["/missing", (exchange) => void (exchange.upstreamName = "nobody"), {}, "503"],
      [
        "/in-a-variable",
        (exchange) => {
          exchange.addVariables([["up", "other"]])
          exchange.upstreamName = "$up"
        },
        {},
        "other"
      ],
      ["/no-variable", (exchange) => void (exchange.upstreamName = "$up"), {}, "503"],
      ["/variable", (exchange) => exchange.addVariables([["up", "other"]]), { upstreamVariable: "up" }, "other"],
      ["/unset-variable", () => {}, { upstreamVariable: "up" }, "503"],
      ["/none", () => {}, { upstream: null }, "503"]
    ]
    for (const [path, choose, location, to] of cases) {
      await using plane = await DataPlane.start({
        backends: [upstream.port],
        server: { upstream: (name) => (name === "other" ? other.pool : null) },
        location: {
          proxyUpstream: {
            run: (exchange) => {
              choose(exchange)
              return undefined
            }
          },
          ...location
        }
      })
      using client = await RawClient.connect(plane.port)
      const response = await client.send(get(path)).response()
      const at = named.requests.some(({ target }) => target === path)
        ? "other"
        : upstream.requests.some(({ target }) => target === path)
          ? "own"
          : "nowhere"
      assert.strictEqual(response.status === 503 ? "503" : at, to, path)
      await plane.settled()
    }
    assert.strictEqual(other.pool.counters.processing, 0)
  })
})

describe("the end", () => {
  it("calls finalizers once, in order, however it came about", () => {
    const events: Array<string> = []
    return withUpstream(
      {
        location: {
          early: {
            run: (exchange) => {
              exchange.onDone(({ status }) => events.push(`one ${status}`))
              exchange.onDone(({ status }) => events.push(`two ${status}`))
              return exchange.path === "/fail" ? Failure.internal : undefined
            }
          }
        }
      },
      async (plane, client, upstream) => {
        await client.send(get("/ping")).response()
        await client.send(get("/fail")).response()
        upstream.onRequest = () => undefined
        client.send(get("/gone"))
        await upstream.received()
        client.socket.destroy()
        await plane.ended(3)
        assert.deepStrictEqual(events, ["one 200", "two 200", "one 500", "two 500", "one 499", "two 499"])
      }
    )
  })

  it("a finalizer that throws keeps no other from running, nor the log line", async () => {
    const events: Array<string> = []
    await using plane = await DataPlane.start({
      location: {
        early: {
          run: (exchange) => {
            exchange.onDone(() => {
              throw new Error("broken finalizer")
            })
            exchange.onDone(() => events.push("next"))
            return undefined
          }
        }
      }
    })
    plane.expectsDefects = true
    using client = await RawClient.connect(plane.port)
    await client.send(get("/ping")).response()
    assert.deepStrictEqual(events, ["next"])
    assert.strictEqual(plane.finished.length, 1)
    assert.strictEqual(`${plane.defects[0]}`, "Error: broken finalizer")
  })

  it("a generation is held from the first phase to the end", () =>
    withUpstream({}, async (plane, client, upstream) => {
      upstream.onRequest = () => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no"
      client.send(get())
      await eventually(() => client.rest.endsWith("o"), "half of the body")
      assert.strictEqual(plane.retained, 1)
      upstream.requests[0]!.socket.write("k")
      await client.response()
      assert.strictEqual(plane.retained, 0)
    }))
})
