/** Through sockets: any cut of any messages means the same, and no damage of one byte smuggles a request. */
import { assert, it } from "@effect/vitest"
import fc from "fast-check"
import { damaged, pieces, request, response } from "../http1/messages.ts"
import { eventually, RawClient, turn } from "../support/RawClient.ts"
import { assertClean, useWire } from "./wire.ts"

const wire = useWire({ trusted: ["127.0.0.0/8"] })

const requests = fc.array(request, { minLength: 1, maxLength: 4 })

it("requests in any pieces, pipelined, arrive and are answered in order", async () => {
  const input = requests.chain((messages) =>
    fc.tuple(fc.constant(messages), pieces(messages.map(({ bytes }) => bytes).join("")))
  )
  await fc.assert(
    fc.asyncProperty(input, async ([messages, parts]) => {
      wire.upstream.clear()
      using client = await RawClient.connect(wire.plane.port)
      const sent = client.sendPieces(parts)
      for (const { body, method, target } of messages) {
        const answer = await client.response(method)
        assert.strictEqual(answer.body.toString("latin1"), `${method} ${target} ${body.length}`)
      }
      await sent
      assert.deepStrictEqual(
        wire.upstream.requests.map(({ method, target, body }) => [method, target, body.toString("latin1")]),
        messages.map(({ method, target, body }) => [method, target, body.toString("latin1")])
      )
      wire.upstream.check()
    }),
    { numRuns: 80 }
  )
  await assertClean(wire)
})

it("responses in any pieces arrive whole", async () => {
  const input = response.chain((message) => fc.tuple(fc.constant(message), pieces(message.bytes)))
  await fc.assert(
    fc.asyncProperty(input, async ([message, parts]) => {
      wire.upstream.clear()
      wire.upstream.onRequest = ({ socket }) => {
        void (async () => {
          for (const part of parts) {
            socket.write(part, "latin1")
            await turn()
            await turn()
          }
        })()
        return undefined
      }
      using client = await RawClient.connect(wire.plane.port)
      const answer = await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()
      assert.strictEqual(answer.status, message.status)
      assert.strictEqual(answer.body.toString("latin1"), message.body.toString("latin1"))
      assert.isBelow(wire.upstream.requests.length, 2)
    }),
    { numRuns: 80 }
  )
  wire.upstream.clear()
  await assertClean(wire)
})

it("a damaged request is refused, or forwarded as one that everybody reads alike", async () => {
  const marker = "GET /marker HTTP/1.1\r\nHost: a\r\n\r\n"
  await fc.assert(
    fc.asyncProperty(
      request.chain(({ bytes }) => damaged(bytes)),
      async (bytes) => {
        wire.upstream.clear()
        const accepted = wire.plane.server.counters.accepted
        using client = await RawClient.connect(wire.plane.port)
        client.send(bytes + marker)
        // However it was understood, with our side ended it comes to an end: an answer, or none for what is incomplete.
        for (let i = 0; i < 8; i++) await turn()
        client.finish()
        await eventually(() => client.ended || client.closed, "the end of the connection")
        await wire.plane.settled()
        const exchanges = wire.plane.server.counters.accepted - accepted
        assert.isAtMost(wire.upstream.requests.length, exchanges)
        for (const { target } of wire.upstream.requests.slice(0, -1)) assert.notStrictEqual(target, "/marker")
        wire.upstream.check()
      }
    ),
    { numRuns: 300 }
  )
  await assertClean(wire)
})
