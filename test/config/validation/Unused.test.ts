import { assert, describe, it } from "@effect/vitest"
import { NAMED_SECTIONS } from "../../../src/config/ConfigSchema.ts"
import type { Diagnostic } from "../../../src/config/Diagnostic.ts"
import { Draft } from "../../../src/config/Draft.ts"
import { TomlReader } from "../../../src/config/format/TomlReader.ts"
import { Includes } from "../../../src/config/Includes.ts"
import * as Unused from "../../../src/config/validation/Unused.ts"
import { now } from "../../../src/model/Sliced.ts"

const draftOf = (texts: ReadonlyArray<string>, strict: boolean): Draft => {
  const draft = new Draft(strict)
  const reader = new TomlReader({ named: NAMED_SECTIONS })
  for (const [index, text] of texts.entries()) draft.add({ file: `${index}.toml`, text }, now(reader.read(text)))
  new Includes(undefined).expand(draft)
  return draft
}

const findingsOf = (texts: ReadonlyArray<string>, strict = false): ReadonlyArray<Diagnostic> => {
  const draft = draftOf(texts, strict)
  const before = draft.diagnostics.length
  Unused.report(draft)
  return draft.diagnostics.slice(before)
}

const hints = (...texts: ReadonlyArray<string>): ReadonlyArray<string> =>
  findingsOf(texts).map(({ message, path }) => `${path}: ${message}`)

const SERVER = '[servers.web]\naddr = "127.0.0.1:1"\nlocations = ["a"]\n'
const LOCATION = '[locations.a]\nupstream = "api"\nplugins = ["login"]\n'
const PLUGIN = '[plugins.login]\ncategory = "mock"\n'
const UPSTREAM = '[upstreams.api]\naddrs = ["127.0.0.1:2"]\n'

describe("report", () => {
  it("is silent when everything is used", () => {
    assert.deepStrictEqual(hints(SERVER, LOCATION, PLUGIN, UPSTREAM), [])
  })

  it("points at the tables that nobody uses", () => {
    const text = `[locations.b]\n\n[plugins."log in"]\ncategory = "ping"\n[upstreams.apt]\naddrs = ["127.0.0.1:2"]
[storages.limits]\ncategory = "config"\nvalue = ""\n`
    const found = findingsOf([SERVER + LOCATION + PLUGIN + UPSTREAM, text])
    assert.deepStrictEqual(
      found.map(({ column, file, line, message, path, severity }) => [severity, file, line, column, path, message]),
      [
        ["hint", "1.toml", 1, 12, "locations.b", "no server lists this location"],
        ["hint", "1.toml", 3, 10, 'plugins."log in"', "no location lists this plugin"],
        ["hint", "1.toml", 5, 12, "upstreams.apt", "no location has this upstream"],
        ["hint", "1.toml", 7, 11, "storages.limits", "nothing includes this storage"]
      ]
    )
  })

  it("stays a hint when warnings are errors", () => {
    const draft = draftOf([SERVER, LOCATION, PLUGIN, UPSTREAM, "[locations.b]"], true)
    Unused.report(draft)
    assert.deepStrictEqual(
      draft.diagnostics.map(({ severity }) => severity),
      ["hint"]
    )
    assert.isFalse(draft.failed)
  })

  it.each([
    ["the upstream comes from a variable", [SERVER, '[locations.a]\nupstream = "$tenant"', UPSTREAM]],
    [
      "a plugin takes the upstream from a variable",
      [SERVER, '[locations.a]\nplugins = ["s"]\n[plugins.s]\ncategory = "traffic_splitting"\nupstream = "$x"', UPSTREAM]
    ],
    [
      "a plugin names the upstream",
      [
        SERVER,
        '[locations.a]\nplugins = ["s"]\n[plugins.s]\ncategory = "traffic_splitting"\nupstream = "api"',
        UPSTREAM
      ]
    ],
    [
      "a plugin that nobody knows names the upstream somewhere",
      [SERVER, '[locations.a]\nplugins = ["s"]\n[plugins.s]\ncategory = "mine"\nby = [{ to = ["api"] }]', UPSTREAM]
    ],
    ["there is no server", [LOCATION, PLUGIN, UPSTREAM, "[locations.b]"]],
    ["there is no location", [PLUGIN, UPSTREAM]],
    ["the plugin is built in", [SERVER, "[locations.a]", '[plugins."pingap:ping"]\ncategory = "ping"']],
    ["the storage is a secret", ['[storages.s]\ncategory = "secret"\nvalue = "x"']],
    ["a document is missing", [SERVER, "[locations.a]", PLUGIN, UPSTREAM, "[locations.b"]],
    ["something is wrong", [SERVER, '[locations.a]\nincludes = ["nothing"]', UPSTREAM]]
  ])("is silent when %s", (_, texts) => {
    assert.deepStrictEqual(hints(...texts), [])
  })

  it.each(["servers.web", "locations.a", "upstreams.api"])("knows the includes of %s", (table) => {
    const snippet = '[storages.s]\ncategory = "config"\nvalue = \'remark = "x"\'\n'
    const texts = [SERVER, '[locations.a]\nupstream = "api"\n', UPSTREAM]
    const included = texts.map((text) => (text.startsWith(`[${table}]`) ? `${text}\nincludes = ["s"]\n` : text))
    assert.deepStrictEqual(hints(snippet, ...included), [])
    assert.deepStrictEqual(hints(snippet, ...texts), ["storages.s: nothing includes this storage"])
  })

  it("sees what an include brings", () => {
    const snippet = '[storages.s]\ncategory = "config"\nvalue = \'upstream = "api"\'\n'
    assert.deepStrictEqual(hints(SERVER, snippet, '[locations.a]\nincludes = ["s"]', UPSTREAM), [])
  })

  it("tells twenty of a kind, and how many more there are", () => {
    const many = Array.from({ length: 30 }, (_, i) => `[locations.l${i}]`).join("\n")
    const found = hints(SERVER, LOCATION, PLUGIN, UPSTREAM, many)
    assert.strictEqual(found.length, 20)
    assert.strictEqual(found[18], "locations.l18: no server lists this location")
    assert.strictEqual(found[19], "locations.l19: no server lists this location, and the same goes for 10 more")
  })
})
