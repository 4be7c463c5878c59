import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { ConfigSource } from "../../../src/config/ConfigSource.ts"
import { ConfigStore } from "../../../src/config/ConfigStore.ts"
import * as File from "../../../src/config/source/File.ts"
import { pollMillis } from "../../../src/config/source/file/Watch.ts"
import { FileError, FileSystem, type FileSystemCalls } from "../../../src/platform/FileSystem.ts"
import { temporaryFolder } from "./file/TemporaryFolder.ts"

const folder = temporaryFolder()

/** A second between the write and the announcement, and some for a busy machine. */
const DEADLINE_MILLIS = 1_500

interface Followed {
  /** Does something, waits for the announcement, and gives the texts that are read then, or what is wrong. */
  readonly next: (act: () => void) => Effect.Effect<string>
  /** Number of announcements within that time. */
  readonly during: (millis: number, act: () => void) => Effect.Effect<number>
  readonly source: ConfigSource["Service"]
  readonly store: ConfigStore["Service"]
}

const texts = (source: ConfigSource["Service"]): Effect.Effect<string> =>
  Effect.match(source.read, {
    onFailure: ({ message }) => message,
    onSuccess: (documents) => documents.map(({ text }) => text).join(" ")
  })

const follow = <A, E>(
  path: string,
  options: File.FileOptions,
  use: (followed: Followed) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.gen(function* () {
    const source = yield* ConfigSource
    const store = yield* ConfigStore
    const announced = yield* Queue.unbounded<void>()
    yield* Effect.forkScoped(Stream.runForEach(source.changes, () => Queue.offer(announced, undefined)))
    yield* Queue.take(announced)
    yield* texts(source)
    return yield* use({
      next: (act) =>
        Effect.gen(function* () {
          yield* Queue.clear(announced)
          const before = yield* texts(source)
          const began = performance.now()
          act()
          let found = before
          // One write of a test is several changes to the system, which may be announced one by one.
          while (found === before) {
            const left = DEADLINE_MILLIS - (performance.now() - began)
            const heard = yield* Effect.timeoutOption(Queue.take(announced), Math.max(0, left))
            if (Option.isNone(heard)) return `nothing was announced within ${DEADLINE_MILLIS} ms after ${before}`
            found = yield* texts(source)
          }
          return found
        }),
      during: (millis, act) =>
        Effect.gen(function* () {
          yield* Queue.clear(announced)
          act()
          const end = performance.now() + millis
          let count = 0
          while (true) {
            const left = end - performance.now()
            if (left <= 0 || Option.isNone(yield* Effect.timeoutOption(Queue.take(announced), left))) return count
            count++
          }
        }),
      source,
      store
    })
  }).pipe(Effect.provide(File.layer(path, options)), Effect.scoped)

for (const [name, options] of [
  ["events", {}],
  ["polling alone", { events: false }]
] as const) {
  // Polling finds changes by one comparison of everything, and takes its time: some of the cases are enough.
  const live = name === "events" ? it.live : it.live.skip

  describe(`changes by ${name}`, () => {
    it.live("to a file: written in place, replaced, removed, made again", () => {
      const path = folder.write("pingap.toml", "a")
      return follow(path, options, ({ next }) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* next(() => folder.write("pingap.toml", "b")), "b")
          assert.strictEqual(yield* next(() => folder.replace("pingap.toml", "c")), "c")
          assert.strictEqual(yield* next(() => folder.remove("pingap.toml")), `no configuration at ${path}`)
          assert.strictEqual(yield* next(() => folder.write("pingap.toml", "d")), "d")
        })
      )
    })

    live("to a file behind links: in place, replaced, each link swapped", () => {
      folder.write("releases/1/pingap.toml", "one")
      folder.write("releases/2/pingap.toml", "two")
      folder.link("1", "releases/current")
      folder.link("../releases/current/pingap.toml", "etc/pingap.toml")
      return follow(folder.at("etc/pingap.toml"), options, ({ next }) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* next(() => folder.write("releases/1/pingap.toml", "in place")), "in place")
          assert.strictEqual(yield* next(() => folder.replace("releases/1/pingap.toml", "replaced")), "replaced")
          assert.strictEqual(yield* next(() => folder.relink("2", "releases/current")), "two")
          assert.strictEqual(yield* next(() => folder.replace("releases/2/pingap.toml", "again")), "again")
          assert.strictEqual(
            yield* next(() => folder.relink("../releases/1/pingap.toml", "etc/pingap.toml")),
            "replaced"
          )
        })
      )
    })

    live("to a folder: files written, replaced, added, removed, renamed", () => {
      folder.write("conf/a.toml", "a1")
      folder.write("conf/sub/b.toml", "b1")
      return follow(folder.at("conf"), options, ({ next }) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* next(() => folder.write("conf/a.toml", "a2")), "a2 b1")
          assert.strictEqual(yield* next(() => folder.replace("conf/sub/b.toml", "b2")), "a2 b2")
          assert.strictEqual(yield* next(() => folder.write("conf/c.toml", "c")), "a2 c b2")
          assert.strictEqual(yield* next(() => folder.remove("conf/a.toml")), "c b2")
        })
      )
    })

    it.live("to a folder: a sub-folder comes with files, and changes, and goes", () => {
      folder.write("conf/a.toml", "a")
      return follow(folder.at("conf"), options, ({ next }) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* next(() => folder.write("conf/x/y/b.toml", "b")), "a b")
          assert.strictEqual(yield* next(() => folder.write("conf/x/y/b.toml", "b2")), "a b2")
          assert.strictEqual(yield* next(() => folder.remove("conf/x")), "a")
        })
      )
    })

    it.live("to a folder that is removed and made again", () => {
      folder.write("deep/conf/a.toml", "a")
      const path = folder.at("deep/conf")
      return follow(path, options, ({ next }) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* next(() => folder.remove("deep")), `no configuration at ${path}`)
          assert.strictEqual(yield* next(() => folder.write("deep/conf/b.toml", "b")), "b")
          assert.strictEqual(yield* next(() => folder.write("deep/conf/b.toml", "b2")), "b2")
        })
      )
    })

    it.live("to a mounted config map", () => {
      folder.write("conf/..2024_1/a.toml", "a1")
      folder.write("conf/..2024_1/b.toml", "b1")
      folder.link("..2024_1", "conf/..data")
      folder.link("..data/a.toml", "conf/a.toml")
      folder.link("..data/b.toml", "conf/b.toml")
      return follow(folder.at("conf"), options, ({ next }) =>
        Effect.gen(function* () {
          const swap = (): void => {
            folder.write("conf/..2024_2/a.toml", "a2")
            folder.write("conf/..2024_2/b.toml", "b2")
            folder.relink("..2024_2", "conf/..data")
            folder.remove("conf/..2024_1")
          }
          assert.strictEqual(yield* next(swap), "a2 b2")
        })
      )
    })

    it.live("to what a link in a folder leads to", () => {
      folder.write("shared/a.toml", "a")
      folder.write("shared/more/b.toml", "b")
      folder.link("../shared/a.toml", "conf/a.toml")
      folder.link("../shared/more", "conf/more")
      return follow(folder.at("conf"), options, ({ next }) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* next(() => folder.write("shared/a.toml", "a2")), "a2 b")
          assert.strictEqual(yield* next(() => folder.replace("shared/more/b.toml", "b2")), "a2 b2")
        })
      )
    })

    live("by a commit, of this process or another", () => {
      const path = folder.at("conf?separation")
      return follow(path, options, ({ next, store }) =>
        Effect.gen(function* () {
          const commit = (key: string, text: string) => Effect.runFork(store.commit([{ key, text, expected: null }]))
          assert.strictEqual(yield* next(() => commit("upstreams/a.toml", "a")), "a")
          assert.strictEqual(yield* next(() => commit("upstreams/b.toml", "b")), "a b")
          const other = Effect.flatMap(ConfigStore, (store) =>
            store.commit(["c", "d"].map((text) => ({ key: `servers/${text}.toml`, text, expected: null })))
          ).pipe(Effect.provide(File.layer(path)))
          assert.strictEqual(yield* next(() => Effect.runFork(other)), "c d a b")
        })
      )
    })
  })
}

describe("changes", () => {
  it.live("of a burst are announced together, and of a long one twice a second", () => {
    const path = folder.write("conf/a.toml", "a")
    return follow(folder.at("conf"), {}, ({ during }) =>
      Effect.gen(function* () {
        const burst = yield* during(700, () => {
          for (let number = 0; number < 50; number++) folder.write("conf/a.toml", `a${number}`)
        })
        assert.strictEqual(burst, 1)
        let number = 0
        const writing = setInterval(() => folder.write("conf/a.toml", `b${number++}`), 20)
        const long = yield* during(1_800, () => undefined)
        clearInterval(writing)
        assert.isAtLeast(long, 2, path)
        assert.isAtMost(long, 4, path)
      })
    )
  })

  it.live("of other files, and locks and temporary files of ours, are none", () => {
    folder.write("conf/a.toml", "a")
    return follow(folder.at("conf"), {}, ({ during }) =>
      Effect.gen(function* () {
        const announced = yield* during(400, () => {
          folder.write("conf/readme.md", "r")
          folder.write("conf/.a.toml.swp", "s")
          folder.write("conf/.pingap-lock", "l")
          folder.write("conf/.pingap-1.tmp", "t")
          folder.write("other/b.toml", "b")
        })
        assert.strictEqual(announced, 0)
      })
    )
  })

  it.live("are heard by everybody who follows, and nobody watches when nobody follows", () => {
    const path = folder.write("conf/a.toml", "a")
    return Effect.gen(function* () {
      const real = yield* FileSystem
      let open = 0
      const counted: FileSystemCalls = {
        ...real,
        watch: (folder, onEvent, onError) =>
          Effect.map(real.watch(folder, onEvent, onError), (close) => {
            open++
            return () => {
              open--
              close()
            }
          })
      }
      yield* Effect.gen(function* () {
        const { changes, read } = yield* ConfigSource
        yield* read
        assert.strictEqual(open, 0)
        const ready = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const followers = yield* Effect.forEach(ready, (deferred) =>
          changes.pipe(
            Stream.tap(() => Deferred.succeed(deferred, undefined)),
            Stream.take(2),
            Stream.runDrain,
            Effect.forkScoped
          )
        )
        yield* Effect.forEach(ready, (deferred) => Deferred.await(deferred))
        // The folder, and its name in the one above.
        assert.strictEqual(open, 2)
        folder.write("conf/a.toml", "b")
        yield* Effect.timeout(Fiber.joinAll(followers), DEADLINE_MILLIS)
        assert.strictEqual(open, 0, path)
      }).pipe(
        Effect.provide(File.layer(folder.at("conf")).pipe(Layer.provide(Layer.succeed(FileSystem, counted)))),
        Effect.scoped
      )
    })
  })

  for (const code of ["ENOSPC", "EMFILE"]) {
    it.live(`are polled when watching ends with ${code}, and that is said once`, () => {
      folder.write("conf/a.toml", "a")
      const lines: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
      return Effect.gen(function* () {
        const real = yield* FileSystem
        const calls: FileSystemCalls = {
          ...real,
          watch: (path) => Effect.fail(new FileError({ operation: "watch", path, code }))
        }
        yield* follow(folder.at("conf"), {}, ({ next }) =>
          Effect.gen(function* () {
            assert.strictEqual(yield* next(() => folder.write("conf/a.toml", "b")), "b")
            assert.strictEqual(yield* next(() => folder.write("conf/a.toml", "c")), "c")
          })
        ).pipe(Effect.provide(Layer.merge(Layer.succeed(FileSystem, calls), logger)))
        assert.strictEqual(lines.length, 1)
        assert.match(lines[0]!, new RegExp(`cannot be watched, ${code} .*; changes are polled`))
      })
    })
  }

  it.live("are polled on a file system that others write to, unseen by this machine", () => {
    folder.write("conf/a.toml", "a")
    return Effect.gen(function* () {
      const real = yield* FileSystem
      const calls: FileSystemCalls = {
        ...real,
        isRemote: () => Effect.succeed(true),
        watch: () => Effect.succeed(() => undefined)
      }
      yield* follow(folder.at("conf"), {}, ({ next }) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* next(() => folder.write("conf/a.toml", "b")), "b")
        })
      ).pipe(Effect.provide(Layer.merge(Layer.succeed(FileSystem, calls), Logger.layer([]))))
    })
  })
})

describe("a file that cannot be read for a while", () => {
  it.live("is announced again when it can be, although it is the same", () => {
    folder.write("conf/a.toml", "a")
    let isFailing = false
    return Effect.gen(function* () {
      const real = yield* FileSystem
      const calls: FileSystemCalls = {
        ...real,
        read: (path) =>
          Effect.suspend(() =>
            isFailing ? Effect.fail(new FileError({ operation: "read", path, code: "EMFILE" })) : real.read(path)
          )
      }
      yield* follow(folder.at("conf"), { events: false }, ({ next }) =>
        Effect.gen(function* () {
          const failed = yield* next(() => {
            isFailing = true
            folder.write("conf/a.toml", "b")
          })
          assert.strictEqual(failed, "cannot be read, EMFILE")
          const recovered = yield* next(() => {
            isFailing = false
          })
          assert.strictEqual(recovered, "b")
        })
      ).pipe(Effect.provide(Layer.succeed(FileSystem, calls)))
    })
  })
})

describe("the time between two polls", () => {
  it("grows with the cost of a scan, and ends at half a minute however long one has hung", () => {
    assert.deepStrictEqual(
      [0, 10, 100, 1_000, 600_000].map((millis) => [pollMillis(true, millis), pollMillis(false, millis)]),
      [
        [5_000, 600],
        [5_000, 600],
        [5_000, 2_000],
        [20_000, 20_000],
        [30_000, 30_000]
      ]
    )
  })
})

describe("a read while the watch is on", () => {
  it.live("looks at what has changed and keeps the rest", () => {
    const count = 400
    for (let number = 0; number < count; number++) folder.write(`conf/locations/l${number}.toml`, `${number}`)
    return Effect.gen(function* () {
      const real = yield* FileSystem
      const calls: Array<string> = []
      const noted =
        <A extends ReadonlyArray<unknown>, B>(name: string, run: (path: string, ...rest: A) => B) =>
        (path: string, ...rest: A): B => {
          calls.push(`${name} ${path.slice(folder.at("conf").length + 1)}`)
          return run(path, ...rest)
        }
      const counted: FileSystemCalls = {
        ...real,
        inspect: noted("inspect", real.inspect),
        stat: noted("stat", real.stat),
        list: noted("list", real.list),
        read: noted("read", real.read)
      }
      yield* follow(folder.at("conf"), {}, ({ source }) =>
        Effect.gen(function* () {
          const first = yield* source.read
          calls.length = 0
          assert.strictEqual(yield* source.read, first)
          assert.isBelow(calls.length, 10, calls.join("\n"))

          calls.length = 0
          folder.write("conf/locations/l7.toml", "seven")
          folder.write("conf/locations/new.toml", "new")
          folder.remove("conf/locations/l9.toml")
          const second = yield* source.read
          assert.isBelow(calls.length, 25, calls.join("\n"))
          assert.deepStrictEqual(calls.filter((call) => call.startsWith("read")).sort(), [
            "read locations/l7.toml",
            "read locations/new.toml"
          ])
          assert.strictEqual(second.length, count)
          const kept = new Set(first)
          assert.deepStrictEqual(
            second.filter((document) => !kept.has(document)).map(({ text }) => text),
            ["seven", "new"]
          )
        })
      ).pipe(Effect.provideService(FileSystem, counted))
    })
  })
})
