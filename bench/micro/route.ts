/**
 * Cost of finding a location, for 10, 1 000 and 10 000 locations on 1 to 1 000 hosts, 5 % of them regular expressions.
 *
 *   node .ci/pinned.mjs ./bench/micro/route.ts
 *
 * Two kinds of traffic: `hot` repeats 64 requests, which is what the index itself costs; `wide` spreads over all
 * hosts and paths, which adds what the memory of a large configuration costs. A figure is the median of its rounds.
 */
import { compile, type LocationRule, type Matcher } from "../../src/location/Matcher.ts"
import { Fields } from "../../src/model/Fields.ts"

const ROUNDS = 15
const SEARCHES = 200_000
const REQUESTS = 10_000

interface Request {
  readonly host: string
  readonly path: string
  readonly query: string
  readonly fields: Fields
  addVariables(): void
}

const fields = Fields.of([["Host", "example.com"]])

// Equally long names everywhere: a longer path costs more with ten locations as well.
const number = (i: number): string => String(i).padStart(5, "0")

const hostName = (i: number): string => `service-${number(i)}.example.com`

const ruleOf = (i: number, hosts: number): LocationRule => {
  const name = `location-${i}`
  const host = hostName(i % hosts)
  const path = `/team-${i % 7}/app-${number(Math.floor(i / hosts))}`
  if (i % 20 === 19) return { name, host, path: `~^${path}/v(\\d+)/` }
  return { name, host, path: i % 5 === 4 ? `=${path}/status` : `${path}/` }
}

const requestOf = (i: number, hosts: number): Request => {
  const { path } = ruleOf(i, hosts)
  const plain = path!.replace(/^[=~^]+/, "").replace("(\\d+)", "1")
  // A codec cuts its text out of the head it has read: a string that no map has seen before.
  const cut = (text: string): string => Buffer.from(text, "latin1").toString("latin1")
  return {
    host: cut(hostName(i % hosts)),
    path: cut(i % 5 === 4 ? plain : `${plain}index.html`),
    query: "",
    fields,
    addVariables: () => {}
  }
}

const nanosPerSearch = (matcher: Matcher, requests: ReadonlyArray<Request>): number => {
  const started = process.hrtime.bigint()
  let found = 0
  for (let i = 0, at = 0; i < SEARCHES; i++) {
    const request = requests[at]!
    if (matcher.find(request, request.path) !== -1) found++
    at = at + 1 === requests.length ? 0 : at + 1
  }
  if (found !== SEARCHES) throw new Error(`${SEARCHES - found} searches found nothing`)
  return Number(process.hrtime.bigint() - started) / SEARCHES
}

const shuffled = (count: number): ReadonlyArray<number> => {
  const order = Array.from({ length: count }, (_, i) => i)
  let seed = 1
  for (let i = count - 1; i > 0; i--) {
    seed = (seed * 1103515245 + 12345) % 2 ** 31
    const j = seed % (i + 1)
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

const cases = (
  [
    [10, 1],
    [10, 10],
    [1_000, 1],
    [1_000, 100],
    [10_000, 1],
    [10_000, 100],
    [10_000, 1_000]
  ] as const
).map(([locations, hosts]) => {
  const rules = Array.from({ length: locations }, (_, i) => ruleOf(i, hosts))
  const started = performance.now()
  const { matcher } = compile(rules)
  const buildMillis = performance.now() - started
  const again = performance.now()
  compile(rules)
  const rebuildMillis = performance.now() - again
  // As many requests for few locations as for many: their own memory costs the same in all cases.
  const wide = shuffled(REQUESTS).map((i) => requestOf(i % locations, hosts))
  return {
    locations,
    hosts,
    buildMillis,
    rebuildMillis,
    matcher,
    wide,
    hot: wide.slice(0, 64),
    results: [[], []] as Array<Array<number>>
  }
})

// Rounds of all cases are interleaved, so that a busy machine disturbs all of them alike.
for (let round = 0; round < ROUNDS + 2; round++) {
  for (const one of cases) {
    const nanos = [nanosPerSearch(one.matcher, one.hot), nanosPerSearch(one.matcher, one.wide)]
    if (round >= 2) for (const [i, value] of nanos.entries()) one.results[i]!.push(value)
  }
}

const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[values.length >> 1]!
const [baseHot, baseWide] = cases[0]!.results.map(median)

console.log("locations  hosts  build ms  rebuild  hot ns (ratio)   wide ns (ratio)")
for (const { buildMillis, rebuildMillis, hosts, locations, results } of cases) {
  const [hot, wide] = results.map(median)
  console.log(
    `${String(locations).padStart(9)}${String(hosts).padStart(7)}${buildMillis.toFixed(1).padStart(10)}${rebuildMillis.toFixed(1).padStart(9)}` +
      `${hot!.toFixed(0).padStart(8)} (${(hot! / baseHot!).toFixed(2)})` +
      `${wide!.toFixed(0).padStart(10)} (${(wide! / baseWide!).toFixed(2)})`
  )
}
