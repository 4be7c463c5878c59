import { assert, describe, it } from "@effect/vitest"
import * as UpstreamFields from "../../src/location/UpstreamFields.ts"
import { type FakeOptions, fake } from "../support/FakeExchange.ts"

const machine = { hostname: "box", env: { REGION: "eu", BAD: "a\nb" } }

const sent = (rules: UpstreamFields.FieldRules, options: FakeOptions = {}): ReadonlyArray<string> => {
  const fields = UpstreamFields.compile(rules, machine)
  assert(fields !== null)
  const { exchange } = fake(options)
  const before = exchange.fields.text
  const block = fields(exchange)
  assert.strictEqual(exchange.fields.text, before)
  assert.strictEqual(fields(exchange), block)
  assert.isTrue(block === "" || block.endsWith("\r\n"))
  return block.split("\r\n").slice(0, -1)
}

describe("UpstreamFields", () => {
  it("PH1 11.3 adds the forwarding fields, then sets, then adds", () => {
    assert.deepStrictEqual(
      sent(
        {
          enable_reverse_proxy_headers: true,
          proxy_add_headers: ["x-server:123", "x-server:456"],
          proxy_set_headers: ["x-trace-id:ab"]
        },
        {
          client: { remoteAddress: "192.168.1.3", localPort: 8080 },
          fields: [
            ["Host", "github.com"],
            ["X-Forwarded-For", "1.1.1.1, 192.168.1.2"],
            ["X-Trace-Id", "old"],
            ["x-trace-id", "older"],
            ["Accept", "*/*"]
          ]
        }
      ),
      [
        "Host: github.com",
        "Accept: */*",
        "X-Real-IP: 192.168.1.3",
        "X-Forwarded-For: 1.1.1.1, 192.168.1.2, 192.168.1.3",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: github.com",
        "X-Forwarded-Port: 8080",
        "x-trace-id: ab",
        "x-server: 123",
        "x-server: 456"
      ]
    )
  })

  it("joins several lines of X-Forwarded-For and leaves none of them", () => {
    const lines = sent(
      { enable_reverse_proxy_headers: true },
      {
        client: { remoteAddress: "::ffff:10.0.0.9" },
        fields: [
          ["X-Forwarded-For", "1.1.1.1"],
          ["Host", "a"],
          ["x-forwarded-for", "2.2.2.2"]
        ]
      }
    )
    assert.deepStrictEqual(
      lines.filter((line) => /^x-forwarded-for/i.test(line)),
      ["X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.0.0.9"]
    )
  })

  it.each<[string, UpstreamFields.FieldRules, ReadonlyArray<string>]>([
    ["set", { proxy_set_headers: ["Host: up.internal"] }, ["Host: up.internal", "A: 1", "B: 2"]],
    ["set twice", { proxy_set_headers: ["host: a", "HOST: b"] }, ["HOST: b", "A: 1", "B: 2"]],
    ["added", { proxy_add_headers: ["Host: up"] }, ["Host: up", "A: 1", "B: 2"]],
    ["without a value", { proxy_set_headers: ["Host: $http_nope"] }, ["A: 1", "Host: h", "B: 2"]]
  ])("sends one Host when it is %s", (_, rules, expected) => {
    const fields: ReadonlyArray<readonly [string, string]> = [
      ["A", "1"],
      ["Host", "h"],
      ["B", "2"]
    ]
    assert.deepStrictEqual(sent(rules, { fields }), expected)
  })

  it.each<[string, UpstreamFields.FieldRules, ReadonlyArray<string>]>([
    ["11.1 $hostname", { proxy_set_headers: ["X-Server: $hostname"] }, ["X-Server: box"]],
    ["11.1 the environment", { proxy_set_headers: ["X-Region:$REGION"] }, ["X-Region: eu"]],
    ["a variable that is not set", { proxy_set_headers: ["X-Region: $NOPE"] }, []],
    ["a variable that is no field value", { proxy_set_headers: ["X-Region: $BAD"] }, []],
    ["an entry without a colon", { proxy_set_headers: ["no-colon", "A: 1"] }, ["A: 1"]],
    ["a name that is none", { proxy_set_headers: ["Invalid Name: value", "A: 1"] }, ["A: 1"]],
    ["a line end", { proxy_add_headers: ["A: x\r\nB: 1", "A: 1"] }, ["A: 1"]],
    ["an empty value", { proxy_set_headers: ["A:"] }, ["A: "]],
    ["the last of two", { proxy_set_headers: ["A: 1", "a: 2"] }, ["a: 2"]],
    ["framing", { proxy_set_headers: ["Content-Length: 5", "Transfer-Encoding: chunked", "A: 1"] }, ["A: 1"]],
    [
      "a field replaced by the location's own",
      { enable_reverse_proxy_headers: true, proxy_set_headers: ["X-Real-IP: $http_x_client"] },
      ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Port: 80"]
    ]
  ])("%s", (_, rules, expected) => {
    assert.deepStrictEqual(sent(rules), expected)
  })

  it("removes what the client sent when a field to set has no value", () => {
    assert.deepStrictEqual(sent({ proxy_set_headers: ["X-User: $http_x_auth"] }, { fields: [["X-User", "root"]] }), [])
  })

  it("removes look-alikes of what it sets, which CGI-like programs read as the same field", () => {
    const fields: FakeOptions["fields"] = [
      ["X_User", "root"],
      ["x-user", "root"],
      ["X_Users", "1"],
      ["X-Tenant_Id", "2"]
    ]
    const rules = { proxy_set_headers: ["X-User: me", "X_Tenant-Id: 3"] }
    assert.deepStrictEqual(sent(rules, { fields }), ["X_Users: 1", "X-User: me", "X_Tenant-Id: 3"])
  })

  it("is null when nothing is configured", () => {
    assert.strictEqual(UpstreamFields.compile({}, machine), null)
    assert.strictEqual(UpstreamFields.compile({ proxy_set_headers: [], proxy_add_headers: ["x"] }, machine), null)
  })

  it("says which entries have no effect", () => {
    assert.deepStrictEqual(
      UpstreamFields.problems({
        proxy_set_headers: ["no-colon", "Invalid Name: value", "A: 1"],
        proxy_add_headers: ["A: x\ny", "Connection: close"]
      }),
      [
        "header no-colon is invalid",
        "invalid header name: Invalid Name",
        "invalid header value: x\ny",
        "header Connection belongs to the connection and is ignored"
      ]
    )
  })
})
