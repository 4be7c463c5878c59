import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import {
  encodeName,
  encodePath,
  isInside,
  MISSING,
  OUTSIDE,
  resolve
} from "../../../src/plugin/builtin/directory/Target.ts"

const shown = (path: string, dotFiles = false): string => {
  const target = resolve(path, dotFiles)
  return target === OUTSIDE ? "outside" : target === MISSING ? "missing" : target.path + (target.directory ? " /" : "")
}

describe("resolve", () => {
  const cases: ReadonlyArray<readonly [path: string, expected: string]> = [
    ["/", " /"],
    ["/a", "a"],
    ["/a/", "a /"],
    ["/a/b.txt", "a/b.txt"],
    ["//a//b", "a/b"],
    ["/a/./b", "a/b"],
    ["/a/../b", "b"],
    ["/a/..", " /"],
    ["/a/b/.", "a/b /"],
    ["/..", "outside"],
    ["/../x", "outside"],
    ["/a/../../x", "outside"],
    ["/%2e%2e/x", "outside"],
    ["/%2E%2e/%2e%2e/etc/passwd", "outside"],
    ["/.%2e/x", "outside"],
    ["/a/%2e%2e/b", "b"],
    ["/..%2fx", "missing"],
    ["/a%2fb", "missing"],
    ["/a%2f..%2f..%2fb", "missing"],
    ["/%2fetc/passwd", "missing"],
    ["/a%00.txt", "missing"],
    ["/%252e%252e/x", "%2e%2e/x"],
    ["/..\\..\\x", "missing"],
    ["/a\\..\\x", "a\\..\\x"],
    ["/..%5c..%5cx", "missing"],
    ["/...", "missing"],
    ["/a%20b", "a b"],
    ["/100%", "100%"],
    ["/%zz", "%zz"],
    ["/%C3%A9", "\xc3\xa9"],
    ["/\xe9", "\xe9"],
    ["/%ff", "\xff"],
    ["/.git/config", "missing"],
    ["/a/.b", "missing"],
    ["/%2egit", "missing"],
    ["/.git/../a", "missing"],
    ["/.well-known/acme-challenge/x", ".well-known/acme-challenge/x"],
    ["/a/.well-known/x", "missing"],
    ["/.well-known/.x", "missing"]
  ]
  for (const [path, expected] of cases) {
    it(`${JSON.stringify(path)} is ${expected}`, () => assert.strictEqual(shown(path), expected))
  }

  it("shows dot files where that is wanted", () => {
    assert.strictEqual(shown("/.git/config", true), ".git/config")
    assert.strictEqual(shown("/..%5cx", true), "..\\x")
  })

  it("never leads out", () => {
    const piece = fc.constantFrom("..", ".", "a", "/", "%2e", "%2f", "%5c", "\\", "%00", "%", "%25", ".a", "//")
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.boolean(), (pieces, dotFiles) => {
        const target = resolve(`/${pieces.join("")}`, dotFiles)
        if (typeof target === "symbol") return
        assert.isFalse(target.path.split("/").some((name) => name === ".." || name === "." || name.includes("\0")))
        assert.isFalse(target.path.startsWith("/"))
      })
    )
  })
})

it("inside is a matter of segments", () => {
  assert.isTrue(isInside("/srv/www", "/srv/www"))
  assert.isTrue(isInside("/srv/www", "/srv/www/x"))
  assert.isFalse(isInside("/srv/www", "/srv/www-x"))
  assert.isFalse(isInside("/srv/www", "/srv"))
  assert.isTrue(isInside("/", "/x"))
})

it("encoded names hold nothing that means something", () => {
  assert.strictEqual(encodeName(`<>&"'%?# \n\xc3\xa9`), "%3C%3E%26%22%27%25%3F%23%20%0A%C3%A9")
  assert.strictEqual(encodePath(`/a%20b/<script>"\xe9`), "/a%20b/%3Cscript%3E%22%E9")
})
