/**
 * What a process and all its children cost, from the kernel's own accounting (Linux `/proc`).
 *
 * CPU time comes from `/proc/<pid>/task/<tid>/schedstat`, in nanoseconds of time on a core; the scheduler counts it
 * at every switch, so a two-second round is exact, where the 100 Hz ticks of `/proc/<pid>/stat` are 10 ms coarse.
 * Ticks are the fallback for a process one of whose threads ended in between and took its figures with it.
 */
import { readdirSync, readFileSync } from "node:fs"

/** One process of a tree; the start time tells it from a later one with the same id. */
export interface ProcessId {
  readonly pid: number
  readonly startTicks: string
}

/** CPU use at one moment, per process. Two of them give a cost. */
export type CpuReading = ReadonlyMap<number, { readonly ticks: number; readonly threads: ReadonlyMap<string, number> }>

const tickMicros = 10_000
const pageBytes = 4096

/** The process and its descendants, parents first; empty when it is gone. */
export function processTree(root: number): readonly ProcessId[] {
  const children = new Map<number, ProcessId[]>()
  let first: ProcessId | undefined
  for (const name of readdirSync("/proc")) {
    const pid = Number(name)
    const fields = Number.isInteger(pid) ? statFields(pid) : undefined
    if (fields === undefined) continue
    const parent = Number(fields[1])
    const process = { pid, startTicks: fields[19]! }
    if (pid === root) first = process
    else children.set(parent, [...(children.get(parent) ?? []), process])
  }
  const tree = first === undefined ? [] : [first]
  for (const process of tree) tree.push(...(children.get(process.pid) ?? []))
  return tree
}

/** Whether exactly this process is still there. */
export function isAlive(process: ProcessId): boolean {
  const fields = statFields(process.pid)
  return fields !== undefined && fields[0] !== "Z" && fields[19] === process.startTicks
}

/** The CPU use of a process tree up to now. */
export function readCpu(root: number): CpuReading {
  const reading = new Map<number, { ticks: number; threads: Map<string, number> }>()
  for (const { pid } of processTree(root)) {
    const fields = statFields(pid)
    if (fields === undefined) continue
    reading.set(pid, { ticks: Number(fields[11]) + Number(fields[12]), threads: threadNanos(pid) })
  }
  return reading
}

/** Microseconds of CPU between two readings of one tree. */
export function cpuMicros(before: CpuReading, after: CpuReading): number {
  let micros = 0
  for (const [pid, now] of after) {
    const then = before.get(pid)
    const lost = then !== undefined && [...then.threads.keys()].some((thread) => !now.threads.has(thread))
    if (lost || now.threads.size === 0) {
      micros += (now.ticks - (then?.ticks ?? 0)) * tickMicros
      continue
    }
    for (const [thread, nanos] of now.threads) micros += (nanos - (then?.threads.get(thread) ?? 0)) / 1000
  }
  return micros
}

/** Resident bytes of a process tree. Pages that processes share count once per process. */
export function residentBytes(root: number): number {
  let bytes = 0
  for (const { pid } of processTree(root)) {
    const statm = read(`/proc/${pid}/statm`)
    if (statm !== undefined) bytes += Number(statm.split(" ")[1]) * pageBytes
  }
  return bytes
}

/** Microseconds that all cores together have worked since boot, whoever they worked for. */
export function machineMicros(): number {
  const [user, nice, system, , , irq, softirq] = (read("/proc/stat") ?? "").split("\n")[0]!.split(/\s+/).slice(1)
  return [user, nice, system, irq, softirq].reduce((sum, ticks) => sum + Number(ticks), 0) * tickMicros
}

/** Microseconds of CPU of this process and of every child it has waited for (a finished load generator). */
export function ownMicros(): number {
  const fields = statFields(process.pid)!
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * tickMicros
}

function threadNanos(pid: number): Map<string, number> {
  const threads = new Map<string, number>()
  for (const thread of readNames(`/proc/${pid}/task`)) {
    const schedstat = read(`/proc/${pid}/task/${thread}/schedstat`)
    if (schedstat !== undefined) threads.set(thread, Number(schedstat.split(" ")[0]))
  }
  return threads
}

/** `/proc/<pid>/stat` from the third field (state) on: the second, the name, may hold spaces and parentheses. */
function statFields(pid: number): readonly string[] | undefined {
  const stat = read(`/proc/${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")
}

// A process may end between being listed and being read: that is an answer, not an error.
function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1")
  } catch {
    return undefined
  }
}

function readNames(path: string): readonly string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
