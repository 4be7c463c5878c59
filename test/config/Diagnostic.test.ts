import { assert, describe, it } from "@effect/vitest"
import * as Diagnostic from "../../src/config/Diagnostic.ts"

const found: Diagnostic.Diagnostic = {
  severity: "error",
  file: "conf/locations.toml",
  line: 12,
  column: 3,
  path: "locations.root.upstream",
  message: "upstream(chart) is not found",
  expected: "the name of a configured upstream",
  hint: 'did you mean "charts"?',
  excerpt: { text: '  upstream = "chart"', length: 8 }
}

describe("format", () => {
  it("prints place, message, expectation, hint and a caret", () => {
    assert.strictEqual(
      Diagnostic.format(found),
      `conf/locations.toml:12:3: error: locations.root.upstream: upstream(chart) is not found
  expected: the name of a configured upstream
  hint: did you mean "charts"?
  12 |   upstream = "chart"
     |   ^^^^^^^^`
    )
  })

  it("leaves out what a finding about a whole file does not have", () => {
    const whole = { severity: "error", file: "conf", line: 0, column: 0, path: "", message: "no such file" } as const
    assert.strictEqual(Diagnostic.format(whole), "conf: error: no such file")
  })

  it("shows nothing that a terminal would act on", () => {
    const text = Diagnostic.format({
      ...found,
      message: "\u001b[31mred\u202e\n",
      excerpt: { text: "\tx = '\u001b]0;title\u0007'", length: 1 }
    })
    assert.notMatch(text, /[^\n\x20-\x7e\ufffd]/)
  })

  it.each([
    ["certificates.web.tls_key", 'tls_key = "hunter2"', 'tls_key = "*******"'],
    ["", "secret = 'hunter2", "secret = '*******"],
    ["", '"my token" = "hunter2', '"my token" = "*******'],
    ["", '  "hunter2" "x"', '  "*******" "*"'],
    ["plugins.p.authorizations[1]", '  "aHVudGVyMg==", "x"', '  "**********==", "*"'],
    ["plugins.jwt.secret", 'p = { secret = "hunter2" }', 'p = { ****** = "*******" }'],
    ["locations.lo.proxy_set_headers[0]", 'h = ["X-Api-Key: hunter2"]', 'h = ["********** *******"]'],
    ["locations.lo.proxy_set_headers[1]", '  "Cookie: hunter2", 1', '  "******* *******", *'],
    ["locations.lo.plugins[0]", 'plugins = ["auth"]', 'plugins = ["auth"]'],
    ["locations.auth.upstream", 'upstream = "a"', 'upstream = "a"'],
    ["storages.s.secret", "[storages.secrets]", "[storages.secrets]"],
    // The end of base64 is no assignment.
    ["", " hunter2hunter2==", " **************=="],
    ["", "hunter2hunter2=", "**************="],
    ["", 'hunter2hunter2="""', '**************="""'],
    ["", "tls_key = ", "tls_key = "],
    // The secret stands behind something else.
    ["", '[plugins.a] secret = "hunter2"', '[*********] ****** = "*******"'],
    ["plugins.a.x", 'x = { password = "hunter2" }', 'x = { ******** = "*******" }'],
    ["plugins.a.category", 'a = { category = "moc", key = "hunter2" }', 'a = { ******** = "***", *** = "*******" }'],
    ["plugins.a.x", 'password "hunter2" x=1', '******** "*******" *=*'],
    ["locations.lo.proxy_set_headers[0]", 'h = ["X Api Key: hunter2"]', 'h = ["* *** **** *******"]'],
    ["locations.lo.proxy_set_headers[0]", 'h = ["X-Foo: Bearer hunter2"]', 'h = ["X-Foo: Bearer *******"]'],
    // URLs carry credentials under any key.
    ["servers.web.prometheus_metrics", 'm = "http://u:hunter2@push"', 'm = "http://*********@push"'],
    ["servers.web.x", 'x = ["https://h?token=hunter2&a=b"]', 'x = ["https://h?token=*******&a=b"]']
  ])("masks secrets: %s in %s", (path, text, shown) => {
    const printed = Diagnostic.format({ ...found, path, column: 1, excerpt: { text, length: 1 } })
    assert.include(printed, `| ${shown}\n`)
    assert.notInclude(printed, "hunter2")
  })

  it("masks what is meant to be a secret", () => {
    const excerpt = { text: 'webhok = "https://hook/hunter2"', length: 6 }
    const printed = Diagnostic.format({ ...found, path: "basic.webhok", hint: 'did you mean "webhook"?', excerpt })
    assert.include(printed, '| webhok = "********************"\n')
  })

  it("masks URLs in messages", () => {
    const message = "url parse error: invalid URL, http://user:hunter2@"
    assert.include(Diagnostic.format({ ...found, message }), "invalid URL, http://***@\n")
  })

  it("says once what is found in many items at the same place", () => {
    const inItem = (name: string) => ({ ...found, path: `locations.${name}.upstream` })
    const other = { ...found, line: 13 }
    const printed = Diagnostic.formatAll([inItem("a"), inItem("b"), other, inItem("c")])
    assert.strictEqual(
      printed,
      [
        Diagnostic.format(inItem("a")),
        "  the same goes for locations.b.upstream and 1 more",
        Diagnostic.format(other),
        "4 errors"
      ].join("\n")
    )
    assert.match(
      Diagnostic.formatAll([inItem("a"), inItem("b"), other], 1),
      /^ {2}the same goes for .*\nand 1 more\n3 errors$/m
    )
  })

  it("counts", () => {
    const warning = { ...found, severity: "warning" } as const
    assert.match(Diagnostic.formatAll([found, { ...found, line: 13 }, warning]), /\n2 errors, 1 warning$/)
    assert.match(Diagnostic.formatAll([warning]), /\n1 warning$/)
    assert.strictEqual(Diagnostic.formatAll([]), "")
  })
})

describe("formatPath", () => {
  it.each([
    [["locations", "root", "plugins", 1], "locations.root.plugins[1]"],
    [["certificates", "a.com", "tls_key"], 'certificates."a.com".tls_key'],
    [[], ""]
  ])("%j is %s", (path, text) => {
    assert.strictEqual(Diagnostic.formatPath(path), text)
  })
})
