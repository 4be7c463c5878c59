import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Options from "../../src/plugin/Options.ts"

describe("parseHeader", () => {
  const cases: ReadonlyArray<readonly [text: string, result: Options.Header | string | null]> = [
    [
      "Content-Type: application/octet-stream",
      { name: "Content-Type", lowerName: "content-type", value: "application/octet-stream" }
    ],
    ["X-Server: $hostname", { name: "X-Server", lowerName: "x-server", value: "$hostname" }],
    ["x:a:b", { name: "x", lowerName: "x", value: "a:b" }],
    ["x:", { name: "x", lowerName: "x", value: "" }],
    ["X-Name: é", { name: "X-Name", lowerName: "x-name", value: "Ã©" }],
    ["", null],
    ["Authorization Bearer hunter2", 'header "Authorization" has no colon, expected "Name: value"'],
    ["no-colon", 'header "no-colon" has no colon, expected "Name: value"'],
    ["Invalid Name: value", "invalid header name: Invalid Name - invalid HTTP header name"],
    ["Valid-Name: invalid\r\nvalue", "invalid header value of Valid-Name - failed to parse header value"],
    ["X: a\u0000b", "invalid header value of X - failed to parse header value"]
  ]
  for (const [text, result] of cases) {
    it(`11.1 ${JSON.stringify(text)}`, () => assert.deepEqual(Options.parseHeader(text), result))
  }

  it("never gives a value that becomes a line end in latin1", () => {
    const header = Options.parseHeader("x: \u010a\u010d")
    assert.isNotNull(header)
    assert.notMatch(typeof header === "string" ? header : (header?.value ?? ""), /[\r\n\u0100-\uffff]/)
  })
})

describe("option schemas", () => {
  const schema = Schema.Struct({
    name: Options.text("Name."),
    on: Options.flag("On."),
    count: Options.integer("Count.", 3),
    names: Options.texts("Names."),
    wait: Options.duration("Wait.", 1_500),
    headers: Options.headers("Headers.")
  })
  const decode = Schema.decodeUnknownSync(schema)

  it("have defaults", () => {
    assert.deepEqual(decode({}), { name: "", on: false, count: 3, names: [], wait: 1_500, headers: [] })
  })

  it("read what is there", () => {
    const headers = ["A: 1", "", "a: 2"]
    assert.deepEqual(decode({ name: "n", on: true, count: 0, names: ["x"], wait: "1m 30s", headers }), {
      name: "n",
      on: true,
      count: 0,
      names: ["x"],
      wait: 90_000,
      headers: [
        { name: "A", lowerName: "a", value: "1" },
        { name: "a", lowerName: "a", value: "2" }
      ]
    })
  })

  it("take an empty duration for an absent one", () => assert.strictEqual(decode({ wait: "" }).wait, 1_500))

  for (const wrong of [
    { name: 1 },
    { on: "true" },
    { count: 1.5 },
    { names: ["a", 1] },
    { names: "a" },
    { wait: 10 },
    { wait: "10" },
    { headers: ["none"] }
  ]) {
    it(`refuse ${JSON.stringify(wrong)}`, () => assert.throws(() => decode(wrong)))
  }

  it("document themselves", () => {
    const { schema: json } = Schema.toJsonSchemaDocument(schema)
    assert.deepInclude(json.properties, {
      wait: { type: "string", description: "Wait.", default: "1s 500ms" },
      on: { type: "boolean", description: "On.", default: false }
    })
  })
})
