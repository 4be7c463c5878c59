import { assert, describe, it } from "@effect/vitest"
import { configKey } from "../../src/plugin/ConfigKey.ts"

describe("configKey", () => {
  const cases: ReadonlyArray<readonly [id: string, table: Record<string, unknown>, key: string]> = [
    ["M8", { delay: "10s", authorizations: ["MTIz", "NDU2"] }, "AC7E9E03"],
    ["M9", {}, "0"],
    ["M10", { remark: "Ping pong", path: "/ping", category: "ping" }, "7EF5CC96"]
  ]
  for (const [id, table, key] of cases) it(id, () => assert.strictEqual(configKey(table), key))

  it("sees nested values and the difference between text and numbers", () => {
    const keys = [{ a: 1 }, { a: "1" }, { a: [1] }, { a: { b: 1 } }, { a: { b: [{ c: true }] } }].map(configKey)
    assert.strictEqual(new Set(keys).size, keys.length)
  })
})
