/** The entry for programs without Effect. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ConfigError, createProxy, define, ListenError, type RunningProxy } from "../../src/index.ts"
import { Origin } from "../support/Origin.ts"

describe("createProxy", () => {
  it("leaves nothing behind when an address cannot be bound", async () => {
    await using taken = await Origin.start()
    const events: Array<string> = []
    const recorded = define({
      category: "recorded",
      description: "Records its life.",
      options: Schema.Struct({}),
      make: () =>
        Effect.as(
          Effect.acquireRelease(
            Effect.sync(() => events.push("open")),
            () => Effect.sync(() => events.push("closed"))
          ),
          {}
        )
    })
    const config = `
[plugins.p]
category = "recorded"
[servers.free]
addr = "127.0.0.1:0"
[servers.taken]
addr = "${taken.address}"
`
    const error = await createProxy({ config, plugins: [recorded] }).then(
      () => undefined,
      (error) => error
    )
    assert.instanceOf(error, ListenError)
    assert.deepStrictEqual(events, ["open", "closed"])
  })

  const answering = (text: string, addr = "127.0.0.1:0") => `
[plugins.p]
category = "mock"
data = "${text}"
[locations.lo]
plugins = ["p"]
[servers.s]
addr = "${addr}"
locations = ["lo"]
`
  const ask = async (proxy: RunningProxy) => {
    const response = await proxy.handle(new Request("http://a/"))
    return response.text()
  }

  it("configure resolves when the new configuration answers", async () => {
    await using proxy = await createProxy({ config: answering("one") })
    for (const text of ["two", "three", "three"]) {
      await proxy.configure(answering(text))
      assert.strictEqual(await ask(proxy), text)
      const [address] = await proxy.addresses()
      assert.strictEqual(await (await fetch(`http://127.0.0.1:${address!.port}/`)).text(), text)
    }
  })

  it("configure rejects what is wrong, each time, and nothing changes", async () => {
    await using proxy = await createProxy({ config: answering("one") })
    for (let i = 0; i < 2; i++) {
      const error = await proxy.configure("[servers.s]\n").catch((error: unknown) => error)
      assert.instanceOf(error, ConfigError)
      assert.strictEqual(await ask(proxy), "one")
    }
  })

  it("configure rejects an address that is taken, and serves the rest", async () => {
    await using taken = await Origin.start()
    await using proxy = await createProxy({ config: answering("one") })
    const error = await proxy
      .configure(`${answering("two")}[servers.other]\naddr = "${taken.address}"\n`)
      .catch((error: unknown) => error)
    assert.instanceOf(error, ListenError)
    assert.strictEqual(await ask(proxy), "two")
  })
})
