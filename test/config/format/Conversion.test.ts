import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Conversion from "../../../src/config/format/Conversion.ts"
import { problemsOf, valueOf } from "./conversions.ts"

const toml = { file: "a.toml", text: 'basic.name = "t"' }
const hcl = { file: "b.hcl", text: 'basic {\n  name = "h"\n}' }
const kdl = { file: "c.kdl", text: 'basic name="k"' }

const names = (value: unknown): unknown => (value as { basic: { name: string } }).basic.name

describe("documents", () => {
  it.live("come back in their order, TOML as it is", () =>
    Effect.gen(function* () {
      const converted = yield* Conversion.toToml([kdl, toml, hcl, kdl])
      assert.deepStrictEqual(
        converted.map(({ file }) => file),
        ["c.kdl", "a.toml", "b.hcl", "c.kdl"]
      )
      assert.deepStrictEqual(converted.map(valueOf).map(names), ["k", "t", "h", "k"])
      assert.strictEqual(converted[1], toml)
      assert.deepStrictEqual(converted.map(Conversion.isConverted), [true, false, true, true])
    })
  )

  it.effect("need no thread when all are TOML", () =>
    Effect.gen(function* () {
      const documents = [toml, { file: "pingap.conf", text: "" }]
      assert.strictEqual(yield* Conversion.toToml(documents), documents)
    })
  )

  it.live("of several conversions at a time do not mix", () =>
    Effect.gen(function* () {
      const all = Array.from({ length: 4 }, (_, i) => ({ file: `${i}.kdl`, text: `basic name="${i}"` }))
      const converted = yield* Effect.forEach(all, (document) => Conversion.toToml([document]), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(
        converted.map(([document]) => names(valueOf(document!))),
        ["0", "1", "2", "3"]
      )
    })
  )

  it.live("know the lists of plugins from elsewhere", () =>
    Effect.gen(function* () {
      const document = { file: "p.kdl", text: 'plugin "p" category="ours" names="n"' }
      const [converted] = yield* Conversion.toToml([document], { pluginLists: { ours: ["names"] } })
      assert.deepStrictEqual(valueOf(converted!), { plugins: { p: { category: "ours", names: ["n"] } } })
    })
  )
})

describe("a configuration", () => {
  const inToml = `
[basic]
name = "pingap"
trusted_proxies = ["10.0.0.0/8"]

[servers.web]
addr = "0.0.0.0:80"
locations = ["npmtrend", "static"]

[servers.internal]
addr = "127.0.0.1:81"
locations = ["status"]

[upstreams.charts]
addrs = ["127.0.0.1:5000", "127.0.0.1:5001 10"]
verify_cert = false

[locations.npmtrend]
host = '~^(?<upstream>.+)\\.npmtrend\\.com$'
upstream = "$upstream"
plugins = ["pingap:compression", "auth"]
proxy_set_headers = ["Host:example.com"]
remark = "图表"

[locations.static]
upstream = "charts"
weight = 1024

[locations.status]
upstream = "charts"
remark = ""

[plugins.auth]
category = "combined_auth"
authorizations = [{ app_id = "a", secret = "s", deviation = 60, ip_list = ["10.0.0.0/8"] }]

[certificates.site]
domains = "example.com"
tls_cert = """
-----BEGIN CERTIFICATE-----
AA==
-----END CERTIFICATE-----
"""
is_default = true

[storages.headers]
category = "config"
value = 'client_max_body_size = "1mb"'
`

  const inHcl = `
basic {
  name            = "pingap"
  trusted_proxies = ["10.0.0.0/8"]
}

server "web" {
  addr = "0.0.0.0:80"

  location "npmtrend" {
    host     = "~^(?<upstream>.+)\\\\.npmtrend\\\\.com$"
    upstream = "$upstream"
    plugins = [
      "pingap:compression",
      "auth",
    ]
    proxy_set_headers = ["Host:example.com"]
    remark            = "图表"
  }

  location "static" {
    weight = 1024
    upstream "charts" {
      addrs       = ["127.0.0.1:5000", "127.0.0.1:5001 10"]
      verify_cert = false
    }
  }

  certificate "site" {
    domains    = "example.com"
    tls_cert   = <<-EOT
      -----BEGIN CERTIFICATE-----
      AA==
      -----END CERTIFICATE-----
    EOT
    is_default = true
  }
}

server "internal" {
  addr = "127.0.0.1:81"
  location "status" {
    upstream = "charts"
    remark   = <<-EOT
    EOT
  }
}

plugin "auth" {
  category       = "combined_auth"
  authorizations = [{ app_id = "a", secret = "s", deviation = 60, ip_list = ["10.0.0.0/8"] }]
}

storage "headers" {
  category = "config"
  value    = "client_max_body_size = \\"1mb\\""
}
`

  const inKdl = `
basic name="pingap" trusted_proxies="10.0.0.0/8"

server "web" {
  addr "0.0.0.0:80"
  location "npmtrend" {
    host #"~^(?<upstream>.+)\\.npmtrend\\.com$"#
    upstream "$upstream"
    plugin "auth" category="combined_auth" {
      authorizations {
        item { app_id "a"; secret "s"; deviation 60; ip_list "10.0.0.0/8" }
      }
    }
    plugin "pingap:compression"
    proxy_set_headers "Host:example.com"
    remark "图表"
  }
  location "static" weight=1024 {
    upstream "charts" verify_cert=#false {
      addrs "127.0.0.1:5000"
      addrs "127.0.0.1:5001 10"
    }
  }
  certificate "site" domains="example.com" {
    tls_cert """
      -----BEGIN CERTIFICATE-----
      AA==
      -----END CERTIFICATE-----

      """
    is_default #true
  }
}

server "internal" addr="127.0.0.1:81" {
  location "status" {
    upstream "charts"
    remark ""
  }
}

storage "headers" category="config" value=#"client_max_body_size = "1mb""#
`

  it.live("6, 7 is the same in all three formats", () =>
    Effect.gen(function* () {
      const converted = yield* Conversion.toToml([
        { file: "a.toml", text: inToml },
        { file: "a.hcl", text: inHcl },
        { file: "a.kdl", text: inKdl }
      ])
      assert.deepStrictEqual(converted.filter(Conversion.isConverted).flatMap(problemsOf), [])
      const [toml, hcl, kdl] = converted.map(valueOf)
      assert.deepStrictEqual(hcl, toml)
      // Plugins that are named inside of a KDL location come before those that are defined there.
      assert.deepStrictEqual(kdl, toml)
    })
  )
})

describe("a thread", () => {
  it.live("that takes too long ends, and another one reads the rest", () =>
    Effect.gen(function* () {
      // The HCL parser writes numbers out, digit by digit.
      const slow = { file: "slow.hcl", text: "basic {\n  threads = 1e9999999\n}" }
      const [first, second] = yield* Conversion.toToml([slow, { file: "b.kdl", text: "" }], { deadline: "1 second" })
      assert.deepStrictEqual(Conversion.isConverted(first!) && problemsOf(first), [
        "1:1 error: text cannot be read in the time that is allowed for it"
      ])
      assert.deepStrictEqual(Conversion.isConverted(second!) && problemsOf(second), [])
    })
  )

  it.live("ends when nobody waits for it any more", () =>
    Effect.gen(function* () {
      const slow = { file: "slow.kdl", text: "a 1\n".repeat(2_000_000) }
      const fiber = yield* Effect.forkChild(Conversion.toToml([slow]))
      yield* Effect.yieldNow
      const before = performance.now()
      yield* Fiber.interrupt(fiber)
      assert.isBelow(performance.now() - before, 2_000)
    })
  )

  it.live("leaves neither globals nor anything that keeps the process alive", () =>
    Effect.gen(function* () {
      const module = JSON.stringify(join(import.meta.dirname, "../../../src/config/format/Conversion.ts"))
      const program = `
        import * as Effect from "effect/Effect"
        import * as Conversion from ${module}
        const documents = ${JSON.stringify([hcl, kdl])}
        const converted = await Effect.runPromise(Conversion.toToml(documents))
        console.log(JSON.stringify([converted.map(({ text }) => text), "Go" in globalThis]))`
      const { stdout } = yield* Effect.promise(() =>
        promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], {
          cwd: join(import.meta.dirname, "../../.."),
          timeout: 20_000
        })
      )
      assert.deepStrictEqual(JSON.parse(stdout), [['[basic]\nname = "h"\n', '[basic]\nname = "k"\n'], false])
    })
  )
})
