import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import fc from "fast-check"
import { type Diagnostic, format } from "../../src/config/Diagnostic.ts"
import { type DecodeOptions, decode, type Snapshot } from "../../src/config/Snapshot.ts"

const accepted = (text: string, options?: DecodeOptions): Snapshot => {
  const result = decode([{ file: "a.toml", text }], options)
  if (Result.isFailure(result)) throw new Error(result.failure.map(format).join("\n"))
  return result.success
}

const refused = (text: string, options?: DecodeOptions): ReadonlyArray<Diagnostic> => {
  const result = decode([{ file: "a.toml", text }], options)
  assert(Result.isFailure(result), "the text was accepted")
  return result.failure
}

const errors = (text: string): ReadonlyArray<string> =>
  refused(text)
    .filter(({ severity }) => severity === "error")
    .map(({ message }) => message)

describe("2.1 upstreams", () => {
  const upstream = (lines: string): string => `[upstreams.a]\n${lines}\n`

  it.each([
    ["addrs = []", "upstream addrs is empty"],
    ['addrs = ["127.0.0.1", "github.com"]\nhealth_check = "http:///"', "url parse error: empty host, http:///"],
    ['addrs = ["127.0.0.1"]\nmax_h2_streams = 0', "max h2 streams should be greater than 0"],
    ['addrs = ["127.0.0.1"]\ntcp_probe_count = 17', "tcp probe count should be <= 16"],
    ['addrs = ["127.0.0.1 0"]', "upstream addr(127.0.0.1 0) is invalid, weight must be at least 1"],
    ['addrs = [""]\ndiscovery = "static"', "upstream addr() is invalid, address is empty"],
    ['addrs = ["127.0.0.1"]\nhealth_check = "ftp://host/"', "health check scheme(ftp) is unknown"]
  ])("refuses %j: %s", (lines, message) => {
    assert.deepStrictEqual(errors(upstream(lines)), [message])
  })

  it.each([
    'addrs = ["127.0.0.1", "github.com"]\nhealth_check = "http://github.com/"',
    'addrs = ["127.0.0.1"]\nalpn = "H2"\nmax_h2_streams = 100',
    'addrs = ["127.0.0.1"]\nalpn = "h2h1"',
    'addrs = ["0.0.0.0:80"]\ndiscovery = "dns"',
    'addrs = []\ndiscovery = "transparent"',
    'addrs = ["app=web:80 3"]\ndiscovery = "docker"',
    'addrs = ["[::1]:8080", "unix:/run/app.sock 2"]'
  ])("accepts %j", (lines) => {
    assert.deepStrictEqual(accepted(upstream(lines)).warnings, [])
  })

  it.each([
    "0.0.0.0:80",
    "255.255.255.255:80",
    "224.0.0.1:80",
    "169.254.1.1:80",
    "[::]:80",
    "[ff02::1]:80",
    "[fe80::1]:80"
  ])("static address %s is rejected", (address) => {
    const expected = [`upstream addr(${address}) is an invalid IP`]
    assert.deepStrictEqual(errors(upstream(`addrs = ["${address}"]\ndiscovery = "static"`)), expected)
    assert.deepStrictEqual(errors(upstream(`addrs = ["${address}"]`)), expected)
  })

  it.each(["127.0.0.1:80", "192.168.1.1:80", "10.0.0.1:8080"])("static address %s is valid", (address) => {
    assert.deepStrictEqual(accepted(upstream(`addrs = ["${address}"]\ndiscovery = "static"`)).warnings, [])
  })

  it("decodes durations, sizes and choices, with defaults", () => {
    const { a } = accepted(
      upstream('addrs = ["a:1"]\nread_timeout = "1m 30s"\ntcp_recv_buf = "4kib"\nalpn = "h2"\ndiscovery = " DNS "')
    ).config.upstreams
    assert.strictEqual(a!.read_timeout, 90_000)
    assert.strictEqual(a!.tcp_recv_buf, 4_096)
    assert.strictEqual(a!.alpn, "H2")
    assert.strictEqual(a!.discovery, "dns")
    assert.strictEqual(a!.connection_timeout, 5_000)
    assert.strictEqual(a!.write_timeout, 60_000)
    assert.strictEqual(a!.idle_timeout, 60_000)
    assert.strictEqual(a!.algo, "round_robin")
    assert.isTrue(a!.verify_cert)
    assert.notProperty(a, "total_connection_timeout")
  })
})

describe("2.2 locations", () => {
  const location = (lines: string): string => `[upstreams.upstream1]\naddrs = ["127.0.0.1"]\n[locations.lo]\n${lines}\n`

  it.each([
    ['upstream = "upstream2"', "upstream(upstream2) is not found"],
    ['proxy_set_headers = ["X-Request-Id"]', "header X-Request-Id is invalid"],
    ['proxy_set_headers = ["Authorization Bearer hunter2"]', "header Authorization is invalid"],
    ['proxy_set_headers = ["请求:响应"]', "header name(请求) is invalid, error: invalid HTTP header name"],
    ['rewrite = "foo(bar"', "regex parse error at 7: unclosed group"],
    ['host = "*."', "invalid host wildcard pattern: *."],
    ['path = "~["', "regex parse error at 0: unclosed character class"]
  ])("refuses %s: %s", (lines, message) => {
    const found = errors(location(lines))
    assert.strictEqual(found.length, 1)
    assert.strictEqual(found[0]!.replace(/ at \d+: .*/, ""), message.replace(/ at \d+: .*/, ""))
  })

  it.each([
    'upstream = "upstream1"\nproxy_set_headers = ["X-Request-Id: abcd"]',
    'rewrite = "^/api /"',
    'rewrite = "/$app/index"',
    'upstream = "$name"',
    'upstream = ""'
  ])("accepts %s", (lines) => {
    assert.deepStrictEqual(accepted(location(lines)).warnings, [])
  })
})

describe("2.3 servers", () => {
  const server = (lines: string): string => `[locations.lo]\n[servers.s]\n${lines}\n`

  it.each([
    ['addr = ""', "invalid socket address, "],
    ['addr = "127.0.0.1:3001"\nlocations = ["lo1"]', "location(lo1) is not found"],
    ['addr = "127.0.0.1:3001,127.0.0.1:3001"', "127.0.0.1:3001 is inused by other server"],
    ['addr = "127.0.0.1:3001"\ntls_min_version = "ssl3"', '"ssl3" is unknown']
  ])("refuses %j: %s", (lines, message) => {
    assert.deepStrictEqual(errors(server(lines)), [message])
  })

  it("accepts a known location", () => {
    assert.deepStrictEqual(accepted(server('addr = "127.0.0.1:3001"\nlocations = ["lo"]')).warnings, [])
  })

  it("accepts an unknown location, with a warning, while there is no location at all", () => {
    const { warnings } = accepted('[servers.s]\naddr = "127.0.0.1:3001"\nlocations = ["lo"]\n')
    assert.deepStrictEqual(
      warnings.map(({ message }) => message),
      ["location(lo) is not found"]
    )
  })

  it.each([
    ["tlsv1.1", "TLSv1.1"],
    ["tlsv1.2", "TLSv1.2"],
    ["tlsv1.3", "TLSv1.3"],
    ["TLSv1.3", "TLSv1.3"],
    ["tls1.3", "TLSv1.3"]
  ])("16.3 TLS version %s is %s", (text, version) => {
    const { s } = accepted(server(`addr = "127.0.0.1:1"\ntls_min_version = "${text}"`)).config.servers
    assert.strictEqual(s!.tls_min_version, version)
  })

  it.each(["max_head_size = 0", 'max_field_size = "10"'])("refuses a limit that no request meets: %s", (line) => {
    assert.deepStrictEqual(errors(server(`addr = "127.0.0.1:1"\n${line}`)), ["is too small"])
  })

  it("has the limits of connections by default", () => {
    const { s } = accepted(server('addr = "127.0.0.1:1"')).config.servers
    assert.deepStrictEqual(
      [s!.max_head_size, s!.max_field_size, s!.max_header_count, s!.header_read_timeout, s!.header_idle_timeout],
      [32_768, 8_192, 100, 30_000, 10_000]
    )
    assert.deepStrictEqual(
      [s!.keepalive_timeout, s!.keepalive_requests, s!.downstream_read_timeout, s!.downstream_write_timeout],
      [75_000, 10_000, 60_000, 60_000]
    )
    assert.strictEqual(s!.max_connections, 16_384)
  })
})

describe("5.3 names", () => {
  it.each(["../../evil", "..\\evil", "a/b", "x\0y", "..", ""])("%j is refused", (name) => {
    assert.deepStrictEqual(errors(`[upstreams.${JSON.stringify(name)}]\naddrs = ["127.0.0.1"]`), [
      "invalid config name"
    ])
  })

  it.each(["example.com", "toString", "hasOwnProperty", "请求"])("%s is a name like any other", (name) => {
    const { upstreams } = accepted(`[upstreams.${JSON.stringify(name)}]\naddrs = ["127.0.0.1"]`).config
    assert.deepStrictEqual(Object.keys(upstreams), [name])
  })

  it("that nothing has are not found on a prototype", () => {
    assert.deepStrictEqual(errors('[locations.l]\nupstream = "toString"'), ["upstream(toString) is not found"])
    assert.isUndefined(accepted("").config.upstreams["toString"])
  })
})

describe("includes", () => {
  const storages = `
[storages.timeouts]
category = "config"
value = '''
read_timeout = "3s"
idle_timeout = "30s"
'''
`
  it("win over the keys of the item, with a warning, and keep their place", () => {
    const snapshot = accepted(
      `${storages}[upstreams.a]\naddrs = ["127.0.0.1"]\nread_timeout = "1s"\nincludes = ["timeouts"]\n`
    )
    const { a } = snapshot.config.upstreams
    assert.deepStrictEqual([a!.read_timeout, a!.idle_timeout], [3_000, 30_000])
    assert.notProperty(a, "includes")
    assert.deepStrictEqual(
      snapshot.warnings.map(({ line, message }) => [line, message]),
      [[10, "key is overridden by the included storage timeouts"]]
    )
    assert.deepStrictEqual(snapshot.locate(["upstreams", "a", "idle_timeout"]), {
      file: "a.toml",
      span: { line: 6, column: 1, length: 12 }
    })
  })

  it("do not touch other items", () => {
    const { upstreams } = accepted(
      `${storages}[upstreams.a]\naddrs = ["127.0.0.1"]\nincludes = ["timeouts"]\n[upstreams.b]\naddrs = ["127.0.0.1"]\n`
    ).config
    assert.strictEqual(upstreams["b"]!.read_timeout, 60_000)
  })
})

describe("plugins", () => {
  const text = '[plugins.p]\ncategory = "limit"\nmax = "x"\n[locations.l]\nplugins = ["p"]\n'

  it("are checked by the function that is passed in", () => {
    const found = refused(text, {
      checkPlugin: (name, table) => [
        { severity: "error", path: ["max"], message: `${name} of ${String(table["category"])}`, expected: "a number" },
        { severity: "warning", path: ["gone"], message: "m", hint: "h" }
      ]
    })
    assert.deepStrictEqual(
      found.map(({ severity, line, path, message, expected, hint }) => [severity, line, path, message, expected, hint]),
      [
        ["warning", 1, "plugins.p.gone", "m", undefined, "h"],
        ["error", 3, "plugins.p.max", "p of limit", "a number", undefined]
      ]
    )
  })

  it("keep the keys that their own schema decodes", () => {
    assert.deepStrictEqual({ ...accepted(text).config.plugins["p"] }, { category: "limit", max: "x" })
  })

  it("with the name of a built-in are not used", () => {
    const { warnings } = accepted('[plugins."pingap:ping"]\ncategory = "ping"\n')
    assert.deepStrictEqual(
      warnings.map(({ message }) => message),
      ["the built-in plugin of this name is used instead"]
    )
  })
})

describe("a snapshot", () => {
  it("of nothing is a configuration with defaults", () => {
    const { config, files } = accepted("")
    assert.strictEqual(config.basic.grace_period, 300_000)
    assert.deepStrictEqual(files, ["a.toml"])
    assert.deepStrictEqual(Object.keys(config.servers), [])
  })

  it("is frozen to its leaves", () => {
    const { config } = accepted(
      '[plugins.p]\ncategory = "x"\nrules = [{ a = [1] }]\n[upstreams.a]\naddrs = ["127.0.0.1"]\n'
    )
    const visit = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return
      assert.isTrue(Object.isFrozen(value))
      for (const inner of Object.values(value)) visit(inner)
    }
    visit(config)
  })

  it("says where a key stands, or the table of a missing one", () => {
    const { locate } = accepted('[basic]\nname = "x"\n[locations.root]\n  path = "/"\n')
    assert.deepStrictEqual(locate(["basic", "name"])?.span, { line: 2, column: 1, length: 4 })
    assert.deepStrictEqual(locate(["locations", "root", "path"])?.span, { line: 4, column: 3, length: 4 })
    assert.deepStrictEqual(locate(["locations", "root", "host"])?.span, { line: 3, column: 12, length: 4 })
    assert.isUndefined(locate(["locations", "other"]))
    assert.isUndefined(locate(["toString"]))
  })

  it("takes warnings for errors when it has to be strict", () => {
    const text = '[upstreams.a]\naddrs = ["127.0.0.1"]\nalgo = "random"\nadrs = 1\n'
    assert.strictEqual(accepted(text).warnings.length, 2)
    assert.deepStrictEqual(
      refused(text, { strict: true }).map(({ severity }) => severity),
      ["error", "error"]
    )
  })

  it("lists what is wrong with every item at once", () => {
    const text = [
      "[servers.a]",
      "[servers.b]",
      "addr = 5",
      "[locations.a]",
      "weight = -1",
      'upstream = "nope"',
      "[upstreams.a]",
      'addrs = ["127.0.0.1 0"]',
      'read_timeout = "x"',
      "[plugins.a]",
      "[certificates.a]",
      'dns_provider = "x"',
      "[storages.a]",
      "[basic]",
      "threads = -1"
    ].join("\n")
    const lines = refused(text).map(({ line, severity }) => `${severity} ${line}`)
    const expected = [1, 3, 5, 6, 8, 9, 10, 12, 13, 13, 15].map((line) => `error ${line}`)
    assert.deepStrictEqual(lines, expected)
  })
})

const VALID = `[basic]
threads = 2
log_level = "info"
grace_period = "30s"

[servers.web]
addr = "127.0.0.1:8080"
locations = ["api", "static"]
enabled_h2 = true
access_log = "combined"

[locations.api]
host = "api.example.com"
path = "/api"
upstream = "backend"
plugins = ["limiter"]
client_max_body_size = "1mb"

[locations.static]
path = "/"
upstream = "files"
max_processing = 10

[upstreams.backend]
addrs = ["10.0.0.1:80 2", "10.0.0.2:80"]
algo = "hash:ip"
connection_timeout = "3s"
verify_cert = false

[upstreams.files]
addrs = ["files.internal:80"]
idle_timeout = "1m"

[plugins.limiter]
category = "limit"

[certificates.web]
domains = "example.com"
is_default = true
`

describe("one mutation of a valid configuration", () => {
  const lines = VALID.split("\n")
  // Lines with a key, and the path of that key.
  const keys: Array<{ readonly line: number; readonly key: string; readonly value: string; readonly table: string }> =
    []
  let table = ""
  for (const [index, line] of lines.entries()) {
    table = /^\[(.*)\]$/.exec(line)?.[1] ?? table
    const pair = /^(\w+) = (.*)$/.exec(line)
    if (pair !== null) keys.push({ line: index + 1, key: pair[1]!, value: pair[2]!, table })
  }
  const replaced = (line: number, text: string, from = lines): string => from.with(line - 1, text).join("\n")
  // The same text at another depth: comments, blank lines and indentation move everything.
  const shifts = fc.record({
    blank: fc.nat(3),
    indent: fc.constantFrom("", "  ", "\t"),
    end: fc.constantFrom("\n", "\r\n")
  })
  const shift = (text: string, { blank, indent, end }: { blank: number; indent: string; end: string }): string =>
    [...Array<string>(blank).fill("# comment [x] = 1"), ...text.split("\n").map((line) => indent + line)].join(end)

  it("is accepted before", () => {
    assert.deepStrictEqual(accepted(VALID).warnings, [])
  })

  it("a wrong type is an error at its line, column and key", () => {
    fc.assert(
      fc.property(fc.constantFrom(...keys), shifts, ({ line, key, value, table }, by) => {
        const wrong = value.startsWith("[") ? "5" : "[[]]"
        const found = refused(shift(replaced(line, `${key} = ${wrong}`), by)).filter(
          ({ path }) => path === `${table}.${key}`
        )
        assert.strictEqual(found.length, 1)
        const { severity, line: at, column, message } = found[0]!
        assert.deepStrictEqual([severity, at, column], ["error", line + by.blank, by.indent.length + 1])
        assert.match(message, /^wrong type, found /)
      })
    )
  })

  it("a misspelt key is a warning at its line, with the right spelling", () => {
    const own = keys.filter(({ table }) => !table.startsWith("plugins"))
    const typos = fc.record({ at: fc.nat(), kind: fc.constantFrom("drop", "double", "swap") })
    fc.assert(
      fc.property(fc.constantFrom(...own), typos, shifts, ({ line, key, value, table }, { at, kind }, by) => {
        const i = 1 + (at % (key.length - 1))
        const [head, letter, tail] = [key.slice(0, i), key[i]!, key.slice(i + 1)]
        const typo =
          kind === "drop"
            ? head + tail
            : kind === "double"
              ? head + letter + letter + tail
              : head.slice(0, -1) + letter + head.at(-1) + tail
        fc.pre(typo !== key)
        const result = decode([{ file: "a.toml", text: shift(replaced(line, `${typo} = ${value}`), by) }])
        const all = Result.isFailure(result) ? result.failure : result.success.warnings
        const found = all.filter(({ path }) => path === `${table}.${typo}`)
        assert.deepStrictEqual(
          found.map(({ severity, line, message, hint }) => [severity, line, message, hint]),
          [["warning", line + by.blank, "unknown key is ignored", `did you mean ${JSON.stringify(key)}?`]]
        )
      })
    )
  })

  it("a dangling reference is found at its line, with the nearest name", () => {
    const references = [
      {
        find: '"api", "static"',
        name: "static",
        severity: "error",
        message: (n: string) => `location(${n}) is not found`
      },
      {
        find: 'upstream = "backend"',
        name: "backend",
        severity: "error",
        message: (n: string) => `upstream(${n}) is not found`
      },
      {
        find: 'upstream = "files"',
        name: "files",
        severity: "error",
        message: (n: string) => `upstream(${n}) is not found`
      },
      {
        find: 'plugins = ["limiter"]',
        name: "limiter",
        severity: "warning",
        message: (n: string) => `plugin(${n}) is not found; the location answers 503`
      }
    ]
    fc.assert(
      fc.property(fc.constantFrom(...references), fc.constantFrom("x", "s1", "_"), shifts, (reference, suffix, by) => {
        const line = lines.findIndex((text) => text.includes(reference.find)) + 1
        const name = reference.name + suffix
        const text = shift(replaced(line, lines[line - 1]!.replace(`"${reference.name}"`, `"${name}"`)), by)
        const result = decode([{ file: "a.toml", text }])
        const all = Result.isFailure(result) ? result.failure : result.success.warnings
        assert.deepStrictEqual(
          all.map(({ severity, line, message, hint }) => [severity, line, message, hint]),
          [
            [
              reference.severity,
              line + by.blank,
              reference.message(name),
              `did you mean ${JSON.stringify(reference.name)}?`
            ]
          ]
        )
      })
    )
  })

  it("of one byte never throws", () => {
    fc.assert(
      fc.property(fc.nat(VALID.length - 1), fc.string({ unit: "binary", minLength: 1, maxLength: 1 }), (at, byte) => {
        const result = decode([{ file: "a.toml", text: VALID.slice(0, at) + byte + VALID.slice(at + 1) }])
        if (Result.isSuccess(result)) return
        assert.isNotEmpty(result.failure)
        for (const diagnostic of result.failure) assert.isAtLeast(diagnostic.line, 1)
      }),
      { numRuns: 1_000 }
    )
  })
})

describe("size", () => {
  it("ten thousand locations with as many mistakes are listed without delay", () => {
    const location = (i: number): string => `[locations.l${i}]\npath = "/p${i}"\nupstream = "backend-${i}-x"\n`
    const upstream = (i: number): string => `upstreams.backend-${i}.addrs = ["127.0.0.1"]`
    const numbers = Array.from({ length: 10_000 }, (_, i) => i)
    const text = `${numbers.map(upstream).join("\n")}\n${numbers.map(location).join("\n")}`
    const start = performance.now()
    const found = refused(text)
    assert.strictEqual(found.length, 10_000)
    assert.strictEqual(found.at(-1)!.line, 50_000 - 1)
    assert.isBelow(performance.now() - start, 5_000)
  })
})
