import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type Entry, escapeHtml, formatTime, render } from "../../../src/plugin/builtin/directory/Listing.ts"

const file = (name: string, size = 1, modified = 0): Entry => ({ name, directory: false, size, modified })

describe("Listing", () => {
  it("has a line for each entry, sizes and times of files only", () => {
    const page = render(
      "a/b",
      [{ name: "d", directory: true, size: 4096, modified: 1 }, file("f.txt", 100_000, 1_706_933_106_000)],
      0
    )
    const rows = page.split("\n").filter((line) => line.startsWith("<tr>"))
    assert.deepEqual(rows, [
      `<tr><td><a href="../">../</a></td><td></td><td></td></tr>`,
      `<tr><td><a href="./d/">d/</a></td><td></td><td></td></tr>`,
      `<tr><td><a href="./f.txt">f.txt</a></td><td>97.7 KiB</td><td>2024-02-03 04:05:06 UTC</td></tr>`
    ])
    assert.include(page, "<title>Index of /a/b/</title>")
  })

  it("has no way up from the root", () => assert.notInclude(render("", [], 0), "../"))

  it("says when it is not complete", () => assert.include(render("", [], 7), "7 more entries"))

  it("escapes names in text and links", () => {
    const page = render("<i>", [file(`"><script>'&%?#\n`)], 0)
    assert.include(
      page,
      `<a href="./%22%3E%3Cscript%3E%27%26%25%3F%23%0A">&quot;&gt;&lt;script&gt;&#39;&amp;%?#\ufffd</a>`
    )
    assert.include(page, "<h1>Index of /&lt;i&gt;/</h1>")
  })

  it("shows UTF-8 names as text and encodes their bytes", () => {
    const name = Buffer.from("é", "utf8").toString("latin1")
    assert.include(render("", [file(name)], 0), `<a href="./%C3%A9">é</a>`)
    assert.include(render("", [file("\xff")], 0), `<a href="./%FF">\ufffd</a>`)
  })

  it("no name can become markup", () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        const binary = Buffer.from(name).toString("latin1")
        assert.notMatch(escapeHtml(binary), /[<>"'\n\0]/)
        const [, link] = /href="\.\/([^"]*)"/.exec(render("", [file(binary)], 0))!
        assert.match(link!, /^[A-Za-z0-9\-._~%]*$/)
        assert.strictEqual(decodeURIComponent(link!), Buffer.from(name).toString("utf8"))
      })
    )
  })

  it("leaves out times that no calendar has", () => {
    assert.strictEqual(formatTime(0), "1970-01-01 00:00:00 UTC")
    assert.strictEqual(formatTime(1e18), "")
    assert.strictEqual(formatTime(Number.NaN), "")
  })
})
