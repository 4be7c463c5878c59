/** What the writer does the same on every store: one suite, run for each of them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Item, ReadError, Tables, WriteError } from "../../../src/config/ConfigWriter.ts"
import type { Section } from "../../../src/config/Draft.ts"
import { isSame } from "../../../src/config/format/TomlRender.ts"
import { keyOf } from "../../../src/config/Layout.ts"
import { type Store, textsOf, type Writer, writerOn } from "./Writers.ts"

const SECTIONS = ["servers", "upstreams", "locations", "plugins", "certificates", "storages"] as const

const START: Tables = {
  basic: { auto_restart_check_interval: "1s", name: "pingap", pid_file: "/tmp/pingap.pid" },
  servers: {
    server1: { addr: "127.0.0.1:8080", locations: ["location1"], threads: 1 },
    server2: { addr: "127.0.0.1:8081", locations: ["location2"], threads: 2 }
  },
  upstreams: {
    upstream1: { addrs: ["127.0.0.1:5000"] },
    upstream2: { addrs: ["127.0.0.1:5001 10", "127.0.0.1:5002"], algo: "hash:cookie" }
  },
  locations: {
    location1: { path: "/", upstream: "upstream1", plugins: ["plugin1"] },
    location2: { host: "example.com", upstream: "upstream2" }
  },
  plugins: {
    plugin1: { category: "response_headers", add_headers: ["X-A: 1"] },
    plugin2: { category: "mock", status: 200, data: "one\ntwo" }
  },
  certificates: {
    certificate1: { domains: "a.example.com", tls_cert: "/c.pem", tls_key: "/k.pem" },
    certificate2: { domains: "b.example.com", acme: "lets_encrypt" }
  },
  storages: {
    storage1: { category: "config", value: 'read_timeout = "3s"\n' },
    storage2: { category: "secret", value: "x", secret: "y" }
  }
}

const NEW = {
  servers: { addr: "127.0.0.1:9000", locations: ["location2"] },
  upstreams: { addrs: ["127.0.0.1:5009"] },
  // Nothing has this name: the low-level update does not look at references.
  locations: { host: "example.org", upstream: "upstream22" },
  plugins: { category: "ping", path: "/ping" },
  certificates: { domains: "c.example.com" },
  storages: { category: "config", value: "" }
} as const

const tableOf = (item: Item | undefined): unknown => item?.table

const all = (writer: Writer) =>
  Effect.gen(function* () {
    const tables: Record<string, unknown> = {}
    const basic = yield* writer.get("basic", "")
    if (basic !== undefined) tables["basic"] = basic.table
    for (const section of SECTIONS) {
      const items = yield* writer.list(section)
      if (items.length > 0) tables[section] = Object.fromEntries(items.map(({ name, table }) => [name, table]))
    }
    return tables
  })

const assertSame = (actual: unknown, expected: unknown): void => {
  assert.isTrue(isSame(actual, expected), `${JSON.stringify(actual)}\n${JSON.stringify(expected)}`)
}

const unchecked = { check: false } as const

/** Runs the suite on stores that begin empty. `makeStore` gives another one each time. */
export const crudSuite = (name: string, makeStore: () => Effect.Effect<Store, unknown, Scope.Scope>): void => {
  describe(`the writer on ${name}`, () => {
    const open = Effect.gen(function* () {
      const store = yield* makeStore()
      return { store, writer: yield* writerOn(store) }
    })

    it.live("5.2 creates, reads, changes and removes every kind of item", () =>
      Effect.gen(function* () {
        const { store, writer } = yield* open
        assertSame(yield* all(writer), {})
        assert.strictEqual(yield* writer.exportText, "")
        yield* writer.importAll(START, { replace: true, ...unchecked })
        assertSame(yield* all(writer), START)

        const basic = { ...START.basic, name: "other" }
        assertSame(tableOf(yield* writer.get("basic", "")), START.basic)
        yield* writer.save("basic", "", basic)
        assertSame(tableOf(yield* writer.get("basic", "any")), basic)

        assertSame(tableOf(yield* writer.get("servers", "server1")), START.servers!["server1"])
        for (const section of SECTIONS) {
          const item = `${section.slice(0, -1)}2`
          yield* writer.save(section, item, NEW[section], unchecked)
          assertSame(tableOf(yield* writer.get(section, item)), NEW[section])
        }

        const order: ReadonlyArray<readonly [Section, string]> = [
          ["basic", ""],
          ["servers", "server1"],
          ["locations", "location1"],
          ["upstreams", "upstream1"],
          ["plugins", "plugin1"],
          ["certificates", "certificate1"],
          ["storages", "storage1"]
        ]
        for (const [section, item] of order) {
          yield* writer.remove(section, item)
          assert.isUndefined(yield* writer.get(section, item))
        }
        const left = Object.fromEntries(
          SECTIONS.map((section) => [section, { [`${section.slice(0, -1)}2`]: NEW[section] }])
        )
        assertSame(yield* all(writer), left)
        // A writer that remembers nothing sees the same.
        assertSame(yield* all(yield* writerOn(store)), left)
        const documents = yield* textsOf(store)
        for (const section of SECTIONS)
          assert.property(documents, keyOf(store.layout, section, `${section.slice(0, -1)}2`))
        if (store.layout === "by-item") assert.strictEqual(Object.keys(documents).length, SECTIONS.length)
      })
    )

    it.live("5.3 refuses names that could leave the folder", () =>
      Effect.gen(function* () {
        const { store, writer } = yield* open
        for (const name of ["../../evil", "..\\evil", "a/b", "x\0y", "", ".", "..", "__proto__"]) {
          for (const attempt of [
            writer.get("upstreams", name),
            writer.save("upstreams", name, { addrs: ["127.0.0.1:80"] }, unchecked),
            writer.remove("upstreams", name)
          ]) {
            const error = yield* Effect.flip<unknown, ReadError | WriteError, never>(attempt)
            assert.match(error.message, /^invalid config name: "/)
          }
        }
        assert.deepStrictEqual(yield* store.read, [])
        yield* writer.save("upstreams", "example.com", { addrs: ["127.0.0.1:80"] })
        assertSame(tableOf(yield* writer.get("upstreams", "example.com")), { addrs: ["127.0.0.1:80"] })
      })
    )

    it.live("5.4 keeps all of 12 concurrent updates, of one writer and of two", () =>
      Effect.gen(function* () {
        const { store, writer } = yield* open
        const writers = [writer, yield* writerOn(store)]
        const save = (index: number, writer: Writer) =>
          writer.save("upstreams", `up${index}`, { addrs: [`127.0.0.1:${5000 + index}`] })
        const twelve = Array.from({ length: 12 }, (_, index) => index)
        yield* Effect.forEach(twelve, (index) => save(index, writer), { concurrency: "unbounded" })
        assert.strictEqual((yield* writer.list("upstreams")).length, 12)
        yield* Effect.forEach(twelve, (index) => save(100 + index, writers[index % 2]!), { concurrency: "unbounded" })
        assert.strictEqual((yield* writer.list("upstreams")).length, 24)
      })
    )

    it.live("replaces the revision that the caller has seen and no other", () =>
      Effect.gen(function* () {
        const { writer } = yield* open
        const table = { addrs: ["127.0.0.1:80"] }
        const first = yield* writer.save("upstreams", "a", table, { expected: null })
        assert.strictEqual((yield* writer.get("upstreams", "a"))?.revision, first)
        yield* writer.save("upstreams", "b", table)
        const second = yield* writer.save("upstreams", "a", { ...table, sni: "a" }, { expected: first })
        assert.notStrictEqual(second, first)
        for (const [attempt, found] of [
          [writer.save("upstreams", "a", table, { expected: first }), "changed"],
          [writer.save("upstreams", "a", table, { expected: null }), "present"],
          [writer.save("upstreams", "c", table, { expected: first }), "missing"],
          [writer.remove("upstreams", "a", { expected: first }), "changed"]
        ] as const) {
          const error = yield* Effect.flip<unknown, WriteError, never>(attempt)
          assert(error._tag === "WriteConflict")
          assert.strictEqual(error.found, found)
        }
        yield* writer.remove("upstreams", "a", { expected: second })
        assert.isUndefined(yield* writer.get("upstreams", "a"))
      })
    )

    it.live("writes several changes at once, or none", () =>
      Effect.gen(function* () {
        const { store, writer } = yield* open
        yield* writer.importAll(START, { replace: true, ...unchecked })
        const before = yield* textsOf(store)
        const changes = [
          { section: "upstreams", name: "new", table: { addrs: ["127.0.0.1:1"] } },
          { section: "locations", name: "location2", table: { upstream: "new" } },
          { section: "upstreams", name: "upstream2", table: null }
        ] as const
        yield* Effect.flip(writer.edit([...changes, { section: "upstreams", name: "a/b", table: {} }]))
        assert.deepStrictEqual(yield* textsOf(store), before)
        yield* writer.edit(changes)
        const names = (yield* writer.list("upstreams")).map(({ name }) => name)
        assert.deepStrictEqual(names.sort(), ["new", "upstream1"])
      })
    )

    it.live("imports what it has exported, and removes what the import does not have", () =>
      Effect.gen(function* () {
        const { writer } = yield* open
        yield* writer.importAll(START, { replace: true, ...unchecked })
        const text = yield* writer.exportText
        yield* writer.save("upstreams", "extra", { addrs: ["127.0.0.1:1"] })
        yield* writer.importAll(text, { replace: true, ...unchecked })
        assertSame(yield* all(writer), START)
        assert.strictEqual(yield* writer.exportText, text)
        yield* writer.importAll({ upstreams: { other: { addrs: ["127.0.0.1:2"] } } }, { replace: false })
        assert.strictEqual((yield* writer.list("upstreams")).length, 3)
        yield* writer.importAll("", { replace: true })
        assertSame(yield* all(writer), {})
      })
    )
  })
}
