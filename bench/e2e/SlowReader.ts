/**
 * The row "slow": does backpressure reach the origin? A client asks for 1 GiB, reads nothing for two seconds, then
 * 64 MiB/s for two, then the rest at full speed; the origin sends as fast as it is let. The figure is the highest
 * resident size above the one before the request. The bytes are counted: a proxy that cuts the body fails the row.
 */
import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { residentBytes } from "./Accounting.ts"
import type { RowResult } from "./Result.ts"
import type { SpecialRow } from "./Rows.ts"
import type { Session } from "./Session.ts"
import { inTurns } from "./Special.ts"

const size = 2 ** 30
const stalledMillis = 2000
const slowMillis = 2000
const slowBytesPerMilli = (64 * 2 ** 20) / 1000
const sampleMillis = 25

/** Measures every contender once. */
export async function measureSlow(session: Session, row: SpecialRow): Promise<RowResult> {
  const entries = await inTurns(session, row.id, 1, "/bytes/60", async ({ port, process }) => {
    await sleep(500)
    const before = residentBytes(process.pid)
    let highest = before
    const sampling = setInterval(() => (highest = Math.max(highest, residentBytes(process.pid))), sampleMillis)
    try {
      await download(port)
    } finally {
      clearInterval(sampling)
    }
    return { value: (highest - before) / 2 ** 20, extras: { "RSS MiB": (highest / 2 ** 20).toFixed(0) } }
  })
  return { id: row.id, title: row.title, unit: "MiB", entries, foreignShare: Number.NaN }
}

function download(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const started = performance.now()
    let head = ""
    let received = -1
    const socket = connect({
      port,
      host: "127.0.0.1",
      onread: { buffer: Buffer.alloc(64 * 1024), callback: (length, buffer) => take(buffer.subarray(0, length)) }
    })
    socket.setTimeout(30_000, () => socket.destroy(new Error(`stalled after ${received} bytes`)))
    socket.on("error", reject)
    socket.on("close", () => reject(new Error(`closed after ${received} of ${size} bytes`)))
    socket.write(`GET /bytes/${size} HTTP/1.1\r\nHost: bench.test\r\n\r\n`)

    function take(chunk: Uint8Array): boolean {
      if (received >= 0) received += chunk.length
      else readHead(chunk)
      if (received === size) {
        socket.destroy()
        resolve()
        return true
      }
      const pause = pauseMillis(performance.now() - started, received)
      if (pause > 0) setTimeout(() => socket.resume(), pause)
      return pause === 0
    }

    function readHead(chunk: Uint8Array): void {
      head += Buffer.from(chunk).toString("latin1")
      const end = head.indexOf("\r\n\r\n")
      if (end < 0) return
      received = head.length - end - 4
      if (!head.startsWith("HTTP/1.1 200 ")) socket.destroy(new Error(`answered ${head.slice(0, 40)}`))
    }
  })
}

/** How long to leave the socket alone: to the end of the stall, then as the slow rate wants, then not at all. */
function pauseMillis(elapsed: number, received: number): number {
  if (elapsed < stalledMillis) return stalledMillis - elapsed
  const slow = elapsed - stalledMillis
  if (slow > slowMillis) return 0
  return Math.max(0, Math.ceil(received / slowBytesPerMilli - slow))
}
