/**
 * One location of ten thousand changes, under load, thirty times: its path, then only its upstream. How long that
 * takes to apply, how long the event loop is blocked meanwhile, and whether any request notices.
 */
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { temporaryDirectory } from "../../e2e/Processes.ts"
import { median } from "../../e2e/Statistics.ts"
import { now, until } from "../Clock.ts"
import { below, type Drill, type Figure, millis, none, note, type Session } from "../Drill.ts"
import { EtcdServer } from "../EtcdServer.ts"
import { basic, location, server, upstream } from "../Items.ts"
import { Kept } from "../Kept.ts"
import type { Stall } from "../Probe.ts"
import { freePorts, Program } from "../Program.ts"
import { etcdKeys } from "../place/EtcdKeys.ts"
import { byItem, inPlace } from "../place/Files.ts"
import type { Place } from "../place/Place.ts"
import { Thread } from "../Thread.ts"
import type { LoadApi, LoadResult } from "../thread/load.ts"
import type { OriginApi } from "../thread/origin.ts"

const LOCATIONS = 10_000
const HOSTS = 1_000
const CHANGES = 30
const CHANGED = 4_321
const LIVE_MILLIS = 10_000
/** Between two changes, so that what a change leaves behind is measured as well. */
const PAUSE_MILLIS = 100

const hostOf = (i: number): string => `h${i % HOSTS}.test`
const pathOf = (i: number): string => `/p${Math.floor(i / HOSTS)}/`

/** Figures of one place. */
interface Outcome {
  /** What the log says, and from reading the change to that line. */
  readonly took: readonly number[]
  readonly applied: readonly number[]
  /** From the write to the first answer. */
  readonly live: readonly number[]
  readonly quiet: Stall
  readonly longest: Stall
  readonly load: LoadResult
  readonly wrongAnswers: readonly string[]
}

export const change: Drill = {
  name: "change",
  title: "one of 10 000 locations changes, 30 times, under load",
  measure: async (session) => {
    const figures: Figure[] = []
    for (const kind of [inPlace, byItem]) {
      const place = await kind.open(join(temporaryDirectory(), `change-${kind.name.replaceAll(" ", "-")}`))
      figures.push(...(await inPlaceOf(session, place)))
    }
    if (session.etcd === null) return figures
    const etcd = await EtcdServer.start(session)
    figures.push(...(await inPlaceOf(session, etcdKeys(etcd))))
    await etcd.kill()
    return figures
  }
}

async function inPlaceOf(session: Session, place: Place): Promise<readonly Figure[]> {
  session.progress(`change: ${place.name}`)
  const origin = new Thread<OriginApi>("origin")
  const load = new Thread<LoadApi>("load")
  try {
    const ports = [await origin.call("open", "a"), await origin.call("open", "b")] as const
    return figuresOf(place.name, await run(session, place, ports, load))
  } finally {
    await Promise.all([origin.end(), load.end()])
    await place.close()
  }
}

async function run(
  session: Session,
  place: Place,
  [a, b]: readonly [number, number],
  load: Thread<LoadApi>
): Promise<Outcome> {
  const [port] = await freePorts(1)
  const names = Array.from({ length: LOCATIONS }, (_, i) => `l${i}`)
  await place.fill(
    new Map([
      basic,
      server("web", [port!], names),
      upstream("a", a),
      upstream("b", b),
      ...names.map((name, i) => location(name, "a", hostOf(i), pathOf(i)))
    ])
  )
  const { conf, etcdPort } = place
  const program = await Program.start(session, { conf, etcdPort, follows: true, server: "web" })
  try {
    using client = new Kept(port!)
    const routes = names
      .map((_, i) => ({ host: hostOf(i), target: `${pathOf(i)}item` }))
      .filter((_, i) => i !== CHANGED)
    await load.call("start", { port: port!, routes })
    // The first seconds are those of the compiler; then the same time without changes says what the load alone costs.
    await sleep(2_000)
    await program.ask("reset")
    await sleep(3_000)
    const quiet = (await program.ask("stalls")).longest
    await program.ask("reset")

    const took: number[] = []
    const applied: number[] = []
    const live: number[] = []
    const wrongAnswers: string[] = []
    let path = pathOf(CHANGED)
    let label = "a"
    for (let n = 0; n < CHANGES; n++) {
      const before = `${label} `
      if (n % 2 === 0) path = `/n${n}/`
      else label = label === "a" ? "b" : "a"
      const written = now()
      await place.put(...location(`l${CHANGED}`, label, hostOf(CHANGED), path))
      const expected = `${label} ${hostOf(CHANGED)}${path}item`
      await until(
        async () => {
          const { body, status } = await client.get(hostOf(CHANGED), `${path}item`)
          if (status === 200 && body === expected) return true
          // The old answer: nothing at the new path, or the upstream before.
          const isOld = n % 2 === 0 ? status === 404 : status === 200 && body.startsWith(before)
          if (!isOld) wrongAnswers.push(`${status} ${body.slice(0, 60)}`)
          return undefined
        },
        LIVE_MILLIS,
        () => `change ${n} is live`
      )
      live.push(now() - written)
      const line = await program.applies(n + 1)
      const read = (await program.ask("reads")).filter((at) => at >= written && at <= line.at + 1).at(-1)
      if (read === undefined) throw new Error("a change was applied and nobody saw it being read")
      took.push(line.tookMillis)
      applied.push(line.at - read)
      await sleep(PAUSE_MILLIS)
    }
    const { longest } = await program.ask("stalls")
    const result = await load.call("stop")
    if (program.count(/ ERROR /) > 0) wrongAnswers.push(`logged: ${/^.* ERROR .*$/m.exec(program.log)?.[0]}`)
    return { took, applied, live, quiet, longest, load: result, wrongAnswers }
  } finally {
    await program.stop()
  }
}

function figuresOf(variant: string, outcome: Outcome): readonly Figure[] {
  const { applied, live, load, longest, quiet, took, wrongAnswers } = outcome
  const middle = (values: readonly number[]): string => `median ${millis(median(values))}`
  const failed = load.failed + wrongAnswers.length
  return [
    below(variant, `apply, as logged, longest (${middle(took)})`, Math.max(...took), "ms", 100),
    below(variant, `apply, read to published, longest (${middle(applied)})`, Math.max(...applied), "ms", 100),
    below(variant, `longest event-loop stall`, longest.millis, "ms", 20),
    none(variant, `failed of ${load.requests} requests`, failed, [...load.reasons, ...wrongAnswers]),
    note(variant, "read to published, longest of the last twenty", millis(Math.max(...applied.slice(-20)))),
    note(variant, "written to first answer", `${middle(live)}, longest ${millis(Math.max(...live))}`),
    note(variant, "longest stall, with the wait for its core", millis(longest.wallMillis)),
    note(variant, "longest stall under the same load, no changes", millis(quiet.millis)),
    note(variant, "answers under load", `p50 ${millis(load.p50Millis)}, p99 ${millis(load.p99Millis)}`)
  ]
}
