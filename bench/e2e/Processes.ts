/**
 * Everything the benchmark starts, and its end. Each process is known by its id and start time; all of them, with
 * their children, and the temporary directory are gone when the benchmark ends, whichever way it ends: return,
 * exception, Ctrl-C, SIGTERM.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { isAlive, type ProcessId, processTree } from "./Accounting.ts"

/** A command line with what it needs around it. */
export interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** A started process. `output` is the file with what it printed. */
export interface Running {
  readonly name: string
  readonly pid: number
  readonly output: string
  readonly child: ChildProcess
}

const running = new Set<Running>()
let directory: string | null = null

/** The directory of everything the benchmark writes except its report; removed at the end. */
export function temporaryDirectory(): string {
  directory ??= mkdtempSync(join(tmpdir(), "pingap-bench-"))
  return directory
}

/** Installs the clean-up. Call once, before the first {@link start}. */
export function stopEverythingAtExit(): void {
  process.on("exit", () => {
    for (const one of running) signalAll(processTree(one.pid), "SIGKILL")
    if (directory !== null) rmSync(directory, { recursive: true, force: true })
  })
  // One exit path: `exit` runs the handler above. npm and the launcher both pass Ctrl-C on, hence `on`, not `once`.
  for (const [signal, code] of [["SIGINT", 130] as const, ["SIGTERM", 143] as const, ["SIGHUP", 129] as const]) {
    process.on(signal, () => process.exit(code))
  }
}

/** Starts a process, on the given cores when `cores` is not null. */
export function start(name: string, launch: Launch, cores: string | null): Running {
  const output = join(temporaryDirectory(), `${name.replaceAll(/[^\w.-]/g, "_")}.out`)
  const file = openSync(output, "w")
  const [command, args] =
    cores === null ? [launch.command, launch.args] : ["taskset", ["-c", cores, launch.command, ...launch.args]]
  const child = spawn(command, [...args], {
    cwd: temporaryDirectory(),
    env: { PATH: process.env.PATH ?? "", HOME: temporaryDirectory(), ...launch.env },
    stdio: ["ignore", file, file]
  })
  closeSync(file)
  if (child.pid === undefined) {
    child.on("error", () => {})
    throw new Error(`${name}: ${command} cannot be started`)
  }
  const started = { name, pid: child.pid, output, child }
  running.add(started)
  return started
}

/** Whether the process has not ended. */
export function isRunning(one: Running): boolean {
  return one.child.exitCode === null && one.child.signalCode === null
}

/** The last lines a process printed, for error messages. */
export function lastOutput(one: Running): string {
  return readFileSync(one.output, "utf8").trim().split("\n").slice(-6).join("\n")
}

/** Ends a process politely, then firmly, and its children with it. Returns when all are gone. */
export async function stop(one: Running, graceMillis = 3000): Promise<void> {
  const tree = processTree(one.pid)
  if (isRunning(one)) one.child.kill("SIGTERM")
  const deadline = performance.now() + graceMillis
  while (tree.some(isAlive) && performance.now() < deadline) await sleep(10)
  signalAll(tree, "SIGKILL")
  while (isRunning(one)) await sleep(5)
  running.delete(one)
}

/** A TCP port of loopback that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}

function signalAll(processes: readonly ProcessId[], signal: NodeJS.Signals): void {
  for (const one of processes) {
    if (!isAlive(one)) continue
    try {
      process.kill(one.pid, signal)
    } catch {
      // It ended between the question and the signal.
    }
  }
}
