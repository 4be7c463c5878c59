/** How long a change that somebody writes takes to be live, for every way of writing it. */
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { temporaryDirectory } from "../../e2e/Processes.ts"
import { median } from "../../e2e/Statistics.ts"
import { now, until } from "../Clock.ts"
import { below, type Drill, type Figure, millis, type Session } from "../Drill.ts"
import { EtcdServer } from "../EtcdServer.ts"
import { basic, item, mock, server } from "../Items.ts"
import { Kept } from "../Kept.ts"
import { freePorts, Program } from "../Program.ts"
import { etcdKeys } from "../place/EtcdKeys.ts"
import { byItem, byType, configMap, configMapFile, inPlace, renamed } from "../place/Files.ts"
import type { Place } from "../place/Place.ts"

const CHANGES = 20
const BAR_MILLIS = 2_000
const DEADLINE_MILLIS = 15_000

export const live: Drill = {
  name: "live",
  title: `a change is live, ${CHANGES} times in each kind of place`,
  measure: async (session) => {
    const figures: Figure[] = []
    for (const kind of [inPlace, renamed, byType, byItem, configMap, configMapFile]) {
      const place = await kind.open(join(temporaryDirectory(), `live-${kind.name.replaceAll(/\W+/g, "-")}`))
      figures.push(await measure(session, place))
    }
    if (session.etcd === null) return figures
    const etcd = await EtcdServer.start(session)
    figures.push(await measure(session, etcdKeys(etcd)))
    await etcd.kill()
    return figures
  }
}

async function measure(session: Session, place: Place): Promise<Figure> {
  session.progress(`live: ${place.name}`)
  const [port] = await freePorts(1)
  await place.fill(
    new Map([
      basic,
      server("web", [port!], ["all"]),
      item("locations", "all", `plugins = ["answer"]`),
      mock("answer", "first")
    ])
  )
  const { conf, etcdPort } = place
  const program = await Program.start(session, { conf, etcdPort, follows: true, server: "web" })
  try {
    using client = new Kept(port!)
    const delays: number[] = []
    for (let n = 0; n < CHANGES; n++) {
      // At any moment of whatever the program does periodically, not always at the same one after the last change.
      await sleep((n * 37) % 200)
      const written = now()
      await place.put(...mock("answer", `change ${n}`))
      await until(
        async () => ((await client.get("a", "/")).body === `change ${n}` ? true : undefined),
        DEADLINE_MILLIS,
        () => `change ${n} of ${place.name} is live`
      )
      delays.push(now() - written)
    }
    return below(place.name, `longest (median ${millis(median(delays))})`, Math.max(...delays), "ms", BAR_MILLIS)
  } finally {
    await program.stop()
    await place.close()
  }
}
