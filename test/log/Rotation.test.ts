import { basename, dirname } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Rotation from "../../src/log/Rotation.ts"

const MOMENT = Date.UTC(2025, 0, 31, 10, 20, 30, 5)

describe("rotation", () => {
  for (const [text, path, rolling] of [
    ["access.log", "access.log", ""],
    ["error.log?", "error.log", ""],
    ["app.log?rolling=daily", "app.log", "daily"],
    ["metrics.log?rolling=hourly&format=json", "metrics.log", "hourly"],
    ["", "", ""],
    ["?rolling=monthly", "", "monthly"]
  ] as const) {
    it(`AL11 21.4 ${JSON.stringify(text)}`, () => {
      const target = Rotation.parseTarget(text)
      assert.deepStrictEqual([target.path, target.rolling], [path, rolling])
    })
  }

  it("names files by the UTC period", () => {
    const name = (rolling: Rotation.Rolling, place: Rotation.Place = "file") =>
      Rotation.fileAt("/var/log/a.log", rolling, place, MOMENT)
    assert.strictEqual(name("daily"), "/var/log/a.log.2025-01-31")
    assert.strictEqual(name("hourly"), "/var/log/a.log.2025-01-31-10")
    assert.strictEqual(name("minutely"), "/var/log/a.log.2025-01-31-10-20")
    assert.strictEqual(name("never"), "/var/log/a.log")
    assert.strictEqual(name("hourly", "directory"), "/var/log/a.log/2025-01-31-10")
    assert.strictEqual(name("never", "directory"), "/var/log/a.log/2025-01-31")
    assert.strictEqual(name("daily", "device"), "/var/log/a.log")
  })

  it("takes an unknown rolling for daily", () => {
    assert.strictEqual(Rotation.rollingOf("monthly"), "daily")
    assert.strictEqual(Rotation.rollingOf(""), "daily")
    assert.strictEqual(Rotation.rollingOf("minutely"), "minutely")
  })

  it("a period ends where its name changes", () => {
    const rollings = fc.constantFrom("daily" as const, "hourly" as const, "minutely" as const)
    fc.assert(
      fc.property(rollings, fc.integer({ min: 0, max: 4e12 }), (rolling, moment) => {
        const end = Rotation.periodEnd(rolling, moment)
        assert.isAbove(end, moment)
        assert.strictEqual(Rotation.suffix(rolling, end - 1), Rotation.suffix(rolling, moment))
        assert.notStrictEqual(Rotation.suffix(rolling, end), Rotation.suffix(rolling, moment))
      })
    )
    assert.strictEqual(Rotation.periodEnd("never", MOMENT), Number.POSITIVE_INFINITY)
  })

  it("knows the files of its periods again", () => {
    const rollings = fc.constantFrom("daily" as const, "hourly" as const, "minutely" as const)
    const places = fc.constantFrom("file" as const, "directory" as const)
    fc.assert(
      fc.property(rollings, places, fc.integer({ min: 0, max: 4e12 }), (rolling, place, moment) => {
        const file = Rotation.fileAt("/var/log/a.log", rolling, place, moment)
        const family = Rotation.family("/var/log/a.log", place)!
        assert.strictEqual(dirname(file), family.folder)
        assert.isTrue(family.includes(basename(file)))
        assert.isFalse(family.includes(`${basename(file)}.gz`))
      })
    )
    assert.strictEqual(Rotation.family("/dev/stdout", "device"), null)
    for (const text of [
      "",
      "2025-1-31",
      "2025-02-40",
      "2025-01-31-24",
      "2025-01-31-10-60",
      "2025-01-31-",
      "12025-01-31"
    ]) {
      assert.isFalse(Rotation.isSuffix(text), text)
    }
  })
})
