/** The example configuration in conf/, as it is but for the ports: what its README promises. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { header } from "../support/RawClient.ts"
import { freePorts, TestProxy } from "../support/TestProxy.ts"

const CONF = join(import.meta.dirname, "../../conf")

const documents = async () => {
  const [front, demo] = await freePorts(2)
  return readdirSync(CONF)
    .filter((file) => file.endsWith(".toml"))
    .sort()
    .map((file) => ({
      file,
      text: readFileSync(join(CONF, file), "utf8").replaceAll(":6188", `:${front}`).replaceAll(":6189", `:${demo}`)
    }))
}

describe("conf/", () => {
  let proxy: TestProxy
  beforeAll(async () => {
    proxy = await TestProxy.start(await documents())
  })
  afterAll(() => proxy[Symbol.asyncDispose]())

  const fetchApi = (path: string, fields = "") => proxy.get(path, `Host: api.example.com\r\n${fields}`, "front")

  it("starts without a warning", () => {
    assert.deepStrictEqual(
      proxy.log.filter((line) => !line.startsWith("INFO")),
      []
    )
  })

  it("proxies / to an upstream that is a server of its own", async () => {
    const response = await proxy.get("/", undefined, "front")
    assert.strictEqual(response.body.toString(), '{"message":"hello from the upstream"}')
    assert.strictEqual(header(response, "content-type"), "application/json")
    assert.match(await proxy.logged(/"GET \/"/), /^INFO 127\.0\.0\.1 "GET \/" 200 37B \d+ms up=127\.0\.0\.1:\d+$/)
  })

  it("answers /ping itself", async () => {
    assert.strictEqual((await proxy.get("/ping", undefined, "front")).body.toString(), "pong")
  })

  it("serves files, with a listing", async () => {
    assert.strictEqual(
      (await proxy.get("/files/hello.txt", undefined, "front")).body.toString(),
      "Hello from conf/www.\n"
    )
    assert.match((await proxy.get("/files/", undefined, "front")).body.toString(), /<a href="\.\/hello\.txt">/)
  })

  it("rewrites for a second host, and adds what it was told to", async () => {
    const response = await fetchApi("/v1/users")
    assert.strictEqual(response.body.toString(), '[{"name":"ada"},{"name":"grace"}]')
    assert.match(header(response, "x-request-id") ?? "", /^[0-9a-f-]{36}$/)
    assert.notStrictEqual(header(response, "x-served-by"), undefined)
  })

  it("asks for a password", async () => {
    assert.strictEqual((await fetchApi("/private")).status, 401)
    const response = await fetchApi("/private", "Authorization: Basic YWRtaW46c2VjcmV0\r\n")
    assert.strictEqual(response.body.toString(), "you are in\n")
  })
})
