import { assert, describe, it } from "@effect/vitest"
import { type Command, HELP, parse, TEMPLATE, UsageError } from "../../src/cli/Arguments.ts"

const run = (conf: string, more: Partial<Extract<Command, { kind: "run" }>> = {}): Command => ({
  kind: "run",
  conf,
  log: "",
  threads: undefined,
  follow: "none",
  strict: false,
  ...more
})

const usage = (argv: ReadonlyArray<string>, env: Record<string, string> = {}): string => {
  const parsed = parse(argv, env)
  return parsed instanceof UsageError ? parsed.message : `no error: ${JSON.stringify(parsed)}`
}

describe("arguments", () => {
  it.each<[string, Command]>([
    ["-c conf", run("conf")],
    ["-cconf", run("conf")],
    ["-c=conf", run("conf")],
    ["--conf conf", run("conf")],
    ["--conf=conf", run("conf")],
    ["-c conf --log a.log?rolling=never", run("conf", { log: "a.log?rolling=never" })],
    ["-c conf --threads=4", run("conf", { threads: 4 })],
    ["-t -c conf", { kind: "test", conf: "conf", strict: false }],
    ["--test --strict --conf=conf", { kind: "test", conf: "conf", strict: true }],
    ["-c conf --sync=etcd://a:1/b", { kind: "sync", conf: "conf", target: "etcd://a:1/b", strict: false }],
    ["-c conf --sync - --strict", { kind: "sync", conf: "conf", target: "-", strict: true }],
    ["schema", { kind: "schema" }],
    ["encrypt", { kind: "encrypt" }],
    ["-c conf --strict", run("conf", { strict: true })],
    ["-tc conf", { kind: "test", conf: "conf", strict: false }],
    ["-h", { kind: "print", what: "help" }],
    ["--help -c conf", { kind: "print", what: "help" }],
    ["-V", { kind: "print", what: "version" }],
    ["--version", { kind: "print", what: "version" }],
    // Spec: runtime 2. The exact argument wins over everything, also over what cannot be understood.
    ["--nonsense --template", { kind: "print", what: "template" }]
  ])("%s", (text, expected) => {
    assert.deepStrictEqual(parse(text.split(" "), {}), expected)
  })

  it("are completed by the environment", () => {
    assert.deepStrictEqual(parse([], { PINGAP_CONF: "conf", PINGAP_LOG: "a.log" }), run("conf", { log: "a.log" }))
    assert.deepStrictEqual(
      parse(["-c", "mine", "--log", "b.log"], { PINGAP_CONF: "conf", PINGAP_LOG: "a.log" }),
      run("mine", { log: "b.log" })
    )
  })

  it.each<[string, Record<string, string>, "none" | "reload" | "restart"]>([
    ["--autoreload", {}, "reload"],
    ["--autorestart", {}, "restart"],
    ["-a", {}, "restart"],
    ["-a --autoreload", {}, "restart"],
    ["", { PINGAP_AUTORELOAD: "1" }, "reload"],
    ["", { PINGAP_AUTORESTART: "yes", PINGAP_AUTORELOAD: "1" }, "restart"],
    // To Pingap, any text is yes.
    ["", { PINGAP_AUTORELOAD: "false", PINGAP_AUTORESTART: "0" }, "none"]
  ])("%s with %j follows changes: %s", (flags, env, follow) => {
    const argv = ["-c", "conf", ...flags.split(" ").filter((flag) => flag !== "")]
    assert.deepStrictEqual(parse(argv, env), run("conf", { follow }))
  })

  it.each([
    ["", "a configuration is needed"],
    ["--bogus", "Unknown option '--bogus'"],
    ["-x", "Unknown option '-x'"],
    ["--autorelod", `Unknown option '--autorelod', did you mean "--autoreload"?`],
    ["-c conf extra", "Unexpected argument 'extra'"],
    ["-c", "argument missing"],
    ["-c conf --sync=", "needs a target"],
    ["shema", "Unexpected argument 'shema', did you mean"],
    ["schema extra", "Unexpected argument 'extra'"],
    ["-c conf --threads=many", "needs a number, not 'many'"],
    ["-c conf --threads=-1", "-1"],
    ["-c conf --daemon", "'--daemon' is not supported yet"],
    ["-c conf -u", "'--upgrade' is not supported yet"],
    ["--upstream=a:1", "'--upstream' is not supported yet"]
  ])("'%s' are refused: %s", (text, message) => {
    assert.include(usage(text === "" ? [] : text.split(" ")), message)
  })

  it.each([
    ["PINGAP_DAEMON", "1", "'--daemon' is not supported yet"],
    ["PINGAP_UPGRADE", "true", "'--upgrade' is not supported yet"],
    ["PINGAP_ADMIN_ADDR", "127.0.0.1:3018", "'--admin' is not supported yet"],
    ["PINGAP_CP", "1", "'--cp' is not supported yet"]
  ])("of the environment are refused as well: %s=%s", (variable, value, message) => {
    assert.include(usage(["-c", "conf"], { [variable]: value }), `${variable} is set, and option ${message}`)
    // Checking a configuration asks for none of them.
    assert.deepStrictEqual(parse(["-tc", "conf"], { [variable]: value }), { kind: "test", conf: "conf", strict: false })
    assert.deepStrictEqual(parse(["-c", "conf"], { [variable]: "" }), run("conf"))
  })

  it("are all in the help", () => {
    for (const option of ["--conf", "--test", "--strict", "--log", "--threads", "--template", "--help", "--version"]) {
      assert.include(HELP, option)
    }
    assert.match(HELP, /Exit codes: 0 .* 1 .* 2 /)
  })

  it("--template begins with a blank line (spec: runtime 2)", () => {
    assert.isTrue(TEMPLATE.startsWith("\n[basic]"))
  })
})
