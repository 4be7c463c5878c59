/**
 * The shape of the source, held by a test: who may import whom, who knows nothing of Effect or of Node, where each
 * foreign package lives, and what belongs to a plugin. A new edge is a change of the lists here, with its reason.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, normalize, relative } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { builtins } from "../src/plugin/builtin/index.ts"

const ROOT = join(import.meta.dirname, "..")
const SRC = join(ROOT, "src")

/** What each folder, or file at the root, may import; `types` only as types. Nothing is listed that is not there. */
const ALLOWED: Record<string, { readonly values: ReadonlyArray<string>; readonly types?: ReadonlyArray<string> }> = {
  model: { values: [] },
  // Failures, body flow and the request half of an exchange are the vocabulary of both.
  http1: { values: ["model", "proxy"] },
  proxy: { values: ["model"] },
  config: { values: ["model", "platform"] },
  location: { values: ["model", "proxy"] },
  // The clock drives the data plane's ticker; slices run work that is written for them.
  platform: { values: ["proxy"], types: ["model"] },
  log: { values: ["model", "platform", "proxy"] },
  upstream: { values: ["http1", "model", "platform", "proxy"], types: ["config"] },
  // Options share codecs with it. See below.
  plugin: { values: ["config", "model", "platform", "proxy"] },
  tls: { values: ["config", "model", "platform"] },
  notification: { values: ["config", "platform"], types: ["generation"] },
  // What a listener's connections are held to is part of a generation: the limits of the codec as types.
  generation: {
    values: ["config", "location", "log", "model", "platform", "plugin", "proxy", "upstream"],
    types: ["http1"]
  },
  server: { values: ["generation", "http1", "model", "platform", "proxy"] },
  process: { values: [] },
  cli: { values: ["App.ts", "config", "generation", "log", "model", "platform", "plugin", "process", "server"] },
  // The one place that knows every stage.
  "App.ts": {
    values: [
      "config",
      "generation",
      "location",
      "log",
      "notification",
      "platform",
      "plugin",
      "server",
      "tls",
      "upstream"
    ]
  },
  "index.ts": {
    values: [
      "App.ts",
      "config",
      "generation",
      "log",
      "notification",
      "platform",
      "plugin",
      "plugin.ts",
      "server",
      "upstream"
    ]
  },
  // The entry for those who write plugins: the contract and the vocabulary of its hooks.
  "plugin.ts": { values: ["model", "plugin", "proxy"] },
  "main.ts": { values: ["cli"] }
}

interface Import {
  /** File, relative to src/. */
  readonly from: string
  /** File relative to src/, or the name of a package. */
  readonly to: string
  readonly isLocal: boolean
  readonly isType: boolean
}

const STATEMENT = /^(?:import|export)\s(type\s)?(?:([^"';]*?)\sfrom\s)?"([^"]+)"/gm
const DYNAMIC = /\b(?:import|createRequire\(import\.meta\.url\))\(\s*"([^"]+)"\s*\)/g

/** The imports and re-exports of a file. `import { type A }` counts as types when every name is one. */
const importsOf = (file: string): Array<Import> => {
  const text = readFileSync(join(SRC, file), "utf8")
  const of = (target: string, isType: boolean): Import => {
    const isLocal = target.startsWith(".")
    return { from: file, to: isLocal ? normalize(join(dirname(file), target)) : target, isLocal, isType }
  }
  const named = (names = ""): boolean => {
    const inner = /^\{([\s\S]*)\}$/.exec(names.trim())?.[1]
    return inner?.split(",").every((name) => name.trim() === "" || name.trim().startsWith("type ")) ?? false
  }
  return [
    ...Array.from(text.matchAll(STATEMENT), ([, type, names, target]) =>
      of(target!, type !== undefined || named(names))
    ),
    ...Array.from(text.matchAll(DYNAMIC), ([, target]) => of(target!, false))
  ]
}

const files = readdirSync(SRC, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
  .map((entry) => relative(SRC, join(entry.parentPath, entry.name)))
  .sort()

const imports = files.flatMap(importsOf)

/** Folder of a file, or the file itself when it stands at the root. */
const unitOf = (file: string): string => file.split("/")[0]!

const edges = imports
  .filter(({ from, isLocal, to }) => isLocal && unitOf(from) !== unitOf(to))
  .map((edge) => ({ ...edge, unit: unitOf(edge.from), target: unitOf(edge.to) }))

const shown = ({ from, isType, to }: Import): string => `${from} -> ${to}${isType ? " (types)" : ""}`

const list = (found: ReadonlyArray<Import>): Array<string> => found.map(shown)

describe("the reader of imports", () => {
  it("sees them all", () => {
    assert.isAbove(files.length, 100)
    assert.isAbove(imports.length, 500)
    assert.include(list(imports), "cli/Cli.ts -> cli/command/Run.ts")
    assert.include(list(imports), "server/Http1Connection.ts -> node:net (types)")
    for (const { isLocal, to } of imports) if (isLocal) assert.include(files, to)
  })
})

describe("folders", () => {
  it("import what they may", () => {
    const forbidden = edges.filter(({ isType, target, unit }) => {
      const allowed = ALLOWED[unit]
      return !(allowed?.values.includes(target) || (isType && allowed?.types?.includes(target)))
    })
    assert.deepStrictEqual(list(forbidden), [])
  })

  it("import all that they may: the list has no dead entries", () => {
    const dead = Object.entries(ALLOWED).flatMap(([unit, { types = [], values }]) => [
      ...values
        .filter((target) => !edges.some((edge) => edge.unit === unit && edge.target === target && !edge.isType))
        .map((target) => `${unit} -> ${target}`),
      ...types
        .filter((target) => !edges.some((edge) => edge.unit === unit && edge.target === target))
        .map((target) => `${unit} -> ${target} (types)`)
    ])
    assert.deepStrictEqual(dead, [])
    assert.deepStrictEqual([...new Set(files.map(unitOf))].sort(), Object.keys(ALLOWED).sort())
  })

  it("form no circle", () => {
    const done = new Set<string>()
    const visit = (unit: string, path: ReadonlyArray<string>): void => {
      assert.notInclude(path, unit, [...path, unit].join(" -> "))
      if (done.has(unit)) return
      for (const target of ALLOWED[unit]!.values) visit(target, [...path, unit])
      done.add(unit)
    }
    for (const unit of Object.keys(ALLOWED)) visit(unit, [])
  })

  it("take no more of the configuration than plugins need", () => {
    assert.deepStrictEqual(
      [...new Set(list(edges.filter(({ target, unit }) => unit === "plugin" && target === "config")))],
      ["plugin/builtin/SubFilter.ts -> config/schema/Values.ts"]
    )
  })
})

describe("Effect", () => {
  const isEffect = (name: string): boolean => /^(?:@effect\/|effect(?:\/|$))/.test(name)

  it("is unknown to the data plane", () => {
    const pure = new Set(["model", "http1", "proxy", "location"])
    assert.deepStrictEqual(list(imports.filter(({ from, to }) => pure.has(unitOf(from)) && isEffect(to))), [])
  })

  it("is imported module by module: the barrel costs 300 ms of every start", () => {
    assert.deepStrictEqual(list(imports.filter(({ to }) => to === "effect" || /^@effect\/[^/]+$/.test(to))), [])
  })

  it("is run at the edges only", () => {
    const runs = files.filter((file) =>
      /\bEffect\.run(?:Callback|Fork|Promise|Sync)/.test(readFileSync(join(SRC, file), "utf8"))
    )
    assert.deepStrictEqual(runs, [
      "cli/Cli.ts",
      // Closes a generation's scope when the last request on it ends, which no effect waits for.
      "generation/Generations.ts",
      "index.ts",
      // Lets code that is no effect write to the logger of the program around it.
      "log/AppLog.ts",
      // Lets the edge of the data plane say what it caught.
      "platform/Defects.ts"
    ])
  })
})

describe("Node", () => {
  /** Files, and folders, of otherwise pure folders that cannot do without, and why. Types cost nothing. */
  const EXCEPTIONS: Record<string, string> = {
    "config/Secret.ts": "encrypts",
    "config/format/Conversion.ts": "converts in a thread of its own",
    "config/format/ConversionWorker.ts": "converts in a thread of its own",
    "config/format/Hcl.ts": "decompresses the parser",
    "config/source": "reaches for files and servers",
    "plugin/BodyFromReadable.ts": "sends files and Node streams",
    "plugin/Ids.ts": "random bytes",
    "plugin/Secret.ts": "digests, compared in constant time",
    "plugin/builtin/Directory.ts": "serves files",
    "plugin/builtin/directory/Files.ts": "serves files"
  }

  it("is unknown to what must also run elsewhere", () => {
    const portable = new Set(["model", "http1", "proxy", "location", "config", "plugin"])
    const users = imports
      .filter(({ from, isType, to }) => portable.has(unitOf(from)) && to.startsWith("node:") && !isType)
      .map(({ from }) => (from.startsWith("config/source/") ? "config/source" : from))
    assert.deepStrictEqual([...new Set(users)].sort(), Object.keys(EXCEPTIONS).sort())
  })
})

describe("packages", () => {
  it("have one home each", () => {
    const homes = new Map<string, Set<string>>()
    for (const { from, isLocal, to } of imports) {
      if (isLocal || to.startsWith("node:") || to.startsWith("effect/")) continue
      const name = to.startsWith("@") ? to.split("/").slice(0, 2).join("/") : to.split("/")[0]!
      homes.set(name, (homes.get(name) ?? new Set()).add(dirname(from)))
    }
    assert.deepStrictEqual(Object.fromEntries(Array.from(homes, ([name, folders]) => [name, [...folders]])), {
      "@bgotink/kdl": ["config/format"],
      "@cdktn/hcl2json": ["config/format"],
      "@noble/ciphers": ["config"],
      mrmime: ["plugin/builtin/directory"],
      re2js: ["model"],
      "smol-toml": ["config/format"]
    })
    const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      dependencies: Record<string, string>
    }
    for (const name of homes.keys()) assert.property(manifest.dependencies, name)
  })
})

describe("plugins", () => {
  const folder = join(SRC, "plugin/builtin")
  const nameOf = (category: string): string =>
    category.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())

  it.each(builtins.map(({ category }) => category))("%s has a file of its name and a test", (category) => {
    const name = nameOf(category)
    assert.include(readFileSync(join(folder, `${name}.ts`), "utf8"), `export const ${name} = define(`)
    const tests = [`test/plugin/builtin/${name}.test.ts`, `test/plugin/${name}.test.ts`]
    assert.isTrue(
      tests.some((file) => existsSync(join(ROOT, file))),
      `none of ${tests.join(", ")}`
    )
  })

  it("are all in the list", () => {
    const found = readdirSync(folder).filter((file) => file.endsWith(".ts") && file !== "index.ts")
    assert.deepStrictEqual(found.sort(), builtins.map(({ category }) => `${nameOf(category)}.ts`).sort())
  })

  it("know nothing of each other", () => {
    const home = (file: string): string =>
      /^plugin\/builtin\/([^/.]+)/.exec(file)?.[1]?.replaceAll("_", "").toLowerCase() ?? ""
    const between = imports.filter(
      ({ from, to }) => home(from) !== "" && home(from) !== "index" && home(to) !== "" && home(from) !== home(to)
    )
    assert.deepStrictEqual(list(between), [])
  })
})

describe("files", () => {
  it("say at their top what they are for", () => {
    assert.deepStrictEqual(
      files.filter((file) => !/^(?:#!.*\n)?\/\*\*\s/.test(readFileSync(join(SRC, file), "utf8"))),
      []
    )
  })
})
