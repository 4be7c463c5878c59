/**
 * 500 reloads of other entities while WebSockets and slow downloads are open: none of them may be closed or held up,
 * and the program's memory must be what it was.
 *
 * Every reload is asked for with SIGHUP, so that each one is applied by itself. The streams' own location, upstream
 * and server stay; around them locations, plugins and upstreams come, change and go, the streams' server gets and
 * loses a location, and a second server gets and loses an address, and goes and comes.
 */
import { join } from "node:path"
import { temporaryDirectory } from "../../e2e/Processes.ts"
import { type Drill, type Figure, millis, none, note, type Session } from "../Drill.ts"
import { basic, item, location, mock, server, upstream } from "../Items.ts"
import type { ProbeAnswers } from "../Probe.ts"
import { freePorts, Program } from "../Program.ts"
import { inPlace } from "../place/Files.ts"
import type { Place } from "../place/Place.ts"
import { Thread } from "../Thread.ts"
import type { OriginApi } from "../thread/origin.ts"
import type { StreamsApi, StreamsOptions } from "../thread/streams.ts"

const RELOADS = 500
/** Until then V8 compiles what reloads run, and its code and its compiler's memory grow whatever the program does. */
const WARM_RELOADS = 200
const WARM_ROUNDS = 3
const FIRST_RELOADS = 20
const WEB_SOCKETS = 200
const DOWNLOADS = 100
const MEMORY_SHARE = 0.05

type Memory = ProbeAnswers["memory"]

export const collateral: Drill = {
  name: "collateral",
  title: `${RELOADS} reloads beside ${WEB_SOCKETS} WebSockets and ${DOWNLOADS} slow downloads`,
  measure: async (session) => {
    session.progress("collateral")
    const origin = new Thread<OriginApi>("origin")
    const streams = new Thread<StreamsApi>("streams")
    try {
      return await run(session, origin, streams)
    } finally {
      await Promise.all([origin.end(), streams.end()])
    }
  }
}

async function run(session: Session, origin: Thread<OriginApi>, streams: Thread<StreamsApi>): Promise<Figure[]> {
  const originPort = await origin.call("open", "o")
  const [port, ...others] = (await freePorts(3)) as [number, number, number]
  const place = await inPlace.open(join(temporaryDirectory(), "collateral"))
  await place.fill(
    new Map([
      basic,
      server("web", [port], ["streams"]),
      server("second", [others[0]], ["other"]),
      location("streams", "origin", "streams.test", "/"),
      location("other", "origin", "other.test", "/"),
      upstream("origin", originPort)
    ])
  )
  const program = await Program.start(session, { conf: place.conf, etcdPort: 0, follows: false, server: "web" })
  const wanted: StreamsOptions = { port, host: "streams.test", webSockets: WEB_SOCKETS, downloads: DOWNLOADS }
  let reloads = 0
  const reload = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      await step(place, reloads, { originPort, port, others })
      program.signal("SIGHUP")
      await program.applies(++reloads)
    }
  }
  try {
    // All of it before anything is measured: what the first times cost stays, and is no leak.
    let early: Memory | null = null
    for (let round = 0; round < WARM_ROUNDS; round++) {
      await streams.call("open", wanted)
      await reload(FIRST_RELOADS)
      early ??= await program.ask("memory")
      await reload(WARM_RELOADS - FIRST_RELOADS)
      await origin.call("finish", true)
      await streams.call("finish")
      await origin.call("finish", false)
    }
    const closedBefore = await program.ask("memory")

    await streams.call("open", wanted)
    const openBefore = await program.ask("memory")
    await program.ask("reset")
    const begun = performance.now()
    await reload(RELOADS)
    const each = (performance.now() - begun) / RELOADS
    const { longest } = await program.ask("stalls")
    const during = await streams.call("state")
    const openAfter = await program.ask("memory")
    await origin.call("finish", true)
    const end = await streams.call("finish")
    const closedAfter = await program.ask("memory")
    const errors = program.count(/ ERROR /)
    const silence = millis(during.longestSilenceMillis)
    return [
      none("", `closed of ${WEB_SOCKETS + DOWNLOADS} streams`, end.closed, end.reasons),
      none("", `stalled for more than 2 s (longest silence ${silence})`, end.stalled, end.reasons),
      none("", "errors logged", errors, [/^.* ERROR .*$/m.exec(program.log)?.[0] ?? ""]),
      grown("RSS after those reloads, streams open", openBefore, openAfter),
      grown("RSS after those reloads, streams closed", closedBefore, closedAfter),
      none(
        "",
        "descriptors more than before, streams closed",
        Math.max(0, closedAfter.descriptors - closedBefore.descriptors)
      ),
      note("", "objects on the heap, streams open", inside(openBefore.objects, openAfter.objects)),
      note("", "objects on the heap, streams closed", inside(closedBefore.objects, closedAfter.objects)),
      note(
        "",
        `RSS after the first ${FIRST_RELOADS} of all reloads, streams open`,
        mebibytes(early?.rss ?? Number.NaN)
      ),
      note("", "compiled code on the heap, streams open", inside(openBefore.code, openAfter.code)),
      note("", "each reload, asked for to logged", millis(each)),
      note("", "longest event-loop stall", millis(longest.millis)),
      note("", "messages and pieces received", String(during.received))
    ]
  } finally {
    await program.stop()
    await place.close()
  }
}

interface Ports {
  readonly port: number
  readonly others: readonly number[]
  readonly originPort: number
}

/** The `n`-th change; ten of them come back to where they began. */
async function step(place: Place, n: number, { originPort, others, port }: Ports): Promise<void> {
  const round = Math.floor(n / 10)
  const extra = (target: string, ...lines: readonly string[]) =>
    item("locations", "extra", `host = "extra.test"`, `path = "${target}"`, ...lines)
  switch (n % 10) {
    case 0:
      await place.put(...extra(`/${round}/`, `upstream = "origin"`))
      return place.put(...server("web", [port], ["streams", "extra"]))
    case 1:
      await place.put(...mock("greeting", `one ${round}`))
      return place.put(...extra(`/${round}/more/`, `upstream = "origin"`))
    case 2:
      return place.put(...extra(`/${round}/more/`, `plugins = ["greeting"]`))
    case 3:
      return place.put(...mock("greeting", `two ${round}`))
    case 4:
      return place.put(...upstream("extra", originPort, `read_timeout = "${round + 1}s"`))
    case 5:
      return place.put(...extra(`/${round}/`, `upstream = "extra"`))
    case 6:
      return place.put(...upstream("extra", originPort, `connection_timeout = "${round + 1}s"`))
    case 7:
      return place.put(...server("second", others, ["other", "extra"]))
    case 8:
      return place.put("servers/second", null)
    default:
      await place.put(...server("web", [port], ["streams"]))
      await place.put(...server("second", [others[0]!], ["other"]))
      for (const key of ["locations/extra", "plugins/greeting", "upstreams/extra"]) await place.put(key, null)
  }
}

function grown(name: string, before: Memory, after: Memory): Figure {
  const share = after.rss / before.rss - 1
  const percent = `${share < 0 ? "−" : "+"}${Math.abs(share * 100).toFixed(1)} %`
  const measured = `${percent} (${mebibytes(before.rss)} to ${mebibytes(after.rss)})`
  return { variant: "", name, measured, bar: "≤ +5 %", met: share <= MEMORY_SHARE }
}

function inside(before: number, after: number): string {
  return `${mebibytes(before)} to ${mebibytes(after)}`
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}
