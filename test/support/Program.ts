/**
 * The built program, run as a child as a user would. Standard output and error are collected; every wait has a
 * deadline, and a child that is left over is killed.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { existsSync, readdirSync, statSync } from "node:fs"
import { delimiter, join } from "node:path"
import { eventually } from "./RawClient.ts"

export const ROOT = join(import.meta.dirname, "../..")

const DEADLINE_MILLIS = 15_000

export interface ProgramOptions {
  /** Node to run it with; default: the one that runs the tests. */
  readonly node?: string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Script to run instead of the program. */
  readonly script?: string
}

export interface Ended {
  /** Exit code; -1 when a signal ended the process. */
  readonly code: number
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export class Program implements AsyncDisposable {
  stdout = ""
  stderr = ""
  readonly ended: Promise<Ended>
  private readonly child: ChildProcess

  private constructor(child: ChildProcess) {
    this.child = child
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text
    })
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text
    })
    this.ended = new Promise((resolve, reject) => {
      child.once("error", reject)
      child.once("close", (code, signal) =>
        resolve({ code: code ?? -1, signal, stdout: this.stdout, stderr: this.stderr })
      )
    })
  }

  /** Starts the program with these arguments and an environment without traces of this one. */
  static start(args: ReadonlyArray<string>, options: ProgramOptions = {}): Program {
    const { HOME = "", PATH = "", TMPDIR = "" } = process.env
    return new Program(
      spawn(options.node ?? process.execPath, [options.script ?? join(ROOT, "dist/main.js"), ...args], {
        cwd: options.cwd ?? ROOT,
        env: { HOME, PATH, ...(TMPDIR === "" ? {} : { TMPDIR }), ...options.env },
        stdio: ["ignore", "pipe", "pipe"]
      })
    )
  }

  /** Runs it to its end. */
  static async run(args: ReadonlyArray<string>, options: ProgramOptions = {}): Promise<Ended> {
    await using program = Program.start(args, options)
    return await program.end()
  }

  /** Waits for the end. */
  async end(): Promise<Ended> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`still running; ${this.output}`)), DEADLINE_MILLIS)
    })
    try {
      return await Promise.race([this.ended, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Waits until standard error has a line like this and returns the match. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    await eventually(
      () => pattern.test(this.stderr) || this.child.exitCode !== null,
      () => `${pattern}; ${this.output}`,
      DEADLINE_MILLIS
    )
    const match = pattern.exec(this.stderr)
    if (match === null) throw new Error(`ended without ${pattern}; ${this.output}`)
    return match
  }

  /** Waits until a server listens and returns its port. */
  async port(server: string): Promise<number> {
    const [, port] = await this.says(
      new RegExp(`listening.* server=${server} address=\\S*:(\\d+)|listening .*:(\\d+).* server=${server}`)
    )
    return Number(port)
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  private get output(): string {
    return `stdout: ${this.stdout}\nstderr: ${this.stderr}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGKILL")
    await this.ended
  }
}

/** Compiles the sources unless what is in dist/ is newer: `npm test` has done it, a single test file has not. */
export const ensureBuilt = (): void => {
  const built = join(ROOT, "dist/main.js")
  if (existsSync(built) && statSync(built).mtimeMs > newest(join(ROOT, "src"))) return
  execFileSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", join(ROOT, "tsconfig.json")])
}

const newest = (folder: string): number =>
  Math.max(
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs)
  )

/** A Node on this machine's path that is too old for the program, if there is one. */
export const oldNode = (): string | undefined => {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const node = join(folder, "node")
    if (!existsSync(node)) continue
    const [major = 0, minor = 0] = execFileSync(node, ["--version"], { encoding: "utf8" })
      .slice(1)
      .split(".")
      .map(Number)
    if (major < 22 || (major === 22 && minor < 19)) return node
  }
  return undefined
}
