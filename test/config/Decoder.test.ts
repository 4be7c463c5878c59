/** One state of the documents after the other: the results of decoding each by itself, as the same objects. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import fc from "fast-check"
import { type Decoded, type DecodeOptions, Decoder, decode, type RawDocument } from "../../src/config/Snapshot.ts"
import * as Shadowing from "../../src/location/Shadowing.ts"
import { now } from "../../src/model/Sliced.ts"

const OPTIONS: DecodeOptions = {
  hints: true,
  reportUnsupported: true,
  findShadowed: Shadowing.find,
  checkPlugin: (name, { value }) =>
    value === "odd" ? [{ severity: "warning", path: ["value"], message: `${name} is odd` }] : []
}

/** Bodies that an item may have. */
const VARIANTS: Readonly<Record<string, ReadonlyArray<string>>> = {
  basic: ['name = "x"', 'name = "y"\nlog_level = "info"', "nmae = 1", "name = 1"],
  "storages.s1": [
    'category = "config"\nvalue = "weight = 5"',
    "category = \"config\"\nvalue = '''\nweight = 6\npath = \"/s1\"\n'''",
    'category = "config"\nvalue = "weight = "',
    'category = "config"\nvalue = "x = 1"\nsecret = "hidden"',
    'category = "config"'
  ],
  "storages.s2": [
    'category = "config"\nvalue = "path = \'/s2\'"',
    'category = "config"\nvalue = """\nread_timeout = "5s"\n"""',
    'category = "other"\nvalue = ""'
  ],
  "upstreams.u1": [
    'addrs = ["127.0.0.1:1"]',
    'addrs = [\n  "127.0.0.1:1", # one\n  "127.0.0.1:2"\n]',
    'addrs = ["127.0.0.1:1"]\nincludes = ["s2"]',
    "addrs = []"
  ],
  "upstreams.u2": ['addrs = ["127.0.0.1:1"]', 'addrs = "127.0.0.1:1"'],
  "locations.l1": [
    'upstream = "u1"',
    'upstream = "u1"\npath = "/l1"\nincludes = ["s1"]',
    'upstream = "u2"\nincludes = ["s1", "s2"]',
    'upstream = "u1"\nincludes = ["gone"]',
    'upstream = "gone"\nplugins = ["p1", "pingap:ping"]'
  ],
  "locations.l2": ['path = "/l2"\nplugins = ["p1"]', 'path = "~["', 'path = "/"\nweight = "heavy"', 'pth = "/l2"'],
  'locations."l.3"': ['upstream = "u1"\n[locations."l.3".sub]\nx = 1', ""],
  "plugins.p1": ['category = "mock"\nvalue = "plain"', 'category = "mock"\nvalue = "odd"', 'category = ""'],
  "servers.v": [
    'addr = "127.0.0.1:1"\nlocations = ["l1", "l2"]',
    'addr = "127.0.0.1:1"\nlocations = ["l2", "l.3"]\naccess_log = "tiny"',
    'addr = "127.0.0.1:1"\nincludes = ["s1"]',
    'addr = ""'
  ],
  "strange.x": ["a = 1"]
}
const NAMES = Object.keys(VARIANTS)

interface Written {
  readonly variant: number
  readonly file: number
  /** A remark in front of the keys. */
  readonly remark: string
}

interface World {
  readonly items: ReadonlyMap<string, Written>
  /** What stands in front of each file's tables. */
  readonly fronts: readonly [string, string]
  /** Items in the order of their names or the other way round. */
  readonly isReversed: boolean
}

type Edit = (world: World) => World

const place =
  (name: string, written: Partial<Written>): Edit =>
  (world) => {
    const before = world.items.get(name) ?? { variant: 0, file: 0, remark: "" }
    return { ...world, items: new Map(world.items).set(name, { ...before, ...written }) }
  }

const edits: fc.Arbitrary<Edit> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .constantFrom(...NAMES)
      .chain((name) => fc.nat(VARIANTS[name]!.length - 1).map((variant) => place(name, { variant })))
  },
  {
    // Mostly the variant that is right, so that many worlds are.
    weight: 6,
    arbitrary: fc.constantFrom(...NAMES).map((name) => place(name, { variant: 0 }))
  },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom("", "# a remark\n", "\n\n", '# [x] """\n')).map(
      ([name, remark]): Edit =>
        (world) =>
          world.items.has(name) ? place(name, { remark })(world) : world
    )
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...NAMES), fc.nat(1)).map(
      ([name, file]): Edit =>
        (world) =>
          world.items.has(name) ? place(name, { file })(world) : world
    )
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(...NAMES).map(
      (name): Edit =>
        (world) => {
          const items = new Map(world.items)
          items.delete(name)
          return { ...world, items }
        }
    )
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.nat(1),
        // A remark, keys that make the document one that is read as a whole, a mistake.
        fc.constantFrom("", "", "# front\n", "strange.y = 1\n", 'locations.extra = { path = "/x" }\n', 'x = "\n', "?\n")
      )
      .map(
        ([file, front]): Edit =>
          (world) => ({
            ...world,
            fronts: file === 0 ? [front, world.fronts[1]] : [world.fronts[0], front]
          })
      )
  },
  {
    weight: 1,
    arbitrary: fc.boolean().map(
      (isReversed): Edit =>
        (world) => ({ ...world, isReversed })
    )
  }
)

const EMPTY: World = { items: new Map(), fronts: ["", ""], isReversed: false }

const documentsOf = ({ fronts, isReversed, items }: World): ReadonlyArray<RawDocument> => {
  const names = [...items.keys()].sort()
  if (isReversed) names.reverse()
  return fronts.map((front, file) => ({
    file: `${file}.toml`,
    text:
      front +
      names
        .filter((name) => items.get(name)!.file === file)
        .map((name) => `[${name}]\n${items.get(name)!.remark}${VARIANTS[name]![items.get(name)!.variant]}\n`)
        .join("")
  }))
}

const PATHS = ["name", "value", "addrs", "includes", "weight", "path", "read_timeout", "upstream"].flatMap((key) => [
  ["basic", key],
  ...["storages.s1", "storages.s2", "upstreams.u1", "locations.l1", "locations.l2", "servers.v"].map((name) => [
    ...name.split("."),
    key
  ])
])

/** Everything that a result says. */
const told = (decoded: Decoded) =>
  Result.isFailure(decoded)
    ? decoded.failure
    : {
        config: JSON.parse(JSON.stringify(decoded.success.config)) as unknown,
        warnings: decoded.success.warnings,
        files: decoded.success.files,
        places: PATHS.map((path) => decoded.success.locate(path))
      }

type Config = (Decoded & { readonly _tag: "Success" })["success"]["config"]

/** The items of a configuration by path. */
const itemsOf = (config: Config): ReadonlyMap<string, unknown> => {
  const items = new Map<string, unknown>([["basic", config.basic]])
  for (const [section, values] of Object.entries(config)) {
    if (section !== "basic") for (const [name, item] of Object.entries(values)) items.set(`${section}.${name}`, item)
  }
  return items
}

const isDeepEqual = (a: unknown, b: unknown): boolean => {
  try {
    assert.deepStrictEqual(a, b)
    return true
  } catch {
    return false
  }
}

/** What did not change between two accepted configurations is the same object. */
const assertShared = (before: Config, after: Config): void => {
  const known = itemsOf(before)
  const items = itemsOf(after)
  let isSame = known.size === items.size
  for (const [path, item] of items) {
    if (isDeepEqual(item, known.get(path))) assert.strictEqual(item, known.get(path), path)
    else isSame = false
  }
  if (isSame) assert.strictEqual(after, before)
}

describe("any sequence of edits", () => {
  it("gives what decoding each state by itself gives, and keeps the objects of what did not change", () => {
    let accepted = 0
    let refused = 0
    fc.assert(
      fc.property(fc.array(edits, { minLength: 1, maxLength: 25 }), (script) => {
        const decoder = new Decoder(OPTIONS)
        let world = EMPTY
        let last: Config | undefined
        for (const edit of script) {
          world = edit(world)
          const documents = documentsOf(world)
          const decoded = now(decoder.decode(documents))
          assert.deepStrictEqual(told(decoded), told(decode(documents, OPTIONS)))
          if (Result.isFailure(decoded)) {
            refused++
            continue
          }
          accepted++
          const { config } = decoded.success
          if (last !== undefined) assertShared(last, config)
          last = config
        }
      }),
      { numRuns: 200 }
    )
    // The edits are worth something: many states are right, many are wrong.
    assert.isAbove(accepted, 200)
    assert.isAbove(refused, 200)
  })
})

describe("a decoder", () => {
  const documents = (text: string, file = "a.toml"): ReadonlyArray<RawDocument> => [{ file, text }]
  const accepted = (decoder: Decoder, text: string): Config => {
    const decoded = now(decoder.decode(documents(text)))
    assert(Result.isSuccess(decoded), JSON.stringify(decoded))
    return decoded.success.config
  }
  const site = (
    parts: { readonly weight?: number; readonly stored?: string; readonly front?: string } = {}
  ): string => `
${parts.front ?? ""}
[storages.s]
category = "config"
value = "${parts.stored ?? "read_timeout = '5s'"}"
[upstreams.u]
addrs = ["127.0.0.1:1"]
includes = ["s"]
[upstreams.v]
addrs = ["127.0.0.1:2"]
[locations.l]
upstream = "u"
weight = ${parts.weight ?? 1}
[locations.m]
upstream = "v"
`

  it("gives the same configuration when only comments, blanks, order and spelling change", () => {
    const decoder = new Decoder()
    const first = accepted(decoder, site())
    assert.strictEqual(accepted(decoder, site({ front: "# hello" })), first)
    assert.strictEqual(accepted(decoder, site().replace("weight = 1", "weight   = 0x1 # one")), first)
    // The text of a storage is a value of its own; what it brings is not different.
    const spelt = accepted(decoder, site({ stored: "read_timeout = '5000ms'" }))
    assert.strictEqual(spelt.upstreams, first.upstreams)
    assert.deepStrictEqual(accepted(decoder, site()), first)
    const ordered = accepted(decoder, site())
    const moved = '[upstreams.v]\naddrs = ["127.0.0.1:2"]\n'
    assert.strictEqual(accepted(decoder, `${moved}${site().replace(moved, "")}`), ordered)
  })

  it("shares the sections, the items and the defaults that did not change", () => {
    const decoder = new Decoder()
    const first = accepted(decoder, site())
    const second = accepted(decoder, site({ weight: 2 }))
    assert.notStrictEqual(second, first)
    assert.notStrictEqual(second.locations["l"], first.locations["l"])
    assert.strictEqual(second.locations["m"], first.locations["m"])
    for (const section of ["basic", "upstreams", "storages", "servers", "plugins", "certificates"] as const) {
      assert.strictEqual(second[section], first[section], section)
    }
  })

  it("sees a change of an included storage in those that include it, and in nothing else", () => {
    const decoder = new Decoder()
    const first = accepted(decoder, site())
    const second = accepted(decoder, site({ stored: "read_timeout = '6s'" }))
    assert.strictEqual(second.upstreams["u"]!.read_timeout, 6_000)
    assert.strictEqual(second.upstreams["v"], first.upstreams["v"])
    assert.strictEqual(second.locations, first.locations)
    const third = accepted(decoder, site())
    assert.deepStrictEqual(third.upstreams, first.upstreams)
  })

  it("goes on after a text that is refused as if it had not been", () => {
    const decoder = new Decoder()
    const first = accepted(decoder, site())
    for (const wrong of [
      "?",
      '"',
      "[locations.l]\n",
      "[locations.x]\nupstream = 1\n",
      '[locations.x]\nupstream = "gone"\n'
    ]) {
      assert.isTrue(Result.isFailure(now(decoder.decode(documents(`${wrong}\n${site({ weight: 3 })}`)))))
      assert.strictEqual(accepted(decoder, site()), first)
    }
  })

  it("goes on after work that was given up half-way", () => {
    const decoder = new Decoder()
    const first = accepted(decoder, site())
    for (let steps = 1; steps < 5; steps++) {
      const work = decoder.decode(documents(site({ weight: 7 })))
      for (let step = 0; step < steps; step++) assert.isNotTrue(work.next().done)
      assert.strictEqual(accepted(decoder, site()), first)
    }
  })

  it("tells again what is still wrong, at its new place", () => {
    const decoder = new Decoder()
    const lines = (text: string) => {
      const decoded = now(decoder.decode(documents(text)))
      const found = Result.isFailure(decoded) ? decoded.failure : decoded.success.warnings
      return found.map(({ line, message }) => `${line}: ${message}`)
    }
    const wrong = '[upstreams.u]\naddrs = ["127.0.0.1:1"]\nadr = 1\n'
    assert.deepStrictEqual(lines(wrong), ["3: unknown key is ignored"])
    assert.deepStrictEqual(lines(`\n\n${wrong}`), ["5: unknown key is ignored"])
    assert.deepStrictEqual(lines(`[basic]\nname = 1\n${wrong}`), [
      "2: wrong type, found an integer",
      "5: unknown key is ignored"
    ])
  })

  it("never gives anything that can be changed", () => {
    const config = accepted(new Decoder(), site())
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== "object" || value === null) return
      assert.isFrozen(value, path)
      for (const [key, inner] of Object.entries(value)) visit(inner, `${path}.${key}`)
    }
    visit(config, "config")
  })

  it("asks again about a certificate's file, which changes without its text", () => {
    let isThere = false
    const decoder = new Decoder({
      checkCertificate: (cert) =>
        isThere || cert === "" ? [] : [{ severity: "error", key: "tls_cert", message: "no such file" }]
    })
    const text = '[certificates.c]\ntls_cert = "/tls/c.pem"\ntls_key = "/tls/c.key"\n'
    assert.isTrue(Result.isFailure(now(decoder.decode(documents(text)))))
    isThere = true
    assert.strictEqual(accepted(decoder, text).certificates["c"]!.tls_cert, "/tls/c.pem")
    isThere = false
    assert.isTrue(Result.isFailure(now(decoder.decode(documents(`${text}# more\n`)))))
  })
})
