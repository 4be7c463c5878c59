// Starts the built program on conf/ as a user would, asks it a few things, and stops it: node .ci/smoke.mjs
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { request } from "node:http"
import { dirname } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))))

const ask = (path, headers = {}) =>
  new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port: 6188, path, headers, agent: false }, (response) => {
      let body = ""
      response.setEncoding("utf8").on("data", (text) => (body += text))
      response.on("end", () => resolve(body)).on("error", reject)
    })
    asked.on("error", reject).end()
  })

const EXPECTED = [
  ["proxied", "hello from the upstream", "/"],
  ["ping", "pong", "/ping"],
  ["directory", "Hello from conf/www", "/files/hello.txt"],
  ["second host, rewritten", "grace", "/v1/users", { Host: "api.example.com" }],
  ["without a password", "Authorization is missing", "/private", { Host: "api.example.com" }],
  ["with a password", "you are in", "/private", { Host: "api.example.com", Authorization: "Basic YWRtaW46c2VjcmV0" }]
]

const check = spawnSync(process.execPath, ["dist/main.js", "-t", "--strict", "-c", "conf"], { stdio: "inherit" })
if (check.status !== 0) process.exit(1)

const program = spawn(process.execPath, ["dist/main.js", "-c", "conf"], { stdio: "inherit" })
const ended = once(program, "exit")
// Started with an older Node, the program is a child of this child: only a signal that is passed on ends both.
process.on("exit", () => program.exitCode ?? program.kill("SIGTERM"))
for (let i = 0; i < 100 && program.exitCode === null; i++) {
  if ((await ask("/ping").catch(() => "")) !== "") break
  await sleep(100)
}
for (const [what, wanted, path, headers] of EXPECTED) {
  const got = await ask(path, headers).catch((error) => error.message)
  if (!got.includes(wanted)) {
    console.error(`smoke: ${what}: wanted '${wanted}', got '${got}'`)
    process.exit(1)
  }
  console.log(`smoke: ${what}: ok`)
}
program.kill("SIGTERM")
const [code] = await ended
console.log(code === 0 ? "smoke: stopped gracefully" : `smoke: ended with ${code}`)
process.exitCode = code
