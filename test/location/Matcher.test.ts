import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as Matcher from "../../src/location/Matcher.ts"
import { Fields } from "../../src/model/Fields.ts"

type Rule = Matcher.LocationRule

class Request implements Matcher.Subject {
  readonly host: string
  readonly path: string
  readonly query: string
  readonly fields: Fields
  readonly variables = new Map<string, string>()

  constructor(
    host: string,
    path: string,
    query = "",
    fields: ReadonlyArray<readonly [name: string, value: string]> = []
  ) {
    this.host = host.toLowerCase()
    this.path = path
    this.query = query
    this.fields = Fields.of(fields)
  }

  addVariables(captures: Iterable<readonly [string, string]>): void {
    for (const [name, value] of captures) this.variables.set(name, value)
  }
}

const matcherOf = (...rules: ReadonlyArray<Omit<Rule, "name"> & { readonly name?: string }>): Matcher.Matcher => {
  const { errors, matcher } = Matcher.compile(rules.map((rule) => ({ name: "lo", ...rule })))
  assert.deepStrictEqual(errors, [])
  return matcher
}

describe("Matcher.weight", () => {
  it.each<[Omit<Rule, "name">, number]>([
    [{ weight: 2048 }, 2048],
    [{ path: "=/api" }, 1029],
    [{ path: "~/api" }, 261],
    [{ path: "/api" }, 516],
    [{ host: "github.com" }, 128],
    [{ host: "~github.com" }, 11],
    [{ host: "" }, 0],
    [{ path: "/" }, 0],
    [{ path: "=" }, 0],
    [{ path: "/", host: "*.example.com" }, 128],
    [{ path: "/api", host: "github.com" }, 644],
    [{ path: "=/api", host: "~^a\\.com$,b.com" }, 1044],
    [{ path: `/${"x".repeat(99)}` }, 576],
    [{ weight: 0, path: "=/api", host: "a.com" }, 0],
    [{ path: "/é" }, 515],
    [{ host: "a.com, ~x" }, 128]
  ])("3 %o weighs %d", (rule, expected) => {
    assert.strictEqual(Matcher.weight({ name: "lo", ...rule }), expected)
  })

  it("3 orders locations by it", () => {
    const rules: ReadonlyArray<Rule> = [
      { name: "root", path: "/" },
      { name: "host", host: "a.com" },
      { name: "regex", path: "~/api" },
      { name: "regex and host", path: "~/api", host: "a.com" },
      { name: "prefix", path: "/api" },
      { name: "prefix and host", path: "/api", host: "a.com" },
      { name: "exact", path: "=/api" }
    ]
    let left = [...rules]
    const order: Array<string> = []
    while (left.length > 0) {
      const { matcher } = Matcher.compile(left)
      const [found] = left.splice(matcher.match(new Request("a.com", "/api")), 1)
      order.push(found!.name)
      left = [...left]
    }
    assert.deepStrictEqual(order, ["exact", "prefix and host", "prefix", "regex and host", "regex", "host", "root"])
  })
})

describe("Matcher", () => {
  it.each<[host: string | undefined, path: string | undefined, string, string, boolean]>([
    [undefined, undefined, "pingap", "/api", true],
    [undefined, undefined, "", "", true],
    ["test.com,pingap", undefined, "pingap", "/api", true],
    ["test.com,pingap", undefined, "Pingap", "/api", true],
    ["test.com,pingap", undefined, "pingap", "", true],
    ["test.com,pingap", undefined, "", "/api", false],
    ["*.example.com", undefined, "a.example.com", "/", true],
    ["*.example.com", undefined, "api.example.com", "/", true],
    ["*.example.com", undefined, "example.com", "/", false],
    ["*.example.com", undefined, ".example.com", "/", false],
    ["*.example.com", undefined, "evil-example.com", "/", false],
    ["*.example.com", undefined, "a.b.example.com", "/", true],
    ["*.Example.COM", undefined, "a.example.com", "/", true],
    ["Test.COM", undefined, "test.com", "/", true],
    [undefined, "~/users", "", "/api/users", true],
    [undefined, "~/users", "", "/users", true],
    [undefined, "~ /users", "", "/users", true],
    [undefined, "~/users", "", "/api", false],
    [undefined, "~^/api", "", "/api/users", true],
    [undefined, "~^/api", "", "/api", true],
    [undefined, "~^/api", "", "/users", false],
    [undefined, "/api", "", "/api/users", true],
    [undefined, "/api", "", "/api", true],
    [undefined, "/api", "", "/users", false],
    [undefined, "/api", "", "/apifoo", true],
    [undefined, "=/api", "", "/api", true],
    [undefined, "= /api", "", "/api", true],
    [undefined, "=/api", "", "/api/users", false],
    [undefined, "=/api", "", "/users", false],
    [undefined, "=/api", "", "/api/", false],
    [" a.com , ,b.com", undefined, "b.com", "/", true],
    [" , ", undefined, "b.com", "/", true],
    ["~^API\\.", undefined, "api.example.com", "/", true],
    ["~^foo$", undefined, "foobar", "/", false],
    ["a.com,~^b\\d", undefined, "b1.com", "/", true],
    ["[::1]", undefined, "[::1]", "/", true],
    [undefined, "/%7euser/%2fx", "", "/~user/%2Fx/y", true],
    [undefined, "/日本", "", "/%E6%97%A5%E6%9C%AC/x", true],
    [undefined, "/日本", "", "/\xe6\x97\xa5\xe6\x9c\xac/x", true],
    [undefined, "/a b", "", "/a%20b", true],
    [undefined, "/.", "", "/.git/config", true],
    [undefined, "/.", "", "/git", false],
    [undefined, "~é", "", "/caf\xc3\xa9", true]
  ])("8.1 host %s, path %s against %s %s: %s", (host, path, requestHost, requestPath, expected) => {
    const matcher = matcherOf({ host, path })
    assert.strictEqual(matcher.match(new Request(requestHost, requestPath)), expected ? 0 : -1)
  })

  it("8.2 adds the named groups of host and path to the variables", () => {
    const request = new Request("charts.npmtrend.com", "/users/123")
    matcherOf({ host: "~(?<name>.+).npmtrend.com", path: "~/(?<route>.+)/(.*)" }).match(request)
    assert.deepStrictEqual(
      [...request.variables],
      [
        ["route", "users"],
        ["name", "charts"]
      ]
    )
  })

  it("8.2 prefers the host's group to the path's of the same name", () => {
    const request = new Request("a.example.com", "/b/x")
    matcherOf({ host: "~^(?<id>\\w+)\\.", path: "~^/(?<id>\\w+)/" }).match(request)
    assert.deepStrictEqual([...request.variables], [["id", "a"]])
  })

  it("8.2 adds nothing when the host matched as text", () => {
    const request = new Request("a.com", "/")
    matcherOf({ host: "a.com,~^(?<id>\\w+)" }).match(request)
    assert.strictEqual(request.variables.size, 0)
  })

  const candidates = (rules: ReadonlyArray<Rule>, host: string): ReadonlyArray<string> => {
    const names: Array<string> = []
    let left = [...rules]
    for (;;) {
      const index = Matcher.compile(left).matcher.match(new Request(host, "/api"))
      if (index === -1) return names
      names.push(left[index]!.name)
      left = left.filter((_, i) => i !== index)
    }
  }

  it.each([
    ["api.example.com", ["any_api", "exact", "wild", "re"]],
    ["other.example.com", ["any_api", "wild", "re"]],
    ["foo.bar", ["any_api", "re"]],
    ["zzz", ["any_api"]]
  ])("8.3 %s meets %o", (host, expected) => {
    // The host expression is one that holds for all but the last host.
    const rules: ReadonlyArray<Rule> = [
      { name: "any_api", path: "/api", weight: 1 },
      { name: "exact", host: "api.example.com", weight: 1 },
      { name: "wild", host: "*.example.com", weight: 1 },
      { name: "re", host: "~^foo|example", weight: 1 }
    ]
    assert.deepStrictEqual(candidates(rules, host), expected)
  })

  it("8.3 keeps the order of the list among equal weights", () => {
    const rules: ReadonlyArray<Rule> = [
      { name: "any", weight: 128 },
      { name: "exact", host: "h.com" }
    ]
    assert.deepStrictEqual(candidates(rules, "h.com"), ["any", "exact"])
  })

  it.each<[Omit<Rule, "name">, string, ReadonlyArray<readonly [string, string]>, boolean]>([
    [{ match_headers: ["x-version:2", "x-canary"] }, "", [], false],
    [{ match_headers: ["x-version:2", "x-canary"] }, "", [["x-version", "2"]], false],
    [
      { match_headers: ["x-version:2", "x-canary"] },
      "",
      [
        ["x-version", "2"],
        ["x-canary", "anything"]
      ],
      true
    ],
    [
      { match_headers: ["X-Version : 2", "x-canary", "", ":"] },
      "",
      [
        ["X-VERSION", "2"],
        ["X-Canary", ""]
      ],
      true
    ],
    [
      { match_headers: ["x-version:2", "x-canary"] },
      "",
      [
        ["x-version", "3"],
        ["x-canary", "y"]
      ],
      false
    ],
    [
      { match_headers: ["x-version:2"] },
      "",
      [
        ["x-version", "1"],
        ["x-version", "2"]
      ],
      false
    ],
    [{ match_headers: ["x-name"] }, "", [["x-name", "caf\xe9"]], false],
    [{ match_headers: ["x-url:http://a"] }, "", [["x-url", "http://a"]], true],
    [{}, "x=1", [], true],
    [{ match_query: ["ver:2"], match_cookies: ["session"] }, "ver=2", [["Cookie", "session=abc"]], true],
    [{ match_query: ["ver:2"], match_cookies: ["session"] }, "ver=2", [], false],
    [{ match_query: ["ver:2"], match_cookies: ["session"] }, "ver=3", [["Cookie", "session=abc"]], false],
    [{ match_query: ["ver"] }, "ver", [], false],
    [{ match_query: ["ver:"] }, "ver=", [], true],
    [{ match_cookies: ["session:abc"] }, "", [["Cookie", "a=1; session=abc"]], true],
    [{ match_cookies: ["session:ABC"] }, "", [["Cookie", "session=abc"]], false]
  ])("8.4 %o against ?%s %o: %s", (rule, query, fields, expected) => {
    assert.strictEqual(matcherOf(rule).match(new Request("h", "/", query, fields)), expected ? 0 : -1)
  })

  it("falls through to the next location when a condition fails", () => {
    const matcher = matcherOf({ path: "/" }, { path: "/", match_query: ["canary"], weight: 1 })
    assert.strictEqual(matcher.match(new Request("h", "/", "canary=1")), 1)
    assert.strictEqual(matcher.match(new Request("h", "/")), 0)
  })

  it("reports rules that cannot be used and serves the others", () => {
    const { errors, matcher } = Matcher.compile([
      { name: "path", path: "~(" },
      { name: "host", host: "a.com,~[" },
      { name: "bare", host: "*." },
      { name: "double", host: "*.*.com" },
      { name: "" },
      { name: "good" }
    ])
    assert.deepStrictEqual(
      errors.map(({ index, location, key }) => [index, location, key]),
      [
        [0, "path", "path"],
        [1, "host", "host"],
        [2, "bare", "host"],
        [3, "double", "host"],
        [4, "", "name"]
      ]
    )
    assert.strictEqual(errors[2]!.message, "invalid host wildcard pattern: *.")
    assert.strictEqual(matcher.match(new Request("a.com", "/")), 5)
  })

  it("does not search text beyond the limit", () => {
    const matcher = matcherOf({ path: "~a$" })
    assert.strictEqual(matcher.match(new Request("h", `/${"a".repeat(8191)}`)), 0)
    assert.strictEqual(matcher.match(new Request("h", `/${"a".repeat(8192)}`)), -1)
  })
})

/** The specification by the letter: sort, then ask one after the other. */
const scan = (rules: ReadonlyArray<Rule>, request: Request): number => {
  const order = rules.map((_, index) => index)
  order.sort((a, b) => Matcher.weight(rules[b]!) - Matcher.weight(rules[a]!) || a - b)
  const holds = (entry: string, find: (name: string) => string | undefined): boolean => {
    const [name, ...value] = entry.split(":")
    const found = find(name!)
    return found !== undefined && (value.length === 0 || value.join(":") === found)
  }
  const item = (text: string, separator: string, name: string): string | undefined =>
    text
      .split(separator)
      .find((part) => part.trim().startsWith(`${name}=`))
      ?.trim()
      .slice(name.length + 1)
  const found = order.find((index) => {
    const { host = "", path = "", match_cookies = [], match_headers = [], match_query = [] } = rules[index]!
    const hosts = host
      .split(",")
      .map((text) => text.trim())
      .filter((text) => text !== "")
    const hostHolds =
      hosts.length === 0 ||
      hosts.some((text) =>
        text.startsWith("~")
          ? new RegExp(text.slice(1)).test(request.host)
          : text.startsWith("*.")
            ? request.host.endsWith(text.slice(1)) && request.host.length > text.length - 1
            : text === request.host
      )
    const pathHolds = path.startsWith("~")
      ? new RegExp(path.slice(1)).test(request.path)
      : path.startsWith("=")
        ? path.slice(1) === request.path
        : request.path.startsWith(path)
    return (
      hostHolds &&
      pathHolds &&
      match_headers.every((entry) => holds(entry, (name) => request.fields.get(name))) &&
      match_query.every((entry) => holds(entry, (name) => item(request.query, "&", name))) &&
      match_cookies.every((entry) => holds(entry, (name) => item(request.fields.get("cookie") ?? "", ";", name)))
    )
  })
  return found ?? -1
}

describe("Matcher against a linear scan", () => {
  const host = fc.constantFrom("a.com", "b.com", "x.a.com", "y.x.a.com", "com", "c.org", "")
  const segment = fc.constantFrom("api", "apix", "a", "users", "u", "1", "12", "")
  const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join("/")}`)
  const hostRule = fc.oneof(
    { weight: 4, arbitrary: host },
    { weight: 2, arbitrary: fc.constantFrom("*.com", "*.a.com", "*.x.a.com", "*.org") },
    { weight: 1, arbitrary: fc.constantFrom("~^a", "~com$", "~x", "~^(?<name>[a-z]+)\\.") }
  )
  const pathRule = fc.oneof(
    { weight: 4, arbitrary: path },
    { weight: 2, arbitrary: path.map((text) => `=${text}`) },
    { weight: 1, arbitrary: fc.constantFrom("~^/api", "~^/a(pi)?/", "~users", "~^/.*1$", "~^/u|^/a", "~\\d", "") }
  )
  const conditions = (name: string) =>
    fc.option(fc.subarray([`${name}:1`, `${name}`, `${name}2`], { maxLength: 2 }), { nil: undefined, freq: 8 })
  const rule = fc.record({
    name: fc.constant("lo"),
    host: fc.option(
      fc.array(hostRule, { maxLength: 3 }).map((hosts) => hosts.join(",")),
      { nil: undefined }
    ),
    path: fc.option(pathRule, { nil: undefined }),
    weight: fc.option(fc.integer({ min: 0, max: 700 }), { nil: undefined, freq: 5 }),
    match_headers: conditions("h"),
    match_query: conditions("q"),
    match_cookies: conditions("c")
  })
  const request = fc
    .tuple(host, path, fc.constantFrom("", "q=1", "q2=1&q=2"), fc.constantFrom("", "c=1", "c2=x; c=2"), fc.boolean())
    .map(
      ([host, path, query, cookie, header]) =>
        new Request(host, path, query, [["Cookie", cookie], ...(header ? ([["h", "1"]] as const) : [])])
    )

  it("selects the same location", () => {
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 25 }),
        fc.array(request, { minLength: 1, maxLength: 20 }),
        (rules, requests) => {
          const { errors, matcher } = Matcher.compile(rules)
          assert.deepStrictEqual(errors, [])
          for (const one of requests) {
            assert.strictEqual(matcher.match(one), scan(rules, one), `${one.host} ${one.path}`)
          }
        }
      ),
      { numRuns: 3000 }
    )
  })
})
