/**
 * ns per access-log line: formatting alone, and all the way into a file. Each case runs in its own process:
 *   node bench/micro/access-log.ts                       all cases
 *   node bench/micro/access-log.ts combined/wrk/file     one case
 */

import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as FileWriter from "../../src/log/FileWriter.ts"
import * as Format from "../../src/log/Format.ts"
import { exchangeOf } from "../../test/log/exchanges.ts"

const TWENTY =
  '{remote} {client_ip} [{when}] "{method} {uri} {proto}" {status} {size} {latency} "{referer}" "{user_agent}" ' +
  "{host} {scheme} {request_id} {payload_size} {:location} {:upstream_addr} {:upstream_status} {:upstream_reused} " +
  "{:upstream_connect_time} {:upstream_response_time}"

const AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"

const browser: ReadonlyArray<readonly [string, string]> = [
  ["Host", "example.com"],
  ["Connection", "keep-alive"],
  ["User-Agent", AGENT],
  ["Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"],
  ["Sec-Fetch-Site", "same-origin"],
  ["Referer", "https://example.com/articles/2026/a-title"],
  ["Accept-Encoding", "gzip, deflate, br, zstd"],
  ["Accept-Language", "en-US,en;q=0.9"],
  ["Cookie", "session=0123456789abcdef; theme=dark"]
]
const loadGenerator: ReadonlyArray<readonly [string, string]> = [
  ["Host", "example.com"],
  ["User-Agent", "wrk/4.2.0"]
]

// Several distinct exchanges whose fields are slices of a head, as codecs make them.
const exchanges = (fields: ReadonlyArray<readonly [string, string]>) =>
  Array.from({ length: 16 }, (_, i) => {
    const head = Buffer.from(
      fields.map(([name, value]) => `${name}: ${value}${name === "User-Agent" ? i : ""}\r\n`).join("")
    )
    const exchange = exchangeOf({
      request: { path: "/api/users", query: `id=${i}` },
      location: "api",
      set: {
        status: 200,
        responseBytes: 1543,
        requestId: "8d1e2f",
        upstreamAddress: "10.0.0.5:8080",
        upstreamStatus: 200,
        upstreamReused: true,
        startedAt: performance.now(),
        upstreamStartedAt: 5,
        upstreamConnectedAt: 6,
        upstreamHeadAt: 8,
        upstreamEndAt: 9
      }
    })
    exchange.fields.text = head.latin1Slice()
    return exchange
  })

const FORMATS = { combined: "combined", short: "short", twenty: TWENTY }
const CLIENTS = { browser, wrk: loadGenerator }

const LINES = 300_000
const ROUNDS = 7
const LINES_PER_TURN = 50
const LINES_PER_FLUSH = 10_000

const lineOf = (format: string, fields: typeof browser): ((i: number) => string) => {
  const all = exchanges(fields)
  const { line } = Format.compile(format, { hostname: "bench", env: {} })
  return (i) => line(all[i & 15]!)
}

/** Lines that nobody keeps, in wall time: the best and the median round. */
const formatting = (next: (i: number) => string): Array<number> =>
  rounds(() => {
    const start = performance.now()
    let chars = 0
    for (let i = 0; i < LINES; i++) chars += next(i).length
    return chars > 0 ? performance.now() - start : 0
  })

/** Lines on their way to a file, in CPU time of all threads; turns of the event loop are part of it. */
const writing = (next: (i: number) => string): Promise<Array<number>> => {
  const directory = mkdtempSync(join(tmpdir(), "pingap-bench-"))
  const program = Effect.gen(function* () {
    const destination = yield* FileWriter.rotated(join(directory, "access.log"), "never")
    const writer = yield* FileWriter.make({
      destination,
      maxPending: 1_000,
      flushMillis: 10_000,
      report: console.error
    })
    const times: Array<number> = []
    for (let round = 0; round < ROUNDS; round++) {
      const start = process.cpuUsage()
      for (let from = 0; from < LINES; from += LINES_PER_FLUSH) {
        yield* Effect.callback<void>((resume) => {
          let i = from
          const turn = () => {
            for (let j = 0; j < LINES_PER_TURN; j++) writer.append(next(i++))
            if (i < from + LINES_PER_FLUSH) setImmediate(turn)
            else resume(Effect.void)
          }
          turn()
        })
        // The disk sets the pace here: a million lines a second is more than most can take for long.
        yield* writer.flush
      }
      const { user, system } = process.cpuUsage(start)
      times.push((user + system) / 1_000)
    }
    if (writer.counters.dropped > 0) throw new Error(`${writer.counters.dropped} lines dropped`)
    return times
  })
  return Effect.runPromise(Effect.scoped(program)).finally(() => rmSync(directory, { recursive: true }))
}

const rounds = (round: () => number): Array<number> => Array.from({ length: ROUNDS }, round)

const print = (name: string, millis: Array<number>): void => {
  const nanos = millis.map((time) => (time / LINES) * 1e6).sort((a, b) => a - b)
  const [best, median] = [nanos[0]!, nanos[ROUNDS >> 1]!].map((time) => time.toFixed(0).padStart(6))
  console.log(`${name.padEnd(32)} best ${best}  median ${median}  ns/line`)
}

const only = process.argv[2]
for (const [formatName, format] of Object.entries(FORMATS)) {
  for (const [clientName, fields] of Object.entries(CLIENTS)) {
    const name = `${formatName}/${clientName}`
    if (only === name) print(name, formatting(lineOf(format, fields)))
    else if (only === `${name}/file`) print(only, await writing(lineOf(format, fields)))
    else if (only === undefined) {
      for (const each of [name, `${name}/file`]) {
        spawnSync(process.execPath, [fileURLToPath(import.meta.url), each], { stdio: "inherit" })
      }
    }
  }
}
