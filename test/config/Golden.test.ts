/**
 * Golden cases of diagnostics, `test/golden/config/<case>.txt`: documents, each below a line `==== <file>`, then a
 * line `----`, then what is printed. `UPDATE_GOLDEN=1` writes the last part anew; read the difference before keeping
 * it.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { formatAll } from "../../src/config/Diagnostic.ts"
import { decode, type RawDocument } from "../../src/config/Snapshot.ts"

const folder = join(import.meta.dirname, "../golden/config")

const documentsOf = (input: string): ReadonlyArray<RawDocument> =>
  input
    .split(/^==== /m)
    .slice(1)
    .map((part) => {
      const end = part.indexOf("\n")
      return { file: part.slice(0, end), text: part.slice(end + 1) }
    })

const print = (documents: ReadonlyArray<RawDocument>): string => {
  const result = decode(documents)
  if (Result.isFailure(result)) return formatAll(result.failure)
  return result.success.warnings.length === 0 ? "ok" : formatAll(result.success.warnings)
}

describe("golden diagnostics", () => {
  const files = readdirSync(folder).filter((file) => file.endsWith(".txt"))
  it("are many", () => {
    assert.isAtLeast(files.length, 15)
  })

  it.each(files)("%s", (file) => {
    const path = join(folder, file)
    const [input = "", expected = ""] = readFileSync(path, "utf8").split(/^----\n/m)
    const printed = `${print(documentsOf(input))}\n`
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, `${input}----\n${printed}`)
    else assert.strictEqual(printed, expected)
  })
})
