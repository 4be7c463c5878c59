/** The messages of the JSON gateway, as etcd 3.4.23 sends them, and what is no message. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Wire from "../../../../src/config/source/etcd/Wire.ts"

const HEADER = '"header":{"cluster_id":"121010","member_id":"15","revision":"7","raft_term":"2"}'

const base64 = (text: string): string => Buffer.from(text).toString("base64")

describe("Wire", () => {
  it("asks for a prefix, a page of it, and what is new in it", () => {
    assert.deepStrictEqual(Wire.rangeRequest("/a/"), { key: base64("/a/"), range_end: base64("/a0") })
    assert.deepStrictEqual(
      Wire.rangeRequest("/a/", { after: Buffer.from("/a/x"), limit: 5, revision: 3, since: 2, keysOnly: true }),
      {
        key: base64("/a/x\0"),
        range_end: base64("/a0"),
        limit: "5",
        revision: "3",
        min_mod_revision: "2",
        keys_only: true
      }
    )
    assert.deepStrictEqual(Wire.rangeRequest("/é", { newestFirst: true }), {
      key: base64("/é"),
      range_end: Buffer.from([0x2f, 0xc3, 0xaa]).toString("base64"),
      sort_order: "DESCEND",
      sort_target: "CREATE"
    })
  })

  it("asks for changes that happen together", () => {
    assert.deepStrictEqual(
      Wire.txnRequest(
        [{ key: "/a", revision: "0" }],
        [
          { key: "/a", value: "text" },
          { key: "/b", value: null }
        ]
      ),
      {
        compare: [{ key: base64("/a"), target: "MOD", result: "EQUAL", mod_revision: "0" }],
        success: [
          { request_put: { key: base64("/a"), value: base64("text") } },
          { request_delete_range: { key: base64("/b") } }
        ],
        failure: [{ request_range: { key: base64("/a") } }]
      }
    )
  })

  it("asks to be told", () => {
    const create_request = { key: base64("/a/"), range_end: base64("/a0") }
    assert.deepStrictEqual(Wire.watchRequest("/a/", null), { create_request })
    assert.deepStrictEqual(Wire.watchRequest("/a/", 8), { create_request: { ...create_request, start_revision: "8" } })
  })

  it("reads a range", () => {
    const kv = `{"key":"${base64("/a/x")}","create_revision":"2","mod_revision":"5","version":"1","value":"${base64("é")}"}`
    assert.deepStrictEqual(Wire.readRange(JSON.parse(`{${HEADER},"kvs":[${kv}],"more":true,"count":"3"}`)), {
      header: { cluster: "121010", revision: 7 },
      kvs: [{ key: Buffer.from("/a/x"), value: Buffer.from("é"), revision: 5 }],
      more: true,
      count: 3
    })
    // Defaults are left out; newer gateways may write numbers as such.
    assert.deepStrictEqual(Wire.readRange(JSON.parse('{"header":{"revision":7}}')), {
      header: { cluster: "", revision: 7 },
      kvs: [],
      more: false,
      count: 0
    })
  })

  it("reads the outcome of a transaction", () => {
    const range = `{"response_range":{"header":{"revision":"7"},"kvs":[{"key":"${base64("/a")}","mod_revision":"4"}]}}`
    assert.deepStrictEqual(Wire.readTxn(JSON.parse(`{${HEADER},"responses":[${range},{"response_range":{}}]}`)), {
      header: { cluster: "121010", revision: 7 },
      succeeded: false,
      current: [{ key: Buffer.from("/a"), value: Buffer.alloc(0), revision: 4 }]
    })
    const done = Wire.readTxn(JSON.parse(`{${HEADER},"succeeded":true,"responses":[{"response_put":{}}]}`))
    assert.deepStrictEqual([done?.succeeded, done?.current], [true, []])
  })

  it.each([
    [
      `{"result":{${HEADER},"created":true}}`,
      { created: true, canceled: false, compactRevision: 0, reason: "", events: 0 }
    ],
    [
      `{"result":{${HEADER},"events":[{"kv":{"key":"YQ=="}},{"type":"DELETE","kv":{"key":"YQ=="}}]}}`,
      { created: false, canceled: false, compactRevision: 0, reason: "", events: 2 }
    ],
    [
      `{"result":{${HEADER},"canceled":true,"compact_revision":"3"}}`,
      { created: false, canceled: true, compactRevision: 3, reason: "", events: 0 }
    ],
    [
      `{"result":{${HEADER},"watch_id":"-1","created":true,"canceled":true,"cancel_reason":"invalid auth token"}}`,
      { created: true, canceled: true, compactRevision: 0, reason: "invalid auth token", events: 0 }
    ]
  ])("reads a message of a watch: %s", (text, expected) => {
    assert.deepStrictEqual(Wire.readWatch(JSON.parse(text)), {
      header: { cluster: "121010", revision: 7 },
      ...expected
    })
  })

  it.each([
    ['{"error":"etcdserver: x","message":"etcdserver: x","code":11}', { code: 11, message: "etcdserver: x" }],
    [
      '{"error":{"grpc_code":14,"http_code":503,"message":"gone","http_status":"Service Unavailable"}}',
      { code: 14, message: "gone" }
    ],
    ['{"error":"only this"}', { code: 0, message: "only this" }],
    [`{${HEADER}}`, null],
    ["[]", null]
  ])("reads an error: %s", (text, expected) => {
    assert.deepStrictEqual(Wire.readFailure(JSON.parse(text)), expected)
  })

  it("reads a token, and nothing that could end a header line", () => {
    assert.strictEqual(Wire.readToken({ token: "abc.12" }), "abc.12")
    assert.isNull(Wire.readToken({ token: "abc\r\nx: y" }))
    assert.isNull(Wire.readToken({}))
  })

  it("takes no value for a message that has not its form, and never throws", () => {
    const readers = [Wire.readRange, Wire.readTxn, Wire.readWatch, Wire.readFailure, Wire.readToken]
    const wrong = [
      { header: [] },
      { header: { revision: "x" } },
      { header: { revision: "1" }, kvs: {} },
      { header: { revision: "1" }, kvs: [null] },
      { header: { revision: "1" }, kvs: [{ key: 1 }] },
      { header: { revision: "1" }, count: "9999999999999999999" }
    ]
    for (const json of wrong) assert.isNull(Wire.readRange(json), JSON.stringify(json))
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        for (const read of readers) read(json)
        for (const read of readers) read({ result: json, header: json, kvs: json, error: json, responses: json })
      })
    )
  })
})

describe("LineSplitter", () => {
  const text = `{"result":{"created":true}}\n\n{"text":"zwölf €𝄞"}\n{"last":1}\n`
  const expected = ['{"result":{"created":true}}', '{"text":"zwölf €𝄞"}', '{"last":1}']
  const bytes = Buffer.from(text)

  it("gives the same lines wherever the stream is cut in two", () => {
    for (let at = 0; at <= bytes.length; at++) {
      const splitter = new Wire.LineSplitter(1_000)
      const lines = [...splitter.push(bytes.subarray(0, at))!, ...splitter.push(bytes.subarray(at))!]
      assert.deepStrictEqual(lines, expected, `cut at ${at}`)
    }
  })

  it("gives the same lines however it is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
        const splitter = new Wire.LineSplitter(1_000)
        const places = [0, ...cuts.sort((a, b) => a - b), bytes.length]
        const lines = places.slice(1).flatMap((end, index) => splitter.push(bytes.subarray(places[index], end))!)
        assert.deepStrictEqual(lines, expected)
      })
    )
  })

  it("gives up on a line without an end", () => {
    const splitter = new Wire.LineSplitter(10)
    assert.deepStrictEqual(splitter.push(Buffer.from("0123456789")), [])
    assert.isNull(splitter.push(Buffer.from("0")))
    const long = new Wire.LineSplitter(10)
    assert.deepStrictEqual(long.push(Buffer.from("0123456789012345\n01234")), ["0123456789012345"])
  })
})
