/**
 * One proxy and one strict upstream per test file, and the three things nearly every wire test asks: what is refused,
 * what passes, and whether the next client is served right afterwards.
 */
import { afterAll, assert, beforeAll, beforeEach } from "@effect/vitest"
import { DataPlane, type DataPlaneOptions } from "../support/DataPlane.ts"
import { header, RawClient, type RawResponse } from "../support/RawClient.ts"
import { type ReceivedRequest, StrictUpstream } from "../support/StrictUpstream.ts"

export interface Wire {
  readonly plane: DataPlane
  readonly upstream: StrictUpstream
}

/** Starts both before the tests of a file, clears the upstream's log between them. */
export const useWire = (options: Omit<DataPlaneOptions, "backends"> = {}): Wire => {
  let plane: DataPlane
  let upstream: StrictUpstream
  beforeAll(async () => {
    upstream = await StrictUpstream.start()
    plane = await DataPlane.start({ ...options, backends: [upstream.port] })
  })
  beforeEach(async () => {
    await plane.settled()
    upstream.clear()
  })
  afterAll(async () => {
    await plane[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
  })
  return {
    get plane() {
      return plane
    },
    get upstream() {
      return upstream
    }
  }
}

/** A new client is served right, and the upstream has seen nothing but what it should. */
export const assertClean = async ({ plane, upstream }: Wire): Promise<void> => {
  await plane.settled()
  upstream.check()
  const before = upstream.requests.length
  using client = await RawClient.connect(plane.port)
  const response = await client.send("GET /clean HTTP/1.1\r\nHost: a\r\n\r\n").response()
  assert.strictEqual(`${response.status} ${response.body}`, "200 GET /clean 0")
  assert.deepStrictEqual(
    upstream.requests.slice(before).map((request) => request.head),
    ["GET /clean HTTP/1.1\r\nHost: a\r\n\r\n"]
  )
  upstream.check()
}

/** The bytes are answered with `status` and the end of the connection; the upstream gets no whole request of them. */
export const assertRefused = async (
  wire: Wire,
  bytes: string,
  status: number | ReadonlyArray<number>
): Promise<RawResponse> => {
  using client = await RawClient.connect(wire.plane.port)
  const response = await client.send(bytes).response()
  const allowed = typeof status === "number" ? [status] : status
  assert.include(allowed, response.status, response.head)
  assert.strictEqual(header(response, "connection"), "close")
  assert.strictEqual(await client.end(), "end")
  assert.strictEqual(client.rest, "", "bytes behind the last response")
  client.finish()
  await wire.plane.settled()
  assert.deepStrictEqual(
    wire.upstream.requests.filter((request) => request.complete).map((request) => request.head),
    []
  )
  await assertClean(wire)
  return response
}

/** The bytes are that many requests, each answered with 200 in order; the connection goes on. Returns what was forwarded. */
export const assertPasses = async (
  wire: Wire,
  bytes: string | ReadonlyArray<string | Uint8Array>,
  count = 1,
  method = "GET"
): Promise<ReadonlyArray<ReceivedRequest>> => {
  using client = await RawClient.connect(wire.plane.port)
  await client.sendPieces(typeof bytes === "string" ? [bytes] : bytes)
  for (let i = 0; i < count; i++) {
    const response = await client.response(method)
    assert.strictEqual(response.status, 200, response.head)
  }
  const forwarded = wire.upstream.requests.slice()
  assert.strictEqual(forwarded.length, count)
  for (const request of forwarded) assert.isTrue(request.complete)
  const after = await client.send("GET /after HTTP/1.1\r\nHost: a\r\n\r\n").response()
  assert.strictEqual(`${after.status} ${after.body}`, "200 GET /after 0")
  client.socket.destroy()
  await assertClean(wire)
  return forwarded
}
