import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { parse, UNSATISFIABLE } from "../../../src/plugin/builtin/directory/Range.ts"

type Expected = readonly [first: number, last: number] | "whole" | "416"

const cases: ReadonlyArray<readonly [id: string, value: string, size: number, expected: Expected]> = [
  ["DR1", "bytes=0-499", 1000, [0, 499]],
  ["DR2", "bytes=500-", 1000, [500, 999]],
  ["DR3", "bytes=-500", 1000, [500, 999]],
  ["DR4", "bytes=0-1999", 1000, [0, 999]],
  ["DR5", "bytes=1000-", 1000, "416"],
  ["DR6", "invalid", 1000, "whole"],
  ["DR7", "bytes=", 1000, "whole"],
  ["DR8", "bytes=0-100,200-300", 1000, [0, 100]],
  ["one byte", "bytes=0-0", 1000, [0, 0]],
  ["the last byte", "bytes=-1", 1000, [999, 999]],
  ["the unit has no case", "BYTES=1-2", 1000, [1, 2]],
  ["another unit", "items=0-1", 1000, "whole"],
  ["backwards", "bytes=5-4", 1000, "whole"],
  ["a suffix of nothing", "bytes=-0", 1000, "416"],
  ["a suffix longer than the file", "bytes=-2000", 1000, [0, 999]],
  ["the first that can be satisfied", "bytes=2000-,1-2", 1000, [1, 2]],
  ["none can be satisfied", "bytes=2000-,-0", 1000, "416"],
  ["one that is no range spoils the list", "bytes=0-1,x", 1000, "whole"],
  ["blanks and empty elements", "bytes=, 1-2 ,", 1000, [1, 2]],
  ["signs", "bytes=+1-2", 1000, "whole"],
  ["hexadecimal", "bytes=0x1-2", 1000, "whole"],
  ["numbers beyond all files", `bytes=0-${"9".repeat(40)}`, 1000, [0, 999]],
  ["a start beyond all files", `bytes=${"9".repeat(40)}-`, 1000, "416"],
  ["an empty file from 0", "bytes=0-", 0, "416"],
  ["the end of an empty file", "bytes=-5", 0, "whole"]
]

const shown = (value: string, size: number): Expected => {
  const range = parse(value, size)
  return range === null ? "whole" : range === UNSATISFIABLE ? "416" : [range.first, range.last]
}

describe("Range", () => {
  for (const [id, value, size, expected] of cases) {
    it(`${id}: ${value} of ${size} is ${expected}`, () => assert.deepEqual(shown(value, size), expected))
  }

  it("always lies inside the file", () => {
    const part = fc
      .oneof(fc.tuple(fc.nat(), fc.option(fc.nat())), fc.nat())
      .map((spec) => (typeof spec === "number" ? `-${spec}` : `${spec[0]}-${spec[1] ?? ""}`))
    fc.assert(
      fc.property(fc.array(fc.oneof(part, fc.string()), { maxLength: 4 }), fc.nat(), (parts, size) => {
        const range = parse(`bytes=${parts.join(",")}`, size)
        if (range === null || range === UNSATISFIABLE) return
        assert.isTrue(range.first >= 0 && range.first <= range.last && range.last < size)
      })
    )
  })
})
