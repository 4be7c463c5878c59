/** Requests over real sockets, to a server that answers as no etcd would. */
import * as http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Endpoint } from "../../../../src/config/source/etcd/EtcdUrl.ts"
import * as Transport from "../../../../src/config/source/etcd/Transport.ts"
import { freePort, promise, wait } from "../../../support/Etcd.ts"

const CALL = { path: "/v3/kv/range", body: "{}", token: null }

interface Served {
  readonly endpoint: Endpoint
  readonly sockets: Set<Socket>
  readonly transport: Transport.Transport
}

const serve = (answer: http.RequestListener): Effect.Effect<Served, never, Scope.Scope> =>
  Effect.gen(function* () {
    const sockets = new Set<Socket>()
    const server = yield* Effect.acquireRelease(
      Effect.callback<http.Server>((resume) => {
        const made = http.createServer(answer)
        made.on("connection", (socket) => {
          sockets.add(socket)
          socket.on("close", () => sockets.delete(socket))
        })
        made.listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
      }),
      (made) =>
        Effect.sync(() => {
          made.closeAllConnections()
          made.close()
        })
    )
    const { port } = server.address() as AddressInfo
    const transport = yield* Effect.orDie(
      Transport.make({ tls: null, connectTimeoutMillis: 1_000, place: "etcd://h/p" })
    )
    return { endpoint: { host: "127.0.0.1", port, name: "here" }, sockets, transport }
  })

describe("Transport", () => {
  it.live("sends the token and keeps the connection", () =>
    Effect.gen(function* () {
      const ports = new Set<number | undefined>()
      const { endpoint, transport } = yield* serve((request, response) => {
        ports.add(request.socket.remotePort)
        response.end(JSON.stringify({ token: request.headers.authorization ?? null }))
      })
      for (const token of ["one", null]) {
        const answer = yield* transport.post(endpoint, { ...CALL, token })
        assert.deepStrictEqual([answer.status, answer.json], [200, { token }])
      }
      assert.strictEqual(ports.size, 1)
    })
  )

  it.live("hands over lines wherever they are cut", () =>
    Effect.gen(function* () {
      const bytes = Buffer.from('{"text":"zwölf €"}\n{"text":"𝄞"}\n')
      const { endpoint, transport } = yield* serve((_, response) => {
        let at = 0
        const next = (): void => {
          if (at === bytes.length) response.end()
          else response.write(bytes.subarray(at, ++at), () => setImmediate(next))
        }
        next()
      })
      const seen: Array<unknown> = []
      const error = yield* Effect.flip(
        transport.stream<never>(endpoint, CALL, (json) => {
          seen.push(json)
          return null
        })
      )
      assert.deepStrictEqual(seen, [{ text: "zwölf €" }, { text: "𝄞" }])
      assert.strictEqual(error.reason, "ended the stream")
    })
  )

  it.live("ends a stream that says something wrong, and its connection", () =>
    Effect.gen(function* () {
      const { endpoint, sockets, transport } = yield* serve(
        (_, response) => void response.write('{"a":1}\nnonsense\n{}\n')
      )
      const seen: Array<unknown> = []
      const error = yield* Effect.flip(
        transport.stream(endpoint, CALL, (json) => {
          seen.push(json)
          return json === undefined ? ("strange" as const) : null
        })
      )
      assert.strictEqual(error, "strange")
      assert.deepStrictEqual(seen, [{ a: 1 }, undefined])
      yield* wait(() => sockets.size === 0, "the connection is closed", 1_000)
    })
  )

  it.live("closes the connection of a request that nobody waits for any more", () =>
    Effect.gen(function* () {
      let asked = 0
      const { endpoint, sockets, transport } = yield* serve(() => void asked++)
      const fiber = yield* Effect.forkChild(transport.post(endpoint, CALL))
      yield* wait(() => asked === 1, "it is asked", 1_000)
      yield* Fiber.interrupt(fiber)
      yield* wait(() => sockets.size === 0, "the connection is closed", 1_000)
    })
  )

  it.live("says whether the request may have been carried out", () =>
    Effect.gen(function* () {
      const refused = { host: "127.0.0.1", port: yield* promise(freePort), name: "nobody" }
      const { endpoint, transport } = yield* serve((request, response) => {
        if (request.headers.authorization === "half") response.writeHead(200, { "content-length": 100 }).write("{")
        setImmediate(() => request.socket.destroy())
      })
      const one = yield* Effect.flip(transport.post(refused, CALL))
      assert.deepStrictEqual([one.endpoint, one.reason, one.inDoubt], ["nobody", "refuses connections", false])
      const two = yield* Effect.flip(transport.post(endpoint, CALL))
      assert.deepStrictEqual([two.reason, two.inDoubt, two.wasIdle], ["reset the connection", true, false])
      const three = yield* Effect.flip(transport.post(endpoint, { ...CALL, token: "half" }))
      assert.isTrue(three.inDoubt)
    })
  )

  it.live("knows a connection that was closed while it was idle", () =>
    Effect.gen(function* () {
      let requests = 0
      const { endpoint, transport } = yield* serve((request, response) => {
        if (++requests === 2) request.socket.destroy()
        else response.end("{}")
      })
      yield* transport.post(endpoint, CALL)
      assert.isTrue((yield* Effect.flip(transport.post(endpoint, CALL))).wasIdle)
      assert.strictEqual((yield* transport.post(endpoint, CALL)).status, 200)
    })
  )
})
