/**
 * Right configurations, spoilt in every way that people spoil them, one mistake at a time: the finding must stand at the
 * line and key of the mistake and, for a misspelt word, name the word that was meant. What is generated is the same in
 * every run.
 */
import { assert, describe, it } from "@effect/vitest"
import { KNOWN_KEYS, NAMED_SECTIONS } from "../../src/config/ConfigSchema.ts"
import { type Diagnostic, format, formatPath } from "../../src/config/Diagnostic.ts"
import type { RawDocument } from "../../src/config/Draft.ts"
import { generate, type JsonSchema } from "../../src/config/JsonSchema.ts"
import { builtins, notThereYet } from "../../src/plugin/builtin/index.ts"
import { conf, examples, findingsOf } from "../fixtures/config/Fixtures.ts"

// ---- the material

/** A `key = value` line of a right configuration. */
interface Pair {
  readonly base: ReadonlyArray<RawDocument>
  readonly document: RawDocument
  /** Counts from 1. */
  readonly line: number
  readonly header: Header
  readonly key: string
  /** What stands behind the equals sign. */
  readonly value: string
}

interface Header {
  readonly base: ReadonlyArray<RawDocument>
  readonly document: RawDocument
  readonly line: number
  readonly section: string
  /** Empty for `[basic]`. */
  readonly name: string
  /** Category of a plugin. */
  category: string
}

const bases: ReadonlyArray<ReadonlyArray<RawDocument>> = [conf, ...examples.map((document) => [document])]

const headers: Array<Header> = []
const pairs: Array<Pair> = []

const readLines = (base: ReadonlyArray<RawDocument>, document: RawDocument): void => {
  let header: Header | undefined
  let isInside = false
  for (const [index, text] of document.text.split("\n").entries()) {
    const line = index + 1
    const [, section, name = ""] = /^\[(\w+)(?:\.(.+))?\]$/.exec(text) ?? []
    const [, key, value] = /^(\w+) = (.*?)(?: #.*)?$/.exec(text) ?? []
    // The text of a storage is TOML of its own.
    if (isInside) isInside = !text.includes("'''")
    else if (section !== undefined) {
      headers.push((header = { base, document, line, section, name, category: "" }))
    } else if (value?.endsWith("'''")) isInside = true
    else if (header !== undefined && key !== undefined && value !== undefined) {
      if (header.section === "plugins" && key === "category") header.category = value.slice(1, -1)
      pairs.push({ base, document, line, header, key, value })
    }
  }
}

for (const base of bases) for (const document of base) readLines(base, document)

/** The first of those that have the same id. */
const firstOf = <T>(values: ReadonlyArray<T>, id: (value: T) => string): ReadonlyArray<T> => [
  ...new Map([...values].reverse().map((value) => [id(value), value])).values()
]

/** Keys that every plugin has. */
const COMMON = ["category", "step", "remark"]

/** Pairs with another key each; the options of plugins count by category. */
const distinct = firstOf(pairs, ({ header: { category, section }, key }) =>
  COMMON.includes(key) ? `${section} ${key}` : `${section} ${category} ${key}`
)

const definitions = generate(builtins, notThereYet)["$defs"] as Readonly<
  Record<string, { readonly properties: Readonly<Record<string, JsonSchema>> }>
>
const DEFINITIONS: Readonly<Record<string, string>> = {
  basic: "Basic",
  servers: "Server",
  locations: "Location",
  upstreams: "Upstream",
  certificates: "Certificate",
  storages: "Storage"
}
const schemaOf = ({ header: { category, section }, key }: Pair): JsonSchema | undefined =>
  definitions[DEFINITIONS[section] ?? `Plugin.${category}`]?.properties[key]

const shows = (schema: JsonSchema | undefined, example: string | number): boolean =>
  Array.isArray(schema?.["examples"]) && schema["examples"].includes(example)
const isDuration = (pair: Pair): boolean => shows(schemaOf(pair), "500ms")
const isSize = (pair: Pair): boolean => shows(schemaOf(pair), 8192)
/** True for texts that must be one of some words. */
const isWord = (pair: Pair): boolean =>
  ((schemaOf(pair)?.["anyOf"] ?? []) as ReadonlyArray<JsonSchema>).some((form) => "enum" in form)
const isCheckedPlugin = ({ header }: Pair): boolean => header.category !== "" && !notThereYet.has(header.category)

// ---- mistakes

interface Mutation {
  readonly kind: string
  readonly documents: ReadonlyArray<RawDocument>
  readonly file: string
  readonly line: number
  /** Undefined where a parser decides. */
  readonly column: number | undefined
  readonly path: string
  /** The word that was meant. */
  readonly meant?: string
  /** Where further findings follow from the mistake; null for anywhere. */
  readonly follows?: string | null
}

const withLine = (base: ReadonlyArray<RawDocument>, { file, text }: RawDocument, line: number, to: string) => {
  const lines = text.split("\n")
  lines[line - 1] = to
  const spoilt = { file, text: lines.join("\n") }
  return base.map((document) => (document.file === file ? spoilt : document))
}

const pathOf = ({ name, section }: Header, ...keys: ReadonlyArray<string | number>): string =>
  formatPath([section, ...(name === "" ? [] : [JSON.parse(name.startsWith('"') ? name : `"${name}"`)]), ...keys])

const change = (kind: string, pair: Pair, to: string, inner: Partial<Mutation> = {}): Mutation => ({
  kind,
  documents: withLine(pair.base, pair.document, pair.line, to),
  file: pair.document.file,
  line: pair.line,
  column: 1,
  path: pathOf(pair.header, pair.key),
  follows: pathOf(pair.header),
  ...inner
})

/** A number for a text, the same in every run. */
const numberOf = (text: string): number => {
  let hash = 7
  for (const character of text) hash = (hash * 31 + character.charCodeAt(0)) % 1_000_003
  return hash
}

const KEYBOARD = ["qwertyuiop", "asdfghjkl", "zxcvbnm"]
const neighbour = (letter: string): string => {
  const row = KEYBOARD.find((letters) => letters.includes(letter)) ?? KEYBOARD[0]!
  return row[(row.indexOf(letter) + 1) % row.length]!
}

/** The ways to misspell a word. The place is chosen by the word. */
const MISSPELLINGS: Readonly<Record<string, (word: string, at: number) => string>> = {
  transposition: (word, at) => word.slice(0, at) + (word[at + 1] ?? "") + word[at] + word.slice(at + 2),
  omission: (word, at) => word.slice(0, at) + word.slice(at + 1),
  doubling: (word, at) => word.slice(0, at + 1) + word.slice(at),
  substitution: (word, at) => word.slice(0, at) + neighbour(word[at]!.toLowerCase()) + word.slice(at + 1),
  "dash for underscore": (word) => word.replaceAll("_", "-"),
  "camel case": (word) => word.replace(/_[a-z]/g, (letter) => letter.slice(1).toUpperCase())
}

/** Misspelt forms of a word that are no words themselves. */
const misspelt = (word: string, words: ReadonlyArray<string>): ReadonlyArray<readonly [way: string, text: string]> =>
  Object.entries(MISSPELLINGS).flatMap(([way, spoil]) => {
    const letters = [...word].flatMap((character, index) => (/[a-z]/i.test(character) ? [index] : []))
    const text = spoil(word, letters[numberOf(`${way} ${word}`) % letters.length]!)
    return text === word || words.includes(text) ? [] : [[way, text] as const]
  })

const misspeltKeys = (pair: Pair, words: ReadonlyArray<string>, kind: string): ReadonlyArray<Mutation> =>
  misspelt(pair.key, words).map(([way, text]) =>
    change(`${kind}: ${way}`, pair, `${text} = ${pair.value}`, { path: pathOf(pair.header, text), meant: pair.key })
  )

const optionsOf = (pair: Pair): ReadonlyArray<string> =>
  Object.keys(definitions[`Plugin.${pair.header.category}`]!.properties)

const VALUES: ReadonlyArray<readonly [types: ReadonlyArray<string>, value: string]> = [
  [["string"], '"text"'],
  [["integer", "number"], "12345"],
  [["number"], "1.5"],
  [["boolean"], "true"],
  [["array"], "[]"],
  [["object"], "{ a = 1 }"],
  [["date"], "1979-05-27"]
]

/** A value of each type that a key does not take. */
const wrongValues = (pair: Pair): ReadonlyArray<string> => {
  const schema = schemaOf(pair)
  const taken = [schema, ...((schema?.["anyOf"] ?? []) as ReadonlyArray<JsonSchema>)].map((form) => form?.["type"])
  return VALUES.flatMap(([types, value]) => (types.some((type) => taken.includes(type)) ? [] : [value]))
}

const isText = (pair: Pair): boolean => pair.value.startsWith('"') || pair.value.startsWith("'")
const isList = (pair: Pair): boolean => pair.value.startsWith("[")

/** A name in a list or text of names, as `"name"` with its place. */
const references = (pair: Pair): ReadonlyArray<{ name: string; column: number; path: string }> => {
  const { header, key, value } = pair
  const isOne = key === "upstream" && header.section === "locations" && !value.includes("$")
  if (!isOne && !["locations", "plugins", "includes"].includes(key)) return []
  return Array.from(value.matchAll(/"([^"]+)"/g), (match, index) => ({
    name: match[1]!,
    column: isOne ? 1 : `${key} = `.length + match.index + 1,
    path: isOne ? pathOf(header, key) : pathOf(header, key, index)
  }))
}

const SECTIONS = ["basic", ...NAMED_SECTIONS]
const CATEGORIES = [...builtins.map(({ category }) => category), ...notThereYet]

const mutations: ReadonlyArray<Mutation> = [
  ...distinct
    .filter(({ header }) => header.section !== "plugins")
    .flatMap((pair) => misspeltKeys(pair, KNOWN_KEYS[pair.header.section as "basic"]!, "misspelt key")),
  ...distinct
    .filter((pair) => isCheckedPlugin(pair))
    .flatMap((pair) => misspeltKeys(pair, optionsOf(pair), "misspelt plugin option")),
  ...firstOf(headers, ({ section }) => section).flatMap((header) =>
    misspelt(header.section, SECTIONS).map(([way, text]) => ({
      kind: `misspelt section: ${way}`,
      documents: withLine(
        header.base,
        header.document,
        header.line,
        header.name === "" ? `[${text}]` : `[${text}.${header.name}]`
      ),
      file: header.document.file,
      line: header.line,
      column: 2,
      path: text,
      meant: header.section,
      follows: null
    }))
  ),
  ...pairs
    .filter(({ header, key }) => header.section === "plugins" && key === "category")
    .flatMap((pair) =>
      misspelt(pair.header.category, CATEGORIES).map(([way, text]) =>
        change(`misspelt category: ${way}`, pair, `category = "${text}"`, { meant: pair.header.category })
      )
    ),
  ...pairs.flatMap((pair) =>
    references(pair).flatMap(({ column, name, path }) =>
      misspelt(name, []).map(([way, text]) =>
        change(`dangling reference: ${way}`, pair, `${pair.key} = ${pair.value.replace(`"${name}"`, `"${text}"`)}`, {
          column,
          path,
          meant: name
        })
      )
    )
  ),
  ...distinct
    .filter((pair) => pair.header.section !== "plugins" || isCheckedPlugin(pair))
    .flatMap((pair) =>
      wrongValues(pair).map((value) => change("wrong type", pair, `${pair.key} = ${value}`, { follows: null }))
    ),
  ...distinct
    .filter(isDuration)
    .flatMap((pair) =>
      ['"10"', '"ten seconds"', '"10 parsecs"', '"-5s"', '"5s,"', '"1.s"', "10"].map((value) =>
        change("bad duration", pair, `${pair.key} = ${value}`)
      )
    ),
  ...distinct
    .filter(isSize)
    .flatMap((pair) =>
      ['"10 zb"', '"1.5"', '"many"', '"-1kb"', '"1kb 2kb"', '""', "-1"].map((value) =>
        change("bad size", pair, `${pair.key} = ${value}`)
      )
    ),
  ...distinct
    .filter(isWord)
    .flatMap((pair) => ['"nonsense"', '"4"'].map((value) => change("unknown word", pair, `${pair.key} = ${value}`))),
  ...firstOf(headers, ({ document, section }) => `${document.file} ${section}`).flatMap(duplicates),
  ...firstOf(pairs, ({ header, value }) => `${header.section} ${value[0]}`).flatMap(broken)
]

/** The same table once more, at the end of its document and in a document behind it. */
function duplicates(header: Header): ReadonlyArray<Mutation> {
  const { base, document, name, section } = header
  const table = name === "" ? `[${section}]` : `[${section}.${name}]`
  const text = `${document.text}\n${table}\n`
  const line = text.split("\n").length - 1
  const again = { kind: "duplicate table", column: undefined, follows: null }
  return [
    {
      ...again,
      documents: base.map((other) => (other === document ? { file: document.file, text } : other)),
      file: document.file,
      line,
      path: ""
    },
    {
      ...again,
      documents: [...base, { file: "z.toml", text: `\n\n${table}\n` }],
      file: "z.toml",
      line: 3,
      path: pathOf(header)
    }
  ]
}

/** Text that is no TOML. */
function broken(pair: Pair): ReadonlyArray<Mutation> {
  const { header, key, value } = pair
  const table = header.name === "" ? header.section : `${header.section}.${header.name}`
  const line = (what: string, to: string): Mutation =>
    change(`broken syntax: ${what}`, pair, to, { column: undefined, path: "", follows: null })
  return [
    line("no equals sign", `${key} ${value}`),
    line("no value", `${key} =`),
    line("text behind the value", `${key} = ${value} and more`),
    line("a word for a value", `${key} = auto`),
    line("two values", `${key} = ${value}, ${value}`),
    { ...line("the key twice", `${key} = ${value}\n${key} = ${value}`), line: pair.line + 1 },
    ...(isText(pair) ? [line("no closing quote", `${key} = ${value.slice(0, -1)}`)] : []),
    ...(isText(pair) ? [line("no opening quote", `${key} = ${value.slice(1)}`)] : []),
    ...(isList(pair) ? [line("no closing bracket", `${key} = ${value.slice(0, -1)}`)] : []),
    ...(isList(pair) ? [line("no comma", `${key} = ${value.slice(0, -1)} "x" "y"]`)] : []),
    ...[`[${table}`, `[${table}]]`, `[${table}.]`, `[.${table}]`].map((to) => ({
      ...line(`header ${to}`, ""),
      documents: withLine(pair.base, pair.document, header.line, to),
      line: header.line
    }))
  ]
}

// ---- the verdict

interface Verdict {
  readonly mutation: Mutation
  readonly found: ReadonlyArray<Diagnostic>
  readonly isExact: boolean
  readonly isSuggested: boolean
}

const judge = (mutation: Mutation): Verdict => {
  const { column, documents, file, follows, line, meant, path } = mutation
  const found = findingsOf(documents).filter(({ message }) => !message.includes("is not supported in this version"))
  const there = found.filter((finding) => finding.file === file && finding.line === line && finding.path === path)
  const hit = there.find((finding) => column === undefined || finding.column === column)
  const isAside = (finding: Diagnostic): boolean =>
    finding.line !== line && follows !== null && !(finding.path === follows || finding.path.startsWith(`${follows}.`))
  return {
    mutation,
    found,
    isExact: hit !== undefined && !found.some(isAside),
    isSuggested: meant === undefined || (hit?.hint?.includes(JSON.stringify(meant)) ?? false)
  }
}

const shown = ({ found, mutation }: Verdict): string => {
  const { column = "?", documents, file, kind, line, meant = "", path } = mutation
  const text = documents.find((document) => document.file === file)!.text.split("\n")[line - 1]!
  return `${kind}: ${file}:${line}:${column} ${path} ${meant}\n  ${text}\n${found.map(format).join("\n")}`
}

const share = (part: number, whole: number): string => `${part} of ${whole} (${((100 * part) / whole).toFixed(1)} %)`

describe("spoilt configurations", () => {
  const verdicts = mutations.map(judge)
  const words = verdicts.filter(({ mutation }) => mutation.meant !== undefined)
  const inexact = verdicts.filter(({ isExact }) => !isExact)
  const misled = words.filter(({ isSuggested }) => !isSuggested)

  it("are many, of every kind", () => {
    const kinds = new Map<string, number>()
    for (const { kind } of mutations) {
      const name = kind.split(":")[0]!
      kinds.set(name, (kinds.get(name) ?? 0) + 1)
    }
    console.info(`mutations: ${Array.from(kinds, ([kind, count]) => `${count} ${kind}`).join(", ")}`)
    assert.isAtLeast(mutations.length, 1000)
    for (const [kind, count] of kinds) assert.isAtLeast(count, 10, kind)
  })

  it("have their finding at the line and key of the mistake", () => {
    console.info(`mutations found at their line and key: ${share(verdicts.length - inexact.length, verdicts.length)}`)
    if (inexact.length > 0) console.info(inexact.map(shown).join("\n\n"))
    assert.isAtLeast((verdicts.length - inexact.length) / verdicts.length, 0.98)
  })

  it("have a suggestion for a misspelt word, and the right one", () => {
    console.info(`misspellings with the right suggestion: ${share(words.length - misled.length, words.length)}`)
    if (misled.length > 0) console.info(misled.map(shown).join("\n\n"))
    assert.isAtLeast((words.length - misled.length) / words.length, 0.97)
  })

  it("were right before", () => {
    for (const base of bases) {
      const found = findingsOf(base).filter(({ message }) => !message.includes("is not supported in this version"))
      assert.deepStrictEqual(found.map(format), [])
    }
  })
})
