/** The source and the store against a real etcd. */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import type { ConfigSourceError } from "../../../src/config/ConfigSource.ts"
import type { ConfigConflict, ConfigStore, Write } from "../../../src/config/ConfigStore.ts"
import {
  countChanges,
  describeWithEtcd,
  Etcd,
  freePort,
  mirror,
  open,
  own,
  promise,
  relayTo,
  texts,
  wait
} from "../../support/Etcd.ts"

type Store = ConfigStore["Service"]

const put = (key: string, text: string | null, expected: string | null = null): Write => ({ key, text, expected })

const captured = (lines: Array<string>) =>
  Logger.layer([
    Logger.make<unknown, void>(({ logLevel, message }) => void lines.push(`${logLevel} ${JSON.stringify(message)}`))
  ])

describeWithEtcd("Etcd", () => {
  let etcd: Etcd
  beforeAll(async () => {
    etcd = await Etcd.start()
  })
  afterAll(() => etcd[Symbol.asyncDispose]())
  const at = (prefix: string, query = ""): string => `etcd://${etcd.address}${prefix}${query}`

  it.live("reads what is below the prefix, in the order of keys, with names for people", () =>
    Effect.gen(function* () {
      const { source, store } = yield* open(at("/read/"))
      assert.deepStrictEqual(yield* source.read, [])
      assert.strictEqual(store.place, `etcd://${etcd.address}/read`)
      assert.strictEqual(store.layout, "by-item")
      assert.isNull(store.history)
      yield* promise(() => etcd.put("/read/upstreams/api.toml", "[upstreams.api]\naddrs = ['é:1']"))
      const revision = yield* promise(() => etcd.put("/read/basic.toml", "[basic]"))
      yield* promise(() => etcd.put("/read2/basic.toml", "no"))
      yield* promise(() => etcd.put("/read-history/basic.toml/1-1", "no"))
      assert.deepStrictEqual(yield* store.read, [
        { key: "basic.toml", file: "etcd:/read/basic.toml", text: "[basic]", revision: String(revision) },
        {
          key: "upstreams/api.toml",
          file: "etcd:/read/upstreams/api.toml",
          text: "[upstreams.api]\naddrs = ['é:1']",
          revision: String(revision - 1)
        }
      ])
    })
  )

  it.live("keeps the identity of what did not change", () =>
    Effect.gen(function* () {
      const { source } = yield* open(at("/identity"))
      for (const key of ["a", "b", "c"]) yield* promise(() => etcd.put(`/identity/${key}.toml`, key))
      const first = yield* source.read
      assert.strictEqual(yield* source.read, first)
      yield* promise(() => etcd.put("/identity/b.toml", "B"))
      const second = yield* source.read
      assert.deepStrictEqual(texts(second), ["a.toml=a", "b.toml=B", "c.toml=c"])
      assert.strictEqual(second[0], first[0])
      assert.strictEqual(second[2], first[2])
      yield* promise(() => etcd.remove("/identity/a.toml"))
      yield* promise(() => etcd.put("/identity/d.toml", "d"))
      const third = yield* source.read
      assert.deepStrictEqual(texts(third), ["b.toml=B", "c.toml=c", "d.toml=d"])
      assert.strictEqual(third[0], second[1])
    })
  )

  it.live("names the key of a text that is not UTF-8", () =>
    Effect.gen(function* () {
      const { source } = yield* open(at("/bytes"))
      yield* promise(() => etcd.put("/bytes/upstreams/bad.toml", Buffer.from([0x61, 0xff])))
      const error = yield* Effect.flip(source.read)
      assert.deepStrictEqual([error.file, error.message], ["etcd:/bytes/upstreams/bad.toml", "text is not valid UTF-8"])
    })
  )

  it.live("reads all pages at one revision", () =>
    Effect.gen(function* () {
      const { source, store } = yield* open(at("/pages"), { pageSize: 50 })
      const keys = Array.from({ length: 430 }, (_, index) => `locations/${String(index).padStart(3, "0")}.toml`)
      yield* store.commit(keys.map((key) => put(key, "0")))
      const reader = yield* open(at("/pages"), { pageSize: 50 })
      assert.deepStrictEqual(
        (yield* reader.store.read).map(({ key }) => key),
        keys
      )
      // The first and the last always change together; a read over nine pages never sees one without the other.
      let done = false
      const writing = Effect.gen(function* () {
        for (let round = 1; round <= 25; round++) {
          const documents = yield* store.read
          const [first, last] = [documents[0]!, documents.at(-1)!]
          yield* store.commit([
            put(first.key, String(round), first.revision),
            put(last.key, String(round), last.revision)
          ])
        }
        done = true
      })
      const reading = Effect.gen(function* () {
        let seen = 0
        while (!done) {
          const documents = yield* (yield* open(at("/pages"), { pageSize: 50 })).source.read
          assert.strictEqual(documents[0]!.text, documents.at(-1)!.text)
          assert.strictEqual(documents.length, keys.length)
          seen++
        }
        return seen
      })
      const [, seen] = yield* Effect.all([writing, reading], { concurrency: 2 })
      assert.isAbove(seen, 0)
      yield* promise(() => etcd.remove(`/pages/${keys[7]}`))
      assert.strictEqual((yield* source.read).length, keys.length - 1)
    })
  )

  it.live("writes, replaces and removes", () =>
    Effect.gen(function* () {
      const { store } = yield* open(at("/write"))
      yield* store.commit([put("basic.toml", "[basic]"), put("upstreams/api.toml", "one")])
      const [basic, api] = yield* store.read
      assert.deepStrictEqual(texts(yield* store.read), ["basic.toml=[basic]", "api.toml=one"])
      yield* store.commit([put("upstreams/api.toml", "two", api!.revision), put("basic.toml", null, basic!.revision)])
      assert.deepStrictEqual(texts(yield* store.read), ["api.toml=two"])
      assert.deepStrictEqual(
        (yield* promise(() => etcd.entries("/write"))).map(({ key, value }) => `${key}=${value}`),
        ["/write/upstreams/api.toml=two"]
      )
      yield* store.commit([])
    })
  )

  it.live("refuses a commit whose author has not seen the newest text, and writes nothing of it", () =>
    Effect.gen(function* () {
      const one = yield* open(at("/conflict"))
      const two = yield* open(at("/conflict"))
      yield* one.store.commit([put("a.toml", "a"), put("b.toml", "b")])
      const seen = new Map((yield* one.store.read).map(({ key, revision }) => [key, revision]))
      yield* two.store.commit([put("b.toml", "B", seen.get("b.toml")!)])
      const conflictOf = (writes: ReadonlyArray<Write>) => Effect.flip(one.store.commit(writes))
      const changed = yield* conflictOf([
        put("a.toml", "mine", seen.get("a.toml")!),
        put("b.toml", "mine", seen.get("b.toml")!)
      ])
      assert.deepStrictEqual(
        [changed._tag, (changed as ConfigConflict).key, changed.message],
        ["ConfigConflict", "b.toml", "b.toml was changed by somebody else"]
      )
      assert.strictEqual((yield* conflictOf([put("a.toml", "new")])).message, "a.toml was created by somebody else")
      yield* promise(() => etcd.remove("/conflict/a.toml"))
      const removed = yield* conflictOf([put("a.toml", "mine", seen.get("a.toml")!)])
      assert.strictEqual(removed.message, "a.toml was removed by somebody else")
      assert.deepStrictEqual(texts(yield* one.store.read), ["b.toml=B"])
    })
  )

  it.live("loses nothing of 20 concurrent writers", () =>
    Effect.gen(function* () {
      const stores = [(yield* open(at("/writers"))).store, (yield* open(at("/writers"))).store]
      const append = (store: Store, line: string): Effect.Effect<void, ConfigConflict | ConfigSourceError> =>
        Effect.gen(function* () {
          const before = (yield* store.read).find(({ key }) => key === "all.toml")
          yield* store.commit([
            put("all.toml", `${before?.text ?? ""}${line}\n`, before?.revision ?? null),
            put(`upstreams/${line}.toml`, line)
          ])
        }).pipe(Effect.retry({ while: (error) => error._tag === "ConfigConflict" }))
      const lines = Array.from({ length: 20 }, (_, index) => `writer${String(index).padStart(2, "0")}`)
      yield* Effect.forEach(lines, (line, index) => append(stores[index % 2]!, line), { concurrency: 20 })
      const documents = yield* stores[0]!.read
      assert.deepStrictEqual(documents[0]!.text.trimEnd().split("\n").sort(), lines)
      assert.strictEqual(documents.length, 21)
    })
  )

  it.live("imports 300 documents, and checks all of them before it writes one", () =>
    Effect.gen(function* () {
      const { store } = yield* open(at("/import", "?enable_history=true"))
      const keys = Array.from({ length: 300 }, (_, index) => `locations/${index}.toml`)
      yield* store.commit(keys.map((key) => put(key, "one")))
      const seen = yield* store.read
      assert.strictEqual(seen.length, 300)
      yield* promise(() => etcd.put("/import/locations/299.toml", "theirs"))
      const error = yield* Effect.flip(store.commit(seen.map(({ key, revision }) => put(key, "two", revision))))
      assert.strictEqual(error.message, "locations/299.toml was changed by somebody else")
      assert.strictEqual((yield* store.read).filter(({ text }) => text === "two").length, 0)
      yield* store.commit((yield* store.read).map(({ key, revision }) => put(key, "two", revision)))
      assert.isTrue((yield* store.read).every(({ text }) => text === "two"))
      assert.strictEqual((yield* promise(() => etcd.entries("/import-history/"))).length, 300)
      yield* store.commit((yield* store.read).map(({ key, revision }) => put(key, null, revision)))
      assert.deepStrictEqual(yield* store.read, [])
    })
  )

  it.live("writes more than etcd takes at once, and says when one document is too large", () =>
    Effect.gen(function* () {
      const { store } = yield* open(at("/large"))
      const megabyte = "x".repeat(1_000_000)
      yield* store.commit([put("upstreams/a.toml", megabyte), put("upstreams/b.toml", megabyte)])
      assert.strictEqual((yield* store.read).length, 2)
      const error = yield* Effect.flip(store.commit([put("upstreams/c.toml", megabyte + megabyte)]))
      assert.strictEqual(error._tag, "ConfigSourceError")
      assert.match(error.message, /request is too large/)
      assert.match((error as ConfigSourceError).hint ?? "", /--max-request-bytes/)
      assert.strictEqual((error as ConfigSourceError).file, "etcd:/large/upstreams/c.toml")
    })
  )

  it.live("keeps the newest ten earlier texts, also of what was removed, under the keys of the reference", () =>
    Effect.gen(function* () {
      const { store } = yield* open(at("/versions", "?enable_history=true"))
      const before = Math.floor(Date.now() / 1_000)
      const revisions: Array<string> = []
      for (let round = 0; round < 12; round++) {
        const [document] = yield* store.read
        if (document !== undefined) revisions.push(document.revision)
        yield* store.commit([put("upstreams/api.toml", `text ${round}`, document?.revision ?? null)])
      }
      const [last] = yield* store.read
      yield* store.commit([put("upstreams/api.toml", null, last!.revision)])
      const versions = yield* store.history!("upstreams/api.toml")
      assert.deepStrictEqual(
        versions.map(({ text }) => text),
        [11, 10, 9, 8, 7, 6, 5, 4, 3, 2].map((round) => `text ${round}`)
      )
      for (const { id, replacedAt } of versions) {
        assert.isAtLeast(replacedAt, before)
        assert.isAtMost(replacedAt, Math.ceil(Date.now() / 1_000))
        assert.match(id, new RegExp(`^\\d+-${replacedAt}$`))
      }
      assert.strictEqual(versions[0]!.id.split("-")[0], last!.revision)
      const keys = (yield* promise(() => etcd.entries("/versions-history/"))).map(({ key }) => key)
      assert.strictEqual(keys.length, 12)
      for (const revision of [...revisions, last!.revision]) {
        assert.isTrue(keys.some((key) => key.startsWith(`/versions-history/upstreams/api.toml/${revision}-`)))
      }
      assert.deepStrictEqual(yield* store.history!("upstreams/other.toml"), [])
      // What is in the history is not configuration.
      assert.deepStrictEqual(yield* store.read, [])
    })
  )

  it.live("keeps the newest hundred earlier texts of a document, and leaves those of others alone", () =>
    Effect.gen(function* () {
      const { store } = yield* open(at("/trimmed", "?enable_history=true"))
      const old = Array.from({ length: 130 }, (_, index) => `/trimmed-history/basic.toml/${index + 1}-1700000000`)
      for (const key of old) yield* promise(() => etcd.put(key, "old"))
      yield* promise(() => etcd.put("/trimmed-history/basic.toml2/1-1", "of another"))
      yield* store.commit([put("basic.toml", "one")])
      const [document] = yield* store.read
      yield* store.commit([put("basic.toml", "two", document!.revision)])
      const keys = (yield* promise(() => etcd.entries("/trimmed-history/"))).map(({ key }) => key)
      const own = keys.filter((key) => key.startsWith("/trimmed-history/basic.toml/"))
      assert.strictEqual(own.length, 100)
      assert.deepStrictEqual(
        old.filter((key) => keys.includes(key)),
        old.slice(31)
      )
      assert.include(keys, "/trimmed-history/basic.toml2/1-1")
    })
  )

  it.live("announces a change within a second, and bursts as one", () =>
    Effect.gen(function* () {
      const { source, store } = yield* open(at("/watch"))
      yield* source.read
      const count = yield* countChanges(source)
      const before = performance.now()
      yield* store.commit([put("a.toml", "1")])
      yield* wait(() => count() === 1, "a put is announced", 1_000)
      assert.isBelow(performance.now() - before, 1_000)
      for (let index = 0; index < 10; index++) yield* promise(() => etcd.put("/watch/a.toml", String(index)))
      yield* promise(() => etcd.remove("/watch/a.toml"))
      yield* wait(() => count() >= 2, "the burst is announced", 1_000)
      assert.isAtMost(count(), 3)
      assert.deepStrictEqual(yield* source.read, [])
    })
  )

  it.live("misses nothing between the last read and the first watch, also when etcd has forgotten it", () =>
    Effect.gen(function* () {
      const { source } = yield* open(at("/between"))
      yield* source.read
      yield* promise(() => etcd.put("/between/a.toml", "1"))
      const count = yield* countChanges(source)
      yield* wait(() => count() === 1, "the change before the watch is announced", 10_000)

      const late = yield* open(at("/between"))
      yield* late.source.read
      yield* promise(() => etcd.put("/between/a.toml", "2"))
      yield* promise(() => etcd.put("/between/a.toml", "3"))
      yield* promise(() => etcd.compact())
      const lateCount = yield* countChanges(late.source)
      yield* wait(() => lateCount() >= 1, "the forgotten change is announced", 10_000)
      assert.deepStrictEqual(texts(yield* late.source.read), ["a.toml=3"])
      const before = lateCount()
      yield* promise(() => etcd.put("/between/a.toml", "4"))
      yield* wait(() => lateCount() > before, "the watch goes on", 10_000)
    })
  )

  it.live("is not woken by neighbours of the prefix", () =>
    Effect.gen(function* () {
      const { source } = yield* open(at("/wake", "?enable_history=true"))
      yield* source.read
      const count = yield* countChanges(source)
      yield* promise(() => etcd.put("/wake/a.toml", "1"))
      yield* wait(() => count() === 1, "the watch stands", 10_000)
      yield* source.read
      for (const key of ["/wake2/a.toml", "/wake-history/a.toml/1-1", "/wake"]) yield* promise(() => etcd.put(key, ""))
      // etcd tells changes in their order: whatever the neighbours had caused would come before this one.
      const other = yield* open(at("/wake2"))
      yield* other.source.read
      const otherCount = yield* countChanges(other.source)
      yield* promise(() => etcd.put("/wake2/a.toml", "2"))
      yield* wait(() => otherCount() === 1, "the neighbour is announced to its own", 10_000)
      assert.strictEqual(count(), 1)
    })
  )

  it.live("survives a connection that is cut, and one that is compacted away meanwhile", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const relay = yield* relayTo(etcd)
      const { source } = yield* open(`etcd://${relay.address}/cut`)
      const documents = yield* mirror(source)
      yield* promise(() => etcd.put("/cut/a.toml", "1"))
      yield* wait(() => documents()[0] === "a.toml=1", "the first text", 10_000)
      relay.cut()
      yield* wait(() => lines.length === 1, "the loss is logged", 10_000)
      yield* promise(() => etcd.put("/cut/a.toml", "2"))
      yield* promise(() => etcd.put("/cut/b.toml", "3"))
      yield* promise(() => etcd.compact())
      const accepted = relay.accepted
      yield* wait(() => relay.accepted >= accepted + 2, "it tries again", 10_000)
      assert.deepStrictEqual(documents(), ["a.toml=1"])
      relay.open()
      yield* wait(() => documents().join() === "a.toml=2,b.toml=3", "all is caught up", 10_000)
      yield* promise(() => etcd.put("/cut/b.toml", "4"))
      yield* wait(() => documents().join() === "a.toml=2,b.toml=4", "the new watch tells", 10_000)
      assert.deepStrictEqual(
        lines.map((line) => line.slice(0, line.indexOf(","))),
        ['Warn ["changes in etcd are not seen for now', 'Info ["changes in etcd are seen again"']
      )
    }).pipe(Effect.provide(captured(lines)))
  })

  it.live("notices a connection on which nothing comes any more", () =>
    Effect.gen(function* () {
      const relay = yield* relayTo(etcd)
      const { source } = yield* open(`etcd://${relay.address}/stalled?timeout=300ms`, { checkMillis: 200 })
      const documents = yield* mirror(source)
      yield* promise(() => etcd.put("/stalled/a.toml", "1"))
      yield* wait(() => documents()[0] === "a.toml=1", "the first text", 10_000)
      relay.stall()
      yield* promise(() => etcd.put("/stalled/a.toml", "2"))
      const accepted = relay.accepted
      yield* wait(() => relay.accepted > accepted, "it connects anew", 10_000)
      relay.open()
      yield* wait(() => documents()[0] === "a.toml=2", "the second text", 10_000)
    })
  )

  it.live(
    "ends in etcd's state after etcd was killed three times during changes",
    () => {
      const lines: Array<string> = []
      return Effect.gen(function* () {
        const mine = yield* own()
        yield* promise(() => mine.put("/kill/basic.toml", "[basic]"))
        const { source, store } = yield* open(`etcd://${mine.address}/kill`)
        const documents = yield* mirror(source)
        let written = 0
        let stop = false
        const writing = Effect.gen(function* () {
          while (!stop) {
            const key = `upstreams/${written % 5}.toml`
            yield* Effect.gen(function* () {
              const before = (yield* store.read).find((document) => document.key === key)
              yield* store.commit([put(key, String(written), before?.revision ?? null)])
              written++
            }).pipe(Effect.catch(() => Effect.sleep(20)))
          }
        })
        const killing = Effect.gen(function* () {
          for (let round = 0; round < 3; round++) {
            const before = written
            yield* wait(() => written >= before + 5, "changes are written")
            yield* promise(() => mine.kill("SIGKILL"))
            const error = yield* Effect.flip(source.read)
            assert.match(error.message, /^etcd cannot be reached: 127\.0\.0\.1:\d+ (refuses|closed|reset)/)
            assert.strictEqual(documents()[0], "basic.toml=[basic]")
            yield* promise(() => mine.start())
          }
          const before = written
          yield* wait(() => written >= before + 5, "changes are written again")
          stop = true
        })
        yield* Effect.all([writing, killing], { concurrency: 2 })
        const expected = (yield* promise(() => mine.entries("/kill/"))).map(
          ({ key, value }) => `${key.slice(key.lastIndexOf("/") + 1)}=${value}`
        )
        assert.strictEqual(expected.length, 6)
        yield* wait(
          () => documents().join() === expected.join(),
          () => `${documents().join()} is ${expected.join()}`,
          10_000
        )
        const count = (text: string): number => lines.filter((line) => line.includes(text)).length
        assert.isAtMost(count("not seen for now"), 3)
        assert.isAtLeast(count("not seen for now"), 1)
        assert.strictEqual(count("seen again"), count("not seen for now"))
      }).pipe(Effect.provide(captured(lines)))
    },
    40_000
  )

  it.live(
    "begins to follow when etcd comes",
    () =>
      Effect.gen(function* () {
        const mine = yield* own()
        yield* promise(() => mine.put("/later/a.toml", "1"))
        yield* promise(() => mine.kill())
        const { source } = yield* open(`etcd://${mine.address}/later`)
        assert.match((yield* Effect.flip(source.read)).message, /refuses connections$/)
        const count = yield* countChanges(source)
        yield* promise(() => mine.start())
        yield* wait(() => count() >= 1, "its return is announced", 10_000)
        assert.deepStrictEqual(texts(yield* source.read), ["a.toml=1"])
      }),
    40_000
  )

  it.live("goes to the endpoint that answers", () =>
    Effect.gen(function* () {
      const dead = `127.0.0.1:${yield* promise(freePort)}`
      const relay = yield* relayTo(etcd)
      relay.stall()
      const { source, store } = yield* open(`etcd://${dead},${relay.address},${etcd.address}/endpoints?timeout=900ms`)
      const documents = yield* mirror(source)
      const accepted = relay.accepted
      yield* store.commit([put("a.toml", "1")])
      yield* wait(() => documents()[0] === "a.toml=1", "the change is seen", 10_000)
      // The one that worked is asked first from then on.
      assert.strictEqual(relay.accepted, accepted)

      const lost = yield* open(`etcd://${dead},${relay.address}/endpoints?timeout=200ms`)
      const error = yield* Effect.flip(lost.source.read)
      assert.strictEqual(error.file, `etcd://${dead},${relay.address}/endpoints`)
      assert.match(
        error.message,
        new RegExp(
          `^etcd cannot be reached: ${dead} refuses connections; ${relay.address} gives no answer within \\d+ ms$`
        )
      )
      const doubt = yield* Effect.flip(lost.store.commit([put("a.toml", "2")]))
      assert.match(doubt.message, /^etcd cannot be reached: /)
    })
  )

  it.live("moves to another endpoint when its own goes away", () =>
    Effect.gen(function* () {
      const relay = yield* relayTo(etcd)
      const { source } = yield* open(`etcd://${relay.address},${etcd.address}/move`)
      const documents = yield* mirror(source)
      yield* promise(() => etcd.put("/move/a.toml", "1"))
      yield* wait(() => documents()[0] === "a.toml=1", "the first text", 10_000)
      relay.cut()
      yield* promise(() => etcd.put("/move/a.toml", "2"))
      yield* wait(() => documents()[0] === "a.toml=2", "the second text by another way", 10_000)
    })
  )

  it.live("closes its connections with its scope", () =>
    Effect.gen(function* () {
      const relay = yield* relayTo(etcd)
      const exit = yield* Effect.gen(function* () {
        const { source } = yield* open(`etcd://${relay.address}/closed`)
        yield* source.read
        const count = yield* countChanges(source)
        yield* promise(() => etcd.put("/closed/a.toml", "1"))
        yield* wait(() => count() === 1, "the watch stands", 10_000)
        assert.isAbove(relay.connected, 0)
      }).pipe(Effect.scoped, Effect.exit)
      assert.isTrue(Exit.isSuccess(exit))
      yield* wait(() => relay.connected === 0, "no connection is left", 10_000)
    })
  )
})
