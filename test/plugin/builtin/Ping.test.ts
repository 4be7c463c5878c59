import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Ping } from "../../../src/plugin/builtin/Ping.ts"
import type { LocalResponse } from "../../../src/proxy/Response.ts"
import { fakeExchange, fieldOf } from "../../support/FakeExchange.ts"
import { hooksOf, noticesOf } from "../../support/PluginHooks.ts"

describe("ping", () => {
  it.effect("PI1: answers its path with pong, whatever the method", () =>
    Effect.gen(function* () {
      const { request } = yield* hooksOf(Ping, { path: "/ping" })
      for (const method of ["GET", "POST", "HEAD"]) {
        const pong = request?.(fakeExchange({ method, uri: "/ping?x=1" })) as LocalResponse
        assert.strictEqual(pong.status, 200)
        assert.strictEqual(pong.body, "pong")
        assert.strictEqual(pong.fields, "Cache-Control: private, no-cache\r\n")
        assert.isUndefined(fieldOf(pong, "content-type"))
      }
      for (const uri of ["/", "/ping/", "/pin", "/Ping"]) assert.isUndefined(request?.(fakeExchange({ uri })))
    })
  )

  it.effect("takes no part without a path, and says so", () =>
    Effect.gen(function* () {
      assert.deepEqual(yield* hooksOf(Ping, {}), {})
      assert.deepEqual(yield* noticesOf(Ping, {}), ["path: is empty, so the plugin answers nothing"])
    })
  )
})
