/** nginx, one worker, with the upstream keep-alive its documentation describes. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Contender, Route, Setting } from "../Contender.ts"
import type { Tool } from "../Machine.ts"

/** The contender for an installed nginx. */
export function nginx(tool: Tool): Contender {
  return {
    name: "nginx",
    version: tool.version,
    missing: tool.path === null ? tool.install : null,
    abilities: new Set(["accessLog", "routes", "forwarded", "http2"]),
    prepare: (setting) => {
      const file = join(setting.directory, "nginx.conf")
      mkdirSync(join(setting.directory, "tmp"), { recursive: true })
      writeFileSync(file, configuration(setting))
      return { command: tool.path!, args: ["-p", setting.directory, "-e", "stderr", "-c", file] }
    }
  }
}

/** The parts of an nginx configuration that proxy and origin share. */
export function frame(directory: string, workers: number, http: readonly string[]): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
  return [
    "daemon off;",
    process.getuid?.() === 0 ? "user root;" : "",
    `worker_processes ${workers};`,
    "worker_rlimit_nofile 24000;",
    `pid ${directory}/nginx.pid;`,
    "error_log stderr error;",
    "events { worker_connections 23000; }",
    "http {",
    ...temporary.map((name) => `  ${name}_temp_path ${directory}/tmp/${name};`),
    "  default_type text/plain;",
    "  keepalive_timeout 600s;",
    "  keepalive_requests 1000000000;",
    "  client_max_body_size 0;",
    ...http.map((line) => `  ${line}`),
    "}"
  ].join("\n")
}

// Its own access-log default is a write per request; ours buffers, so nginx gets a buffer as well, and the same fields.
// proxy_max_temp_file_size 0 keeps a large body from being spooled to disk: forwarding is what is measured.
function configuration({ port, originPort, directory, accessLog, routes, forwarded, http2 }: Setting): string {
  const forward = [
    "proxy_pass http://origin;",
    "proxy_http_version 1.1;",
    `proxy_set_header Connection "";`,
    "proxy_set_header Host $http_host;",
    "proxy_request_buffering off;",
    "proxy_max_temp_file_size 0;",
    ...(forwarded ? forwardedFields : [])
  ].join(" ")
  const listen = `listen 127.0.0.1:${port}${http2 ? " http2" : ""};`
  const ping = `location = /ping { return 200 "pong"; }`
  const hosts = Map.groupBy(routes ?? [{ host: "_", path: "/" }], (route: Route) => route.host)
  const log = `log_format fields '$remote_addr "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"';`
  return frame(directory, 1, [
    accessLog === null ? "access_log off;" : `${log} access_log ${accessLog} fields buffer=64k flush=10s;`,
    `upstream origin { server 127.0.0.1:${originPort}; keepalive 128; keepalive_requests 1000000000; }`,
    "server_names_hash_max_size 8192;",
    ...[...hosts].map(([host, list]) => {
      const locations = list.map(({ path }) => `location ${path} { ${forward} }`)
      return `server { ${listen} server_name ${host}; ${ping} ${locations.join(" ")} }`
    })
  ])
}

const forwardedFields = [
  "proxy_set_header X-Real-IP $remote_addr;",
  "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
  "proxy_set_header X-Forwarded-Proto $scheme;",
  "proxy_set_header X-Forwarded-Host $host;",
  "proxy_set_header X-Forwarded-Port $server_port;"
]
