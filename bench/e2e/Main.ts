/**
 * The run: decode the command line, see what is there, start the origins, measure row by row, print, save, judge.
 * Exit codes: 0 measured; 1 something could not be measured; 2 wrong command line; 3 `--check` and a bar far missed.
 */
import { writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { isFarMissed, judge } from "./Budget.ts"
import { isStale } from "./Build.ts"
import type { Contender } from "./Contender.ts"
import { caddy } from "./contender/Caddy.ts"
import { haproxy } from "./contender/Haproxy.ts"
import { nginx } from "./contender/Nginx.ts"
import { nodePeer } from "./contender/NodePeer.ts"
import { ours, pingap } from "./contender/Pingap.ts"
import { measureIdle } from "./IdleMemory.ts"
import * as Machine from "./Machine.ts"
import { type Options, parse, UsageError, usage } from "./Options.ts"
import { startOrigins } from "./Origin.ts"
import { stopEverythingAtExit } from "./Processes.ts"
import { render } from "./Report.ts"
import type { RowResult } from "./Result.ts"
import { type Row, rows } from "./Rows.ts"
import type { Session } from "./Session.ts"
import { measureSlow } from "./SlowReader.ts"
import { measureStart } from "./StartTime.ts"
import { measureThroughput } from "./Throughput.ts"

const built = join(Machine.root, "dist", "main.js")

/** Runs the benchmark and returns its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const command = parse(args)
    if (command.kind === "help") console.log(usage)
    if (command.kind === "list") list()
    return command.kind === "measure" ? await run(command.options) : 0
  } catch (error) {
    console.error(error instanceof UsageError ? `${error.message}\n\n${usage}` : error)
    return error instanceof UsageError ? 2 : 1
  }
}

async function run(options: Options): Promise<number> {
  if (process.platform !== "linux") throw new Error("the accounting is read from /proc: Linux only")
  stopEverythingAtExit()
  const chosen = chooseRows(options.rows)
  const tools = Machine.findTools()
  const every = catalogue(tools, options.against)
  const wanted = chooseContenders(every, options)
  const contenders = wanted.filter((contender) => contender.missing === null)
  for (const tool of tools.values()) {
    if (tool.path === null) progress(`without ${tool.name} (${tool.purpose}): ${tool.install}`)
  }
  for (const { name, missing } of wanted) if (missing !== null) progress(`without ${name}: ${missing}`)
  if (isStale(built, join(Machine.root, "src"))) progress("dist/main.js is older than src: npm run build")

  const loadBefore = Machine.load()
  const cores = Machine.divideCores(tools.get("taskset"))
  const origins = await startOrigins(tools.get("nginx"), cores)
  const session: Session = { options, tools, contenders, cores, origins, progress }
  const { results, failed } = await measureAll(session, chosen)

  const verdicts = options.withoutOurs ? [] : judge(results)
  const report = render(
    {
      date: new Date().toISOString().slice(0, 16).replace("T", " ").concat(" UTC"),
      machine: Machine.describeMachine(),
      versions: versions(contenders, tools),
      method: method(options, cores),
      loadBefore
    },
    results,
    verdicts
  )
  console.log(report)
  if (options.save) writeFileSync(join(Machine.root, "bench", "RESULTS.md"), report)
  const incomplete = failed || wanted.some((one) => one.name === ours && one.missing !== null)
  if (incomplete || results.some(({ entries }) => entries.some((entry) => entry.problem !== null))) return 1
  return options.check && verdicts.some(isFarMissed) ? 3 : 0
}

async function measureAll(session: Session, chosen: readonly Row[]) {
  const results: RowResult[] = []
  let failed = false
  for (const row of chosen) {
    try {
      results.push(await measureRow(session, row))
    } catch (error) {
      progress(`${row.id} cannot be measured: ${error instanceof Error ? error.message : error}`)
      failed = true
    }
  }
  return { results, failed }
}

function measureRow(session: Session, row: Row): Promise<RowResult> {
  switch (row.kind) {
    case "throughput":
      return measureThroughput(session, row)
    case "idle":
      return measureIdle(session, row)
    case "slow":
      return measureSlow(session, row)
    case "start":
      return measureStart(session, row)
  }
}

function catalogue(tools: ReadonlyMap<Machine.ToolName, Machine.Tool>, against: string | null): readonly Contender[] {
  return [
    pingap(ours, built, Machine.commit()),
    ...(against === null ? [] : [pingap("against", resolve(against), against)]),
    nginx(tools.get("nginx")!),
    haproxy(tools.get("haproxy")!),
    caddy(tools.get("caddy")!),
    nodePeer("@fastify/http-proxy", "fastify-http-proxy.mjs"),
    nodePeer("http-proxy-3", "http-proxy-3.mjs")
  ]
}

function chooseContenders(every: readonly Contender[], { peers, withoutOurs }: Options): readonly Contender[] {
  const own = (name: string) => name === ours || name === "against"
  for (const name of peers ?? []) {
    if (!every.some((contender) => contender.name === name)) throw new UsageError(`there is no peer "${name}"`)
  }
  return every.filter(({ name }) => (own(name) ? !withoutOurs : peers === null || peers.includes(name)))
}

function chooseRows(ids: readonly string[] | null): readonly Row[] {
  if (ids === null) return rows.filter((row) => row.byDefault)
  if (ids.includes("all")) return rows
  const unknown = ids.find((id) => !rows.some((row) => row.id === id))
  if (unknown !== undefined) throw new UsageError(`there is no row "${unknown}"`)
  return rows.filter((row) => ids.includes(row.id))
}

function list(): void {
  for (const row of rows) console.log(`${row.id.padEnd(12)}${row.title}${row.byDefault ? "" : " (off by default)"}`)
  console.log()
  for (const { name, version, missing } of catalogue(Machine.findTools(), null)) {
    console.log(`${name.padEnd(22)}${missing ?? version}`)
  }
}

function versions(contenders: readonly Contender[], tools: ReadonlyMap<Machine.ToolName, Machine.Tool>): string[] {
  const generators = [tools.get("wrk")!, tools.get("h2load")!].filter((tool) => tool.path !== null)
  return [...contenders, ...generators].map(({ name, version }) => `${name} ${version}`)
}

function method({ rounds, seconds }: Options, { proxy, rest }: Machine.Cores): string {
  const pinned = proxy === null ? "not pinned" : `proxy on core ${proxy}, load and origin on ${rest}`
  return `${rounds} interleaved rounds of ${seconds} s, 32 connections unless the row says otherwise, ${pinned}`
}

function progress(text: string): void {
  console.error(`bench: ${text}`)
}
