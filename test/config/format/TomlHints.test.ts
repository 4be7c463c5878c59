import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { decode } from "../../../src/config/Snapshot.ts"

const hint = (line: string): string | undefined => {
  const result = decode([{ file: "a.toml", text: `[basic]\n${line}\n` }])
  assert(Result.isFailure(result), "the text was accepted")
  return result.failure[0]!.hint
}

describe("the remedy for a line that is no TOML", () => {
  it.each([
    ["name = “edge”", "the quotes are typographic ones: write \" or '"],
    ["log_format_json = True", "write true"],
    ["log_format_json = off  # for now", "write false"],
    ["name: edge", "a key and its value are joined by =, not by :"],
    ["upstream {", "a table begins with its name in brackets, such as [upstreams.name]"],
    ['name = "edge";', "a line ends without ;"],
    ["// a remark", "a remark begins with #"],
    ["name = edge", "text needs quotes"],
    ["grace_period = 10s", "a value with a unit needs quotes"],
    ["name =", "the value is missing"]
  ])("%s: %s", (line, expected) => {
    assert.strictEqual(hint(line), expected)
  })

  it.each(['name = "edge', "name", "[basic]", 'name = "a"\nname = "b"', "= 1"])("is not known for %s", (line) => {
    assert.isUndefined(hint(line))
  })
})
