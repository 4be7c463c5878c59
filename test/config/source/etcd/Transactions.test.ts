/** How a commit is cut into transactions. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type Change, plan } from "../../../../src/config/source/etcd/Transactions.ts"

const options = { prefix: "/p", now: 1_700_000_000 }

const change = (
  key: string,
  text: string | null,
  expected: string | null = null,
  old: string | null = null
): Change => ({
  key,
  text,
  expected,
  old
})

describe("Transactions", () => {
  it("guards what it replaces, and keeps the old text under the key of the reference", () => {
    assert.deepStrictEqual(
      plan(
        [
          change("upstreams/a.toml", "new", "5", "old"),
          change("upstreams/b.toml", "b"),
          change("basic.toml", null, "4")
        ],
        options
      ).map(({ guards, operations }) => ({ guards, operations })),
      [
        {
          guards: [
            { key: "/p/upstreams/a.toml", revision: "5" },
            { key: "/p/upstreams/b.toml", revision: "0" },
            { key: "/p/basic.toml", revision: "4" }
          ],
          operations: [
            { key: "/p-history/upstreams/a.toml/5-1700000000", value: "old" },
            { key: "/p/upstreams/a.toml", value: "new" },
            { key: "/p/upstreams/b.toml", value: "b" },
            { key: "/p/basic.toml", value: null }
          ]
        }
      ]
    )
    assert.deepStrictEqual(plan([], options), [])
  })

  it("writes what others refer to first, and removes it last", () => {
    const keys = [
      "whole.toml",
      "basic.toml",
      "servers/s.toml",
      "locations.toml",
      "locations/l.toml",
      "certificates/c.toml",
      "upstreams/u.toml",
      "plugins/p.toml",
      "storages/s.toml"
    ]
    const writes = [...keys.map((key) => change(key, null, "1")), ...keys.map((key) => change(`${key}`, "x"))]
    const [transaction] = plan(writes, options)
    const written = [
      "storages/s.toml",
      "plugins/p.toml",
      "upstreams/u.toml",
      "certificates/c.toml",
      "locations.toml",
      "locations/l.toml",
      "servers/s.toml",
      "basic.toml",
      "whole.toml"
    ]
    assert.deepStrictEqual(
      transaction!.writes.filter(({ text }) => text !== null).map(({ key }) => key),
      written
    )
    assert.deepStrictEqual(
      transaction!.writes.filter(({ text }) => text === null).map(({ key }) => key),
      [
        "whole.toml",
        "basic.toml",
        "servers/s.toml",
        "locations.toml",
        "locations/l.toml",
        "certificates/c.toml",
        "upstreams/u.toml",
        "plugins/p.toml",
        "storages/s.toml"
      ]
    )
    assert.isTrue(transaction!.writes.findIndex(({ text }) => text === null) === keys.length)
  })

  it("takes 128 operations at once, and the two of a replaced document together", () => {
    const sizes = (count: number, old: string | null): ReadonlyArray<number> =>
      plan(
        Array.from({ length: count }, (_, index) =>
          change(`locations/${index}.toml`, "x", old === null ? null : "1", old)
        ),
        options
      ).map(({ operations }) => operations.length)
    assert.deepStrictEqual(sizes(128, null), [128])
    assert.deepStrictEqual(sizes(129, null), [128, 1])
    assert.deepStrictEqual(sizes(300, "old"), [128, 128, 128, 128, 88])
  })

  it("loses nothing, doubles nothing and keeps the limits, whatever is written", () => {
    const key = fc.tuple(fc.constantFrom("servers", "locations", "upstreams", "plugins", "x"), fc.nat(400))
    const item = fc.tuple(key, fc.option(fc.nat(60_000)), fc.boolean())
    fc.assert(
      fc.property(
        fc.uniqueArray(item, { selector: ([[section, n]]) => `${section}/${n}`, maxLength: 400 }),
        (items) => {
          const changes = items.map(([[section, n], size, kept]) =>
            change(
              `${section}/${n}.toml`,
              size === null ? null : "x".repeat(size),
              kept ? "1" : null,
              kept ? "y".repeat(size ?? 10) : null
            )
          )
          const transactions = plan(changes, options)
          const keys = transactions.flatMap(({ writes }) => writes.map((write) => write.key))
          assert.deepStrictEqual([...keys].sort(), changes.map((write) => write.key).sort())
          for (const { guards, operations, writes } of transactions) {
            assert.isAtMost(operations.length, 128)
            assert.strictEqual(guards.length, writes.length)
            const bytes = operations.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0)
            if (writes.length > 1) assert.isBelow(bytes, 1_500_000)
          }
        }
      ),
      { numRuns: 50 }
    )
  })
})
