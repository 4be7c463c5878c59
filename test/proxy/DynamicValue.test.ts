import { assert, describe, it } from "@effect/vitest"
import * as DynamicValue from "../../src/proxy/DynamicValue.ts"
import { type FakeOptions, fake } from "../support/FakeExchange.ts"

const env = { HOME: "/root", EMPTY: "", LINES: "a\r\nb", WIDE: "日" }

const connection: FakeOptions = {
  client: {
    id: 102,
    remoteAddress: "10.1.1.1",
    remotePort: 6000,
    localAddress: "10.1.1.2",
    localPort: 6001,
    tlsVersion: "TLSv1.3"
  },
  fields: [["Host", "pingap.io"]]
}

const resolve = (value: string, options: FakeOptions = connection): string | undefined => {
  const compiled = DynamicValue.compile(value, "box", env)
  if (typeof compiled === "string") return compiled
  const { exchange } = fake(options)
  exchange.upstreamAddress = "10.1.1.3:4123"
  return compiled(exchange)
}

describe("DynamicValue", () => {
  it.each([
    ["HO2 HV4 $host", "$host", "pingap.io"],
    ["HV5 $scheme", "$scheme", "http"],
    ["HV6 $remote_addr", "$remote_addr", "10.1.1.1"],
    ["HV6 $remote_port", "$remote_port", "6000"],
    ["HV6 $server_addr", "$server_addr", "10.1.1.2"],
    ["HV6 $server_port", "$server_port", "6001"],
    ["HV6 $upstream_addr", "$upstream_addr", "10.1.1.3:4123"],
    ["HV7 :connection_id", ":connection_id", "102"],
    [":tls_version", ":tls_version", "TLSv1.3"],
    ["HV8 without the field", "$proxy_add_x_forwarded_for", "10.1.1.1"],
    ["HV10 $hostname", "$hostname", "box"],
    ["HV10 $HOME", "$HOME", "/root"],
    ["HV11 UUID", "UUID", "UUID"],
    ["embedded", "a $host", "a $host"],
    ["a price", "$5.00", "$5.00"],
    ["a lone dollar", "$", "$"],
    ["no context value", ":nope", ":nope"],
    ["a lone colon", ":", ":"],
    ["a name of every object", "$constructor", undefined],
    ["an unset variable", "$NOPE", undefined],
    ["an empty variable", "$EMPTY", undefined],
    ["a variable with line ends", "$LINES", undefined],
    ["a variable beyond latin1", "$WIDE", undefined],
    ["a missing field", "$http_origin", undefined],
    ["an empty context value", ":tls_cipher", undefined]
  ])("%s", (_, value, expected) => {
    assert.strictEqual(resolve(value), expected)
  })

  it("HV5 is https on an encrypted connection", () => {
    assert.strictEqual(resolve("$scheme", { scheme: "https" }), "https")
  })

  it.each<[FakeOptions["fields"], string]>([
    [[["X-Forwarded-For", "1.1.1.1, 2.2.2.2"]], "1.1.1.1, 2.2.2.2, 10.1.1.1"],
    [
      [
        ["X-Forwarded-For", "1.1.1.1"],
        ["x-forwarded-for", "2.2.2.2"]
      ],
      "1.1.1.1, 2.2.2.2, 10.1.1.1"
    ],
    [[["X-Forwarded-For", ""]], "10.1.1.1"],
    [[], "10.1.1.1"]
  ])("HV8 appends the peer to %o", (fields, expected) => {
    assert.strictEqual(resolve("$proxy_add_x_forwarded_for", { ...connection, fields: fields ?? [] }), expected)
  })

  it.each([
    ["HV9", "$http_origin", "Origin", "https://github.com"],
    ["dashes as written", "$http_user-agent", "User-Agent", "curl"],
    ["underscores for dashes", "$http_user_agent", "User-Agent", "curl"],
    ["underscores as written", "$http_x_user", "X_User", "ann"],
    ["upper case", "$http_X_USER", "x-user", "ann"]
  ])("%s: %s reads %s", (_, value, name, expected) => {
    assert.strictEqual(resolve(value, { fields: [[name, expected]] }), expected)
  })

  it("prefers the field as it is written to the one with dashes", () => {
    assert.strictEqual(
      resolve("$http_x_user", {
        fields: [
          ["X-User", "dashes"],
          ["X_User", "underscores"]
        ]
      }),
      "underscores"
    )
  })

  it("gives an IPv4 peer of a socket for both families its own form", () => {
    assert.strictEqual(resolve("$remote_addr", { client: { remoteAddress: "::ffff:192.0.2.1" } }), "192.0.2.1")
  })

  it.each(["$remote_addr", "$remote_port", "$host", "$proxy_add_x_forwarded_for"])(
    "%s is nothing without a socket",
    (value) => {
      assert.strictEqual(resolve(value, { client: { remoteAddress: "", remotePort: 0 } }), undefined)
    }
  )
})
