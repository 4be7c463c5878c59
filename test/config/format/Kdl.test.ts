import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import fc from "fast-check"
import { listKeys, PLUGIN_LISTS } from "../../../src/config/format/Conversion.ts"
import * as Kdl from "../../../src/config/format/Kdl.ts"
import { builtins } from "../../../src/plugin/builtin/index.ts"
import { assertAnswered, problemsOf, textAt, valueOf } from "./conversions.ts"

const isList = (ast: SchemaAST.AST): boolean =>
  ast._tag === "Arrays" || (ast._tag === "Union" && ast.types.some(isList))

const lists = listKeys()
const read = (text: string) => Kdl.toToml({ file: "pingap.kdl", text }, lists)

/** The value of a document without a fault. */
const value = (text: string): unknown => {
  const converted = read(text)
  assert.deepStrictEqual(problemsOf(converted), [])
  return valueOf(converted)
}

describe("values", () => {
  it.each([
    ["several arguments", 'upstream "u" { addrs "a" "b" }', { upstreams: { u: { addrs: ["a", "b"] } } }],
    ["one argument of a list", 'server "s" { locations "api" }', { servers: { s: { locations: ["api"] } } }],
    [
      "integers, booleans and text",
      'basic { worker_threads 4; daemon #true; grace_period "10s" }',
      { basic: { worker_threads: 4, daemon: true, grace_period: "10s" } }
    ],
    [
      "properties and children together",
      'upstream "backend" health_check="http://x/" { addrs "127.0.0.1:1" }',
      { upstreams: { backend: { health_check: "http://x/", addrs: ["127.0.0.1:1"] } } }
    ],
    [
      "a repeated list",
      'upstream "u" { addrs "a"; addrs "b"; addrs "c" }',
      { upstreams: { u: { addrs: ["a", "b", "c"] } } }
    ],
    [
      "a repeated list of several",
      'upstream "u" { addrs "a" "b"; addrs "c" }',
      { upstreams: { u: { addrs: ["a", "b", "c"] } } }
    ],
    [
      "everything in line",
      'server "s" addr="0.0.0.0:80" locations="api"; location "api" upstream="u" plugins="p"; upstream "u" addrs="a"',
      {
        servers: { s: { addr: "0.0.0.0:80", locations: ["api"] } },
        upstreams: { u: { addrs: ["a"] } },
        locations: { api: { upstream: "u", plugins: ["p"] } }
      }
    ],
    [
      "properties and blocks mixed",
      'location "gh" host="api.github.com" {\n  proxy_set_headers "Host:api.github.com"\n}',
      { locations: { gh: { host: "api.github.com", proxy_set_headers: ["Host:api.github.com"] } } }
    ],
    [
      "a list of tables",
      'plugin "auth" category="combined_auth" { authorizations { item { app_id "a"; ip_list "10.0.0.0/8" }; item app_id="b" } }',
      {
        plugins: {
          auth: {
            category: "combined_auth",
            authorizations: [{ app_id: "a", ip_list: ["10.0.0.0/8"] }, { app_id: "b" }]
          }
        }
      }
    ],
    [
      "a list of one table in line",
      'plugin "auth" category="combined_auth" { authorizations app_id="a" secret="s" }',
      { plugins: { auth: { category: "combined_auth", authorizations: [{ app_id: "a", secret: "s" }] } } }
    ],
    [
      "booleans",
      'upstream "u" { verify_cert #false; ipv4_only #true }',
      { upstreams: { u: { verify_cert: false, ipv4_only: true } } }
    ],
    [
      "null and nothing",
      'upstream "u" { sni #null; algo; addrs }',
      { upstreams: { u: { sni: "", algo: "", addrs: [] } } }
    ],
    [
      "floats and other bases",
      'plugin "p" { category "x"; a 1.5; b 0x10 ; c 1_000; d #inf }',
      { plugins: { p: { category: "x", a: 1.5, b: 16, c: 1000, d: Number.POSITIVE_INFINITY } } }
    ],
    [
      "texts of several lines",
      'certificate "c" {\n  tls_cert """\n    -----BEGIN X-----\n    AA==\n    -----END X-----\n    """\n}',
      { certificates: { c: { tls_cert: "-----BEGIN X-----\nAA==\n-----END X-----" } } }
    ],
    [
      "plural names",
      'servers "s" addr="x"; storages "t" category="config" value="v"',
      { servers: { s: { addr: "x" } }, storages: { t: { category: "config", value: "v" } } }
    ],
    ["nothing", "// no configuration\n", {}]
  ])("7 %s", (_, text, expected) => {
    assert.deepStrictEqual(value(text), expected)
  })

  it.each([
    ["locations", "match_headers"],
    ["locations", "match_query"],
    ["locations", "match_cookies"],
    ["basic", "trusted_proxies"],
    ["basic", "webhook_notifications"],
    ["servers", "modules"],
    ["upstreams", "includes"]
  ])("14 one value of %s.%s is a list", (section, key) => {
    const node = section === "basic" ? "basic" : `${section} "x"`
    const table = { [key]: ["v"] }
    assert.deepStrictEqual(value(`${node} { ${key} "v" }`), { [section]: section === "basic" ? table : { x: table } })
    assert.deepStrictEqual(value(`${node} ${key}="v"`), { [section]: section === "basic" ? table : { x: table } })
  })

  it("14 one value of a plugin's list is a list, and a scalar of that name elsewhere is none", () => {
    for (const [category, keys] of Object.entries(PLUGIN_LISTS)) {
      for (const key of keys) {
        const expected = { plugins: { p: { category, [key]: ["v"] } } }
        assert.deepStrictEqual(value(`plugin "p" { ${key} "v"; category "${category}" }`), expected)
      }
    }
    const expected = { plugins: { p: { category: "of_others", keys: "v" } } }
    assert.deepStrictEqual(value('plugin "p" category="of_others" keys="v"'), expected)
  })

  it("14 knows every list of the plugins that there are", () => {
    const found = builtins.flatMap(({ category, options }) => {
      const { ast } = Schema.toEncoded<Schema.Constraint>(options)
      const fields = ast._tag === "Objects" ? ast.propertySignatures : []
      return fields.flatMap(({ name, type }) => (isList(type) ? [`${category}.${String(name)}`] : []))
    })
    const known = Object.entries(PLUGIN_LISTS).flatMap(([category, keys]) => keys.map((key) => `${category}.${key}`))
    assert.isAbove(found.length, 5)
    for (const name of found) assert.include(known, name)
  })
})

describe("items inside of items", () => {
  it("7 lifts locations and upstreams", () => {
    const text = `server "web" {
  addr "0.0.0.0:80"
  location "api" {
    path "/api"
    upstream "backend" { addrs "127.0.0.1:5000" }
  }
}`
    assert.deepStrictEqual(value(text), {
      servers: { web: { addr: "0.0.0.0:80", locations: ["api"] } },
      upstreams: { backend: { addrs: ["127.0.0.1:5000"] } },
      locations: { api: { path: "/api", upstream: "backend" } }
    })
  })

  it("7 lifts a plugin in line and attaches it", () => {
    const text = `location "static" {
  plugin "staticServe" category="directory" path="~/Downloads" step="request"
}`
    assert.deepStrictEqual(value(text), {
      locations: { static: { plugins: ["staticServe"] } },
      plugins: { staticServe: { category: "directory", path: "~/Downloads", step: "request" } }
    })
  })

  it("14 takes a node with arguments alone as a reference", () => {
    const text = `server "web" addr="x" { location "api" }
location "api" {
  plugin "a" "b"
  upstream "backend"
  plugin "c" category="ping" path="/p"
}
upstream "backend" addrs="x"`
    assert.deepStrictEqual(value(text), {
      servers: { web: { addr: "x", locations: ["api"] } },
      upstreams: { backend: { addrs: ["x"] } },
      locations: { api: { plugins: ["a", "b", "c"], upstream: "backend" } },
      plugins: { c: { category: "ping", path: "/p" } }
    })
  })

  it("writes one table per item, as TOML is written by hand", () => {
    const { text } = read('server "web" addr="x" { location "a.b" path="/" }\nbasic name="n"')
    assert.strictEqual(
      text,
      '[basic]\nname = "n"\n\n[servers.web]\naddr = "x"\nlocations = [ "a.b" ]\n\n[locations."a.b"]\npath = "/"\n'
    )
  })
})

describe("problems", () => {
  it.each([
    ["an unknown node", 'sever "x" addr="y"', ['1:1 error: unknown KDL node type: sever [did you mean "server"?]']],
    ["a missing name", 'basic name="n"\nserver {\n}', ["2:1 error: 'server' node requires a name as first argument"]],
    ["a name that is no text", "server 1", ["1:8 error: 'server' node requires a name as first argument"]],
    ["a second name", 'server "a" "b"', ["1:12 warning: argument is ignored"]],
    ["a name of basic", 'basic "a"', ["1:7 warning: argument is ignored"]],
    [
      "a repeated scalar",
      'location "a" {\n path "/a"\n path "/b"\n}',
      ["3:7 warning: path is given twice, the later one counts"]
    ],
    [
      "duplicates",
      'server "a"\nservers "a"',
      ['2:9 error: duplicate "a" in `servers` [it is already defined in line 1]']
    ],
    ["two basics", "basic\nbasic", ["2:1 error: duplicate basic [it is already defined in line 1]"]],
    ["arguments beside properties", 'plugin "p" { a 1 b=2 }', ["1:14 warning: only the arguments of a count"]],
    ["a large integer", 'plugin "p" { a 9007199254740993 }', ["1:16 error: integer is too large to be exact"]],
    [
      "a dangerous key",
      'plugin "p" { a { __proto__ 1 } }',
      ["1:18 error: the keys __proto__ and constructor are not allowed"]
    ],
    [
      "a dangerous key of an item",
      'plugin "p" {\n constructor 1 }',
      ["2:2 error: the keys __proto__ and constructor are not allowed"]
    ],
    ["a dangerous name", 'plugin "__proto__"', ["1:8 error: the keys __proto__ and constructor are not allowed"]],
    ["an open block", "server {", ["1:9 error: invalid node children at end of input"]],
    [
      "KDL v1",
      "a true",
      [
        "1:7 error: invalid keyword, add a leading # to use the keyword or surround with quotes to make it a string at end of input"
      ]
    ],
    [
      "a strange token without its text",
      'a b="x" } "hunter2"',
      ["1:9 error: unexpected token, did you forget to quote an identifier?"]
    ],
    [
      "a keyword without its text",
      "a #hunter2",
      ["1:3 error: invalid keyword, surround it with quotes to use a string"]
    ],
    [
      "a number that swallows the end of its node",
      'plugin "p" { a 0x10;b 1 }',
      ["1:16 error: a hexadecimal number needs a blank or a line end behind it"]
    ],
    ["two bad escapes", 'a "\\q"\nb "\\z"', ['1:3 error: invalid escape "\\q"', '2:3 error: invalid escape "\\z"']],
    [
      "a NUL",
      "a \0",
      ["1:3 error: invalid character, this character is not allowed but can be included in strings as \\u{0}"]
    ],
    ["nodes without end", "a {".repeat(20_000) + "}".repeat(20_000), ["1:1 error: nodes are nested too deep"]],
    [
      "values without end",
      `plugin "p" {${"a {".repeat(100)}${"}".repeat(100)}}`,
      ["1:205 error: nodes are nested too deep"]
    ]
  ])("14 names %s", (_, text, expected) => {
    assert.deepStrictEqual(problemsOf(read(text)), expected)
  })

  it("do not hide the rest of the document", () => {
    const converted = read('sever "x"\nupstream "u" addrs="a"')
    assert.deepStrictEqual(valueOf(converted), { upstreams: { u: { addrs: ["a"] } } })
  })
})

describe("places", () => {
  const converted = read(`basic {
  name "n"
}
server "web" addr="0.0.0.0:80" {
  // 😀 é
  location "api" {
    proxy_set_headers "A: 1" \\
      "B: 2"
    upstream "backend"
  }
}`)

  it.each([
    [["basic", "name"], '2: "n"'],
    [["servers", "web"], '4: "web"'],
    [["servers", "web", "addr"], '4: addr="0.0.0.0:80"'],
    [["servers", "web", "locations", 0], '6: "api"'],
    [["locations", "api"], '6: "api"'],
    [["locations", "api", "proxy_set_headers"], "7: proxy_set_headers"],
    [["locations", "api", "proxy_set_headers", 1], '8: "B: 2"'],
    [["locations", "api", "upstream"], '9: "backend"'],
    [["locations", "api", "unknown", 3], '6: "api"'],
    [["nowhere"], "1: b"]
  ] as const)("of %j", (path, expected) => {
    assert.strictEqual(textAt(converted, ...path), expected)
  })
})

it.live("any text is answered", () => {
  const word = fc.constantFrom(
    'server "a"',
    "location",
    "upstream",
    "plugin",
    "basic",
    "{",
    "}",
    '"b"',
    "c=1",
    "#true",
    "\n",
    ";",
    " ",
    "\\",
    '"""',
    "/*",
    "item",
    "1.5",
    "#null"
  )
  const words = fc.array(word, { maxLength: 30 }).map((words) => words.join(" "))
  return assertAnswered("kdl", fc.sample(words, 500))
})
