import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as Matcher from "../../src/location/Matcher.ts"
import * as Shadowing from "../../src/location/Shadowing.ts"
import { Fields } from "../../src/model/Fields.ts"
import { now } from "../../src/model/Sliced.ts"

type Rule = Omit<Matcher.LocationRule, "name">

const named = (rules: ReadonlyArray<Rule>): ReadonlyArray<Matcher.LocationRule> =>
  rules.map((rule, index) => ({ name: `l${index}`, ...rule }))

const find = (rules: ReadonlyArray<Rule>): ReadonlyArray<Shadowing.Shadowed> => now(Shadowing.find(named(rules)))

/** `index: by` of everything that is found. */
const shown = (rules: ReadonlyArray<Rule>): string =>
  find(rules)
    .map(({ by, index }) => `${index}: ${by.join(" ")}`)
    .join(", ")

describe("find", () => {
  it.each<[string, ReadonlyArray<Rule>, string]>([
    ["nothing", [], ""],
    ["one location", [{}], ""],
    ["the same twice", [{ path: "/a" }, { path: "/a" }], "1: 0"],
    ["a prefix of another is lighter", [{ path: "/a" }, { path: "/ab" }], ""],
    ["a prefix of another with more weight", [{ path: "/a", weight: 999 }, { path: "/ab" }], "1: 0"],
    ["in the order of selection, not of the list", [{ path: "/ab" }, { path: "/a", weight: 999 }], "0: 1"],
    ["conditions behind the same path", [{ path: "/a" }, { path: "/a", match_query: ["v:2"] }], "1: 0"],
    ["conditions in front of the same path", [{ path: "/a", match_query: ["v:2"] }, { path: "/a" }], ""],
    ["two that differ in conditions", [{ match_query: ["a"] }, { match_query: ["a"] }], ""],
    ["an empty condition is none", [{ match_headers: [" "] }, {}], "1: 0"],
    ["an exact path behind its prefix", [{ path: "/a", weight: 2000 }, { path: "=/a/b" }], "1: 0"],
    ["a prefix behind an exact path", [{ path: "=/a" }, { path: "/a" }], ""],
    ["an exact path twice", [{ path: "=/a" }, { path: "= /a" }], "0: 1"],
    ["a regular expression behind its literal beginning", [{ path: "/api" }, { path: "~^/api/users/[0-9]+$" }], "1: 0"],
    ["one that begins elsewhere", [{ path: "/api" }, { path: "~/api/users" }], ""],
    ["one whose beginning may be absent", [{ path: "/api" }, { path: "~^/api?/x" }], ""],
    ["one with an alternative", [{ path: "/api" }, { path: "~^/api|^/b" }], ""],
    ["one that ignores case", [{ path: "/api" }, { path: "~(?i)^/api" }], ""],
    ["one with an escaped dot", [{ path: "/v1.0" }, { path: "~^/v1\\.0/" }], "1: 0"],
    ["a regular expression in front", [{ path: "~^/", weight: 999 }, { path: "/a" }], ""],
    ["any host behind one host", [{ host: "a.com" }, {}], ""],
    ["one host behind any host", [{ weight: 200 }, { host: "a.com" }], "1: 0"],
    ["hosts without regard to case", [{ host: "A.com" }, { host: "a.COM" }], "1: 0"],
    ["a host behind its wildcard", [{ host: "*.a.com" }, { host: "x.a.com" }], "1: 0"],
    ["the apex is not below it", [{ host: "*.a.com" }, { host: "a.com" }], ""],
    ["a wildcard behind a shorter one", [{ host: "*.a.com" }, { host: "*.b.a.com" }], "1: 0"],
    ["a wildcard behind a longer one", [{ host: "*.b.a.com" }, { host: "*.a.com" }], ""],
    ["a wildcard behind a host below it", [{ host: "x.a.com" }, { host: "*.a.com" }], ""],
    ["several hosts behind several", [{ host: "a.com" }, { host: "b.com" }, { host: "a.com,b.com" }], "2: 0 1"],
    ["several hosts, one of them free", [{ host: "a.com" }, { host: "a.com,b.com" }], ""],
    ["a host pattern behind any host", [{ weight: 200 }, { host: "~^a" }], "1: 0"],
    ["a host pattern behind one host", [{ host: "a.com" }, { host: "~^a\\.com$", weight: 1 }], ""],
    [
      "hosts and paths that cross",
      [
        { host: "a.com", path: "/x" },
        { path: "/x/y", weight: 1 }
      ],
      ""
    ],
    ["a path beyond ASCII", [{ path: "/é" }, { path: "/é" }], "1: 0"],
    [
      "escapes and what they stand for",
      [
        { path: "/%41b", weight: 1 },
        { path: "/Abc", weight: 1 }
      ],
      "1: 0"
    ],
    ["rules that cannot be used", [{ host: "*." }, { host: "*." }], ""],
    ["the last three behind the first", [{ weight: 9 }, { weight: 1 }, { weight: 8 }, {}], "1: 0, 2: 0, 3: 0"]
  ])("%s", (_, rules, expected) => {
    assert.strictEqual(shown(rules), expected)
  })

  it("says nothing about a name that is listed twice", () => {
    assert.deepStrictEqual(now(Shadowing.find([{ name: "a" }, { name: "a" }, { name: "b" }])), [{ index: 2, by: [0] }])
  })

  it("pauses, and takes ten thousand locations in well below a second", () => {
    const rules = Array.from({ length: 10_000 }, (_, i) => ({
      host: `h${i % 100}.com,*.b${i % 7}.com`,
      path: `/v${i}`
    }))
    const work = Shadowing.find(named(rules))
    const started = performance.now()
    let pauses = 0
    while (work.next().done !== true) pauses++
    assert.isAtLeast(pauses, 40)
    assert.isBelow(performance.now() - started, 900)
  })
})

// ---- against the definition: every request of a small world

const HOSTS = ["a", "b", "b.a", "c.b.a", "q.q", "q.a", "q.b.a", "q"]
const TEXTS = ["", "/", "/a", "/b", "/a/", "/a/b", "/ab", "/aa", "/q", "/aq", "/a/q", "/a/bq", "/abq", "/bq", "/a/b/q"]
const QUERIES = ["", "v=1"]

interface Subject extends Matcher.Subject {
  readonly path: string
}

const SUBJECTS: ReadonlyArray<Subject> = HOSTS.flatMap((host) =>
  TEXTS.flatMap((path) =>
    QUERIES.map((query) => ({ host, path, query, fields: Fields.of([]), addVariables: () => undefined }))
  )
)

const matcherOf = (rules: ReadonlyArray<Rule>): Matcher.Matcher => Matcher.compile(named(rules)).matcher

/** Positions of locations that match some request, and never are the answer. */
const neverChosen = (rules: ReadonlyArray<Rule>): Array<number> => {
  const all = matcherOf(rules)
  const chosen = new Set(SUBJECTS.map((subject) => all.match(subject)))
  return rules.flatMap((rule, index) => {
    const alone = matcherOf([rule])
    return !chosen.has(index) && SUBJECTS.some((subject) => alone.match(subject) === 0) ? [index] : []
  })
}

const optional = <T>(...values: ReadonlyArray<T>): fc.Arbitrary<T | undefined> => fc.constantFrom(undefined, ...values)

const ruleOf = (paths: ReadonlyArray<string>, hosts: ReadonlyArray<string>): fc.Arbitrary<Rule> =>
  fc.record({
    path: optional(...paths),
    host: optional(...hosts),
    weight: optional(0, 1, 600),
    match_query: optional(["v"], ["v:1"])
  })

const PATHS = ["/", "/a", "/a/", "/a/b", "/ab", "=/a", "=/a/b", "=/"]
const PLAIN_HOSTS = ["a", "b", "*.a", "*.b.a", "b.a", "a,b", "*.a,a", "c.b.a, b"]

describe("against every request of a small world", () => {
  it("finds all and only what is never chosen, where no regular expression is", () => {
    fc.assert(
      fc.property(fc.array(ruleOf(PATHS, PLAIN_HOSTS), { maxLength: 7 }), (rules) => {
        const found = find(rules).map(({ index }) => index)
        // Those with conditions may also be taken by others with the same: that is not looked for.
        const expected = neverChosen(rules)
        for (const index of found) assert.include(expected, index)
        for (const index of expected) {
          if (rules.every(({ match_query }) => match_query === undefined)) assert.include(found, index)
        }
      }),
      { numRuns: 500 }
    )
  })

  it("finds only what is never chosen, whatever the patterns", () => {
    const paths = [...PATHS, "~^/a", "~^/a/?", "~/a", "~^/", "~^/a|^/q", "~^/a{0,1}q", "~b$", "~^/a/b*q", "~^/q?"]
    const hosts = [...PLAIN_HOSTS, "~a", "~^q\\.", "a,~q", "~[b"]
    fc.assert(
      fc.property(fc.array(ruleOf(paths, hosts), { maxLength: 7 }), (rules) => {
        const all = matcherOf(rules)
        const chosen = new Set(SUBJECTS.map((subject) => all.match(subject)))
        for (const { index } of find(rules)) assert.isFalse(chosen.has(index), `location ${index} is chosen`)
      }),
      { numRuns: 1000 }
    )
  })

  it("names those that take the requests", () => {
    fc.assert(
      fc.property(fc.array(ruleOf(PATHS, PLAIN_HOSTS), { maxLength: 7 }), (rules) => {
        for (const { by, index } of find(rules)) {
          const alone = matcherOf([rules[index]!])
          const theirs = matcherOf(by.map((other) => rules[other]!))
          for (const subject of SUBJECTS) if (alone.match(subject) === 0) assert.isAtLeast(theirs.match(subject), 0)
        }
      }),
      { numRuns: 300 }
    )
  })
})
