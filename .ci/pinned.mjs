// Runs a script on the Node release pinned in .ci/runtime, so that a checkout works whatever Node the machine has.
//   node .ci/pinned.mjs <package/path-or-./file> [arguments]
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { constants } from "node:os"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const platform = process.platform === "win32" ? "win" : process.platform
const binary = join(
  root,
  "node_modules",
  `node-${platform}-${process.arch}`,
  "bin",
  platform === "win" ? "node.exe" : "node"
)
const node = process.env.PINGAP_NODE ?? (existsSync(binary) ? binary : process.execPath)

const [script, ...args] = process.argv.slice(2)
if (script === undefined) {
  console.error("usage: node .ci/pinned.mjs <script> [arguments]")
  process.exit(2)
}
const nodeFlags = (process.env.PINGAP_NODE_FLAGS ?? "").split(" ").filter((flag) => flag !== "")
const file = script.startsWith(".") ? resolve(script) : join(root, "node_modules", script)
let child
const start = (program) => {
  child = spawn(program, [...nodeFlags, file, ...args], { stdio: "inherit" })
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
  child.on("error", (error) => {
    // The package is there, and its binary does not run here (another libc): the Node that is installed has to do.
    if (program === binary) start(process.execPath)
    else {
      console.error(`${program}: ${error.message}`)
      process.exit(1)
    }
  })
}
for (const signal of ["SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP"]) process.on(signal, () => child.kill(signal))
start(node)
