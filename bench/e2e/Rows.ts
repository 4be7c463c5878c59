/**
 * The rows of the table: what is asked of every contender, and with which load. A row names its entrants (a contender
 * with a setting), so that a comparison of two settings of one contender is a row like any other.
 */
import type { Ability, Route, Setting } from "./Contender.ts"
import type { Requests } from "./Load.ts"

/** One setting that a row measures; contenders without its abilities are left out. */
export interface Variant {
  /** Appended to the contender's name in the table; empty for a row with one variant. */
  readonly suffix: string
  readonly needs: readonly Ability[]
  readonly routes: readonly Route[] | null
  readonly accessLog: boolean
}

/** A row measured with a load generator: CPU microseconds per request. */
export interface ThroughputRow {
  readonly kind: "throughput"
  readonly id: string
  readonly title: string
  readonly byDefault: boolean
  readonly requests: Requests
  /** A body smaller than this on average is an error. */
  readonly bodyBytes: number
  readonly origin: "fixed" | "streaming"
  readonly variants: readonly Variant[]
  readonly setting: Pick<Setting, "forwarded" | "http2">
}

/** A row with a procedure of its own. */
export interface SpecialRow {
  readonly kind: "idle" | "start" | "slow"
  readonly id: string
  readonly title: string
  readonly byDefault: boolean
}

/** A row of the table. */
export type Row = ThroughputRow | SpecialRow

const plain: Variant = { suffix: "", needs: [], routes: null, accessLog: false }
const get: Requests = { connections: 32, path: "/bytes/60", bodyBytes: 0, routes: null, streams: 0 }
const mebibyte = 1_048_576

const throughput = (
  id: string,
  title: string,
  requests: Partial<Requests>,
  rest: Partial<ThroughputRow> = {}
): ThroughputRow => ({
  kind: "throughput",
  id,
  title,
  byDefault: true,
  requests: { ...get, ...requests },
  bodyBytes: 60,
  origin: "fixed",
  variants: [plain],
  setting: { forwarded: false, http2: false },
  ...rest
})

/** `perHost` routes on each of `hosts` hosts, all names of the same length. */
function routes(hosts: number, perHost: number): readonly Route[] {
  return Array.from({ length: hosts * perHost }, (_, i) => ({
    host: `host${String(Math.floor(i / perHost)).padStart(4, "0")}.bench.test`,
    path: `/service${i % perHost}/`
  }))
}

const loggedVariants: readonly Variant[] = [
  { ...plain, suffix: " without log", needs: ["accessLog"] },
  { ...plain, suffix: " with log", needs: ["accessLog"], accessLog: true }
]

const routedVariants: readonly Variant[] = [
  { ...plain, suffix: " 10", needs: ["routes"], routes: routes(1, 10) },
  { ...plain, suffix: " 10 000", needs: ["routes"], routes: routes(1000, 10) }
]

/** Every row, in the order of the table. */
export const rows: readonly Row[] = [
  throughput("small", "GET, 60-byte body", {}),
  throughput(
    "forwarded",
    "GET, 60-byte body, X-Real-IP and X-Forwarded-* added",
    {},
    { variants: [{ ...plain, needs: ["forwarded"] }], setting: { forwarded: true, http2: false }, byDefault: false }
  ),
  throughput("medium", "GET, 10 KiB body", { path: "/bytes/10240" }, { bodyBytes: 10_240 }),
  throughput("download", "GET, 1 MiB body", { path: `/bytes/${mebibyte}` }, { bodyBytes: mebibyte }),
  throughput("upload", "POST, 1 MiB body", { path: "/upload", bodyBytes: mebibyte }, { origin: "streaming" }),
  throughput("direct", "direct answer", { path: "/ping" }, { bodyBytes: 4 }),
  throughput("locations", "GET, 60-byte body, 10 and 10 000 locations", {}, { variants: routedVariants }),
  throughput("log", "GET, 60-byte body, combined access log to a file", {}, { variants: loggedVariants }),
  throughput(
    "h2",
    "HTTP/2 direct answer, 8 connections × 20 streams",
    { path: "/ping", connections: 8, streams: 20 },
    {
      bodyBytes: 4,
      variants: [{ ...plain, needs: ["http2"] }],
      setting: { forwarded: false, http2: true },
      byDefault: false
    }
  ),
  { kind: "idle", id: "idle", title: "RSS per idle connection, 10 000 after one request each", byDefault: true },
  { kind: "slow", id: "slow", title: "1 GiB download, slow reader: RSS growth", byDefault: true },
  { kind: "start", id: "start", title: "start to first answer", byDefault: true }
]
