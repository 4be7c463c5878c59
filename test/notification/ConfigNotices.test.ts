import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { parse } from "smol-toml"
import { ConfigError } from "../../src/config/Config.ts"
import { ConfigSchema } from "../../src/config/ConfigSchema.ts"
import type { Diagnostic } from "../../src/config/Diagnostic.ts"
import * as Diff from "../../src/config/Diff.ts"
import type { ReloadProblem, ReloadReport } from "../../src/generation/ReloadReport.ts"
import * as ConfigNotices from "../../src/notification/ConfigNotices.ts"
import type { Notification } from "../../src/notification/Notification.ts"
import { Notifications } from "../../src/notification/Notifications.ts"

const config = (toml: string) => Schema.decodeUnknownSync(ConfigSchema)(parse(toml))

const report = (before: string, after: string, problems: ReadonlyArray<ReloadProblem> = []): ReloadReport => ({
  generation: 2,
  diff: Diff.between(config(before), config(after)),
  problems,
  millis: 5
})

const reloads = (before: string, after: string, problems?: ReadonlyArray<ReloadProblem>): ReadonlyArray<string> =>
  ConfigNotices.ofReport(report(before, after, problems))
    .filter(({ category }) => category === "reload_config")
    .map(({ message }) => message)

const upstream = (name: string, port: number): string => `[upstreams.${name}]\naddrs = ["127.0.0.1:${port}"]\n`
const location = (name: string, path: string): string => `[locations.${name}]\npath = "${path}"\n`
const plugin = (name: string, more: string): string => `[plugins.${name}]\ncategory = "x"\n${more}\n`
const server = (name: string, more: string): string => `[servers.${name}]\naddr = "127.0.0.1:80"\n${more}\n`

const problem = (more: Partial<ReloadProblem> = {}): ReloadProblem => ({
  section: "upstreams",
  name: "b",
  message: "no such host",
  kept: true,
  ...more
})

describe("reload_config", () => {
  it.each([
    ["one", upstream("a", 1), upstream("a", 2), ["Upstream(a) is modified"]],
    ["several", upstream("b", 1), upstream("b", 2) + upstream("a", 2), ["Upstreams(a,b) are modified"]],
    ["removed", upstream("b", 1) + upstream("a", 1), upstream("a", 1), ["Upstream(b) is removed"]],
    [
      "both",
      upstream("a", 1) + upstream("b", 1) + upstream("c", 1),
      upstream("a", 2),
      ["Upstream(a) is modified; Upstreams(b,c) are removed"]
    ],
    [
      "every kind, in the order of the reference",
      `${server("s", "")}[certificates.c]\n${plugin("p", "")}${location("l", "/")}${upstream("u", 1)}`,
      `${server("s", 'locations = ["l"]')}[certificates.c]\ndomains = "a"\n${plugin("p", "a = 1")}${location("l", "/a")}${upstream("u", 2)}`,
      [
        "Upstream(u) is modified",
        "Location(l) is modified",
        "Plugin(p) is modified",
        "Certificate(c) is modified",
        "Server Location(s) is modified"
      ]
    ],
    [
      "servers beyond their locations",
      server("s", "") + server("old", ""),
      server("s", 'locations = []\naccess_log = "tiny"') + server("new", ""),
      ["Servers(new,s) are modified; Server(old) is removed"]
    ],
    ["basic", "", "[basic]\nlog_level = 'debug'\n", ["Basic is modified"]],
    [
      "nothing of what needs a restart, nothing of storages",
      server("s", ""),
      `${server("s", "threads = 2")}[basic]\nthreads = 2\n[storages.t]\ncategory = "config"\nvalue = ""\n`,
      []
    ],
    ["nothing", upstream("a", 1), upstream("a", 1), []]
  ])("%s", (_, before, after, messages) => {
    assert.deepStrictEqual(reloads(before, after), messages)
  })

  it("leaves out what could not be built", () => {
    const before = upstream("a", 1) + upstream("b", 1)
    const after = upstream("a", 2) + upstream("b", 2)
    assert.deepStrictEqual(reloads(before, after, [problem()]), ["Upstream(a) is modified"])
    assert.deepStrictEqual(reloads(upstream("b", 1), upstream("b", 2), [problem()]), [])
    assert.deepStrictEqual(reloads(before, after, [problem({ section: "plugins" })]), ["Upstreams(a,b) are modified"])
  })

  it("lists 40 names", () => {
    const all = (port: number): string => Array.from({ length: 50 }, (_, i) => upstream(`u${10 + i}`, port)).join("")
    assert.match(reloads(all(1), all(2))[0]!, /^Upstreams\(u10,.*,u49,… and 10 more\) are modified$/)
  })
})

describe("a report", () => {
  it("tells the difference first, failures last", () => {
    const notifications = ConfigNotices.ofReport(
      report(upstream("a", 1) + upstream("b", 1), `${upstream("a", 2)}${upstream("b", 2)}[basic]\npid_file = "/p"\n`, [
        problem(),
        problem({ section: "plugins", name: "p.q", message: "category is unknown", kept: false })
      ])
    )
    assert.deepStrictEqual(notifications, [
      {
        category: "diff_config",
        level: "info",
        title: "Configuration changed: basic, 2 upstreams modified",
        message: `[MODIFIED] basic
+ pid_file = "/p"
[MODIFIED] upstreams.a
- addrs = ["127.0.0.1:1"]
+ addrs = ["127.0.0.1:2"]
[MODIFIED] upstreams.b
- addrs = ["127.0.0.1:1"]
+ addrs = ["127.0.0.1:2"]

in effect after a restart: basic.pid_file`
      },
      {
        category: "reload_config",
        level: "info",
        title: "Configuration is reloaded",
        message: "Upstream(a) is modified"
      },
      {
        category: "reload_config_fail",
        level: "error",
        title: "Part of the configuration could not be applied",
        message: `upstreams.b: no such host; its previous version goes on
plugins."p.q": category is unknown; what needs it answers 503`
      }
    ])
  })

  it("names ten failures", () => {
    const problems = Array.from({ length: 12 }, (_, index) => problem({ name: `u${index}` }))
    const [failed] = ConfigNotices.ofReport(report("", "", problems))
    assert.strictEqual(failed?.message.split("\n").length, 11)
    assert.match(failed?.message ?? "", /\n… and 2 more$/)
  })

  it("is silent about nothing", () => {
    assert.deepStrictEqual(ConfigNotices.ofReport(report("", "")), [])
  })
})

const diagnostic = (line: number): Diagnostic => ({
  severity: "error",
  file: "a.toml",
  line,
  column: 1,
  path: "upstreams.a.addrs",
  message: "is missing"
})

describe("the layer", () => {
  it.effect("tells what the streams bring, and rejections with their first ten mistakes", () =>
    Effect.gen(function* () {
      const sent = yield* Queue.unbounded<Notification>()
      const reports = yield* Queue.unbounded<ReloadReport>()
      const rejected = yield* Queue.unbounded<ConfigError>()
      const broken = yield* Queue.unbounded<ReadonlyArray<{ readonly message: string }>>()
      yield* Layer.build(
        ConfigNotices.layer({
          reports: Stream.fromQueue(reports),
          rejected: Stream.fromQueue(rejected),
          broken: Stream.fromQueue(broken)
        }).pipe(
          Layer.provide(
            Layer.succeed(Notifications, {
              send: (notification) => Effect.asVoid(Queue.offer(sent, notification))
            })
          )
        )
      )
      yield* Queue.offer(rejected, new ConfigError({ diagnostics: [diagnostic(1)] }))
      assert.deepStrictEqual(yield* Queue.take(sent), {
        category: "reload_config_fail",
        level: "error",
        title: "Configuration is rejected, the previous one stays",
        message: "a.toml:1:1: error: upstreams.a.addrs: is missing\n1 error"
      })
      yield* Queue.offer(reports, report(upstream("a", 1), upstream("a", 2)))
      assert.deepStrictEqual(
        [(yield* Queue.take(sent)).category, (yield* Queue.take(sent)).message],
        ["diff_config", "Upstream(a) is modified"]
      )
      const diagnostics = Array.from({ length: 25 }, (_, index) => diagnostic(index + 1))
      yield* Queue.offer(rejected, new ConfigError({ diagnostics }))
      const lines = (yield* Queue.take(sent)).message.split("\n")
      assert.strictEqual(lines.filter((line) => line.startsWith("a.toml:")).length, 10)
      assert.deepStrictEqual(lines.slice(-2), ["and 15 more", "25 errors"])
      yield* Queue.offer(broken, [{ message: "servers.web.addr: in use" }])
      assert.deepStrictEqual(yield* Queue.take(sent), {
        category: "reload_config_fail",
        level: "error",
        title: "The configuration is not in force everywhere",
        message: "servers.web.addr: in use"
      })
      assert.strictEqual(yield* Queue.size(sent), 0)
    })
  )
})
