import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { Checks } from "../../src/config/Config.ts"
import { ConfigSourceError } from "../../src/config/ConfigSource.ts"
import { ConfigStore } from "../../src/config/ConfigStore.ts"
import { ConfigWriter } from "../../src/config/ConfigWriter.ts"
import type { Layout } from "../../src/config/Layout.ts"
import { decode } from "../../src/config/Snapshot.ts"
import { crudSuite } from "./writer/CrudSuite.ts"
import { disturbed, memoryStore, type Store, type Texts, textsOf, withHistory, writerOn } from "./writer/Writers.ts"

crudSuite("memory, one document", () => memoryStore("single"))
crudSuite("memory, by type", () => memoryStore("by-type"))
crudSuite("memory, by item", () => memoryStore("by-item"))

const open = (layout: Layout, texts: Texts = {}) =>
  Effect.gen(function* () {
    const store = yield* memoryStore(layout, texts)
    return { store, writer: yield* writerOn(store) }
  })

const text = (...lines: ReadonlyArray<string>): string => `${lines.join("\n")}\n`

const shop = text(
  "# The shop of example.com.",
  "",
  "[servers.web] # all of it",
  'addr = "127.0.0.1:8080"',
  'locations = ["root"]',
  "",
  "# two machines",
  "[upstreams.shop]",
  'addrs = ["127.0.0.1:5000"]',
  "",
  "[locations.root]",
  'upstream = "shop"',
  'plugins = ["pass"]',
  'includes = ["limits"]',
  "",
  "[plugins.pass]",
  'category = "basic_auth"',
  'authorizations = ["YWRtaW46c2VjcmV0"]',
  "",
  "[plugins.split]",
  'category = "traffic_splitting"',
  'upstream = "canary"',
  "",
  "[upstreams.canary]",
  'addrs = ["127.0.0.1:5001"]',
  "",
  "[upstreams.included]",
  'addrs = ["127.0.0.1:5002"]',
  "",
  "[locations.other]",
  'includes = ["target"]',
  "",
  "[storages.limits]",
  'category = "config"',
  "value = '''",
  "client_max_body_size = 10",
  "'''",
  "",
  "[storages.target]",
  'category = "config"',
  "value = 'upstream = \"included\"'"
)

describe("documents", () => {
  it.effect("an item is changed where it stands, and a new one goes where the layout wants it", () =>
    Effect.gen(function* () {
      const { store, writer } = yield* open("by-type", {
        "mine.toml": "# mine\n[upstreams.a] # a\naddrs = ['127.0.0.1:1']\n",
        "upstreams.toml": "[upstreams.b]\naddrs = ['127.0.0.1:2']\n"
      })
      yield* writer.save("upstreams", "a", { addrs: ["127.0.0.1:3"] })
      yield* writer.save("upstreams", "c", { sni: "c", addrs: ["127.0.0.1:4"] })
      yield* writer.save("basic", "", { name: "x" })
      assert.deepStrictEqual(yield* textsOf(store), {
        "basic.toml": '[basic]\nname = "x"\n',
        "mine.toml": '# mine\n[upstreams.a] # a\naddrs = ["127.0.0.1:3"]\n',
        "upstreams.toml":
          '[upstreams.b]\naddrs = [\'127.0.0.1:2\']\n\n[upstreams.c]\naddrs = ["127.0.0.1:4"]\nsni = "c"\n'
      })
    })
  )

  it.effect("one that is emptied goes by item, and stays otherwise", () =>
    Effect.gen(function* () {
      const a = "# a\n[upstreams.a]\naddrs = ['127.0.0.1:1']\n"
      for (const [layout, key, after] of [
        ["by-item", "upstreams/a.toml", {}],
        ["by-type", "upstreams.toml", { "upstreams.toml": "" }],
        ["single", "", { "": "" }]
      ] as const) {
        const { store, writer } = yield* open(layout, { [key]: a })
        yield* writer.remove("upstreams", "a")
        assert.deepStrictEqual(yield* textsOf(store), after)
      }
      const { store, writer } = yield* open("by-item", { "upstreams/a.toml": `[custom]\nx = 1\n\n${a}` })
      yield* writer.remove("upstreams", "a")
      assert.deepStrictEqual(yield* textsOf(store), { "upstreams/a.toml": "[custom]\nx = 1\n" })
    })
  )

  it.effect("saving what is there writes nothing", () =>
    Effect.gen(function* () {
      const { store, writer } = yield* open("single", { "": shop })
      const before = yield* store.read
      const item = yield* writer.get("upstreams", "shop")
      const revision = yield* writer.save("upstreams", "shop", { addrs: ["127.0.0.1:5000"], sni: undefined })
      assert.strictEqual(revision, item?.revision)
      yield* writer.remove("upstreams", "nobody")
      assert.deepStrictEqual(yield* store.read, before)
    })
  )

  it.effect("an item in two of them is an error that names both", () =>
    Effect.gen(function* () {
      const { store, writer } = yield* open("by-item", {
        "a.toml": "[upstreams.a]\naddrs = ['127.0.0.1:1']\n",
        "b.toml": "[upstreams.a]\naddrs = ['127.0.0.1:2']\n[upstreams.b]\naddrs = ['127.0.0.1:3']\n"
      })
      const before = yield* store.read
      for (const attempt of [writer.get("upstreams", "a"), writer.exportText, writer.relayout]) {
        const error = yield* Effect.flip(attempt as Effect.Effect<unknown, { readonly message: string }>)
        assert.strictEqual(
          error.message,
          "upstream(a) stands in more than one document: a.toml, b.toml; remove all but one"
        )
      }
      assert.strictEqual((yield* Effect.flip(writer.save("upstreams", "a", { addrs: [] })))._tag, "AmbiguousItem")
      assert.deepStrictEqual(yield* store.read, before)
      yield* writer.save("upstreams", "b", { addrs: ["127.0.0.1:4"] })
    })
  )

  it.effect("one that cannot be read is left alone, unless it is the item's own", () =>
    Effect.gen(function* () {
      const { store, writer } = yield* open("by-item", {
        "servers.toml": "[servers.x]\naddr = \n[upstreams.hidden]\naddrs = ['127.0.0.1:1']\n",
        "upstreams/a.toml": "[upstreams.a]\naddrs = [\n"
      })
      const error = yield* Effect.flip(writer.save("servers", "x", { addr: "127.0.0.1:80" }))
      assert.strictEqual(error._tag, "DocumentUnreadable")
      assert.match(error.message, /^servers\.toml:2:\d+: .*; correct the document before something in it is changed$/)
      assert.strictEqual(
        (yield* Effect.flip(writer.save("upstreams", "hidden", { addrs: [] })))._tag,
        "DocumentUnreadable"
      )
      assert.strictEqual((yield* Effect.flip(writer.exportText))._tag, "DocumentUnreadable")
      yield* writer.save("upstreams", "b", { addrs: ["127.0.0.1:2"] })
      yield* writer.save("upstreams", "a", { addrs: ["127.0.0.1:3"] })
      const texts = yield* textsOf(store)
      assert.strictEqual(texts["upstreams/a.toml"], '[upstreams.a]\naddrs = ["127.0.0.1:3"]\n')
      assert.strictEqual(Object.keys(texts).length, 3)
      yield* writer.importAll({ basic: { name: "new" } }, { replace: true })
      assert.deepStrictEqual(yield* textsOf(store), { "basic.toml": '[basic]\nname = "new"\n' })
    })
  )

  it.effect("a table that cannot be changed where it stands is refused by name", () =>
    Effect.gen(function* () {
      const { writer } = yield* open("single", { "": "[[locations]]\nx = 1\n" })
      const error = yield* Effect.flip(writer.save("locations", "a", {}, { check: false }))
      assert.strictEqual(error._tag, "NotWritable")
      assert.match(error.message, /^location\(a\) cannot be written to memory: locations\.a cannot be changed/)
      const list = yield* Effect.flip(writer.save("plugins", "a", { category: "mock", data: [null] }))
      assert.strictEqual(list.message, "plugin(a) cannot be written to memory: data.0 has no value")
    })
  )

  it.effect("what the store refuses comes through", () =>
    Effect.gen(function* () {
      const refusal = new ConfigSourceError({ file: "pingap.hcl", message: "HCL cannot be written" })
      const store = yield* memoryStore("single", { "": shop })
      const writer = yield* writerOn({ ...store, commit: () => Effect.fail(refusal) })
      assert.strictEqual(yield* Effect.flip(writer.save("basic", "", { name: "x" })), refusal)
    })
  )
})

describe("checks", () => {
  it.effect("refuse new errors with their findings, and only those", () =>
    Effect.gen(function* () {
      const { store, writer } = yield* open("single", { "": `${shop}\n[upstreams.wrong]\naddrs = []\n` })
      const before = yield* store.read
      const error = yield* Effect.flip(writer.save("locations", "root", { upstream: "shoop" }))
      assert(error._tag === "WriteRejected")
      assert.deepStrictEqual(
        error.diagnostics.map(({ message, path }) => `${path}: ${message}`),
        ["locations.root.upstream: upstream(shoop) is not found"]
      )
      assert.match(error.message, /hint: .*shop/)
      assert.deepStrictEqual(yield* store.read, before)
      yield* writer.save("locations", "root", { upstream: "shop", plugins: ["pass"] })
      yield* writer.save("upstreams", "wrong", { addrs: ["127.0.0.1:1"] })
      yield* writer.save("locations", "root", { upstream: "shoop" }, { check: false })
    })
  )

  it.effect("ask what is known of plugins", () =>
    Effect.gen(function* () {
      const store = yield* memoryStore("single", { "": shop })
      const checks = {
        checkPlugin: (name: string) =>
          name === "bad" ? [{ severity: "error" as const, path: ["x"], message: "no" }] : []
      }
      const layer = ConfigWriter.layer.pipe(
        Layer.provide(Layer.succeed(ConfigStore, store)),
        Layer.provide(Layer.succeed(Checks, checks))
      )
      const writer = Context.get(yield* Layer.build(layer), ConfigWriter)
      yield* writer.save("plugins", "good", { category: "ping", x: 1 })
      assert.strictEqual(
        (yield* Effect.flip(writer.save("plugins", "bad", { category: "ping", x: 1 })))._tag,
        "WriteRejected"
      )
    })
  )

  it.effect("name no values", () =>
    Effect.gen(function* () {
      const { writer } = yield* open("single", { "": shop })
      const secret = "hunter2"
      for (const attempt of [
        writer.save("storages", "s", { category: secret, value: [secret] }),
        writer.save("certificates", "c", { tls_key: [secret], dns_service_url: { secret }, dns_provider: 5 }),
        writer.save("plugins", "p", { category: "mock", secret: [null, secret] }),
        writer.importAll(`[storages.s]\nvalue = "${secret}\n`, { replace: true }),
        writer.save("storages", "limits", { category: "config", value: secret }, { expected: "0" })
      ]) {
        const error = yield* Effect.flip(attempt as Effect.Effect<unknown, { readonly message: string }>)
        assert.notInclude(error.message, secret)
      }
    })
  )

  it.effect.each([
    ["upstreams", "shop", "upstream(shop) is in used by location(root)"],
    ["upstreams", "canary", "upstream(canary) is in used by plugin(split)"],
    ["upstreams", "included", "upstream(included) is in used by location(other)"],
    ["locations", "root", "location(root) is in used by server(web)"],
    ["plugins", "pass", "proxy plugin(pass) is in used by location(root)"],
    ["storages", "limits", "storage(limits) is in used by location(root)"]
  ] as const)("keep what is in use: %s.%s", ([section, name, message]) =>
    Effect.gen(function* () {
      const { store, writer } = yield* open("single", { "": shop })
      const before = yield* store.read
      const error = yield* Effect.flip(writer.remove(section, name))
      assert.strictEqual(error._tag, "ItemInUse")
      assert.strictEqual(error.message, message)
      assert.deepStrictEqual(yield* store.read, before)
      yield* writer.remove(section, name, { check: false })
      assert.isUndefined(yield* writer.get(section, name))
    })
  )

  it.effect("let go what is removed with its users, and count the others", () =>
    Effect.gen(function* () {
      const { writer } = yield* open("single", { "": shop })
      yield* writer.edit([
        { section: "upstreams", name: "shop", table: null },
        { section: "servers", name: "web", table: { addr: "127.0.0.1:8080" } },
        { section: "locations", name: "root", table: null }
      ])
      for (let index = 0; index < 8; index++) yield* writer.save("locations", `l${index}`, { upstream: "canary" })
      const { message } = yield* Effect.flip(writer.remove("upstreams", "canary"))
      assert.match(message, /location\(l3\) and 4 more$/)
    })
  )
})

/** Lets time pass until a fiber has ended. Work in slices takes turns of the event loop, which no test clock knows. */
const ended = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<A, E> =>
  Effect.gen(function* () {
    while (fiber.pollUnsafe() === undefined) {
      yield* TestClock.adjust("1 second")
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
    return yield* Fiber.join(fiber)
  })

describe("conflicts", () => {
  const other = (store: Store, count: { value: number }) =>
    Effect.gen(function* () {
      const [document] = yield* store.read
      const text = `${document!.text}\n[upstreams.other${count.value++}]\naddrs = ["127.0.0.1:1"]\n`
      yield* store.commit([{ key: document!.key, text, expected: document!.revision }])
    })

  it.effect("with writers of other items are solved on the newest text", () =>
    Effect.gen(function* () {
      const store = yield* memoryStore("single", { "": shop })
      const writer = yield* writerOn(disturbed(store, 3, other(store, { value: 0 })))
      const revision = (yield* writer.get("upstreams", "shop"))!.revision
      const fiber = yield* Effect.forkChild(
        writer.save("upstreams", "shop", { addrs: ["127.0.0.1:9"] }, { expected: revision })
      )
      yield* ended(fiber)
      assert.strictEqual((yield* writer.list("upstreams")).length, 6)
    })
  )

  it.effect("with a writer of the same item are told", () =>
    Effect.gen(function* () {
      const store = yield* memoryStore("single", { "": shop })
      const rival = yield* writerOn(store)
      const writer = yield* writerOn(disturbed(store, 1, rival.save("upstreams", "shop", { addrs: ["127.0.0.1:8"] })))
      const { revision } = (yield* writer.get("upstreams", "shop"))!
      const fiber = yield* Effect.forkChild(
        Effect.flip(writer.save("upstreams", "shop", { addrs: ["127.0.0.1:9"] }, { expected: revision }))
      )
      const { message } = yield* ended(fiber)
      assert.strictEqual(
        message,
        "upstream(shop) was changed by somebody else meanwhile: load it again and repeat the change"
      )
    })
  )

  it.effect("without end are given up", () =>
    Effect.gen(function* () {
      const store = yield* memoryStore("single", { "": shop })
      const count = { value: 0 }
      const writer = yield* writerOn(disturbed(store, 1000, other(store, count)))
      const fiber = yield* Effect.forkChild(Effect.flip(writer.save("upstreams", "shop", { addrs: ["127.0.0.1:9"] })))
      assert.strictEqual((yield* ended(fiber))._tag, "ConfigConflict")
      assert.strictEqual(count.value, 21)
    })
  )
})

describe("history", () => {
  it.effect("has the versions that differ, newest first, and restoring is a save like any other", () =>
    Effect.gen(function* () {
      const store = withHistory(yield* memoryStore("single", { "": "[basic]\nname = 'x'\n" }))
      const writer = yield* writerOn(store)
      for (const port of [1, 2]) yield* writer.save("upstreams", "a", { addrs: [`127.0.0.1:${port}`] })
      yield* writer.save("upstreams", "b", { addrs: ["127.0.0.1:9"] })
      yield* writer.save("upstreams", "a", { addrs: ["127.0.0.1:3"] })
      yield* writer.save("upstreams", "b", { addrs: ["127.0.0.1:8"] })
      const versions = yield* writer.history("upstreams", "a")
      assert.deepStrictEqual(
        versions.map(({ replacedAt, table }) => [replacedAt, table["addrs"]]),
        [
          [1003, ["127.0.0.1:2"]],
          [1001, ["127.0.0.1:1"]]
        ]
      )
      yield* writer.restore("upstreams", "a", versions[1]!.id)
      assert.deepStrictEqual((yield* writer.get("upstreams", "a"))?.table["addrs"], ["127.0.0.1:1"])
      const [undo] = yield* writer.history("upstreams", "a")
      yield* writer.restore("upstreams", "a", undo!.id)
      assert.deepStrictEqual((yield* writer.get("upstreams", "a"))?.table["addrs"], ["127.0.0.1:3"])
      yield* writer.remove("upstreams", "a")
      const gone = yield* writer.history("upstreams", "a")
      assert.deepStrictEqual(gone[0]?.table["addrs"], ["127.0.0.1:3"])
      yield* writer.restore("upstreams", "a", gone[0]!.id, { expected: null })
      const error = yield* Effect.flip(writer.restore("upstreams", "a", "nothing"))
      assert.strictEqual(error.message, 'upstream(a) has no version "nothing": list its history again')
    })
  )

  it.effect("is empty in a store that keeps none, and at most 10", () =>
    Effect.gen(function* () {
      const { store, writer } = yield* open("by-item")
      assert.deepStrictEqual(yield* writer.history("upstreams", "a"), [])
      const keeping = yield* writerOn(withHistory(store))
      for (let port = 1; port < 20; port++) yield* keeping.save("upstreams", "a", { addrs: [`127.0.0.1:${port}`] })
      assert.strictEqual((yield* keeping.history("upstreams", "a")).length, 10)
      assert.strictEqual((yield* Effect.flip(keeping.history("upstreams", "a/b")))._tag, "InvalidName")
    })
  )
})

describe("relayout", () => {
  const basic = '[basic]\nname = "pingap"\n'
  const demo = '# demo\n[upstreams.demo]\naddrs = ["127.0.0.1:5000"]\n'

  it.effect.each<{ row: string; layout: Layout; before: Texts; after: Texts; gone: ReadonlyArray<string> }>([
    {
      row: "one file, by item",
      layout: "by-item",
      before: { "pingap.toml": `${basic}\n${demo}` },
      after: { "basic.toml": basic, "upstreams/demo.toml": demo },
      gone: ["pingap.toml"]
    },
    {
      row: "by type, by item",
      layout: "by-item",
      before: { "basic.toml": basic, "upstreams.toml": demo },
      after: { "basic.toml": basic, "upstreams/demo.toml": demo },
      gone: ["upstreams.toml"]
    },
    {
      row: "by item, by type",
      layout: "by-type",
      before: { "upstreams/demo.toml": demo },
      after: { "upstreams.toml": demo },
      gone: ["upstreams/demo.toml"]
    },
    {
      row: "a name of its own, by type",
      layout: "by-type",
      before: { "my-proxy.toml": `${basic}\n[certificates.panel]\ntls_cert = "a"\n\n${demo}` },
      after: {
        "basic.toml": basic,
        "certificates.toml": '[certificates.panel]\ntls_cert = "a"\n',
        "upstreams.toml": demo
      },
      gone: ["my-proxy.toml"]
    },
    {
      row: "another folder, by item",
      layout: "by-item",
      before: { "sites/demo.toml": demo },
      after: { "upstreams/demo.toml": demo },
      gone: ["sites/demo.toml"]
    },
    {
      row: "nothing to do",
      layout: "by-item",
      before: { "basic.toml": basic },
      after: { "basic.toml": basic },
      gone: []
    },
    {
      row: "one document",
      layout: "single",
      before: { "": `${demo}\n${basic}` },
      after: { "": `${demo}\n${basic}` },
      gone: []
    },
    {
      row: "an item in the document of another section",
      layout: "by-type",
      before: {
        "basic.toml": `# head\n\n${basic}\n${demo}`,
        "upstreams.toml": '[upstreams.b]\naddrs = ["127.0.0.1:1"]'
      },
      after: {
        "basic.toml": `# head\n\n${basic}`,
        "upstreams.toml": `[upstreams.b]\naddrs = ["127.0.0.1:1"]\n\n${demo}`
      },
      gone: []
    },
    {
      row: "an unknown section stays",
      layout: "by-item",
      before: { "x.toml": `[custom]\na = 1\n\n${demo}` },
      after: { "upstreams/demo.toml": demo, "x.toml": "[custom]\na = 1\n" },
      gone: []
    },
    {
      row: "dotted keys",
      layout: "by-item",
      before: { "x.toml": '[upstreams]\ndemo.addrs = ["127.0.0.1:5000"]\n' },
      after: { "upstreams/demo.toml": '[upstreams.demo]\naddrs = ["127.0.0.1:5000"]\n' },
      gone: ["x.toml"]
    }
  ])("5.5 $row", ({ after, before, gone, layout }) =>
    Effect.gen(function* () {
      const { store, writer } = yield* open(layout, before)
      assert.deepStrictEqual(yield* writer.relayout, gone)
      assert.deepStrictEqual(yield* textsOf(store), after)
      assert.deepStrictEqual(yield* writer.relayout, [])
      assert.deepStrictEqual(yield* textsOf(store), after)
    })
  )

  it.effect("5.5 the same table twice is an error, and both files stay", () =>
    Effect.gen(function* () {
      const before = { "basic.toml": basic, "pingap.toml": `${basic}\n${demo}` }
      const { store, writer } = yield* open("by-item", before)
      assert.match((yield* Effect.flip(writer.relayout)).message, /more than one document: .*pingap\.toml/)
      assert.deepStrictEqual(yield* textsOf(store), before)
    })
  )
})

describe("export and import", () => {
  const layouts: ReadonlyArray<Layout> = ["single", "by-type", "by-item"]
  const pairs = layouts.flatMap((from) => layouts.map((to) => [from, to] as const))
  const snapshotOf = (store: Store) =>
    Effect.map(store.read, (documents) => {
      const decoded = decode(documents)
      assert(decoded._tag === "Success")
      return JSON.stringify(decoded.success.config, (_, value: unknown) =>
        typeof value === "object" && value !== null && !Array.isArray(value)
          ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
          : value
      )
    })

  it.effect.each(pairs)("from %s to %s and back", ([from, to]) =>
    Effect.gen(function* () {
      const first = yield* open(from)
      yield* first.writer.importAll(shop, { replace: true })
      const expected = yield* snapshotOf(first.store)
      const second = yield* open(
        to,
        to === "single" ? { "": "[basic]\nname = 'gone'\n" } : { "x.toml": "[basic]\nname = 'gone'\n" }
      )
      yield* first.writer.copyTo(second.store)
      assert.strictEqual(yield* snapshotOf(second.store), expected)
      const exported = yield* first.writer.exportTo(to)
      assert.deepStrictEqual(
        Object.fromEntries(exported.map(({ key, text }) => [key, text])),
        yield* textsOf(second.store)
      )
      for (const comment of ["# all of it", "# two machines"]) {
        assert.isTrue(exported.some(({ text }) => text.includes(comment)))
      }
      const third = yield* open(from)
      yield* third.writer.importAll(yield* second.writer.exportText, { replace: true })
      assert.strictEqual(yield* snapshotOf(third.store), expected)
      const commits = yield* second.store.read
      yield* first.writer.copyTo(second.store)
      assert.deepStrictEqual(yield* second.store.read, commits)
    })
  )

  it.effect.each([
    ["a manifest of something else", "Cargo.toml", "[package]\nname = 'x'\n"],
    ["a text", "notes.toml", "do not forget the milk\n"],
    ["a value of somebody else's key", "registry/pods/x", '{"kind":"Pod"}'],
    ["a document that is ours and more", "x.toml", "[upstreams.a]\naddrs = ['127.0.0.1:1']\n\n[package]\nname = 'x'\n"],
    ["a document that would be replaced", "upstreams.toml", "upstreams = 'the ones in the garden'\n"]
  ] as const)("%s is not lost where a configuration is copied to", ([, key, foreign]) =>
    Effect.gen(function* () {
      const first = yield* open("single", { "": shop })
      const second = yield* open("by-type", { "basic.toml": "[basic]\nname = 'old'\n", [key]: foreign })
      const before = yield* textsOf(second.store)
      const error = yield* Effect.flip(first.writer.copyTo(second.store))
      assert.strictEqual(error._tag, "ForeignDocument")
      assert.include(error.message, `${key} is not a configuration of pingap`)
      assert.deepStrictEqual(yield* textsOf(second.store), before)
    })
  )

  it.effect("a configuration with a mistake, or of comments alone, is replaced where one is copied to", () =>
    Effect.gen(function* () {
      const first = yield* open("single", { "": shop })
      const second = yield* open("by-type", {
        "a.toml": "[upstreams.a]\naddrs = ['127.0.0.1:1']\n\n[upstreams.b]\naddrs = [\n",
        "b.toml": "# nothing yet\n"
      })
      yield* first.writer.copyTo(second.store)
      const keys = Object.keys(yield* textsOf(second.store))
      assert.isNotEmpty(keys)
      for (const key of ["a.toml", "b.toml"]) assert.notInclude(keys, key)
    })
  )

  it.effect("one document is exported and imported as somebody wrote it", () =>
    Effect.gen(function* () {
      const { store, writer } = yield* open("single", { "": shop })
      assert.strictEqual(yield* writer.exportText, shop)
      const changed = shop.replace("# two machines", "#   three machines")
      yield* writer.importAll(changed, { replace: true })
      assert.deepStrictEqual(yield* textsOf(store), { "": changed })
    })
  )

  it.effect("documents that cannot stand below each other are written anew", () =>
    Effect.gen(function* () {
      const { writer } = yield* open("by-type", {
        "a.toml": "\ufeff[basic]\nname = 'x'\n",
        "b.toml": "upstreams.a.addrs = ['127.0.0.1:1']\n",
        "c.toml": "# c\n[upstreams.b]\naddrs = ['127.0.0.1:2']"
      })
      assert.strictEqual(
        yield* writer.exportText,
        text(
          "[basic]",
          "name = 'x'",
          "",
          "[upstreams.a]",
          'addrs = ["127.0.0.1:1"]',
          "",
          "# c",
          "[upstreams.b]",
          "addrs = ['127.0.0.1:2']"
        )
      )
    })
  )

  it.effect("a configuration that does not decode is refused whole", () =>
    Effect.gen(function* () {
      const { store, writer } = yield* open("by-item")
      yield* writer.importAll(shop, { replace: true })
      const before = yield* store.read
      for (const [content, tag] of [
        ["[locations.x]\nupstream = 'nobody'\n", "WriteRejected"],
        ["[locations.x\n", "WriteRejected"],
        ["[locations.'a/b']\n", "InvalidName"],
        [{ locations: { x: { upstream: "nobody" } } }, "WriteRejected"],
        [{ locations: { x: { path: [null] } } }, "NotWritable"]
      ] as const) {
        const error = yield* Effect.flip(writer.importAll(content, { replace: true }))
        assert.strictEqual(error._tag, tag)
        if (error._tag === "WriteRejected") assert.isAbove(error.diagnostics.length, 0)
      }
      assert.deepStrictEqual(yield* store.read, before)
      yield* writer.importAll("[locations.x]\nupstream = 'nobody'\n", { replace: true, check: false })
      assert.deepStrictEqual(Object.keys(yield* textsOf(store)), ["locations/x.toml"])
      assert.strictEqual((yield* Effect.flip(writer.importAll("[", { replace: false })))._tag, "WriteRejected")
    })
  )
})
