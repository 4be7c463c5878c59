/** The built program as a child process: what it prints, what it exits with, and how it stops. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import { Gate, Origin } from "../support/Origin.ts"
import { ensureBuilt, oldNode, Program, ROOT } from "../support/Program.ts"
import { eventually, header, RawClient } from "../support/RawClient.ts"

const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string }

let folder: string
beforeAll(ensureBuilt)
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pingap-cli-"))
})
afterEach(() => rmSync(folder, { recursive: true }))

const write = (files: Record<string, string>): string => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

const ping = (rest = ""): Record<string, string> => ({
  "pingap.toml": `[servers.web]
addr = "127.0.0.1:0"
locations = ["lo"]
${rest}
[locations.lo]
plugins = ["pingap:ping"]
`
})

const proxied = (origin: Origin, grace: string): Record<string, string> => ({
  "pingap.toml": `[basic]
grace_period = "${grace}"
[servers.web]
addr = "127.0.0.1:0"
locations = ["lo"]
access_log = "${join(folder, "access.log")}?rolling=never {uri} {status}"
[locations.lo]
upstream = "up"
[upstreams.up]
addrs = ["${origin.address}"]
`
})

describe("what is only printed", () => {
  it("is the help", async () => {
    const { code, stderr, stdout } = await Program.run(["--help"])
    assert.deepStrictEqual([code, stderr], [0, ""])
    assert.match(stdout, /^pingap: .*\n\nUsage: pingap -c /)
  })

  it("is the version", async () => {
    const { code, stdout } = await Program.run(["-V"])
    assert.deepStrictEqual([code, stdout], [0, `pingap ${version}\n`])
  })

  it("is a starter configuration, which passes the test", async () => {
    const { code, stdout } = await Program.run(["--template", "--whatever"])
    assert.strictEqual(code, 0)
    const conf = write({ "starter.toml": stdout })
    const tested = await Program.run(["-t", "--strict", "-c", conf])
    assert.deepStrictEqual([tested.code, tested.stderr], [0, ""])
    assert.match(tested.stdout, /: ok \(1 file, 1 server, 1 location, 1 upstream, 0 plugins\)\n$/)
  })
})

describe("-t", () => {
  it("lists everything that is wrong in all files, with place, key and what was expected", async () => {
    const conf = write({
      "servers.toml": `[servers.web]\naddr = "127.0.0.1:0"\nlocations = ["lo", "missing"]\nmax_header_count = "many"\n`,
      "locations.toml": `[locations.lo]\nupstream = "apo"\nrewrite = "^/(x $1"\n`,
      "upstreams/api.toml": `[upstreams.api]\naddrs = ["127.0.0.1:80 0"]\nadrs = 3\n`,
      "plugins.toml": `[plugins.login]\ncategory = "basic_auth"\nauthorizations = ["no base64!"]\n[plugins.x]\ncategory = "basic_aut"\n`
    })
    const { code, stderr, stdout } = await Program.run(["-t", "-c", conf])
    assert.deepStrictEqual([code, stdout], [1, ""])
    const findings = stderr
      .replaceAll(`${conf}/`, "")
      .split("\n")
      .filter((line) => /^\S+:\d+:\d+: /.test(line))
    const expected = [
      /^locations\.toml:2:1: error: locations\.lo\.upstream: upstream\(apo\) is not found/,
      /^locations\.toml:3:1: error: locations\.lo\.rewrite: regex parse error/,
      /^plugins\.toml:1:\d+: error: plugins\.login: Plugin basic_auth, base64 decode error/,
      /^plugins\.toml:5:1: error: plugins\.x\.category: Plugin basic_aut not found/,
      /^servers\.toml:3:20: error: servers\.web\.locations\[1\]: location\(missing\) is not found/,
      /^servers\.toml:4:1: error: servers\.web\.max_header_count: wrong type, found a string/,
      /^upstreams\/api\.toml:2:10: error: upstreams\.api\.addrs\[0\]: .*weight must be at least 1/,
      /^upstreams\/api\.toml:3:1: warning: upstreams\.api\.adrs: unknown key/
    ]
    assert.strictEqual(findings.length, expected.length, stderr)
    for (const [i, pattern] of expected.entries()) assert.match(findings[i]!, pattern)
    assert.include(stderr, `hint: did you mean "api"?`)
    assert.include(stderr, "expected: an integer from 1 to 65535")
    assert.match(stderr, /\n7 errors, 1 warning\n$/)
  })

  it("is content with warnings unless it is strict", async () => {
    const conf = write(ping("unknown_key = 1"))
    const lenient = await Program.run(["-t", "-c", conf])
    assert.deepStrictEqual([lenient.code, /ok/.test(lenient.stdout), /warning: /.test(lenient.stderr)], [0, true, true])
    const strict = await Program.run(["-t", "--strict", "-c", conf])
    assert.deepStrictEqual([strict.code, strict.stdout, /error: /.test(strict.stderr)], [1, "", true])
  })

  it("looks at the texts of logs, and takes plugins that are still to come", async () => {
    const conf = write({
      ...ping('access_log = "{metod} {uri}"\nenabled_h2 = false'),
      "basic.toml": '[basic]\nlog_level = "debgu"\n',
      "plugins.toml": '[plugins.cors]\ncategory = "cors"\n'
    })
    const { code, stderr } = await Program.run(["-t", "-c", conf])
    assert.strictEqual(code, 0, stderr)
    assert.include(stderr, 'warning: basic.log_level: "debgu" is taken for a stage, did you mean "debug"?\n')
    assert.include(stderr, "warning: servers.web.access_log: unknown tag {metod}\n")
    assert.include(stderr, "warning: plugins.cors.category: cors is not supported in this version")
    assert.match(stderr, /\n3 warnings, 1 hint\n$/)
  })

  it("tells a path that does not exist, in one line and a hint", async () => {
    const { code, stderr } = await Program.run(["-t", "-c", join(folder, "nothing")])
    assert.strictEqual(code, 1)
    assert.match(stderr, /nothing: error: no configuration at .*\n {2}hint: check the path after -c\n/)
  })
})

describe("starting", () => {
  it.each([
    [["--bogus"], "Unknown option '--bogus'"],
    [[], "a configuration is needed"],
    [["-c", "conf", "--daemon"], "is not supported yet"]
  ])("with %j is wrong usage: 2", async (args, message) => {
    const { code, stderr, stdout } = await Program.run(args)
    assert.deepStrictEqual([code, stdout], [2, ""])
    assert.match(stderr, /^pingap: .*\nTry 'pingap --help'\.\n$/)
    assert.include(stderr, message)
  })

  it("without a configuration there fails: 1", async () => {
    const { code, stderr } = await Program.run(["-c", join(folder, "nothing")])
    assert.strictEqual(code, 1)
    assert.include(stderr, "no configuration at")
  })

  it("with a wrong configuration fails with its findings: 1", async () => {
    const { code, stderr } = await Program.run(["-c", write({ "a.toml": "[servers.web]\nlocations = 1\n" })])
    assert.strictEqual(code, 1)
    assert.match(stderr, /a\.toml:1:\d+: error: servers\.web\.addr: /)
    assert.match(stderr, /a\.toml:2:1: error: servers\.web\.locations: /)
    assert.notInclude(stderr, "at file:")
  })

  it("without a server says that nothing listens", async () => {
    await using program = Program.start(["-c", write({ "a.toml": "" })])
    await program.says(/WARN no server of the configuration listens/)
  })

  it("on an address in use fails and says which: 1", async () => {
    await using origin = await Origin.start()
    const conf = write({ "a.toml": `[servers.web]\naddr = "${origin.address}"\n` })
    const { code, stderr } = await Program.run(["-c", conf])
    assert.strictEqual(code, 1)
    assert.match(stderr, new RegExp(`servers\\.web\\.addr: cannot listen on ${origin.address}: the address is in use`))
    assert.notInclude(stderr, "    at ")
  })

  it("takes its configuration and its log from the environment", async () => {
    const env = { PINGAP_CONF: write(ping()), PINGAP_LOG: join(folder, "app.log?rolling=never") }
    await using program = Program.start([], { env })
    const log = () => readFileSync(join(folder, "app.log"), "utf8")
    await eventually(
      () => /listening/.test(safely(log)),
      () => `a log that says so: ${safely(log)}${program.stderr}`
    )
    program.signal("SIGTERM")
    assert.deepStrictEqual(await program.end(), { code: 0, signal: null, stdout: "", stderr: "" })
    assert.match(log(), /listening[\s\S]*stopping signal=SIGTERM/)
  })
})

const safely = (read: () => string): string => {
  try {
    return read()
  } catch {
    return ""
  }
}

describe("stopping", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("on %s is graceful: 0", async (signal) => {
    await using origin = await Origin.start()
    const gate = new Gate()
    origin.respond = gate.respond
    await using program = Program.start(["-c", write(proxied(origin, "1h"))])
    using client = await RawClient.connect(await program.port("web"))
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await gate.holds(1)
    program.signal(signal)
    await program.says(new RegExp(`stopping signal=${signal}`))
    gate.open("to the end")
    const response = await client.response()
    assert.strictEqual(response.body.toString(), "to the end")
    assert.strictEqual(header(response, "connection"), "close")
    client.finish()
    const { code, signal: killedBy } = await program.end()
    assert.deepStrictEqual([code, killedBy], [0, null])
    assert.strictEqual(readFileSync(join(folder, "access.log"), "utf8"), "/slow 200\n")
  })

  it("ends at once on a second signal, and still writes its logs", async () => {
    await using origin = await Origin.start()
    const gate = new Gate()
    origin.respond = gate.respond
    await using program = Program.start(["-c", write(proxied(origin, "1h"))])
    using client = await RawClient.connect(await program.port("web"))
    client.send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
    await gate.holds(1)
    program.signal("SIGTERM")
    await program.says(/stopping signal=SIGTERM/)
    // What follows at once would be the same wish (test/process/Signals.test.ts).
    const wished = performance.now()
    while (performance.now() - wished < 250) await new Promise((resolve) => setImmediate(resolve))
    assert.strictEqual(client.closed, false)
    program.signal("SIGINT")
    const { code } = await program.end()
    assert.strictEqual(code, 0)
    assert.strictEqual(readFileSync(join(folder, "access.log"), "utf8"), "/stuck 499\n")
  })

  it("ends when the grace period is over", async () => {
    await using origin = await Origin.start()
    const gate = new Gate()
    origin.respond = gate.respond
    await using program = Program.start(["-c", write(proxied(origin, "200ms"))])
    using client = await RawClient.connect(await program.port("web"))
    client.send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
    await gate.holds(1)
    program.signal("SIGTERM")
    assert.strictEqual((await program.end()).code, 0)
  })
})

describe("a machine whose own Node is too old", () => {
  const node = oldNode()
  const options = node === undefined ? {} : { node }

  it.skipIf(node === undefined)("gets the same through the Node that the checkout pins", async () => {
    assert.strictEqual((await Program.run(["-V"], options)).stdout, `pingap ${version}\n`)
    assert.strictEqual((await Program.run(["--bogus"], options)).code, 2)
    assert.strictEqual((await Program.run(["-t", "-c", join(folder, "nothing")], options)).code, 1)
  })

  it.skipIf(node === undefined)("stops what it started with the signals that it gets", async () => {
    await using program = Program.start(["-c", write(ping())], options)
    using client = await RawClient.connect(await program.port("web"))
    assert.strictEqual((await client.send("GET /ping HTTP/1.1\r\nHost: a\r\n\r\n").response()).body.toString(), "pong")
    program.signal("SIGTERM")
    assert.strictEqual(await client.end(), "end")
    client.finish()
    assert.strictEqual((await program.end()).code, 0)
  })
})
