/** The row "start": from starting the process to the first complete answer on a fresh connection. */
import type { RowResult } from "./Result.ts"
import type { SpecialRow } from "./Rows.ts"
import type { Session } from "./Session.ts"
import { inTurns } from "./Special.ts"

/** Measures at least five starts of each contender. */
export async function measureStart(session: Session, row: SpecialRow): Promise<RowResult> {
  const rounds = Math.max(5, session.options.rounds)
  const entries = await inTurns(session, row.id, rounds, "/ping", async (proxy) => ({
    value: proxy.startMillis,
    extras: {}
  }))
  return { id: row.id, title: row.title, unit: "ms", entries, foreignShare: Number.NaN }
}
