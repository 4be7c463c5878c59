/** The frame of the rows without a load generator: one contender at a time, a failure stays that contender's own. */
import type { Contender } from "./Contender.ts"
import { stop } from "./Processes.ts"
import type { Entry } from "./Result.ts"
import { type RunningProxy, startProxy } from "./RunningProxy.ts"
import type { Session } from "./Session.ts"

/** One figure, and further columns. */
export interface Figure {
  readonly value: number
  readonly extras: Readonly<Record<string, string>>
}

/**
 * Runs `rounds` rounds over all contenders, each time on a freshly started one that has answered `path`. The columns
 * of the last round stand.
 */
export async function inTurns(
  session: Session,
  id: string,
  rounds: number,
  path: string,
  measure: (proxy: RunningProxy, contender: Contender) => Promise<Figure>
): Promise<readonly Entry[]> {
  const originPort = session.origins.streaming.port
  const setting = { originPort, accessLog: null, routes: null, forwarded: false, http2: false }
  const entries = session.contenders.map(({ name }) => ({
    name,
    values: [] as number[],
    extras: {} as Readonly<Record<string, string>>,
    problem: null as string | null
  }))
  for (let round = 0; round < rounds; round++) {
    for (const [i, contender] of session.contenders.entries()) {
      const entry = entries[i]!
      if (entry.problem !== null) continue
      session.progress(`${id}: ${contender.name}, round ${round + 1} of ${rounds}`)
      let proxy: RunningProxy | null = null
      try {
        proxy = await startProxy(contender, setting, session.cores, path)
        const figure = await measure(proxy, contender)
        entry.values.push(figure.value)
        entry.extras = figure.extras
      } catch (error) {
        entry.problem = error instanceof Error ? error.message : String(error)
      } finally {
        if (proxy !== null) await stop(proxy.process)
      }
    }
  }
  return entries
}
