/** An access log in a file: every request is in it when the proxy has stopped, however it ended. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { Gate, Origin } from "../support/Origin.ts"
import { TestProxy } from "../support/TestProxy.ts"

describe("an access log file", () => {
  let folder: string
  let file: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "pingap-log-"))
    file = join(folder, "deeper", "access.log")
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const config = (origin: Origin, format: string, grace = "5s") => `
[basic]
grace_period = "${grace}"
[servers.test]
addr = "127.0.0.1:0"
locations = ["ping", "lo"]
access_log = "${file}?rolling=never ${format}"
[locations.ping]
path = "/ping"
plugins = ["pingap:ping"]
[locations.lo]
upstream = "up"
[upstreams.up]
addrs = ["${origin.address}"]
`
  const lines = (): Array<string> => (existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [])

  it("is made with its folder and holds every line when the proxy has stopped", async () => {
    await using origin = await Origin.start()
    const proxy = await TestProxy.start(config(origin, "{method} {uri} {status}"))
    using client = await proxy.connect()
    for (let i = 0; i < 100; i++) await client.send(`GET /ping?${i} HTTP/1.1\r\nHost: a\r\n\r\n`).response()
    client.finish()
    await proxy.stop()
    assert.deepStrictEqual(
      lines(),
      Array.from({ length: 100 }, (_, i) => `GET /ping?${i} 200`)
    )
    // Nothing of it went to the application log.
    assert.deepStrictEqual(proxy.log, [])
  })

  it("is written in the order in which requests end, across a reload that keeps it", async () => {
    await using origin = await Origin.start()
    const gate = new Gate()
    origin.respond = gate.respond
    await using proxy = await TestProxy.start(config(origin, "{method} {uri} {status}"))
    using slow = await proxy.connect()
    slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await gate.holds(1)
    await proxy.get("/ping")
    await proxy.reload(`${config(origin, "{method} {uri} {status}")}max_connections = 9\n`)
    await proxy.get("/ping?after")
    gate.open("done")
    await slow.response()
    slow.socket.destroy()
    await proxy.stop()
    assert.deepStrictEqual(lines(), ["GET /ping 200", "GET /ping?after 200", "GET /slow 200"])
  })

  it("has a line for a request that was cut by the end of the grace period", async () => {
    await using origin = await Origin.start()
    const gate = new Gate()
    origin.respond = gate.respond
    const proxy = await TestProxy.start(config(origin, "{uri} {status}", "200ms"))
    using client = await proxy.connect()
    client.send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
    await gate.holds(1)
    await proxy.stop()
    assert.deepStrictEqual(lines(), ["/stuck 499"])
  })

  it("has no line that a client wrote", async () => {
    await using origin = await Origin.start()
    const proxy = await TestProxy.start(config(origin, '{>X-Evil} \\"{>User-Agent}\\"'))
    await proxy.get("/ping", 'Host: a\r\nX-Evil: \x80\xff\tend\r\nUser-Agent: a" 200\r\n')
    await proxy.stop()
    const [line, ...others] = lines()
    assert.deepStrictEqual(others, [])
    assert.notMatch(line!, /[\x00-\x1f\x7f]/)
    assert.notInclude(line!, 'a" 200')
  })
})
