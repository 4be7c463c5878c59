/** What an upstream learns: addresses of clients, rewritten targets, and which upstream it is at all. */
import { assert, describe, it } from "@effect/vitest"
import { Origin } from "../support/Origin.ts"
import { TestProxy } from "../support/TestProxy.ts"

const config = (origin: Origin, basic: string, location: string): string => `
[basic]
${basic}
[servers.test]
addr = "127.0.0.1:0"
locations = ["lo"]
access_log = "{client_ip} {remote}"
[locations.lo]
upstream = "up"
${location}
[upstreams.up]
addrs = ["${origin.address}"]
`

const CLAIMS = "Host: site.example:8080\r\nX-Forwarded-For: 198.51.100.7, 10.0.0.9\r\nX-Forwarded-Proto: https\r\n"

describe("the client's address", () => {
  it("is what a trusted proxy says, past further trusted ones", async () => {
    await using origin = await Origin.start()
    await using proxy = await TestProxy.start(config(origin, "", "enable_reverse_proxy_headers = true"))
    await proxy.get("/", CLAIMS)
    assert.strictEqual(await proxy.logged(/^INFO/), "INFO 198.51.100.7 127.0.0.1")
    const { headers } = origin.requests[0]!
    assert.deepInclude(headers, {
      host: "site.example:8080",
      "x-real-ip": "127.0.0.1",
      "x-forwarded-for": "198.51.100.7, 10.0.0.9, 127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "site.example",
      "x-forwarded-port": String(proxy.port())
    })
  })

  it("is the peer's when the peer is not trusted, whatever it says", async () => {
    await using origin = await Origin.start()
    await using proxy = await TestProxy.start(config(origin, `trusted_proxies = ["192.0.2.0/24"]`, ""))
    await proxy.get(
      "/",
      `${CLAIMS}X-Real-IP: 198.51.100.7\r\nForwarded: for=198.51.100.7\r\nX_Forwarded_For: 198.51.100.7\r\n`
    )
    assert.strictEqual(await proxy.logged(/^INFO/), "INFO 127.0.0.1 127.0.0.1")
    assert.deepStrictEqual(origin.requests[0]!.headers, { host: "site.example:8080" })
  })

  it("follows a change of trusted_proxies", async () => {
    await using origin = await Origin.start()
    await using proxy = await TestProxy.start(config(origin, `trusted_proxies = []`, ""))
    await proxy.get("/", CLAIMS)
    await proxy.reload(config(origin, `trusted_proxies = ["127.0.0.1"]`, ""))
    await proxy.get("/", CLAIMS)
    const lines = proxy.log.filter((line) => !line.includes("category="))
    assert.deepStrictEqual(lines, ["INFO 127.0.0.1 127.0.0.1", "INFO 10.0.0.9 127.0.0.1"])
  })
})

describe("captures", () => {
  it("choose the upstream, and go into the rewritten path", async () => {
    await using red = await Origin.start("red")
    await using blue = await Origin.start("blue")
    await using proxy = await TestProxy.start(`
[servers.test]
addr = "127.0.0.1:0"
locations = ["tenant"]
[locations.tenant]
host = "~^(?<tenant>[a-z]+)\\\\.example\\\\.com$"
path = "~^/(?<area>v[0-9]+)/"
upstream = "$tenant"
rewrite = "^/v[0-9]+/(.*)$ /$area-$tenant/$1"
proxy_set_headers = ["X-Host: $host", "X-Agent: $http_user_agent", "X-None: $http_nothing"]
[upstreams.red]
addrs = ["${red.address}"]
[upstreams.blue]
addrs = ["${blue.address}"]
`)
    const ask = (host: string, path: string) => proxy.get(path, `Host: ${host}\r\nUser-Agent: test/1\r\n`)
    assert.strictEqual((await ask("red.example.com", "/v1/a%20b?q=%2F")).status, 200)
    assert.strictEqual((await ask("blue.example.com", "/v2/")).status, 200)
    assert.strictEqual((await ask("green.example.com", "/v1/")).status, 503)
    assert.strictEqual((await ask("red.example.com", "/other")).status, 404)
    assert.deepStrictEqual(red.requests[0], {
      method: "GET",
      url: "/v1-red/a%20b?q=%2F",
      headers: { host: "red.example.com", "user-agent": "test/1", "x-host": "red.example.com", "x-agent": "test/1" },
      body: "",
      connection: 1
    })
    assert.strictEqual(blue.requests[0]!.url, "/v2-blue/")
  })

  it("never lead a protected path past its location", async () => {
    await using origin = await Origin.start()
    await using proxy = await TestProxy.start(`
[servers.test]
addr = "127.0.0.1:0"
locations = ["admin", "all"]
[locations.admin]
path = "/admin"
plugins = ["no"]
[locations.all]
upstream = "up"
[plugins.no]
category = "mock"
status = 403
[upstreams.up]
addrs = ["${origin.address}"]
`)
    for (const path of [
      "/admin/x",
      "/%61dmin/x",
      "//admin/x",
      "/c/../admin/x",
      "/c/%2e%2e/admin/x",
      "/./admin/x",
      "/c/..;/admin/x"
    ]) {
      assert.strictEqual((await proxy.get(path)).status, 403, path)
      assert.strictEqual((await proxy.handle(new Request(`http://test${path}`))).status, 403, path)
    }
    assert.deepStrictEqual(origin.requests, [])
  })
})
