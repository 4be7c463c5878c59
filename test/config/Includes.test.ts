/** Keys of storages inserted into items: what comes of them, where they stand, and what is not done twice. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { NAMED_SECTIONS } from "../../src/config/ConfigSchema.ts"
import { Draft, type Item, type RawDocument } from "../../src/config/Draft.ts"
import { TomlReader } from "../../src/config/format/TomlReader.ts"
import { type Decrypt, Includes } from "../../src/config/Includes.ts"
import { now } from "../../src/model/Sliced.ts"

/** Expands one state of the documents after the other. */
class Expander {
  private readonly includes: Includes
  private readonly reader = new TomlReader({ named: NAMED_SECTIONS })

  constructor(decrypt?: Decrypt) {
    this.includes = new Includes(decrypt)
  }

  expand(content: string | ReadonlyArray<RawDocument>): Draft {
    const documents = typeof content === "string" ? [{ file: "a.toml", text: content }] : content
    const draft = new Draft(false)
    for (const document of documents) draft.add(document, now(this.reader.read(document.text, document.file)))
    this.includes.expand(draft)
    return draft
  }
}

const expanded = (text: string, decrypt?: Decrypt): Draft => new Expander(decrypt).expand(text)

const found = ({ diagnostics }: Draft): ReadonlyArray<string> =>
  diagnostics.map(
    ({ column, hint, line, message, path, severity }) =>
      `${line}:${column} ${severity} ${path}: ${message}${hint === undefined ? "" : ` (${hint})`}`
  )

const item = (draft: Draft, section: Item["section"], name: string): Item => {
  const found = draft.item(section, name)
  assert(found !== undefined)
  return found
}

const tableOf = (draft: Draft, name = "u"): Record<string, unknown> => ({ ...item(draft, "upstreams", name).table })

const storage = (name: string, value: string): string => `[storages.${name}]\ncategory = "config"\nvalue = ${value}\n`

describe("an include", () => {
  it("brings its keys, which win over those of the item, and is gone itself", () => {
    const draft = expanded(`${storage("s", "'''\na = 1\nb = 2\n'''")}[upstreams.u]\nb = 0\nc = 3\nincludes = ["s"]\n`)
    assert.deepStrictEqual(tableOf(draft), { a: 1, b: 2, c: 3 })
    assert.deepStrictEqual(found(draft), ["8:1 warning upstreams.u.b: key is overridden by the included storage s"])
  })

  it("leaves the written table as it is", () => {
    const draft = expanded(`${storage("s", "'a = 1'")}[upstreams.u]\nincludes = ["s"]\n`)
    assert.deepStrictEqual({ ...item(draft, "upstreams", "u").written }, { includes: ["s"] })
  })

  it.each(["upstreams", "locations", "servers"] as const)("is for %s", (section) => {
    const draft = expanded(`${storage("s", "'a = 1'")}[${section}.x]\nincludes = ["s"]\n`)
    assert.deepStrictEqual({ ...item(draft, section, "x").table }, { a: 1 })
  })

  it.each(["plugins", "certificates", "storages"] as const)("is a key like any other in %s", (section) => {
    const draft = expanded(`${storage("s", "'a = 1'")}[${section}.x]\nincludes = ["s"]\n`)
    assert.deepStrictEqual({ ...item(draft, section, "x").table }, { includes: ["s"] })
  })

  it.each([
    ['includes = "s"', { includes: "s" }],
    ['includes = ["s", 1]', { includes: ["s", 1] }],
    ["includes = []", {}]
  ])("that is written %s", (line, table) => {
    assert.deepStrictEqual(tableOf(expanded(`${storage("s", "'a = 1'")}[upstreams.u]\n${line}\n`)), table)
  })

  it("comes in the order of the list, each key once", () => {
    const draft = expanded(
      `${storage("s", "'a = 1'")}${storage("t", "'''a = 2\nb = 2'''")}[upstreams.u]\nincludes = ["s", "t", "s"]\n`
    )
    assert.deepStrictEqual(tableOf(draft), { a: 1, b: 2 })
    assert.deepStrictEqual(found(draft), [
      '9:18 error upstreams.u.includes[1]: storages s and t both bring the key "a"',
      "9:23 error upstreams.u.includes[2]: storage s is included twice"
    ])
  })

  it("does not include others", () => {
    const draft = expanded(`${storage("s", `'''includes = ["t"]\na = 1'''`)}[upstreams.u]\nincludes = ["s"]\n`)
    assert.deepStrictEqual(tableOf(draft), { a: 1 })
  })

  it("of a storage that is not there is an error with what is probably meant", () => {
    const draft = expanded(`${storage("timeouts", "'a = 1'")}[upstreams.u]\nincludes = ["timeout"]\n`)
    assert.deepStrictEqual(found(draft), [
      '5:13 error upstreams.u.includes[0]: storage(timeout) is not found (did you mean "timeouts"?)'
    ])
  })

  it("of a storage that may be in a document that could not be read is none", () => {
    const draft = new Expander().expand([
      { file: "storages.toml", text: "[storages.s]\nvalue = ?\n" },
      { file: "upstreams.toml", text: '[upstreams.u]\nincludes = ["s"]\n' }
    ])
    assert.deepStrictEqual(
      draft.diagnostics.map(({ file, line }) => `${file}:${line}`),
      ["storages.toml:2"]
    )
  })

  it("whose text is wrong says so once, inside of the storage, and brings nothing", () => {
    const draft = expanded(
      `${storage("s", "'''\na = 1\n b 2\n'''")}[upstreams.u]\nc = 3\nincludes = ["s"]\n[upstreams.v]\nincludes = ["s"]\n`
    )
    assert.deepStrictEqual(tableOf(draft), { c: 3 })
    assert.lengthOf(draft.diagnostics, 1)
    const { line, message, path } = draft.diagnostics[0]!
    assert.deepStrictEqual([line, path], [5, "storages.s"])
    assert.match(message, /^value is not TOML: /)
  })

  it("that nobody asks for is not read", () => {
    assert.deepStrictEqual(found(expanded(storage("s", "'b 2'"))), [])
  })
})

describe("the place of a key that was included", () => {
  const places: ReadonlyArray<readonly [value: string, line: number, column: number, length: number]> = [
    ["'''\na = 1\nkey = 2\n'''", 5, 1, 3],
    ["'''a = 1\n  key = 2'''", 4, 3, 3],
    ["'''key = 2'''", 3, 12, 3],
    ['"""\na = 1\nkey = 2\n"""', 5, 1, 3],
    ["'key = 2'", 3, 1, 5],
    ['"key = 2"', 3, 1, 5],
    ['"""\na = \\"\\"\nkey = 2\n"""', 3, 1, 5]
  ]
  it.each(places)("of %j", (value, line, column, length) => {
    const draft = expanded(`${storage("s", value)}[upstreams.u]\nincludes = ["s"]\n`)
    const place = draft.locate(["upstreams", "u", "key"])
    assert.deepStrictEqual(place?.span, { line, column, length })
    draft.about("error", item(draft, "upstreams", "u"), ["key"], "wrong")
    assert.deepStrictEqual(found(draft), [`${line}:${column} error upstreams.u.key: wrong`])
  })

  it("is in the file of the storage", () => {
    const draft = new Expander().expand([
      { file: "s.toml", text: storage("s", "'''\nkey = 2\n'''") },
      { file: "u.toml", text: '[upstreams.u]\nown = 1\nincludes = ["s"]\n' }
    ])
    const fileOf = (key: string) => draft.locate(["upstreams", "u", key])?.file
    assert.deepStrictEqual([fileOf("key"), fileOf("own"), fileOf("none")], ["s.toml", "u.toml", "u.toml"])
  })

  it("moves with the storage, though nothing is parsed again", () => {
    const expander = new Expander()
    const text = `${storage("s", "'''\nkey = 2\n'''")}[upstreams.u]\nincludes = ["s"]\n`
    const lineOf = (draft: Draft) => draft.locate(["upstreams", "u", "key"])?.span.line
    const first = expander.expand(text)
    const second = expander.expand(`\n\n${text}`)
    assert.deepStrictEqual([lineOf(first), lineOf(second)], [4, 6])
    assert.strictEqual(item(first, "upstreams", "u").table, item(second, "upstreams", "u").table)
  })
})

describe("after a change", () => {
  const site = (parts: { readonly s?: string; readonly t?: string; readonly u?: string } = {}): string =>
    storage("s", parts.s ?? "'a = 1'") +
    storage("t", parts.t ?? "'b = 1'") +
    `[upstreams.u]\n${parts.u ?? ""}includes = ["s", "t"]\n[upstreams.v]\nincludes = ["t"]\n[upstreams.w]\nc = 1\n`

  const touched = (before: Draft, after: Draft): ReadonlyArray<string> =>
    ["u", "v", "w"].filter((name) => item(before, "upstreams", name).table !== item(after, "upstreams", name).table)

  it.each<readonly [what: string, text: string, touched: ReadonlyArray<string>]>([
    ["nothing", site(), []],
    ["another item", `[upstreams.x]\n${site()}`, []],
    ["the item", site({ u: "d = 1\n" }), ["u"]],
    ["a storage of one", site({ s: "'a = 2'" }), ["u"]],
    ["a storage of two", site({ t: "'b = 2'" }), ["u", "v"]],
    ["a storage that breaks", site({ s: "'a 2'" }), ["u"]],
    ["a storage that goes", site().replace(storage("s", "'a = 1'"), ""), ["u"]]
  ])("of %s, the other tables are the same objects", (_, text, expected) => {
    const expander = new Expander()
    const before = expander.expand(site())
    assert.deepStrictEqual(touched(before, expander.expand(text)), expected)
    const back = expander.expand(site())
    for (const name of ["u", "v", "w"]) assert.deepStrictEqual(tableOf(back, name), tableOf(before, name))
  })

  it("what is wrong is told again", () => {
    const expander = new Expander()
    const text = site({ s: "'a 2'", u: "b = 1\n" })
    const first = found(expander.expand(text))
    assert.lengthOf(first, 2)
    assert.deepStrictEqual(found(expander.expand(text)), first)
  })
})

it("many items are expanded with pauses", () => {
  const draft = new Draft(false)
  const items = Array.from({ length: 1_000 }, (_, index) => `[locations.l${index}]\nincludes = ["s"]\n`)
  const reader = new TomlReader({ named: NAMED_SECTIONS })
  const text = storage("s", "'a = 1'") + items.join("")
  draft.add({ file: "a.toml", text }, now(reader.read(text)))
  let pauses = 0
  const work = new Includes(undefined).expanding(draft)
  while (work.next().done !== true) pauses++
  assert.isAtLeast(pauses, 20)
})

describe("an encrypted value", () => {
  const SECRET = 'secret = "s"\n'
  const site = `${storage("s", '"c2VhbGVk"')}${SECRET}[upstreams.u]\nincludes = ["s"]\n`
  const decrypt =
    (text: string): Decrypt =>
    (value, secret) =>
      value === "c2VhbGVk" && secret === "s" ? Result.succeed(text) : Result.fail({ message: "cannot be read" })

  it("is decrypted, and what it brings stands at the value", () => {
    const draft = expanded(site, decrypt("a = 1\nb = 2"))
    assert.deepStrictEqual(tableOf(draft), { a: 1, b: 2 })
    assert.deepStrictEqual(draft.locate(["upstreams", "u", "b"])?.span, { line: 3, column: 1, length: 5 })
  })

  it("with a mistake does not show it", () => {
    const draft = expanded(site, decrypt("password = hunter2"))
    assert.lengthOf(draft.diagnostics, 1)
    const { excerpt, line, message } = draft.diagnostics[0]!
    assert.deepStrictEqual([line, excerpt?.text], [3, 'value = "c2VhbGVk"'])
    assert.notInclude(message, "hunter2")
  })

  it("that cannot be decrypted is an error, and one that is not encrypted a warning", () => {
    assert.deepStrictEqual(found(expanded(site.replace("c2VhbGVk", "b3RoZXI="), decrypt(""))), [
      "3:1 error storages.s.value: cannot be read (included by upstreams.u)"
    ])
    assert.deepStrictEqual(found(expanded(site)), [
      "3:1 error storages.s.value: an encrypted value cannot be read here (included by upstreams.u)"
    ])
    const plain = expanded(site.replace("c2VhbGVk", "a = 1"), decrypt(""))
    assert.deepStrictEqual(tableOf(plain), { a: 1 })
    assert.deepStrictEqual(found(plain), [
      "3:1 warning storages.s.value: value is not encrypted although there is a secret (included by upstreams.u)"
    ])
  })

  it("is read again when the passphrase has become known", () => {
    let isKnown = false
    const expander = new Expander((value, secret) =>
      isKnown ? decrypt("a = 1")(value, secret) : Result.fail({ message: "passphrase is not set" })
    )
    assert.isTrue(expander.expand(site).failed)
    isKnown = true
    assert.deepStrictEqual(tableOf(expander.expand(site)), { a: 1 })
  })
})
