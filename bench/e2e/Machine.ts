/**
 * The machine a run happens on: which tools it has, which Debian package brings the missing ones, how its cores are
 * divided, and how busy it is with other people's work. Installs nothing.
 */
import { spawnSync } from "node:child_process"
import { accessSync, constants, existsSync, readFileSync } from "node:fs"
import { availableParallelism, cpus, loadavg, release } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

/** The repository. */
export const root = fileURLToPath(new URL("../..", import.meta.url))

/** Cores of the machine that this process may use; taken before it pins itself to some of them. */
export const coreCount = availableParallelism()

/** A program the benchmark can use. */
export interface Tool {
  readonly name: string
  readonly path: string | null
  readonly version: string
  /** What to install when `path` is null. */
  readonly install: string
  readonly purpose: string
}

const known = [
  { name: "nginx", package: "nginx-light", purpose: "peer, and origin", version: ["-v"] },
  { name: "haproxy", package: "haproxy", purpose: "peer", version: ["-v"] },
  { name: "caddy", package: "caddy", purpose: "peer", version: ["version"] },
  { name: "wrk", package: "wrk", purpose: "load of the throughput rows", version: ["-v"] },
  { name: "h2load", package: "nghttp2-client", purpose: "load of the HTTP/2 row", version: ["--version"] },
  { name: "perf", package: "linux-perf", purpose: "system calls per request", version: ["--version"] },
  { name: "taskset", package: "util-linux", purpose: "pinning to cores", version: ["--version"] }
] as const

/** The name of a {@link Tool}. */
export type ToolName = (typeof known)[number]["name"]

/** Every tool, found or not. */
export function findTools(): ReadonlyMap<ToolName, Tool> {
  return new Map(
    known.map((tool) => {
      const path = find(tool.name)
      const version = path === null ? "" : firstVersion(path, tool.version)
      const install = `apt-get install ${tool.package}`
      return [tool.name, { name: tool.name, path, version, install, purpose: tool.purpose }]
    })
  )
}

/** The first executable of that name on the path or in the usual places of servers. */
export function find(name: string): string | null {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"]
  for (const folder of folders) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not here.
    }
  }
  return null
}

// nginx and wrk print their version on standard error; HAProxy and wrk add paragraphs.
function firstVersion(path: string, args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(path, [...args], { encoding: "utf8", timeout: 5000 })
  return /\d+\.\d+[\w.+-]*/.exec(`${stdout}\n${stderr}`)?.[0] ?? "unknown"
}

/** Which cores do what. Null means: not pinned. */
export interface Cores {
  /** The proxy under test, alone. */
  readonly proxy: string | null
  /** Load generator, origin and the benchmark itself. */
  readonly rest: string | null
  /** How many cores `rest` is. */
  readonly restCount: number
}

/** Gives the last core to the proxy and the others to the rest, and moves this process there; children inherit. */
export function divideCores(taskset: Tool | undefined): Cores {
  const unpinned = { proxy: null, rest: null, restCount: coreCount }
  if (coreCount < 2 || taskset?.path == null) return unpinned
  const rest = coreCount === 2 ? "0" : `0-${coreCount - 2}`
  const { status } = spawnSync(taskset.path, ["-a", "-c", "-p", rest, String(process.pid)])
  return status === 0 ? { proxy: String(coreCount - 1), rest, restCount: coreCount - 1 } : unpinned
}

/** One line about processor, cores and system. */
export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? "unknown processor"
  return `${model}, ${coreCount} cores, Linux ${release()}, Node ${process.versions.node}`
}

/** The one-minute load average. */
export function load(): number {
  return loadavg()[0]!
}

/** The commit that is checked out, with a mark when files differ from it; empty outside a checkout. */
export function commit(): string {
  const git = (...args: string[]) => spawnSync("git", ["-C", root, ...args], { encoding: "utf8" }).stdout?.trim() ?? ""
  const hash = git("rev-parse", "--short", "HEAD")
  return hash === "" ? "" : git("status", "--porcelain") === "" ? hash : `${hash} with changes`
}

/** The installed version of one of the benchmark's own npm packages, or null. */
export function packageVersion(name: string): string | null {
  const file = join(root, "bench", "node_modules", name, "package.json")
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version : null
}
