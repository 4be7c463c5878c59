import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import fc from "fast-check"
import { parse } from "smol-toml"
import { ConfigSchema, type ProxyConfig } from "../../src/config/ConfigSchema.ts"
import * as Diff from "../../src/config/Diff.ts"
import { restartNeeded } from "../../src/config/RestartKeys.ts"

const decode = Schema.decodeUnknownSync(ConfigSchema)
const config = (toml: string): ProxyConfig => decode(parse(toml))

const between = (before: string, after: string): Diff.Diff => Diff.between(config(before), config(after))
const text = (before: string, after: string): string => Diff.format(between(before, after))
const names = (list: ReadonlyArray<Diff.Entity>): ReadonlyArray<string> => list.map(Diff.pathOf)

describe("the vectors of spec 4", () => {
  const charts = '[upstreams.charts]\naddrs = ["127.0.0.1:5000"]\n'
  const api = '[upstreams.api]\naddrs = ["127.0.0.1:6000"]\n'
  const base = charts + api

  it("none", () => {
    const diff = between(base, base)
    assert.deepStrictEqual(diff, { added: [], removed: [], modified: [] })
    assert.isTrue(Diff.isEmpty(diff))
    assert.strictEqual(Diff.format(diff), "")
    assert.strictEqual(Diff.summary(diff), "no changes")
  })

  it.each([
    ["changed address", charts.replace("5000", "5001") + api, "upstreams", "[MODIFIED] upstreams.charts"],
    ["added", `${base}[upstreams.new]\naddrs = ["127.0.0.1:1"]`, "upstreams", "++ [ADDED] upstreams.new"],
    ["removed", charts, "upstreams", "-- [REMOVED] upstreams.api"],
    ["basic.name", `[basic]\nname = "renamed"\n${base}`, "basic", "[MODIFIED] basic"]
  ] as const)("%s", (_, after, section, line) => {
    const diff = between(base, after)
    assert.isFalse(Diff.isEmpty(diff))
    const affected = [...diff.added, ...diff.removed, ...diff.modified].map((entity) => entity.section)
    assert.deepStrictEqual([...new Set(affected)], [section])
    assert.strictEqual(Diff.format(diff).split("\n")[0], line)
  })
})

describe("between", () => {
  it("sorts by section and name and tells keys, in their order", () => {
    const diff = between(
      '[upstreams.b]\naddrs = ["b:1"]\n[upstreams.a]\naddrs = ["a:1"]\n[servers.s]\naddr = "127.0.0.1:80"\n[plugins.old]\ncategory = "ping"\nx = 1\n',
      '[upstreams.b]\naddrs = ["b:2"]\nsni = "b"\n[upstreams.a]\naddrs = ["a:2"]\n[locations.z]\n[locations.y]\n[basic]\nthreads = 2\n'
    )
    assert.deepStrictEqual(names(diff.added), ["locations.y", "locations.z"])
    assert.deepStrictEqual(names(diff.removed), ["servers.s", "plugins.old"])
    assert.deepStrictEqual(
      diff.modified.map((entity) => [Diff.pathOf(entity), entity.changes.map(({ key }) => key)]),
      [
        ["basic", ["threads"]],
        ["upstreams.a", ["addrs"]],
        ["upstreams.b", ["addrs", "sni"]]
      ]
    )
    assert.strictEqual(Diff.summary(diff), "basic, 2 upstreams modified; 2 locations added; 1 server, 1 plugin removed")
  })

  it("regards a written default, and another spelling of the same value, as the same", () => {
    const diff = between(
      '[upstreams.a]\naddrs = ["a:1"]\nread_timeout = "90s"',
      '[upstreams.a]\naddrs = ["a:1"]\nread_timeout = "1m 30s"\nverify_cert = true'
    )
    assert.isTrue(Diff.isEmpty(diff))
  })

  it("takes no name for more than a name", () => {
    const diff = between(
      '[plugins.valueOf]\ncategory = "x"\ntoString = 1\n',
      '[plugins.valueOf]\ncategory = "x"\nhasOwnProperty = 1\n[upstreams.toString]\naddrs = ["a:1"]\n'
    )
    assert.deepStrictEqual(names(diff.added), ["upstreams.toString"])
    assert.deepStrictEqual(
      diff.modified.flatMap(({ changes }) => changes.map(({ lines }) => lines)),
      [["- toString = 1"], ["+ hasOwnProperty = 1"]]
    )
  })

  it("compares tables by what they hold, in whatever order", () => {
    const plugin = (value: string): string => `[plugins.p]\ncategory = "x"\nt = ${value}\n`
    const same = ["{ a = 1, b = [1, { c = 2026-01-01 }] }", "{ b = [1, { c = 2026-01-01 }], a = 1 }"] as const
    assert.isTrue(Diff.isEmpty(between(plugin(same[0]), plugin(same[1]))))
    const others = ["{ a = 1 }", "{ a = 1, b = [1] }", "{ a = 1, b = [1, { c = 2026-01-02 }] }", "[]", "2026-01-01"]
    for (const other of others) {
      assert.isFalse(Diff.isEmpty(between(plugin(same[0]), plugin(other))), other)
      assert.isFalse(Diff.isEmpty(between(plugin(other), plugin(same[0]))), other)
    }
  })

  it("looks only once at what is the same object: 10 000 entities in less than 3 ms", () => {
    const locations = Array.from({ length: 10_000 }, (_, index) => [`l${index}`, { path: `/${index}` }] as const)
    const before = decode({ locations: Object.fromEntries(locations) })
    const changed = decode({ locations: { l7: { path: "/seven" } } }).locations["l7"]!
    const after = { ...before, locations: { ...before.locations, l7: changed } }
    for (const { locations } of [before, after]) Object.freeze(locations)
    Diff.between(after, before)
    const times = Array.from({ length: 20 }, () => {
      const start = performance.now()
      const diff = Diff.between(before, after)
      const took = performance.now() - start
      assert.strictEqual(Diff.summary(diff), "1 location modified")
      return took
    })
    assert.isBelow(Math.min(...times), 3)
  })

  const items = fc.dictionary(fc.constantFrom("a", "b", "c", "d.e"), fc.constantFrom("/1", "/2", "~x"), {
    noNullPrototype: true
  })
  const configs = items.map((paths) =>
    decode({ locations: Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, { path }])) })
  )

  it("finds every difference, and the opposite backwards", () => {
    fc.assert(
      fc.property(configs, configs, (before, after) => {
        const [there, back] = [Diff.between(before, after), Diff.between(after, before)]
        const [old, now] = [before.locations, after.locations]
        const all = [...new Set([...Object.keys(old), ...Object.keys(now)])].sort()
        const pick = (wanted: (name: string) => boolean) => all.filter(wanted)
        assert.deepStrictEqual(
          there.added.map(({ name }) => name),
          pick((name) => !(name in old))
        )
        assert.deepStrictEqual(
          there.modified.map(({ name }) => name),
          pick((name) => name in old && name in now && old[name]?.path !== now[name]?.path)
        )
        assert.deepStrictEqual(there.removed, back.added)
        assert.deepStrictEqual(names(there.modified), names(back.modified))
        assert.strictEqual(Diff.isEmpty(there), Diff.isEmpty(back))
      })
    )
  })
})

describe("format", () => {
  it("groups what was added, removed and modified", () => {
    assert.strictEqual(
      text(
        '[upstreams.api]\naddrs = ["10.0.0.5:80"]\nread_timeout = "10s"\n[locations."old.one"]\n',
        '[upstreams.api]\naddrs = ["10.0.0.5:80", "10.0.0.6:80"]\nread_timeout = "1m 30s"\nsni = "x"\n[servers.web]\naddr = "127.0.0.1:80"\n'
      ),
      `++ [ADDED] servers.web

-- [REMOVED] locations."old.one"

[MODIFIED] upstreams.api
- addrs = ["10.0.0.5:80"]
+ addrs = ["10.0.0.5:80", "10.0.0.6:80"]
- sni = ""
+ sni = "x"
- read_timeout = "10s"
+ read_timeout = "1m 30s"`
    )
  })

  const location = (body: string): string => `[locations.l]\n${body}\n`
  const plugin = (body: string): string => `[plugins.p]\ncategory = "x"\n${body}\n`

  it.each([
    ["an absent key", location(""), location("weight = 5"), ["+ weight = 5"]],
    ["a key that is gone", location("weight = 5"), location(""), ["- weight = 5"]],
    [
      "sizes",
      location("client_max_body_size = 4096"),
      location('client_max_body_size = "1mb"'),
      ['- client_max_body_size = "4 KiB"', '+ client_max_body_size = "1 MB"']
    ],
    ["flags", location("grpc_web = false"), location("grpc_web = true"), ["- grpc_web = false", "+ grpc_web = true"]],
    [
      "tables, numbers and dates as written",
      plugin('t = { a = 1.5, "b c" = [true, inf] }'),
      plugin("t = 2026-01-02"),
      ['- t = { a = 1.5, "b c" = [true, inf] }', "+ t = 2026-01-02"]
    ],
    ["a number that becomes text", plugin("n = 10"), plugin('n = "10"'), ["- n = 10", '+ n = "10"']],
    [
      "nothing that a terminal acts on",
      location('path = "/"'),
      location('path = "/\\u001b[31m\\u202e\\n"'),
      ['- path = "/"', '+ path = "/\\u001b[31m\\u202e\\n"']
    ],
    [
      "long text by its length",
      plugin('body = ""'),
      plugin(`body = "${"x".repeat(2_000)}"`),
      ['- body = ""', '+ body = "…" (2000 characters)']
    ],
    [
      "text to its limit",
      plugin('body = ""'),
      plugin(`body = "${"x".repeat(300)}"`),
      ['- body = ""', `+ body = "${"x".repeat(160)}…"`]
    ],
    [
      "deep tables not to the bottom",
      plugin("t = 1"),
      plugin("t = { a = { b = { c = { d = 1 } } } }"),
      ["- t = 1", "+ t = { a = { b = { c = … } } }"]
    ]
  ])("writes %s", (_, before, after, lines) => {
    assert.deepStrictEqual(text(before, after).split("\n").slice(1), lines)
  })

  const upstream = (addrs: ReadonlyArray<string>): string => `[upstreams.u]\naddrs = ${JSON.stringify(addrs)}\n`
  const many = Array.from({ length: 30 }, (_, index) => `10.0.0.${index}:8080`)

  it("writes long lists by their elements", () => {
    assert.deepStrictEqual(
      text(upstream(many), upstream([...many.slice(1), "10.0.1.1:8080", "10.0.0.5:8080"]))
        .split("\n")
        .slice(1),
      ['- addrs: "10.0.0.0:8080"', '+ addrs: "10.0.1.1:8080"', '+ addrs: "10.0.0.5:8080"']
    )
    assert.deepStrictEqual(
      text(upstream(many), upstream([...many].reverse()))
        .split("\n")
        .slice(1),
      ["  addrs: in another order"]
    )
    const lines = text(upstream(many), upstream(["10.0.0.29:8080"])).split("\n")
    assert.strictEqual(lines.length, 12)
    assert.strictEqual(lines.at(-1), "- addrs: … and 19 more")
  })

  it("compares tables in lists by value", () => {
    const list = (...ids: ReadonlyArray<number>): string =>
      plugin(`rules = [${ids.map((id) => `{ id = ${id}, name = "a long name of the rule number ${id}" }`).join(", ")}]`)
    assert.deepStrictEqual(
      text(list(1, 2, 3, 4), list(1, 2, 4, 5))
        .split("\n")
        .slice(1),
      [
        '- rules: { id = 3, name = "a long name of the rule number 3" }',
        '+ rules: { id = 5, name = "a long name of the rule number 5" }'
      ]
    )
  })

  it("is bounded in entities", () => {
    const locations = (path: string): ProxyConfig =>
      decode({ locations: Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`l${i}`, { path }])) })
    const shown = Diff.format(Diff.between(decode({}), locations("/")))
    assert.match(shown, /^\+\+ \[ADDED\] locations\.l0\n/)
    assert.match(shown, /\n\n… and 9960 more$/)
    assert.strictEqual(shown.match(/ADDED/g)?.length, 40)
    const changed = Diff.format(Diff.between(locations("/"), locations("/2")))
    assert.match(changed, /\n\n… and 9960 more$/)
  })

  it("is bounded in size, within an entity and between them", () => {
    const wide = (value: string): string =>
      Array.from({ length: 60 }, (_, i) => plugin(`k${i} = "${value}"`).replace(".p]", `.p${i}]`)).join("")
    const shown = text(wide("a".repeat(150)), wide("b".repeat(150)))
    assert.isBelow(shown.length, 4096 + 500)
    assert.match(shown, /\n\n… and \d+ more$/)
    const keys = (value: string): string =>
      plugin(Array.from({ length: 500 }, (_, i) => `k${i} = "${value}"`).join("\n"))
    const one = text(keys("a"), keys("b"))
    assert.isBelow(one.length, 4096 + 500)
    assert.match(one, /\n…$/)
  })
})

describe("secrets", () => {
  const headers = (line: string): string => `[locations.l]\nproxy_set_headers = [${JSON.stringify(line)}]\n`

  it.each([
    [
      "[certificates.c]\ntls_key = 'hunter2'",
      "[certificates.c]\ntls_key = 'hunter3'",
      ['- tls_key = "***"', '+ tls_key = "***" (changed)']
    ],
    ["[certificates.c]", "[certificates.c]\ntls_cert = 'hunter2'", ['+ tls_cert = "***"']],
    [
      "[storages.s]\ncategory = 'secret'\nvalue = 'hunter2'\nsecret = 'hunter3'",
      "[storages.s]\ncategory = 'secret'\nvalue = 'hunter4'",
      ['- value = "***"', '+ value = "***" (changed)', '- secret = "***"']
    ],
    [
      "[basic]\nwebhook_type = 'wecom'",
      "[basic]\nwebhook_type = 'dingtalk'\nwebhook = 'https://a/hunter2'",
      ['- webhook = "***"', '+ webhook = "***" (changed)', '- webhook_type = "wecom"', '+ webhook_type = "dingtalk"']
    ],
    [
      "[plugins.p]\ncategory = 'combined_auth'\nauthorizations = [{ app_id = 'a', secret = 'hunter2' }]",
      "[plugins.p]\ncategory = 'combined_auth'\nauthorizations = [{ app_id = 'a', secret = 'hunter3' }]",
      ['- authorizations = "***"', '+ authorizations = "***" (changed)']
    ],
    [
      "[plugins.p]\ncategory = 'x'",
      "[plugins.p]\ncategory = 'x'\ninner = { user = 'me', api_key = 'hunter2', hide_credentials = true }",
      ['+ inner = { user = "me", api_key = "***", hide_credentials = true }']
    ],
    [
      headers("X-Api-Key: hunter2"),
      headers("X-Team: a"),
      ['- proxy_set_headers = ["X-Api-Key: ***"]', '+ proxy_set_headers = ["X-Team: a"]']
    ],
    [
      headers("X-A: Bearer hunter2"),
      headers("X-A: 1"),
      ['- proxy_set_headers = ["X-A: Bearer ***"]', '+ proxy_set_headers = ["X-A: 1"]']
    ],
    [
      "[upstreams.u]\naddrs = ['auth-service:80']\nhealth_check = 'http://me:hunter2@h/ping?token=hunter2&success=2'",
      "[upstreams.u]\naddrs = ['auth-service:81']",
      [
        '- addrs = ["auth-service:80"]',
        '+ addrs = ["auth-service:81"]',
        '- health_check = "http://***@h/ping?token=***&success=2"',
        '+ health_check = ""'
      ]
    ],
    ["[locations.l]", "[locations.l]\nmatch_cookies = ['session:hunter2']", ['+ match_cookies = "***"']],
    [
      "[plugins.p]\ncategory = 'x'",
      "[plugins.p]\ncategory = 'x'\nca = '-----BEGIN PRIVATE KEY-----hunter2'",
      ['+ ca = "***"']
    ]
  ])("%#: %s", (before, after, lines) => {
    const shown = text(before, after)
    assert.deepStrictEqual(shown.split("\n").slice(1), lines)
    assert.notInclude(shown, "hunter")
  })

  const secret = fc.stringMatching(/^[A-Za-z0-9+/=]{12,40}$/).map((text) => `S3cr3t${text}`)
  const documents = fc
    .record({ one: secret, two: secret, long: secret.map((text) => text.repeat(40)), isLong: fc.boolean() })
    .map(({ isLong, long, one, two }) => {
      const value = isLong ? long : one
      return {
        secrets: ["S3cr3t", one, two],
        config: decode({
          basic: { webhook: `https://h/${value}`, sentry: value, pyroscope: `http://h?password=${two}` },
          servers: {
            s: {
              addr: "127.0.0.1:80",
              otlp_exporter: `http://u:${one}@h/`,
              prometheus_metrics: `http://h?token=${two}`
            }
          },
          upstreams: { u: { addrs: ["a:1"], health_check: `http://me:${one}@h/?access_key=${two}` } },
          locations: {
            l: {
              proxy_set_headers: [`Authorization: Bearer ${one}`, `X-Token: ${value}`, `X-Other: Basic ${one}`],
              match_headers: [`x-api-key:${two}`],
              match_query: [`token:${one}`],
              match_cookies: [`session:${two}`]
            }
          },
          plugins: {
            p: {
              category: "jwt",
              secret: value,
              keys: [one, two],
              deep: { list: [{ password: one }, { apiKey: two }] },
              headers: [`Cookie: a=${value}`, "X-Plain: b"],
              many: Array.from({ length: 30 }, (_, index) => `X-Secret-${index}: ${one}`),
              url: `https://${one}:${two}@h/`
            }
          },
          certificates: { c: { tls_cert: value, tls_key: two, dns_service_url: `https://h?id=${one}` } },
          storages: { t: { category: "secret", value: one, secret: two } }
        })
      }
    })

  it("never appear, whatever changes, neither in the text nor in the data", () => {
    fc.assert(
      fc.property(documents, documents, (a, b) => {
        for (const before of [a.config, decode({}), emptied(a.config)]) {
          const diff = Diff.between(before, b.config)
          const lines = diff.modified.flatMap(({ changes }) => changes.flatMap((change) => change.lines))
          const shown = [Diff.format(diff), Diff.summary(diff), JSON.stringify(diff), ...lines].join("\n")
          for (const secret of [...a.secrets, ...b.secrets]) assert.notInclude(shown, secret)
        }
      })
    )
  })

  // The same entities with nothing in them but what they must have.
  const emptied = (config: ProxyConfig): ProxyConfig => ({
    ...decode({
      servers: { s: { addr: "127.0.0.1:80" } },
      upstreams: { u: { addrs: ["a:1"] } },
      locations: { l: {} },
      plugins: { p: { category: "jwt" } },
      certificates: { c: {} }
    }),
    storages: config.storages
  })
})

describe("restartNeeded", () => {
  it("names what only a restart brings into effect", () => {
    const server = (body: string): string => `[servers."a.b"]\naddr = "127.0.0.1:80"\n${body}\n`
    const diff = between(
      `${server("")}[basic]\nname = "a"\n`,
      `${server('threads = 2\nlocations = ["l"]')}[basic]\nname = "b"\nthreads = 4\npid_file = "/p"\nlog_level = "debug"\n[locations.l]\n[servers.new]\naddr = "127.0.0.1:81"\nthreads = 3\n`
    )
    // Threads have no effect at all in this version, and a warning says so.
    assert.deepStrictEqual(restartNeeded(diff), ["basic.pid_file"])
    assert.deepStrictEqual(restartNeeded(between("", '[basic]\nname = "b"\n')), [])
  })
})
