/**
 * Counters by name, handed on from generation to generation. A name that is gone is forgotten once nothing of it is in
 * progress.
 */
import type { Counters } from "../proxy/Runtime.ts"

export class CounterTable {
  private readonly table = new Map<string, Counters>()

  of(name: string): Counters {
    let counters = this.table.get(name)
    if (counters === undefined) this.table.set(name, (counters = { processing: 0, accepted: 0 }))
    return counters
  }

  /** Forgets what no name of the configuration asks for any more. */
  keep(names: Readonly<Record<string, unknown>>): void {
    for (const [name, { processing }] of this.table) if (!(name in names) && processing === 0) this.table.delete(name)
  }
}
