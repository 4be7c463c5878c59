/** The arrangement of a server's locations, made once and used for one set of values after the other. */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import type * as Matcher from "../../src/location/Matcher.ts"
import * as Routes from "../../src/location/Routes.ts"
import { now } from "../../src/model/Sliced.ts"
import { fakeExchange } from "../support/FakeExchange.ts"

const rules: ReadonlyArray<Matcher.LocationRule> = [
  { name: "root", path: "/" },
  { name: "api", path: "/api" },
  { name: "user", path: "~/user/(?<id>[0-9]+)" },
  { name: "broken", path: "~(" }
]

describe("a plan", () => {
  it("routes to the values that it is given", () => {
    const plan = now(Routes.planning(rules))
    const [first, second] = ["a", "b"].map((value) => plan.to(rules.map(({ name }) => `${value}:${name}`)))
    const ask = (uri: string) => [first!(fakeExchange({ uri })), second!(fakeExchange({ uri }))]
    assert.deepStrictEqual(ask("/api/x"), ["a:api", "b:api"])
    assert.deepStrictEqual(ask("/user/7"), ["a:user", "b:user"])
    assert.deepStrictEqual(ask("/other"), ["a:root", "b:root"])
  })

  it("names rules that never match by their place in its own list", () => {
    const [root, , , broken] = rules
    const indexes = [rules, [broken!, root!], [root!, broken!]].map((list) =>
      now(Routes.planning(list)).errors.map(({ index, location }) => [index, location])
    )
    assert.deepStrictEqual(indexes, [[[3, "broken"]], [[0, "broken"]], [[1, "broken"]]])
  })

  it("is that of the same rules read for the first time, whatever list they were in before", () => {
    const paths = fc.constantFrom("", "/", "/a", "/a/b", "=/a", "~^/a", "~b$", "/b")
    const rule = fc.record({
      path: paths,
      host: fc.constantFrom("", "a.com", "*.a.com", "~^b", "a.com,b.com"),
      weight: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined })
    })
    const exchanges = ["/", "/a", "/a/b", "/b", "/c"].flatMap((uri) =>
      ["a.com", "x.a.com", "b.com", ""].map((host) => ({ uri, host }))
    )
    const answers = (list: ReadonlyArray<Matcher.LocationRule>) => {
      const { route } = Routes.compile(
        list,
        list.map(({ name }) => name)
      )
      return exchanges.map(({ host, uri }) => route(fakeExchange({ uri, fields: [["Host", host]] })))
    }
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 6 }), fc.nat(), (given, rotation) => {
        const named = given.map((rule, index): Matcher.LocationRule => ({ ...rule, name: `l${index}` }))
        const by = named.length === 0 ? 0 : rotation % named.length
        const rotated = [...named.slice(by), ...named.slice(0, by)]
        answers(named)
        assert.deepStrictEqual(answers(rotated), answers(rotated.map((rule) => ({ ...rule }))))
      }),
      { numRuns: 300 }
    )
  })

  it("of many locations is made with pauses", () => {
    const many = Array.from({ length: 2_000 }, (_, index) => ({ name: `l${index}`, path: `/p${index}` }))
    let pauses = 0
    const work = Routes.planning(many)
    while (work.next().done !== true) pauses++
    assert.isAtLeast(pauses, 40)
  })
})
