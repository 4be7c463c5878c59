/** Every built-in plugin once, end to end: configuration, pipeline, both codecs and a real origin. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { builtins } from "../../src/plugin/builtin/index.ts"
import { Origin } from "../support/Origin.ts"
import { header } from "../support/RawClient.ts"
import { TestProxy } from "../support/TestProxy.ts"

const covered = new Set<string>()

/** Declares the test of a category. */
const covers = (category: string, title: string, test: () => Promise<void>): void => {
  covered.add(category)
  it(`${category} ${title}`, test)
}

describe("the built-in plugins", () => {
  let origin: Origin
  let proxy: TestProxy
  let site: string

  beforeAll(async () => {
    site = mkdtempSync(join(tmpdir(), "pingap-site-"))
    writeFileSync(join(site, "digits.txt"), "0123456789")
    origin = await Origin.start()
    const locations = ["auth", "files", "mock", "late", "redirect", "id", "fields", "words", "ping"]
    proxy = await TestProxy.start(`
[upstreams.origin]
addrs = ["${origin.address}"]
[servers.test]
addr = "127.0.0.1:0"
locations = ${JSON.stringify(locations)}
access_log = "{path} {status} id={request_id}"
${locations.map((name) => `[locations.${name}]\npath = "/${name}"\nupstream = "origin"\nplugins = ["${name}"]\n`).join("")}
[plugins.auth]
category = "basic_auth"
authorizations = ["YWRhOnNlY3JldA=="]
hide_credentials = true
[plugins.files]
category = "directory"
path = "${site}"
[plugins.mock]
category = "mock"
status = 203
headers = ["X-Mock: yes", "Content-Type: text/plain"]
data = "mocked"
[plugins.late]
category = "mock"
step = "proxy_upstream"
path = "/late/mocked"
data = "late"
[plugins.redirect]
category = "redirect"
http_to_https = true
status = 308
[plugins.id]
category = "request_id"
header_name = "X-Correlation"
[plugins.fields]
category = "response_headers"
set_headers = ["X-From: :upstream_addr"]
remove_headers = ["Content-Type"]
add_headers = ["Set-Cookie: a=1", "Set-Cookie: b=2"]
[plugins.words]
category = "sub_filter"
filters = ["subs_filter '\\"origin\\":\\"(\\\\w+)\\"' '\\"source\\":\\"$1\\"' g", "sub_filter 'GET' 'got'"]
[plugins.ping]
category = "ping"
path = "/ping/me"
`)
  })
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]()
    await origin[Symbol.asyncDispose]()
    rmSync(site, { recursive: true })
  })

  covers("basic_auth", "lets the right ones pass, without their credentials", async () => {
    const before = origin.requests.length
    const refused = await proxy.get("/auth")
    assert.strictEqual(refused.status, 401)
    assert.match(header(refused, "www-authenticate") ?? "", /^Basic realm=/)
    assert.strictEqual((await proxy.get("/auth", "Host: a\r\nAuthorization: Basic b3RoZXI6Yg==\r\n")).status, 401)
    assert.strictEqual(origin.requests.length, before)
    const passed = await proxy.get("/auth", "Host: a\r\nAuthorization: Basic YWRhOnNlY3JldA==\r\n")
    assert.strictEqual(passed.status, 200)
    assert.notProperty(origin.requests.at(-1)!.headers, "authorization")
  })

  covers("directory", "serves a part of a file, and nothing from outside", async () => {
    // The location does not rewrite: the plugin sees /files/digits.txt.
    assert.strictEqual((await proxy.get("/files/digits.txt")).status, 404)
    const reloaded = await TestProxy.start(`
[servers.files]
addr = "127.0.0.1:0"
locations = ["files"]
[locations.files]
path = "/files"
rewrite = "^/files/?(.*)$ /$1"
plugins = ["files"]
[plugins.files]
category = "directory"
path = "${site}"
`)
    await using files = reloaded
    const part = await files.get("/files/digits.txt", "Host: a\r\nRange: bytes=3-5\r\n")
    assert.strictEqual(`${part.status} ${part.body}`, "206 345")
    assert.strictEqual(header(part, "content-range"), "bytes 3-5/10")
    const etag = header(await files.get("/files/digits.txt"), "etag")!
    assert.strictEqual((await files.get("/files/digits.txt", `Host: a\r\nIf-None-Match: ${etag}\r\n`)).status, 304)
    for (const path of ["/files/../../etc/passwd", "/files/%2e%2e/%2e%2e/etc/passwd", "/files/..%2f..%2fetc/passwd"]) {
      assert.include([403, 404], (await files.get(path)).status, path)
    }
  })

  covers("mock", "answers at the step it was put to", async () => {
    const response = await proxy.get("/mock/anything")
    assert.strictEqual(`${response.status} ${response.body}`, "203 mocked")
    assert.strictEqual(header(response, "x-mock"), "yes")
    assert.strictEqual((await proxy.get("/late/mocked")).body.toString(), "late")
    assert.strictEqual(JSON.parse((await proxy.get("/late/other")).body.toString()).url, "/late/other")
  })

  covers("redirect", "sends to https", async () => {
    const response = await proxy.get("/redirect/a?b=c", "Host: example.com:8080\r\n")
    assert.strictEqual(response.status, 308)
    assert.strictEqual(header(response, "location"), "https://example.com/redirect/a?b=c")
  })

  covers("request_id", "names a request on all sides", async () => {
    const response = await proxy.get("/id")
    const id = header(response, "x-request-id")!
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/)
    assert.strictEqual(origin.requests.at(-1)!.headers["x-correlation"], id)
    assert.strictEqual(await proxy.logged(/^INFO \/id /), `INFO /id 200 id=${id}`)
  })

  covers("response_headers", "edits what the upstream said", async () => {
    const response = await proxy.get("/fields")
    assert.strictEqual(header(response, "x-from"), origin.address)
    assert.strictEqual(header(response, "content-type"), undefined)
    assert.deepStrictEqual(
      response.fields.filter(([name]) => name.toLowerCase() === "set-cookie").map(([, value]) => value),
      ["a=1", "b=2"]
    )
  })

  covers("sub_filter", "replaces text in a body whose length it does not know", async () => {
    const response = await proxy.get("/words")
    assert.strictEqual(response.framing, "chunked")
    assert.match(response.body.toString(), /^\{"source":"origin","method":"got","url":"\/words",/)
  })

  covers("ping", "answers its path alone", async () => {
    assert.strictEqual((await proxy.get("/ping/me")).body.toString(), "pong")
    assert.strictEqual(JSON.parse((await proxy.get("/ping/you")).body.toString()).url, "/ping/you")
  })

  it("are all here", () => {
    assert.deepStrictEqual([...covered].sort(), builtins.map(({ category }) => category).sort())
  })
})
