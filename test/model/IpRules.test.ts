import { isIPv4, isIPv6 } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { Fields } from "../../src/model/Fields.ts"
import * as IpRules from "../../src/model/IpRules.ts"

const reference = ["192.168.1.0/24", "10.0.0.1", "2001:db8::/32", "2001:db8:a::1", "not-an-ip"]

describe("IpRules", () => {
  it("IR1 keeps networks, single addresses and what is neither apart", () => {
    const rules = IpRules.compile(reference)
    assert.deepStrictEqual([rules.networks, rules.addresses, rules.invalid], [2, 2, ["not-an-ip"]])
  })

  it.each([
    ["192.168.1.100", true],
    ["192.168.1.1", true],
    ["10.0.0.1", true],
    ["2001:db8:dead:beef::1", true],
    ["2001:db8:a::1", true],
    ["192.168.2.1", false],
    ["192.168.3.1", false],
    ["2001:db9::1", false],
    ["10.0.0.2", false],
    ["::ffff:10.0.0.1", true],
    ["::ffff:a00:1", true],
    ["2001:DB8:0:0::5", true],
    ["fe80::1%eth0", false],
    ["", false],
    ["10.0.0.1:80", false],
    ["010.0.0.1", false],
    ["0x0a.0.0.1", false],
    ["10.1", false],
    ["167772161", false]
  ])("IR2 IR3 %s is %s", (address, expected) => {
    assert.strictEqual(IpRules.compile(reference).has(address), expected)
  })

  it.each([
    ["10.1.2.3/8", "10.200.0.1", true],
    ["0.0.0.0/0", "203.0.113.9", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["::/0", "203.0.113.9", false],
    ["::/0", "2001:db8::1", true],
    ["::ffff:10.0.0.0/104", "10.9.9.9", true],
    ["2001:db8::/33", "2001:db8:8000::", false],
    ["2001:db8::/33", "2001:db8:7fff::", true],
    ["fe80::1%eth0", "fe80::1", true],
    [" 10.0.0.0/8 ", "10.0.0.1", true],
    ["255.255.255.255/32", "255.255.255.255", true],
    ["128.0.0.0/1", "200.0.0.1", true]
  ])("%s and %s: %s", (rule, address, expected) => {
    assert.strictEqual(IpRules.compile([rule]).has(address), expected)
  })

  it.each([
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0.0/255.0.0.0",
    "::/129",
    "::ffff:10.0.0.0/20",
    "1.2.3",
    "999.999.999.999",
    "",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "::1.2.3",
    "1:2:3:4:5:6:7:1.2.3.4",
    "fe80::1%",
    "[::1]"
  ])("IR4 refuses %s", (rule) => {
    assert.deepStrictEqual(IpRules.compile([rule]).invalid, [rule])
  })

  it.each([
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["::", "::"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:201", "192.0.2.1"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
    ["fe80::1%eth0", "fe80::1"],
    ["192.0.2.1", "192.0.2.1"],
    ["1::", "1::"],
    ["localhost", undefined]
  ])("normalizes %s to %s", (text, expected) => {
    assert.strictEqual(IpRules.normalize(text), expected)
  })

  it("agrees with the system about what an address is", () => {
    const group = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16))
    const v6 = fc.oneof(
      fc.array(group, { minLength: 7, maxLength: 9 }).map((groups) => groups.join(":")),
      fc
        .tuple(fc.array(group, { maxLength: 5 }), fc.array(group, { maxLength: 4 }))
        .map(([head, tail]) => `${head.join(":")}::${tail.join(":")}`),
      fc.ipV6()
    )
    const text = fc.oneof(fc.ipV4(), fc.ipV4Extended(), v6, fc.string({ unit: fc.constantFrom(..."0129af:.") }))
    fc.assert(
      fc.property(text, (address) => {
        assert.strictEqual(IpRules.isAddress(address), isIPv4(address) || isIPv6(address), address)
        const normal = IpRules.normalize(address)
        if (normal !== undefined) assert.strictEqual(IpRules.normalize(normal), normal)
      }),
      { numRuns: 2000 }
    )
  })
})

describe("IpRules.clientAddress", () => {
  const trusted = IpRules.compile(IpRules.DEFAULT_TRUSTED)
  const client = (peer: string, ...lines: ReadonlyArray<readonly [string, string]>) =>
    IpRules.clientAddress(trusted, peer, Fields.of(lines))

  it.each<[string, string, ReadonlyArray<readonly [string, string]>, string]>([
    ["CI1 X-Forwarded-For of a trusted peer", "127.0.0.1", [["X-Forwarded-For", "192.168.1.1"]], "192.168.1.1"],
    ["CI1 X-Real-IP of a trusted peer", "127.0.0.1", [["X-Real-Ip", "192.168.1.2"]], "192.168.1.2"],
    ["CI2 an untrusted peer", "203.0.113.1", [["X-Forwarded-For", "192.168.1.1"]], "203.0.113.1"],
    ["the right-most untrusted one", "10.0.0.1", [["X-Forwarded-For", "6.6.6.6, 1.1.1.1, 10.0.0.9"]], "1.1.1.1"],
    [
      "several lines",
      "10.0.0.1",
      [
        ["X-Forwarded-For", "6.6.6.6"],
        ["x-forwarded-for", "2.2.2.2, 10.0.0.2"],
        ["X-Forwarded-For", "10.0.0.3"]
      ],
      "2.2.2.2"
    ],
    ["the left-most when all are trusted", "10.0.0.1", [["X-Forwarded-For", "10.0.0.7, 10.0.0.8"]], "10.0.0.7"],
    ["the last good one before text", "10.0.0.1", [["X-Forwarded-For", "1.1.1.1, unknown, 10.0.0.8"]], "10.0.0.8"],
    [
      "the peer when there is only text",
      "10.0.0.1",
      [
        ["X-Forwarded-For", "unknown"],
        ["X-Real-IP", "1.1.1.1"]
      ],
      "10.0.0.1"
    ],
    ["octal is text", "10.0.0.1", [["X-Forwarded-For", "010.1.1.1"]], "10.0.0.1"],
    ["empty elements", "10.0.0.1", [["X-Forwarded-For", ",1.1.1.1, ,10.0.0.5,"]], "1.1.1.1"],
    [
      "an empty list",
      "10.0.0.1",
      [
        ["X-Forwarded-For", ""],
        ["X-Real-IP", "1.1.1.1"]
      ],
      "1.1.1.1"
    ],
    ["X-Real-IP that is no address", "10.0.0.1", [["X-Real-IP", "me"]], "10.0.0.1"],
    ["ports", "10.0.0.1", [["X-Forwarded-For", "1.1.1.1:5000, [fc00::1]:80, 10.0.0.4:1"]], "1.1.1.1"],
    ["a mapped peer", "::ffff:10.0.0.1", [["X-Forwarded-For", "2001:DB8::1"]], "2001:db8::1"],
    ["a mapped peer without fields", "::ffff:203.0.113.5", [], "203.0.113.5"],
    ["no peer", "", [["X-Forwarded-For", "1.1.1.1"]], ""]
  ])("%s", (_, peer, lines, expected) => {
    assert.strictEqual(client(peer, ...lines), expected)
  })
})
