/** The built program with a configuration that changes while it runs: what it follows, when asked how, what it says. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import { ensureBuilt, Program } from "../support/Program.ts"
import { RawClient } from "../support/RawClient.ts"

/** A change is live by then. */
const LIVE_MILLIS = 2_000
/** Several times as long as a change takes that is followed. */
const UNNOTICED_MILLIS = 600

let folder: string
beforeAll(ensureBuilt)
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pingap-live-"))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Writes a file below the folder of the test and returns its path. */
const write = (name: string, text: string): string => {
  const file = join(folder, name)
  mkdirSync(join(file, ".."), { recursive: true })
  writeFileSync(file, text)
  return file
}

const server = '[servers.web]\naddr = "127.0.0.1:0"\nlocations = ["lo"]\n'
const location = '[locations.lo]\nplugins = ["answer"]\n'
const plugin = (text: string): string => `[plugins.answer]\ncategory = "mock"\ndata = "${text}"\n`
const basic = (...lines: ReadonlyArray<string>): string => `[basic]\n${lines.join("\n")}\n`
const site = (text: string, head = ""): string => `${head}${server}${location}${plugin(text)}`

const ask = async (port: number): Promise<string> => {
  using client = await RawClient.connect(port)
  return `${(await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()).body}`
}

/** Asks until the program answers this, and fails when that takes too long. */
const answers = async (port: number, text: string): Promise<void> => {
  const end = performance.now() + LIVE_MILLIS
  while (true) {
    const answer = await ask(port)
    if (answer === text) return
    assert.isBelow(performance.now(), end, `"${text}" is live, and not "${answer}"`)
  }
}

const countOf = (text: string, pattern: RegExp): number => text.match(new RegExp(pattern, "g"))?.length ?? 0

describe("--autoreload", () => {
  it("follows a file that is written over, and one that is renamed over it", async () => {
    const file = write("pingap.toml", site("one"))
    await using program = Program.start(["-c", file, "--autoreload"])
    const port = await program.port("web")
    assert.strictEqual(await ask(port), "one")
    write("pingap.toml", site("two"))
    await answers(port, "two")
    renameSync(write("pingap.toml.new", site("three")), file)
    await answers(port, "three")
    await program.says(/INFO configuration is applied .*changes="?.*generation=3 took=\d+ms/)
  })

  it.each(["", "?separation"])("follows a folder%s: files that come, change and go", async (query) => {
    write("servers.toml", server)
    write("locations/lo.toml", location)
    write("plugins/answer.toml", plugin("one"))
    await using program = Program.start(["-c", `${folder}${query}`, "--autoreload"])
    const port = await program.port("web")
    write("plugins/answer.toml", plugin("two"))
    await answers(port, "two")
    // A folder that was not there.
    write("more/locations.toml", '[locations.first]\npath = "/"\nplugins = ["more"]\n')
    write("more/plugins.toml", '[plugins.more]\ncategory = "mock"\ndata = "three"\n')
    write("servers.toml", server.replace('["lo"]', '["first", "lo"]'))
    await answers(port, "three")
    write("servers.toml", server)
    rmSync(join(folder, "more"), { recursive: true })
    await answers(port, "two")
    assert.notInclude(program.stderr, "ERROR")
  })

  it("comes from the environment as well, and not from the word false", async () => {
    const file = write("pingap.toml", site("one"))
    await using follows = Program.start(["-c", file], { env: { PINGAP_AUTORELOAD: "true" } })
    await using stays = Program.start(["-c", file], { env: { PINGAP_AUTORELOAD: "false" } })
    const [port, other] = [await follows.port("web"), await stays.port("web")]
    write("pingap.toml", site("two"))
    await answers(port, "two")
    assert.strictEqual(await ask(other), "one")
  })
})

describe("without --autoreload", () => {
  it("a change waits for SIGHUP", async () => {
    const file = write("pingap.toml", site("one"))
    await using program = Program.start(["-c", file])
    const port = await program.port("web")
    write("pingap.toml", site("two"))
    const end = performance.now() + UNNOTICED_MILLIS
    while (performance.now() < end) assert.strictEqual(await ask(port), "one")
    assert.notInclude(program.stderr, "configuration is applied")
    program.signal("SIGHUP")
    await answers(port, "two")
    await program.says(/reading the configuration again signal=SIGHUP[\s\S]*configuration is applied/)
  })

  it("a SIGHUP without a change changes nothing, and one with a broken file keeps the old one", async () => {
    const file = write("pingap.toml", site("one"))
    await using program = Program.start(["-c", file])
    const port = await program.port("web")
    program.signal("SIGHUP")
    await program.says(/reading the configuration again/)
    write("pingap.toml", "[[[")
    program.signal("SIGHUP")
    await program.says(/ERROR configuration is rejected, the previous one stays/)
    assert.strictEqual(await ask(port), "one")
    assert.notInclude(program.stderr, "configuration is applied")
    write("pingap.toml", site("two"))
    program.signal("SIGHUP")
    await answers(port, "two")
  })
})

describe("a change that only a restart applies", () => {
  it.each(["-a", "--autoreload"])("is named with %s, and the rest is live", async (flag) => {
    const file = write("pingap.toml", site("one", basic("threads = 1")))
    await using program = Program.start(["-c", file, flag])
    const port = await program.port("web")
    write("pingap.toml", site("two", basic("threads = 2", 'pid_file = "/tmp/other.pid"')))
    await answers(port, "two")
    await program.says(/WARN takes effect after a restart .*?keys=basic\.pid_file(?: |$)/m)
    // What does nothing at all does nothing after a restart either.
    assert.include(program.stderr, "basic.threads: has no effect in this version")
  })
})

describe("a broken file", () => {
  it("keeps the old configuration, and the log has every line that -t prints", async () => {
    const file = write("pingap.toml", site("one"))
    await using program = Program.start(["-c", file, "--autoreload"])
    const port = await program.port("web")
    write(
      "pingap.toml",
      `${site("two").replace("locations = [", 'locations = ["nowhere", ')}upstream = "apo"\n[upstreams.api]\naddrs = 1\n`
    )
    await program.says(/ERROR configuration is rejected, the previous one stays/)
    const tested = await Program.run(["-t", "-c", file])
    assert.strictEqual(tested.code, 1)
    const lines = tested.stderr.trimEnd().split("\n")
    assert.isAbove(lines.length, 8)
    await program.says(new RegExp(lines.at(-1)!))
    for (const line of lines) assert.include(program.stderr, line)
    assert.strictEqual(await ask(port), "one")
    write("pingap.toml", site("three"))
    await answers(port, "three")
    assert.strictEqual(countOf(program.stderr, /configuration is rejected/), 1)
  })

  it("that vanishes keeps the old configuration too, and is followed when it is back", async () => {
    const file = write("pingap.toml", site("one"))
    await using program = Program.start(["-c", file, "--autoreload"])
    const port = await program.port("web")
    rmSync(file)
    await program.says(/ERROR .*no configuration at/)
    assert.strictEqual(await ask(port), "one")
    write("pingap.toml", site("two"))
    await answers(port, "two")
  })
})

describe("the log's settings", () => {
  it("change while the program runs: level and format", async () => {
    const file = write("pingap.toml", site("one"))
    await using program = Program.start(["-c", file, "--autoreload"])
    const port = await program.port("web")
    const change = async (text: string, ...lines: ReadonlyArray<string>): Promise<void> => {
      write("pingap.toml", site(text, basic(...lines)))
      await answers(port, text)
    }
    await change("quiet", 'log_level = "error"')
    await change("still quiet", 'log_level = "error"')
    // What is applied with the next change may be said under the old level or the new one; the one after it is not.
    await change("loud", 'log_level = "info"', "log_format_json = true")
    await change("louder", 'log_level = "info"', "log_format_json = true")
    await program.says(/"message":"configuration is applied".*"generation":5/)
    assert.notMatch(program.stderr, /configuration is applied.*generation"?[=:]3/)
    const last = JSON.parse(
      program.stderr
        .trimEnd()
        .split("\n")
        .find((line) => /"generation":5/.test(line))!
    )
    assert.strictEqual(last.level, "INFO")
    await change("plain", 'log_level = "info"')
    await change("plainer", 'log_level = "info"')
    await program.says(/INFO configuration is applied .*generation=7/)
  })
})

describe("-t", () => {
  /** Everything that can be seen of a folder and what is in it. */
  const stateOf = (path: string): ReadonlyArray<unknown> =>
    [".", ...readdirSync(path, { recursive: true, encoding: "utf8" }).sort()].map((name) => {
      const { ctimeNs, ino, mode, mtimeNs } = statSync(join(path, name), { bigint: true })
      const content = statSync(join(path, name)).isFile() ? readFileSync(join(path, name), "latin1") : null
      return { name, content, ctimeNs, ino, mode, mtimeNs }
    })

  it.each(["", "?separation&enable_history=true"])("leaves a folder%s as it is", async (query) => {
    // Names that are canonical in no layout, which the reference would move at this occasion.
    write("everything.toml", site("one"))
    write("locations/several.toml", '[locations.a]\nupstream = "b"\n\n\n[locations.c] # a comment\n')
    write("upstreams.toml", '[upstreams.b]\naddrs=["127.0.0.1:80"]\n')
    write("notes.txt", "not ours")
    const before = stateOf(folder)
    const parent = readdirSync(join(folder, "..")).filter((name) => name.startsWith(folder.split("/").at(-1)!))
    const { code, stderr } = await Program.run(["-t", "-c", `${folder}${query}`])
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(stateOf(folder), before)
    assert.deepStrictEqual(
      readdirSync(join(folder, "..")).filter((name) => name.startsWith(folder.split("/").at(-1)!)),
      parent
    )
  })
})

describe("--strict", () => {
  it("refuses a configuration with a warning, at the start", async () => {
    const file = write("pingap.toml", `${site("one")}dta = "x"\n`)
    const { code, stderr } = await Program.run(["-c", file, "--strict"])
    assert.strictEqual(code, 1)
    assert.match(stderr, /pingap\.toml:\d+:1: error: plugins\.answer\.dta/)
    assert.include(stderr, 'hint: did you mean "data"?')
    assert.notInclude(stderr, "listening")
  })

  it("refuses one that comes while it runs", async () => {
    const file = write("pingap.toml", site("one"))
    await using program = Program.start(["-c", file, "--strict", "--autoreload"])
    const port = await program.port("web")
    write("pingap.toml", site("two").replace("[locations.lo]", "[locations.lo]\nunknown_key = 1"))
    await program.says(/ERROR configuration is rejected, the previous one stays/)
    await program.says(/error: locations\.lo\.unknown_key/)
    assert.strictEqual(await ask(port), "one")
  })
})
