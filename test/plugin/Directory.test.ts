import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as nodePath from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { compile, Directory } from "../../src/plugin/builtin/Directory.ts"
import { CONSUMED, FULL } from "../../src/proxy/Body.ts"
import * as Lifecycle from "../../src/proxy/Lifecycle.ts"
import { fake, fakeExchange } from "../support/FakeExchange.ts"
import { allClosed, ask, build, collect, MTIME, openBelow, respond, temporary, write } from "./directory/Site.ts"

const LAST_MODIFIED = "Sat, 03 Feb 2024 04:05:06 GMT"
const FORBIDDEN = "You do not have permission to access this resource, file: "
const DI3 = { chunk_size: 1024, max_age: "1h", private: true, index: "/index.html", autoindex: true, download: true }

describe("options", () => {
  it.effect("DI1: path, chunk_size as an integer, max_age, charset", () =>
    Effect.gen(function* () {
      const site = yield* compile(
        Schema.decodeUnknownSync(Directory.options)({
          path: "~/Downloads",
          index: "/index.html",
          autoindex: true,
          chunk_size: 1024,
          max_age: "10m",
          private: true,
          charset: "utf8",
          download: true
        })
      )
      assert.isTrue(site.root.path.startsWith(os.homedir()) && site.root.path.endsWith("/Downloads"))
      assert.strictEqual(site.index, "index.html")
      assert.isTrue(site.autoindex)
      const { fields } = site.heads.plan(fakeExchange(), "a.txt", 1, MTIME * 1_000)
      assert.include(fields, "Cache-Control: private, max-age=600\r\nContent-Type: text/plain; charset=utf8\r\n")
      assert.include(fields, 'Content-Disposition: attachment; filename="a.txt"\r\n')
    })
  )

  it("DI2: steps, and the message for the others", () => {
    assert.deepEqual(Directory.steps, ["request", "proxy_upstream"])
    assert.strictEqual(Directory.stepPolicy, "lenient")
    assert.strictEqual(
      Directory.stepError,
      "Directory serve plugin should be executed at request or proxy upstream step"
    )
  })

  it.effect("the hook stands at its step", () =>
    Effect.gen(function* () {
      assert.deepEqual(Object.keys((yield* build({ path: "." })).hooks), ["request"])
      assert.deepEqual(Object.keys((yield* build({ path: "." }, "proxy_upstream")).hooks), ["proxyUpstream"])
    })
  )

  const errors: ReadonlyArray<readonly [options: object, message: string]> = [
    [{}, "Plugin directory invalid, message: path is not allowed empty"],
    [{ path: ".", index: "/../x" }, "Plugin directory invalid, message: invalid index: /../x"],
    [{ path: ".", charset: "utf-8\r\nX: y" }, "Plugin directory invalid, message: invalid charset: utf-8\r\nX: y"]
  ]
  for (const [options, message] of errors) {
    it.effect(`${JSON.stringify(options)} is refused`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(build(options))).message, message)
      })
    )
  }

  it.effect("says what has no effect", () =>
    Effect.gen(function* () {
      const { notices } = yield* build({
        path: "/does/not/exist",
        chunk_size: "big",
        max_age: "soon",
        headers: ["X-A: 1", "Content-Length: 5"]
      })
      assert.deepEqual(
        notices.map((notice) => notice.replace(/: .*/, "")),
        ["chunk_size", "path", "max_age", "headers.1"]
      )
    })
  )
})

describe("files", () => {
  it.effect("DI3: fields in order", () =>
    Effect.gen(function* () {
      const path = yield* temporary
      write(path, { "index.html": "<p>" })
      const answer = yield* ask({ ...DI3, path }, { uri: "/index.html?size=1" })
      assert.strictEqual(answer.status, 200)
      assert.deepEqual(answer.headers, [
        ["Cache-Control", "private, max-age=3600"],
        ["Content-Type", "text/html"],
        ["ETag", `W/"3-${MTIME.toString(16)}"`],
        ["Accept-Ranges", "bytes"],
        ["Content-Disposition", 'attachment; filename="index.html"'],
        ["Last-Modified", LAST_MODIFIED],
        ["X-Content-Type-Options", "nosniff"]
      ])
      assert.strictEqual(answer.body.toString(), "<p>")
    })
  )

  it.effect("DI6: HTML beyond chunk_size is not cached, everything else is", () =>
    Effect.gen(function* () {
      const path = yield* temporary
      write(path, { "large.html": "x".repeat(5_000), "small.html": "x", "large.css": "x".repeat(5_000) })
      const options = { path, charset: "utf-8", max_age: "1h" }
      const large = yield* ask(options, { uri: "/large.html" })
      assert.strictEqual(large.get("content-type"), "text/html; charset=utf-8")
      assert.strictEqual(large.get("cache-control"), "private, no-cache")
      assert.strictEqual((yield* ask(options, { uri: "/small.html" })).get("cache-control"), "public, max-age=3600")
      assert.strictEqual((yield* ask(options, { uri: "/large.css" })).get("cache-control"), "public, max-age=3600")
    })
  )

  it.effect("types come from the extension alone", () =>
    Effect.gen(function* () {
      const path = yield* temporary
      const types: Record<string, string> = {
        "a.JS": "text/javascript; charset=utf-8",
        "a.json": "application/json",
        "a.b.png": "image/png",
        html: "application/octet-stream",
        "a.constructor": "application/octet-stream",
        "a.__proto__": "application/octet-stream",
        "b.html/noext": "application/octet-stream"
      }
      write(path, Object.fromEntries(Object.keys(types).map((name) => [name, "x"])))
      for (const [name, type] of Object.entries(types)) {
        const answer = yield* ask({ path, charset: "utf-8" }, { uri: `/${name}` })
        assert.strictEqual(answer.get("content-type"), type, name)
      }
    })
  )

  it.effect("names of any bytes", () =>
    Effect.gen(function* () {
      const path = yield* temporary
      write(path, { "é ü.txt": "1", "a&b<c>.txt": "2", "100%.txt": "3", "a\\b.txt": "4" })
      fs.writeFileSync(Buffer.concat([Buffer.from(`${path}/`), Buffer.from([0xff, 0x2e, 0x74])]), "5")
      const uris = ["/%C3%A9%20%C3%BC.txt", "/a&b<c>.txt", "/100%.txt", "/a%5Cb.txt", "/%FF.t"]
      const bodies = yield* Effect.forEach(uris, (uri) => Effect.map(ask({ path }, { uri }), ({ body }) => `${body}`))
      assert.deepEqual(bodies, ["1", "2", "3", "4", "5"])
    })
  )

  it.effect("own fields replace ours and repeat", () =>
    Effect.gen(function* () {
      const path = yield* temporary
      write(path, { "a.txt": "x" })
      const headers = [
        "cache-control: no-transform",
        "Content-Type: x/y",
        "Set-Cookie: a",
        "Set-Cookie: b",
        'ETag: "e"'
      ]
      const answer = yield* ask({ path, headers, max_age: "1h" }, { uri: "/a.txt" })
      assert.deepEqual(answer.headers, [
        ["Accept-Ranges", "bytes"],
        ["Last-Modified", LAST_MODIFIED],
        ["X-Content-Type-Options", "nosniff"],
        ["cache-control", "no-transform"],
        ["Content-Type", "x/y"],
        ["Set-Cookie", "a"],
        ["Set-Cookie", "b"],
        ["ETag", '"e"']
      ])
    })
  )

  const names: ReadonlyArray<readonly [name: string, expected: string]> = [
    ["a.txt", 'attachment; filename="a.txt"'],
    ['a"\\b', 'attachment; filename="a\\"\\\\b"'],
    ["é€.txt", "attachment; filename*=UTF-8''%C3%A9%E2%82%AC.txt"],
    ["a\r\nX: y", "attachment; filename*=UTF-8''a%0D%0AX%3A%20y"]
  ]
  for (const [name, expected] of names) {
    it.effect(`download: ${JSON.stringify(name)}`, () =>
      Effect.gen(function* () {
        const path = yield* temporary
        write(path, { [name]: "x" })
        const answer = yield* ask({ path, download: true }, { uri: `/${encodeURIComponent(name)}` })
        assert.strictEqual(answer.get("content-disposition"), expected)
      })
    )
  }

  it.effect("an empty file", () =>
    Effect.gen(function* () {
      const path = yield* temporary
      write(path, { e: "" })
      const answer = yield* ask({ path }, { uri: "/e" })
      assert.deepEqual([answer.status, answer.length], [200, 0])
    })
  )

  it.effect("a file without a date has neither tag nor date; one from the future is from now", () =>
    Effect.gen(function* () {
      const path = yield* temporary
      write(path, { old: "x", late: "x" })
      fs.utimesSync(nodePath.join(path, "old"), 0, 0)
      fs.utimesSync(nodePath.join(path, "late"), 5_000_000_000, 5_000_000_000)
      const old = yield* ask({ path }, { uri: "/old" })
      assert.deepEqual([old.get("etag"), old.get("last-modified")], [undefined, undefined])
      const late = yield* ask({ path }, { uri: "/late" })
      assert.strictEqual(late.get("etag"), `W/"1-${(5_000_000_000).toString(16)}"`)
      assert.isAtMost(Date.parse(late.get("last-modified")!), Date.now())
    })
  )
})

describe("methods", () => {
  it.effect("HEAD has the fields and the length of GET", () =>
    Effect.gen(function* () {
      const path = yield* temporary
      write(path, { "a.txt": "x".repeat(100_000) })
      const get = yield* ask({ path }, { uri: "/a.txt" })
      const head = yield* ask({ path }, { uri: "/a.txt", method: "HEAD", fields: [["Range", "bytes=0-1"]] })
      assert.deepEqual([head.status, head.length, head.headers], [200, get.length, get.headers])
      assert.strictEqual(head.body.length, 0)
      yield* allClosed(path)
    })
  )

  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "get"]) {
    it.effect(`${method} is refused`, () =>
      Effect.gen(function* () {
        const path = yield* temporary
        write(path, { "a.txt": "x" })
        const answer = yield* ask({ path }, { uri: "/a.txt", method })
        assert.deepEqual([answer.status, answer.get("allow")], [405, "GET, HEAD"])
      })
    )
  }
})

describe("conditions and ranges", () => {
  const cases: ReadonlyArray<
    readonly [fields: Record<string, string>, status: number, contentRange: string | undefined, body: string]
  > = [
    [{ Range: "bytes=2-4" }, 206, "bytes 2-4/10", "234"],
    [{ Range: "bytes=-3" }, 206, "bytes 7-9/10", "789"],
    [{ Range: "bytes=0-1,5-6" }, 206, "bytes 0-1/10", "01"],
    [{ Range: "bytes=10-" }, 416, "bytes */10", ""],
    [{ Range: "bytes=x" }, 200, undefined, "0123456789"],
    [{ Range: "bytes=0-1", "If-Range": LAST_MODIFIED }, 206, "bytes 0-1/10", "01"],
    [{ Range: "bytes=0-1", "If-Range": "Sat, 03 Feb 2024 04:05:05 GMT" }, 200, undefined, "0123456789"],
    [{ Range: "bytes=0-1", "If-None-Match": "*" }, 304, undefined, ""],
    [{ "If-Match": '"x"' }, 412, undefined, ""]
  ]
  for (const [fields, status, contentRange, body] of cases) {
    it.effect(`${JSON.stringify(fields)}: ${status}`, () =>
      Effect.gen(function* () {
        const path = yield* temporary
        write(path, { "a.txt": "0123456789" })
        const answer = yield* ask({ path, max_age: "1h" }, { uri: "/a.txt", fields: Object.entries(fields) })
        assert.deepEqual([answer.status, answer.get("content-range"), `${answer.body}`], [status, contentRange, body])
        if (status === 206) assert.strictEqual(answer.get("cache-control"), "public, max-age=3600")
      })
    )
  }

  it.effect("304 has what guides a cache and nothing that describes content", () =>
    Effect.gen(function* () {
      const path = yield* temporary
      write(path, { "a.txt": "x" })
      const headers = ["Vary: Origin", "Content-Language: en"]
      const etag = (yield* ask({ path }, { uri: "/a.txt" })).get("etag")!
      const answer = yield* ask({ path, headers, max_age: "1h" }, { uri: "/a.txt", fields: [["If-None-Match", etag]] })
      assert.strictEqual(answer.status, 304)
      assert.deepEqual(answer.headers, [
        ["Cache-Control", "public, max-age=3600"],
        ["ETag", etag],
        ["Vary", "Origin"]
      ])
    })
  )

  it.effect("a range of a large file is streamed from its place", () =>
    Effect.gen(function* () {
      const path = yield* temporary
      const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251))
      write(path, { "a.bin": content })
      const answer = yield* ask({ path }, { uri: "/a.bin", fields: [["Range", "bytes=1000-250999"]] })
      assert.deepEqual([answer.status, answer.length], [206, 250_000])
      assert.isTrue(answer.body.equals(content.subarray(1_000, 251_000)))
      yield* allClosed(path)
    })
  )
})

describe("directories", () => {
  const FILES = { "index.html": "root", "sub/index.html": "sub", "bare/a.txt": "a", "x.txt": "x" }
  const cases: ReadonlyArray<readonly [uri: string, status: number, bodyOrLocation: string]> = [
    ["/", 200, "root"],
    ["/sub/", 200, "sub"],
    ["/sub", 301, "./sub/"],
    ["/sub?a=b", 301, "./sub/?a=b"],
    ["/sub?<a>", 301, "./sub/?%3Ca%3E"],
    ["/./sub/../sub", 301, "./sub/"],
    ["//sub", 301, "./sub/"],
    ["/bare/", 404, "Not Found"],
    ["/bare", 404, "Not Found"],
    ["/x.txt/", 404, "Not Found"],
    ["/x.txt/y", 404, "Not Found"],
    ["/none", 404, "Not Found"],
    [`/${"a".repeat(300)}`, 404, "Not Found"]
  ]
  for (const [uri, status, expected] of cases) {
    it.effect(`${uri.slice(0, 20)}: ${status} ${expected}`, () =>
      Effect.gen(function* () {
        const path = yield* temporary
        write(path, FILES)
        const answer = yield* ask({ path }, { uri })
        assert.deepEqual([answer.status, answer.get("location") ?? `${answer.body}`], [status, expected])
        yield* allClosed(path)
      })
    )
  }

  it.effect("another index, in a directory of its own", () =>
    Effect.gen(function* () {
      const path = yield* temporary
      write(path, { "home/start.txt": "hello" })
      assert.strictEqual(`${(yield* ask({ path, index: "home/start.txt" }, { uri: "/" })).body}`, "hello")
    })
  )
})

describe("listing", () => {
  it.effect("DI4: every file of the directory", () =>
    Effect.gen(function* () {
      const path = yield* temporary
      write(path, { "index.html": "x", "b.txt": "x".repeat(2_000), "sub/": "", ".hidden": "x", "A.txt": "x" })
      fs.symlinkSync("nowhere", nodePath.join(path, "broken"))
      execFileSync("mkfifo", [nodePath.join(path, "fifo")])
      const answer = yield* ask({ ...DI3, path }, { uri: "/" })
      assert.deepEqual([answer.status, answer.get("content-type")], [200, "text/html; charset=utf-8"])
      assert.strictEqual(answer.get("x-content-type-options"), "nosniff")
      assert.strictEqual(answer.get("cache-control"), "private, no-cache")
      assert.include(answer.get("content-security-policy"), "default-src 'none'")
      const names = [...`${answer.body}`.matchAll(/href="([^"]*)"/g)].map(([, href]) => href)
      assert.deepEqual(names, ["./A.txt", "./b.txt", "./index.html", "./sub/"])
      assert.include(`${answer.body}`, "<td>2.0 KiB</td><td>2024-02-03 04:05:06 UTC</td>")
      yield* allClosed(path)
    })
  )

  it.effect("links work: a directory without its slash is redirected, a file with one is missing", () =>
    Effect.gen(function* () {
      const path = yield* temporary
      write(path, { "sub dir/a.txt": "x", "f.txt": "x" })
      const options = { path, autoindex: true }
      const redirect = yield* ask(options, { uri: "/sub%20dir?q=1" })
      assert.deepEqual([redirect.status, redirect.get("location")], [301, "./sub%20dir/?q=1"])
      const page = yield* ask(options, { uri: "/sub%20dir/" })
      assert.include(`${page.body}`, `<a href="../">`)
      assert.include(`${page.body}`, `<a href="./a.txt">`)
      assert.strictEqual((yield* ask(options, { uri: "/f.txt/" })).status, 404)
    })
  )

  it.effect("dot files where they are served", () =>
    Effect.gen(function* () {
      const path = yield* temporary
      write(path, { ".hidden": "x" })
      const page = yield* ask({ path, autoindex: true, dot_files: true }, { uri: "/" })
      assert.include(`${page.body}`, "./.hidden")
      assert.strictEqual((yield* ask({ path, dot_files: true }, { uri: "/.hidden" })).status, 200)
      assert.strictEqual((yield* ask({ path }, { uri: "/.hidden" })).status, 404)
    })
  )

  it.effect("links only where they are followed", () =>
    Effect.gen(function* () {
      const outside = yield* temporary
      write(outside, { "secret.txt": "x" })
      const path = yield* temporary
      fs.symlinkSync(outside, nodePath.join(path, "out"))
      const shown = (follow_symlinks: boolean) =>
        Effect.map(ask({ path, autoindex: true, follow_symlinks }, { uri: "/" }), ({ body }) =>
          `${body}`.includes("./out/")
        )
      assert.deepEqual([yield* shown(true), yield* shown(false)], [true, false])
      assert.strictEqual((yield* ask({ path, autoindex: true, follow_symlinks: false }, { uri: "/out/" })).status, 403)
    })
  )
})

describe("what must not be served", () => {
  // The root is `www`; beside it stand a secret and a directory whose name begins alike.
  const site = Effect.gen(function* () {
    const base = yield* temporary
    write(base, { "www/index.html": "home", "www/d/a.txt": "a", "secret.txt": "secret", "www-x/secret.txt": "secret" })
    return { base, path: nodePath.join(base, "www") }
  })

  const corpus = [
    "/../secret.txt",
    "/d/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/%2E%2E/secret.txt",
    "/.%2e/secret.txt",
    "/d/%2e%2e/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/d/..%2f..%2fsecret.txt",
    "/%2e%2e%2fsecret.txt",
    "/..%252fsecret.txt",
    "/%252e%252e/secret.txt",
    "/..\\secret.txt",
    "/..%5csecret.txt",
    "/d\\..\\..\\secret.txt",
    "/../www-x/secret.txt",
    "/..-x/secret.txt",
    "/-x/secret.txt",
    "//../secret.txt",
    "/./../secret.txt",
    "/d/a.txt%00.html",
    "/d/a.txt%00",
    "/%00",
    "/../../../../../../../../etc/passwd",
    "/%2fetc/passwd",
    "//etc/passwd",
    "/..;/secret.txt",
    "/..%c0%af..%c0%afsecret.txt",
    "/%c0%ae%c0%ae/secret.txt"
  ]
  for (const follow_symlinks of [true, false]) {
    for (const autoindex of [true, false]) {
      it.effect(`traversal, follow_symlinks ${follow_symlinks}, autoindex ${autoindex}`, () =>
        Effect.gen(function* () {
          const { base, path } = yield* site
          for (const uri of corpus) {
            const answer = yield* ask({ path, follow_symlinks, autoindex, dot_files: true }, { uri })
            assert.include([403, 404], answer.status, uri)
            assert.strictEqual(answer.get("x-content-type-options"), "nosniff")
            assert.strictEqual(answer.get("cache-control"), "private, no-store")
          }
          yield* allClosed(base)
        })
      )
    }
  }

  it.effect("403 says which path, and escapes it", () =>
    Effect.gen(function* () {
      const { path } = yield* site
      const answer = yield* ask({ path }, { uri: "/../<script>" })
      assert.deepEqual([answer.status, `${answer.body}`], [403, `${FORBIDDEN}/../%3Cscript%3E`])
      assert.strictEqual(answer.get("content-type"), "text/plain; charset=utf-8")
    })
  )

  it.effect("DI5: links out of the root", () =>
    Effect.gen(function* () {
      const { base, path } = yield* site
      fs.symlinkSync(nodePath.join(base, "secret.txt"), nodePath.join(path, "link.txt"))
      fs.symlinkSync(nodePath.join(base, "www-x"), nodePath.join(path, "linked"))
      fs.symlinkSync("../../secret.txt", nodePath.join(path, "d/up.txt"))
      fs.symlinkSync("d/a.txt", nodePath.join(path, "inside.txt"))
      fs.symlinkSync("loop", nodePath.join(path, "loop"))
      const cases: ReadonlyArray<readonly [uri: string, followed: number, confined: number]> = [
        ["/link.txt", 200, 403],
        ["/linked/secret.txt", 200, 403],
        ["/linked/../linked/secret.txt", 200, 403],
        ["/linked", 404, 403],
        ["/d/up.txt", 200, 403],
        ["/inside.txt", 200, 200],
        ["/index.html", 200, 200],
        ["/loop", 404, 404]
      ]
      for (const [uri, followed, confined] of cases) {
        assert.strictEqual((yield* ask({ path }, { uri })).status, followed, uri)
        assert.strictEqual((yield* ask({ path, follow_symlinks: false }, { uri })).status, confined, uri)
      }
      yield* allClosed(base)
    })
  )

  it.effect("a link inside the root does not show what its name would hide", () =>
    Effect.gen(function* () {
      const { path } = yield* site
      write(path, { ".git/config": "x" })
      fs.symlinkSync(".git/config", nodePath.join(path, "config"))
      assert.strictEqual((yield* ask({ path, follow_symlinks: false }, { uri: "/config" })).status, 404)
      assert.strictEqual(
        (yield* ask({ path, follow_symlinks: false, dot_files: true }, { uri: "/config" })).status,
        200
      )
    })
  )

  it.effect("a root that is itself a link, also one that is made later", () =>
    Effect.gen(function* () {
      const { base, path } = yield* site
      const current = nodePath.join(base, "current")
      const { hook } = yield* build({ path: current, follow_symlinks: false })
      const status = () => {
        const decision = hook(fakeExchange({ uri: "/d/a.txt" }))
        return Effect.isEffect(decision) ? Effect.map(decision, (response) => response?.status) : Effect.succeed(0)
      }
      assert.strictEqual(yield* status(), 404)
      fs.symlinkSync(path, current)
      assert.strictEqual(yield* status(), 200)
      assert.strictEqual((yield* ask({ path: current, follow_symlinks: false }, { uri: "/d/a.txt" })).status, 200)
    })
  )

  it.effect("what is no regular file is missing, and waits for nobody", () =>
    Effect.gen(function* () {
      const { base, path } = yield* site
      execFileSync("mkfifo", [nodePath.join(path, "fifo")])
      fs.symlinkSync("/dev/zero", nodePath.join(path, "zero"))
      const server = net.createServer()
      yield* Effect.promise(() => new Promise<void>((done) => server.listen(nodePath.join(path, "socket"), done)))
      for (const uri of ["/fifo", "/socket", "/zero"]) {
        assert.strictEqual((yield* ask({ path }, { uri })).status, 404, uri)
      }
      server.close()
      yield* allClosed(base)
    })
  )
})

describe("large files", () => {
  const SIZE = 1_000_000
  const large = Effect.gen(function* () {
    const path = yield* temporary
    const content = Buffer.from(Array.from({ length: SIZE }, (_, i) => (i * 7) % 256))
    write(path, { "a.bin": content })
    return { path, content }
  })
  const streamOf = (path: string) =>
    Effect.map(respond({ path }, { uri: "/a.bin" }), ({ body, length }) => {
      if (typeof body !== "function") throw new Error("a large file is streamed")
      assert.strictEqual(length, SIZE)
      return body
    })

  it.effect("are streamed whole, whether pieces are used up or kept", () =>
    Effect.gen(function* () {
      const { path, content } = yield* large
      const { body, end } = yield* Effect.flatMap(streamOf(path), (stream) =>
        Effect.promise(() => collect(stream, CONSUMED))
      )
      assert.strictEqual(end, "end")
      assert.isTrue(body.equals(content))
      const kept: Array<Buffer> = []
      const stream = yield* streamOf(path)
      yield* Effect.promise(
        () =>
          new Promise<void>((done, fail) => {
            const source = stream({
              write: (chunk) => {
                kept.push(chunk)
                setImmediate(() => source.resume())
                return FULL
              },
              end: () => done(),
              abort: ({ code }) => fail(new Error(code))
            })
          })
      )
      assert.isTrue(Buffer.concat(kept).equals(content))
      yield* allClosed(path)
    })
  )

  it.effect("break when they get shorter", () =>
    Effect.gen(function* () {
      const { path } = yield* large
      const stream = yield* streamOf(path)
      const end = yield* Effect.promise(
        () =>
          new Promise<string>((done) => {
            const source = stream({
              write: () => {
                fs.truncateSync(nodePath.join(path, "a.bin"), 1_000)
                setImmediate(() => source.resume())
                return FULL
              },
              end: () => done("end"),
              abort: ({ code }) => done(code)
            })
          })
      )
      assert.strictEqual(end, "body.source")
      yield* allClosed(path)
    })
  )

  it.effect("stop when nobody reads on", () =>
    Effect.gen(function* () {
      const { path } = yield* large
      const stream = yield* streamOf(path)
      const calls: Array<string> = []
      yield* Effect.promise(
        () =>
          new Promise<void>((done) => {
            const source = stream({
              write: () => {
                calls.push("write")
                setImmediate(() => {
                  source.cancel()
                  source.resume()
                  done()
                })
                return FULL
              },
              end: () => calls.push("end"),
              abort: () => calls.push("abort")
            })
          })
      )
      yield* allClosed(path)
      assert.deepEqual(calls, ["write"])
    })
  )

  it.effect("are closed when the body never begins", () =>
    Effect.gen(function* () {
      const { path } = yield* large
      const { hook } = yield* build({ path })
      const { exchange } = fake({ uri: "/a.bin" })
      const decision = hook(exchange)
      assert.isTrue(Effect.isEffect(decision))
      if (Effect.isEffect(decision)) yield* decision
      assert.strictEqual(openBelow(path), 1)
      Lifecycle.finish(exchange)
      yield* allClosed(path)
    })
  )

  it.effect("are closed when the client leaves while they are opened", () =>
    Effect.gen(function* () {
      const { path } = yield* large
      const { hook } = yield* build({ path, follow_symlinks: false })
      for (let turns = 0; turns < 8; turns++) {
        const decision = hook(fakeExchange({ uri: "/a.bin", fields: [["Range", "bytes=0-10"]] }))
        if (!Effect.isEffect(decision)) throw new Error("opening waits")
        const fiber = yield* Effect.forkChild(decision, { startImmediately: true })
        // Leave after the open, after the stat, …
        for (let turn = 0; turn < turns; turn++) yield* Effect.promise(() => new Promise((done) => setImmediate(done)))
        yield* Fiber.interrupt(fiber)
      }
      yield* allClosed(path)
    })
  )
})
