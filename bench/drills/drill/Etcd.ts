/**
 * etcd is killed and started again three times while others write to it and requests come. What counts in the end is
 * what etcd has: a write that was not acknowledged may have been taken.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { now, until } from "../Clock.ts"
import { type Drill, type Figure, holds, millis, none, note, type Session } from "../Drill.ts"
import { EtcdServer } from "../EtcdServer.ts"
import { basic, item, location, mock, server, upstream } from "../Items.ts"
import { Kept } from "../Kept.ts"
import { freePorts, Program } from "../Program.ts"
import { etcdKeys, itemsIn } from "../place/EtcdKeys.ts"
import type { Place } from "../place/Place.ts"
import { Thread } from "../Thread.ts"
import type { LoadApi } from "../thread/load.ts"
import type { OriginApi } from "../thread/origin.ts"

const ITEMS = 12
const WRITERS = 3
const CHANGES = 60
const KILLS = 3
/** Between two changes of a writer: together they last longer than the kills. */
const PAUSE_MILLIS = 250
const AWAY_MILLIS = 700
const RETRY_MILLIS = 50
const SETTLE_MILLIS = 10_000

export const etcd: Drill = {
  name: "etcd",
  title: `etcd killed ${KILLS} times during ${CHANGES} changes, under load`,
  measure: async (session) => {
    if (session.etcd === null) return [note("", "left out", "etcd is not installed")]
    session.progress("etcd")
    const origin = new Thread<OriginApi>("origin")
    const load = new Thread<LoadApi>("load")
    const server = await EtcdServer.start(session)
    try {
      return await run(session, server, origin, load)
    } finally {
      await Promise.all([origin.end(), load.end(), server.kill()])
    }
  }
}

async function run(
  session: Session,
  etcd: EtcdServer,
  origin: Thread<OriginApi>,
  load: Thread<LoadApi>
): Promise<Figure[]> {
  const [port] = await freePorts(1)
  const names = Array.from({ length: ITEMS }, (_, i) => String(i))
  const place = etcdKeys(etcd)
  await place.fill(
    new Map([
      basic,
      server("web", [port!], ["load", ...names.map((name) => `l${name}`)]),
      upstream("origin", await origin.call("open", "o")),
      location("load", "origin", "load.test", "/"),
      ...names.map((name) => mock(`m${name}`, `${name} first`)),
      ...names.map((name) => item("locations", `l${name}`, `host = "${name}.test"`, `plugins = ["m${name}"]`))
    ])
  )
  const { conf, etcdPort } = place
  const program = await Program.start(session, { conf, etcdPort, follows: true, server: "web" })
  try {
    await load.call("start", { port: port!, routes: [{ host: "load.test", target: "/item" }] })
    const written = write(place)
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(AWAY_MILLIS)
      await etcd.kill()
      await sleep(AWAY_MILLIS)
      await etcd.start()
    }
    const retries = await written
    const ended = now()
    using client = new Kept(port!)
    let wrong: readonly string[] = []
    const isEqual = await until(
      async () => {
        wrong = await differences(etcd, client)
        return wrong.length === 0 ? true : undefined
      },
      SETTLE_MILLIS,
      () => "equal",
      20
    ).catch(() => false)
    const delay = now() - ended
    const result = await load.call("stop")
    return [
      holds("", `${ITEMS} items are what etcd has`, isEqual, `no: ${wrong.join("; ")}`),
      none("", `failed of ${result.requests} requests`, result.failed, result.reasons),
      note("", "last write to equal", isEqual ? millis(delay) : "never"),
      note("", "writes that had to be tried again", String(retries)),
      note("", "reloads applied", String(program.applied.length)),
      note("", "warnings and errors logged", String(program.count(/ (?:WARN|ERROR) /)))
    ]
  } finally {
    await program.stop()
  }
}

/** Writes all changes, each until it is acknowledged; returns how often one was tried again. */
async function write(place: Place): Promise<number> {
  let retries = 0
  const writer = async (number: number): Promise<void> => {
    for (let n = number; n < CHANGES; n += WRITERS) {
      // Each item has one writer, so that the last acknowledged text is the last one.
      const name = String((n % WRITERS) + WRITERS * (Math.floor(n / WRITERS) % (ITEMS / WRITERS)))
      while (true) {
        try {
          await place.put(...mock(`m${name}`, `${name} change ${n}`))
          break
        } catch {
          retries++
          await sleep(RETRY_MILLIS)
        }
      }
      await sleep(PAUSE_MILLIS)
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, (_, number) => writer(number)))
  return retries
}

/** Items that answer something else than etcd says. */
async function differences(etcd: EtcdServer, client: Kept): Promise<readonly string[]> {
  const wrong: string[] = []
  for (const [key, text] of await itemsIn(etcd)) {
    const data = /^data = "(.*)"$/m.exec(text)?.[1]
    if (!key.startsWith("plugins/") || data === undefined) continue
    const { body } = await client.get(`${key.slice("plugins/m".length)}.test`, "/")
    if (body !== data) wrong.push(`${key} is "${data}" and answers "${body}"`)
  }
  return wrong
}
