/** Where a text is cut: at the table headers that a TOML parser sees, and nowhere else. */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as Toml from "../../../src/config/format/Toml.ts"
import { type Block, blocks, split } from "../../../src/config/format/TomlBlocks.ts"
import { documents, headerText, mutations, soups } from "./tomlTexts.ts"

const SECTIONS = ["upstreams", "locations", "plugins"]

const headersOf = (found: ReadonlyArray<Block>): ReadonlyArray<string> =>
  found.slice(1).map(({ element, header }) => (header === null ? "unreadable" : headerText(header, element)))

const textsOf = (text: string): ReadonlyArray<string> => split(text).map(({ end, start }) => text.slice(start, end))

/** No gaps, every block on a line of its own, every line counted. */
const assertCovers = (text: string, found: ReadonlyArray<Block>): void => {
  let end = 0
  for (const [index, block] of found.entries()) {
    assert.strictEqual(block.start, end)
    assert.isAtLeast(block.end, block.start)
    end = block.end
    assert.strictEqual(block.linesBefore, text.slice(0, block.start).split("\n").length - 1)
    if (index === 0) assert.deepStrictEqual([block.header, block.element], [[], false])
    else {
      // A byte order mark belongs to the first line.
      const line = text.slice(block.start, block.end).replace(/^\ufeff/, "")
      assert.match(line, /^[ \t\r]*\[/)
      assert.isTrue(block.start === 0 || text[block.start - 1] === "\n")
    }
  }
  assert.strictEqual(end, text.length)
}

describe("the cut", () => {
  it("is at the beginning of each header's line", () => {
    assert.deepStrictEqual(textsOf("# x\n[a.b] # y\nk = 1\n\n  [ a . 'c' ]\n[[d]]\n"), [
      "# x\n",
      "[a.b] # y\nk = 1\n\n",
      "  [ a . 'c' ]\n",
      "[[d]]\n"
    ])
  })

  it.each<readonly [text: string, headers: ReadonlyArray<string>]>([
    ["", []],
    ["\ufeff[a]", ['"a"']],
    ["[a]\r\n[b]\r\n", ['"a"', '"b"']],
    ['["a.b".\'c]\'."#"]', ['"a.b"."c]"."#"']],
    ["[[a]]\n[a.b]\n[[a.c]]", ['["a"]', '"a"."b"', '["a"."c"]']],
    ["k = [\n  [1],\n[2],\n]\n[a]", ['"a"']],
    ["k = [ # ]\n[x]\n]\n[a]", ['"a"']],
    ['k = { a = [\n"]"\n], b = "[" }\n[a]', ['"a"']],
    ['k = """\n[x]\n"""\n[a]', ['"a"']],
    ['k = """\\"""\n[x]\n"""\n[a]', ['"a"']],
    ['k = """\\\\"""\n[a]', ['"a"']],
    ['k = """"""\n[a]', ['"a"']],
    ['k = """a"""""\n[a]', ['"a"']],
    ["k = '''\n[x]\\'''\n[a]", ['"a"']],
    ["k = '''a'''''\n[a]", ['"a"']],
    ["k = ''\n[a]", ['"a"']],
    ['k = "\\"[x]"\n[a]', ['"a"']],
    ['"" = 1\n"[k" = 2\n\'"""\' = 3\n[a]', ['"a"']],
    ['a."]\\"=".b = """\n[x]"""\n[a]', ['"a"']],
    ['# """\n[a] # """\n# \'\'\'\n[b]', ['"a"', '"b"']],
    ['["\\u0061"]\n[b]', ["unreadable", '"b"']],
    ["[a\n[b]", ["unreadable", '"b"']],
    ['["a\n[b]', ["unreadable", '"b"']],
    ["[]\n[[b]\n[a..b]\n[a b]", ["unreadable", "unreadable", "unreadable", "unreadable"]]
  ])("of %j", (text, headers) => {
    const found = split(text)
    assertCovers(text, found)
    assert.deepStrictEqual(headersOf(found), headers)
  })

  it("ends at a string that is not closed on its line, escaped or not", () => {
    assert.deepStrictEqual(headersOf(split('k = "x\n[a]\nk = "x\\\n[b]\nk = "x\\\r\n[c]')), ['"a"', '"b"', '"c"'])
  })

  it("comes one block after the other", () => {
    const found = blocks("[a]\n[b]\n[c]")
    assert.deepStrictEqual(found.next().value?.header, [])
    assert.deepStrictEqual(found.next().value?.header, ["a"])
  })
})

describe("any text", () => {
  it("has the headers that were written into it", () => {
    fc.assert(
      fc.property(documents(SECTIONS), ({ headers, text }) => {
        const parsed = Toml.parse(text)
        assert(parsed._tag === "TomlDocument", parsed._tag === "TomlError" ? `${parsed.message}\n${text}` : "")
        const found = split(text)
        assertCovers(text, found)
        assert.deepStrictEqual(headersOf(found), headers)
      }),
      { numRuns: 1_000 }
    )
  })

  it("has only headers that the parser finds, each readable by itself, when the parser accepts it", () => {
    const texts = fc.oneof(
      soups,
      fc.tuple(documents(SECTIONS), mutations).map(([{ text }, mutate]) => mutate(text))
    )
    fc.assert(
      fc.property(texts, (text) => {
        const whole = Toml.parse(text)
        if (whole._tag === "TomlError") return
        for (const { end, header, start } of split(text)) {
          const part = Toml.parse(text.slice(start, end))
          assert.strictEqual(part._tag, "TomlDocument", text.slice(start, end))
          if (header !== null) assert.isTrue(whole.positions.locate(throughLists(whole.value, header)).exact)
        }
      }),
      { numRuns: 3_000 }
    )
  })

  it("is covered without gaps, whatever it is", () => {
    const texts = fc.oneof(
      soups,
      fc.string({ unit: "binary" }),
      fc.tuple(documents(SECTIONS), mutations).map(([{ text }, mutate]) => mutate(text))
    )
    fc.assert(
      fc.property(texts, (text) => assertCovers(text, split(text))),
      { numRuns: 3_000 }
    )
  })

  it("takes time in proportion to its length", () => {
    const millis = (text: string): number => {
      const started = performance.now()
      split(text)
      return performance.now() - started
    }
    for (const piece of ['"', "'", "[", "[[", '\\"""', "k = [", "a.", '"""\\', "{", "#", "k = '''", "\n\n[", '["a".']) {
      // A quadratic scan of half a million characters takes minutes.
      assert.isBelow(millis(piece.repeat(500_000 / piece.length)), 1_000, piece)
      assert.isBelow(millis(`k = """${piece.repeat(500_000 / piece.length)}`), 1_000, `string of ${piece}`)
    }
  })
})

/** A header below a list of tables means the last of them: its path in the value has indexes. */
const throughLists = (root: unknown, header: ReadonlyArray<string>): ReadonlyArray<string | number> => {
  const path: Array<string | number> = []
  let value = root
  for (const name of header) {
    path.push(name)
    value = (value as Record<string, unknown>)[name]
    if (Array.isArray(value)) {
      path.push(value.length - 1)
      value = value.at(-1)
    }
  }
  return path
}
