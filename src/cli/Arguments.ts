/**
 * The command line as data. Spec: runtime 2 and 3.
 *
 * Long options take `--x=v` and `--x v`, short ones `-c v`, `-c=v` and `-cv`. Environment variables stand in for
 * options that are absent.
 */
import { parseArgs } from "node:util"

export type Command =
  | {
      readonly kind: "run"
      readonly conf: string
      readonly log: string
      readonly threads: number | undefined
      readonly notes: ReadonlyArray<string>
    }
  | { readonly kind: "test"; readonly conf: string; readonly strict: boolean }
  | { readonly kind: "print"; readonly what: "help" | "version" | "template" }

/** The command line cannot be understood. Printed to stderr; the process exits with 2. */
export class UsageError {
  readonly _tag = "UsageError"
  readonly message: string
  constructor(message: string) {
    this.message = message
  }
}

const OPTIONS = {
  conf: { type: "string", short: "c" },
  test: { type: "boolean", short: "t" },
  strict: { type: "boolean" },
  log: { type: "string" },
  threads: { type: "string" },
  template: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" },
  "short-version": { type: "boolean", short: "V" },
  daemon: { type: "boolean", short: "d" },
  upgrade: { type: "boolean", short: "u" },
  autorestart: { type: "boolean", short: "a" },
  autoreload: { type: "boolean" },
  admin: { type: "string" },
  cp: { type: "boolean" },
  sync: { type: "string" },
  "to-hcl": { type: "boolean" },
  "to-kdl": { type: "boolean" },
  upstream: { type: "string" },
  domain: { type: "string" },
  cert: { type: "string" },
  key: { type: "string" },
  addr: { type: "string" }
} as const

// Understood, but the feature behind them does not exist yet: refusing is better than pretending.
const UNSUPPORTED = [
  "daemon",
  "upgrade",
  "admin",
  "cp",
  "sync",
  "to-hcl",
  "to-kdl",
  "upstream",
  "domain",
  "cert",
  "key",
  "addr"
] as const

/** Reads arguments (without node and script) and environment. */
export const parse = (
  argv: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>>
): Command | UsageError => {
  if (argv.includes("--template")) return { kind: "print", what: "template" }
  let values: ReturnType<typeof read>
  try {
    values = read(argv)
  } catch (error) {
    return new UsageError((error as Error).message.split(". ")[0]!)
  }
  if (values.help === true) return { kind: "print", what: "help" }
  if (values.version === true || values["short-version"] === true) return { kind: "print", what: "version" }
  for (const name of UNSUPPORTED) {
    if (values[name] !== undefined) return new UsageError(`option '--${name}' is not supported yet`)
  }
  const conf = values.conf ?? env.PINGAP_CONF ?? ""
  if (conf === "") return new UsageError("a configuration is needed: -c <file or directory>, or PINGAP_CONF")
  if (values.test === true) return { kind: "test", conf, strict: values.strict === true }
  if (values.strict === true) return new UsageError("option '--strict' goes with '--test'")
  let threads: number | undefined
  if (values.threads !== undefined) {
    threads = Number(values.threads)
    if (!Number.isInteger(threads) || threads < 0)
      return new UsageError(`option '--threads' needs a number, not '${values.threads}'`)
  }
  const notes: Array<string> = []
  if (
    values.autorestart === true ||
    values.autoreload === true ||
    (env.PINGAP_AUTORELOAD ?? "") !== "" ||
    (env.PINGAP_AUTORESTART ?? "") !== ""
  ) {
    notes.push("Automatic reload is not supported yet: restart to apply a changed configuration")
  }
  return { kind: "run", conf, log: values.log ?? env.PINGAP_LOG ?? "", threads, notes }
}

const read = (argv: ReadonlyArray<string>) =>
  parseArgs({
    // `-c=v` is `-c v` to Pingap, and `=v` to parseArgs.
    args: argv.map((argument) => argument.replace(/^-([c])=/, "-$1")),
    options: OPTIONS,
    strict: true,
    allowPositionals: false
  }).values

export const HELP = `pingap: a reverse proxy configured in TOML

Usage: pingap -c <file or directory> [options]

  -c, --conf <path>     configuration: a TOML file or a directory of them (or PINGAP_CONF)
  -t, --test            check the configuration and exit: 0 when it is valid, 1 with every error when it is not
      --strict          with --test: warnings are errors
      --log <target>    application log: a file, with ?rolling=daily|hourly|minutely|never (or PINGAP_LOG); default: stderr
      --threads <n>     accepted for compatibility; one process serves
      --template        print a starter configuration and exit
  -h, --help            print this text and exit
  -V, --version         print the version and exit

Environment: PINGAP_CONF, PINGAP_LOG, PINGAP_LOG_LEVEL or RUST_LOG (error, warn, info, debug, trace).
Signals: SIGTERM and SIGINT stop gracefully within basic.grace_period; a second one stops at once.
Exit codes: 0 done, 1 error, 2 wrong usage.
`

export const TEMPLATE = `
[basic]
log_level = "INFO"
name = "pingap"
pid_file = "/run/pingap.pid"

[locations.httpLocation]
path = "/"
upstream = "httpUpstream"

[servers.httpServer]
access_log = "combined"
addr = "0.0.0.0:80"
locations = ["httpLocation"]

[upstreams.httpUpstream]
addrs = ["127.0.0.1:5000"]
`
