/** The address: what it may hold, and that a wrong one tells no secret. */
import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import { type EtcdUrl, EtcdUrlError, parse } from "../../../../src/config/source/etcd/EtcdUrl.ts"

const env = { ETCD_USER: "envuser", ETCD_PASSWORD: "env+pass", EMPTY: "" }

const parsed = (text: string): EtcdUrl => {
  const url = parse(text, env)
  if (url instanceof EtcdUrlError) throw new Error(`${url.message}; ${url.hint}`)
  return url
}

const refusal = (text: string): string => {
  const url = parse(text, env)
  return url instanceof EtcdUrlError ? `${url.message}; ${url.hint}` : `accepted: ${url.place}`
}

describe("EtcdUrl", () => {
  it("config 1.3: hosts, prefix, and every parameter", () => {
    const url = parsed(
      "etcd://host1:1,[::1]:2,10.0.0.3/a/b?timeout=3s&connect_timeout=500ms&user=U+1&password=p%26%2B%3F&enable_history=true" +
        "&tls=true&tls_verify=false&ca=/ca.pem&cert=c.pem&key=k.pem&server_name=etcd.test"
    )
    assert.deepStrictEqual(
      url.endpoints.map(({ host, name, port }) => [host, port, name]),
      [
        ["host1", 1, "host1:1"],
        ["::1", 2, "[::1]:2"],
        ["10.0.0.3", 2379, "10.0.0.3:2379"]
      ]
    )
    assert.strictEqual(url.prefix, "/a/b")
    assert.strictEqual(url.place, "etcd://host1:1,[::1]:2,10.0.0.3:2379/a/b")
    assert.deepStrictEqual([url.timeoutMillis, url.connectTimeoutMillis, url.history], [3_000, 500, true])
    assert.strictEqual(Redacted.value(url.credentials!.user), "U 1")
    assert.strictEqual(Redacted.value(url.credentials!.password), "p&+?")
    assert.deepStrictEqual(url.tls, {
      ca: "/ca.pem",
      identity: { cert: "c.pem", key: "k.pem" },
      serverName: "etcd.test",
      verify: false
    })
  })

  it("vectors 5.6: etcd params", () => {
    const url = parsed("etcd://h:1/p?timeout=10s&connect_timeout=5s&user=abc&password=pwd")
    assert.deepStrictEqual([url.timeoutMillis, url.connectTimeoutMillis], [10_000, 5_000])
    assert.strictEqual(Redacted.value(url.credentials!.user), "abc")
    assert.strictEqual(Redacted.value(url.credentials!.password), "pwd")
  })

  it("has defaults for all but hosts and prefix", () => {
    assert.deepStrictEqual(parsed("etcd://h/pingap"), {
      endpoints: [{ host: "h", port: 2379, name: "h:2379" }],
      prefix: "/pingap",
      place: "etcd://h:2379/pingap",
      timeoutMillis: 10_000,
      connectTimeoutMillis: 5_000,
      credentials: null,
      tls: null,
      history: false,
      ignored: 0
    })
  })

  it.each([
    ["etcd://h/", "", "etcd://h:2379"],
    ["etcd://h/pingap/", "/pingap", "etcd://h:2379/pingap"],
    ["etcd://h/a?", "/a", "etcd://h:2379/a"],
    ["etcd://h:1,h:1/a", "/a", "etcd://h:1/a"]
  ])("%s keeps its documents below %s", (text, prefix, place) => {
    const url = parsed(text)
    assert.deepStrictEqual([url.prefix, url.place], [prefix, place])
  })

  it("takes user and password from the environment", () => {
    const { credentials } = parsed("etcd://h/p?user=$ENV:ETCD_USER&password=%24ENV%3AETCD_PASSWORD")
    assert.strictEqual(Redacted.value(credentials!.user), "envuser")
    assert.strictEqual(Redacted.value(credentials!.password), "env+pass")
    assert.notInclude(JSON.stringify(credentials), "env")
  })

  it("counts what means nothing, and lets a parameter of folders pass", () => {
    assert.strictEqual(parsed("etcd://h/p?zone=a&separation&separation=true&x=y").ignored, 2)
  })

  it("knows no user when both are empty", () => {
    assert.isNull(parsed("etcd://h/p?user=&password=").credentials)
  })

  it.each([
    ["etcds://h/p", "unknown scheme etcds; write etcd://…?tls=true"],
    ["http://h/p", "not an address of etcd; begin it with etcd://"],
    ["etcd://h:2379", "the key prefix is missing; write it after the hosts, for example etcd://host:2379/pingap"],
    ["etcd:///p", "the host is not a host with a port; write host:port, several separated by commas, without a scheme"],
    [
      "etcd://a,http://b/p",
      'host 2 of 2 "http:" is not a host with a port; write host:port, several separated by commas, without a scheme'
    ],
    [
      "etcd://h:70000/p",
      'the host "h:70000" is not a host with a port; write host:port, several separated by commas, without a scheme'
    ],
    ["etcd://root:secret@h/p", "credentials do not belong before the host; write ?user=NAME&password=$ENV:VARIABLE"],
    ["etcd://h/p?timeout=soon", "parameter timeout is not a duration; write for example 10s or 500ms"],
    ["etcd://h/p?timeout=0", "parameter timeout is not a duration; write for example 10s or 500ms"],
    [
      "etcd://h/p?enable_history=1",
      "parameter enable_history is neither true nor false; write enable_history=true or enable_history=false"
    ],
    ["etcd://h/p?tsl=true", "unknown parameter tsl; did you mean tls?"],
    ["etcd://h/p?pasword=secret", "unknown parameter pasword; did you mean password?"],
    ["etcd://h/p?password=sec&ret", "a parameter has no value; write name=value, and %26 for & inside a value"],
    ["etcd://h/p?user=a&user=b", "parameter user is given twice; give it once, and %26 for & inside a value"],
    ["etcd://h/p?password=100%", "parameter password has a broken escape; write %25 for a percent sign"],
    ["etcd://h/p?user=a", "there is a user and no password; add password=$ENV:VARIABLE"],
    ["etcd://h/p?password=secret", "there is a password and no user; add user=NAME"],
    [
      "etcd://h/p?user=a&password=$ENV:NOT_THERE",
      "the environment variable NOT_THERE for password is not set; set it, or check its name"
    ],
    [
      "etcd://h/p?user=a&password=$ENV:EMPTY",
      "the environment variable EMPTY for password is not set; set it, or check its name"
    ],
    ["etcd://h/p?ca=/ca.pem", "there are TLS parameters and TLS is off; add tls=true"],
    ["etcd://h/p?tls=false&tls_verify=true", "there are TLS parameters and TLS is off; add tls=true"],
    ["etcd://h/p?tls=true&cert=c.pem", "there is a cert and no key; give both or none"],
    ["etcd://h/p?tls=true&key=k.pem", "there is a key and no cert; give both or none"],
    [
      "etcd://h/?enable_history=true",
      "a history needs a key prefix; write one after the hosts: etcd://host:2379/pingap?…"
    ]
  ])("%s is refused", (text, expected) => {
    assert.strictEqual(refusal(text), expected)
  })

  it("never throws, and never repeats a password, wherever it stands", () => {
    const secret = "Zq7xW"
    const place = fc.constantFrom(
      `etcd://root:${secret}@h/p`,
      `etcd://root:${secret}/x@h:1/p`,
      `etcd://root:${secret}?x@h:1/p`,
      `etcd://h/p?password=${secret}`,
      `etcd://h/p?user=u&password=a&${secret}`,
      `etcd://h/p?user=u&password=a&${secret}=1`,
      `etcd://h/p?user=u&password=${secret}%zz`,
      `etcd://h/p?user=u&password=$ENV:${secret} !`,
      `etcd://h?user=u&password=${secret}`
    )
    fc.assert(
      fc.property(place, fc.string({ unit: "binary-ascii", maxLength: 6 }), fc.nat(60), (text, noise, at) => {
        const cut = Math.min(text.length, Math.max(7, at))
        const mutated = text.slice(0, cut) + noise + text.slice(cut)
        const url = parse(mutated, env)
        const told = url instanceof EtcdUrlError ? `${url.message} ${url.hint}` : `${url.place} ${JSON.stringify(url)}`
        if (mutated.includes("@") || url instanceof EtcdUrlError) assert.notInclude(told, secret)
      }),
      { numRuns: 2_000 }
    )
  })
})
