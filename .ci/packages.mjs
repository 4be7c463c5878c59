/**
 * Installs the Debian packages that tests start servers from, as far as this machine allows it: root on Debian with a
 * network. What is missing afterwards is named, and its tests are skipped.
 */
import { execFileSync } from "node:child_process"
import { existsSync, rmSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"

/** Program on the path, and the package it comes in. */
const PACKAGES = { etcd: "etcd-server" }

const isInstalled = (program) =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => folder !== "" && existsSync(join(folder, program)))

const missing = Object.keys(PACKAGES).filter((program) => !isInstalled(program))
if (missing.length > 0 && process.getuid?.() === 0 && isInstalled("apt-get"))
  install(missing.map((name) => PACKAGES[name]))
for (const program of Object.keys(PACKAGES)) {
  if (!isInstalled(program))
    console.log(`${program} is not installed (Debian: ${PACKAGES[program]}): its tests are skipped`)
}

function install(names) {
  // Tests start the servers themselves; the packages must not.
  const policy = "/usr/sbin/policy-rc.d"
  const isOurs = !existsSync(policy)
  if (isOurs) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 })
  const options = { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } }
  try {
    console.log(`installing ${names.join(", ")}`)
    try {
      execFileSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...names], options)
    } catch {
      // The list of packages may be old or missing.
      execFileSync("apt-get", ["update", "-qq"], options)
      execFileSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...names], options)
    }
  } catch (error) {
    console.log(
      `could not be installed: ${String(error.stderr ?? error.message)
        .trim()
        .split("\n")
        .at(-1)}`
    )
  } finally {
    if (isOurs) rmSync(policy, { force: true })
  }
}
