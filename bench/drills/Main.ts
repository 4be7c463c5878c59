/**
 * The run: decode the command line, freeze the build, drill after drill, print, save, judge. Exit codes: 0 every bar
 * met; 1 something could not be measured; 2 wrong command line; 3 a bar was missed.
 */
import { existsSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { freeze, isStale } from "../e2e/Build.ts"
import * as Machine from "../e2e/Machine.ts"
import { stopEverythingAtExit } from "../e2e/Processes.ts"
import type { Drill, Session } from "./Drill.ts"
import { bad } from "./drill/Bad.ts"
import { change } from "./drill/Change.ts"
import { collateral } from "./drill/Collateral.ts"
import { etcd } from "./drill/Etcd.ts"
import { live } from "./drill/Live.ts"
import { type Result, render } from "./Report.ts"

const drills: readonly Drill[] = [change, collateral, live, etcd, bad]

const usage = `usage: npm run drills -- [options]

  --only A,B     only these drills: ${drills.map(({ name }) => name).join(", ")}
  --main FILE    another build's main.js instead of dist/main.js
  --save         write bench/drills/RESULTS.md
  --help         this text
`

/** Runs the drills and returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const options = decode(args)
  if (typeof options === "string") {
    console.error(`${options}\n\n${usage}`)
    return 2
  }
  if (options.help) {
    console.log(usage)
    return 0
  }
  return await run(options)
}

interface Options {
  readonly chosen: readonly Drill[]
  readonly main: string
  readonly save: boolean
  readonly help: boolean
}

/** The options, or what is wrong with them. */
function decode(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        only: { type: "string" },
        main: { type: "string" },
        save: { type: "boolean", default: false },
        help: { type: "boolean", default: false }
      }
    })
    const names = values.only?.split(",") ?? drills.map(({ name }) => name)
    const unknown = names.find((name) => !drills.some((drill) => drill.name === name))
    if (unknown !== undefined) return `there is no drill "${unknown}"`
    const main = resolve(values.main ?? join(Machine.root, "dist", "main.js"))
    if (!existsSync(main)) return `${main} does not exist: npm run build`
    return { chosen: drills.filter(({ name }) => names.includes(name)), main, save: values.save, help: values.help }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function run({ chosen, main, save }: Options): Promise<number> {
  if (process.platform !== "linux") {
    console.error("the figures are read from /proc: Linux only")
    return 1
  }
  stopEverythingAtExit()
  const tools = Machine.findTools()
  const etcdPath = Machine.find("etcd")
  const install = "apt-get install etcd-server"
  if (etcdPath === null) progress(`without etcd: ${install}`)
  if (isStale(main, join(Machine.root, "src"))) progress("the build is older than src: npm run build")
  const loadBefore = Machine.load()
  const cores = Machine.divideCores(tools.get("taskset"))
  const session: Session = {
    main: freeze("drills", main),
    cores,
    etcd: etcdPath === null ? null : { name: "etcd", path: etcdPath, version: "", install, purpose: "configuration" },
    progress
  }
  const results: Result[] = []
  for (const drill of chosen) results.push(await measure(drill, session))
  const pinned = cores.proxy === null ? "not pinned" : `the program on core ${cores.proxy}, the rest on ${cores.rest}`
  const report = render(
    [
      `date: ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`,
      `machine: ${Machine.describeMachine()}`,
      `version: ${Machine.commit()}`,
      `method: ${pinned}; load is 50 kept-alive clients and 40 new connections a second`,
      `load average before the run ${loadBefore.toFixed(2)}`
    ],
    results
  )
  console.log(report)
  if (save) writeFileSync(join(import.meta.dirname, "RESULTS.md"), report)
  if (results.some(({ problem }) => problem !== null)) return 1
  return results.some(({ figures }) => figures.some(({ met }) => met === false)) ? 3 : 0
}

async function measure(drill: Drill, session: Session): Promise<Result> {
  const { name, title } = drill
  const begun = performance.now()
  const seconds = (): number => (performance.now() - begun) / 1000
  try {
    const figures = await drill.measure(session)
    return { drill: name, title, figures, problem: null, seconds: seconds() }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    progress(`${name} cannot be measured: ${error instanceof Error ? error.stack : error}`)
    return { drill: name, title, figures: [], problem, seconds: seconds() }
  }
}

function progress(text: string): void {
  console.error(`drills: ${text}`)
}
