/**
 * The documents are true as far as a program can tell: generated pages are up to date, links lead somewhere, every
 * TOML block loads, every program of the guides runs, and no key, file or page is named that does not exist.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { pages } from "../.ci/reference/pages.mjs"
import { WITHOUT_EFFECT } from "../.ci/reference/words.mjs"
import { HELP, TEMPLATE } from "../src/cli/Arguments.ts"
import * as ConfigSchema from "../src/config/ConfigSchema.ts"
import { formatAll } from "../src/config/Diagnostic.ts"
import { decode } from "../src/config/Snapshot.ts"
import * as Format from "../src/log/Format.ts"
import { builtinInstances, builtins } from "../src/plugin/builtin/index.ts"
import { builtinNames, Plugins, type Problem, type Table } from "../src/plugin/Plugins.ts"
import * as ContextValue from "../src/proxy/ContextValue.ts"
import * as DynamicValue from "../src/proxy/DynamicValue.ts"
import * as failures from "../src/proxy/Failure.ts"

const root = resolve(import.meta.dirname, "..")
const read = (path: string): string => readFileSync(join(root, path), "utf8")

const filesBelow = (folder: string): Array<string> =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    : []

const documents = [
  ...["README.md", "bench/README.md", "conf/README.md", "examples/README.md"].filter((path) =>
    existsSync(join(root, path))
  ),
  ...filesBelow("docs").filter((path) => path.endsWith(".md"))
].sort()

/** A fenced block: its info string, its text, and the document without any of them. */
interface Block {
  readonly document: string
  readonly line: number
  readonly info: string
  readonly text: string
}

const FENCE = /^```(.*)\n([\s\S]*?)^```$/gm

const blocksOf = (document: string): Array<Block> => {
  const text = read(document)
  return [...text.matchAll(FENCE)].map((match) => ({
    document,
    line: text.slice(0, match.index).split("\n").length,
    info: match[1]!.trim(),
    text: match[2]!
  }))
}

const proseOf = (document: string): string => read(document).replace(FENCE, "")

const generated = pages({
  ConfigSchema,
  builtins,
  builtinInstances,
  failures,
  Format,
  ContextValue,
  DynamicValue,
  HELP
})

describe("generated pages", () => {
  for (const [path, text] of generated) {
    it(`docs/reference/${path} is what the program says (npm run docs)`, () => {
      const file = join("docs/reference", path)
      assert.isTrue(existsSync(join(root, file)), `${file} is missing`)
      assert.strictEqual(read(file), text)
    })
  }

  it("no other page is among them", () => {
    const known = new Set([...generated.keys()].map((path) => join("docs/reference", path)))
    assert.deepStrictEqual(
      filesBelow("docs/reference").filter((path) => !known.has(path)),
      []
    )
  })

  it("keys are marked as without effect exactly when no stage reads them", () => {
    const stages = filesBelow("src")
      .filter((path) => !path.startsWith("src/config/") && path !== "src/cli/Arguments.ts")
      .map(read)
      .join("\n")
      // A key in a comment is not read.
      .replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "")
    const wrong: Array<string> = []
    for (const [section, keys] of Object.entries(ConfigSchema.KNOWN_KEYS)) {
      const inert = WITHOUT_EFFECT[section] ?? []
      for (const key of keys ?? []) {
        // A single word may be the name of anything.
        if (!key.includes("_") || NEVER.has(key)) continue
        const isRead = new RegExp(`\\b${key}\\b`).test(stages)
        const marked = inert.includes(key) || inert.includes("*")
        if (isRead === marked) wrong.push(`${section}.${key}`)
      }
    }
    assert.deepStrictEqual(wrong, [])
  })
})

/** Described as without effect for good. */
const NEVER: ReadonlySet<string> = new Set(["work_stealing", "listener_tasks_per_fd", "auto_restart_check_interval"])

describe("links", () => {
  for (const document of documents) {
    it(`of ${document} lead somewhere`, () => {
      const broken: Array<string> = []
      for (const [, target = ""] of proseOf(document).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue
        const [path = "", anchor] = target.split("#")
        const file = path === "" ? document : relative(root, resolve(root, dirname(document), path))
        if (!existsSync(join(root, file))) broken.push(target)
        else if (anchor !== undefined && !anchorsOf(file).has(anchor)) broken.push(target)
      }
      assert.deepStrictEqual(broken, [])
    })
  }

  it("reach every document from the index", () => {
    const seen = new Set<string>()
    const visit = (document: string): void => {
      if (seen.has(document)) return
      seen.add(document)
      for (const [, target = ""] of proseOf(document).matchAll(/\]\(([^)\s#]+)/g)) {
        const file = relative(root, resolve(root, dirname(document), target))
        if (file.endsWith(".md") && existsSync(join(root, file))) visit(file)
      }
    }
    visit("docs/README.md")
    assert.deepStrictEqual(
      documents.filter((document) => document.startsWith("docs/") && !seen.has(document)),
      []
    )
  })
})

/** Anchors as GitHub makes them of headings. */
const anchorsOf = (file: string): ReadonlySet<string> =>
  new Set(
    [...proseOf(file).matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replace(/[^a-z0-9 _-]/g, "")
        .replaceAll(" ", "-")
    )
  )

describe("TOML blocks", () => {
  const blocks = documents.flatMap(blocksOf).filter(({ info }) => info === "toml")

  for (const { document, line, text } of blocks) {
    it.effect(`${document}:${line} loads without a finding`, () =>
      Effect.map(findingsOf(text), (findings) => assert.strictEqual(findings, ""))
    )
  }

  it.effect("the starter configuration loads without a finding", () =>
    Effect.map(findingsOf(TEMPLATE), (findings) => assert.strictEqual(findings, ""))
  )
})

/** Everything that `-t --strict` would say. */
const findingsOf = Effect.fnUntraced(function* (text: string) {
  const plugins = yield* Plugins
  const sources = [{ file: "block", text }]
  const tables = new Map<string, Table>()
  decode(sources, {
    checkPlugin: (name, table) => {
      tables.set(name, table)
      return []
    }
  })
  const problems = new Map<string, ReadonlyArray<Problem>>()
  for (const [name, table] of tables) problems.set(name, yield* plugins.checkEffect(name, table))
  const result = decode(sources, {
    strict: true,
    builtinPlugins: builtinNames,
    checkPlugin: (name) => (problems.get(name) ?? []).filter(({ message }) => !message.endsWith("does not exist"))
  })
  return Result.isFailure(result) ? formatAll(result.failure) : ""
}, Effect.provide(Plugins.layer()))

describe("programs", () => {
  const programs = documents.filter((document) => document.startsWith("docs/guide/")).flatMap(blocksOf)

  for (const { document, line, text } of programs.filter(({ info }) => info === "ts")) {
    it(`${document}:${line} runs`, async () => {
      // Inside of the project, so that packages are found.
      const folder = mkdtempSync(join(root, "test/guide-"))
      const failed: Array<string> = []
      const assertion = console.assert
      console.assert = (holds?: boolean) => {
        if (holds !== true) failed.push("an assertion of the program does not hold")
      }
      try {
        const file = join(folder, "program.ts")
        writeFileSync(file, text.replaceAll('"pingap-effect"', '"../../src/index.ts"'))
        await import(file)
      } finally {
        console.assert = assertion
        rmSync(folder, { recursive: true })
      }
      assert.deepStrictEqual(failed, [])
    })
  }

  for (const { document, line, info, text } of programs.filter(({ info }) => /^ts \S+$/.test(info))) {
    const file = info.slice("ts ".length)
    it(`${document}:${line} quotes ${file}`, () => assert.strictEqual(text.trim(), read(file).trim()))
  }
})

const STEPS = ["early_request", "request", "proxy_upstream", "upstream_response", "response"]

/** Words in snake case that are not ours, and where they come from. */
const DOCUMENTED_ELSEWHERE: Readonly<Record<string, string>> = {
  channel_buffer: "parameter of an access-log file",
  flush_timeout: "parameter of an access-log file",
  check_frequency: "parameter of a health check",
  lets_encrypt: "value of acme",
  error_type: "placeholder of an error page",
  subs_filter: "rule of sub_filter",
  round_robin: "value of algo"
}

describe("names", () => {
  const keys = Object.values(ConfigSchema.SECTIONS).flatMap((schema) => propertiesOf(schema))
  const known = new Set([
    ...keys,
    ...Object.keys(ConfigSchema.SECTIONS),
    ...builtins.flatMap(({ category, options }) => [category, ...propertiesOf(options)]),
    ...STEPS,
    ...Format.tagNames(),
    ...ContextValue.contextKeys(),
    ...Object.keys(DOCUMENTED_ELSEWHERE)
  ])

  for (const document of documents) {
    it(`${document} names keys and files that exist`, () => {
      const wrong: Array<string> = []
      for (const [, code = ""] of proseOf(document).matchAll(/`([^`\n]+)`/g)) {
        if (!isKnown(code, known)) wrong.push(code)
      }
      assert.deepStrictEqual(wrong, [])
    })
  }
})

const isKnown = (code: string, known: ReadonlySet<string>): boolean => {
  // `servers.max_head_size`, `max_head_size = 1`, `{:upstream_addr}`, `basic_auth`
  const section = /^(basic|servers|locations|upstreams|plugins|certificates|storages)\.(?:[^.]+\.)?([a-z_]+)$/.exec(
    code
  )
  if (section !== null) return section[2] === "toml" || known.has(section[2]!)
  const key = /^\{?:?([a-z][a-z0-9]*(?:_[a-z0-9]+)+)\}?(?: = .*)?$/.exec(code)
  if (key !== null) return known.has(key[1]!)
  const file = /^(?:src|test|conf|docs|examples|bench|\.ci)\/[\w./-]*$/.exec(code)
  if (file !== null)
    return existsSync(join(root, code)) && (!code.endsWith("/") || statSync(join(root, code)).isDirectory())
  return true
}

function propertiesOf(schema: object): Array<string> {
  if ("fields" in schema) return Object.keys(schema.fields as object)
  // A struct with further keys of any name.
  return "schema" in schema ? propertiesOf(schema.schema as object) : []
}
