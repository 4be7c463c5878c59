/**
 * Load generators as functions: wrk for HTTP/1.1, h2load for HTTP/2. Both run a closed loop (each connection sends its
 * next request when the last answer is complete), so their latencies describe a saturated proxy, not a quiet one.
 * They inherit this process's cores.
 */
import { spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Route } from "./Contender.ts"
import { temporaryDirectory } from "./Processes.ts"

/** What each request of a row looks like. */
export interface Requests {
  readonly connections: number
  readonly path: string
  /** Bytes of request body; 0 sends GET, more sends POST. */
  readonly bodyBytes: number
  /** Cycles through these instead of `path`. */
  readonly routes: readonly Route[] | null
  /** Concurrent streams per connection over HTTP/2, or 0 for HTTP/1.1. */
  readonly streams: number
}

/** What a generator saw. */
export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  /** Bytes received, heads included. */
  readonly bytes: number
  readonly p50Millis: number
  readonly p99Millis: number
  /** Answers of status 400 and up, failed connections, reads, writes and timeouts. */
  readonly errors: number
}

/** A generator's command line and the reader of its output. */
export interface Generator {
  readonly command: string
  readonly args: (port: number, seconds: number) => readonly string[]
  readonly parse: (output: string) => LoadResult
}

/** Runs a generator, `wrapper` (another command line) around it if given. */
export async function generate(
  generator: Generator,
  port: number,
  seconds: number,
  wrapper: readonly string[] = []
): Promise<LoadResult> {
  const [command, ...args] = [...wrapper, generator.command, ...generator.args(port, seconds)]
  const child = spawn(command!, args, { stdio: ["ignore", "pipe", "pipe"], timeout: (seconds + 30) * 1000 })
  let output = ""
  child.stdout.on("data", (chunk) => (output += chunk))
  child.stderr.on("data", (chunk) => (output += chunk))
  const stopAtExit = () => child.kill("SIGKILL")
  process.once("exit", stopAtExit)
  const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve))
  process.off("exit", stopAtExit)
  if (code !== 0) throw new Error(`${command} failed (${code}): ${output.trim().slice(-300)}`)
  return generator.parse(output)
}

/** wrk, told what to send and how to report by a script. */
export function wrk(path: string, threads: number, requests: Requests): Generator {
  const script = join(temporaryDirectory(), `wrk-${++scripts}.lua`)
  writeFileSync(script, `${requests.routes === null ? single(requests) : cycle(requests.routes)}\n${report}`)
  return {
    command: path,
    args: (port, seconds) => [
      ...["-t", String(threads), "-c", String(requests.connections), "-d", `${seconds}s`, "--timeout", "10s"],
      ...["-s", script, "--latency", `http://127.0.0.1:${port}${requests.path}`]
    ],
    parse: (output) => {
      const line = /^@@ (.*)$/m.exec(output)?.[1]
      if (line === undefined) throw new Error(`wrk reported nothing: ${output.trim().slice(-300)}`)
      const [requests, micros, bytes, p50, p99, ...errors] = line.split(" ").map(Number) as [number, ...number[]]
      return {
        requests,
        seconds: micros! / 1e6,
        bytes: bytes!,
        p50Millis: p50! / 1000,
        p99Millis: p99! / 1000,
        errors: errors.reduce((sum, count) => sum + count, 0)
      }
    }
  }
}

let scripts = 0

const report = `
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("\\n@@ %d %d %d %d %d %d %d %d %d %d\\n", summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99), e.connect, e.read, e.write, e.status, e.timeout))
end
`

function single({ bodyBytes }: Requests): string {
  return bodyBytes === 0 ? "" : `wrk.method = "POST"\nwrk.body = string.rep("x", ${bodyBytes})`
}

// Requests are built once; a stride coprime to their number visits all of them far from order.
function cycle(routes: readonly Route[]): string {
  const list = routes.map(({ host, path }) => `{"${host}","${path}item"}`).join(",")
  return `local routes = {${list}}
local built, at = {}, 0
init = function()
  for i, r in ipairs(routes) do built[i] = wrk.format("GET", r[2], { Host = r[1] }) end
end
request = function()
  at = (at + 7919) % #built
  return built[at + 1]
end`
}

/** h2load with prior knowledge. Its text report is the only one it has. */
export function h2load(path: string, threads: number, requests: Requests): Generator {
  return {
    command: path,
    args: (port, seconds) => [
      ...["-t", String(threads), "-c", String(requests.connections), "-m", String(requests.streams)],
      ...["-D", String(seconds), `http://127.0.0.1:${port}${requests.path}`]
    ],
    parse: (output) => {
      const time = /finished in ([\d.]+)(ms|s)/.exec(output)
      const counts = /requests: \d+ total, \d+ started, (\d+) done/.exec(output)
      const succeeded = /status codes: (\d+) 2xx/.exec(output)
      const traffic = /traffic: .*?\((\d+)\) total/.exec(output)
      if (time === null || counts === null || succeeded === null || traffic === null) {
        throw new Error(`h2load reported nothing: ${output.trim().slice(-300)}`)
      }
      const requests = Number(counts[1])
      return {
        requests,
        seconds: Number(time[1]) / (time[2] === "ms" ? 1000 : 1),
        bytes: Number(traffic[1]),
        p50Millis: Number.NaN,
        p99Millis: Number.NaN,
        errors: requests - Number(succeeded[1])
      }
    }
  }
}
