/**
 * What runs inside the program under test, loaded with `--import`: it watches the event loop and the reads of
 * configuration, collects garbage, and answers questions on a Unix socket. The program knows nothing of it.
 *
 * **Stalls.** A timer of one millisecond notes how late it comes. Time in which the kernel let the process wait for
 * its core (`schedstat`) is kept apart: that is the machine's other work, not a loop that was blocked.
 *
 * **Reads.** When a file below the configuration's place was read, or bytes of etcd arrived: the moment from which
 * applying a change counts, whatever it took to notice the change.
 */
import fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { createServer, Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { getHeapSpaceStatistics } from "node:v8"
import { now } from "./Clock.ts"

/** A moment at which the event loop was late. */
export interface Stall {
  /** When it was over, in milliseconds since 1970. */
  readonly at: number
  /** How long the loop was blocked by the process itself. */
  readonly millis: number
  /** The same with the time the process waited for its core. */
  readonly wallMillis: number
}

/** Answers by question. */
export interface ProbeAnswers {
  /** Stalls of 2 ms and more since the last `reset`, and the longest of any length. */
  readonly stalls: { readonly longest: Stall; readonly long: readonly Stall[] }
  /** Moments of the last reads of configuration. */
  readonly reads: readonly number[]
  /** Memory after garbage was collected thoroughly. */
  readonly memory: {
    readonly rss: number
    /** Of the heap, what is neither compiled code nor belongs to it: what the program itself keeps. */
    readonly objects: number
    /** Compiled code and what belongs to it. */
    readonly code: number
    readonly descriptors: number
  }
  readonly reset: null
}

const INTERVAL_MILLIS = 1
const LONG_MILLIS = 2
const MAX_KEPT = 2_000
const COLLECTIONS = 8

const none: Stall = { at: 0, millis: 0, wallMillis: 0 }
let longest = none
let long: Array<Stall> = []
let reads: Array<number> = []

const schedstat = openSchedstat()
const buffer = Buffer.alloc(128)

// The second figure: nanoseconds that this thread was ready and waited for a core.
function waited(): number {
  if (schedstat === null) return 0
  const length = fs.readSync(schedstat, buffer, 0, buffer.length, 0)
  return Number(buffer.toString("latin1", 0, length).split(" ")[1]) / 1e6
}

function openSchedstat(): number | null {
  try {
    return fs.openSync(`/proc/self/task/${process.pid}/schedstat`, "r")
  } catch {
    return null
  }
}

let lastAt = performance.now()
let lastWaited = waited()
setInterval(() => {
  const at = performance.now()
  const waitedNow = waited()
  const wallMillis = at - lastAt - INTERVAL_MILLIS
  const millis = wallMillis - (waitedNow - lastWaited)
  lastAt = at
  lastWaited = waitedNow
  if (millis < longest.millis && millis < LONG_MILLIS) return
  const stall = { at: now(), millis, wallMillis }
  if (millis > longest.millis) longest = stall
  if (millis >= LONG_MILLIS && long.length < MAX_KEPT) long.push(stall)
}, INTERVAL_MILLIS).unref()

function noteRead(): void {
  if (reads.length >= MAX_KEPT) reads = reads.slice(MAX_KEPT / 2)
  reads.push(now())
}

const place = process.env["PINGAP_DRILL_PLACE"] ?? ""
if (place !== "") watchFiles()
const etcdPort = Number(process.env["PINGAP_DRILL_ETCD"] ?? 0)
if (etcdPort > 0) watchSockets(etcdPort)

// Every way in which a whole file is read; modules that are loaded later import these functions.
function watchFiles(): void {
  const isOurs = (path: unknown): boolean => typeof path === "string" && path.startsWith(place)
  const { promises, readFile, readFileSync } = fs
  const readWithPromise = promises.readFile
  const withCallback = (...args: Array<unknown>): void => {
    const callback = args.at(-1)
    if (isOurs(args[0]) && typeof callback === "function") {
      args[args.length - 1] = (...results: Array<unknown>) => {
        noteRead()
        callback(...results)
      }
    }
    Reflect.apply(readFile, fs, args)
  }
  fs.readFile = Object.assign(withCallback, { __promisify__: readFile.__promisify__ }) as typeof fs.readFile
  fs.readFileSync = ((...args: Array<unknown>): unknown => {
    const result: unknown = Reflect.apply(readFileSync, fs, args)
    if (isOurs(args[0])) noteRead()
    return result
  }) as typeof fs.readFileSync
  promises.readFile = (async (...args: Array<unknown>): Promise<unknown> => {
    const result: unknown = await Reflect.apply(readWithPromise, promises, args)
    if (isOurs(args[0])) noteRead()
    return result
  }) as typeof promises.readFile
  syncBuiltinESMExports()
}

function watchSockets(port: number): void {
  const { push } = Socket.prototype
  Socket.prototype.push = function (this: Socket, chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk !== null && this.remotePort === port) noteRead()
    return push.call(this, chunk, encoding)
  }
}

const answers: { readonly [Q in keyof ProbeAnswers]: () => ProbeAnswers[Q] | Promise<ProbeAnswers[Q]> } = {
  stalls: () => ({ longest, long }),
  reads: () => reads,
  memory: collect,
  reset: () => {
    longest = none
    long = []
    reads = []
    return null
  }
}

// What a collection finds can make more garbage: finalizers, closed handles, freed pages.
async function collect(): Promise<ProbeAnswers["memory"]> {
  for (let i = 0; i < COLLECTIONS; i++) {
    globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" })
    await sleep(50)
  }
  let code = 0
  let objects = 0
  for (const { space_name, space_used_size } of getHeapSpaceStatistics()) {
    if (/^(?:code|trusted)_/.test(space_name)) code += space_used_size
    else objects += space_used_size
  }
  const descriptors = fs.readdirSync("/proc/self/fd").length
  return { rss: process.memoryUsage.rss(), objects, code, descriptors }
}

const path = process.env["PINGAP_DRILL_SOCKET"]
if (path !== undefined) {
  createServer((socket) => {
    socket.unref()
    socket.on("error", () => socket.destroy())
    socket.setEncoding("utf8").on("data", async (question: string) => {
      const answer = answers[question.trim() as keyof ProbeAnswers]
      socket.write(`${JSON.stringify(await answer())}\n`)
    })
  })
    .listen(path)
    .unref()
}
