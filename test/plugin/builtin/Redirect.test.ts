import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Redirect } from "../../../src/plugin/builtin/Redirect.ts"
import type { LocalResponse } from "../../../src/proxy/Response.ts"
import { type FakeOptions, fakeExchange, fieldOf } from "../../support/FakeExchange.ts"
import { hooksOf, noticesOf } from "../../support/PluginHooks.ts"

const api = { http_to_https: true, prefix: "/api" }

/** `status location` of the answer, or undefined when the request goes on. */
const answer = (table: Record<string, unknown>, uri: string, host = "github.com", options: FakeOptions = {}) =>
  Effect.map(hooksOf(Redirect, table), ({ request }) => {
    const fields = host === "" ? [] : ([["Host", host]] as const)
    const response = request?.(fakeExchange({ uri, fields, ...options })) as LocalResponse | undefined
    return response === undefined ? undefined : `${response.status} ${fieldOf(response, "location")}`
  })

describe("redirect", () => {
  const tls = { scheme: "https" } as const
  const cases: ReadonlyArray<
    readonly [
      title: string,
      table: Record<string, unknown>,
      uri: string,
      expected: string | undefined,
      host?: string,
      options?: FakeOptions
    ]
  > = [
    ["RD1: to https below a prefix", api, "/vicanso/pingap?size=1", "307 https://github.com/api/vicanso/pingap?size=1"],
    ["RD3: not twice below the prefix", api, "/api/vicanso?size=1", "307 https://github.com/api/vicanso?size=1"],
    ["passes what is where it should be", api, "/api/vicanso", undefined, "github.com", tls],
    ["adds the prefix on https", api, "/vicanso", "307 https://github.com/api/vicanso", "github.com", tls],
    ["RD2: 301", { http_to_https: true, status: 301 }, "/", "301 https://github.com/"],
    ["RD2: 302", { http_to_https: true, status: 302 }, "/", "302 https://github.com/"],
    ["RD2: 307", { http_to_https: true, status: 307 }, "/", "307 https://github.com/"],
    ["RD2: 308", { http_to_https: true, status: 308 }, "/", "308 https://github.com/"],
    ["any other status is 307", { http_to_https: true, status: 200 }, "/", "307 https://github.com/"],
    ["to http when http_to_https is false", {}, "/a", "307 http://github.com/a", "github.com", tls],
    ["leaves plain clients alone then", {}, "/a", undefined],
    ["a prefix of one character is none", { http_to_https: true, prefix: "/" }, "/a", "307 https://github.com/a"],
    ["a prefix gets its slash", { http_to_https: true, prefix: "api" }, "/a", "307 https://github.com/api/a"],
    ["HTTP/2 gives path and query too", api, "/api/x", "307 https://github.com/api/x", "github.com", { version: 20 }],
    ["the port of the other scheme is dropped", { http_to_https: true }, "/", "307 https://a.com/", "a.com:8080"],
    ["the port stays with the scheme", { prefix: "/p" }, "/x", "307 http://a.com:8080/p/x", "a.com:8080"],
    ["a scheme's own port is dropped", { prefix: "/p" }, "/x", "307 http://a.com/p/x", "a.com:80"],
    ["IPv6", { prefix: "/p" }, "/x", "307 http://[::1]:8080/p/x", "[::1]:8080"],
    ["a path that looks like a host", { http_to_https: true }, "//evil.com/", "307 https://github.com//evil.com/"],
    ["no host", { http_to_https: true }, "/", "400 undefined", ""],
    ["user information", { http_to_https: true }, "/", "400 undefined", "user@evil.com"],
    ["a path in the host", { http_to_https: true }, "/", "400 undefined", "evil.com/x"],
    ["a backslash", { http_to_https: true }, "/", "400 undefined", "evil.com\\x"]
  ]
  for (const [title, table, uri, expected, host, options] of cases) {
    it.effect(title, () =>
      Effect.map(answer(table, uri, host, options), (actual) => assert.strictEqual(actual, expected))
    )
  }

  it.effect("follows the rewritten path", () =>
    Effect.gen(function* () {
      const { request } = yield* hooksOf(Redirect, { http_to_https: true })
      const exchange = fakeExchange({ uri: "/old", fields: [["Host", "a.com"]] })
      exchange.retarget("/new", "q=1")
      const response = request?.(exchange) as LocalResponse
      assert.strictEqual(fieldOf(response, "location"), "https://a.com/new?q=1")
      assert.strictEqual(response.body, "")
    })
  )

  it.effect("says that it does not know a status", () =>
    Effect.map(noticesOf(Redirect, { status: 200 }), (notices) =>
      assert.deepEqual(notices, ["status: 200 is no redirect, 307 is used"])
    )
  )
})
