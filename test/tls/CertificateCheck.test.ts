/** Certificates and keys as texts, as files and as base64, with a real X.509 parser behind. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { homedir, tmpdir } from "node:os"
import { join, relative } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { check } from "../../src/tls/CertificateCheck.ts"
import * as Pems from "../support/pems.ts"

const base64 = (text: string): string => Buffer.from(text).toString("base64")

const found = (cert: string, key: string): ReadonlyArray<string> =>
  check(cert, key).map(({ key, message, severity }) => `${severity} ${key}: ${message}`)

/** A certificate whose body is base64 and no X.509. */
const broken = `-----BEGIN CERTIFICATE-----\n${base64("no certificate at all")}\n-----END CERTIFICATE-----\n`

describe("texts", () => {
  it.each([
    ["nothing", "", ""],
    ["a certificate and its key", Pems.certificate, Pems.ecKey],
    ["a certificate alone", Pems.certificate, ""],
    ["a key alone", "", Pems.ecKey],
    ["base64 of both", base64(Pems.certificate), base64(Pems.ecKey)],
    ["a chain", Pems.certificate + Pems.otherCertificate, Pems.ecKey],
    ["a combined text for both", Pems.certificate + Pems.ecKey, Pems.certificate + Pems.ecKey]
  ])("%s: nothing is wrong", (_, cert, key) => {
    assert.deepStrictEqual(check(cert, key), [])
  })

  it.each<readonly [what: string, cert: string, key: string, expected: ReadonlyArray<string>]>([
    [
      "the key of another certificate",
      Pems.certificate,
      Pems.otherKey,
      ["warning tls_key: private key does not belong to the certificate"]
    ],
    [
      "a chain in the wrong order",
      Pems.otherCertificate + Pems.certificate,
      Pems.ecKey,
      ["warning tls_key: private key does not belong to the certificate"]
    ],
    ["a body that is no X.509", broken, Pems.ecKey, ["error tls_cert: failed to parse certificate"]],
    [
      "a chain with such a body",
      Pems.certificate + broken,
      Pems.ecKey,
      ["error tls_cert: failed to parse certificate: the second of 2 is broken"]
    ],
    [
      "a key where the certificate belongs, and the other way round",
      Pems.ecKey,
      Pems.certificate,
      [
        "error tls_cert: no valid certificates found in input",
        "error tls_key: failed to parse private key: no private key found in input"
      ]
    ],
    [
      "keys with a passphrase",
      Pems.certificate,
      Pems.encryptedKey,
      ["error tls_key: failed to parse private key: it is encrypted with a passphrase"]
    ],
    [
      "keys with a passphrase in the old form",
      Pems.certificate,
      Pems.encryptedEcKey,
      ["error tls_key: failed to parse private key: it is encrypted with a passphrase"]
    ]
  ])("%s", (_, cert, key, expected) => {
    assert.deepStrictEqual(found(cert, key), expected)
  })

  it("of keys appear in no finding", () => {
    const secret = "c2VjcmV0IGtleSBtYXRlcmlhbA=="
    for (const text of [
      secret,
      `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n`,
      `/tls/${secret}`
    ]) {
      assert.notInclude(JSON.stringify([check(text, ""), check("", text), check(text, text)]), secret)
    }
  })
})

describe("files", () => {
  let folder = ""
  const file = (name: string): string => join(folder, name)
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "certificates-"))
    await writeFile(file("cert.pem"), Pems.certificate)
    await writeFile(file("key.pem"), Pems.ecKey)
    await writeFile(file("empty.pem"), "")
    await writeFile(file("large.pem"), Buffer.alloc(4 * 1024 * 1024 + 1, 0x20))
    await mkdir(file("folder"))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it("are read by their paths, blanks around them left out", () => {
    assert.deepStrictEqual(check(file("cert.pem"), ` ${file("key.pem")}\n`), [])
  })

  it("may be below the home folder", () => {
    const path = `~/${relative(homedir(), file("cert.pem"))}`
    assert.deepStrictEqual(check(path, file("key.pem")), [])
  })

  it.each<readonly [name: string, message: RegExp]>([
    ["none.pem", /^failed to parse certificate: neither PEM text, nor the path of a file, nor base64 of PEM text$/],
    ["folder", /^failed to parse certificate: neither PEM text, nor the path of a file/],
    ["empty.pem", /^failed to parse certificate: no PEM block found$/],
    ["large.pem", /^failed to parse certificate: the file is too large$/],
    ["cert.pem/x", /^failed to parse certificate: /]
  ])("%s", (name, message) => {
    const [finding, ...more] = check(file(name), "")
    assert.deepStrictEqual([finding!.severity, finding!.key, more], ["error", "tls_cert", []])
    assert.match(finding!.message, message)
  })

  it.skipIf(process.getuid?.() === 0)("that may not be read say so", async () => {
    await writeFile(file("secret.pem"), Pems.ecKey)
    await chmod(file("secret.pem"), 0)
    assert.deepStrictEqual(found("", file("secret.pem")), [
      "error tls_key: failed to parse private key: the file cannot be read, EACCES"
    ])
  })

  it("are looked at each time", async () => {
    const path = file("later.pem")
    assert.lengthOf(check(path, ""), 1)
    await writeFile(path, Pems.certificate)
    assert.deepStrictEqual(check(path, ""), [])
  })

  it("with a NUL in their path are not asked for", () => {
    assert.lengthOf(check(`${file("cert.pem")}\0.txt`, ""), 1)
  })
})
