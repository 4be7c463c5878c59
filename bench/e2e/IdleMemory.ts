/**
 * The row "idle": what a client that stays connected costs. 10 000 connections make one proxied request each, at most
 * 64 of them at a time so that the pool of upstream connections stays small, then keep still. The figure is the growth
 * of resident memory divided by their number; garbage the runtime has not collected counts, as it does for an operator.
 */
import { readFileSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { residentBytes } from "./Accounting.ts"
import type { RowResult } from "./Result.ts"
import type { SpecialRow } from "./Rows.ts"
import type { Session } from "./Session.ts"
import { inTurns } from "./Special.ts"

const connections = 10_000
const spareFiles = 500
const atOnce = 64
const warmRequests = 3000
const settleMillis = 1500
const request = "GET /bytes/60 HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
const bodyBytes = 60

/** Measures every contender up to three times: when the runtime last collected garbage shows in the figure. */
export async function measureIdle(session: Session, row: SpecialRow): Promise<RowResult> {
  const files = Number(/^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1])
  if (files < connections + spareFiles) throw new Error(`${connections + spareFiles} open files needed: ulimit -n`)
  const rounds = Math.min(3, session.options.rounds)
  const entries = await inTurns(session, row.id, rounds, "/bytes/60", async ({ port, process }) => {
    for (const socket of await open(port, warmRequests)) socket.resetAndDestroy()
    await sleep(settleMillis)
    const before = residentBytes(process.pid)
    const sockets = await open(port, connections)
    await sleep(settleMillis)
    const after = residentBytes(process.pid)
    const closed = sockets.filter((socket) => socket.destroyed).length
    for (const socket of sockets) socket.resetAndDestroy()
    if (closed > 0) throw new Error(`${closed} of ${connections} idle connections were closed by the proxy`)
    return {
      value: (after - before) / connections / 1024,
      extras: { "RSS MiB": (after / 2 ** 20).toFixed(0) }
    }
  })
  return { id: row.id, title: row.title, unit: "KiB", entries, foreignShare: Number.NaN }
}

async function open(port: number, count: number): Promise<readonly Socket[]> {
  const sockets: Socket[] = []
  const worker = async () => {
    while (sockets.length < count) {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true })
      sockets.push(socket)
      await answered(socket)
    }
  }
  try {
    await Promise.all(Array.from({ length: atOnce }, worker))
  } catch (error) {
    for (const socket of sockets) socket.destroy()
    throw error
  }
  return sockets
}

function answered(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = ""
    socket.setTimeout(15_000, () => socket.destroy(new Error("no answer within 15 s")))
    socket.on("error", reject)
    socket.on("close", () => reject(new Error("the connection was closed")))
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1")
      const end = text.indexOf("\r\n\r\n")
      if (end < 0 || text.length - end - 4 < bodyBytes) return
      socket.setTimeout(0)
      if (text.startsWith("HTTP/1.1 200 ")) resolve()
      else reject(new Error(`answered ${text.slice(0, text.indexOf("\r\n"))}`))
    })
    socket.write(request)
  })
}
