/**
 * The program under test: started as a user would start it, on its own core, with the probe inside; its log is read as
 * it is written.
 */
import { closeSync, openSync, readSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { join } from "node:path"
import { isRunning, lastOutput, type Running, start, stop, temporaryDirectory } from "../e2e/Processes.ts"
import { until } from "./Clock.ts"
import type { Session } from "./Drill.ts"
import type { ProbeAnswers } from "./Probe.ts"

const START_MILLIS = 30_000
const probeFile = join(import.meta.dirname, "Probe.ts")

export interface ProgramOptions {
  /** The value of `-c`. */
  readonly conf: string
  /** Whether it follows its configuration (`--autoreload`). */
  readonly follows: boolean
  /** Port of the etcd that holds the configuration, or 0. */
  readonly etcdPort: number
  /** The server whose listening means that it has started. */
  readonly server: string
}

/** A reload that the log tells of. */
export interface Applied {
  /** When the line was written, in milliseconds since 1970. */
  readonly at: number
  /** What the line says that applying took. */
  readonly tookMillis: number
}

let started = 0

export class Program {
  readonly process: Running
  /** Everything logged so far, after {@link read}. */
  log = ""
  private readonly file: number
  private readonly chunk = Buffer.alloc(64 * 1024)
  private offset = 0
  private partial: Buffer = Buffer.alloc(0)
  private readonly probePath: string
  private probe: Socket | null = null

  private constructor(process: Running, probePath: string) {
    this.process = process
    this.probePath = probePath
    this.file = openSync(process.output, "r")
  }

  /** Starts it and waits until it listens. */
  static async start({ cores, main }: Session, options: ProgramOptions): Promise<Program> {
    const name = `program-${++started}`
    const probePath = join(temporaryDirectory(), `${name}.sock`)
    const path = options.conf.split("?", 1)[0]!
    const args = ["--expose-gc", "--import", probeFile, main, "-c", options.conf]
    const env = {
      NODE_ENV: "production",
      PINGAP_DRILL_SOCKET: probePath,
      PINGAP_DRILL_PLACE: options.etcdPort > 0 ? "" : path,
      PINGAP_DRILL_ETCD: String(options.etcdPort)
    }
    const launch = { command: process.execPath, args: options.follows ? [...args, "--autoreload"] : args, env }
    const program = new Program(start(name, launch, cores.proxy), probePath)
    try {
      const listening = new RegExp(`listening server=${options.server} |listening .*server=${options.server}\\b`)
      await program.says(listening, START_MILLIS)
    } catch (error) {
      await program.stop()
      throw error
    }
    return program
  }

  /** Takes in what was logged meanwhile. */
  read(): string {
    while (true) {
      const length = readSync(this.file, this.chunk, 0, this.chunk.length, this.offset)
      if (length === 0) return this.log
      this.offset += length
      this.partial = Buffer.concat([this.partial, this.chunk.subarray(0, length)])
      // Whole lines only: a reader must not see the half of one.
      const end = this.partial.lastIndexOf(0x0a) + 1
      this.log += this.partial.toString("utf8", 0, end)
      this.partial = this.partial.subarray(end)
    }
  }

  /** How often the log has this. */
  count(pattern: RegExp): number {
    return [...this.read().matchAll(new RegExp(pattern, "gm"))].length
  }

  /** Waits until the log has this and returns the match. */
  says(pattern: RegExp, deadlineMillis = 10_000): Promise<RegExpExecArray> {
    return until(
      () => {
        if (!isRunning(this.process)) throw new Error(`the program ended: ${lastOutput(this.process)}`)
        return pattern.exec(this.read()) ?? undefined
      },
      deadlineMillis,
      () => `${pattern} in the log, which ends with: ${lastOutput(this.process)}`
    )
  }

  /** Every reload so far. */
  get applied(): readonly Applied[] {
    const lines = this.read().matchAll(/^(\S+) INFO configuration is applied .*took=(\d+)ms/gm)
    return Array.from(lines, ([, at, took]) => ({ at: Date.parse(at!), tookMillis: Number(took) }))
  }

  /** Waits for the `count`-th reload. */
  applies(count: number, deadlineMillis = 10_000): Promise<Applied> {
    return until(
      () => this.applied[count - 1],
      deadlineMillis,
      () => `reload ${count}; the log ends with: ${lastOutput(this.process)}`
    )
  }

  /** Asks the probe. One question at a time. */
  async ask<Q extends keyof ProbeAnswers>(question: Q): Promise<ProbeAnswers[Q]> {
    this.probe ??= await open(this.probePath)
    const socket = this.probe
    return await new Promise((resolve, reject) => {
      let text = ""
      const onData = (chunk: Buffer): void => {
        text += chunk.toString("utf8")
        if (!text.endsWith("\n")) return
        socket.off("data", onData).off("close", onClose)
        resolve(JSON.parse(text))
      }
      const onClose = (): void => reject(new Error(`the program ended: ${lastOutput(this.process)}`))
      socket.on("data", onData).on("close", onClose)
      socket.write(`${question}\n`)
    })
  }

  signal(signal: NodeJS.Signals): void {
    this.process.child.kill(signal)
  }

  /** Ends it. */
  async stop(): Promise<void> {
    this.probe?.destroy()
    await stop(this.process)
    closeSync(this.file)
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once("error", reject)
    socket.once("connect", () => {
      socket.off("error", reject).on("error", () => {})
      resolve(socket)
    })
  })
}

/**
 * So many ports of loopback that were free a moment ago, below the range from which the system takes ports for outgoing
 * connections: the program's port has to stay free until it listens.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = 12_000 + Math.floor(Math.random() * 20_000)
    if (!ports.has(port) && (await isFree(port))) ports.add(port)
  }
  return [...ports]
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })
}
