/** Reading and writing against a store of the test's own, which can do what a real one does once a year. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import type { Client } from "../../../../src/config/source/etcd/Client.ts"
import * as Commits from "../../../../src/config/source/etcd/Commits.ts"
import * as Documents from "../../../../src/config/source/etcd/Documents.ts"
import { AllUnreachable, type EtcdError, Refused, Unreachable } from "../../../../src/config/source/etcd/EtcdError.ts"
import type { KeyValue, RangeOptions } from "../../../../src/config/source/etcd/Wire.ts"

/** A store with revisions and pages, as etcd keeps them. */
class FakeStore {
  readonly entries = new Map<string, { readonly value: string; readonly revision: number }>()
  cluster = "one"
  revision = 1
  readonly asked: Array<RangeOptions> = []
  /** Happens before the next answers. */
  readonly before: Array<() => EtcdError | undefined> = []
  /** Carries a transaction out and loses the answer; the next try gets one. */
  loseAnswer = false

  put(key: string, value: string): void {
    this.entries.set(`/p/${key}`, { value, revision: ++this.revision })
  }

  remove(key: string): void {
    if (this.entries.delete(`/p/${key}`)) this.revision++
  }

  get state(): ReadonlyArray<string> {
    return [...this.entries].map(([key, { value }]) => `${key.slice(3)}=${value}`).sort()
  }

  readonly client: Client = {
    range: (prefix, options = {}) =>
      Effect.suspend(() => {
        this.asked.push(options)
        const error = this.before.shift()?.()
        if (error !== undefined) return Effect.fail(error)
        const { after, keysOnly = false, limit = Number.POSITIVE_INFINITY, since = 0 } = options
        const inRange = [...this.entries]
          .filter(([key]) => key.startsWith(prefix) && (after === undefined || key > after.toString()))
          .sort(([a], [b]) => (a < b ? -1 : 1))
        const found = inRange.filter(([, { revision }]) => revision >= since)
        return Effect.succeed({
          header: { cluster: this.cluster, revision: this.revision },
          kvs: found.slice(0, limit).map(
            ([key, { revision, value }]): KeyValue => ({
              key: Buffer.from(key),
              value: Buffer.from(keysOnly ? "" : value),
              revision
            })
          ),
          more: found.length > limit,
          count: inRange.length
        })
      }),
    txn: (guards, operations) =>
      Effect.suspend(() => {
        const carryOut = () => {
          const succeeded = guards.every(
            ({ key, revision }) => String(this.entries.get(key)?.revision ?? 0) === revision
          )
          if (succeeded) {
            this.revision++
            for (const { key, value } of operations) {
              if (value === null) this.entries.delete(key)
              else this.entries.set(key, { value, revision: this.revision })
            }
          }
          const current = guards.flatMap(({ key }): ReadonlyArray<KeyValue> => {
            const entry = this.entries.get(key)
            return succeeded || entry === undefined
              ? []
              : [{ key: Buffer.from(key), value: Buffer.from(entry.value), revision: entry.revision }]
          })
          return { header: { cluster: this.cluster, revision: this.revision }, succeeded, current }
        }
        const first = carryOut()
        const error = this.before.shift()?.()
        if (error !== undefined) return Effect.fail(error)
        return Effect.succeed(this.loseAnswer ? { value: carryOut(), inDoubt: true } : { value: first, inDoubt: false })
      }),
    watch: () => Effect.never
  }
}

const open = (store: FakeStore, pageSize = 2) =>
  Effect.map(Documents.make({ client: store.client, prefix: "/p", place: "etcd://h/p", pageSize }), (documents) => {
    const options = { client: store.client, documents, prefix: "/p", place: "etcd://h/p", history: true }
    return { documents, commit: (writes: Parameters<typeof Commits.commit>[1]) => Commits.commit(options, writes) }
  })

const shown = (documents: ReadonlyArray<{ readonly key: string; readonly text: string }>): ReadonlyArray<string> =>
  documents.map(({ key, text }) => `${key}=${text}`)

describe("Documents", () => {
  it.effect("are what the store holds, whatever was done in between", () =>
    Effect.gen(function* () {
      const operation = fc.oneof(
        { weight: 5, arbitrary: fc.tuple(fc.constant("put" as const), fc.nat(8), fc.nat(3)) },
        { weight: 3, arbitrary: fc.tuple(fc.constant("remove" as const), fc.nat(8), fc.constant(0)) },
        { weight: 4, arbitrary: fc.tuple(fc.constant("read" as const), fc.constant(0), fc.constant(0)) },
        { weight: 1, arbitrary: fc.tuple(fc.constant("restore" as const), fc.nat(8), fc.nat(3)) }
      )
      const check = fc.property(fc.array(operation, { maxLength: 40 }), fc.integer({ min: 1, max: 5 }), (steps, size) =>
        Effect.runSync(
          Effect.gen(function* () {
            const store = new FakeStore()
            const { documents } = yield* open(store, size)
            let last = yield* documents.read
            let isRestored = false
            for (const [step, [what, key, value]] of steps.entries()) {
              if (what === "put") store.put(`k${key}`, String(value))
              else if (what === "remove") store.remove(`k${key}`)
              else if (what === "restore") {
                // Somebody put an older copy in place of the data: of another cluster, or with us being told.
                isRestored = true
                store.entries.clear()
                store.revision = 1
                if (value % 2 === 0) store.cluster = `other ${step}`
                else documents.distrust()
                store.put(`k${key}`, String(value))
              } else {
                const changed = yield* documents.haveChanged
                const read = yield* documents.read
                assert.deepStrictEqual(shown(read), store.state)
                assert.isFalse(yield* documents.haveChanged)
                if (!changed && !isRestored) assert.strictEqual(read, last)
                isRestored = false
                for (const document of read) {
                  const before = last.find((other) => other.key === document.key)
                  if (before?.revision === document.revision && before.text === document.text) {
                    assert.strictEqual(document, before)
                  }
                }
                last = read
              }
            }
          })
        )
      )
      fc.assert(check, { numRuns: 500 })
    })
  )

  it.effect("asks for news only, and for everything when a key is gone", () =>
    Effect.gen(function* () {
      const store = new FakeStore()
      for (const key of ["a", "b", "c"]) store.put(key, "1")
      const { documents } = yield* open(store, 10)
      yield* documents.read
      store.put("b", "2")
      yield* documents.read
      assert.deepStrictEqual(store.asked.splice(0), [{ limit: 10 }, { since: 5, limit: 10 }])
      store.remove("a")
      yield* documents.read
      assert.deepStrictEqual(store.asked.splice(0), [{ since: 6, limit: 10 }, { limit: 10 }])
      documents.distrust()
      yield* documents.read
      assert.deepStrictEqual(store.asked.splice(0), [{ limit: 10 }])
    })
  )

  it.effect("takes nothing for granted when the doubt came up during a read of everything", () =>
    Effect.gen(function* () {
      const store = new FakeStore()
      store.put("a", "1")
      const { documents } = yield* open(store)
      // The connection is lost behind the answer, and etcd comes back with other data under the same revisions.
      store.before.push(() => {
        documents.distrust()
        return undefined
      })
      assert.deepStrictEqual(shown(yield* documents.read), ["a=1"])
      store.entries.set("/p/a", { value: "restored", revision: 2 })
      assert.deepStrictEqual(shown(yield* documents.read), ["a=restored"])
    })
  )

  it.effect("begins a read anew when its revision is compacted away between two pages", () =>
    Effect.gen(function* () {
      const store = new FakeStore()
      for (const key of ["a", "b", "c", "d"]) store.put(key, "1")
      const { documents } = yield* open(store)
      const compacted = new Refused({ code: 11, message: "etcd says: mvcc: required revision has been compacted" })
      store.before.push(
        () => undefined,
        () => {
          store.put("a", "2")
          return compacted
        }
      )
      assert.deepStrictEqual(shown(yield* documents.read), ["a=2", "b=1", "c=1", "d=1"])
      documents.distrust()
      for (let index = 0; index < 4; index++) store.before.push(() => compacted)
      const error = yield* Effect.flip(documents.read)
      assert.deepStrictEqual([error.file, error.message], ["etcd://h/p", compacted.message])
    })
  )
})

describe("Commits", () => {
  it.effect("counts a transaction as written whose answer was lost, if it was", () =>
    Effect.gen(function* () {
      const store = new FakeStore()
      store.put("a", "1")
      const { commit, documents } = yield* open(store)
      const [a] = yield* documents.read
      store.loseAnswer = true
      yield* commit([
        { key: "a", text: "2", expected: a!.revision },
        { key: "b", text: "new", expected: null }
      ])
      assert.deepStrictEqual(shown(yield* documents.read), ["a=2", "b=new"])
      store.loseAnswer = false
      const conflict = yield* Effect.flip(commit([{ key: "a", text: "2", expected: a!.revision }]))
      assert.strictEqual(conflict._tag, "ConfigConflict")
    })
  )

  it.effect("says when nobody knows whether it is written", () =>
    Effect.gen(function* () {
      const store = new FakeStore()
      const { commit } = yield* open(store)
      const attempt = new Unreachable({ endpoint: "h:1", reason: "is gone", inDoubt: true, wasIdle: false })
      store.before.push(
        () => undefined,
        () => new AllUnreachable({ attempts: [attempt], inDoubt: true })
      )
      const error = yield* Effect.flip(commit([{ key: "a", text: "1", expected: null }]))
      assert.strictEqual(error.message, "etcd cannot be reached: h:1 is gone; it may be written or not")
      assert.deepStrictEqual(store.state, ["a=1"])
    })
  )

  it.effect("says how far a large commit came when somebody comes in between", () =>
    Effect.gen(function* () {
      const store = new FakeStore()
      const { commit } = yield* open(store, 1_000)
      const writes = Array.from({ length: 300 }, (_, index) => ({
        key: `locations/${String(index).padStart(3, "0")}.toml`,
        text: "x",
        expected: null
      }))
      // The read, then the first transaction.
      store.before.push(
        () => undefined,
        () => {
          store.put("locations/200.toml", "theirs")
          return undefined
        }
      )
      const error = yield* Effect.flip(commit(writes))
      assert.strictEqual(error._tag, "ConfigSourceError")
      assert.strictEqual(
        error.message,
        "1 of 3 transactions are written, then: locations/200.toml was created by somebody else"
      )
      assert.strictEqual(store.state.length, 129)
    })
  )

  it.effect("refuses keys that are none, and two writes of one", () =>
    Effect.gen(function* () {
      const { commit } = yield* open(new FakeStore())
      const refusal = (...keys: ReadonlyArray<string>) =>
        Effect.map(
          Effect.flip(commit(keys.map((key) => ({ key, text: "", expected: null })))),
          ({ message }) => message
        )
      assert.strictEqual(yield* refusal(""), "a document in etcd needs a key of its own")
      assert.strictEqual(yield* refusal("/a"), "a document in etcd needs a key of its own")
      assert.strictEqual(yield* refusal("a", "b", "a"), "a is written twice in one commit")
      yield* commit([{ key: "not there", text: null, expected: null }])
    })
  )
})
