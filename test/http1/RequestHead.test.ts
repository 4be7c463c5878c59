/** Request heads as a unit: what is accepted means one thing, and nothing that comes makes the parser throw or loop. */

import * as net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { REQUEST_LIMITS } from "../../src/http1/Limits.ts"
import { checkPartial, headEnd, hostOf, parse, RequestHead } from "../../src/http1/RequestHead.ts"
import * as Failure from "../../src/proxy/Failure.ts"
import { parseRequest } from "../support/StrictUpstream.ts"
import { damaged, request, salad } from "./messages.ts"

const read = (text: string, trusted = false, limits = REQUEST_LIMITS): RequestHead | Failure.Failure | "incomplete" => {
  const end = headEnd(text)
  if (end === -1) return checkPartial(text, limits) ?? "incomplete"
  const head = new RequestHead()
  return parse(text, end, limits, trusted, head) ?? head
}

const accepted = (text: string, trusted = false): RequestHead => {
  const head = read(text, trusted)
  if (head instanceof RequestHead) return head
  throw new Error(`${JSON.stringify(text)}: ${typeof head === "string" ? head : head.code}`)
}

/** The head as an upstream connection would write it, read by somebody without tolerance. */
const forwarded = (head: RequestHead): ReturnType<typeof parseRequest> => {
  const framing =
    head.length === -1 ? "Transfer-Encoding: chunked\r\n" : head.length > 0 ? `Content-Length: ${head.length}\r\n` : ""
  const host = head.host === "" ? "Host: backend\r\n" : ""
  const upgrade = head.upgrade === "" ? "" : `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`
  return parseRequest(
    `${head.method} ${head.target} HTTP/1.1\r\n${host}${head.fields}${upgrade}${framing}\r\n`,
    1,
    new net.Socket()
  )
}

// An accepted head says the same to the next reader, and hides no second one.
const assertOneMeaning = (head: RequestHead, text: string): void => {
  const strict = forwarded(head)
  if (typeof strict === "string") throw new Error(`${strict}: ${JSON.stringify(text)}`)
  assert.strictEqual(strict.method, head.method)
  assert.strictEqual(strict.target, head.target)
  assert.strictEqual(strict.framing, head.length === -1 ? "chunked" : head.length > 0 ? "length" : "none")
  assert.strictEqual(strict.head.indexOf("\r\n\r\n"), strict.head.length - 4)
  assert.isAtMost(head.size, text.length)
}

describe("Connection", () => {
  it("names at most as many fields as a head may have: taking out thousands costs more than the rest of a request", () => {
    const naming = (count: number): string =>
      `GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nConnection: ${Array.from({ length: count }, (_, i) => `n${i}`)}, x\r\n\r\n`
    assert.strictEqual(accepted(naming(99)).fields, "Host: a\r\n")
    assert.strictEqual(read(naming(100)), Failure.headTooLarge)
  })
})

describe("properties", () => {
  it("a valid head is accepted, and is complete exactly where it ends", () => {
    fc.assert(
      fc.property(request, ({ bytes, method, target, body }) => {
        const head = accepted(bytes)
        assert.deepStrictEqual([head.method, head.target], [method, target])
        assert.strictEqual(
          head.length,
          /transfer-encoding: chunked\r\n\r\n/i.test(bytes.slice(0, head.size)) ? -1 : body.length
        )
        assert.strictEqual(head.size, bytes.indexOf("\r\n\r\n") + 4)
        assertOneMeaning(head, bytes)
      }),
      { numRuns: 500 }
    )
  })

  it("no beginning of a valid head is refused", () => {
    fc.assert(
      fc.property(request, fc.boolean(), ({ bytes }, blank) => {
        const text = (blank ? "\r\n" : "") + bytes.slice(0, bytes.indexOf("\r\n\r\n") + 3)
        for (let length = 0; length <= text.length; length++)
          assert.isNull(checkPartial(text.slice(0, length), REQUEST_LIMITS))
      }),
      { numRuns: 50 }
    )
  })

  it("what is refused in part is refused in whole", () => {
    fc.assert(
      fc.property(
        request.chain(({ bytes }) => damaged(bytes.slice(0, bytes.indexOf("\r\n\r\n") + 4))),
        (text) => {
          const end = headEnd(text)
          if (end === -1) return
          const whole = read(text)
          for (let length = 0; length < end + 4; length++) {
            if (checkPartial(text.slice(0, length), REQUEST_LIMITS) !== null) assert.notInstanceOf(whole, RequestHead)
          }
        }
      ),
      { numRuns: 100 }
    )
  })

  it("one damaged byte: refused, or still one meaning", () => {
    fc.assert(
      fc.property(
        request.chain(({ bytes }) => damaged(bytes)),
        fc.boolean(),
        (text, trusted) => {
          const head = read(text, trusted)
          if (head instanceof RequestHead) assertOneMeaning(head, text)
        }
      ),
      { numRuns: 3_000 }
    )
  })

  it("any bytes: refused, incomplete, or one meaning", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          salad,
          salad.map((tail) => `GET / HTTP/1.1\r\n${tail}\r\nHost: a\r\n\r\n`)
        ),
        (text) => {
          const head = read(text)
          if (head instanceof RequestHead) assertOneMeaning(head, text)
          else if (head !== "incomplete") assert.isTrue(head.status >= 400 && head.status < 600 && head.closes)
        }
      ),
      { numRuns: 3_000 }
    )
  })

  it("limits hold for any size", () => {
    fc.assert(
      fc.property(
        fc.record({
          headBytes: fc.integer({ min: 20, max: 2000 }),
          lineBytes: fc.integer({ min: 1, max: 500 }),
          fieldCount: fc.integer({ min: 1, max: 20 })
        }),
        fc.nat({ max: 600 }),
        fc.array(fc.nat({ max: 600 }), { maxLength: 30 }),
        (limits, target, values) => {
          const line = `GET /${"t".repeat(target)} HTTP/1.1\r\n`
          const lines = ["Host: a\r\n", ...values.map((length) => `x: ${"v".repeat(length)}\r\n`)]
          const text = `${line}${lines.join("")}\r\n`
          const head = read(text, false, limits)
          if (text.length > limits.headBytes) assert.strictEqual(head, Failure.headTooLarge)
          else if (line.length - 11 > limits.lineBytes) assert.strictEqual(head, Failure.targetTooLong)
          else if (lines.length > limits.fieldCount || lines.some(({ length }) => length > limits.lineBytes))
            assert.strictEqual(head, Failure.headTooLarge)
          else assert.instanceOf(head, RequestHead)
          // What has not ended cannot grow beyond the limit either.
          const endless = text.slice(0, -2)
          if (endless.length > limits.headBytes) assert.isNotNull(checkPartial(endless, limits))
        }
      ),
      { numRuns: 500 }
    )
  })
})

describe("keep-alive", () => {
  for (const [version, connection, expected] of [
    ["1.1", null, true],
    ["1.1", "", true],
    ["1.1", "close", false],
    ["1.1", "Close", false],
    ["1.1", "x, close ,y", false],
    ["1.1", "closed", true],
    ["1.1", "keep-alive, close", false],
    ["1.0", null, false],
    ["1.0", "keep-alive", true],
    ["1.0", "Keep-Alive", true],
    ["1.0", "KEEP-ALIVE, x", true],
    ["1.0", "keep-alive, close", false],
    ["1.9", null, true]
  ] as const) {
    it(`HTTP/${version} Connection: ${connection ?? "(none)"}`, () => {
      const field = connection === null ? "" : `Connection: ${connection}\r\n`
      assert.strictEqual(accepted(`GET / HTTP/${version}\r\nHost: a\r\n${field}\r\n`).keepAlive, expected)
    })
  }
})

describe("targets", () => {
  for (const [target, path, query] of [
    ["/", "/", ""],
    ["/a?b", "/a", "b"],
    ["/a?", "/a", ""],
    ["/a?b?c", "/a", "b?c"],
    ["/?/", "/", "/"],
    ["http://h/a?b", "/a", "b"],
    ["http://h?b", "/", "b"],
    ["http://h", "/", ""]
  ] as const) {
    it(target, () => {
      const head = accepted(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
      assert.deepStrictEqual([head.path, head.query], [path, query])
      assert.strictEqual(head.host, target.startsWith("/") ? "a" : "h")
    })
  }
})

describe("hosts", () => {
  for (const [text, host] of [
    ["a", "a"],
    ["A.Example", "a.example"],
    ["a:80", "a"],
    ["A.Example.", "a.example"],
    ["a.example.:80", "a.example"],
    ["a:", "a"],
    ["a:0", "a"],
    ["a:65535", "a"],
    ["a:65536", ""],
    ["a:-1", ""],
    ["a:+1", ""],
    ["[::1]", "[::1]"],
    ["[FE80::1]:80", "[fe80::1]"],
    ["[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]"],
    ["[::1", ""],
    ["[v1.x]", ""],
    ["[fe80::1%25eth0]", ""],
    ["a@b", ""],
    ["a/b", ""],
    ["a,b", ""],
    ["", ""]
  ] as const) {
    it(JSON.stringify(text), () => assert.strictEqual(hostOf(text), host))
  }
})

it("a look at what was read once leaves nothing behind for the next head", () => {
  const head = new RequestHead()
  const first =
    "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\nTE: trailers\r\nConnection: close\r\n\r\n"
  const second = "GET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
  assert.isNull(parse(first, headEnd(first), REQUEST_LIMITS, true, head))
  assert.isNull(parse(second, headEnd(second), REQUEST_LIMITS, true, head))
  const fresh = new RequestHead()
  assert.isNull(parse(second, headEnd(second), REQUEST_LIMITS, true, fresh))
  assert.deepStrictEqual(head, fresh)
})
