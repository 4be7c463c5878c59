import { assert, describe, it } from "@effect/vitest"
import { CounterTable } from "../../src/generation/CounterTable.ts"

describe("counters", () => {
  it("are the same for a name as long as it is there", () => {
    const table = new CounterTable()
    const a = table.of("a")
    assert.deepStrictEqual(a, { processing: 0, accepted: 0 })
    table.keep({ a: null, b: null })
    assert.strictEqual(table.of("a"), a)
    assert.notStrictEqual(table.of("b"), a)
  })

  it("begin anew for a name that was gone", () => {
    const table = new CounterTable()
    const a = table.of("a")
    a.accepted = 7
    table.keep({})
    assert.deepStrictEqual(table.of("a"), { processing: 0, accepted: 0 })
  })

  it("of a name that is gone stay while something is in progress", () => {
    const table = new CounterTable()
    const a = table.of("a")
    a.processing = 1
    table.keep({})
    assert.strictEqual(table.of("a"), a)
    a.processing = 0
    table.keep({})
    assert.notStrictEqual(table.of("a"), a)
  })

  it("of many names that came and went are few", () => {
    const table = new CounterTable()
    const first = table.of("kept")
    const names: Record<string, null> = Object.assign(Object.create(null), { kept: null })
    const old = Array.from({ length: 1_000 }, (_, index) => table.of(`n${index}`))
    table.keep(names)
    assert.strictEqual(table.of("kept"), first)
    for (const [index, counters] of old.entries()) assert.notStrictEqual(table.of(`n${index}`), counters)
  })
})
