import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { RE2JS } from "re2js"
import { SubFilter } from "../../src/plugin/builtin/SubFilter.ts"
import * as Rules from "../../src/plugin/builtin/sub_filter/Rules.ts"
import * as Stage from "../../src/plugin/builtin/sub_filter/Stage.ts"
import * as Options from "../../src/plugin/Options.ts"
import type { Hooks } from "../../src/plugin/Plugin.ts"
import { type BodySink, CONSUMED, type Flow, FULL, KEPT } from "../../src/proxy/Body.ts"
import { clientGone } from "../../src/proxy/Failure.ts"
import { fakeExchange, through, withResponse } from "../support/FakeExchange.ts"

const P = "http://pingap.io"
const Q = "http://PinGap.io"
const R = "https://pingap.io/api"

const compileRule = (text: string, maxMatchBytes: number) => {
  const parsed = Rules.parse(text)
  assert.isNotNull(parsed, text)
  const rule = Rules.compile(parsed!, maxMatchBytes)
  if (typeof rule === "string") throw new Error(rule)
  return rule
}

const sinkOf = (answer: Flow, take: (piece: Buffer) => void): BodySink => ({
  write: (piece) => {
    take(piece)
    return answer
  },
  end: () => {},
  abort: () => {}
})

const NO_SOURCE = { resume: () => {}, cancel: () => {} }

// Writes each piece in memory that is overwritten right after the call unless the answer forbids it.
const rewrite = (rules: ReadonlyArray<string>, pieces: ReadonlyArray<Buffer>, maxMatchBytes = 65_536): Buffer => {
  const kept: Array<Buffer> = []
  const sink = sinkOf(KEPT, (chunk) => kept.push(chunk))
  const stage = Stage.compile(rules.map((rule) => compileRule(rule, maxMatchBytes)))(sink, NO_SOURCE)
  for (const piece of pieces) {
    const chunk = Buffer.from(piece)
    if (stage.write(chunk) === CONSUMED) chunk.fill("!")
  }
  stage.end(null)
  return Buffer.concat(kept)
}

const cut = (bytes: Buffer, cuts: ReadonlyArray<number>): Array<Buffer> => {
  const inside = cuts.filter((at) => at > 0 && at < bytes.length)
  const points = [...new Set([0, ...inside, bytes.length])].sort((a, b) => a - b)
  return points.slice(1).map((to, i) => bytes.subarray(points[i], to))
}

const rewriteText = (rules: ReadonlyArray<string>, text: string) => rewrite(rules, [Buffer.from(text)]).toString()

describe("rule text", () => {
  const cases: ReadonlyArray<readonly [id: string, text: string, expected: Rules.RuleText | null]> = [
    [
      "SF1",
      `subs_filter '${P}' '${R}' ig`,
      { isRegex: true, pattern: P, replacement: R, ignoreCase: true, everywhere: true, rest: "" }
    ],
    [
      "SF2",
      `sub_filter '${P}' '${R}' ig`,
      { isRegex: false, pattern: P, replacement: R, ignoreCase: true, everywhere: true, rest: "" }
    ],
    [
      "no flags",
      "sub_filter 'a' 'b'",
      { isRegex: false, pattern: "a", replacement: "b", ignoreCase: false, everywhere: false, rest: "" }
    ],
    [
      "found anywhere",
      "x; sub_filter\t'a'  'b' g;",
      { isRegex: false, pattern: "a", replacement: "b", ignoreCase: false, everywhere: true, rest: "x; ;" }
    ],
    ["empty replacement", "sub_filter 'a' ''", null],
    ["empty pattern", "sub_filter '' 'a'", null],
    ["other quotes", `sub_filter "a" "b"`, null],
    ["nothing", "", null]
  ]
  for (const [id, text, expected] of cases) it(`${id}: ${text}`, () => assert.deepEqual(Rules.parse(text), expected))
})

describe("rewriting", () => {
  const cases: ReadonlyArray<readonly [id: string, rules: ReadonlyArray<string>, input: string, output: string]> = [
    ["SF3*", [`subs_filter '${P}' '${R}' ig`], `${P} ${Q}`, `${R} ${R}`],
    ["SF4*", [`subs_filter '${P}' '${R}' g`], `${P} ${Q}`, `${R} ${Q}`],
    ["SF5*", [`subs_filter '${P}' '${R}'`], `${P} ${Q} ${P}`, `${R} ${Q} ${P}`],
    ["SF6*", [`sub_filter '${P}' '${R}'`], `${P} ${Q} ${P}`, `${R} ${Q} ${P}`],
    ["SF7*", [`sub_filter '${P}' '${R}' g`], `${P} ${Q} ${P}`, `${R} ${Q} ${R}`],
    ["literal text is no pattern", ["sub_filter 'a.c' '$1' g"], "abc a.c", "abc $1"],
    ["i means nothing to a literal", ["sub_filter 'a' 'b' ig"], "A a", "A b"],
    ["rules apply in order", ["sub_filter 'a' 'b' g", "sub_filter 'b' 'c' g"], "ab", "cc"],
    ["rules apply in the other order", ["sub_filter 'b' 'c' g", "sub_filter 'a' 'b' g"], "ab", "bc"],
    ["groups by number", ["subs_filter '(a+)(b)?' '[$2-$1]' g"], "aab a", "[b-aa] [-a]"],
    ["groups by name", ["subs_filter '(?P<x>a)(?<y>b)' '$\u007by}$x' g"], "abab", "baba"],
    ["a name is as long as it can be", ["subs_filter '(a)' '$1b$\u007b1}b' g"], "a", "ab"],
    ["dollars", ["subs_filter 'a' '$$1 $ $' g"], "a", "$1 $ $"],
    ["group zero", ["subs_filter 'a.' '<$0>' g"], "abac", "<ab><ac>"],
    ["an inserted group is not expanded", ["subs_filter '(.+)' '$1' g"], "$1 $$", "$1 $$"],
    ["anchors see the whole body", ["subs_filter '^a' 'X' g"], "aa\na", "Xa\na"],
    ["lines", ["subs_filter '(?m)^a$' 'X' g"], "a\naa\na", "X\naa\nX"],
    ["the end", ["subs_filter 'a$' 'X' g"], "a a", "a X"],
    ["words", ["subs_filter '\\bcat\\b' 'dog' g"], "cat concat cat", "dog concat dog"],
    ["empty matches", ["subs_filter 'x*' '-' g"], "axb", "-a-b-"],
    ["an empty body has an empty match", ["subs_filter '^$' 'empty'"], "", "empty"],
    ["characters beyond ASCII", ["subs_filter 'é|[à-ü]' '.' g"], "aéüz Ã©", "a..z Ã©"],
    ["case beyond ASCII", ["subs_filter 'é' '.' ig"], "éÉ", ".."],
    ["a dot is a character", ["subs_filter '<.>' 'X' g"], "<é> <€> <😀> <ab>", "X X X <ab>"],
    ["an optional character", ["subs_filter 'aé?b' 'X' g"], "ab aéb", "X X"],
    ["Unicode classes", ["subs_filter '\\p{Greek}+' 'G' g"], "αβγ abc", "G abc"],
    ["escaped literal", ["subs_filter 'a\\.b' 'X' g"], "a.b axb", "X axb"],
    ["counted", ["subs_filter 'a{2,3}' 'X' g"], "a aa aaaaa", "a X XX"],
    ["lazy", ["subs_filter '<.*?>' 'X' g"], "<a><b>", "XX"],
    ["greedy", ["subs_filter '<.*>' 'X' g"], "<a><b>", "X"]
  ]
  for (const [id, rules, input, output] of cases) {
    it(`${id}: ${rules.join(", ")}`, () => {
      assert.strictEqual(rewriteText(rules, input), output)
      const bytes = Array.from(Buffer.from(input), (byte) => Buffer.of(byte))
      assert.strictEqual(rewrite(rules, bytes).toString(), output, "byte by byte")
    })
  }

  it("bytes that are no UTF-8 pass and match no character", () => {
    const body = Buffer.from([0x3c, 0xff, 0x3e, 0x3c, 0xed, 0xa0, 0x80, 0x3e, 0x3c, 0x61, 0x3e])
    assert.deepEqual(
      rewrite(["subs_filter '<.>' 'X' g"], [body]),
      Buffer.concat([body.subarray(0, 8), Buffer.from("X")])
    )
  })
})

// Rust's iteration over matches: an empty match that touches the one before does not count.
const replaceAll = (pattern: RE2JS, text: string, everywhere: boolean): string => {
  const matcher = pattern.matcher(text)
  let out = ""
  let copied = 0
  let from = 0
  let last = -1
  while (from <= text.length && matcher.find(from)) {
    if (matcher.start() === matcher.end() && matcher.start() === last) {
      from = matcher.end() + 1
      continue
    }
    const group = matcher.groupCount() > 0 ? (matcher.group(1) ?? "") : ""
    out += `${text.slice(copied, matcher.start())}<${matcher.group()}|${group}>`
    copied = last = from = matcher.end()
    if (!everywhere) break
  }
  return out + text.slice(copied)
}

const atoms = ["a", "b", "c", "[ab]", ".", "^", "$", "\\b", "\\B", "\\n", "(?m:^)", "(?m:$)", "[^a]", "x"]
const quantifiers = ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,2}?", "{2,}"]
const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
  pattern: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(...atoms),
    fc.array(tie("pattern"), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("")),
    fc.tuple(tie("pattern"), tie("pattern")).map(([a, b]) => `(?:${a}|${b})`),
    tie("pattern").map((body) => `(${body})`),
    fc.tuple(tie("pattern"), fc.constantFrom(...quantifiers)).map(([body, q]) => `(?:${body})${q}`)
  )
}))
const body = fc.string({ unit: fc.constantFrom("a", "b", "c", "\n", " ", "x"), maxLength: 40 })
const cuts = fc.array(fc.nat(40), { maxLength: 6 })

describe("any split of a body", () => {
  it("gives what a search of the whole body gives", () => {
    fc.assert(
      fc.property(pattern, body, fc.boolean(), cuts, (source, text, everywhere, at) => {
        let whole: RE2JS
        try {
          whole = RE2JS.compile(source)
        } catch {
          return
        }
        const rule = `subs_filter '${source}' '<$0|$1>' ${everywhere ? "g" : ""}`
        const pieces = cut(Buffer.from(text), at)
        assert.strictEqual(rewrite([rule], pieces).toString(), replaceAll(whole, text, everywhere), rule)
      }),
      { numRuns: 4_000 }
    )
  })

  it.each([
    ["(?:(?:(?:([^a]))*)*^)*", "bcxba", "<|>b<|>c<|>x<|>b<|>a<|>"],
    ["(?:[^a]*^)?", "xxxxx", "<|>x<|>x<|>x<|>x<|>x<|>"]
  ])("%s looks ahead again and again in %s", (source, text, expected) => {
    assert.strictEqual(rewrite([`subs_filter '${source}' '<$0|$1>' g`], [Buffer.from(text)]).toString(), expected)
  })

  it("gives the same when matches are longer than the window", () => {
    const long = fc.string({ unit: fc.constantFrom("a", "b", "x", "\n"), maxLength: 200 })
    fc.assert(
      fc.property(
        pattern,
        long,
        fc.array(fc.nat(200), { maxLength: 12 }),
        fc.integer({ min: 1, max: 12 }),
        (source, text, at, max) => {
          const rule = `subs_filter '${source}' '<$0>' g`
          const bytes = Buffer.from(text)
          assert.deepEqual(rewrite([rule], cut(bytes, at), max), rewrite([rule], [bytes], max), rule)
        }
      ),
      { numRuns: 3_000 }
    )
  })

  it("replaces text as a search of the whole body does", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 6 })
    const text = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 60 })
    fc.assert(
      fc.property(
        word,
        text,
        fc.array(fc.nat(60), { maxLength: 12 }),
        fc.boolean(),
        (needle, input, at, everywhere) => {
          const output = everywhere ? input.replaceAll(needle, "<>") : input.replace(needle, "<>")
          const rule = `sub_filter '${needle}' '<>' ${everywhere ? "g" : ""}`
          assert.strictEqual(rewrite([rule], cut(Buffer.from(input), at)).toString(), output)
        }
      ),
      { numRuns: 3_000 }
    )
  })

  it("works through several rules", () => {
    const rules = [
      "sub_filter 'ab' 'ba' g",
      "subs_filter 'b(a*)' '$1b' g",
      "sub_filter 'aa' 'c'",
      "subs_filter 'c$' '!' "
    ]
    fc.assert(
      fc.property(body, cuts, (input, at) => {
        const bytes = Buffer.from(input)
        assert.deepEqual(rewrite(rules, cut(bytes, at)), rewrite(rules, [bytes]))
      })
    )
  })
})

describe("limits", () => {
  it("a match as long as the window is found, a longer one is not", () => {
    const rule = ["subs_filter '<[a-z]*>' 'X' g"]
    const text = (letters: number) => Buffer.from(`<${"a".repeat(letters)}> <b>`)
    assert.strictEqual(rewrite(rule, [text(62)], 64).toString(), "X X")
    assert.strictEqual(rewrite(rule, [text(63)], 64).toString(), `<${"a".repeat(63)}> X`)
  })

  it("a greedy match that outgrows the window ends where it last may", () => {
    assert.strictEqual(
      rewrite(["subs_filter 'a+' 'X'"], [Buffer.from("a".repeat(100))], 64).toString(),
      `X${"a".repeat(36)}`
    )
  })

  it("holds back no more than the window", () => {
    let passed = 0
    const sink = sinkOf(CONSUMED, (chunk) => {
      passed += chunk.length
    })
    const stage = Stage.compile([compileRule("subs_filter '(?s)<!--.*-->' 'X' g", 4_096)])(sink, NO_SOURCE)
    const chunk = Buffer.from("<!-- never closed ".repeat(100))
    let sent = 0
    for (let i = 0; i < 200; i++) {
      stage.write(chunk)
      sent += chunk.length
      assert.isAtMost(sent - passed, 4_097)
    }
  })

  const patterns = ["(x+x+)+y", "^(x|x)*$", "(.*)*z", "x[^z]*z", "x(.*z)?", "(x?){30}z"]
  for (const source of patterns) {
    it(`no body makes ${source} expensive`, () => {
      const text = Buffer.from("x".repeat(65_536))
      const started = performance.now()
      rewrite([`subs_filter '${source}' 'X' g`], [text])
      // A linear search takes some ten milliseconds; a quadratic one would take minutes.
      assert.isBelow(performance.now() - started, 2_000)
    })
  }

  it("a pattern whose program would be huge is refused", () => {
    const rule = Rules.parse("subs_filter '((a{100}){100}){100}' 'X'")!
    assert.strictEqual(Rules.compile(rule, 64), "regex is too large")
  })
})

describe("the stage", () => {
  const write = (rules: ReadonlyArray<string>, answer: Flow, chunk: Buffer) => {
    const seen: Array<Buffer> = []
    const sink = sinkOf(answer, (piece) => seen.push(piece))
    const stage = Stage.compile(rules.map((rule) => compileRule(rule, 65_536)))(sink, NO_SOURCE)
    return { flow: stage.write(chunk), seen, stage }
  }
  const rule = ["sub_filter 'abc' 'X' g"]

  it("passes an untouched piece on as it is, with the reader's answer", () => {
    for (const answer of [CONSUMED, KEPT, FULL] as const) {
      const chunk = Buffer.from("nothing here")
      const { flow, seen } = write(rule, answer, chunk)
      assert.strictEqual(flow, answer)
      assert.strictEqual(seen[0], chunk)
    }
  })

  it("says that the source may reuse its memory when what was kept is a copy", () => {
    assert.strictEqual(write(rule, KEPT, Buffer.from("1 abc 2")).flow, CONSUMED)
    assert.strictEqual(write(rule, FULL, Buffer.from("1 abc 2")).flow, FULL)
  })

  it("takes a piece that is held back whole without bothering the reader", () => {
    const { flow, seen } = write(rule, FULL, Buffer.from("ab"))
    assert.strictEqual(flow, CONSUMED)
    assert.deepEqual(seen, [])
  })

  it("sends one piece for one piece, however many matches it has", () => {
    const { seen } = write(rule, CONSUMED, Buffer.from("abc abc abc"))
    assert.deepEqual(seen.map(String), ["X X X"])
  })

  it("lets out what it held back before the end, then the trailers", () => {
    const { sink } = through(Stage.compile([compileRule(rule[0]!, 64)]), ["1ab"])
    assert.deepEqual(sink.events, ["write 1", "write 2", "end"])
  })

  it("hands a failure on", () => {
    const events: Array<string> = []
    const sink: BodySink = { write: () => CONSUMED, end: () => {}, abort: ({ code }) => events.push(code) }
    Stage.compile([compileRule(rule[0]!, 64)])(sink, NO_SOURCE).abort(clientGone)
    assert.deepEqual(events, ["client.gone"])
  })
})

const decode = Schema.decodeUnknownSync(SubFilter.options)

const make = (options: object) =>
  Effect.gen(function* () {
    const notices: Array<string> = []
    const take: Options.TakeNotice = (path, message) =>
      Effect.sync(() => void notices.push(`${path.join(".")}: ${message}`))
    const hooks: Hooks = yield* SubFilter.make(decode(options), { name: "test", step: "response" }).pipe(
      Effect.provideService(Options.Notices, take),
      Effect.scoped
    )
    return { hooks, notices }
  })

const FILTERS = ["sub_filter 'a' 'b' g"]

describe("the plugin", () => {
  const rewrites = (hooks: Hooks, exchange: ReturnType<typeof fakeExchange>) =>
    hooks.responseBody!(exchange) !== undefined

  const decisions: ReadonlyArray<
    readonly [
      name: string,
      options: object,
      request: object,
      status: number,
      fields: Record<string, string>,
      expected: boolean
    ]
  > = [
    ["everything by default", {}, {}, 200, {}, true],
    ["errors too", {}, {}, 502, {}, true],
    ["a status of the list", { status_codes: "200, 404" }, {}, 404, {}, true],
    ["another status", { status_codes: "200,404" }, {}, 500, {}, false],
    ["a list without a status", { status_codes: "ok" }, {}, 200, {}, false],
    ["a path that matches anywhere", { path: "docs" }, { uri: "/x/docs/1?q" }, 200, {}, true],
    ["another path", { path: "^/docs" }, { uri: "/x/docs" }, 200, {}, false],
    ["the query is no path", { path: "q" }, { uri: "/x?q" }, 200, {}, false],
    ["coded", {}, {}, 200, { "Content-Encoding": "gzip" }, false],
    ["identity", {}, {}, 200, { "Content-Encoding": "identity" }, true],
    ["a part", {}, {}, 206, {}, false],
    ["nothing", {}, {}, 204, {}, false],
    ["not modified", {}, {}, 304, {}, false],
    ["HEAD", {}, { method: "HEAD" }, 200, {}, false]
  ]
  for (const [name, options, request, status, fields, expected] of decisions) {
    it.effect(`body, ${name}: ${expected ? "rewritten" : "untouched"}`, () =>
      Effect.gen(function* () {
        const { hooks } = yield* make({ filters: FILTERS, ...options })
        const exchange = withResponse(fakeExchange(request), status, Object.entries(fields))
        hooks.response!(exchange)
        assert.strictEqual(rewrites(hooks, exchange), expected)
      })
    )
  }

  const HEAD = [
    ["Content-Length", "10"],
    ["ETag", '"abc"'],
    ["Accept-Ranges", "bytes"],
    ["Content-MD5", "x"],
    ["Digest", "x"],
    ["Content-Digest", "x"],
    ["Repr-Digest", "x"],
    ["Last-Modified", "now"],
    ["Content-Type", "text/html"]
  ] as const

  for (const [method, status] of [
    ["GET", 200],
    ["HEAD", 200],
    ["GET", 304]
  ] as const) {
    it.effect(`head of ${method} ${status}: what is not true of the rewritten body goes`, () =>
      Effect.gen(function* () {
        const { hooks } = yield* make({ filters: FILTERS })
        const exchange = withResponse(fakeExchange({ method }), status, HEAD)
        hooks.response!(exchange)
        assert.deepEqual(exchange.response.entries(), [
          ["Last-Modified", "now"],
          ["Content-Type", "text/html"],
          ["ETag", 'W/"abc"']
        ])
      })
    )
  }

  it.effect("head of an untouched response stays", () =>
    Effect.gen(function* () {
      const { hooks } = yield* make({ filters: FILTERS, path: "^/docs" })
      const exchange = withResponse(fakeExchange(), 200, HEAD)
      hooks.response!(exchange)
      assert.deepEqual(
        exchange.response.entries(),
        HEAD.map(([name, value]) => [name, value])
      )
    })
  )

  it.effect("two instances in one location work one after the other", () =>
    Effect.gen(function* () {
      const first = (yield* make({ filters: ["sub_filter 'a' 'b' g"] })).hooks
      const second = (yield* make({ filters: ["sub_filter 'b' 'c' g"] })).hooks
      const exchange = withResponse(fakeExchange(), 200)
      const { body } = through(
        (next, source) => {
          const last = second.responseBody!(exchange)!(next, source)
          return first.responseBody!(exchange)!(last, source)
        },
        ["a", "b"]
      )
      assert.strictEqual(body, "cc")
    })
  )

  it.effect("bodies of one instance do not know each other", () =>
    Effect.gen(function* () {
      const { hooks } = yield* make({ filters: ["sub_filter 'ab' 'X'"] })
      const transform = hooks.responseBody!(withResponse(fakeExchange(), 200))!
      assert.strictEqual(through(transform, ["a"]).body, "a")
      assert.strictEqual(through(transform, ["b ab"]).body, "b X")
    })
  )

  it.effect("without rules there is nothing to do", () =>
    Effect.gen(function* () {
      assert.deepEqual((yield* make({})).hooks, {})
    })
  )

  const errors: ReadonlyArray<readonly [options: object, message: RegExp]> = [
    [{ filters: ["sub a b"] }, /^Plugin sub_filter invalid, message: invalid subs filter: sub a b$/],
    [{ filters: ["subs_filter '(' 'x'"] }, /regex parse error at 1: .*: subs_filter '\(' 'x'$/],
    [{ filters: ["subs_filter '(?=a)' 'x'"] }, /look-around is not supported/],
    [{ path: "[", filters: FILTERS }, /^Plugin sub_filter invalid, message: regex parse error/],
    [{ filters: FILTERS, max_match_size: 1 }, /max_match_size/]
  ]
  for (const [options, message] of errors) {
    it.effect(`${JSON.stringify(options)} is refused`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(make(options))
        assert.match(error.message, message)
      })
    )
  }

  it.effect("says what has no effect", () =>
    Effect.gen(function* () {
      const { notices } = yield* make({ filters: ["sub_filter 'a' 'b' i x"], status_codes: "200,ok" })
      assert.deepEqual(notices, [
        "status_codes: items that are no status are ignored",
        'filters.0: "x" is no part of the rule and ignored',
        "filters.0: sub_filter never ignores case, subs_filter does"
      ])
    })
  )
})
