import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import fc from "fast-check"
import { assertAnswered, problemsOf, readAll, textAt, valueOf } from "./conversions.ts"

const flat = `basic {
  name         = "pingap"
  grace_period = "10s"
}
server "web" {
  addr      = "0.0.0.0:80"
  locations = ["api", "static"]
}
upstreams "backend" {
  addrs              = ["127.0.0.1:5000", "127.0.0.1:5001 10"]
  connection_timeout = "30s"
}
location "api" {
  path     = "/api"
  upstream = "backend"
}
location "static" { path = "/" }
plugin "rate-limit" {
  category = "limit"
  max      = 10
}
certificate "default" { domains = "example.com" }
storage "shared" {
  category = "config"
  value    = "connection_timeout = \\"1s\\""
}`

const nested = `# two of everything
server "web" {
  addr = "0.0.0.0:80"
  location "api" {
    path = "/api"
    upstream "backend" {
      addrs        = ["127.0.0.1:5000"]
      read_timeout = "5s"
    }
  }
  location "static" {
    upstream = "backend"
  }
}
plugin "top" { category = "ping" }`

const attached = `server "web" {
  addr = "0.0.0.0:443"
  certificate "site" {
    domains  = "example.com"
    tls_cert = "/c.pem"
    tls_key  = <<-EOT
      -----BEGIN PRIVATE KEY-----
        AA==
      -----END PRIVATE KEY-----
    EOT
  }
  plugin "of-server" { category = "ping" }
  location "zeta" {
    plugin "rate-limit" { category = "limit" }
    plugin "auth" { category = "key_auth" }
    plugins = ["pingap:requestId"]
  }
  location "alpha" { path = "/a" }
}
plugin "top" { category = "ping" }`

describe("documents", () => {
  it.live("6 say the same as in TOML", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [name: string, text: string, expected: unknown]> = [
        [
          "flat blocks",
          flat,
          {
            basic: { name: "pingap", grace_period: "10s" },
            servers: { web: { addr: "0.0.0.0:80", locations: ["api", "static"] } },
            upstreams: { backend: { addrs: ["127.0.0.1:5000", "127.0.0.1:5001 10"], connection_timeout: "30s" } },
            locations: { api: { path: "/api", upstream: "backend" }, static: { path: "/" } },
            plugins: { "rate-limit": { category: "limit", max: 10 } },
            certificates: { default: { domains: "example.com" } },
            storages: { shared: { category: "config", value: 'connection_timeout = "1s"' } }
          }
        ],
        [
          "nested locations and upstreams",
          nested,
          {
            servers: { web: { addr: "0.0.0.0:80", locations: ["api", "static"] } },
            upstreams: { backend: { addrs: ["127.0.0.1:5000"], read_timeout: "5s" } },
            locations: { api: { path: "/api", upstream: "backend" }, static: { upstream: "backend" } },
            plugins: { top: { category: "ping" } }
          }
        ],
        [
          "an upstream that is named and defined",
          'location "a" {\n  upstream = "my-backend"\n  upstream "other" { addrs = ["b"] }\n  upstream "my-backend" { addrs = ["a"] }\n}',
          {
            upstreams: { other: { addrs: ["b"] }, "my-backend": { addrs: ["a"] } },
            locations: { a: { upstream: "my-backend" } }
          }
        ],
        [
          "plugins and certificates inside, in the order of the text",
          attached,
          {
            servers: { web: { addr: "0.0.0.0:443", locations: ["zeta", "alpha"] } },
            locations: { zeta: { plugins: ["pingap:requestId", "rate-limit", "auth"] }, alpha: { path: "/a" } },
            plugins: {
              "of-server": { category: "ping" },
              "rate-limit": { category: "limit" },
              auth: { category: "key_auth" },
              top: { category: "ping" }
            },
            certificates: {
              site: {
                domains: "example.com",
                tls_cert: "/c.pem",
                tls_key: "-----BEGIN PRIVATE KEY-----\n  AA==\n-----END PRIVATE KEY-----\n"
              }
            }
          }
        ],
        [
          "two servers",
          ["a", "b"]
            .map(
              (n) =>
                `server "${n}" {\n addr = "${n}"\n location "l${n}" {\n upstream "u${n}" { addrs = ["${n}"] }\n }\n}`
            )
            .join("\n"),
          {
            servers: { a: { addr: "a", locations: ["la"] }, b: { addr: "b", locations: ["lb"] } },
            upstreams: { ua: { addrs: ["a"] }, ub: { addrs: ["b"] } },
            locations: { la: { upstream: "ua" }, lb: { upstream: "ub" } }
          }
        ],
        [
          "every kind of value",
          `plugin "p" {
  text = "say \\"hi\\"\\n"
  int = 42
  negative = -1
  float = 1.5
  yes = true
  nothing = null
  list = ["a", null, 1, [true]]
  table = { a = 1, "b c" = { d = "e" } }
  captures = "^/(.*)$ /$2 $\${3} %%{4}"
}`,
          {
            plugins: {
              p: {
                text: 'say "hi"\n',
                int: 42,
                negative: -1,
                float: 1.5,
                yes: true,
                nothing: "",
                list: ["a", "", 1, [true]],
                table: { a: 1, "b c": { d: "e" } },
                captures: `^/(.*)$ /$2 $\{3} %{4}`
              }
            }
          }
        ],
        ["nothing", "", {}],
        ["comments alone", "# a\n// b\n/* c\n*/", {}],
        [
          "the same plugin twice in one server",
          'server "s" {\n addr = "x"\n location "a" {\n plugin "p" { category = "ping" }\n }\n location "b" {\n plugin "p" { category = "ping" }\n }\n}',
          {
            servers: { s: { addr: "x", locations: ["a", "b"] } },
            locations: { a: { plugins: ["p"] }, b: { plugins: ["p"] } },
            plugins: { p: { category: "ping" } }
          }
        ]
      ]
      const converted = yield* readAll(
        "hcl",
        cases.map(([, text]) => text)
      )
      for (const [index, [name, , expected]] of cases.entries()) {
        const document = converted[index]!
        assert.deepStrictEqual(problemsOf(document), [], name)
        assert.deepStrictEqual(valueOf(document), expected, name)
      }
    })
  )
})

const INTERPOLATED = "interpolations are not evaluated; this one is taken as text, which HCL writes as $${…}"

const UNTERMINATED = "3:1 error: unterminated template string [No closing marker was found for the string.]"

describe("problems", () => {
  it.live("13 are named at their place", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [text: string, problems: ReadonlyArray<string>, value?: unknown]> = [
        ['unknown_block "test" {\n}', ["1:1 error: unknown HCL block type: unknown_block"]],
        ['basic {\n}\nsever "a" { addr = "x" }', ['3:1 error: unknown HCL block type: sever [did you mean "server"?]']],
        ['server {\n  addr = "x"\n}', ["1:1 error: `server` block requires a name label"]],
        ['server {\n}\nserver "a" {\n}', ["1:1 error: `server` block requires a name label"]],
        [
          'server "a" {\n}\nservers "a" {\n}',
          ['3:9 error: duplicate "a" in `servers` [it is already defined in line 1]']
        ],
        [
          'upstream "u" { addrs = ["a"] }\nlocation "l" {\n  upstream "u" { addrs = ["a"] }\n}',
          ['3:12 error: duplicate "u" in `upstreams` [it is already defined in line 1]']
        ],
        [
          'server "s" {\n location "a" {\n  plugin "p" { category = "ping" }\n }\n location "b" {\n  plugin "p" { category = "mock" }\n }\n}',
          ['6:10 warning: "p" is defined twice in this place, the later one counts [the other one is in line 3]']
        ],
        ['server "a" "b" {\n}', ["1:8 warning: only the first label is the name"]],
        ['basic "a" {\n}', ["1:7 warning: the name of basic is ignored"]],
        ["basic {\n}\nbasic {\n}", ["3:1 error: duplicate basic [it is already defined in line 1]"]],
        ["top = 1\nbasic {\n}", ["1:1 warning: argument top outside of a block is ignored"]],
        ['upstream "u" {\n  server "s" {\n  }\n}', ["2:3 warning: server is ignored inside of upstreams.u"]],
        [
          'server "s" {\n  locatoin "a" {\n  }\n}',
          ['2:3 warning: locatoin is ignored inside of servers.s [did you mean "location"?]']
        ],
        ['server "s" {\n  location {\n  }\n}', ["2:3 warning: location without a name is ignored"]],
        ['basic {\n  name = upper("x")\n}', ["2:3 warning: expressions are not evaluated; this one is taken as text"]],
        [`basic {\n  name = "a $\{upper("x")}"\n}`, [`2:13 warning: ${INTERPOLATED}`]],
        ["basic {\n  threads = 9007199254740993\n}", ["2:3 error: integer is too large to be exact"]],
        ["basic {\n  __proto__ = 1\n}", ["2:3 error: the keys __proto__ and constructor are not allowed"]],
        [
          'plugin "p" {\n  a = { constructor = 1 }\n}',
          ["2:3 error: the keys __proto__ and constructor are not allowed"]
        ],
        ['plugin "__proto__" {\n}', ["1:8 error: the keys __proto__ and constructor are not allowed"]],
        [
          "basic {\n  name = \n}",
          [
            "2:10 error: invalid expression [Expected the start of an expression, but found an invalid expression token.]"
          ]
        ],
        [
          "basic {\n  a = 1\n  a = 2\n}",
          [
            '3:3 error: attribute redefined [The argument "a" was already set at line 2. Each argument may be set only once.]'
          ]
        ],
        [
          "/* 👩‍👩‍👧 é */ basic { name = }",
          [
            "1:33 error: invalid expression [Expected the start of an expression, but found an invalid expression token.]"
          ]
        ],
        [
          `plugin "p" {\n  a = ${"[".repeat(100)}${"]".repeat(100)}\n}`,
          ["2:3 error: values are nested deeper than 64 levels"]
        ],
        [`a = ${"[".repeat(100_000)}${"]".repeat(100_000)}`, ["1:1 error: text is nested too deep"]],
        // Files that are being written, cut behind the head of a heredoc.
        ["basic {\n  name = <<EOT\n", [UNTERMINATED]],
        ["basic {\n  name = [<<-EOT\r\n", [UNTERMINATED]],
        [`basic {\n  name = "$\{<<EOT\n`, [UNTERMINATED]],
        // Problems do not hide the rest of the document, or of the documents.
        [
          'sever "x" {\n}\nupstream "u" { addrs = ["a"] }',
          ['1:1 error: unknown HCL block type: sever [did you mean "server"?]'],
          { upstreams: { u: { addrs: ["a"] } } }
        ],
        // Interpolations stay as text, as captures do.
        [
          `location "a" {\n  rewrite = "^/(.*)$ /x/$\{1}"\n  remark = <<EOT\n$\{a} $$\{b}\nEOT\n}`,
          ["2:25", "4:1"].map((at) => `${at} warning: ${INTERPOLATED}`),
          { locations: { a: { rewrite: `^/(.*)$ /x/$\{1}`, remark: `$\{a} $\{b}\n` } } }
        ],
        ['server "after" { addr = "x" }', [], { servers: { after: { addr: "x" } } }]
      ]
      const converted = yield* readAll(
        "hcl",
        cases.map(([text]) => text)
      )
      for (const [index, [text, expected, value]] of cases.entries()) {
        assert.deepStrictEqual(problemsOf(converted[index]!), expected, text.slice(0, 200))
        if (value !== undefined) assert.deepStrictEqual(valueOf(converted[index]!), value, text)
      }
    })
  )
})

describe("places", () => {
  it.live("are those of the HCL text", () =>
    Effect.gen(function* () {
      const [converted] = yield* readAll("hcl", [attached])
      const at = (...path: ReadonlyArray<string | number>): string => textAt(converted!, ...path)
      assert.strictEqual(at("servers", "web"), '1: "web"')
      assert.strictEqual(at("servers", "web", "addr"), "2: addr")
      assert.strictEqual(at("certificates", "site", "tls_key"), "6: tls_key")
      assert.strictEqual(at("servers", "web", "locations", 0), '13: "zeta"')
      assert.strictEqual(at("locations", "zeta", "plugins", 2), '15: "auth"')
      assert.strictEqual(at("locations", "zeta", "unknown"), '13: "zeta"')
      assert.strictEqual(at("plugins", "top", "category"), "20: category")
    })
  )
})

/** A document with the values that it has, written with blanks, comments and braces where they may stand. */
const document = fc.gen().map((g) => {
  const pick = <A>(...of: ReadonlyArray<A>): A => of[g(fc.nat, of.length - 1)]!
  const blank = (): string => pick(" ", "  ", " /* { */ ", "\t")
  const end = (): string => pick("\n", " /* } */\n", " # } \u2028 ${\n", ' // "\n', "\r\n", "\n\n/* } \n */\n")
  const value = (depth: number): readonly [text: string, value: unknown] => {
    const kind = pick("text", "text", "number", "flag", "heredoc", ...(depth < 2 ? (["list", "table"] as const) : []))
    if (kind === "number") return pick(["0", 0], ["-1", -1], ["1.5", 1.5], ["1e3", 1000])
    if (kind === "flag") return pick(["true", true], ["false", false], ["null", ""])
    if (kind === "text" || (kind === "heredoc" && depth > 0)) {
      return pick(
        ['""', ""],
        ['"a } # b"', "a } # b"],
        ['"\\"{\\\\"', '"{\\'],
        ['"é 😀 // \\n"', "é 😀 // \n"],
        [`"$$\{x} $1 $"`, `$\{x} $1 $`],
        ['"<<EOT"', "<<EOT"]
      )
    }
    if (kind === "heredoc") {
      return pick(
        ['<<EOT\n } "quoted\nEOT', ' } "quoted\n'],
        ["<<-END\n    a {\n      END b\n    END", "a {\n  END b\n"],
        ["<<EOT\nEOT", ""]
      )
    }
    const inner = Array.from({ length: pick(0, 1, 3) }, () => value(depth + 1))
    if (kind === "list") {
      const text = inner.map(([text]) => `${text},${pick(" ", "\n", " # ]\n")}`).join("")
      return [`[${text}]`, inner.map(([, value]) => value)]
    }
    const text = inner.map(([text], i) => `k${i} = ${text}${pick(",", "\n", " # }\n")}`).join("")
    return [`{${text === "" ? "" : "\n"}${text}}`, Object.fromEntries(inner.map(([, value], i) => [`k${i}`, value]))]
  }
  const plugins: Record<string, unknown> = {}
  let text = end()
  for (let i = pick(0, 1, 3); i > 0; i--) {
    const name = `p${i}${pick("", " x", "-", ".é")}`
    const table: Record<string, unknown> = {}
    text += `plugin${blank()}${JSON.stringify(name)}${blank()}{${end()}`
    for (let k = pick(0, 1, 4); k > 0; k--) {
      const [written, meant] = value(0)
      table[`key-${k}`] = meant
      text += `key-${k}${blank()}=${blank()}${written}${written.startsWith("<<") ? "\n" : end()}`
    }
    text += `}${end()}`
    plugins[name] = table
  }
  return { text, expected: Object.keys(plugins).length === 0 ? {} : { plugins } }
})

describe("any document", () => {
  it.live("is read as what it says, however it is written", () =>
    Effect.gen(function* () {
      const cases = fc.sample(document, 200)
      const converted = yield* readAll(
        "hcl",
        cases.map(({ text }) => text)
      )
      for (const [index, { expected, text }] of cases.entries()) {
        assert.deepStrictEqual(problemsOf(converted[index]!), [], text)
        assert.deepStrictEqual(valueOf(converted[index]!), expected, text)
      }
    })
  )

  it.live("is answered, also when it is cut or not valid", () => {
    const part = fc.constantFrom(
      'plugin "p" {',
      'a "b" {',
      "}",
      "a = ",
      '"',
      "<<E\n",
      "<<-E\r\n",
      "E\n",
      "\n",
      "[",
      "]",
      "(",
      "${",
      "$${",
      "%{",
      "~}",
      "#",
      "//",
      "/*",
      "*/",
      "\\",
      "x",
      " "
    )
    const parts = fc.array(part, { maxLength: 30 }).map((parts) => parts.join(""))
    const cuts = attached.split("\n").map((_, end, lines) => `${lines.slice(0, end).join("\n")}\n`)
    return assertAnswered("hcl", [...cuts, ...fc.sample(parts, 300)])
  })
})
