import { execFile, execFileSync } from "node:child_process"
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, statSync } from "node:fs"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ConfigSource, type ConfigSourceError } from "../../../src/config/ConfigSource.ts"
import { type ConfigConflict, ConfigStore } from "../../../src/config/ConfigStore.ts"
import * as File from "../../../src/config/source/File.ts"
import { revisionOf } from "../../../src/config/source/file/Revision.ts"
import { FileSystem, type FileSystemCalls } from "../../../src/platform/FileSystem.ts"
import { temporaryFolder } from "./file/TemporaryFolder.ts"

const folder = temporaryFolder()

type Store = ConfigStore["Service"]

const withStore = <A, E>(path: string, use: (store: Store) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(ConfigStore, use).pipe(Effect.provide(File.layer(path)))

const shown = (store: Store) =>
  Effect.map(store.read, (documents) => documents.map(({ key, text }) => `${key}: ${text}`))

/** Writes a text whatever is there, as somebody who has just read it. */
const put = (store: Store, key: string, text: string | null) =>
  Effect.gen(function* () {
    const current = (yield* store.read).find((document) => document.key === key)
    yield* store.commit([{ key, text, expected: current?.revision ?? null }])
  })

const failure = <A>(effect: Effect.Effect<A, ConfigConflict | ConfigSourceError>) =>
  Effect.map(Effect.flip(effect), (error) => `${error._tag}: ${error.message}`)

describe("5.1: the layout of", () => {
  it.effect.each([
    ["conf", "by-type"],
    ["nested/conf", "by-type"],
    ["pingap.toml", "single"],
    ["pingap.hcl", "single"],
    ["pingap.kdl", "single"],
    ["fresh?separation=true", "by-item"],
    ["fresh?separation", "by-item"],
    ["fresh?separation=", "by-item"],
    ["fresh?separation=no", "by-item"],
    ["fresh?separation=false", "by-type"],
    ["there/x.toml", "single"],
    ["there/pingap.conf?separation", "single"],
    ["there", "by-type"],
    ["there?separation", "by-item"]
  ] as const)("%s is %s", ([path, layout]) => {
    folder.write("there/x.toml", "")
    folder.write("there/pingap.conf", "")
    return withStore(folder.at(path), (store) => Effect.sync(() => assert.strictEqual(store.layout, layout)))
  })
})

describe("the query of a path", () => {
  it.effect.each(["enable_history=yes", "enable_history", "separation&enable_history=TRUE"])(
    "%s is an error that names it, for everybody",
    (query) =>
      Effect.gen(function* () {
        const path = folder.write("conf/a.toml", "a").replace(/\/a.toml$/, `?${query}`)
        const source = yield* ConfigSource.pipe(Effect.provide(File.layer(path)))
        assert.match((yield* Effect.flip(source.read)).message, /^enable_history is ".*" and must be true or false$/)
        yield* withStore(path, (store) =>
          Effect.gen(function* () {
            assert.match(yield* failure(store.read), /enable_history/)
            assert.match(yield* failure(store.commit([])), /enable_history/)
          })
        )
      })
  )

  it.effect("may say more than is known here", () =>
    withStore(folder.at("conf?separation&enable_history=false&x=1"), (store) =>
      Effect.sync(() => assert.isNull(store.history))
    )
  )
})

describe("5.3: a name", () => {
  it.effect.each([
    "../../evil.toml",
    "..\\evil.toml",
    "x\0y.toml",
    "/etc/evil.toml",
    "a//b.toml",
    "./a.toml",
    "a/../b.toml",
    ".hidden.toml",
    "a/.hidden/b.toml",
    "a.txt",
    ""
  ])("%j is refused", (key) =>
    withStore(folder.at("conf?enable_history=true"), (store) =>
      Effect.gen(function* () {
        for (const text of ["evil", null]) {
          const message = yield* failure(store.commit([{ key, text, expected: null }]))
          assert.match(message, /^ConfigSourceError: invalid document name .*, nothing was saved$/)
        }
        assert.deepStrictEqual(folder.list(), [])
      })
    )
  )

  it.effect("with dots is fine", () =>
    withStore(folder.at("conf"), (store) =>
      Effect.gen(function* () {
        yield* put(store, "certificates/example.com.toml", "c")
        assert.deepStrictEqual(folder.list(), ["conf/certificates/example.com.toml"])
      })
    )
  )

  it.effect("twice in a commit is refused", () =>
    withStore(folder.at("conf"), (store) =>
      Effect.gen(function* () {
        const write = { key: "a.toml", text: "a", expected: null }
        assert.match(yield* failure(store.commit([write, write])), /is named twice/)
      })
    )
  )

  it.effect("is none in a single file", () =>
    withStore(folder.at("pingap.toml"), (store) =>
      Effect.gen(function* () {
        assert.match(yield* failure(store.commit([{ key: "a.toml", text: "a", expected: null }])), /must be empty/)
      })
    )
  )
})

describe("5.4: a single file", () => {
  it.effect("that is not there is empty, and is made by the first commit", () =>
    withStore(folder.at("new/pingap.toml"), (store) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* store.read, [])
        yield* put(store, "", "[basic]")
        assert.deepStrictEqual(yield* shown(store), [": [basic]"])
        assert.deepStrictEqual(folder.list(), ["new/pingap.toml"])
        assert.strictEqual(folder.mode("new/pingap.toml") & 0o007, 0)
        yield* put(store, "", null)
        assert.deepStrictEqual(yield* shown(store), [])
      })
    )
  )

  it.effect("keeps its mode", () => {
    const path = folder.write("pingap.conf", "a")
    chmodSync(path, 0o604)
    return withStore(path, (store) =>
      Effect.gen(function* () {
        yield* put(store, "", "b")
        assert.deepStrictEqual([folder.text("pingap.conf"), folder.mode("pingap.conf")], ["b", 0o604])
      })
    )
  })

  it.effect("behind a link is written through it", () => {
    folder.write("real/pingap.toml", "a")
    folder.link("../real/pingap.toml", "etc/pingap.toml")
    return withStore(folder.at("etc/pingap.toml"), (store) =>
      Effect.gen(function* () {
        yield* put(store, "", "b")
        assert.isTrue(lstatSync(folder.at("etc/pingap.toml")).isSymbolicLink())
        assert.strictEqual(folder.text("real/pingap.toml"), "b")
        assert.deepStrictEqual(folder.list(), ["etc/pingap.toml", "real/pingap.toml"])
      })
    )
  })

  it.live("survives 12 concurrent updates, all of them", () => {
    const path = folder.at("pingap.toml")
    const update = (store: Store, name: string): Effect.Effect<void, ConfigSourceError> =>
      Effect.gen(function* () {
        const [document] = yield* store.read
        const text = `${document?.text ?? ""}[upstreams.${name}]\n`
        yield* store.commit([{ key: "", text, expected: document?.revision ?? null }])
      }).pipe(Effect.catchTag("ConfigConflict", () => update(store, name)))
    const names = Array.from({ length: 12 }, (_, number) => `up${number}`)
    return Effect.gen(function* () {
      // Half of them in one store, half in stores of their own, as other processes have.
      yield* withStore(path, (shared) =>
        Effect.forEach(
          names,
          (name, index) => (index % 2 === 0 ? update(shared, name) : withStore(path, (store) => update(store, name))),
          { concurrency: "unbounded" }
        )
      )
      const found = Array.from(folder.text("pingap.toml").matchAll(/upstreams\.(\w+)/g), ([, name]) => name)
      assert.deepStrictEqual(found.sort(), names.sort())
    })
  })
})

describe("5.6: a folder", () => {
  it.effect("gives its documents in the order of their names, and not those that were removed", () =>
    withStore(folder.at("conf"), (store) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* store.read, [])
        yield* put(store, "servers.toml", "[servers]")
        yield* put(store, "locations.toml", "[locations]")
        assert.deepStrictEqual(yield* shown(store), ["locations.toml: [locations]", "servers.toml: [servers]"])
        yield* put(store, "servers.toml", null)
        assert.deepStrictEqual(yield* shown(store), ["locations.toml: [locations]"])
      })
    )
  )

  it.effect("takes a commit of several documents as one", () =>
    withStore(folder.at("conf?separation"), (store) =>
      Effect.gen(function* () {
        yield* store.commit([
          { key: "upstreams/b.toml", text: "b", expected: null },
          { key: "upstreams/a.toml", text: "a", expected: null },
          { key: "basic.toml", text: "x", expected: null }
        ])
        assert.deepStrictEqual(yield* shown(store), ["basic.toml: x", "upstreams/a.toml: a", "upstreams/b.toml: b"])
        const error = yield* Effect.flip(
          store.commit([
            { key: "upstreams/a.toml", text: null, expected: revisionOf("a") },
            { key: "upstreams/b.toml", text: "new", expected: revisionOf("old") }
          ])
        )
        assert.strictEqual(
          `${error._tag}: ${error.message}`,
          "ConfigConflict: upstreams/b.toml was changed by somebody else"
        )
        assert.deepStrictEqual(folder.list("conf"), ["basic.toml", "upstreams/a.toml", "upstreams/b.toml"])
      })
    )
  )

  it.effect("of links is written through them, and a link is what is removed", () => {
    folder.write("shared/a.toml", "a")
    folder.link("../shared/a.toml", "conf/a.toml")
    return withStore(folder.at("conf"), (store) =>
      Effect.gen(function* () {
        yield* put(store, "a.toml", "b")
        assert.strictEqual(folder.text("shared/a.toml"), "b")
        yield* put(store, "a.toml", null)
        assert.deepStrictEqual(folder.list(), ["shared/a.toml"])
      })
    )
  })

  it.effect("of another format can only be read", () =>
    Effect.gen(function* () {
      folder.write("conf/a.hcl", "x")
      const commit = (path: string, key: string) =>
        withStore(folder.at(path), (store) => failure(store.commit([{ key, text: "a", expected: null }])))
      const refused = (format: string): string =>
        `ConfigSourceError: ${format} configuration can only be read, nothing was saved`
      assert.strictEqual(yield* commit("conf", "a.toml"), refused("HCL"))
      assert.strictEqual(yield* commit("new.kdl", ""), refused("KDL"))
      assert.deepStrictEqual(folder.list(), ["conf/a.hcl"])
    })
  )

  it.effect("mixes no formats: TOML before HCL before KDL", () =>
    Effect.gen(function* () {
      const files = withStore(folder.at("conf"), (store) =>
        Effect.map(store.read, (documents) => documents.map(({ key }) => key))
      )
      folder.write("conf/a.kdl", "")
      assert.deepStrictEqual(yield* files, ["a.kdl"])
      folder.write("conf/b.hcl", "")
      assert.deepStrictEqual(yield* files, ["b.hcl"])
      folder.write("conf/c.toml", "c")
      assert.deepStrictEqual(yield* withStore(folder.at("conf"), shown), ["c.toml: c"])
    })
  )
})

describe("a text that did not change", () => {
  it.effect("keeps its document, and one that did has another revision", () =>
    withStore(folder.at("conf"), (store) =>
      Effect.gen(function* () {
        folder.write("conf/a.toml", "a")
        folder.write("conf/b.toml", "b")
        const first = yield* store.read
        assert.strictEqual(yield* store.read, first)
        folder.replace("conf/a.toml", "a")
        folder.write("conf/b.toml", "c")
        const second = yield* store.read
        assert.strictEqual(second[0], first[0])
        assert.notStrictEqual(second[1]!.revision, first[1]!.revision)
        assert.deepStrictEqual(
          second.map(({ revision }) => revision),
          [revisionOf("a"), revisionOf("c")]
        )
      })
    )
  )

  it.effect("is told from one that changed to the same length within a tick", () =>
    withStore(folder.at("pingap.toml"), (store) =>
      Effect.gen(function* () {
        for (let number = 0; number < 50; number++) {
          folder.write("pingap.toml", `a = ${number % 10}`)
          assert.deepStrictEqual(yield* shown(store), [`: a = ${number % 10}`])
        }
      })
    )
  )
})

describe("history", () => {
  it.live("keeps what is replaced or removed, in every layout", () =>
    Effect.gen(function* () {
      for (const [path, key, name] of [
        ["pingap.toml", "", "pingap.toml"],
        ["by-type", "upstreams.toml", "upstreams.toml"],
        ["by-item", "upstreams/api.toml", "upstreams-api.toml"]
      ] as const) {
        const query = path === "by-item" ? "?separation&enable_history=true" : "?enable_history=true"
        yield* withStore(folder.at(path + query), (store) =>
          Effect.gen(function* () {
            assert.deepStrictEqual(yield* store.history!(key), [])
            for (const text of ["1", "2", "3", null, "4"]) yield* put(store, key, text)
            const versions = yield* store.history!(key)
            assert.deepStrictEqual(
              versions.map(({ text }) => text),
              ["3", "2", "1"]
            )
            const seconds = Date.now() / 1_000
            for (const { id, replacedAt } of versions) {
              assert.isTrue(Math.abs(replacedAt - seconds) < 60)
              assert.isTrue(folder.list(`${path}-history`).includes(`${name}-${id}`))
              assert.strictEqual(folder.mode(`${path}-history/${name}-${id}`), 0o600)
            }
            assert.strictEqual(folder.mode(`${path}-history`), 0o700)
            assert.deepStrictEqual(yield* shown(store), [`${key}: 4`])
          })
        )
      }
    })
  )

  it.effect("gives the newest 10, keeps 100, and knows the keys apart", () =>
    withStore(folder.at("conf?enable_history=true"), (store) =>
      Effect.gen(function* () {
        mkdirSync(folder.at("conf-history"))
        for (let number = 0; number < 150; number++) {
          folder.write(`conf-history/a.toml-${1_700_000_000 + number}`, `old ${number}`)
        }
        folder.write("conf-history/a.toml-1700000149.1", "old 149 again")
        folder.write("conf-history/a.toml-1700000149.note", "none")
        folder.write("conf-history/xa.toml-1700000500", "of another")
        folder.write("conf/a.toml", "current")
        const texts = Effect.map(store.history!("a.toml"), (versions) => versions.map(({ text }) => text))
        assert.deepStrictEqual((yield* texts).slice(0, 3), ["old 149 again", "old 149", "old 148"])
        yield* put(store, "a.toml", "next")
        assert.strictEqual((yield* texts).length, 10)
        const names = folder.list("conf-history")
        assert.strictEqual(names.filter((name) => /^a\.toml-[\d.]+$/.test(name)).length, 100)
        assert.include(names, "xa.toml-1700000500")
        assert.include(names, "a.toml-1700000149.note")
      })
    )
  )
})

describe("a folder that cannot be written", () => {
  it.effect.skipIf(process.getuid?.() === 0)("is named with what to do", () => {
    folder.write("conf/a.toml", "a")
    chmodSync(folder.at("conf"), 0o500)
    return withStore(folder.at("conf"), (store) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(store.commit([{ key: "b.toml", text: "b", expected: null }]))
        assert.match(error.message, /^permission denied, nothing can be saved here$/)
      })
    ).pipe(Effect.ensuring(Effect.sync(() => chmodSync(folder.at("conf"), 0o700))))
  })
})

/** URL of a module of ours, as the text of a program. */
const module = (path: string): string => JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href)

/** Runs a program in a process of its own. */
const otherProcess = (code: string): Effect.Effect<void> =>
  Effect.promise(async () => {
    const effect = `const Effect = await import(${JSON.stringify(import.meta.resolve("effect/Effect"))})\n`
    await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", effect + code])
  })

const makePipe = (path: string): void => void execFileSync("mkfifo", [folder.at(path)])

describe("a journal", () => {
  it.effect.each([
    ["a pipe", () => makePipe("conf/.pingap-journal")],
    ["a link", () => folder.link("/dev/zero", "conf/.pingap-journal")]
  ] as const)("is never %s", ([, put]) =>
    withStore(folder.at("conf"), (store) =>
      Effect.gen(function* () {
        folder.write("conf/a.toml", "a")
        put()
        const error = yield* Effect.flip(store.read)
        assert.strictEqual(error.file, folder.at("conf/.pingap-journal"))
        assert.match(error.message, /^cannot be read, /)
      })
    )
  )
})

const isRoot = process.getuid?.() === 0

describe("a text that few may read", () => {
  it.effect("is at no moment there for more", () =>
    Effect.gen(function* () {
      const path = folder.write("conf/a.toml", "a")
      chmodSync(path, 0o600)
      const real = yield* FileSystem
      const modes: Array<number> = []
      const calls: FileSystemCalls = {
        ...real,
        create: (path, mode) =>
          Effect.map(real.create(path, mode), (file) => ({
            ...file,
            write: (text) => Effect.tap(file.write(text), () => Effect.sync(() => modes.push(statSync(path).mode)))
          }))
      }
      yield* Effect.flatMap(ConfigStore, (store) => put(store, "a.toml", "b")).pipe(
        Effect.provide(File.layer(folder.at("conf")).pipe(Layer.provide(Layer.succeed(FileSystem, calls))))
      )
      // The lock says who holds it; then the text.
      assert.deepStrictEqual(
        modes.slice(1).map((mode) => mode & 0o777),
        [0o600]
      )
      assert.strictEqual(folder.mode("conf/a.toml"), 0o600)
    })
  )

  it.live.each([
    ["keeps its group when somebody else of the group saves it", [3000], [2002, 3000, 0o640]],
    ["is not given to the group of whoever saves it", [], [2002, 2002, 0o600]]
  ] as const)("%s", ([, groups, expected]) =>
    Effect.gen(function* () {
      // Only root may be somebody else.
      if (!isRoot) return
      const path = folder.write("conf/a.toml", "a")
      chownSync(path, 2001, 3000)
      chmodSync(path, 0o640)
      chmodSync(folder.at(), 0o711)
      chmodSync(folder.at("conf"), 0o777)
      const code = `
        const { FileSystem } = await import(${module("platform/FileSystem.ts")})
        await Effect.runPromise(Effect.gen(function* () {
          const fs = yield* FileSystem
          const like = yield* fs.stat(${JSON.stringify(path)})
          process.setgroups(${JSON.stringify(groups)})
          process.setgid(2002)
          process.setuid(2002)
          const file = yield* fs.create(${JSON.stringify(folder.at("conf/b.toml"))}, 0o600)
          yield* file.imitate(like)
          yield* file.close
        }))`
      yield* otherProcess(code)
      const { gid, mode, uid } = statSync(folder.at("conf/b.toml"))
      assert.deepStrictEqual([uid, gid, mode & 0o777], [...expected])
    })
  )
})

describe("a lock", () => {
  const lock = (content: string): string => folder.write("conf/.pingap-lock", content)
  const commit = (options: File.FileOptions = {}) =>
    Effect.flatMap(ConfigStore, (store) => store.commit([{ key: "a.toml", text: "a", expected: null }])).pipe(
      Effect.provide(File.layer(folder.at("conf"), options))
    )
  const holder = (fields: object): string =>
    JSON.stringify({ pid: process.pid, host: "elsewhere", system: "", started: "", token: "t", ...fields })

  it.live("of a process that runs is waited for, and then named", () =>
    Effect.gen(function* () {
      const path = lock(holder({ pid: 77 }))
      const error = yield* Effect.flip(commit({ lockWaitMillis: 100 }))
      assert.strictEqual(error._tag === "ConfigSourceError" && error.file, path)
      assert.strictEqual(error.message, "process 77 on elsewhere is saving and does not finish")
      assert.deepStrictEqual(folder.list("conf"), [".pingap-lock"])
    })
  )

  it.live("that goes while it is waited for is taken", () =>
    Effect.gen(function* () {
      lock(holder({}))
      setTimeout(() => folder.remove("conf/.pingap-lock"), 60)
      yield* commit()
      assert.deepStrictEqual(folder.list("conf"), ["a.toml"])
    })
  )

  it.live("of a process that is gone is removed, with what it left", () =>
    Effect.gen(function* () {
      folder.write("conf/upstreams/a.toml", "")
      folder.write("conf/.pingap-1234.1.tmp", "of another lock")
      // A lock as this machine's processes write it, of one that has ended.
      const code = `
        const { writeFileSync } = await import("node:fs")
        const { withLock } = await import(${module("config/source/file/Lock.ts")})
        const { Processes } = await import(${module("config/source/file/Holder.ts")})
        const { FileSystem } = await import(${module("platform/FileSystem.ts")})
        await Effect.runPromise(Effect.gen(function* () {
          const options = { processes: yield* Processes, waitMillis: 0 }
          const path = ${JSON.stringify(folder.at("conf/.pingap-lock"))}
          yield* withLock(yield* FileSystem, path, ({ token }) => Effect.sync(() => {
            for (const folder of ["", "/upstreams"]) writeFileSync(path.replace("/.pingap-lock", folder + "/.pingap-" + token + ".1.tmp"), "half")
            process.exit(0)
          }), () => Effect.void, options)
        }))`
      yield* otherProcess(code)
      assert.match(folder.text("conf/.pingap-lock"), /^\{"pid":\d+,"host":/)
      assert.lengthOf(folder.list("conf"), 5)
      yield* commit({ lockWaitMillis: 0 })
      assert.deepStrictEqual(folder.list("conf"), [".pingap-1234.1.tmp", "a.toml", "upstreams/a.toml"])
    })
  )

  it.live("that says nothing is left alone for a while", () =>
    Effect.gen(function* () {
      lock("{")
      const error = yield* Effect.flip(commit({ lockWaitMillis: 50 }))
      assert.strictEqual(error.message, "another process is saving and does not finish")
    })
  )

  it.live.each([
    ["a link that leads nowhere", () => folder.link("nowhere", "conf/.pingap-lock"), /^cannot be used as a lock, E/],
    ["a link to a device", () => folder.link("/dev/zero", "conf/.pingap-lock"), /^cannot be used as a lock, E/],
    ["a folder", () => mkdirSync(folder.at("conf/.pingap-lock")), /^cannot be used as a lock/],
    ["a pipe", () => makePipe("conf/.pingap-lock"), /^cannot be used as a lock, not a file$/]
  ] as const)("is never %s", ([, put, expected]) =>
    Effect.gen(function* () {
      mkdirSync(folder.at("conf"))
      put()
      const error = yield* Effect.flip(commit({ lockWaitMillis: 50 }))
      assert.match(error.message, expected)
      assert.deepStrictEqual(readdirSync(folder.at("conf")), [".pingap-lock"])
    })
  )

  it.live("makes two processes take turns: no update is lost", () =>
    Effect.gen(function* () {
      const path = folder.write("shared/pingap.toml", "")
      const count = 10
      const updates = `
        const { ConfigStore } = await import(${module("config/ConfigStore.ts")})
        const File = await import(${module("config/source/File.ts")})
        const update = (store, name) =>
          Effect.gen(function* () {
            const [{ revision, text }] = yield* store.read
            yield* store.commit([{ key: "", text: text + name + "\\n", expected: revision }])
          }).pipe(Effect.catchTag("ConfigConflict", () => update(store, name)))
        await Effect.runPromise(
          Effect.gen(function* () {
            const store = yield* ConfigStore
            for (let number = 0; number < ${count}; number++) yield* update(store, process.pid + "-" + number)
          }).pipe(Effect.provide(File.layer(${JSON.stringify(path)})))
        )`
      yield* Effect.all([otherProcess(updates), otherProcess(updates)], { concurrency: 2 })
      const lines = folder.text("shared/pingap.toml").trimEnd().split("\n")
      assert.strictEqual(new Set(lines).size, 2 * count)
      assert.deepStrictEqual(folder.list("shared"), ["pingap.toml"])
    })
  )
})
