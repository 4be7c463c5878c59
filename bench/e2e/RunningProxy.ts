/** A contender that runs: started with a row's settings, on the proxy's core, answering. */
import { mkdirSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Contender, Setting } from "./Contender.ts"
import type { Cores } from "./Machine.ts"
import { freePort, isRunning, lastOutput, type Running, start, stop, temporaryDirectory } from "./Processes.ts"

/** A running contender. */
export interface RunningProxy {
  readonly port: number
  readonly process: Running
  /** Milliseconds from its start to its first answer. */
  readonly startMillis: number
}

let started = 0

/** Starts a contender and waits for its first answer to `path`. Throws with the program's last output. */
export async function startProxy(
  contender: Contender,
  setting: Omit<Setting, "port" | "directory">,
  cores: Cores,
  path: string
): Promise<RunningProxy> {
  const port = await freePort()
  const name = `${contender.name}-${++started}`
  const directory = join(temporaryDirectory(), name.replaceAll(/[^\w.-]/g, "_"))
  mkdirSync(directory, { recursive: true })
  const launch = contender.prepare({ ...setting, port, directory })
  const before = performance.now()
  const process = start(name, launch, cores.proxy)
  try {
    const answered = await firstAnswer(process, port, path, 30_000, setting.http2)
    return { port, process, startMillis: answered - before }
  } catch (error) {
    await stop(process)
    throw error
  }
}

/** Asks every two milliseconds until a whole `200` answer arrives; returns that moment. */
export async function firstAnswer(
  process: Running,
  port: number,
  path: string,
  millis: number,
  http2 = false
): Promise<number> {
  const deadline = performance.now() + millis
  let last = "no answer"
  while (performance.now() < deadline) {
    if (!isRunning(process)) throw new Error(`${process.name} ended: ${lastOutput(process)}`)
    // Over HTTP/2 any bytes from the server will do: they are its SETTINGS.
    const answer = await ask(port, path, http2)
    if (http2 ? answer !== "" : / 200 /.test(answer.slice(0, 16))) return performance.now()
    if (answer !== "") last = answer.split("\r\n", 1)[0]!
    await sleep(2)
  }
  throw new Error(`${process.name} did not answer ${path} in ${millis} ms (${last}): ${lastOutput(process)}`)
}

function ask(port: number, path: string, http2: boolean): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    let text = ""
    socket.setTimeout(5000, () => socket.destroy())
    socket.on("error", () => {})
    socket.on("close", () => resolve(text))
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1")
      if (http2) socket.destroy()
    })
    if (http2) socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1")
    else socket.write(`GET ${path} HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n`)
  })
}
