/** Table by table, with the result of reading the whole. */
import * as v8 from "node:v8"
import * as vm from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as Toml from "../../../src/config/format/Toml.ts"
import { split } from "../../../src/config/format/TomlBlocks.ts"
import type { Path } from "../../../src/config/format/TomlPositions.ts"
import { type Part, type Reading, TomlReader } from "../../../src/config/format/TomlReader.ts"
import { now } from "../../../src/model/Sliced.ts"
import { documents, lineEdits, mutations, soups } from "./tomlTexts.ts"

const OPTIONS = { named: ["upstreams", "locations", "plugins"] }

const makeReader = (): TomlReader => new TomlReader(OPTIONS)

const readOnce = (text: string): Reading => now(makeReader().read(text))

/** What one reader finds in one text after the other. */
const readAgain = (reader: TomlReader, text: string): Reading => {
  return now(reader.read(text))
}

const merge = (parts: ReadonlyArray<Part>): Record<string, unknown> => {
  const root: Record<string, unknown> = {}
  for (const { path, value } of parts) {
    let table = root
    for (const name of path.slice(0, -1)) table = (table[String(name)] ??= {}) as Record<string, unknown>
    const last = String(path.at(-1))
    assert.notProperty(table, last)
    table[last] = value
  }
  return root
}

/** Without prototypes, which differ between what is merged and what is parsed. */
const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== "object" || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}

const isWithin = (path: Path, part: Part): boolean => part.path.every((step, index) => path[index] === step)

/** Values, every place, every line of text: as if the document had been read as one. */
const assertReadsAsWhole = (text: string, reading: Reading): void => {
  const whole = Toml.parse(text)
  if (whole._tag === "TomlError") {
    assert.isNotEmpty(reading.errors, `accepted, although ${whole.message}`)
    const [first] = [...reading.errors].sort((a, b) => a.line - b.line || a.column - b.column)
    const { column, line, message } = first!
    assert.deepStrictEqual(
      { line, column, message },
      { line: whole.line, column: whole.column, message: whole.message }
    )
    return
  }
  assert.deepStrictEqual(reading.errors, [])
  assert.deepStrictEqual(plain(merge(reading.parts)), plain(whole.value))
  for (const path of whole.positions.paths()) {
    const part = reading.parts.find((part) => isWithin(path, part))
    // `[upstreams]` itself belongs to no table that is read on its own.
    if (part === undefined) continue
    const located = part.positions.locate(path)
    assert.deepStrictEqual(located, whole.positions.locate(path), path.join("."))
    assert.strictEqual(part.positions.lineText(located.span.line), whole.positions.lineText(located.span.line))
  }
}

describe("reading by tables", () => {
  it("gives each table with its place", () => {
    const { errors, parts } = readOnce('[basic]\nname = "x"\n[upstreams.a]\nk = 1\n[upstreams.a.sub]\nm = 2\n')
    assert.deepStrictEqual(errors, [])
    assert.deepStrictEqual(
      parts.map(({ path, value }) => [path, plain(value)]),
      [
        [["basic"], { name: "x" }],
        [["upstreams", "a"], { k: 1, sub: { m: 2 } }]
      ]
    )
    assert.deepStrictEqual(parts[1]!.positions.locate(["upstreams", "a", "sub", "m"]), {
      span: { line: 6, column: 1, length: 1 },
      exact: true
    })
  })

  it("tells every table that has a mistake, and reads the others", () => {
    const { errors, parts } = readOnce("[upstreams.a]\nk = \n[upstreams.b]\nk = 1\n[plugins.c]\n\nk = 'x\n")
    assert.deepStrictEqual(
      errors.map(({ column, line }) => [line, column]),
      [
        [2, 5],
        [7, 7]
      ]
    )
    assert.deepStrictEqual(merge(parts), { upstreams: { b: { k: 1 } } })
  })

  it.each([
    ["a key in front of the tables", "x = 1\n[upstreams.a]\nk = 1"],
    ["a dotted key", "upstreams.a.k = 1\n[upstreams.b]\nk = 2"],
    ["an inline table", "upstreams = { a = { k = 1 } }"],
    ["a table of tables", "[upstreams]\na = { k = 1 }\n[upstreams.b]\nk = 2"],
    ["a table continued elsewhere", "[upstreams.a.x]\nk = 1\n[upstreams.b]\nk = 2\n[upstreams.a.y]\nk = 3"],
    ["an unknown section", "[upstream.a]\nk = 1\n[plugins.b]\nk = 2"],
    ["an unknown section in two places", "[upstream.a]\nk = 1\n[plugins.b]\n[upstream.b]\nk = 2"],
    ["a list of tables for an unknown section", "[[upstream]]\nk = 1\n[plugins.b]\nk = 2"],
    ["a list of tables for a section", "[[upstreams]]\nk = 1\n[[upstreams]]\nk = 2"],
    ["a list of tables for a table", "[[upstreams.a]]\nk = 1\n[[upstreams.a]]\nk = 2"],
    ["a list of tables for basic", "[[basic]]\nk = 1"],
    ["a name with escapes", '[upstreams."\\u0061"]\nk = 1\n[upstreams.b]\nk = 2']
  ])("reads %s as a whole", (_, text) => {
    assertReadsAsWhole(text, readOnce(text))
  })

  it.each([
    ["the same table twice, side by side", "[upstreams.a]\nk = 1\n[upstreams.a]\nm = 2", 3],
    ["the same table twice, apart", "[upstreams.a]\nk = 1\n[upstreams.b]\n[upstreams.a]\nm = 2", 4],
    ["the same table spelt in two ways", "[upstreams.a]\n[upstreams.b]\n[upstreams.'a']", 3],
    ["a table that is a value already", "[upstreams.a]\nk = 1\n[upstreams.b]\n[upstreams.a.k]", 4],
    ["a name that could reach a prototype", "[upstreams.a]\n[upstreams.__proto__]\nk = 1", 2],
    ["a header that is not closed", "[upstreams.a]\n[upstreams.b\nk = 1", 2],
    ["a mistake in front of the tables", "x y\n[upstreams.a]\nk = 1", 1]
  ])("refuses %s", (_, text, line) => {
    assert.strictEqual(readOnce(text).errors[0]?.line, line)
    assertReadsAsWhole(text, readOnce(text))
  })

  it("gives what reading the whole gives, for valid documents", () => {
    fc.assert(
      fc.property(documents([...OPTIONS.named, "unknown", "other"]), ({ text }) =>
        assertReadsAsWhole(text, readOnce(text))
      ),
      { numRuns: 1_000 }
    )
  })

  it("gives what reading the whole gives, for texts that somebody is editing and for soups of tokens", () => {
    const texts = fc.oneof(
      {
        weight: 3,
        arbitrary: fc
          .tuple(documents([...OPTIONS.named, "unknown"]), mutations)
          .map(([{ text }, mutate]) => mutate(text))
      },
      { weight: 1, arbitrary: soups }
    )
    fc.assert(
      fc.property(texts, (text) => assertReadsAsWhole(text, readOnce(text))),
      { numRuns: 3_000 }
    )
  })

  it("gives what reading the whole gives, whatever was read before", () => {
    const edits = fc.array(fc.tuple(fc.oneof(mutations, lineEdits), fc.boolean()), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(documents([...OPTIONS.named, "unknown"]), edits, ({ text }, edits) => {
        const reader = makeReader()
        let current = text
        assertReadsAsWhole(current, readAgain(reader, current))
        for (const [edit, isUndone] of edits) {
          const edited = edit(current)
          assertReadsAsWhole(edited, readAgain(reader, edited))
          if (!isUndone) current = edited
          else assertReadsAsWhole(current, readAgain(reader, current))
        }
      }),
      { numRuns: 300 }
    )
  })

  it("keeps the objects of tables whose text is the same, while the document is valid", () => {
    fc.assert(
      fc.property(documents(OPTIONS.named), fc.array(lineEdits, { minLength: 1, maxLength: 5 }), ({ text }, edits) => {
        const reader = makeReader()
        let current = text
        let before = tableTexts(current, readAgain(reader, current))
        for (const edit of edits) {
          const edited = edit(current)
          if (Toml.parse(edited)._tag === "TomlError") continue
          current = edited
          const after = tableTexts(current, readAgain(reader, current))
          for (const [key, value] of after ?? []) {
            const known = before?.get(key)
            if (known !== undefined) assert.strictEqual(value, known, key)
          }
          before = after
        }
      }),
      { numRuns: 300 }
    )
  })
})

/** Tables by their text, or nothing when the document is not written table by table. */
const tableTexts = (text: string, { parts }: Reading): ReadonlyMap<string, unknown> | undefined => {
  const texts = new Map<string, string>()
  let last = ""
  for (const { end, header, start } of split(text)) {
    const own = text.slice(start, end)
    const parsed = Toml.parse(own)
    if (header === null || parsed._tag === "TomlError") return undefined
    if (header.length > 0) {
      const id = (header[0] === "basic" ? header.slice(0, 1) : header.slice(0, 2)).join("\n")
      // A table that goes on elsewhere.
      if (texts.has(id) && last !== id) return undefined
      texts.set(id, (texts.get(id) ?? "") + own)
      last = id
    } else if (Object.keys(parsed.value).length > 0) return undefined
  }
  const found = new Map<string, unknown>()
  for (const { path, value } of parts) {
    const own = texts.get(path.join("\n"))
    if (own === undefined) return undefined
    found.set(own, value)
  }
  return found
}

describe("after a change", () => {
  const table = (index: number, value = "1"): string => `[upstreams.u${index}]\nk = [${value}]\n`
  const document = (changed: number, value: string, count = 10): string =>
    Array.from({ length: count }, (_, index) => table(index, index === changed ? value : "1")).join("")
  const tables = ({ parts }: Reading) => new Map(parts.map(({ path, value }) => [path.join("."), value]))

  /** Names of the tables that are not the objects they were. */
  const touched = (before: Reading, after: Reading): ReadonlyArray<string> => {
    const known = tables(before)
    return Array.from(tables(after))
      .filter(([name, value]) => known.get(name) !== value)
      .map(([name]) => name)
  }

  it.each<readonly [what: string, text: string, touched: ReadonlyArray<string>]>([
    ["nothing", document(-1, ""), []],
    ["a value", document(3, "2, 3"), ["upstreams.u3"]],
    ["a comment in front", `# hello\n${document(-1, "")}`, []],
    ["a comment in a table", document(3, "1] # [x]\n#"), ["upstreams.u3"]],
    ["a new table", `${table(99)}${document(-1, "")}`, ["upstreams.u99"]],
    ["a new table with a remark in front of all", `# new\n${table(99)}${document(-1, "")}`, ["upstreams.u99"]],
    ["a new table with a blank in front of all", ` ${table(99)}${document(-1, "")}`, ["upstreams.u99"]],
    ["a table less", document(-1, "").replace(table(4), ""), []],
    ["an unknown section", `[upstream.x]\nk = 1\n[[strange.list]]\n${document(-1, "")}`, ["upstream", "strange"]],
    ["the order", Array.from({ length: 10 }, (_, index) => table(9 - index)).join(""), []]
  ])("of %s, every other table is the same object", (_, text, expected) => {
    const reader = makeReader()
    const before = readAgain(reader, document(-1, ""))
    const after = readAgain(reader, text)
    assert.deepStrictEqual(touched(before, after), expected)
    assertReadsAsWhole(text, after)
  })

  it("that broke a table, the others are the same objects, and so is that one when it is put back at once", () => {
    const reader = makeReader()
    const before = readAgain(reader, document(-1, ""))
    const broken = readAgain(reader, document(3, "?"))
    assert.deepStrictEqual(
      broken.errors.map(({ line }) => line),
      [8]
    )
    assert.deepStrictEqual(touched(before, broken), [])
    assert.deepStrictEqual(touched(before, readAgain(reader, document(-1, ""))), ["upstreams.u3"])
  })

  it("of one document, those of the others are the same objects", () => {
    const reader = makeReader()
    const read = (...texts: ReadonlyArray<string>): ReadonlyArray<Reading> => {
      return texts.map((text, index) => now(reader.read(text, `${index}.toml`)))
    }
    const [first] = read(table(1), table(2))
    const [moved] = read(table(1), table(3))
    assert.deepStrictEqual(touched(first!, moved!), [])
  })

  it("a mistake moves with its table", () => {
    const reader = makeReader()
    const line = (text: string): number | undefined => readAgain(reader, text).errors[0]?.line
    const broken = "[upstreams.x]\nk = ?\n"
    assert.deepStrictEqual([line(broken), line(`\n\n${broken}`), line(`${document(-1, "")}${broken}`)], [2, 4, 22])
  })

  it("long documents are read with pauses", () => {
    let pauses = 0
    const reading = makeReader().read(document(-1, "", 1_000))
    while (reading.next().done !== true) pauses++
    assert.isAtLeast(pauses, 20)
  })
})

describe("memory", () => {
  /** Bytes in use after everything unused has gone. */
  const inUse = (): number => {
    v8.setFlagsFromString("--expose-gc")
    const collect = vm.runInNewContext("gc") as () => void
    collect()
    collect()
    return process.memoryUsage().heapUsed
  }

  const MEGABYTE = 1024 * 1024

  it("holds no document but the last one, however long a table stays as it is", () => {
    const reader = makeReader()
    const stable = Array.from({ length: 200 }, (_, index) => `[upstreams.s${index}]\naddrs = ["10.0.0.${index}:80"]\n`)
    // The table that changes is large: what keeps an old document in memory keeps half a megabyte.
    const text = (round: number): string =>
      `${stable.slice(0, 100 + (round % 100)).join("")}[plugins.big]\n# ${round}\nvalue = "${"x".repeat(MEGABYTE / 2)}"\n`
    let reading = readAgain(reader, text(0))
    const before = inUse()
    for (let round = 1; round <= 200; round++) reading = readAgain(reader, text(round))
    const grown = inUse() - before
    assert.strictEqual(reading.errors.length, 0)
    // 200 documents would be 100 MB.
    assert.isBelow(grown, 8 * MEGABYTE)
  })
})
