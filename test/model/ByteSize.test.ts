import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as ByteSize from "../../src/model/ByteSize.ts"

describe("ByteSize.parse", () => {
  it.each([
    ["0", 0],
    ["500", 500],
    ["1K", 1_000],
    ["1Ki", 1_024],
    ["1.5Ki", 1_536],
    ["1KiB", 1_024],
    ["1.5KiB", 1_536],
    ["3 MB", 3_000_000],
    ["4 MiB", 4_194_304],
    ["6 GB", 6e9],
    ["4 GiB", 2 ** 32],
    ["88TB", 88e12],
    ["521TiB", 521 * 2 ** 40],
    ["8 PB", 8e15],
    ["8P", 8e15],
    ["12 PiB", 12 * 2 ** 50],
    ["10kb", 10_000],
    ["10KIB", 10_240],
    ["1.001 MB", 1_001_000],
    ["1.9 B", 1]
  ])("1.2 %s is %d", (text, bytes) => {
    assert.strictEqual(ByteSize.parse(text), bytes)
  })

  it.each(["", "a124GB", "1.3 42.0 B", "1.3 ... B", "1 000 B", "1.5", "-1", "1 X", "1 kbb", "99999999EB", "B"])(
    "1.2 refuses %j",
    (text) => {
      assert.instanceOf(ByteSize.parse(text), ByteSize.ByteSizeError)
    }
  )

  it("returns for any text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9. kKmMgGiIbB]*$/)), (text) => {
        const result = ByteSize.parse(text)
        return result instanceof ByteSize.ByteSizeError || result >= 0
      }),
      { numRuns: 2_000 }
    )
  })
})

describe("ByteSize.format", () => {
  it.each([
    [0, "0"],
    [1_500, "1500"],
    [4_096, "4 KiB"],
    [1_000_000, "1 MB"],
    [2 ** 40, "1 TiB"]
  ])("%d is %s", (bytes, text) => {
    assert.strictEqual(ByteSize.format(bytes), text)
  })

  it("is read back without loss", () => {
    fc.assert(fc.property(fc.maxSafeNat(), (bytes) => ByteSize.parse(ByteSize.format(bytes)) === bytes))
    fc.assert(
      fc.property(fc.nat(15), (power) => ByteSize.parse(ByteSize.format(1_024 * 10 ** power)) === 1_024 * 10 ** power)
    )
  })
})

describe("ByteSize.human", () => {
  it.each([
    [512, "512B"],
    [999, "999B"],
    [1_000, "1KB"],
    [1_024, "1KB"],
    [1_124, "1.1KB"],
    [1_220_000, "1.2MB"],
    [5_000_000_000_000, "5000GB"]
  ])("1.4 %d is %s", (bytes, text) => {
    assert.strictEqual(ByteSize.human(bytes), text)
  })
})

describe("ByteSize.iec", () => {
  it.each([
    [12, "12 B"],
    [1_023, "1023 B"],
    [1_024, "1.0 KiB"],
    [100_000, "97.7 KiB"],
    [1_048_576, "1.0 MiB"]
  ])("plugins 2.2: %d is %s", (bytes, text) => {
    assert.strictEqual(ByteSize.iec(bytes), text)
  })
})
