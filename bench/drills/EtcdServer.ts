/** A real etcd of one member on loopback, which can be killed and started again on the same data. */
import { request } from "node:http"
import { join } from "node:path"
import { type Running, start, stop, temporaryDirectory } from "../e2e/Processes.ts"
import { until } from "./Clock.ts"
import type { Session } from "./Drill.ts"
import { freePorts } from "./Program.ts"

const START_MILLIS = 15_000
const ANSWER_MILLIS = 5_000

let servers = 0

export class EtcdServer {
  readonly port: number
  private readonly command: string
  private readonly peerPort: number
  private readonly name = `etcd-${++servers}`
  private lives = 0
  private process: Running | null = null

  private constructor(command: string, port: number, peerPort: number) {
    this.command = command
    this.port = port
    this.peerPort = peerPort
  }

  /** A new etcd that answers. */
  static async start({ etcd }: Session): Promise<EtcdServer> {
    if (etcd?.path == null) throw new Error("etcd is not installed")
    const [port, peerPort] = await freePorts(2)
    const server = new EtcdServer(etcd.path, port!, peerPort!)
    await server.start()
    return server
  }

  /** Starts it, again on the same data. */
  async start(): Promise<void> {
    const client = `http://127.0.0.1:${this.port}`
    const peer = `http://127.0.0.1:${this.peerPort}`
    const args = [
      ...["--name", "d", "--data-dir", join(temporaryDirectory(), this.name)],
      ...["--listen-client-urls", client, "--advertise-client-urls", client],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `d=${peer}`]
    ]
    this.process = start(`${this.name}-${++this.lives}`, { command: this.command, args }, null)
    const isHealthy = (): Promise<true | undefined> =>
      this.ask("GET", "/health", undefined).then(
        (text) => (text.includes("true") ? true : undefined),
        () => undefined
      )
    await until(isHealthy, START_MILLIS, () => "etcd answers", 10)
  }

  /** Ends it without a word to anybody, and returns when it is gone. */
  async kill(): Promise<void> {
    const { process } = this
    this.process = null
    if (process === null) return
    process.child.kill("SIGKILL")
    await stop(process)
  }

  async put(key: string, value: string): Promise<void> {
    await this.post("/v3/kv/put", { key: base64(key), value: base64(value) })
  }

  /** Sets keys in one transaction. */
  async putAll(entries: readonly (readonly [key: string, value: string])[]): Promise<void> {
    const success = entries.map(([key, value]) => ({ request_put: { key: base64(key), value: base64(value) } }))
    await this.post("/v3/kv/txn", { success })
  }

  async remove(key: string): Promise<void> {
    await this.post("/v3/kv/deleterange", { key: base64(key) })
  }

  /** Everything below a prefix. */
  async entries(prefix: string): Promise<readonly (readonly [key: string, value: string])[]> {
    const end = Buffer.from(prefix)
    end[end.length - 1]! += 1
    const text = await this.post("/v3/kv/range", { key: base64(prefix), range_end: end.toString("base64") })
    const { kvs = [] } = JSON.parse(text) as { kvs?: readonly { key: string; value?: string }[] }
    return kvs.map(({ key, value = "" }) => [fromBase64(key), fromBase64(value)])
  }

  private post(path: string, body: object): Promise<string> {
    return this.ask("POST", path, JSON.stringify(body))
  }

  private ask(method: string, path: string, body: string | undefined): Promise<string> {
    return new Promise((resolve, reject) => {
      const asked = request({ host: "127.0.0.1", port: this.port, method, path, agent: false, timeout: ANSWER_MILLIS })
      asked.on("error", reject)
      asked.on("timeout", () => asked.destroy(new Error(`etcd does not answer ${path}`)))
      asked.on("response", (response) => {
        let text = ""
        response.setEncoding("utf8").on("data", (piece: string) => (text += piece))
        response.on("error", reject)
        response.on("end", () =>
          response.statusCode === 200 ? resolve(text) : reject(new Error(`etcd: ${response.statusCode} ${text}`))
        )
      })
      asked.end(body)
    })
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64")
}

function fromBase64(text: string): string {
  return Buffer.from(text, "base64").toString()
}
