#!/usr/bin/env node
/**
 * Process entry. Loads nothing before it knows that this Node can run the rest: an older one hands over to the
 * release that the checkout pins, or says which version is needed.
 */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import * as modules from "node:module"
import { constants } from "node:os"

const NEEDED = [22, 19] as const

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) {
  // Compiled code is kept between starts; a directory that cannot be written only costs time.
  modules.enableCompileCache?.()
  const { run } = await import("./cli/Cli.ts")
  run(process.argv.slice(2))
} else {
  const pinned = pinnedNode()
  if (pinned === undefined) {
    tooOld()
  } else {
    const child = spawn(pinned, process.argv.slice(1), { stdio: "inherit" })
    for (const signal of ["SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR2"] as const) {
      process.on(signal, () => child.kill(signal))
    }
    // Installed, and yet not for this machine: another libc, a folder that forbids programs.
    child.on("error", () => tooOld())
    child.on("exit", (code, signal) => {
      process.exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal])
    })
  }
}

function tooOld(): void {
  console.error(`pingap needs Node ${NEEDED.join(".")} or newer; this is ${process.versions.node}`)
  process.exitCode = 1
}

function pinnedNode(): string | undefined {
  const platform = process.platform === "win32" ? "win" : process.platform
  try {
    const manifest = modules.createRequire(import.meta.url).resolve(`node-${platform}-${process.arch}/package.json`)
    const binary = manifest.replace(/package\.json$/, platform === "win" ? "bin/node.exe" : "bin/node")
    return existsSync(binary) ? binary : undefined
  } catch {
    return undefined
  }
}
