/**
 * The origins behind every contender, on the cores of the load generator. nginx serves fixed bodies when it is
 * installed (it costs least, so the proxy gets most of the pressure); the bare-socket origin takes what has a body to
 * read or is generated, and everything where there is no nginx.
 */
import { mkdirSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { frame } from "./contender/Nginx.ts"
import { type Cores, root, type Tool } from "./Machine.ts"
import { freePort, type Running, start, temporaryDirectory } from "./Processes.ts"
import { firstAnswer } from "./RunningProxy.ts"

/** A started origin. `GET /bytes/N` answers N bytes of text, any other path 60. */
export interface Origin {
  readonly port: number
  readonly process: Running
}

/** Both origins; the same one twice without nginx. */
export interface Origins {
  /** For requests without a body. */
  readonly fixed: Origin
  /** Reads request bodies to their end before it answers; generates bodies of any size. */
  readonly streaming: Origin
}

/** Body sizes that exist as files of the nginx origin. */
const fileSizes = [10_240, 1_048_576] as const

/** Starts the origins and waits until they answer. */
export async function startOrigins(nginx: Tool | undefined, cores: Cores): Promise<Origins> {
  const streaming = await startStreaming()
  return { streaming, fixed: nginx?.path == null ? streaming : await startNginx(nginx.path, cores) }
}

async function startStreaming(): Promise<Origin> {
  const port = await freePort()
  const args = [join(root, "bench", "peers", "origin.mjs"), String(port)]
  const running = start("origin", { command: process.execPath, args }, null)
  await firstAnswer(running, port, "/bytes/60", 10_000)
  return { port, process: running }
}

async function startNginx(command: string, cores: Cores): Promise<Origin> {
  const port = await freePort()
  const directory = join(temporaryDirectory(), "origin-nginx")
  mkdirSync(join(directory, "tmp"), { recursive: true })
  mkdirSync(join(directory, "bytes"))
  for (const size of fileSizes) {
    writeFileSync(join(directory, "bytes", String(size)), "")
    truncateSync(join(directory, "bytes", String(size)), size)
  }
  const configuration = frame(directory, Math.min(2, cores.restCount), [
    "access_log off;",
    "sendfile on;",
    "tcp_nopush on;",
    "open_file_cache max=100 inactive=600s;",
    `server { listen 127.0.0.1:${port} reuseport backlog=4096;`,
    `  location / { return 200 "${"x".repeat(60)}"; }`,
    `  location = /bytes/60 { return 200 "${"x".repeat(60)}"; }`,
    `  location /bytes/ { root ${directory}; }`,
    "}"
  ])
  writeFileSync(join(directory, "nginx.conf"), configuration)
  const args = ["-p", directory, "-e", "stderr", "-c", join(directory, "nginx.conf")]
  const running = start("origin-nginx", { command, args }, null)
  await firstAnswer(running, port, "/bytes/60", 10_000)
  return { port, process: running }
}
