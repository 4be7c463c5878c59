import { assert, describe, it } from "@effect/vitest"
import { gcmsiv } from "@noble/ciphers/aes.js"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import fc from "fast-check"
import * as Secret from "../../src/config/Secret.ts"

const reasonOf = (result: Result.Result<string, Secret.SecretError>): string =>
  Result.isFailure(result) ? result.failure.reason : `decrypted: ${result.success}`

const text = (result: Result.Result<string, Secret.SecretError>): string => Result.getOrThrow(result)

describe("Pingap's form", () => {
  const vectors = [
    ["123123", "47.107.66.241", "PLpKJqvfkjTcYTDpauJf+2JnEayP+bm+0Oe60Jk="],
    ["12345678901234567890123456789012", "hello", "ckosmpE7P8FUPbIY7mKyURn+9G46"],
    ["12345678901234567890123456789012ABC", "hello", "ckosmpE7P8FUPbIY7mKyURn+9G46"],
    ["1234567890123456789012345678901", "hello", "MOCDXI8+ftvgbS/TpYmGlPigDBuP"],
    ["123123", "hello", "Aj2nvbcRLTKQ0t5F6glCyxVk2EsI"],
    ["123123", "pingap", "5Es8Vr79wLYQzG9ZLTWAfifPQ39ROQ=="]
  ] as const

  it.each(vectors)("18, AS2-AS4 key %s reads and writes %s", (key, plain, value) => {
    assert.strictEqual(text(Secret.decrypt(value, key)), plain)
    assert.strictEqual(Secret.encryptCompatible(plain, key), value)
  })

  it.each([32, 35, 31])("AS1 a key of %d characters comes back", (length) => {
    const key = "k".repeat(length)
    assert.strictEqual(text(Secret.decrypt(Secret.encryptCompatible("hello", key), key)), "hello")
  })

  it("reads any text with any passphrase", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (plain, key) => {
        assert.strictEqual(text(Secret.decrypt(Secret.encryptCompatible(plain, key), key)), plain)
      })
    )
  })

  it("reads a value with a line end around it, as a multi-line string has", () => {
    assert.strictEqual(text(Secret.decrypt("\nAj2nvbcRLTKQ0t5F6glCyxVk2EsI\n", "123123")), "hello")
  })

  it.each([
    ["not base64", "§§§", "not-base64"],
    ["no padding", "5Es8Vr79wLYQzG9ZLTWAfifPQ39ROQ", "not-base64"],
    ["bits behind the end", "PLpKJqvfkjTcYTDpauJf+2JnEayP+bm+0Oe60Jl=", "not-base64"],
    ["nothing", "", "too-short"],
    ["less than a tag", "aGVsbG8=", "too-short"],
    ["a changed byte", "Bj2nvbcRLTKQ0t5F6glCyxVk2EsI", "wrong-passphrase"]
  ])("refuses %s", (_, value, reason) => {
    assert.strictEqual(reasonOf(Secret.decrypt(value, "123123")), reason)
  })

  it("refuses bytes that are no text", () => {
    const sealed = gcmsiv(new Uint8Array(32), Buffer.from("pingap nonce")).encrypt(Uint8Array.of(0xff, 0xfe))
    assert.strictEqual(reasonOf(Secret.decrypt(Buffer.from(sealed).toString("base64"), "")), "not-text")
  })

  it("refuses the wrong passphrase", () => {
    assert.strictEqual(reasonOf(Secret.decrypt("Aj2nvbcRLTKQ0t5F6glCyxVk2EsI", "123124")), "wrong-passphrase")
  })
})

describe("our form", () => {
  it.effect("comes back, and never looks the same twice", () =>
    Effect.gen(function* () {
      const first = yield* Secret.encrypt("pa$$wörd\n", "correct horse")
      const second = yield* Secret.encrypt("pa$$wörd\n", "correct horse")
      assert.match(first, /^pingap2:[A-Za-z0-9+/]+=*$/)
      assert.notStrictEqual(first, second)
      assert.strictEqual(text(Secret.decrypt(first, "correct horse")), "pa$$wörd\n")
      assert.strictEqual(text(Secret.decrypt(`${second}\n`, "correct horse")), "pa$$wörd\n")
    })
  )

  it("is read as it was written once: the form never changes", () => {
    const value = "pingap2:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGwmpYvcU8l7K99dI9I2KJS+MAijn8Q=="
    assert.strictEqual(text(Secret.decrypt(value, "correct horse")), "hello")
  })

  it.effect("keeps every text and distinguishes passphrases that share 32 bytes", () =>
    Effect.gen(function* () {
      const key = "k".repeat(32)
      const value = yield* Secret.encrypt("", key)
      assert.strictEqual(text(Secret.decrypt(value, key)), "")
      assert.strictEqual(reasonOf(Secret.decrypt(value, `${key}x`)), "wrong-passphrase")
    })
  )

  it.effect("notices every changed byte", () =>
    Effect.gen(function* () {
      const value = yield* Secret.encrypt("hello", "correct horse")
      const bytes = Buffer.from(value.slice("pingap2:".length), "base64")
      // A changed salt costs a derivation each; two of its bytes stand for all.
      for (const at of [0, 15, ...Array.from({ length: bytes.length - 16 }, (_, i) => i + 16)]) {
        const changed = Buffer.from(bytes)
        changed[at]! ^= 1
        const result = Secret.decrypt(`pingap2:${changed.toString("base64")}`, "correct horse")
        assert.strictEqual(reasonOf(result), "wrong-passphrase", `byte ${at}`)
      }
    })
  )

  it.each([
    ["another version", "pingap3:AAAA", "unknown-version"],
    ["version 1, which never was", "pingap1:AAAA", "unknown-version"],
    ["no base64", "pingap2:§", "not-base64"],
    ["a cut value", `pingap2:${Buffer.alloc(43).toString("base64")}`, "too-short"]
  ])("refuses %s", (_, value, reason) => {
    assert.strictEqual(reasonOf(Secret.decrypt(value, "correct horse")), reason)
  })

  it.effect("wants a passphrase", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(Secret.encrypt("hello", ""))).reason, "no-passphrase")
      const value = yield* Secret.encrypt("hello", "correct horse")
      assert.strictEqual(reasonOf(Secret.decrypt(value, "")), "no-passphrase")
    })
  )

  it.effect("reads values whose keys were prepared without deriving them again", () =>
    Effect.gen(function* () {
      const value = yield* Secret.encrypt("hello", "prepared")
      // Another process has another salt: the same bytes under a salt that nobody has seen.
      const foreign = Buffer.from(value.slice("pingap2:".length), "base64")
      foreign[0]! ^= 255
      const secrets = [value, `pingap2:${foreign.toString("base64")}`, "pingap2:§", "pingap9:AAAA", "AAAA", ""].map(
        (value) => ({ value, passphrase: "prepared" })
      )
      yield* Secret.prepare([...secrets, { value, passphrase: "" }])
      const before = process.cpuUsage()
      for (let i = 0; i < 100; i++) for (const { value } of secrets) Secret.decrypt(value, "prepared")
      // A hundred derivations would take seconds.
      assert.isBelow(process.cpuUsage(before).user, 1_000_000)
    })
  )
})

describe("passphrase", () => {
  const env = { SECRET: "from outside", EMPTY: "" }

  it.each([
    ["plain", "plain"],
    ["$ENV:SECRET", "from outside"],
    ["$ENV:EMPTY", ""],
    ["x$ENV:SECRET", "x$ENV:SECRET"],
    ["$SECRET", "$SECRET"],
    ["", ""]
  ])("%j is %j", (written, meant) => {
    assert.strictEqual(text(Secret.passphrase(written, env)), meant)
  })

  it.each(["$ENV:UNSET", "$ENV:", "$ENV:toString", "$ENV:__proto__"])("%s is not set", (written) => {
    assert.strictEqual(reasonOf(Secret.passphrase(written, env)), "unset-variable")
  })
})

describe("errors", () => {
  it("hold neither the value nor the passphrase", () => {
    const value = "Bj2nvbcRLTKQ0t5F6glCyxVk2EsI"
    for (const given of [value, `pingap2:${value}`, `pingap7:${value}`, `§${value}`]) {
      const result = Secret.decrypt(given, "hunter2hunter2")
      assert.isTrue(Result.isFailure(result))
      if (!Result.isFailure(result)) continue
      const shown = `${result.failure.message} ${JSON.stringify(result.failure)} ${String(result.failure)}`
      assert.notInclude(shown, value)
      assert.notInclude(shown, "hunter2")
    }
  })
})
