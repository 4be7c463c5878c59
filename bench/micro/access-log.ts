/**
 * ns per access-log line: formatting alone, and with the writer's queue behind it. Each case runs in its own process:
 *   node bench/micro/access-log.ts            all cases
 *   node bench/micro/access-log.ts combined   one case
 */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
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

const cases: Record<string, () => [(i: number) => void, (() => void)?]> = {}
for (const [client, fields] of [
  ["browser", browser],
  ["wrk", loadGenerator]
] as const) {
  for (const [name, format] of [
    ["combined", "combined"],
    ["short", "short"],
    ["twenty", TWENTY]
  ] as const) {
    cases[`${name}/${client}`] = () => {
      const all = exchanges(fields)
      const { line } = Format.compile(format, { hostname: "bench", env: {} })
      let bytes = 0
      // Taking a character flattens nothing but keeps the line alive.
      return [(i) => (bytes += line(all[i & 15]!).length)]
    }
  }
}

const ITERATIONS = 300_000
const ROUNDS = 7

const measure = (name: string): void => {
  const [step] = cases[name]!()
  const times: Array<number> = []
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    for (let i = 0; i < ITERATIONS; i++) step(i)
    times.push(((performance.now() - start) / ITERATIONS) * 1e6)
  }
  times.sort((a, b) => a - b)
  console.log(
    `${name.padEnd(24)} best ${times[0]!.toFixed(0).padStart(6)}  median ${times[ROUNDS >> 1]!.toFixed(0).padStart(6)}  ns/line`
  )
}

const only = process.argv[2]
if (only !== undefined) measure(only)
else
  for (const name of Object.keys(cases))
    spawnSync(process.execPath, [fileURLToPath(import.meta.url), name], { stdio: "inherit" })
