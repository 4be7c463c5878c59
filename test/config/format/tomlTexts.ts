/**
 * TOML texts for property tests: documents written table by table with everything that could be taken for a table
 * header, broken ones, and soups of tokens.
 */
import fc from "fast-check"

/** A generated document, with the headers that were written into it. */
export interface Written {
  readonly text: string
  /** Those of the tables, in order, as `a.b` or `[a.b]` for elements of lists, with every name in JSON quotes. */
  readonly headers: ReadonlyArray<string>
}

export const headerText = (names: ReadonlyArray<string>, element: boolean): string => {
  const path = names.map((name) => JSON.stringify(name)).join(".")
  return element ? `[${path}]` : path
}

/** What stands inside of values and looks like something else. */
const traps: fc.Arbitrary<string> = fc.constantFrom(
  "",
  "x",
  "[upstreams.trap]",
  "[[trap]]",
  "# no comment",
  "key = 1",
  "]",
  "}",
  "{ [",
  "é 漢 🙂",
  ",",
  "="
)

const basicString = traps.chain((trap) =>
  fc.constantFrom(`"${trap}"`, `"\\"${trap}"`, `"${trap}\\\\"`, `"\\"[\\"${trap}\\u0022"`)
)
const literalString = traps.map((trap) => `'${trap}'`)

/** Strings of several lines; the line end of the document is put in later. */
const lines = fc.array(traps, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("\n"))
const basicLines = lines.chain((text) =>
  fc.constantFrom(
    `"""${text}"""`,
    `"""\n${text}\n"""`,
    `"""${text}"" """`,
    `"""${text}"""""`,
    `"""""${text} """`,
    `"""${text}\\""" \\""""`,
    `"""${text}\\\\"""`,
    `"""${text} \\\n   [continued.line]"""`
  )
)
const literalLines = lines.chain((text) =>
  fc.constantFrom(`'''${text}'''`, `'''\n${text}\n'''`, `'''${text}\\'''`, `''''${text} '''''`)
)

const scalar = fc.oneof(
  fc.constantFrom("1", "-0", "0x1F", "1_000", "1.5e3", "nan", "true", "1979-05-27T07:32:00Z", "07:32:00", "1979-05-27"),
  basicString,
  literalString,
  basicLines,
  literalLines
)

const glue = fc.constantFrom(" ", "\n", "\n# ] in a comment, [x]\n", "\n\n  ", "")

const value: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    fc
      .tuple(fc.array(tie("value"), { maxLength: 3 }), glue)
      .map(([items, between]) => `[${between}${items.join(`,${between}`)}${between}]`),
    fc.array(tie("value"), { maxLength: 3 }).map((items) => {
      const pairs = items.map((item, index) => `${index === 1 ? `"k [" . x` : `k${index}`} = ${item}`)
      return `{ ${pairs.join(", ")} }`
    })
  )
})).value

const spelledKey = (index: number): fc.Arbitrary<string> =>
  fc.constantFrom(`k${index}`, `"k ${index}"`, `'[k.${index}]'`, `"k${index} = [\\""`, `d${index}.'e = f'.g`)

const comment = fc.constantFrom("", " # [comment.ed]", "\t# x = '''", ' # """ [')

const pair = (index: number): fc.Arbitrary<string> =>
  fc
    .tuple(spelledKey(index), fc.constantFrom(" = ", "=", "\t=  "), value, comment, fc.constantFrom("", "  ", "\t"))
    .map(([key, equals, written, remark, indent]) => `${indent}${key}${equals}${written}${remark}`)

const filler = fc.constantFrom("", "# comment", "  # [not.a.table]", "#[[nor.this]]", '# """', "# it's")

const body: fc.Arbitrary<ReadonlyArray<string>> = fc
  .array(fc.boolean(), { maxLength: 4 })
  .chain((kinds) => fc.tuple(...kinds.map((isPair, index) => (isPair ? pair(index) : filler))))

/** A name and how it is written. */
const names = fc.constantFrom<readonly [name: string, written: string]>(
  ["a", "a"],
  ["b-1_", "b-1_"],
  ["a.b", '"a.b"'],
  ["a]", "'a]'"],
  ["#", '"#"'],
  ["it's", `"it's"`],
  ['"', `'"'`],
  ["", '""'],
  ["1", "1"],
  ["漢", '"漢"']
)

interface Table {
  readonly names: ReadonlyArray<string>
  readonly element: boolean
  readonly lines: ReadonlyArray<string>
}

const header = (path: ReadonlyArray<readonly [string, string]>, element: boolean): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom("", " ", "\t"), fc.constantFrom("", " "), comment).map(([indent, blank, remark]) => {
    const text = path.map(([, written]) => written).join(`${blank}.${blank}`)
    return `${indent}${element ? "[[" : "["}${blank}${text}${blank}${element ? "]]" : "]"}${remark}`
  })

const table = (path: ReadonlyArray<readonly [string, string]>, element = false): fc.Arbitrary<Table> =>
  fc
    .tuple(header(path, element), body)
    .map(([first, rest]) => ({ names: path.map(([name]) => name), element, lines: [first, ...rest] }))

/** A table of a section with what belongs to it: tables below, lists of tables. */
const item = (section: string): fc.Arbitrary<ReadonlyArray<Table>> =>
  names.chain((name) => {
    const path = [[section, section] as const, name]
    return fc
      .tuple(
        table(path),
        fc.option(table([...path, ["sub [", "'sub ['"]]), { nil: null }),
        fc.array(table([...path, ["list", "list"]], true), { maxLength: 2 })
      )
      .map(([own, below, list]) => [own, ...(below === null ? [] : [below]), ...list])
  })

const documentOf = (prefix: string, tables: ReadonlyArray<Table>, bom: string, eol: string, end: string): Written => ({
  // Line ends inside of strings are those of the file, as an editor would write them.
  text: bom + [prefix, ...tables.flatMap(({ lines }) => lines)].join("\n").replaceAll("\n", eol) + end,
  headers: tables.map(({ element, names }) => headerText(names, element))
})

const around = {
  prefix: fc.constantFrom("# a file", "", "\n\n# [x]"),
  bom: fc.constantFrom("", "\ufeff"),
  eol: fc.constantFrom("\n", "\r\n"),
  end: fc.constantFrom("", "\n", "\n\n# end")
}

/** Valid documents, written table by table, whose sections are `sections` and `basic`. */
export const documents = (sections: ReadonlyArray<string>): fc.Arbitrary<Written> =>
  fc
    .record({
      ...around,
      basic: fc.option(table([["basic", "basic"]]), { nil: null }),
      items: fc.uniqueArray(fc.constantFrom(...sections).chain(item), {
        maxLength: 5,
        selector: (tables) => headerText(tables[0]!.names, false)
      })
    })
    .map(({ basic, bom, end, eol, items, prefix }) =>
      documentOf(prefix, [...(basic === null ? [] : [basic]), ...items.flat()], bom, eol, end)
    )

/** What people do to a text while they edit it. */
export const mutations: fc.Arbitrary<(text: string) => string> = fc
  .array(
    fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      remove: fc.constantFrom(0, 0, 1, 1, 2, 10),
      insert: fc.oneof(
        fc.constantFrom('"', "'", "[", "]", "\n", '"""', "'''", "=", "#", "{", "}", ",", ".", "\\", " ", "\r", "\0"),
        fc.constantFrom("\n[upstreams.a]\n", "\nx = 1\n", "\nx = [\n", '\nx = "\n', "[", "\n[[basic]]\n", "\n]\n", "")
      )
    }),
    { minLength: 1, maxLength: 3 }
  )
  .map((edits) => (text: string) => {
    let edited = text
    for (const { at, insert, remove } of edits) {
      const place = Math.floor(at * edited.length)
      edited = edited.slice(0, place) + insert + edited.slice(place + remove)
    }
    return edited
  })

/** What people do to the lines of a text: take out, move, double, write one. */
export const lineEdits: fc.Arbitrary<(text: string) => string> = fc
  .record({
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    count: fc.constantFrom(1, 1, 1, 2, 5),
    to: fc.double({ min: 0, max: 1, noNaN: true }),
    kind: fc.constantFrom("remove", "move", "copy", "write"),
    line: fc.constantFrom(
      "[upstreams.new]",
      "[upstreams.a]",
      "[upstreams.a.sub]",
      "[[upstreams.a.list]]",
      "[basic]",
      "[strange]",
      "k9 = 1",
      'k9 = """',
      "k9 = [",
      "]",
      "# remark",
      ""
    )
  })
  .map(({ count, from, kind, line, to }) => (text: string) => {
    const lines = text.split("\n")
    const start = Math.floor(from * lines.length)
    const taken = lines.slice(start, start + count)
    if (kind === "remove" || kind === "move") lines.splice(start, count)
    const place = Math.floor(to * lines.length)
    if (kind === "move" || kind === "copy") lines.splice(place, 0, ...taken)
    if (kind === "write") lines.splice(place, 0, line)
    return lines.join("\n")
  })

/** Tokens without any order. */
export const soups: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.constantFrom("[", "]", "[[", "]]", "{", "}", "=", ",", ".", "#", "\\", '"', "'", '"""', "'''", "\n", "\r\n"),
      fc.constantFrom(" ", "\t", "a", "b", "1", "[a]", "[a.b]", "[[a]]", '["a.b"]', "k = 1", '\\"', "\ufeff", "\0"),
      fc.string({ unit: "binary", maxLength: 3 })
    ),
    { maxLength: 40 }
  )
  .map((tokens) => tokens.join(""))
