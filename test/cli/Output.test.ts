import { Writable } from "node:stream"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { OutputError, print } from "../../src/cli/Output.ts"

const stream = (error: NodeJS.ErrnoException | null): { readonly out: Writable; readonly written: Array<string> } => {
  const written: Array<string> = []
  const out = new Writable({
    write: (chunk: Buffer, _encoding, callback) => {
      written.push(chunk.toString())
      callback(error)
    }
  })
  out.on("error", () => undefined)
  return { out, written }
}

const failing = (code: string): NodeJS.ErrnoException => Object.assign(new Error(`${code}: no way`), { code })

it.effect("a text is written whole", () =>
  Effect.gen(function* () {
    const { out, written } = stream(null)
    yield* print("one\ntwo\n", out)
    assert.deepStrictEqual(written, ["one\ntwo\n"])
  })
)

it.effect("a full disk is an error, a reader that left is none", () =>
  Effect.gen(function* () {
    const full = yield* Effect.result(print("x", stream(failing("ENOSPC")).out))
    assert.deepStrictEqual(
      full,
      Result.fail(new OutputError({ message: "standard output cannot be written: ENOSPC: no way" }))
    )
    yield* print("x", stream(failing("EPIPE")).out)
  })
)
