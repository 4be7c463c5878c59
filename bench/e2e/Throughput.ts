/**
 * Measures a row under load. All contenders of the row run at the same time, idle except the one whose turn it is;
 * rounds go round-robin with a different first one each time, so that drift of the machine meets everybody alike.
 * The figure is the CPU time of the proxy's processes per request; requests per second depend on the load generator
 * and origin as well, which share the other core.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { cpuMicros, machineMicros, ownMicros, processTree, readCpu, residentBytes } from "./Accounting.ts"
import type { Contender } from "./Contender.ts"
import { type Generator, generate, h2load, type LoadResult, wrk } from "./Load.ts"
import { coreCount } from "./Machine.ts"
import { stop, temporaryDirectory } from "./Processes.ts"
import type { Entry, RowResult } from "./Result.ts"
import type { ThroughputRow, Variant } from "./Rows.ts"
import { type RunningProxy, startProxy } from "./RunningProxy.ts"
import type { Session } from "./Session.ts"
import { median, short } from "./Statistics.ts"

interface Entrant {
  readonly name: string
  readonly contender: Contender
  readonly variant: Variant
  readonly generator: Generator
  readonly accessLog: string | null
  readonly samples: Sample[]
  proxy: RunningProxy | null
  systemCalls: number
  requests: number
  problem: string | null
}

interface Sample {
  readonly load: LoadResult
  readonly cpuMicros: number
  readonly coreShare: number
  readonly residentBytes: number
  readonly foreignShare: number
}

/** Measures one row; a contender that fails stays in the result with its problem. */
export async function measureThroughput(session: Session, row: ThroughputRow): Promise<RowResult> {
  const entrants = enter(session, row)
  try {
    for (const entrant of entrants) await attempt(entrant, () => prepare(session, row, entrant))
    for (let round = 0; round < session.options.rounds; round++) {
      session.progress(`${row.id}: round ${round + 1} of ${session.options.rounds}`)
      for (let turn = 0; turn < entrants.length; turn++) {
        const entrant = entrants[(round + turn) % entrants.length]!
        await attempt(entrant, () => measure(session, row, entrant))
      }
    }
  } finally {
    for (const { proxy } of entrants) if (proxy !== null) await stop(proxy.process)
  }
  return {
    id: row.id,
    title: row.title,
    unit: "µs CPU/req",
    entries: entrants.map(summarise),
    foreignShare: median(entrants.flatMap((entrant) => entrant.samples.map((sample) => sample.foreignShare)))
  }
}

function enter({ contenders, tools, cores }: Session, row: ThroughputRow): readonly Entrant[] {
  const tool = tools.get(row.requests.streams > 0 ? "h2load" : "wrk")!
  if (tool.path === null) throw new Error(`${tool.name} is not installed: ${tool.install}`)
  const generator = row.requests.streams > 0 ? h2load : wrk
  const threads = Math.min(2, cores.restCount)
  mkdirSync(join(temporaryDirectory(), "logs"), { recursive: true })
  return contenders.flatMap((contender) =>
    row.variants
      .filter((variant) => [...variant.needs].every((ability) => contender.abilities.has(ability)))
      .map((variant) => ({
        name: contender.name + variant.suffix,
        contender,
        variant,
        generator: generator(tool.path!, threads, { ...row.requests, routes: variant.routes }),
        accessLog: variant.accessLog ? join(temporaryDirectory(), "logs", `${contender.name}.log`) : null,
        samples: [],
        proxy: null,
        systemCalls: Number.NaN,
        requests: 0,
        problem: null
      }))
  )
}

async function attempt(entrant: Entrant, work: () => Promise<void>): Promise<void> {
  if (entrant.problem !== null) return
  try {
    await work()
  } catch (error) {
    entrant.problem = error instanceof Error ? error.message : String(error)
  }
}

// Warm-up: connections to the origin, compiled code, and the count of system calls, which tracing makes too slow to
// take during a measured round.
async function prepare(session: Session, row: ThroughputRow, entrant: Entrant): Promise<void> {
  session.progress(`${row.id}: warming ${entrant.name}`)
  const { routes } = entrant.variant
  const setting = {
    ...row.setting,
    originPort: session.origins[row.origin].port,
    accessLog: entrant.accessLog,
    routes
  }
  entrant.proxy = await startProxy(entrant.contender, setting, session.cores, "/ping")
  const { pid } = entrant.proxy.process
  const perf = session.tools.get("perf")?.path
  const output = join(temporaryDirectory(), "perf.txt")
  const pids = processTree(pid).map((one) => one.pid)
  const count = ["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-o", output, "-p", pids.join(","), "--"]
  const warm = await generate(entrant.generator, entrant.proxy.port, session.options.warmSeconds)
  const traced =
    perf == null ? null : await generate(entrant.generator, entrant.proxy.port, 1, [perf, ...count]).catch(() => null)
  entrant.requests += warm.requests + (traced?.requests ?? 0)
  if (traced !== null && existsSync(output)) {
    entrant.systemCalls =
      Number.parseInt(/^(\d+),/m.exec(readFileSync(output, "utf8"))?.[1] ?? "", 10) / traced.requests
  }
}

async function measure(session: Session, row: ThroughputRow, entrant: Entrant): Promise<void> {
  const { pid } = entrant.proxy!.process
  const proxyBefore = readCpu(pid)
  const originBefore = readCpu(session.origins[row.origin].process.pid)
  const ownBefore = ownMicros()
  const machineBefore = machineMicros()
  const started = performance.now()
  const load = await generate(entrant.generator, entrant.proxy!.port, session.options.seconds)
  const elapsedMicros = (performance.now() - started) * 1000
  const cpu = cpuMicros(proxyBefore, readCpu(pid))
  const origin = cpuMicros(originBefore, readCpu(session.origins[row.origin].process.pid))
  const foreign = machineMicros() - machineBefore - cpu - origin - (ownMicros() - ownBefore)
  entrant.requests += load.requests
  if (load.requests === 0) throw new Error("no request was answered")
  if (load.errors > 0) throw new Error(`${load.errors} errors in ${load.requests} requests`)
  if (load.bytes / load.requests < row.bodyBytes) throw new Error("answers are shorter than the origin's body")
  entrant.samples.push({
    load,
    cpuMicros: cpu / load.requests,
    coreShare: cpu / elapsedMicros,
    residentBytes: residentBytes(pid),
    foreignShare: Math.max(0, foreign) / elapsedMicros / coreCount
  })
}

function summarise(entrant: Entrant): Entry {
  const of = (figure: (sample: Sample) => number) => median(entrant.samples.map(figure))
  const log = entrant.accessLog === null ? {} : { "log lines": share(lines(entrant.accessLog) / entrant.requests) }
  return {
    name: entrant.name,
    values: entrant.samples.map((sample) => sample.cpuMicros),
    problem: entrant.problem,
    extras: {
      "req/s": of(({ load }) => load.requests / load.seconds).toFixed(0),
      "p50 ms": short(of(({ load }) => load.p50Millis)),
      "p99 ms": short(of(({ load }) => load.p99Millis)),
      "RSS MiB": short(of((sample) => sample.residentBytes / 2 ** 20)),
      core: share(of((sample) => sample.coreShare)),
      others: share(of((sample) => sample.foreignShare)),
      "syscalls/req": short(entrant.systemCalls),
      ...log
    }
  }
}

function share(value: number): string {
  return Number.isFinite(value) ? `${(value * 100).toFixed(0)} %` : "–"
}

function lines(file: string): number {
  if (!existsSync(file)) return 0
  let count = 0
  for (const byte of readFileSync(file)) if (byte === 10) count++
  return count
}
