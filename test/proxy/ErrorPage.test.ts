/** Pages for failures: form, escaping, headers. */
import { assert, describe, it } from "@effect/vitest"
import { Fields } from "../../src/model/Fields.ts"
import * as ErrorPage from "../../src/proxy/ErrorPage.ts"
import * as Failure from "../../src/proxy/Failure.ts"

const all = Object.values(Failure)

const typeOf = (template: string): string | undefined =>
  new Fields(ErrorPage.compile(template, "1")(Failure.noUpstream).fields).get("content-type")

describe("form", () => {
  for (const [template, type] of [
    ["", "text/html; charset=utf-8"],
    ["<p>{{content}}</p>", "text/html; charset=utf-8"],
    ["{{error_type}}: {{content}}", "text/html; charset=utf-8"],
    ['{"error":"{{error_type}}"}', "application/json; charset=utf-8"],
    ['\n {"error":"{{error_type}}"}', "application/json; charset=utf-8"]
  ] as const) {
    it(JSON.stringify(template), () => assert.strictEqual(typeOf(template), type))
  }

  it("every failure has a page of its status and type", () => {
    const page = ErrorPage.compile("", "1.2.3")
    for (const failure of all) {
      const { body, closes, fields, status } = page(failure)
      assert.deepStrictEqual([status, closes], [failure.status, failure.closes])
      assert.strictEqual(new Fields(fields).get("x-pingap-etype"), failure.type)
      assert.strictEqual(new Fields(fields).get("cache-control"), "private, no-store")
      assert.include(String(body), failure.message)
      assert.include(String(body), "1.2.3")
      assert.notInclude(String(body), "{{")
    }
  })

  it("a JSON template stays JSON whatever the text", () => {
    const page = ErrorPage.compile('{"type":"{{error_type}}","text":"{{content}}"}', "1")
    const failure = { ...Failure.internal, message: 'a "quote", a \\ and a\nline' }
    assert.strictEqual(JSON.parse(String(page(failure).body)).text, failure.message)
  })

  it("an HTML template escapes the text, and texts are no templates", () => {
    const page = ErrorPage.compile("<p>{{content}}</p>", "1")
    const failure = { ...Failure.internal, message: `<script>alert("x")</script>&'{{version}}$&` }
    assert.strictEqual(
      page(failure).body,
      "<p>&#60;script&#62;alert(&#34;x&#34;)&#60;/script&#62;&#38;&#39;{{version}}$&#38;</p>"
    )
  })
})

it("a page is made once", () => {
  const page = ErrorPage.compile("", "1")
  assert.strictEqual(page(Failure.internal), page(Failure.internal))
  assert.notStrictEqual(page(Failure.internal), page(Failure.noUpstream))
})

it("failures have codes of their own and valid statuses", () => {
  assert.strictEqual(new Set(all.map(({ code }) => code)).size, all.length)
  for (const { status } of all) assert.isTrue(status >= 400 && status <= 599)
})
