/** HAProxy, one thread, with upstream connections shared between clients (`http-reuse always`). */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Contender, Setting } from "../Contender.ts"
import type { Tool } from "../Machine.ts"

/** The contender for an installed HAProxy. */
export function haproxy(tool: Tool): Contender {
  return {
    name: "haproxy",
    version: tool.version,
    missing: tool.path === null ? tool.install : null,
    abilities: new Set(["forwarded", "http2"]),
    prepare: (setting) => {
      const file = join(setting.directory, "haproxy.cfg")
      writeFileSync(file, configuration(setting))
      return { command: tool.path!, args: ["-db", "-q", "-f", file] }
    }
  }
}

function configuration({ port, originPort, forwarded, http2 }: Setting): string {
  const fields = [
    "  http-request set-header X-Real-IP %[src]",
    "  option forwardfor",
    "  http-request set-header X-Forwarded-Proto http",
    "  http-request set-header X-Forwarded-Host %[req.hdr(host)]",
    "  http-request set-header X-Forwarded-Port %[dst_port]"
  ]
  return [
    "global",
    "  nbthread 1",
    // It reserves two descriptors per connection and refuses to start without; idle connections need one.
    "  maxconn 11000",
    "  no strict-limits",
    "defaults",
    "  mode http",
    "  no log",
    "  option http-keep-alive",
    "  http-reuse always",
    "  timeout connect 5s",
    "  timeout client 600s",
    "  timeout server 600s",
    "  timeout http-keep-alive 600s",
    "frontend bench",
    `  bind 127.0.0.1:${port}${http2 ? " proto h2" : ""}`,
    ...(forwarded ? fields : []),
    `  http-request return status 200 content-type text/plain string pong if { path /ping }`,
    "  default_backend origin",
    "backend origin",
    `  server origin 127.0.0.1:${originPort} pool-max-conn 128`,
    ""
  ].join("\n")
}
