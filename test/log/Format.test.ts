import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Format from "../../src/log/Format.ts"
import { contextKeys } from "../../src/proxy/ContextValue.ts"
import { type ExchangeOptions, exchangeOf } from "./exchanges.ts"

const surroundings: Format.Surroundings = {
  hostname: "edge-1",
  env: { HOME: "/root", REGION_2: "eu", EVIL: "a\nb" },
  now: () => Date.UTC(2025, 0, 31, 2, 20, 30, 123),
  zone: () => 480
}

const line = (format: string, options: ExchangeOptions = {}): string =>
  Format.compile(format, surroundings).line(exchangeOf(options))

describe("grammar", () => {
  it("AL3 a lone mark is no tag", () => {
    for (const text of ["{:}", "{~}", "{>}", "{<}", "{$}", "{}"]) assert.strictEqual(line(`a${text}b`), "ab", text)
    assert.strictEqual(line(":"), ":")
  })

  it("AL4 marks tell cookies and fields apart", () => {
    assert.deepStrictEqual(Format.parse("{~deviceId}{>X-User} {<X-Response-Id}"), [
      { kind: "cookie", name: "deviceId" },
      { kind: "request", name: "X-User" },
      { kind: "text", name: " " },
      { kind: "response", name: "X-Response-Id" }
    ])
  })

  it("AL5 resolves the host name and the environment when the format is compiled", () => {
    assert.strictEqual(line("{$hostname} {$HOME} {$REGION_2} {$NOT_SET}."), "edge-1 /root eu .")
    const env: Record<string, string> = { NAME: "before" }
    const compiled = Format.compile("{$NAME}", { hostname: "", env })
    env["NAME"] = "after"
    assert.strictEqual(compiled.line(exchangeOf()), "before")
  })

  it("AL6 recognises every tag", () => {
    const names =
      "host method path proto query remote client_ip scheme uri referer user_agent when when_utc_iso when_unix size " +
      "size_human status latency latency_human payload_size payload_size_human request_id"
    for (const name of names.split(" ")) {
      assert.deepStrictEqual(Format.parse(`{${name}}`), [{ kind: "value", name }])
      assert.notStrictEqual(line(`{${name}}`), "", name)
    }
    assert.sameMembers(Format.tagNames(), names.split(" "))
  })

  it("accepts digits and dots in tags", () => {
    const options = {
      fields: [
        ["X-B3-TraceId", "80f198ee"],
        ["X.Y", "z"]
      ]
    } as const
    assert.strictEqual(line("{>X-B3-TraceId} {>x.y}", options), "80f198ee z")
  })

  it("leaves an unknown tag out and keeps what is no tag", () => {
    assert.strictEqual(line("a{nope}b{:nope}c"), "abc")
    assert.strictEqual(line("{ method } {méthode} {method"), "{ method } {méthode} {method")
  })

  it("keeps literal text in any script", () => {
    assert.strictEqual(line("→ {method} 日本 {status}", { set: { status: 200 } }), "→ GET 日本 200")
  })

  it("takes a preset only when the format is its name", () => {
    assert.deepStrictEqual(Format.parse("combined x"), [{ kind: "text", name: "combined x" }])
    const options: ExchangeOptions = {
      request: { path: "/api/users", query: "id=1" },
      fields: [["User-Agent", "curl/8.5.0"]],
      set: { status: 200, responseBytes: 1543, startedAt: performance.now() - 12.5 }
    }
    assert.strictEqual(line("combined", options), '192.0.2.7 "GET /api/users?id=1 HTTP/1.1" 200 1.5KB "-" "curl/8.5.0"')
    assert.strictEqual(line("common", options), '192.0.2.7 "GET /api/users?id=1 HTTP/1.1" 200 1.5KB')
    assert.match(line("short", options), /^192\.0\.2\.7 GET \/api\/users\?id=1 HTTP\/1\.1 200 1\.5KB - \d+ms$/)
    assert.match(line("tiny", options), /^GET \/api\/users\?id=1 200 1\.5KB - \d+ms$/)
  })

  it("stays on one line when the format or the environment does not", () => {
    assert.strictEqual(line("a\r\n{method}\n\nb {$EVIL}"), "a GET b a b")
  })
})

describe("values", () => {
  it("AL7 writes a full line", () => {
    const format =
      "{host} {method} {path} {proto} {query} {remote} {client_ip} {scheme} {uri} {referer} {user_agent} {size} " +
      "{size_human} {status} {payload_size} {payload_size_human} {~deviceId} {>accept} {:upstream_reused} " +
      "{:upstream_addr} {:processing} {:upstream_connect_time_human} {:location} {:connection_time_human} " +
      "{:tls_version} {request_id}"
    const options: ExchangeOptions = {
      request: { host: "github.com", path: "/vicanso/pingap", query: "size=1", scheme: "https" },
      fields: [
        ["Host", "github.com"],
        ["User-Agent", "pingap/0.1.1"],
        ["Cookie", "deviceId=abc"],
        ["Accept", "application/json"],
        ["X-Forwarded-For", "1.1.1.1"]
      ],
      client: { remoteAddress: "10.1.1.1", tlsVersion: "1.2", openedAt: 700 },
      location: "test",
      set: {
        startedAt: 1000,
        upstreamStartedAt: 1000,
        upstreamConnectedAt: 1100,
        upstreamAddress: "192.186.1.1:6188",
        upstreamReused: true,
        processing: 1,
        requestId: "nanoid"
      }
    }
    assert.strictEqual(
      line(format, options),
      "github.com GET /vicanso/pingap HTTP/1.1 size=1 10.1.1.1 1.1.1.1 https /vicanso/pingap?size=1 - pingap/0.1.1 " +
        "0 0B - 0 0B abc application/json true 192.186.1.1:6188 1 100ms test 300ms 1.2 nanoid"
    )
  })

  it("AL8 AL9 writes moments", () => {
    assert.strictEqual(line("{when}"), "2025-01-31T10:20:30.123+08:00")
    assert.strictEqual(line("{when_utc_iso}"), "2025-01-31T02:20:30.123Z")
    assert.strictEqual(line("{when_unix}"), "1738290030123")
  })

  it("AL10 looks response fields up without regard to case", () => {
    const options = { response: [["Content-Type", "text/html"]] } as const
    assert.strictEqual(line("{<content-type} {<CONTENT-TYPE} {<X-None}", options), "text/html text/html -")
  })

  it("finds a field by its own line only", () => {
    const options = {
      fields: [
        ["X-Trick", "Referer: https://evil.example"],
        ["REFERER", "https://good.example"],
        ["User-Agent", ""]
      ]
    } as const
    assert.strictEqual(
      line("{referer} {>referer} {>Referer} {user_agent}", options),
      `${"https://good.example ".repeat(3)}-`
    )
  })

  it("writes the first value of a field", () => {
    assert.strictEqual(
      line("{>X-A}", {
        fields: [
          ["X-A", "1"],
          ["X-A", "2"]
        ]
      }),
      "1"
    )
  })

  it("FD1 FD2 human formats", () => {
    for (const [bytes, text] of [
      [512, "512B"],
      [999, "999B"],
      [1000, "1KB"],
      [1024, "1KB"],
      [1124, "1.1KB"],
      [1220000, "1.2MB"]
    ] as const) {
      assert.strictEqual(
        line("{size_human} {payload_size_human}", { set: { responseBytes: bytes, requestBytes: bytes } }),
        `${text} ${text}`
      )
    }
    const times = {
      7100: "1.9h",
      5400: "1.5h",
      3700: "1h",
      110: "1.8m",
      62: "1m",
      1: "1s",
      0.512: "512ms",
      1.112: "1.1s"
    }
    for (const [seconds, text] of Object.entries(times)) {
      const cacheLookupMillis = Math.round(Number(seconds) * 1000)
      assert.strictEqual(line("{:cache_lookup_time_human}", { set: { cacheLookupMillis } }), text)
    }
  })

  it("names the version that was spoken", () => {
    for (const [version, text] of [
      [10, "HTTP/1.0"],
      [11, "HTTP/1.1"],
      [20, "HTTP/2.0"]
    ] as const) {
      assert.strictEqual(line("{proto}", { request: { version } }), text)
    }
  })

  it("writes the target as it was asked for, and the path as it was matched", () => {
    const request = { path: "/b", target: "/a/%2e%2e/b" }
    assert.strictEqual(line("{uri} {path}", { request }), "/a/%2e%2e/b /b")
  })

  it("marks what is missing", () => {
    const options = { request: { host: "", path: "", target: "", method: "" }, client: { remoteAddress: "" } }
    assert.strictEqual(
      line("{host} {path} {uri} {query} {method} {remote} {status} {request_id} {latency}", options),
      "- - - - - - - - 0"
    )
    assert.strictEqual(line("[{~none}{:upstream_addr}{:location}{:upstream_status}]"), "[-]")
  })

  it("CQ1 reads cookies by their exact name", () => {
    const options = {
      fields: [
        ["Cookie", "id=123; session=abc;theme=dark; empty="],
        ["Cookie", "late=1"]
      ]
    } as const
    assert.strictEqual(
      line("{~session} {~id} {~theme} {~lang}|{~the}|{~empty}|{~ID}|{~late}", options),
      "abc 123 dark ||||1"
    )
  })

  it("says whether it needs time marks", () => {
    for (const [format, measured] of [
      ["combined", false],
      ["short", true],
      ["{latency_human}", true],
      ["{:upstream_response_time}", true],
      ["{when} {:location} {:tls_handshake_time}", false],
      ["latency", false]
    ] as const) {
      assert.strictEqual(Format.compile(format, surroundings).measured, measured, format)
    }
  })
})

describe("log injection", () => {
  it("escapes what could end a line or a quoted field", () => {
    const options = { fields: [["User-Agent", 'x" 200 "\\\t\xe9\x7f']] } as const
    assert.strictEqual(line('"{user_agent}"', options), '"x\\x22 200 \\x22\\x5c\\x09\\xe9\\x7f"')
  })

  it("escapes a line end that a careless hook brought in", () => {
    const request = { path: "/a\nGET /fake", target: "/a\r\n/fake", method: "GE\nT", host: "h\n", query: "q\u2028\x00" }
    assert.strictEqual(
      line("{method} {path} {uri} {host} {query}", { request }),
      "GE\\x0aT /a\\x0aGET /fake /a\\x0d\\x0a/fake h\\x0a q\\xe2\\x80\\xa8\\x00"
    )
  })

  it("keeps the letters of configured names", () => {
    assert.strictEqual(line("{:location}", { location: 'café "日本"\n' }), "café \\x22日本\\x22\\x0a")
  })

  it("any value makes exactly one line of printable ASCII, and can be read back", () => {
    const format =
      '"{user_agent}" {referer} {>x-any} {<x-any} {~any} {uri} {path} {query} {host} {method} {request_id} {:upstream_addr}'
    const compiled = Format.compile(format, surroundings)
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), (value, other) => {
        const text = compiled.line(
          exchangeOf({
            request: { path: other, query: value, target: value, host: value, method: value },
            fields: [
              ["User-Agent", value],
              ["Referer", other],
              ["X-Any", value],
              ["Cookie", `any=${value}`]
            ],
            response: [["x-any", value]],
            set: { requestId: value, upstreamAddress: value }
          })
        )
        assert.match(text, /^[ -~]*$/)
        // Only the two quotes of the format itself are left.
        assert.strictEqual(text.split('"').length, 3)
      })
    )
    const latin1 = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) })
    fc.assert(
      fc.property(latin1, (requestId) => {
        const text = Format.compile("{request_id}", surroundings).line(exchangeOf({ set: { requestId } }))
        const back = text.replace(/\\x(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
        assert.strictEqual(back, requestId === "" ? "-" : requestId)
      })
    )
  })

  it("any text is a format", () => {
    const tags = fc.constantFrom(
      ...Format.tagNames().map((name) => `{${name}}`),
      ...contextKeys().map((key) => `{:${key}}`),
      "{>A}",
      "{<B}",
      "{~c}",
      "{$D}",
      "{}",
      "{",
      "}",
      "\n",
      "é",
      "{{method}}"
    )
    const formats = fc.array(fc.oneof(tags, fc.string({ unit: "binary" }))).map((parts) => parts.join(""))
    fc.assert(
      fc.property(formats, (format) => {
        const text = Format.compile(format, surroundings).line(exchangeOf())
        assert.isFalse(/[\r\n]/.test(text))
      })
    )
  })
})
