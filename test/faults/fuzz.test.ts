/**
 * A seeded mutator over all messages of the conformance tests. `FUZZ_SECONDS` sets how long each side runs, `FUZZ_SEED`
 * where it starts; a failure names the seed and the bytes.
 *
 * Whatever a client sends ends in answers that are valid HTTP or in the end of the connection; the upstream sees only
 * requests it cannot read in two ways, never more than were counted; all time-outs together leave nothing open. The
 * same for whatever an upstream sends.
 */
import { assert, it } from "@effect/vitest"
import {
  HOST,
  INVALID_CHUNKS,
  INVALID_FRAMING,
  INVALID_HEADS,
  INVALID_HOSTS,
  post,
  VALID_REQUESTS
} from "../conformance/requests.ts"
import { INVALID_RESPONSES, VALID_RESPONSES } from "../conformance/responses.ts"
import { DataPlane } from "../support/DataPlane.ts"
import { BrokenResponse, eventually, parseResponse, RawClient, turn } from "../support/RawClient.ts"
import { echo, StrictUpstream } from "../support/StrictUpstream.ts"

const SECONDS = Number(process.env["FUZZ_SECONDS"] ?? 2)
const SEED = Number(process.env["FUZZ_SEED"] ?? 20_260_101)

const REQUESTS: ReadonlyArray<string> = [
  ...VALID_REQUESTS,
  ...INVALID_HEADS.map(([, bytes]) => bytes),
  ...INVALID_FRAMING.map(([, fields, body]) => post(fields, body)),
  ...INVALID_CHUNKS.map(([, body]) => post("Transfer-Encoding: chunked\r\n", body)),
  ...INVALID_HOSTS.map((host) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
].filter(({ length }) => length < 4_000)

const RESPONSES: ReadonlyArray<string> = [...VALID_RESPONSES, ...INVALID_RESPONSES.map(([, bytes]) => bytes)].filter(
  ({ length }) => length < 4_000
)

const WORDS: ReadonlyArray<string> = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  ",",
  ";",
  "_",
  "-",
  "0",
  "00",
  "5",
  "f",
  "ffffffff",
  "\xa0",
  "\xff",
  "#",
  "\x0b",
  "\r\n\r\n",
  "0\r\n\r\n",
  "5\r\nhello\r\n",
  "chunked",
  "Content-Length: 5\r\n",
  "Content-Length: 0\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Connection: close\r\n",
  "Connection: keep-alive\r\n",
  "Connection: Upgrade\r\nUpgrade: websocket\r\n",
  "Expect: 100-continue\r\n",
  "HTTP/1.0",
  "HTTP/1.1",
  "HTTP/1.1 200 OK\r\n",
  "HTTP/1.1 103 X\r\n\r\n",
  `GET /word HTTP/1.1\r\n${HOST}`,
  HOST
]

/** A small generator of numbers below 2^32 (mulberry32). */
const random = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
}

/** One to four changes: bytes, words, pieces of other messages, cuts, repetitions. */
const mutate = (corpus: ReadonlyArray<string>, next: () => number): string => {
  const pick = <A>(from: ReadonlyArray<A>): A => from[next() % from.length]!
  let bytes = pick(corpus)
  for (let changes = next() % 4; changes >= 0; changes--) {
    const at = next() % (bytes.length + 1)
    const to = Math.min(bytes.length, at + (next() % 20))
    switch (next() % 7) {
      case 0:
        bytes = bytes.slice(0, at) + String.fromCharCode(next() % 256) + bytes.slice(at + 1)
        break
      case 1:
        bytes = bytes.slice(0, at) + pick(WORDS) + bytes.slice(at)
        break
      case 2:
        bytes = bytes.slice(0, at) + bytes.slice(to)
        break
      case 3:
        bytes = bytes.slice(0, at) + pick(WORDS) + bytes.slice(to)
        break
      case 4:
        bytes = bytes.slice(0, to) + bytes.slice(at)
        break
      case 5: {
        const other = pick(corpus)
        bytes = bytes.slice(0, at) + other.slice(next() % (other.length + 1))
        break
      }
      default:
        bytes += pick(corpus)
    }
  }
  return bytes
}

/** One to four pieces. */
const cut = (bytes: string, next: () => number): Array<string> => {
  const pieces: Array<string> = []
  let rest = bytes
  for (let cuts = next() % 4; cuts > 0 && rest.length > 1; cuts--) {
    const at = 1 + (next() % (rest.length - 1))
    pieces.push(rest.slice(0, at))
    rest = rest.slice(at)
  }
  return [...pieces, rest]
}

const explain = (run: number, bytes: string, cause: unknown): Error =>
  new Error(`seed ${SEED}, run ${run}: ${JSON.stringify(bytes)}`, { cause })

const assertServes = async (plane: DataPlane, upstream: StrictUpstream): Promise<void> => {
  upstream.clear()
  using client = await RawClient.connect(plane.port)
  const response = await client.send(`GET /clean HTTP/1.1\r\n${HOST}`).response()
  assert.strictEqual(`${response.status} ${response.body}`, "200 GET /clean 0")
  assert.lengthOf(upstream.requests, 1)
}

it(`requests, for ${SECONDS} s`, { timeout: (SECONDS + 15) * 1_000 }, async () => {
  const next = random(SEED)
  await using upstream = await StrictUpstream.start()
  await using plane = await DataPlane.start({ backends: [upstream.port], pool: { maxIdle: 4 } })
  const until = performance.now() + SECONDS * 1_000
  let run = 0
  let answered = 0
  while (performance.now() < until) {
    const bytes = mutate(REQUESTS, next)
    try {
      upstream.clear()
      const accepted = plane.server.counters.accepted
      using client = await RawClient.connect(plane.port)
      await client.sendPieces(cut(bytes, next))
      for (let i = 0; i < 4; i++) await turn()
      // Nobody helps the connection to end: the deadlines must do it. Only an agreed upgrade lives on; none is agreed here.
      for (let i = 0; i < 6 && !client.ended && !client.closed; i++) {
        plane.advance(80_000)
        await turn()
        await turn()
      }
      await eventually(() => client.ended || client.closed, "the end of the connection", 2_000)
      client.finish()
      plane.advance(3_000)
      await plane.settled()
      // What came back is valid HTTP, to whatever methods it was the answer.
      let rest = Buffer.from(client.rest, "latin1")
      for (const method = /^\s*HEAD/.test(bytes) ? "HEAD" : "GET"; rest.length > 0; answered++) {
        const parsed = parseResponse(rest, method, true)
        if (parsed === null) break
        rest = rest.subarray(parsed.used)
        if (/HEAD/.test(bytes)) break
      }
      const exchanges = plane.server.counters.accepted - accepted
      assert.isAtMost(upstream.requests.length, exchanges)
      upstream.check()
      if (run % 50 === 0) await assertServes(plane, upstream)
    } catch (cause) {
      throw explain(run, bytes, cause)
    }
    run++
  }
  await assertServes(plane, upstream)
  await eventually(() => plane.connections.size <= 1, "no connection left")
  assert.isAbove(answered, run / 4)
})

it(`responses, for ${SECONDS} s`, { timeout: (SECONDS + 15) * 1_000 }, async () => {
  const next = random(SEED + 1)
  await using upstream = await StrictUpstream.start()
  await using plane = await DataPlane.start({ backends: [upstream.port] })
  const until = performance.now() + SECONDS * 1_000
  const methods = ["GET", "GET", "GET", "HEAD", "POST"]
  let run = 0
  let answered = 0
  while (performance.now() < until) {
    const bytes = mutate(RESPONSES, next)
    const pieces = cut(bytes, next)
    const method = methods[next() % methods.length]!
    const version = next() % 4 === 0 ? "1.0" : "1.1"
    const ends = next() % 3
    try {
      upstream.clear()
      upstream.onRequest = ({ socket }) => {
        void (async () => {
          for (const piece of pieces) {
            if (socket.destroyed) return
            socket.write(piece, "latin1")
            await turn()
            await turn()
          }
          if (ends === 0) socket.end()
          else if (ends === 1) socket.resetAndDestroy()
        })()
        return undefined
      }
      using client = await RawClient.connect(plane.port)
      client.send(`${method} / HTTP/${version}\r\n${HOST}`)
      const answer = client.response(method).then(
        () => {
          answered++
        },
        (error: unknown) => {
          // A plain error would mean that the answer was not valid HTTP.
          if (!(error instanceof BrokenResponse)) throw error
        }
      )
      for (let i = 0; i < 10; i++) await turn()
      plane.advance(130_000)
      await answer
      client.socket.destroy()
      await plane.settled()
      upstream.check()
      // Nobody else gets what was left of it.
      upstream.onRequest = echo
      upstream.requests.length = 0
      if (run % 10 === 0) await assertServes(plane, upstream)
    } catch (cause) {
      throw explain(run, bytes, cause)
    }
    run++
  }
  assert.isAbove(answered, run / 4)
  await assertServes(plane, upstream)
})
