/** A webhook receiver on loopback that remembers what it got and answers as told. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"

export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

export interface Receiver {
  readonly url: string
  readonly host: string
  /** Waits for the next request. */
  readonly next: Effect.Effect<Received>
  /** Requests that nobody has asked for yet. */
  readonly waiting: Effect.Effect<number>
}

export type Answer = (response: ServerResponse, count: number) => void

export const status =
  (...codes: ReadonlyArray<number>): Answer =>
  (response, count) => {
    response.statusCode = codes[Math.min(count, codes.length) - 1]!
    response.end("answer")
  }

/** Runs until its scope closes; connections that are still open are cut then. */
export const make = (answer: Answer = status(204)) =>
  Effect.gen(function* () {
    const queue = yield* Queue.unbounded<Received>()
    let count = 0
    const server = createServer((request, response) => {
      let body = ""
      request.setEncoding("utf8")
      request.on("data", (chunk: string) => (body += chunk))
      request.on("end", () => {
        const { headers, method = "", url = "" } = request
        Queue.offerUnsafe(queue, { method, url, headers, body })
        answer(response, ++count)
      })
    })
    const address = yield* Effect.acquireRelease(
      Effect.callback<AddressInfo>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server.address() as AddressInfo)))
      }),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    const host = `127.0.0.1:${address.port}`
    return {
      host,
      url: `http://${host}`,
      next: Queue.take(queue),
      waiting: Queue.size(queue)
    } satisfies Receiver
  })
