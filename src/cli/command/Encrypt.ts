/**
 * `pingap encrypt`: turns a text into the value of a `[storages.<name>]` with `secret`.
 *
 * The text comes from standard input and the passphrase from the environment, so that neither is seen in a list of
 * processes or kept by a shell. Spec: config 10.
 */
import { isUtf8 } from "node:buffer"
import { buffer } from "node:stream/consumers"
import * as Effect from "effect/Effect"
import * as Secret from "../../config/Secret.ts"
import { type OutputError, print } from "../Output.ts"

/** Prints the encrypted text. Succeeds with the exit code. */
export const encrypt: Effect.Effect<number, OutputError> = Effect.gen(function* () {
  const passphrase = process.env["PINGAP_SECRET"] ?? ""
  if (passphrase === "") return yield* refuse(WRONG_USAGE, "the passphrase is needed in PINGAP_SECRET")
  if (process.stdin.isTTY) process.stderr.write("the text to encrypt, then Ctrl-D:\n")
  const bytes = yield* Effect.promise(() => buffer(process.stdin))
  // Storages hold text: what is none would come out as something else.
  if (!isUtf8(bytes)) return yield* refuse(FAILED, "the text to encrypt is not valid UTF-8")
  const text = bytes.toString("utf8").replace(/\r?\n$/, "")
  if (text === "") return yield* refuse(WRONG_USAGE, "the text to encrypt is needed on standard input")
  const value = yield* Secret.encrypt(text, passphrase)
  yield* print(`${value}\n`)
  return 0
}).pipe(Effect.catchTag("SecretError", ({ message }) => refuse(FAILED, message)))

const FAILED = 1
const WRONG_USAGE = 2

const refuse = (code: number, message: string): Effect.Effect<number> =>
  Effect.sync(() => {
    process.stderr.write(`pingap: ${message}\n`)
    return code
  })
