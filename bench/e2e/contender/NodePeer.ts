/** The proxies of the Node world, from the benchmark's own `node_modules`, on the Node that runs the benchmark. */
import { join } from "node:path"
import type { Contender } from "../Contender.ts"
import { packageVersion, root } from "../Machine.ts"

/** The contender for the package that `bench/peers/<script>` serves with. */
export function nodePeer(name: string, script: string): Contender {
  const version = packageVersion(name)
  return {
    name,
    version: version ?? "",
    missing: version === null ? "npm ci --prefix bench" : null,
    abilities: new Set(),
    prepare: ({ port, originPort }) => ({
      command: process.execPath,
      args: [join(root, "bench", "peers", script), String(port), String(originPort)],
      env: { NODE_ENV: "production" }
    })
  }
}
