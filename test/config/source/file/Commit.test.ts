import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as fc from "fast-check"
import type { ConfigSourceError } from "../../../../src/config/ConfigSource.ts"
import { type ConfigConflict, ConfigStore, type Write } from "../../../../src/config/ConfigStore.ts"
import * as File from "../../../../src/config/source/File.ts"
import { type Fate, Processes } from "../../../../src/config/source/file/Holder.ts"
import { revisionOf } from "../../../../src/config/source/file/Revision.ts"
import { FileError, FileSystem, type FileSystemCalls } from "../../../../src/platform/FileSystem.ts"
import { Disk, randomOf } from "./ModelDisk.ts"

type Texts = Readonly<Record<string, string>>

/** An instance of its own; whoever held a lock before it is gone. */
const instance = <A, E>(
  calls: FileSystemCalls,
  path: string,
  use: (store: ConfigStore["Service"]) => Effect.Effect<A, E>,
  fate: Fate = "gone"
): Effect.Effect<A, E> =>
  Effect.flatMap(ConfigStore, use).pipe(
    Effect.provide(
      File.layer(path, { lockWaitMillis: 0 }).pipe(
        Layer.provide(Layer.succeed(FileSystem, calls)),
        Layer.provideMerge(Logger.layer([])),
        Layer.provide(Layer.succeed(Processes, { pid: 1, host: "test", system: "", started: "", fateOf: () => fate }))
      )
    )
  )

const textsOf = (store: ConfigStore["Service"]): Effect.Effect<Texts, ConfigSourceError> =>
  Effect.map(store.read, (documents) => Object.fromEntries(documents.map(({ key, text }) => [key, text])))

const readOf = (disk: Disk, path: string): Promise<Texts> => Effect.runPromise(instance(disk.view(), path, textsOf))

const writesOf = (before: Texts, after: Texts): Array<Write> =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((key) => before[key] !== after[key])
    .map((key) => ({ key, text: after[key] ?? null, expected: revisionOf(before[key] ?? null) }))

interface Case {
  readonly name: string
  readonly path: string
  readonly files: (texts: Texts) => Texts
  readonly before: Texts
  readonly after: Texts
}

const inFolder = (texts: Texts): Texts =>
  Object.fromEntries(Object.entries(texts).map(([key, text]) => [`/etc/conf/${key}`, text]))
const asFile = (texts: Texts): Texts => (texts[""] === undefined ? {} : { "/etc/pingap.toml": texts[""] })

const CASES: ReadonlyArray<Case> = [
  {
    name: "a single file that is replaced",
    path: "/etc/pingap.toml",
    files: asFile,
    before: { "": "[basic]\nname = 'old'\n" },
    after: { "": "[basic]\nname = 'new and longer'\n" }
  },
  {
    name: "a single file that is created, with its history",
    path: "/etc/pingap.toml?enable_history=true",
    files: asFile,
    before: {},
    after: { "": "[basic]\n" }
  },
  {
    name: "one document that is replaced",
    path: "/etc/conf",
    files: inFolder,
    before: { "basic.toml": "old", "servers.toml": "kept" },
    after: { "basic.toml": "new", "servers.toml": "kept" }
  },
  {
    name: "one document that is removed",
    path: "/etc/conf?separation",
    files: inFolder,
    before: { "basic.toml": "old", "upstreams/a.toml": "gone" },
    after: { "basic.toml": "old" }
  },
  {
    name: "one document in a folder that is not there",
    path: "/etc/conf?separation",
    files: inFolder,
    before: { "basic.toml": "old" },
    after: { "basic.toml": "old", "upstreams/a.toml": "new" }
  },
  {
    name: "several documents that are replaced, created and removed, with their history",
    path: "/etc/conf?separation&enable_history=true",
    files: inFolder,
    before: { "basic.toml": "old", "locations/l.toml": "gone", "upstreams/a.toml": "a", "upstreams/b.toml": "b" },
    after: { "basic.toml": "new", "servers/s.toml": "s", "upstreams/a.toml": "a, longer", "upstreams/b.toml": "b" }
  },
  {
    name: "a whole configuration where there was none",
    path: "/etc/conf?separation",
    files: inFolder,
    before: {},
    after: { "basic.toml": "new", "servers/s.toml": "s", "upstreams/a.toml": "a" }
  }
]

const own = (disk: Disk): Array<string> => Object.keys(disk.files).filter((path) => path.includes("/.pingap-"))

/** The state must be all old or all new, and the next commit must work, keep it, and tidy up. */
const verify = async (
  disk: Disk,
  { after, before, path, files }: Case,
  allowed: ReadonlyArray<Texts>,
  what: string
) => {
  const texts = await readOf(disk, path)
  const found = allowed.find((state) => JSON.stringify(sorted(state)) === JSON.stringify(sorted(texts)))
  assert.isDefined(found, `${what}: ${JSON.stringify(texts)} is neither of ${JSON.stringify([before, after])}`)
  const key = path.includes(".toml") ? "" : "basic.toml"
  const next = { ...found, [key]: "later" }
  const exit = await Effect.runPromiseExit(instance(disk.view(), path, (store) => store.commit(writesOf(found!, next))))
  assert.strictEqual(exit._tag, "Success", `${what}: ${String(exit)}`)
  assert.deepStrictEqual(await readOf(disk, path), sorted(next), what)
  const kept = Object.entries(disk.files).filter(([path]) => !path.includes("/.pingap-") && !path.includes("-history/"))
  assert.deepStrictEqual(Object.fromEntries(kept), sorted(files(next)), what)
  assert.deepStrictEqual(
    own(disk).filter((path) => /journal|lock/.test(path)),
    [],
    what
  )
}

const sorted = (texts: Texts): Texts => Object.fromEntries(Object.entries(texts).sort(([a], [b]) => (a < b ? -1 : 1)))

const prepare = ({ before, files }: Case): Disk => Disk.of({ "/etc/hostname": "box", ...files(before) })

const POWER_CUTS = 12

describe("a commit", () => {
  for (const scenario of CASES) {
    const { after, before, path } = scenario
    const commit = (disk: Disk): Promise<boolean> =>
      Effect.runPromiseExit(instance(disk.view(), path, (store) => store.commit(writesOf(before, after)))).then(
        ({ _tag }) => _tag === "Success"
      )
    const checked = {
      ...scenario,
      files: (texts: Texts) => ({ "/etc/hostname": "box", ...scenario.files(texts) })
    }

    it(`of ${scenario.name} survives the death of the process and of the machine after every call`, async () => {
      let steps = 0
      for (let isDone = false; !isDone; steps++) {
        const disk = prepare(scenario)
        disk.stopAfter(steps)
        isDone = await commit(disk)
        const at = `${isDone ? "done" : `stopped after ${steps}`}: ${disk.log.at(-1)}`
        const allowed = isDone ? [after] : [before, after]
        await verify(disk.afterDeath(), checked, allowed, `death, ${at}`)
        for (let seed = 0; seed < POWER_CUTS; seed++) {
          await verify(disk.afterPowerCut(randomOf(seed)), checked, allowed, `power cut ${seed}, ${at}`)
        }
      }
      assert.isAbove(steps, 6)
    })

    it(`of ${scenario.name} that meets a failing call changes all or nothing and says which`, async () => {
      let failed = 0
      for (let steps = 1; ; steps++) {
        const disk = prepare(scenario)
        disk.failAfter(steps)
        const isDone = await commit(disk)
        if (disk.calls < steps) break
        if (!isDone) failed++
        await verify(
          disk.afterDeath(),
          checked,
          isDone ? [after] : [before, after],
          `failed call ${disk.log[steps - 1]}`
        )
      }
      assert.isAbove(failed, 3)
    })

    it(`of ${scenario.name} leaves nothing behind`, async () => {
      const disk = prepare(scenario)
      assert.isTrue(await commit(disk))
      assert.deepStrictEqual(own(disk), [])
    })
  }
})

describe("readers beside a commit", () => {
  const several = CASES[5]!

  it("never see a mixture when a whole commit comes between any two of their calls", async () => {
    for (let at = 0, isOver = false; !isOver; at++) {
      const disk = prepare(several)
      const writer = instance(disk.view(), several.path, (store) =>
        Effect.ignore(store.commit(writesOf(several.before, several.after)))
      )
      let calls = 0
      const reader = disk.view(() => (calls++ === at ? writer : Effect.void))
      const seen = JSON.stringify(await Effect.runPromise(instance(reader, several.path, textsOf)))
      const states = [several.before, several.after].map((state) => JSON.stringify(sorted(state)))
      assert.include(states, seen, `call ${at}`)
      isOver = calls <= at
      if (isOver) assert.isAbove(calls, 20)
    }
  })

  it("never see a mixture, however their calls interleave", () =>
    fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        const disk = prepare(several)
        const turn = (who: string) => (operation: string) =>
          Effect.promise(() => scheduler.schedule(Promise.resolve(), `${who} ${operation}`).then(() => undefined))
        const seen: Array<Texts> = []
        const writing = Effect.runPromise(
          instance(disk.view(turn("writer")), several.path, (store) =>
            store.commit(writesOf(several.before, several.after))
          )
        )
        const reading = Effect.runPromise(
          instance(disk.view(turn("reader")), several.path, (store) =>
            Effect.gen(function* () {
              for (let times = 0; times < 3; times++) seen.push(yield* textsOf(store))
            })
          )
        )
        await scheduler.waitFor(Promise.all([writing, reading]))
        const states = seen.map((texts) => {
          const text = JSON.stringify(texts)
          return [several.before, several.after].findIndex((state) => JSON.stringify(sorted(state)) === text)
        })
        // Neither a mixture nor a step back.
        assert.notInclude(states, -1, JSON.stringify(seen))
        assert.deepStrictEqual(states, [...states].sort())
      }),
      { numRuns: 150 }
    ))
})

describe("conflicts", () => {
  const commit = (disk: Disk, writes: ReadonlyArray<Write>, path = "/etc/conf") =>
    Effect.runPromise(
      Effect.result(
        instance(
          disk.view(),
          path,
          (store): Effect.Effect<void, ConfigConflict | ConfigSourceError> => store.commit(writes)
        )
      )
    )

  it("leave everything as it was", async () => {
    const disk = Disk.of(inFolder({ "basic.toml": "a", "servers.toml": "s" }))
    const before = disk.files
    for (const writes of [
      [{ key: "basic.toml", text: "b", expected: revisionOf("old") }],
      [{ key: "basic.toml", text: "b", expected: null }],
      [{ key: "other.toml", text: "b", expected: revisionOf("a") }],
      [{ key: "basic.toml", text: null, expected: revisionOf("old") }],
      [
        { key: "servers.toml", text: "t", expected: revisionOf("s") },
        { key: "basic.toml", text: "b", expected: null }
      ]
    ]) {
      const result = await commit(disk, writes)
      assert.strictEqual(result._tag === "Failure" && result.failure._tag, "ConfigConflict")
      assert.deepStrictEqual(disk.files, before)
    }
  })

  it("are none when the text is the one that is wanted already", async () => {
    const disk = Disk.of(inFolder({ "basic.toml": "a" }))
    await commit(disk, [{ key: "basic.toml", text: "a", expected: revisionOf("a") }])
    assert.isFalse(disk.log.some((call) => call.startsWith("rename")))
  })
})

describe("a writer whose lock was taken away", () => {
  it("commits nothing and leaves the lock of the other", async () => {
    for (const key of ["basic.toml", "servers.toml"]) {
      const disk = Disk.of(inFolder({ "basic.toml": "a" }))
      const other = disk.view()
      const theirs = JSON.stringify({ pid: 2, host: "test", system: "", started: "", token: "theirs" })
      const steal = Effect.gen(function* () {
        yield* other.remove("/etc/conf/.pingap-lock")
        const file = yield* other.create("/etc/conf/.pingap-lock", 0o644)
        yield* file.write(theirs)
      }).pipe(Effect.orDie)
      const robbed = disk.view((operation) => (operation.startsWith("sync ") ? steal : Effect.void))
      const error = await Effect.runPromise(
        instance(robbed, "/etc/conf", (store) =>
          Effect.flip(
            store.commit(
              [
                { key: "basic.toml", text: null, expected: revisionOf("a") },
                { key, text: "b", expected: key === "basic.toml" ? revisionOf("a") : null }
              ].slice(key === "basic.toml" ? 1 : 0)
            )
          )
        )
      )
      assert.match(error.message, /the lock was taken away/)
      assert.deepStrictEqual(disk.files, inFolder({ ".pingap-lock": theirs, "basic.toml": "a" }))
    }
  })
})

describe("a writer that slept while another took its lock away", () => {
  const path = "/etc/conf?separation"
  const files = { "basic.toml": "b", "locations/l.toml": "l", "upstreams/u.toml": "u" }
  const append = (text: string, keys: ReadonlyArray<string>) => (store: ConfigStore["Service"]) =>
    Effect.flatMap(store.read, (documents) =>
      store.commit(
        documents
          .filter(({ key }) => keys.includes(key))
          .map((document) => ({ key: document.key, text: document.text + text, expected: document.revision }))
      )
    )

  it.each([
    ["one document", ["upstreams/u.toml"]],
    ["several documents", ["basic.toml", "locations/l.toml", "upstreams/u.toml"]]
  ])("with %s to save never undoes what the other has saved, whenever it wakes up", async (_, keys) => {
    for (let at = 0, isOver = false; !isOver; at++) {
      const disk = Disk.of(inFolder(files))
      const all = Object.keys(files)
      const other = Effect.orDie(instance(disk.view(), path, append("2", all)))
      let calls = 0
      let where = ""
      const sleepy = disk.view((operation) => {
        if (calls++ !== at) return Effect.void
        where = operation
        return other
      })
      const exit = await Effect.runPromiseExit(instance(sleepy, path, append("1", keys)))
      isOver = calls <= at
      if (isOver) break
      const what = `${where}, ${exit._tag}`
      const found = await readOf(disk, path)
      for (const key of all) assert.include(found[key], "2", `${what} ${key}`)
      if (exit._tag === "Success") for (const key of keys) assert.include(found[key], "1", `${what} ${key}`)
      const left = own(disk).filter((name) => !name.endsWith("/.pingap-journal"))
      assert.deepStrictEqual(left, [], what)
    }
  })
})

describe("a lock that is old", () => {
  const lock = JSON.stringify({ pid: 2, host: "test", system: "", started: "", token: "theirs" })
  const write = { key: "a.toml", text: "a", expected: null }

  it.each([
    ["running", "Failure"],
    ["unknown", "Success"],
    ["gone", "Success"]
  ] as const)("of a process that is %s: %s", async (fate, tag) => {
    const disk = Disk.of(inFolder({ ".pingap-lock": lock }))
    const exit = await Effect.runPromiseExit(instance(disk.view(), "/etc/conf", (store) => store.commit([write]), fate))
    assert.strictEqual(exit._tag, tag)
    assert.deepStrictEqual(disk.files, inFolder(tag === "Failure" ? { ".pingap-lock": lock } : { "a.toml": "a" }))
  })

  it("and cannot be taken away is waited for, and not for ever", async () => {
    const disk = Disk.of(inFolder({ ".pingap-lock": lock }))
    const rename = (_: string, path: string) => Effect.fail(new FileError({ operation: "rename", path, code: "EPERM" }))
    const commit = instance({ ...disk.view(), rename }, "/etc/conf", (store) => Effect.flip(store.commit([write])))
    assert.strictEqual((await Effect.runPromise(commit)).message, "process 2 on test is saving and does not finish")
  })
})

describe("an editor that saves while a commit is written", () => {
  it.each([
    ["one document", "/etc/conf/a.toml", { "a.toml": "a" }],
    ["several documents", "/etc/conf/b.toml", { "a.toml": "a", "b.toml": "b" }]
  ])("keeps its text: %s", async (_, path, before: Texts) => {
    const disk = Disk.of(inFolder(before))
    const editor = disk.view()
    let isSaved = false
    const save = Effect.gen(function* () {
      isSaved = true
      const file = yield* editor.create(`${path}~`, 0o644)
      yield* file.write("by hand")
      yield* editor.rename(`${path}~`, path)
    }).pipe(Effect.orDie)
    const calls = disk.view((operation) => (operation.startsWith("sync ") && !isSaved ? save : Effect.void))
    const writes = Object.entries(before).map(([key, text]) => ({ key, text: "new", expected: revisionOf(text) }))
    const error = await Effect.runPromise(instance(calls, "/etc/conf", (store) => Effect.flip(store.commit(writes))))
    assert.strictEqual(error._tag, "ConfigConflict")
    assert.deepStrictEqual(disk.files, inFolder({ ...before, [path.slice("/etc/conf/".length)]: "by hand" }))
  })
})

describe("a journal that a crash left", () => {
  const journal = JSON.stringify({
    version: 1,
    changes: [
      { key: "a.toml", text: "a2", before: revisionOf("a1"), after: revisionOf("a2") },
      { key: "b.toml", text: null, before: revisionOf("b1"), after: null },
      { key: "c.toml", text: "c2", before: null, after: revisionOf("c2") }
    ]
  })
  const disk = (texts: Texts): Disk => Disk.of(inFolder({ ...texts, ".pingap-journal": journal }))

  it.each([
    ["nothing of it was done", { "a.toml": "a1", "b.toml": "b1" }, { "a.toml": "a2", "c.toml": "c2" }],
    ["some of it was done", { "a.toml": "a2", "b.toml": "b1" }, { "a.toml": "a2", "c.toml": "c2" }],
    ["all of it was done", { "a.toml": "a2", "c.toml": "c2" }, { "a.toml": "a2", "c.toml": "c2" }],
    [
      "somebody has edited documents since: theirs stay",
      { "a.toml": "a3", "b.toml": "b3", "c.toml": "c3" },
      { "a.toml": "a3", "b.toml": "b3", "c.toml": "c3" }
    ]
  ])("is read as done and then done, when %s", async (_, before, after) => {
    const found = disk(before)
    assert.deepStrictEqual(await readOf(found, "/etc/conf"), after)
    await Effect.runPromise(
      instance(found.view(), "/etc/conf", (store) => store.commit([{ key: "x.toml", text: "x", expected: null }]))
    )
    assert.deepStrictEqual(found.files, inFolder({ ...after, "x.toml": "x" }))
  })

  it("makes the folders anew that somebody has removed since", async () => {
    const change = { key: "upstreams/u.toml", text: "u", before: null, after: revisionOf("u") }
    const found = Disk.of(inFolder({ ".pingap-journal": JSON.stringify({ version: 1, changes: [change] }) }))
    await Effect.runPromise(
      instance(found.view(), "/etc/conf", (store) => store.commit([{ key: "x.toml", text: "x", expected: null }]))
    )
    assert.deepStrictEqual(found.files, inFolder({ "upstreams/u.toml": "u", "x.toml": "x" }))
  })

  it.each(["../evil.toml", "/etc/evil.toml", "a/../../evil.toml", "evil"])(
    "and leads out of the folder is not carried out: %s",
    async (key) => {
      const change = { key, text: "evil", before: null, after: revisionOf("evil") }
      const found = Disk.of(inFolder({ ".pingap-journal": JSON.stringify({ version: 1, changes: [change] }) }))
      const before = found.files
      const write = { key: "x.toml", text: "x", expected: null }
      const error = await Effect.runPromise(
        instance(found.view(), "/etc/conf", (store) => Effect.flip(store.commit([write])))
      )
      assert.match(error.message, /journal of a save that was not finished cannot be read/)
      assert.deepStrictEqual(found.files, before)
    }
  )

  it("that cannot be understood is an error without its content", async () => {
    const found = Disk.of(inFolder({ "a.toml": "a", ".pingap-journal": '{"version":1,"secret":' }))
    const error = await Effect.runPromise(Effect.flip(instance(found.view(), "/etc/conf", textsOf)))
    assert.include(error.message, "cannot be read")
    assert.notInclude(JSON.stringify(error), "secret")
  })

  it("keeps the documents that the reads before and after have in common", async () => {
    const found = disk({ "a.toml": "a1", "k.toml": "kept" })
    const program = instance(found.view(), "/etc/conf", (store) =>
      Effect.gen(function* () {
        const first = yield* store.read
        yield* store.commit([{ key: "x.toml", text: "x", expected: null }])
        return [first, yield* store.read] as const
      })
    )
    const [first, second] = await Effect.runPromise(program)
    assert.deepStrictEqual(
      first.map(({ key }) => key),
      ["a.toml", "c.toml", "k.toml"]
    )
    for (const document of first)
      assert.strictEqual(
        second.find(({ key }) => key === document.key),
        document
      )
  })
})
