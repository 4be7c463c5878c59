import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as Rewrite from "../../src/location/Rewrite.ts"
import { badRequest } from "../../src/proxy/Failure.ts"
import { fake } from "../support/FakeExchange.ts"

/** Target, variables and what was reported after a rewrite. */
const rewritten = (rewrite: string, uri: string, variables: ReadonlyArray<readonly [string, string]> = []) => {
  const invalid: Array<string> = []
  const run = Rewrite.compile(rewrite, (_, result) => invalid.push(result))
  assert(!(run instanceof Rewrite.RewriteError))
  const { exchange } = fake({ uri })
  exchange.addVariables(variables)
  const failure = run(exchange)
  const added = [...exchange.variables!].slice(variables.length)
  return { target: exchange.target, path: exchange.path, added, invalid, failure }
}

describe("Rewrite", () => {
  it.each<[string, string, string, ReadonlyArray<readonly [string, string]>]>([
    ["^/users/(?<upstream>.*?)/(.*)$ /$2", "/users/rest/me?abc=1", "/me?abc=1", [["upstream", "rest"]]],
    ["^/users/(?<upstream>.*?)/(.*)$ /$2", "/api/me?abc=1", "/api/me?abc=1", []],
    ["^/old/(.*)$ /new/$1", "/old/thing?x=1", "/new/thing?x=1", []],
    ["^/api/(?<path>.+)$ /$1", "/api/v1/x", "/v1/x", [["path", "v1/x"]]],
    ["^/api", "/api/users", "/users", []],
    ["^/api /", "/api/users", "//users", []],
    [`^/api/(?<rest>.+)$ /v2/\${rest}`, "/api/x", "/v2/x", [["rest", "x"]]],
    ["a b", "/aaa", "/baa", []],
    [".* /fixed", "/x/y?q=1", "/fixed?q=1", []],
    [".* /all$0", "/x", "/all/x", []],
    ["^/(\\d+)$ /$$$1", "/42", "/$42", []],
    ["^/(\\d+)$ /$1abc-$2-$nope", "/42", "/--", []],
    ["^/same$ /same", "/same", "/same", []],
    ["(?<all>.*) $all", "/x", "/x", []],
    ["^/a  /b", "/a/x", "/b/x", []],
    ["^/a /b /c", "/a/x", "/x", []],
    ["^/a$ /new?v=2", "/a", "/new?v=2", []],
    ["^/a$ /new?v=2", "/a?x=1", "/new?v=2&x=1", []],
    ["^/u/(\\d+)$ /user?id=$1#top", "/u/7", "/user?id=7", []],
    ["^/a /日本", "/a/x", "/%E6%97%A5%E6%9C%AC/x", []],
    ["^/(a|a)*b /x", "/aab/y", "/x/y", []]
  ])("9 %s on %s gives %s", (rewrite, uri, target, added) => {
    const result = rewritten(rewrite, uri)
    assert.deepStrictEqual([result.target, result.added, result.invalid], [target, added, []])
    assert.strictEqual(result.failure, undefined)
  })

  it("9 inserts variables by name, not wherever their name stands", () => {
    assert.strictEqual(rewritten("/$app/index", "/x?q=1", [["app", "shop"]]).target, "/shop/index?q=1")
    assert.strictEqual(rewritten(`.* /video/\${id}`, "/x", [["id", "42"]]).target, "/video/42")
    assert.strictEqual(rewritten("^/x /$app-$1", "/x/y", [["app", "shop"]]).target, "/shop-/y")
  })

  it("9 takes a single word that ends in a dollar sign for a pattern", () => {
    assert.deepStrictEqual(rewritten("^/health$", "/health/x"), {
      target: "/health/x",
      path: "/health/x",
      added: [],
      invalid: [],
      failure: undefined
    })
    assert.strictEqual(rewritten("/old/(.*)$", "/api/old/x").target, "/api")
  })

  it.each([
    ["^/api", "/api", ""],
    ["^/health$", "/health", ""],
    ["^/api/(.*)$ $1", "/api/x", "x"],
    ["^/api/(.*)$ http://other/$1", "/api/x", "http://other/x"]
  ])("9 %s on %s keeps the path and reports %j", (rewrite, uri, result) => {
    const { failure, invalid, target } = rewritten(rewrite, uri)
    assert.deepStrictEqual([target, invalid, failure], [uri, [result], undefined])
  })

  it("inserts what was captured once", () => {
    assert.strictEqual(rewritten("^/a/(.*)$ /b/$1", "/a/$1$0").target, "/b/$1$0")
    assert.strictEqual(rewritten("^/a /$v", "/a", [["v", "$1"]]).target, "/$1")
  })

  it.each(["a\r\nb", "a\nb", "a\0b", "a b", "a?b", "a#b", "\x7f", "é日"])("refuses a capture with %j", (value) => {
    const { failure, target } = rewritten(".* /$v", "/x", [["v", value]])
    assert.strictEqual(failure, badRequest)
    assert.strictEqual(target, "/x")
  })

  it("refuses captures that join to a dot segment", () => {
    assert.strictEqual(rewritten("^/a/(.+)-(.+)-(.*)$ /$1$2/$3", "/a/.-.-deny").failure, badRequest)
  })

  it("lets queries of the configuration take captures without line ends and blanks only", () => {
    assert.strictEqual(rewritten(".* /x?v=$v", "/a", [["v", "1?2"]]).target, "/x?v=1?2")
    assert.strictEqual(rewritten(".* /x?v=$v", "/a", [["v", "1 2"]]).failure, badRequest)
  })

  it("leaves a target that is no path alone", () => {
    assert.strictEqual(rewritten(".* /x", "*").target, "*")
  })

  it("reports a pattern that cannot be used", () => {
    const error = Rewrite.compile("^/(a /b")
    assert(error instanceof Rewrite.RewriteError)
    assert.include(error.message, "unclosed group")
  })

  it("always leaves a target that can be written in a request line", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "/", ".", "%2e", "$1", "?", "\xe9", ";") })
    const template = fc.constantFrom("/$1", "/$1/$2", "$2$1", "/.$1", "/a?$1", "")
    fc.assert(
      fc.property(text, template, (tail, replacement) => {
        const { failure, target } = rewritten(`^/(.*?)/(.*)$ ${replacement}`, `/${tail}`)
        if (failure === undefined) assert.match(target, /^\/[^\x00-\x20\x7f#]*$/)
      }),
      { numRuns: 2000 }
    )
  })
})
