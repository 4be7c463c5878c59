import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { stringify } from "smol-toml"
import * as Toml from "../../../src/config/format/Toml.ts"
import type { Path } from "../../../src/config/format/TomlPositions.ts"

const parsed = (text: string): Toml.TomlDocument => {
  const document = Toml.parse(text)
  assert(document._tag === "TomlDocument", document._tag === "TomlError" ? document.message : "")
  return document
}

const refused = (text: string): Toml.TomlError => {
  const error = Toml.parse(text)
  assert(error._tag === "TomlError")
  return error
}

/** Every path of a parsed value, as {@link Positions.paths} lists them. */
const pathsOf = (value: unknown, path: Path = []): Array<Path> => {
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => [[...path, index], ...pathsOf(item, [...path, index])])
  }
  if (typeof value !== "object" || value === null || value instanceof Date) return []
  return Object.entries(value).flatMap(([key, item]) => [[...path, key], ...pathsOf(item, [...path, key])])
}

const sorted = (paths: ReadonlyArray<Path>): Array<string> => paths.map((path) => JSON.stringify(path)).sort()

describe("positions", () => {
  const text = [
    "# comment = 1",
    'title = "a # b = c"',
    "server.addr = '[x]'",
    "",
    "[upstreams.api]",
    "  addrs = [ # first = 1",
    '    "10.0.0.1", "10.0.0.2",',
    "    '''ten = 10''',",
    "  ]",
    '  "quoted \\u0041" = { inner.deep = 1, other = [[1, 2], [{ x = 07:32:00 }]] }',
    'text = """',
    "[not.a.table]",
    'x = "1" \\""" """',
    "when = 1979-05-27 07:32:00Z # = 1",
    "[[rules]]",
    "a = 1",
    "[rules.sub]",
    "b = 2",
    "[[rules]]",
    "[rules.sub]",
    "b = 3"
  ].join("\n")

  const places: ReadonlyArray<readonly [Path, number, number, number]> = [
    [["title"], 2, 1, 5],
    [["server"], 3, 1, 6],
    [["server", "addr"], 3, 8, 4],
    [["upstreams", "api"], 5, 12, 3],
    [["upstreams", "api", "addrs"], 6, 3, 5],
    [["upstreams", "api", "addrs", 0], 7, 5, 10],
    [["upstreams", "api", "addrs", 1], 7, 17, 10],
    [["upstreams", "api", "addrs", 2], 8, 5, 14],
    [["upstreams", "api", "quoted A"], 10, 3, 15],
    [["upstreams", "api", "quoted A", "inner", "deep"], 10, 29, 4],
    [["upstreams", "api", "quoted A", "other", 1, 0, "x"], 10, 59, 1],
    [["upstreams", "api", "text"], 11, 1, 4],
    [["upstreams", "api", "when"], 14, 1, 4],
    [["rules", 0, "sub", "b"], 18, 1, 1],
    [["rules", 1, "sub", "b"], 21, 1, 1]
  ]
  it.each(places)("%j stands at %d:%d", (path, line, column, length) => {
    const located = parsed(text).positions.locate(path)
    assert.deepStrictEqual(located, { span: { line, column, length }, exact: true })
  })

  it("gives the header of the table for a missing key", () => {
    const located = parsed(text).positions.locate(["upstreams", "api", "sni"])
    assert.deepStrictEqual(located, { span: { line: 5, column: 12, length: 3 }, exact: false })
  })

  it("prefers a table's own header over a longer one before it", () => {
    const { positions } = parsed("[a.b.c]\n[a.b]\n[a]\n")
    assert.deepStrictEqual(positions.locate(["a", "b"]).span, { line: 2, column: 4, length: 1 })
    assert.deepStrictEqual(positions.locate(["a"]).span, { line: 3, column: 2, length: 1 })
  })

  it("counts lines with CR LF, a byte order mark and no end of file", () => {
    const { positions } = parsed("\ufeff[a]\r\n# x\r\nb = 1")
    assert.deepStrictEqual(positions.locate(["a", "b"]).span, { line: 3, column: 1, length: 1 })
    assert.strictEqual(positions.lineText(2), "# x")
  })

  it.each([
    ["value = '''\na = 1\nb = 2'''", 3, 1],
    ["value = '''a = 1\nb = 2'''", 2, 1],
    ["\nvalue = '''b = 2'''", 2, 12],
    ['value = """\na = 1\nb = 2"""', 3, 1],
    ['value = """\na = "\\\\"\nb = 2"""', 1, 1],
    ['value = "b = 2"', 1, 1]
  ])("finds a line inside the string of %j", (text, line, column) => {
    const document = parsed(text)
    const value = String(document.value["value"])
    const inner = value.split("\n").findIndex((inner) => inner.startsWith("b")) + 1
    const span = document.positions.inside(["value"], inner, 1)
    assert.deepStrictEqual([span.line, span.column], [line, column])
  })

  it("has the keys that the parser found, for values of any shape", () => {
    const keys = fc
      .oneof(fc.stringMatching(/^[a-z0-9_-]{1,6}$/), fc.string({ maxLength: 6, unit: "binary" }))
      .filter((key) => key !== "__proto__" && key !== "constructor")
    const values = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        fc.oneof(
          fc.integer(),
          fc.boolean(),
          fc.string({ unit: "binary" }),
          fc.constantFrom("]", "a = 1", "'''", '"""', "#")
        ),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(keys, tie("value"), { maxKeys: 4 })
      )
    }))
    fc.assert(
      fc.property(fc.dictionary(keys, values.value, { maxKeys: 6 }), (value) => {
        const document = Toml.parse(stringify(value))
        // smol-toml writes some texts that it does not read, such as lone surrogates.
        if (document._tag === "TomlError") return
        assert.deepStrictEqual(sorted(document.positions.paths()), sorted(pathsOf(document.value)))
      }),
      { numRuns: 500 }
    )
  })

  it("has the keys that the parser found, for lines in any order", () => {
    const line = fc.constantFrom(
      "[a]",
      "[a.b]",
      "[a . 'b' . \"c\"]",
      "[[t]]",
      "[[t.u]]",
      "[t.v]",
      "[x.y.z]",
      "k = 1",
      "l.m = 'q'",
      "'l' . n = [1, 2]",
      "i = { a = 1, b.c = [ { d = 2 } ] }",
      "j = { }",
      "n = [ [ 1 ], [ ], # ]\n 'x' ]",
      's = """\n[no]\nk = 1 \\" """',
      "o = '''it''s'''''",
      'p = """"a"""""',
      "q = 1979-05-27T07:32:00Z",
      "r = -1.5e3 # [c]",
      "# [comment]",
      "",
      "u = { v = \"}\", w = ',' }",
      '"" = 0',
      "1.2 = 3"
    )
    const documents = fc.array(line, { maxLength: 12 })
    fc.assert(
      fc.property(documents, fc.constantFrom("\n", "\r\n"), (lines, end) => {
        const document = Toml.parse(lines.join(end))
        if (document._tag === "TomlError") return
        assert.deepStrictEqual(sorted(document.positions.paths()), sorted(pathsOf(document.value)))
      }),
      { numRuns: 5_000 }
    )
  })

  it("puts every key of a table at text that spells it", () => {
    const { positions } = parsed(text)
    const lines = text.split("\n")
    for (const path of positions.paths()) {
      const key = path.at(-1)!
      if (typeof key === "number" || key === "quoted A") continue
      const { line, column, length } = positions.locate(path).span
      assert.strictEqual(lines[line - 1]!.slice(column - 1, column - 1 + length), key)
    }
  })
})

describe("Toml.parse refuses", () => {
  it.each([
    ["a = 1\nb =\n", 2, 4, "invalid value"],
    ["a = 1\n  b 2\n", 2, 5, "illegal character in key"],
    ["a = 1\na = 2\n", 2, 1, "trying to redefine an already defined table or value"],
    ['a = "x', 1, 5, "unfinished string"],
    ['a = "x\nb = 1', 1, 7, "string is not closed on its line"],
    ["a = 'x\r\nb = 1", 1, 7, "string is not closed on its line"],
    ["[a]\n[a]\n", 2, 2, "trying to redefine an already defined table or value"],
    ["[a]\n__proto__ = 1\n", 2, 1, "the keys __proto__ and constructor are not allowed"],
    ["[a.constructor]\n", 1, 2, "the keys __proto__ and constructor are not allowed"],
    ["a = { x = 1, __proto__ = {} }\n", 1, 14, "the keys __proto__ and constructor are not allowed"],
    ['a = "x\0y"', 1, 7, "control characters are not allowed in strings"],
    ["# \0", 1, 3, "control characters are not allowed in comments"],
    ["a = 9007199254740993", 1, 5, "integer value cannot be represented losslessly"]
  ])("%j at %d:%d: %s", (text, line, column, message) => {
    const error = refused(text)
    assert.deepStrictEqual([error.line, error.column, error.message], [line, column, message])
  })

  it.each([
    ["arrays", `a = ${"[".repeat(10_000)}${"]".repeat(10_000)}`],
    ["inline tables", `a = ${"{a=".repeat(10_000)}1${"}".repeat(10_000)}`],
    ["a header", `[${"a.".repeat(10_000)}a]`],
    ["a dotted key", `${"a.".repeat(10_000)}a = 1`],
    ["a header with dotted keys", `[${"a.".repeat(50)}a]\n${"b.".repeat(50)}b = 1`]
  ])("ten thousand levels of %s", (_, text) => {
    const error = refused(text)
    assert.strictEqual(error.message, "tables are nested deeper than 64 levels")
    assert.strictEqual(error.line, text.includes("\n") ? 2 : 1)
  })

  it("or reads any text, and never throws", () => {
    const texts = fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[a-c=.[\]{}"'#\n,1 \\]*$/))
    fc.assert(
      fc.property(texts, (text) => {
        const result = Toml.parse(text)
        return result._tag === "TomlDocument" || (result.line >= 1 && result.column >= 1)
      }),
      { numRuns: 5_000 }
    )
  })
})

describe("cost", () => {
  it("reads twenty thousand tables in far less than a second a megabyte", () => {
    const table = (i: number) => `[locations.l${i}]\nupstream = "u${i}"\npath = "/p${i}"\nplugins = ["a", "b"]\n`
    const text = Array.from({ length: 20_000 }, (_, i) => table(i)).join("\n")
    const start = performance.now()
    const { positions } = parsed(text)
    assert.deepStrictEqual(positions.locate(["locations", "l19999", "path"]).span.line, 5 * 19_999 + 3)
    assert.isBelow(performance.now() - start, 4_000)
  })
})
