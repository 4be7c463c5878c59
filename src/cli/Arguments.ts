/**
 * The command line as data. Spec: runtime 2 and 3.
 *
 * Long options take `--x=v` and `--x v`, short ones `-c v`, `-c=v` and `-cv`. Environment variables stand in for
 * options that are absent.
 */
import { parseArgs } from "node:util"
import { didYouMean } from "../model/Suggestion.ts"

export type Command =
  | {
      readonly kind: "run"
      readonly conf: string
      readonly log: string
      readonly threads: number | undefined
      readonly follow: Follow
      /** Warnings reject a configuration. */
      readonly strict: boolean
    }
  | { readonly kind: "test"; readonly conf: string; readonly strict: boolean }
  /** Copies a configuration to another place; `-` prints it. */
  | { readonly kind: "sync"; readonly conf: string; readonly target: string; readonly strict: boolean }
  | { readonly kind: "schema" }
  | { readonly kind: "encrypt" }
  | { readonly kind: "print"; readonly what: "help" | "version" | "template" }

/** What becomes of changes while the process runs: nothing, applied, applied and restarted for where that is needed. */
export type Follow = "none" | "reload" | "restart"

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
  "to-hcl",
  "to-kdl",
  "upstream",
  "domain",
  "cert",
  "key",
  "addr"
] as const

// The same, asked for by the environment.
const UNSUPPORTED_VARIABLES = [
  ["PINGAP_DAEMON", "daemon"],
  ["PINGAP_UPGRADE", "upgrade"],
  ["PINGAP_ADMIN_ADDR", "admin"],
  ["PINGAP_CP", "cp"]
] as const

/** Reads arguments (without node and script) and environment. */
export const parse = (
  argv: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>>
): Command | UsageError => {
  if (argv.includes("--template")) return { kind: "print", what: "template" }
  let values: ReturnType<typeof read>["values"]
  let positionals: ReadonlyArray<string>
  try {
    ;({ positionals, values } = read(argv))
  } catch (error) {
    return new UsageError(withHint((error as Error).message.split(". ")[0]!))
  }
  if (values.help === true) return { kind: "print", what: "help" }
  if (values.version === true || values["short-version"] === true) return { kind: "print", what: "version" }
  for (const name of UNSUPPORTED) {
    if (values[name] !== undefined) return new UsageError(`option '--${name}' is not supported yet`)
  }
  const [command, extra] = positionals
  if (command === "schema" || command === "encrypt") {
    if (extra !== undefined) return new UsageError(`Unexpected argument '${extra}'`)
    return { kind: command }
  }
  if (command !== undefined) {
    const hint = didYouMean(command, COMMANDS)
    return new UsageError(`Unexpected argument '${command}'${hint === undefined ? "" : `, ${hint}`}`)
  }
  const conf = values.conf ?? env.PINGAP_CONF ?? ""
  if (conf === "") return new UsageError("a configuration is needed: -c <file, directory or etcd URL>, or PINGAP_CONF")
  const strict = values.strict === true
  if (values.test === true) return { kind: "test", conf, strict }
  if (values.sync !== undefined) {
    return values.sync === ""
      ? new UsageError("option '--sync' needs a target: a file, a directory, an etcd URL, or - to print")
      : { kind: "sync", conf, target: values.sync, strict }
  }
  for (const [variable, name] of UNSUPPORTED_VARIABLES) {
    if (isOn(env[variable])) return new UsageError(`${variable} is set, and option '--${name}' is not supported yet`)
  }
  let threads: number | undefined
  if (values.threads !== undefined) {
    threads = Number(values.threads)
    if (!Number.isInteger(threads) || threads < 0)
      return new UsageError(`option '--threads' needs a number, not '${values.threads}'`)
  }
  const restart = values.autorestart === true || isOn(env.PINGAP_AUTORESTART)
  const reload = values.autoreload === true || isOn(env.PINGAP_AUTORELOAD)
  const follow = restart ? "restart" : reload ? "reload" : "none"
  return { kind: "run", conf, log: values.log ?? env.PINGAP_LOG ?? "", threads, follow, strict }
}

const withHint = (message: string): string => {
  const name = /^Unknown option '--([\w-]+)'/.exec(message)?.[1]
  const hint = name === undefined ? undefined : didYouMean(`--${name}`, LONG)
  return hint === undefined ? message : `${message}, ${hint}`
}

const LONG = Object.keys(OPTIONS).flatMap((name) => (name === "short-version" ? [] : [`--${name}`]))
const COMMANDS = ["schema", "encrypt"]

// To the reference, `false` switches a flag on. Spec: runtime 3 and 21.
const isOn = (value = ""): boolean => !["", "0", "false", "no", "off"].includes(value.trim().toLowerCase())

const read = (argv: ReadonlyArray<string>) =>
  parseArgs({
    // `-c=v` is `-c v` to Pingap, and `=v` to parseArgs.
    args: argv.map((argument) => argument.replace(/^-([c])=/, "-$1")),
    options: OPTIONS,
    strict: true,
    allowPositionals: true
  })

export const HELP = `pingap: a reverse proxy configured in TOML

Usage: pingap -c <place> [options]     serve a configuration
       pingap -c <place> -t            check it
       pingap -c <place> --sync <to>   copy it
       pingap schema                   print the JSON Schema of configurations, for editors
       pingap encrypt                  encrypt standard input with the passphrase in PINGAP_SECRET, for storages

  -c, --conf <place>    configuration: a file, a directory, etcd://host:port,…/path (or PINGAP_CONF)
      --autoreload      apply changes while running (or PINGAP_AUTORELOAD)
  -a, --autorestart     the same in this version: what needs a restart is logged (or PINGAP_AUTORESTART)
  -t, --test            check the configuration and exit: 0 when it is valid, 1 with every error when it is not
      --strict          warnings are errors
      --sync <to>       make another place hold this configuration and nothing else, in its layout, or print it: -
      --log <target>    application log: a file, with ?rolling=daily|hourly|minutely|never (or PINGAP_LOG); default: stderr
      --threads <n>     accepted for compatibility; one process serves
      --template        print a starter configuration and exit
  -h, --help            print this text and exit
  -V, --version         print the version and exit

A directory holds a file per section; with ?separation after its path, new items get a file each. With
?enable_history=true, what is replaced is kept beside it.

Environment: PINGAP_CONF, PINGAP_LOG, PINGAP_AUTORELOAD, PINGAP_AUTORESTART, PINGAP_LOG_LEVEL or RUST_LOG (error, warn,
info, debug, trace), PINGAP_SECRET for encrypt.
Signals: SIGTERM, SIGINT and SIGQUIT stop gracefully within basic.grace_period; a second one stops at once. SIGHUP
reads the configuration again.
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
