import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { nanoid, uuidV7 } from "../../src/plugin/Ids.ts"

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const millisOf = (id: string): number => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)

describe("uuidV7", () => {
  it("carries the time, the version and the variant", () => {
    const id = uuidV7(() => 0x0123456789ab)()
    assert.match(id, UUID)
    assert.isTrue(id.startsWith("01234567-89ab-7"))
    assert.strictEqual(millisOf(uuidV7()()) > Date.UTC(2025, 0), true)
  })

  it("uses every random bit", () => {
    assert.strictEqual(
      uuidV7(
        () => 1,
        () => 0xff
      )(),
      "00000000-0001-77ff-bfff-ffffffffffff"
    )
    assert.strictEqual(
      uuidV7(
        () => 1,
        () => 0
      )(),
      "00000000-0001-7000-8000-000000000000"
    )
  })

  it("ascends within a millisecond, over a full counter and when the clock goes back", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 50 }), (steps) => {
        let clock = 1_700_000_000_000
        const next = uuidV7(() => clock)
        let last = next()
        for (const step of steps) {
          clock += step
          for (let i = 0; i < 200; i++) {
            const id = next()
            assert.isTrue(id > last, `${id} after ${last}`)
            last = id
          }
        }
      }),
      { numRuns: 30 }
    )
    const frozen = uuidV7(() => 5)
    let last = ""
    for (let i = 0; i < 10_000; i++) {
      const id = frozen()
      assert.isTrue(id > last)
      last = id
    }
  })
})

describe("nanoid", () => {
  it("has the asked length and alphabet", () => {
    for (const size of [1, 8, 10, 128]) assert.match(nanoid(size), new RegExp(`^[A-Za-z0-9_-]{${size}}$`))
  })

  it("does not repeat", () => {
    const seen = new Set<string>()
    for (let i = 0; i < 5_000; i++) seen.add(nanoid(16))
    assert.strictEqual(seen.size, 5_000)
  })
})
