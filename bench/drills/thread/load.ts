/**
 * Load with a reason for every failure: clients that keep their connections and pause a little between two requests,
 * and connections for a single request at a steady rate. Each answer has to be the echo of its request.
 */
import { connect, type Socket } from "node:net"
import { parse } from "../Kept.ts"
import { serve } from "../Thread.ts"

export interface LoadOptions {
  readonly port: number
  /** Asked in turn. */
  readonly routes: readonly { readonly host: string; readonly target: string }[]
}

export interface LoadResult {
  readonly requests: number
  readonly failed: number
  /** Why, the first few. */
  readonly reasons: readonly string[]
  readonly p50Millis: number
  readonly p99Millis: number
  readonly slowestMillis: number
}

const CLIENTS = 50
const PAUSE_MILLIS = 5
const NEW_PER_SECOND = 40
const ANSWER_MILLIS = 5_000
const MAX_REASONS = 10
// Coprime to all numbers of routes in use: neighbours in time are not neighbours in the configuration.
const STRIDE = 7_919

let options: LoadOptions = { port: 0, routes: [] }
let isOn = false
let turn = 0
let running = 0
let failed = 0
let newcomers: NodeJS.Timeout | undefined
const reasons: string[] = []
const latencies: number[] = []

/** Begins. */
function start(wanted: LoadOptions): void {
  options = wanted
  isOn = true
  failed = 0
  reasons.length = 0
  latencies.length = 0
  for (let i = 0; i < CLIENTS; i++) void client()
  newcomers = setInterval(() => void once(), 1000 / NEW_PER_SECOND)
}

/** Ends when every request has its answer. */
async function stop(): Promise<LoadResult> {
  isOn = false
  clearInterval(newcomers)
  while (running > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  const sorted = Float64Array.from(latencies).sort()
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return {
    requests: sorted.length + failed,
    failed,
    reasons,
    p50Millis: at(0.5),
    p99Millis: at(0.99),
    slowestMillis: at(1)
  }
}

const api = { start, stop }
export type LoadApi = typeof api
serve(api)

async function client(): Promise<void> {
  let socket: Socket | null = null
  running++
  while (isOn) {
    socket ??= open()
    if (!(await ask(socket))) socket = socket.destroy() && null
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLIS))
    if (socket?.destroyed) socket = null
  }
  socket?.destroy()
  running--
}

async function once(): Promise<void> {
  running++
  const socket = open()
  await ask(socket)
  socket.destroy()
  running--
}

function open(): Socket {
  return connect({ port: options.port, host: "127.0.0.1", noDelay: true }).on("error", () => {})
}

/** One request; false when its connection cannot be used again. Never rejects. */
function ask(socket: Socket): Promise<boolean> {
  turn = (turn + STRIDE) % options.routes.length
  const { host, target } = options.routes[turn]!
  const expected = `${host}${target}`
  const begun = performance.now()
  return new Promise((resolve) => {
    let text = ""
    const end = (isReusable: boolean, reason: string): void => {
      clearTimeout(timer)
      socket.off("data", onData).off("close", onClose)
      if (reason === "") latencies.push(performance.now() - begun)
      else {
        failed++
        if (reasons.length < MAX_REASONS) reasons.push(`${expected}: ${reason}`)
      }
      resolve(isReusable && reason === "")
    }
    const onData = (chunk: Buffer): void => {
      text += chunk.toString("latin1")
      const answer = parse(text)
      if (answer === null) return
      const isRight = answer.status === 200 && answer.body.endsWith(` ${expected}`)
      end(!/\r\nconnection: close\r\n/i.test(text), isRight ? "" : `${answer.status} ${answer.body.slice(0, 80)}`)
    }
    const onClose = (): void => end(false, `closed after ${text.length} bytes`)
    const timer = setTimeout(() => end(false, `no answer in ${ANSWER_MILLIS} ms`), ANSWER_MILLIS)
    socket.on("data", onData).on("close", onClose)
    socket.write(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  })
}
