import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as Address from "../../src/model/Address.ts"

describe("Address.parseUpstream", () => {
  it.each([
    ["127.0.0.1:8080", 80, "127.0.0.1:8080", 1],
    ["127.0.0.1", 80, "127.0.0.1:80", 1],
    ["127.0.0.1", 443, "127.0.0.1:443", 1],
    ["127.0.0.1 10", 80, "127.0.0.1:80", 10],
    ["10.0.0.1:8080 x", 80, "10.0.0.1:8080", 1],
    ["github.com", 443, "github.com:443", 1],
    ["my_service.local:8080 3", 80, "my_service.local:8080", 3],
    ["[::1]:8080 2", 80, "[::1]:8080", 2],
    ["[2001:db8::1]", 443, "[2001:db8::1]:443", 1],
    ["::1", 80, "[::1]:80", 1],
    ["unix:/run/app.sock 4", 80, "unix:/run/app.sock", 4]
  ])("15.1 %s (default port %d) is %s, weight %d", (text, port, address, weight) => {
    const parsed = Address.parseUpstream(text, port)
    assert(!(parsed instanceof Address.AddressError))
    assert.deepStrictEqual([Address.format(parsed.address), parsed.weight], [address, weight])
  })

  it("takes a weight behind two blanks, which the reference drops", () => {
    const parsed = Address.parseUpstream("10.0.0.1:8080  5", 80)
    assert(!(parsed instanceof Address.AddressError))
    assert.deepStrictEqual([parsed.weight, parsed.warning], [5, undefined])
  })

  it.each([
    ["10.0.0.1 x", 'weight "x" is not a whole number and counts as 1'],
    ["10.0.0.1 -1", 'weight "-1" is not a whole number and counts as 1'],
    ["10.0.0.1 2 3", '"3" after the weight is ignored']
  ])("warns about %s", (text, warning) => {
    const parsed = Address.parseUpstream(text, 80)
    assert(!(parsed instanceof Address.AddressError))
    assert.strictEqual(parsed.warning, warning)
  })

  it.each([
    ["", "address is empty"],
    ["10.0.0.1:80 0", "weight must be at least 1"],
    ["10.0.0.1:0", "port must be 1 to 65535"],
    ["10.0.0.1:65536", '"65536" is not a port'],
    ["10.0.0.1:", '"" is not a port'],
    ["a:b:c", '"b:c" is not a port'],
    ["010.0.0.1", '"010.0.0.1" is not a host name or an IP address'],
    ["127.1:80", '"127.1" is not a host name or an IP address'],
    ["http://x", '"//x" is not a port'],
    ["a/b:80", '"a/b" is not a host name or an IP address'],
    ["exam\0ple:80", '"exam\\u0000ple" is not a host name or an IP address'],
    [`${"a".repeat(64)}.com`, `"${"a".repeat(64)}.com" is not a host name or an IP address`],
    ["[::1", "[::1 is not an IPv6 address in brackets"],
    ["[::1]80", "[::1]80 is not an IPv6 address in brackets"],
    ["[::z]:80", "[::z]:80 is not an IPv6 address in brackets"],
    ["unix:app.sock", "a unix socket needs an absolute path, for example unix:/run/app.sock"]
  ])("refuses %j: %s", (text, message) => {
    const parsed = Address.parseUpstream(text, 80)
    assert.instanceOf(parsed, Address.AddressError)
    assert.strictEqual((parsed as Address.AddressError).message, message)
  })

  it("returns for any text", () => {
    const texts = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:.[\] ]*$/))
    fc.assert(
      fc.property(texts, (text) => {
        const parsed = Address.parseUpstream(text, 80)
        return parsed instanceof Address.AddressError || parsed.weight >= 1
      }),
      { numRuns: 2_000 }
    )
  })
})

describe("Address.parseListenList", () => {
  it.each([
    ["0.0.0.0:80", "0.0.0.0:80"],
    ["0.0.0.0:443,[::]:443", "0.0.0.0:443 [::]:443"],
    ["127.0.0.1:80, localhost:81", "127.0.0.1:80 localhost:81"],
    ["127.0.0.1:0", "127.0.0.1:0"],
    ["unix:/run/pingap.sock", "unix:/run/pingap.sock"]
  ])("reads %s", (text, expected) => {
    const parsed = Address.parseListenList(text)
    assert(!(parsed instanceof Address.AddressError))
    assert.strictEqual(parsed.map(Address.format).join(" "), expected)
  })

  it.each(["", "127.0.0.1", ":80", "127.0.0.1:80,", "::1", "[::]", "1.2.3:80"])("refuses %j", (text) => {
    const parsed = Address.parseListenList(text)
    assert.instanceOf(parsed, Address.AddressError)
    assert.match((parsed as Address.AddressError).message, /^invalid socket address, /)
  })
})

describe("Address.isUnusableIp", () => {
  it.each([
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "239.255.255.255",
    "169.254.1.1",
    "::",
    "ff02::1",
    "fe80::1",
    "febf::1",
    "::ffff:169.254.1.1"
  ])("2.1 %s is rejected", (ip) => {
    assert.isTrue(Address.isUnusableIp(ip))
  })

  it.each(["127.0.0.1", "192.168.1.1", "10.0.0.1", "::1", "fec0::1", "240.0.0.1", "github.com"])(
    "2.1 %s is valid",
    (ip) => {
      assert.isFalse(Address.isUnusableIp(ip))
    }
  )
})
