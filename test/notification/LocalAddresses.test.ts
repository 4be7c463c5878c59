import type { NetworkInterfaceInfo } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import * as LocalAddresses from "../../src/notification/LocalAddresses.ts"

const at = (address: string, internal = false): NetworkInterfaceInfo => {
  const rest = { address, netmask: "", mac: "", cidr: null, internal }
  return address.includes(":") ? { ...rest, family: "IPv6", scopeid: 0 } : { ...rest, family: "IPv4" }
}

describe("of", () => {
  it("lists every address but loopback once, IPv4 first", () => {
    assert.deepStrictEqual(
      LocalAddresses.of({
        lo: [at("127.0.0.1", true), at("::1", true)],
        eth0: [at("2001:db8::1"), at("10.0.0.1")],
        eth1: [at("10.0.0.2"), at("10.0.0.1")]
      }),
      ["10.0.0.1", "10.0.0.2", "2001:db8::1"]
    )
    assert.deepStrictEqual(LocalAddresses.of({ none: undefined }), [])
  })
})
