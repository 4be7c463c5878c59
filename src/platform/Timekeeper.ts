/**
 * The service that makes the data plane's {@link Ticker} tick. Driven by Effect's clock, so that a test clock moves
 * every time-out of the proxy.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TICK_MILLIS, Ticker } from "../proxy/Ticker.ts"
import { Defects } from "./Defects.ts"

export class Timekeeper extends Context.Service<Timekeeper, { readonly ticker: Ticker }>()(
  "pingap/platform/Timekeeper"
) {
  static readonly layer = Layer.effect(
    Timekeeper,
    Effect.gen(function* () {
      let last = yield* Clock.currentTimeMillis
      const ticker = new Ticker(last, (yield* Defects).report)
      const tick = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.sync(() => {
          ticker.tick(now - last, now)
          last = now
        })
      )
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(TICK_MILLIS), tick)))
      return { ticker }
    })
  )
}
