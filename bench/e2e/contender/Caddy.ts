/** Caddy on one core (`GOMAXPROCS=1`), without its admin endpoint. It always adds the X-Forwarded-* fields. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Contender, Setting } from "../Contender.ts"
import type { Tool } from "../Machine.ts"

/** The contender for an installed Caddy. */
export function caddy(tool: Tool): Contender {
  return {
    name: "caddy",
    version: tool.version,
    missing: tool.path === null ? tool.install : null,
    abilities: new Set(["forwarded", "http2"]),
    prepare: (setting) => {
      const file = join(setting.directory, "Caddyfile")
      writeFileSync(file, configuration(setting))
      const env = {
        GOMAXPROCS: "1",
        HOME: setting.directory,
        XDG_DATA_HOME: setting.directory,
        XDG_CONFIG_HOME: setting.directory
      }
      return { command: tool.path!, args: ["run", "--config", file, "--adapter", "caddyfile"], env }
    }
  }
}

function configuration({ port, originPort, http2 }: Setting): string {
  return `{
	admin off
	auto_https off
	log {
		level ERROR
	}
	servers {
		protocols h1${http2 ? " h2 h2c" : ""}
		timeouts {
			idle 10m
		}
	}
}
http://:${port} {
	bind 127.0.0.1
	respond /ping "pong" 200
	reverse_proxy 127.0.0.1:${originPort} {
		transport http {
			versions 1.1
			compression off
			keepalive 10m
			keepalive_idle_conns 128
			keepalive_idle_conns_per_host 128
		}
	}
}
`
}
