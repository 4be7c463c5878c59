/**
 * Encrypted values of `[storages.*]`: reading both forms there are, writing ours. Spec: config 10, admin 4.8.
 *
 * Ours is the text `pingap2:` followed by the standard padded base64 of
 *
 *     salt (16 bytes) ‖ nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes)
 *
 * encrypted with AES-256-GCM under the scrypt key (N 2^14, r 8, p 1) of passphrase and salt, with the prefix as
 * associated data, so that a changed prefix, salt, nonce or byte is noticed. The form never changes: another cipher or
 * cost gets another number. Pingap's form is base64 alone (no text of it has a colon): AES-256-GCM-SIV, the first 32
 * bytes of the passphrase as key, always the same nonce, so that equal texts look equal and guessing is cheap.
 *
 * A derived key costs 34 ms. Keys are kept, the newest {@link MAX_KEYS}; {@link prepare} derives them beside the event
 * loop. No error and no log holds a value or a passphrase.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes, scrypt, scryptSync } from "node:crypto"
import { createRequire } from "node:module"
import type * as Aes from "@noble/ciphers/aes.js"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

/** What can be wrong with a secret, and how it is said. */
const REASONS = {
  "not-base64": "encrypted value is not base64",
  "too-short": "encrypted value is incomplete",
  "unknown-version": "encrypted value has a form that this version does not know",
  "wrong-passphrase": "encrypted value does not fit the passphrase, or was changed",
  "not-text": "decrypted value is not UTF-8 text",
  "no-passphrase": "passphrase is empty",
  "unset-variable": "passphrase names an environment variable that is not set"
} as const

/** Why something cannot be encrypted or decrypted. Never holds the value or the passphrase. */
export class SecretError extends Data.TaggedError("SecretError")<{
  readonly reason: keyof typeof REASONS
  readonly message: string
}> {}

const failure = (reason: keyof typeof REASONS, detail = ""): SecretError =>
  new SecretError({ reason, message: `${REASONS[reason]}${detail}` })

const fail = (reason: keyof typeof REASONS, detail?: string) => Result.fail(failure(reason, detail))

const PREFIX = "pingap2:"
const VERSIONED = /^pingap\d+:/
const SALT_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_BYTES = 32
const COST = { N: 16_384, r: 8, p: 1 }

/**
 * Number of derived keys that are kept. Every `pingap encrypt` has a salt of its own, so this many values can be read
 * at once without a derivation on the event loop.
 */
const MAX_KEYS = 4_096

/** Derivations at a time: file access and name resolution share the same four threads. */
const DERIVATIONS = 2

/** The passphrase that a storage's `secret` stands for: `$ENV:NAME`, as a whole, is the content of a variable. */
export const passphrase = (
  text: string,
  env: Readonly<Record<string, string | undefined>>
): Result.Result<string, SecretError> => {
  if (!text.startsWith("$ENV:")) return Result.succeed(text)
  const name = text.slice("$ENV:".length)
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  return value === undefined ? fail("unset-variable", `: ${name}`) : Result.succeed(value)
}

/** The text of an encrypted value in either form. Derives the key in place when it is not at hand. */
export const decrypt = (value: string, passphrase: string): Result.Result<string, SecretError> => {
  const text = value.trim()
  if (!VERSIONED.test(text)) return decryptCompatible(text, passphrase)
  const sealed = unseal(text)
  if (sealed instanceof SecretError) return Result.fail(sealed)
  if (passphrase === "") return fail("no-passphrase")
  const name = nameOf(passphrase, sealed.salt)
  const key = keyNamed(name) ?? keep(name, scryptSync(passphrase, sealed.salt, KEY_BYTES, COST))
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(PREFIX)).setAuthTag(sealed.tag)
  try {
    return textOf(Buffer.concat([decipher.update(sealed.ciphertext), decipher.final()]))
  } catch {
    return fail("wrong-passphrase")
  }
}

/** The value for a text in our form. */
export const encrypt = (text: string, passphrase: string): Effect.Effect<string, SecretError> => {
  if (passphrase === "") return Effect.fail(failure("no-passphrase"))
  // One salt for all that this process writes, so that whoever reads it derives one key and not one per value.
  ownSalt ??= randomBytes(SALT_BYTES)
  const salt = ownSalt
  return Effect.map(derive(passphrase, salt), (key) => {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(Buffer.from(PREFIX))
    const ciphertext = Buffer.concat([cipher.update(text, "utf8"), cipher.final()])
    return PREFIX + Buffer.concat([salt, nonce, ciphertext, cipher.getAuthTag()]).toString("base64")
  })
}

/** Derives, beside the event loop, the keys that {@link decrypt} will need for these values. */
export const prepare = (
  secrets: Iterable<{ readonly value: string; readonly passphrase: string }>
): Effect.Effect<void> => {
  const needed = new Map<string, Effect.Effect<Buffer>>()
  for (const { passphrase, value } of secrets) {
    const text = value.trim()
    const sealed = text.startsWith(PREFIX) ? unseal(text) : undefined
    if (passphrase === "" || sealed === undefined || sealed instanceof SecretError) continue
    if (needed.size < MAX_KEYS) needed.set(nameOf(passphrase, sealed.salt), derive(passphrase, sealed.salt))
  }
  return Effect.forEach(needed.values(), (key) => key, { concurrency: DERIVATIONS, discard: true })
}

/** The value for a text in Pingap's form, for who needs to read it there. {@link encrypt} is better. */
export const encryptCompatible = (text: string, passphrase: string): string =>
  Buffer.from(compatibleCipher(passphrase).encrypt(Buffer.from(text, "utf8"))).toString("base64")

const decryptCompatible = (text: string, passphrase: string): Result.Result<string, SecretError> => {
  const bytes = base64Of(text)
  if (bytes === undefined) return fail("not-base64")
  if (bytes.length < TAG_BYTES) return fail("too-short")
  try {
    return textOf(compatibleCipher(passphrase).decrypt(bytes))
  } catch {
    return fail("wrong-passphrase")
  }
}

const compatibleCipher = (passphrase: string) => {
  // Loaded for who has such values: few do, and everybody starts.
  const { gcmsiv }: typeof Aes = createRequire(import.meta.url)("@noble/ciphers/aes.js")
  const key = new Uint8Array(KEY_BYTES)
  key.set(Buffer.from(passphrase, "utf8").subarray(0, KEY_BYTES))
  return gcmsiv(key, Buffer.from("pingap nonce"))
}

interface Sealed {
  readonly salt: Buffer
  readonly nonce: Buffer
  readonly ciphertext: Buffer
  readonly tag: Buffer
}

const unseal = (text: string): Sealed | SecretError => {
  if (!text.startsWith(PREFIX)) return failure("unknown-version")
  const bytes = base64Of(text.slice(PREFIX.length))
  if (bytes === undefined) return failure("not-base64")
  const tagAt = bytes.length - TAG_BYTES
  const textAt = SALT_BYTES + NONCE_BYTES
  if (tagAt < textAt) return failure("too-short")
  return {
    salt: bytes.subarray(0, SALT_BYTES),
    nonce: bytes.subarray(SALT_BYTES, textAt),
    ciphertext: bytes.subarray(textAt, tagAt),
    tag: bytes.subarray(tagAt)
  }
}

// Node's decoder skips what it does not know; only canonical text comes back as it was.
const base64Of = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, "base64")
  return bytes.toString("base64") === text ? bytes : undefined
}

const textOf = (bytes: Uint8Array): Result.Result<string, SecretError> => {
  try {
    return Result.succeed(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch {
    return fail("not-text")
  }
}

let ownSalt: Buffer | undefined

// Derived keys by a digest of what they were derived from, the last used at the end. A pure memo: dropping it costs
// time only.
const keys = new Map<string, Buffer>()

const nameOf = (passphrase: string, salt: Buffer): string =>
  createHash("sha256").update(salt).update(passphrase, "utf8").digest("base64")

const keyNamed = (name: string): Buffer | undefined => {
  const key = keys.get(name)
  return key === undefined ? undefined : keep(name, key)
}

const keep = (name: string, key: Buffer): Buffer => {
  keys.delete(name)
  keys.set(name, key)
  if (keys.size > MAX_KEYS) keys.delete(keys.keys().next().value!)
  return key
}

const derive = (passphrase: string, salt: Buffer): Effect.Effect<Buffer> =>
  Effect.suspend(() => {
    const name = nameOf(passphrase, salt)
    const key = keyNamed(name)
    if (key !== undefined) return Effect.succeed(key)
    return Effect.callback<Buffer>((resume) => {
      scrypt(passphrase, salt, KEY_BYTES, COST, (error, derived) => {
        // Fails only on bad parameters, and ours are constant.
        resume(error === null ? Effect.sync(() => keep(name, derived)) : Effect.die(error))
      })
    })
  })
