/** A hundred broken configurations in a row, under load: nobody notices, and the next right one goes live. */
import { join } from "node:path"
import { temporaryDirectory } from "../../e2e/Processes.ts"
import { until } from "../Clock.ts"
import { type Drill, type Figure, holds, millis, none, note, type Session } from "../Drill.ts"
import { basic, item, location, mock, server, upstream } from "../Items.ts"
import { Kept } from "../Kept.ts"
import { freePorts, Program } from "../Program.ts"
import { inPlace } from "../place/Files.ts"
import type { Place } from "../place/Place.ts"
import { Thread } from "../Thread.ts"
import type { LoadApi } from "../thread/load.ts"
import type { OriginApi } from "../thread/origin.ts"

const BROKEN = 100
const LIVE_MILLIS = 5_000

export const bad: Drill = {
  name: "bad",
  title: `${BROKEN} broken configurations, then a right one, under load`,
  measure: async (session) => {
    session.progress("bad")
    const origin = new Thread<OriginApi>("origin")
    const load = new Thread<LoadApi>("load")
    try {
      return await run(session, await origin.call("open", "o"), load)
    } finally {
      await Promise.all([origin.end(), load.end()])
    }
  }
}

/** What can be wrong, each by the item that is written; `n` makes every one different from the one before. */
const mistakes: readonly ((n: number) => readonly [string, string])[] = [
  (n) => ["plugins/answer", `[plugins.answer\n# ${n}\n`],
  (n) => ["plugins/answer", `[plugins.answer]\ncategory = "mock"\ndata = "${n}\n`],
  (n) => item("locations", "load", `upstream = "nowhere${n}"`),
  (n) => item("locations", "load", `upstream = "origin"`, `rewrite = "^/(${n} $1"`),
  (n) => item("upstreams", "origin", `addrs = ${n}`),
  (n) => item("upstreams", "origin", `connection_timeout = "${n} parsecs"`),
  (n) => item("servers", "web", `addr = "127.0.0.1:1"`, `locations = ["missing${n}"]`),
  (n) => item("servers", "web", `locations = [${n}]`),
  (n) => item("plugins", "answer", `category = "moc${n}"`),
  (n) => ["locations/load", `${"[locations.load]\n".repeat(2)}# ${n}\n`]
]

async function run(session: Session, originPort: number, load: Thread<LoadApi>): Promise<Figure[]> {
  const [port] = await freePorts(1)
  const right = new Map([
    basic,
    server("web", [port!], ["load", "all"]),
    upstream("origin", originPort),
    location("load", "origin", "load.test", "/"),
    item("locations", "all", `plugins = ["answer"]`),
    mock("answer", "the good one")
  ])
  const place = await inPlace.open(join(temporaryDirectory(), "bad"))
  await place.fill(right)
  const program = await Program.start(session, { conf: place.conf, etcdPort: 0, follows: true, server: "web" })
  try {
    using client = new Kept(port!)
    await load.call("start", { port: port!, routes: [{ host: "load.test", target: "/item" }] })
    await program.ask("reset")
    const changed = await refuseAll(program, place, right, client)
    await place.fill(new Map([...right, mock("answer", "the next one")]))
    const begun = performance.now()
    const isLive = await until(
      async () => ((await client.get("a", "/")).body === "the next one" ? true : undefined),
      LIVE_MILLIS,
      () => "live"
    ).catch(() => false)
    const delay = performance.now() - begun
    const result = await load.call("stop")
    const { longest } = await program.ask("stalls")
    return [
      none("", `failed of ${result.requests} requests`, result.failed, result.reasons),
      none("", "configurations that changed something", changed.length, changed),
      holds("", "the right one goes live", isLive),
      note("", "written to first answer", millis(delay)),
      note("", "longest event-loop stall", millis(longest.millis))
    ]
  } finally {
    await program.stop()
    await place.close()
  }
}

/** Writes one after the other; returns what answered differently meanwhile, or was applied. */
async function refuseAll(
  program: Program,
  place: Place,
  right: ReadonlyMap<string, string>,
  client: Kept
): Promise<readonly string[]> {
  const changed: string[] = []
  for (let n = 0; n < BROKEN; n++) {
    const [key, text] = mistakes[n % mistakes.length]!(n)
    await place.fill(new Map([...right, [key, text]]))
    await until(
      () => (program.count(/ ERROR configuration is rejected/) > n ? true : undefined),
      LIVE_MILLIS,
      () => `configuration ${n} is refused: ${text}`
    )
    const { body } = await client.get("a", "/")
    if (body !== "the good one") changed.push(`${n}: ${body}`)
  }
  const applied = program.applied.length
  if (applied > 0) changed.push(`${applied} were applied`)
  return changed
}
