import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as Regex from "../../src/model/Regex.ts"

const compile = (source: string, flags: "" | "i" = ""): Regex.Regex => {
  const regex = Regex.compile(source, flags)
  assert(!(regex instanceof Regex.RegexError), regex instanceof Regex.RegexError ? regex.message : "")
  return regex
}

describe("Regex dialect", () => {
  it.each([
    ["abc", "xabcx", "abc"],
    ["^abc$", "xabc", null],
    ["a.c", "a\nc", null],
    ["a.c", "a\rc", "a\rc"],
    ["(?s)a.c", "a\nc", "a\nc"],
    ["(?i)AbC", "xaBcx", "aBc"],
    ["a(?i)b|c", "C", "C"],
    ["a(?i:b)c", "aBc", "aBc"],
    ["a(?i:b)c", "aBC", null],
    ["(?i)a(?-i)b", "AB", null],
    ["(?i)[^a]", "A", null],
    ["(?m)^b$", "a\nb\nc", "b"],
    ["^b$", "a\nb\nc", null],
    ["(?U)a+", "aaa", "a"],
    ["(?U)a+?", "aaa", "aaa"],
    ["(?x) a b # comment\n c", "abc", "abc"],
    ["(?u)\\d+", "42", "42"],
    ["\\Aab\\z", "ab", "ab"],
    ["ab\\z", "ab\n", null],
    ["a$", "a\n", null],
    ["\\bfoo\\b", "a foo b", "foo"],
    ["\\bfoo\\b", "afoo", null],
    ["\\<foo\\>", "a foo b", "foo"],
    ["\\b{start}foo", "a foo", "foo"],
    ["o\\B", "foo", "o"],
    ["[[:alpha:]]+", "12ab34", "ab"],
    ["[[:^digit:]]+", "12ab34", "ab"],
    ["[^[:space:]]+", " ab ", "ab"],
    ["[a-z&&[^aeiou]]+", "aebcd", "bcd"],
    ["[a-z--[aeiou]]+", "aebcd", "bcd"],
    ["[a-c~~b-d]+", "bcad", "ad"],
    ["[]a]+", "x]a]", "]a]"],
    ["[^]a]+", "]xy", "xy"],
    ["[a\\-z]+", "b-", "-"],
    ["[-a]+", "-a", "-a"],
    ["[a-]+", "-a", "-a"],
    ["[\\]\\[]+", "[]", "[]"],
    ["[a&&b]", "ab", null],
    ["\\x41\\x{42}\\u0043\\u{44}\\U00000045", "ABCDE", "ABCDE"],
    ["\\t\\n\\r\\f\\v\\a", "\t\n\r\f\v\x07", "\t\n\r\f\v\x07"],
    ["\\/\\-\\#\\&\\~\\%", "/-#&~%", "/-#&~%"],
    ["\\p{L}+", "12é", "é"],
    ["\\pL+", "12é", "é"],
    ["\\p{Greek}+", "aβγ", "βγ"],
    ["\\p{sc=Greek}", "aβ", "β"],
    ["\\P{L}+", "a12", "12"],
    ["[\\p{L}0-9]+", "-é9-", "é9"],
    ["[^\\p{L}]+", "é-9é", "-9"],
    ["a{2}", "aaa", "aa"],
    ["a{2,}", "aaaa", "aaaa"],
    ["a{1,2}?", "aaa", "a"],
    ["a**", "aaa", "aaa"],
    ["(?:)", "a", ""],
    ["a||b", "b", ""],
    ["}", "a}", "}"],
    ["é", "café", "é"],
    ["é", "caf\xc3\xa9", "\xc3\xa9"],
    ["日本?", "\xe6\x97\xa5", "\xe6\x97\xa5"],
    ["\\d", "٣", null],
    ["\\w+", "é_1", "_1"]
  ])("%s in %j finds %j", (source, text, expected) => {
    const regex = compile(source)
    const match = regex.exec(text)
    assert.strictEqual(match === null ? null : text.slice(match.index, match.end), expected)
    assert.strictEqual(regex.test(text), expected !== null)
  })

  it.each([
    ["a(?=b)", "look-around"],
    ["a(?!b)", "look-around"],
    ["(?<=a)b", "look-around"],
    ["(?<!a)b", "look-around"],
    ["(a)\\1", "back-references"],
    ["(?P<n>a)(?P=n)", "back-references"],
    ["\\h", "unrecognized escape"],
    ["\\Z", "unrecognized escape"],
    ["\\Q.\\E", "unrecognized escape"],
    ["(?R)a", "unsupported flag"],
    ["(a", "unclosed group"],
    ["a)", "unopened group"],
    ["[a", "unclosed character class"],
    ["[z-a]", "invalid character range"],
    ["a{2", "unclosed counted repetition"],
    ["a{2,1}", "end is before its start"],
    ["a{,2}", "without a number"],
    ["*a", "repetition operator without expression"],
    ["a|*", "repetition operator without expression"],
    ["a\\", "incomplete escape"],
    ["\\p{Klingon}", "unknown Unicode class"],
    ["\\x{110000}", "not a character"],
    ["(?<n>a)(?<n>b)", "duplicate group name"],
    ["(?<1n>a)", "invalid group name"],
    ["(?<n", "unclosed group name"],
    [`${"(".repeat(300)}a${")".repeat(300)}`, "nested too deeply"],
    ["a{100001}", "too large"]
  ])("refuses %s", (source, message) => {
    const error = Regex.compile(source)
    assert(error instanceof Regex.RegexError)
    assert.include(error.message, message)
  })

  it("ignores case in all of a pattern with the flag i", () => {
    assert.isTrue(compile("^héllo[a-c]$", "i").test("HÉLLOB"))
  })

  it("compiles equal patterns once", () => {
    assert.strictEqual(compile("once(.*)"), compile("once(.*)"))
    assert.notStrictEqual(compile("once"), compile("once", "i"))
  })
})

describe("Regex groups", () => {
  it("8.2 exports exactly the named groups", () => {
    const match = compile("(?P<year>\\d{4})-(?P<month>\\d{2})-(?P<day>\\d{2})").exec("on 2024-03-14")
    assert.deepStrictEqual(Object.entries(match!.named), [
      ["year", "2024"],
      ["month", "03"],
      ["day", "14"]
    ])
    assert.deepStrictEqual([match!.index, match!.end], [3, 13])
  })

  it("leaves out groups that took no part", () => {
    const match = compile("(?<a>x)|(?<b>y)").exec("y")
    assert.deepStrictEqual(Object.keys(match!.named), ["b"])
    assert.deepStrictEqual(match!.groups, ["y", undefined, "y"])
  })

  it("keeps what a group of an earlier round captured, as Rust does", () => {
    assert.deepStrictEqual(compile("^(?:(a)|b)+$").exec("ab")!.groups, ["ab", "a"])
  })

  it("takes names that are properties of every object", () => {
    const match = compile("(?<__proto__>a)(?<constructor>b)").exec("ab")
    assert.deepStrictEqual(Object.entries(match!.named), [
      ["__proto__", "a"],
      ["constructor", "b"]
    ])
  })

  it("knows the literal beginning of patterns that are tied to the start", () => {
    const prefix = (source: string) => compile(source).prefix
    assert.deepStrictEqual(
      ["^/api/v\\d+", "\\A/a\\.b$", "/api", "^/a|^/b", "(?i)^/api", "^", "^(/a)", "^/ab?"].map(prefix),
      ["/api/v", "/a.b", "", "", "/", "", "", "/a"]
    )
  })
})

describe("Regex replacement", () => {
  it.each([
    ["(\\w+) (\\w+)", "hello world", "$2-$1", "world-hello"],
    ["(?<first>\\w+) (?<second>\\w+)", "hello world", `\${second}_$first`, "world_hello"],
    ["(\\w+)", "a", "$1abc", ""],
    ["(\\w+)", "a", `\${1}abc`, "aabc"],
    ["(\\w+)", "a", "$$1", "$1"],
    ["(\\w+)", "a", "$", "$"],
    ["(\\w+)", "a", "$-${", "$-${"],
    ["(\\w+)", "a", "[$0]", "[a]"],
    ["(\\w+)", "a", "[$2$nope]", "[]"],
    ["(.+)", "$1$0", "<$1>", "<$1$0>"],
    ["b", "abc", "", "ac"],
    ["x", "abc", "y", "abc"]
  ])("%s on %j with %j gives %j", (source, text, template, expected) => {
    const regex = compile(source)
    assert.strictEqual(regex.replaceFirst(text, regex.replacement(template)), expected)
  })

  it.each([
    ["a", "banana", "o", "bonono"],
    ["^a", "aaa", "b", "baa"],
    ["x*", "abc", "-", "-a-b-c-"],
    ["a*", "baac", "-", "-b-c-"],
    ["(a|a)*", "baac", "-", "-b-c-"],
    ["\\ba", "aa a", "b", "ba b"]
  ])("replaces every %s in %j", (source, text, template, expected) => {
    const regex = compile(source)
    assert.strictEqual(regex.replaceAll(text, regex.replacement(template)), expected)
  })
})

describe("Regex cost", () => {
  const long = 64 * 1024

  it.each([
    ["^(a|a)*$", `${"a".repeat(long)}b`],
    ["^(a|a)*$", "a".repeat(long)],
    ["(x+x+)+y", "x".repeat(long)],
    ["(.*)*", "x".repeat(long)],
    ["(.+)+$", `${"x".repeat(long)}\n`],
    ["^(([a-z])+.)+[A-Z]$", "a".repeat(long)],
    ["(a?){50}a{50}$", "a".repeat(49)],
    ["a*a*a*a*b", "a".repeat(long)],
    ["(.*)x(.*)y", "x".repeat(long)],
    ["/(.+)/z", "/".repeat(long)],
    ["(?:ab|a|b)*c", "ab".repeat(long / 2)],
    ["^(\\w+\\s?)*$", `${"word ".repeat(long / 5)}!`]
  ])("%s is linear", (source, text) => {
    const regex = compile(source)
    // The first search also builds the automaton; the quicker of two is what a loaded machine did not disturb.
    let best = Number.POSITIVE_INFINITY
    for (let round = 0; round < 3; round++) {
      const started = performance.now()
      regex.test(text)
      best = Math.min(best, performance.now() - started)
    }
    assert.isBelow(best, 50)
  })

  it("captures within the longest subject of a request in time", () => {
    for (const source of ["^(a|a)*$", "(.*)*", "(.+)+", "(.*)a(.*)b(.*)", "^/(.*)/(.*)/(.*)$"]) {
      const text = "/a".repeat(Regex.MAX_SUBJECT / 2)
      const regex = compile(source)
      let best = Number.POSITIVE_INFINITY
      for (let round = 0; round < 3; round++) {
        const started = performance.now()
        regex.exec(text)
        best = Math.min(best, performance.now() - started)
      }
      assert.isBelow(best, 50, source)
    }
  })

  it("is bounded for random patterns on the subjects that hurt", () => {
    const atom = fc.constantFrom("a", "b", ".", "[ab]", "\\w", "a?", "ab")
    const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
      pattern: fc.oneof(
        { maxDepth: 4 },
        atom,
        fc
          .tuple(tie("pattern"), fc.constantFrom("*", "+", "?", "*?", "{2,}", "{0,3}"))
          .map(([body, operator]) => `(?:${body})${operator}`),
        fc.array(tie("pattern"), { minLength: 2, maxLength: 3 }).map((parts) => parts.join("")),
        fc.array(tie("pattern"), { minLength: 2, maxLength: 3 }).map((options) => `(${options.join("|")})`)
      )
    }))
    fc.assert(
      fc.property(pattern, fc.constantFrom("^", ""), fc.constantFrom("a", "ab", "b"), (body, start, unit) => {
        const regex = compile(`${start}${body}c`)
        const text = unit.repeat(2000)
        let best = Number.POSITIVE_INFINITY
        for (let round = 0; round < 3 && best > 100; round++) {
          const started = performance.now()
          assert.isFalse(regex.test(text))
          best = Math.min(best, performance.now() - started)
        }
        assert.isBelow(best, 100, regex.source)
      }),
      { numRuns: 300 }
    )
  })

  it("finds the same match on both engines", () => {
    const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
      pattern: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "\\b", "^", "$", "a{1,2}"),
        fc.tuple(tie("pattern"), fc.constantFrom("*", "+", "?", "+?")).map(([body, op]) => `(${body}a)${op}`),
        fc.array(tie("pattern"), { minLength: 2, maxLength: 3 }).map((parts) => parts.join("")),
        fc.array(tie("pattern"), { minLength: 2, maxLength: 3 }).map((options) => `(?:${options.join("|")})`)
      )
    }))
    const spans = (regex: Regex.Regex, text: string) => {
      const match = regex.exec(text)
      return match === null ? null : [match.index, match.groups]
    }
    fc.assert(
      fc.property(pattern, fc.string({ unit: fc.constantFrom("a", "b", "\n", " ") }), (source, text) => {
        // A body that may be empty is only run on the linear engine, and never changes where a match lies.
        const linear = compile(`${source}(?:(?:q?)*)`)
        assert.deepStrictEqual(spans(compile(source), text), spans(linear, text))
      }),
      { numRuns: 1000 }
    )
  })
})

describe("Regex.quote", () => {
  it("matches a text and nothing else", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const regex = compile(`^${Regex.quote(text)}$`)
        assert.isTrue(regex.test(text))
        assert.isFalse(regex.test(`${text}x`))
      })
    )
  })
})
