/** Ten thousand items in one document: a save must not be felt by requests. */
import { performance } from "node:perf_hooks"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { memoryStore, writerOn } from "./Writers.ts"

const location = (index: number): string =>
  `# location ${index}\n[locations.l${index}]\nhost = "h${index % 1000}.example.com"\npath = "/p${index}"\nupstream = "u"\nweight = ${index % 1000}\n`

const document = `[upstreams.u]\naddrs = ["127.0.0.1:80"]\n\n${Array.from({ length: 10_000 }, (_, index) => location(index)).join("\n")}`

/** The longest time in which nothing else could run. */
const longestBlock = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    let [last, longest] = [performance.now(), 0]
    let isRunning = true
    const tick = (): void => {
      const now = performance.now()
      longest = Math.max(longest, now - last)
      last = now
      if (isRunning) setImmediate(tick)
    }
    setImmediate(tick)
    yield* Effect.ensuring(
      effect,
      Effect.sync(() => void (isRunning = false))
    )
    longest = Math.max(longest, performance.now() - last)
    return longest
  })

it.live("saves one of ten thousand items quickly and in slices", () =>
  Effect.gen(function* () {
    const writer = yield* writerOn(yield* memoryStore("single", { "": document }))
    const times: Array<number> = []
    const blocks: Array<number> = []
    for (let index = 0; index < 8; index++) {
      const start = performance.now()
      const save = writer.save("locations", `l${index * 1000}`, { path: `/new${index}`, upstream: "u" })
      blocks.push(yield* longestBlock(save))
      times.push(performance.now() - start)
    }
    const median = (numbers: ReadonlyArray<number>): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!
    // Alone it takes a tenth of a second; other tests run at the same time.
    assert.isBelow(median(times.slice(1)), 600)
    assert.isBelow(median(blocks.slice(1)), 200)
    assert.strictEqual((yield* writer.list("locations")).length, 10_000)
  })
)
