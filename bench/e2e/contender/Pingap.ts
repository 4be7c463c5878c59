/** This project's program, from `dist/` or from another build of it, on the Node that runs the benchmark. */
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { freeze } from "../Build.ts"
import type { Contender, Setting } from "../Contender.ts"

/** The name of the program under test in tables and budget. */
export const ours = "pingap-effect"

/** The contender for one built `main.js`; its first start freezes the build. */
export function pingap(name: string, main: string, version: string): Contender {
  let frozen: string | null = null
  return {
    name,
    version,
    missing: existsSync(main) ? null : `${main} does not exist: npm run build`,
    abilities: new Set(["accessLog", "routes", "forwarded", "http2"]),
    prepare: (setting) => {
      const file = join(setting.directory, "pingap.toml")
      writeFileSync(file, configuration(setting))
      frozen ??= freeze(name, main)
      return { command: process.execPath, args: [frozen, "-c", file], env: { NODE_ENV: "production" } }
    }
  }
}

function configuration({ port, originPort, accessLog, routes, forwarded, http2 }: Setting): string {
  const locations = new Map<string, string>([["ping", `path = "=/ping"\nplugins = ["pingap:ping"]`]])
  const proxied = `upstream = "origin"\nenable_reverse_proxy_headers = ${forwarded}`
  if (routes === null) locations.set("all", proxied)
  for (const [i, { host, path }] of (routes ?? []).entries()) {
    locations.set(`l${i}`, `host = "${host}"\npath = "${path}"\n${proxied}`)
  }
  const server = [
    `addr = "127.0.0.1:${port}"`,
    `locations = [${[...locations.keys()].map((name) => `"${name}"`).join(", ")}]`,
    http2 ? "enabled_h2 = true" : "",
    accessLog === null ? "" : `access_log = "${accessLog}?rolling=never combined"`
  ]
  return [
    `[basic]\nthreads = 1\nlog_level = "error"\nupstream_keepalive_pool_size = 128`,
    `[upstreams.origin]\naddrs = ["127.0.0.1:${originPort}"]`,
    ...[...locations].map(([name, text]) => `[locations.${name}]\n${text}`),
    `[servers.bench]\n${server.filter((line) => line !== "").join("\n")}`
  ].join("\n\n")
}
