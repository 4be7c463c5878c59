/**
 * The data plane's clock and its time-outs: one timer for everything.
 *
 * Connections write deadlines into plain number fields; each tick looks at all of them. That costs nothing per
 * request, and a few microseconds per thousand connections ten times a second. A deadline is met up to two ticks late,
 * never early.
 *
 * Time here is service time: a tick never counts for more than two, so a stalled or suspended process does not time
 * out everything it serves when it wakes up, and a jump of the wall clock changes nothing.
 */
export const TICK_MILLIS = 100

/** Something with deadlines. Compares them with `now` and acts on those that have passed. */
export interface Timed {
  checkDeadlines(now: number): void
}

export class Ticker {
  /** Service time in milliseconds, as of the last tick. */
  now = 0
  /** `Date` field line for responses, as of the last tick (RFC 9110 6.6.1). */
  dateLine = ""
  private second = -1
  private readonly members = new Set<Timed>()

  private readonly report: (error: unknown) => void

  /** `report` takes what a member throws: one must not keep the others from their deadlines. */
  constructor(wallMillis: number, report: (error: unknown) => void) {
    this.report = report
    this.setDate(wallMillis)
  }

  /** A deadline `millis` from now; 0 millis mean no deadline, and 0 is what that looks like. */
  in(millis: number): number {
    return millis > 0 ? this.now + millis + TICK_MILLIS : 0
  }

  add(member: Timed): void {
    this.members.add(member)
  }

  delete(member: Timed): void {
    this.members.delete(member)
  }

  /** Advances service time. `elapsedMillis` since the last call, `wallMillis` for the `Date` field. */
  tick(elapsedMillis: number, wallMillis: number): void {
    this.now += Math.min(Math.max(elapsedMillis, 0), 2 * TICK_MILLIS)
    this.setDate(wallMillis)
    for (const member of this.members) {
      try {
        member.checkDeadlines(this.now)
      } catch (error) {
        this.report(error)
      }
    }
  }

  private setDate(wallMillis: number): void {
    const second = Math.floor(wallMillis / 1000)
    if (second === this.second) return
    this.second = second
    this.dateLine = `Date: ${new Date(second * 1000).toUTCString()}\r\n`
  }
}
