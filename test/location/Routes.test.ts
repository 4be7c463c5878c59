import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import type { LocationRule } from "../../src/location/Matcher.ts"
import * as Routes from "../../src/location/Routes.ts"
import { fake } from "../support/FakeExchange.ts"

const routesOf = (...rules: ReadonlyArray<LocationRule>): Routes.Routes<string> =>
  Routes.compile(
    rules,
    rules.map((rule) => rule.name)
  )

const guarded = routesOf({ name: "open", path: "/" }, { name: "deny", path: "/deny" }, { name: "c", path: "/c" })

/** Location, path and target after routing. */
const routed = (routes: Routes.Routes<string>, uri: string) => {
  const { exchange } = fake({ uri })
  return [routes.route(exchange), exchange.path, exchange.target]
}

describe("Routes", () => {
  it.each([
    ["/plain?x=1", ["open", "/plain", "/plain?x=1"]],
    ["/deny/x", ["deny", "/deny/x", "/deny/x"]],
    ["/c/../deny/x", ["deny", "/deny/x", "/deny/x"]],
    ["/c/%2e%2e/deny/x?a=%2e", ["deny", "/deny/x", "/deny/x?a=%2e"]],
    ["//deny/x", ["deny", "/deny/x", "/deny/x"]],
    ["/%64eny/x", ["deny", "/deny/x", "/deny/x"]],
    ["/deny%2fx", ["deny", "/deny%2Fx", "/deny%2fx"]],
    ["/./deny/x", ["deny", "/deny/x", "/deny/x"]],
    ["/c/..;/deny/x", ["deny", "/deny/x", "/deny/x"]],
    ["/;/deny/x", ["deny", "/deny/x", "/deny/x"]],
    ["/c/;x/y", ["c", "/c/y", "/c/;x/y"]],
    ["/c/%7euser", ["c", "/c/~user", "/c/%7euser"]],
    ["/c//x", ["c", "/c/x", "/c//x"]],
    ["/c/./x", ["c", "/c/x", "/c/x"]],
    ["/open/../deny//../open/x", ["open", "/open/x", "/open/x"]],
    ["/c/100%", ["c", "/c/100%25", "/c/100%"]],
    ["/deny/../c/x", ["c", "/c/x", "/c/x"]],
    // Unescaped before or after dot segments are resolved: two meanings, so none.
    ["/c\\..\\deny/x", [null, "/c\\..\\deny/x", "/c\\..\\deny/x"]],
    ["/c/..%2fdeny/x", [null, "/c/..%2fdeny/x", "/c/..%2fdeny/x"]],
    ["/c%2F%2e%2e/deny", [null, "/c%2F%2e%2e/deny", "/c%2F%2e%2e/deny"]],
    ["/c%5c.;a/deny", [null, "/c%5c.;a/deny", "/c%5c.;a/deny"]],
    ["/c/x..%2fy", ["c", "/c/x..%2Fy", "/c/x..%2fy"]],
    ["/c/..\\deny/x", [null, "/c/..\\deny/x", "/c/..\\deny/x"]],
    ["/\\deny/x?a=\\", ["open", "/%5Cdeny/x", "/%5Cdeny/x?a=\\"]]
  ])("hardening 6: %s", (uri, expected) => {
    assert.deepStrictEqual(routed(guarded, uri), expected)
  })

  it("has no location for what nothing matches", () => {
    assert.deepStrictEqual(routed(routesOf({ name: "a", path: "/a" }), "/b/%61"), [null, "/b/a", "/b/%61"])
  })

  it("finds a location whose path holds a backslash", () => {
    const routes = routesOf({ name: "win", path: "/a\\b" })
    assert.deepStrictEqual(routed(routes, "/a\\b"), ["win", "/a%5Cb", "/a%5Cb"])
    assert.deepStrictEqual(routed(routes, "/a%5cb"), ["win", "/a%5Cb", "/a%5Cb"])
  })

  it("has no location for a path that a pattern would not look at to its end", () => {
    const long = `/admin/${"a".repeat(8192)}`
    const patterns = routesOf({ name: "open", path: "/" }, { name: "admin", path: "~^/admin" })
    assert.deepStrictEqual(routed(patterns, long)[0], null)
    assert.deepStrictEqual(routed(guarded, long)[0], "open")
  })

  it("captures from the normal form", () => {
    const { exchange } = fake({ uri: "/u/%61b/x" })
    routesOf({ name: "user", path: "~^/u/(?<id>[^/]+)" }).route(exchange)
    assert.strictEqual(exchange.variable("id"), "ab")
    assert.strictEqual(exchange.target, "/u/%61b/x")
  })

  it("leaves no captures of a location that only the raw path met", () => {
    const { exchange } = fake({ uri: "/c/../deny/x" })
    const routes = routesOf({ name: "c", path: "~^/c/(?<rest>.*)" }, { name: "deny", path: "/deny" })
    assert.strictEqual(routes.route(exchange), "deny")
    assert.strictEqual(exchange.variables, null)
  })

  it("skips rules that cannot be used and reports them", () => {
    const routes = routesOf({ name: "bad", path: "~(" }, { name: "good" })
    assert.strictEqual(routes.errors[0]?.location, "bad")
    assert.strictEqual(routes.route(fake().exchange), "good")
  })

  it("never sends bytes that a reader could take for a protected path", () => {
    const part = fc.constantFrom(
      "/",
      "deny",
      "c",
      "..",
      ".",
      "%2e%2e",
      "%2E",
      "%64eny",
      "..;x",
      ";",
      "//",
      "x",
      "%2f",
      "\\"
    )
    const uris = fc.array(part, { minLength: 1, maxLength: 10 }).map((parts) => `/${parts.join("")}`)
    // What upstream programs make of a target: each decodes at another moment, merges slashes or does not, and a reader
    // of URLs takes a backslash for a slash.
    const decode = (path: string) =>
      path.replaceAll("\\", "/").replace(/%(2e|64)/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    const stripped = (path: string) => path.replace(/;[^/]*/g, "")
    const readings = (target: string) =>
      [decode(target), stripped(decode(target))].flatMap((path) => [path, path.replace(/\/+/g, "/")]).map(resolve)
    fc.assert(
      fc.property(uris, (uri) => {
        const { exchange } = fake({ uri })
        const location = guarded.route(exchange)
        // Refused, as it has no single meaning, or seen by the rule.
        if (location === null || location === "deny") return
        for (const reading of readings(exchange.target)) assert.isFalse(/^\/deny/.test(reading), `${uri} ${reading}`)
      }),
      { numRuns: 5000 }
    )
  })
})

/** RFC 3986 5.2.4, empty segments kept. */
const resolve = (path: string): string => {
  const kept: Array<string> = []
  for (const segment of path.split("/").slice(1)) {
    if (segment === "..") kept.pop()
    else if (segment !== ".") kept.push(segment)
  }
  return `/${kept.join("/")}`
}
