/** Response heads as a unit: what is accepted can be sent on as it is, and nothing makes the parser throw. */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { headEnd } from "../../src/http1/RequestHead.ts"
import { parse, ResponseHead } from "../../src/http1/ResponseHead.ts"
import { parseResponse } from "../support/RawClient.ts"
import { damaged, response, salad } from "./messages.ts"

const read = (text: string): ResponseHead | null => {
  const end = headEnd(text)
  if (end === -1) return null
  const head = new ResponseHead()
  return parse(text, end, head) ? head : null
}

// Sent on to a client without tolerance, it is one response with one framing. Throws when it is not.
const assertOneMeaning = (head: ResponseHead): void => {
  assert.isTrue(head.status >= 100 && head.status <= 999)
  assert.isFalse(head.chunked && head.length !== -1)
  assert.notMatch(
    head.fields,
    /^(?:content-length|transfer-encoding|connection|keep-alive|proxy-connection|te|trailer|upgrade):/im
  )
  assert.isTrue(head.fields === "" || head.fields.endsWith("\r\n"))
  if (head.status < 200) return
  const framing = head.status === 204 ? "" : "Content-Length: 0\r\n"
  const bytes = Buffer.from(
    `HTTP/1.1 ${head.status} ${head.reason}\r\n${head.fields.replace(/^date:.*\r\n/gim, "")}${framing}\r\n`,
    "latin1"
  )
  const parsed = parseResponse(bytes, "GET", false)
  assert.strictEqual(parsed?.response.status, head.status)
  assert.strictEqual(parsed?.used, bytes.length)
}

describe("properties", () => {
  it("a valid head is accepted", () => {
    fc.assert(
      fc.property(response, ({ bytes, status, body }) => {
        const head = read(bytes)!
        assert.isNotNull(head)
        assert.strictEqual(head.status, status)
        assert.isTrue(head.chunked || head.length === body.length)
        assert.strictEqual(head.size, bytes.indexOf("\r\n\r\n") + 4)
        assertOneMeaning(head)
      }),
      { numRuns: 500 }
    )
  })

  it("one damaged byte: refused, or still one meaning", () => {
    fc.assert(
      fc.property(
        response.chain(({ bytes }) => damaged(bytes)),
        (text) => {
          const head = read(text)
          if (head !== null) assertOneMeaning(head)
        }
      ),
      { numRuns: 3_000 }
    )
  })

  it("any bytes: refused, or one meaning", () => {
    fc.assert(
      fc.property(
        salad.map((tail) => `HTTP/1.1 200 OK\r\n${tail}\r\n\r\n`),
        (text) => {
          const head = read(text)
          if (head !== null) assertOneMeaning(head)
        }
      ),
      { numRuns: 2_000 }
    )
  })
})

describe("status lines", () => {
  for (const [line, status, reason] of [
    ["HTTP/1.1 200 OK", 200, "OK"],
    ["HTTP/1.1 200 ", 200, ""],
    ["HTTP/1.1 200", 200, ""],
    ["HTTP/1.0 404 Not \xe9 Found", 404, "Not \xe9 Found"],
    ["HTTP/1.1 999 X", 999, "X"],
    ["HTTP/1.2 200 OK", -1, ""],
    ["HTTP/1.1 099 X", -1, ""],
    ["HTTP/1.1 1000 X", -1, ""],
    ["HTTP/1.1  200 OK", -1, ""],
    ["http/1.1 200 OK", -1, ""],
    ["HTTP/1.1 2x0 OK", -1, ""],
    ["HTTP/1.1 200\tOK", -1, ""],
    [" HTTP/1.1 200 OK", -1, ""]
  ] as const) {
    it(JSON.stringify(line), () => {
      const head = read(`${line}\r\nX: y\r\n\r\n`)
      assert.deepStrictEqual([head?.status ?? -1, head?.reason ?? ""], [status, reason])
    })
  }
})

describe("keep-alive", () => {
  for (const [version, connection, expected] of [
    ["1.1", null, true],
    ["1.1", "close", false],
    ["1.1", "CLOSE", false],
    ["1.1", "x, close", false],
    ["1.0", null, false],
    ["1.0", "keep-alive", true],
    ["1.0", "x, Keep-Alive", true],
    ["1.0", "keep-alive, close", false]
  ] as const) {
    it(`HTTP/${version} Connection: ${connection ?? "(none)"}`, () => {
      const field = connection === null ? "" : `Connection: ${connection}\r\n`
      assert.strictEqual(read(`HTTP/${version} 200 OK\r\n${field}\r\n`)!.keepAlive, expected)
    })
  }
})
