import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Levels from "../../src/log/Levels.ts"

const lowest = (texts: ReadonlyArray<string | undefined>, category?: string): string => {
  const levels = Levels.compile(texts)
  return (
    (["trace", "debug", "info", "warn", "error"] as const).find((level) => levels.isEnabled(level, category)) ?? "off"
  )
}

describe("log levels", () => {
  for (const [texts, category, expected] of [
    [[], undefined, "info"],
    [[undefined, ""], "proxy", "info"],
    [["warn"], undefined, "warn"],
    [["WARN"], "proxy", "warn"],
    [["off"], "proxy", "off"],
    [["debug", "error"], "proxy", "error"],
    [["debug", ""], "proxy", "debug"],
    [["info,proxy=debug"], "proxy", "debug"],
    [["info,proxy=debug"], "upstream", "info"],
    [["info,proxy=debug"], undefined, "info"],
    [["info,pingap::proxy=debug"], "proxy", "debug"],
    [["main::admin=trace, warn"], "admin", "trace"],
    [["proxy"], "proxy", "trace"],
    [["pingap::proxy=debug", "error"], "proxy", "debug"],
    [["tls=warn,tls::acme=debug"], "tls::acme", "debug"],
    [["tls=warn"], "tls::acme", "warn"],
    [["tls=warn"], "tlsish", "info"],
    [["pingap=debug"], undefined, "debug"]
  ] as const) {
    it(`${JSON.stringify(texts)} for ${category ?? "no category"} is ${expected}`, () => {
      assert.strictEqual(lowest(texts, category), expected)
    })
  }

  it("hands back what is no directive and keeps the rest", () => {
    const levels = Levels.compile(["debug,proxy=loud,a=b=info,x y,[span]=info"])
    assert.deepStrictEqual(levels.rejected, ["proxy=loud", "a=b=info", "x y", "[span]=info"])
    assert.isTrue(levels.isEnabled("debug", "proxy"))
  })

  it("any text compiles", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, category) => {
        assert.isBoolean(Levels.compile([text]).isEnabled("info", category))
      })
    )
  })
})

describe("check", () => {
  it.each([
    ["", []],
    ["info,upstream=debug,proxy", []],
    ["debgu", ['"debgu" is taken for a stage, did you mean "debug"?']],
    ["info,a=b=c", ['"a=b=c" is ignored']]
  ])("%j: %j", (text, problems) => {
    assert.deepStrictEqual(Levels.check(text), problems)
  })
})
