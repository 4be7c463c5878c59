import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as RequestTarget from "../../src/model/RequestTarget.ts"

const rawPath = fc
  .array(
    fc.oneof(
      fc.constantFrom("/", ".", "..", "%2e", "%2E%2e", "%2f", "%5c", "%00", "%", "%%", "%zz", ";", ";x", "..;x", "//"),
      fc.constantFrom("a", "B", "~", "%61", "%7E", "%c3%a9", "%25", "2e", "\xe9", "*", "%4", "%252e")
    ),
    { maxLength: 12 }
  )
  .map((parts) => `/${parts.join("")}`)

describe("RequestTarget.normalizePath", () => {
  it.each([
    ["/", "/"],
    ["/a/b", "/a/b"],
    ["/c/../deny/x", "/deny/x"],
    ["/c/%2e%2e/deny/x", "/deny/x"],
    ["/c/%2E./deny/x", "/deny/x"],
    ["//deny/x", "/deny/x"],
    ["/%64eny/x", "/deny/x"],
    ["/deny%2fx", "/deny%2Fx"],
    ["/./deny/x", "/deny/x"],
    ["/c/..;/deny/x", "/deny/x"],
    ["/c/..;a=b/deny/x", "/deny/x"],
    ["/c/.;a/deny", "/c/deny"],
    ["/../../etc", "/etc"],
    ["/..", "/"],
    ["/a/..", "/"],
    ["/a/b/..", "/a/"],
    ["/a/.", "/a/"],
    ["/a//", "/a/"],
    ["/a//../b", "/b"],
    ["/a/;p/..", "/"],
    ["/;/deny/x", "/deny/x"],
    ["/a/;p=1/b", "/a/b"],
    ["/app/;jsessionid=1", "/app/;jsessionid=1"],
    ["/a;p=1/b", "/a;p=1/b"],
    ["/.well-known/x", "/.well-known/x"],
    ["/...", "/..."],
    ["/..a/.b", "/..a/.b"],
    ["/a%5cb%00c", "/a%5Cb%00c"],
    ["/%252e%252e/x", "/%252e%252e/x"],
    ["/%25%32%65", "/%252e"],
    ["/100%", "/100%25"],
    ["/%zz", "/%25zz"],
    ["/%%34%31", "/%2541"],
    ["/%7Euser/%2Dx%5f", "/~user/-x_"],
    ["/caf%c3%a9", "/caf%C3%A9"],
    ["/caf\xc3\xa9", "/caf\xc3\xa9"],
    ["*", "*"],
    ["", ""]
  ])("%s is %s", (raw, expected) => {
    assert.strictEqual(RequestTarget.normalizePath(raw), expected)
  })

  it("changes nothing when applied again", () => {
    fc.assert(
      fc.property(rawPath, (raw) => {
        const path = RequestTarget.normalizePath(raw)
        assert.strictEqual(RequestTarget.normalizePath(path), path)
      }),
      { numRuns: 5000 }
    )
  })

  it("leaves no dot segment, double slash or way above the root", () => {
    fc.assert(
      fc.property(rawPath, (raw) => {
        const path = RequestTarget.normalizePath(raw)
        assert.isTrue(path.startsWith("/"))
        assert.isFalse(RequestTarget.hasDotSegments(path), path)
        assert.isFalse(path.includes("//"))
        assert.strictEqual(
          new URL(path, "http://h").pathname.replaceAll("%C3%A9", ""),
          path.replaceAll("\xe9", "").replaceAll("%C3%A9", "")
        )
      }),
      { numRuns: 2000 }
    )
  })

  it("is skipped only where it would change nothing", () => {
    fc.assert(
      fc.property(rawPath, (raw) => {
        if (!RequestTarget.needsNormalizing(raw)) assert.strictEqual(RequestTarget.normalizePath(raw), raw)
      }),
      { numRuns: 5000 }
    )
    assert.isFalse(RequestTarget.needsNormalizing("/plain/path;p/x.y"))
  })
})

describe("RequestTarget.hasDotSegments", () => {
  it.each(["/.", "/..", "/a/../b", "/a/%2e%2E/b", "/a/.%2e", "/a/..;x", "/a/.;/b"])("%s does", (path) => {
    assert.isTrue(RequestTarget.hasDotSegments(path))
  })
  it.each(["/", "/.a", "/a.", "/a/...", "/..%2f", "/a/%2e%2e%2e", "/.well-known/"])("%s does not", (path) => {
    assert.isFalse(RequestTarget.hasDotSegments(path))
  })
})

describe("RequestTarget.encode", () => {
  it("escapes what may not stand in a target and nothing else", () => {
    assert.strictEqual(RequestTarget.encode("/a b/é%20\t日?x=1&y=%"), "/a%20b/%C3%A9%20%09%E6%97%A5?x=1&y=%")
  })
})
