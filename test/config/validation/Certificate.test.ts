import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { check, type X509 } from "../../../src/config/validation/Certificate.ts"
import * as Pem from "../../../src/model/Pem.ts"
import * as pems from "../../support/pems.ts"

const orUndefined = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

const x509: X509<X509Certificate, KeyObject> = {
  certificate: (pem) => orUndefined(() => new X509Certificate(pem)),
  privateKey: (pem) => orUndefined(() => createPrivateKey(pem)),
  matches: (certificate, key) => certificate.checkPrivateKey(key)
}

const files: Pem.ReadFile = (path) =>
  path === "/c.pem" ? pems.certificate : path === "/locked" ? new Pem.PemError("permission denied") : undefined

const found = (cert: string, key: string): ReadonlyArray<string> =>
  check(cert, key, files, x509).map(
    ({ expected, hint, key, message, severity }) =>
      `${severity} ${key}: ${message}${expected === undefined ? "" : ` (${expected})`}${hint === undefined ? "" : ` [${hint}]`}`
  )

const base64 = (text: string): string => Buffer.from(text, "utf8").toString("base64")

const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"

describe("Certificate", () => {
  it.each([
    ["PEM text", pems.certificate, pems.pkcs8Key],
    ["a path and base64", "/c.pem", base64(pems.pkcs8Key)],
    ["base64 of both", base64(pems.certificate), base64(pems.ecKey)],
    ["a key behind the parameters of its curve", pems.certificate, pems.ecKey],
    ["one file with both", pems.pkcs8Key + pems.certificate, pems.pkcs8Key + pems.certificate],
    ["a chain", pems.certificate + pems.otherCertificate, pems.pkcs8Key],
    ["nothing yet", "", ""],
    ["a certificate alone", pems.certificate, ""],
    ["a key alone", "", pems.ecKey]
  ])("1.5 accepts %s", (_, cert, key) => {
    assert.deepStrictEqual(found(cert, key), [])
  })

  const FORMS = "PEM text, the path of a PEM file, or base64 of PEM text"

  it.each([
    [
      "a path without a file",
      "/missing",
      "",
      [
        `error tls_cert: failed to parse certificate: neither PEM text, nor the path of a file, nor base64 of PEM text (${FORMS}) [there is no such file]`
      ]
    ],
    [
      "a relative path without a file",
      "certs/a.pem",
      "",
      [
        `error tls_cert: failed to parse certificate: neither PEM text, nor the path of a file, nor base64 of PEM text (${FORMS}) [there is no such file; a relative path starts in the folder in which the program was started]`
      ]
    ],
    [
      "a file that is locked",
      "/locked",
      "",
      [`error tls_cert: failed to parse certificate: permission denied (${FORMS})`]
    ],
    ["a broken certificate", broken, "", ["error tls_cert: failed to parse certificate"]],
    [
      "a broken link of a chain",
      pems.certificate + broken,
      "",
      ["error tls_cert: failed to parse certificate: the second of 2 is broken"]
    ],
    [
      "a key in place of the certificate",
      pems.pkcs8Key,
      "",
      [
        "error tls_cert: no valid certificates found in input (a CERTIFICATE block) [this is a private key; it belongs in tls_key]"
      ]
    ],
    [
      "a certificate in place of the key",
      "",
      pems.certificate,
      [
        "error tls_key: failed to parse private key: no private key found in input (a PRIVATE KEY block) [this is a certificate; it belongs in tls_cert]"
      ]
    ],
    [
      "a broken key",
      "",
      "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
      ["error tls_key: failed to parse private key"]
    ],
    [
      "a key with a passphrase",
      "",
      pems.encryptedKey,
      ["error tls_key: failed to parse private key: it is encrypted with a passphrase (a key without one)"]
    ],
    [
      "the key of another certificate",
      pems.certificate,
      pems.otherKey,
      ["warning tls_key: private key does not belong to the certificate (the key of the first certificate in tls_cert)"]
    ],
    [
      "a key of the chain's second certificate",
      pems.certificate + pems.otherCertificate,
      pems.otherKey,
      ["warning tls_key: private key does not belong to the certificate (the key of the first certificate in tls_cert)"]
    ],
    [
      "two mistakes at once",
      "x",
      "y",
      [
        `error tls_cert: failed to parse certificate: neither PEM text, nor the path of a file, nor base64 of PEM text (${FORMS})`,
        `error tls_key: failed to parse private key: neither PEM text, nor the path of a file, nor base64 of PEM text (${FORMS})`
      ]
    ]
  ])("9 reports %s", (_, cert, key, expected) => {
    assert.deepStrictEqual(found(cert, key), expected)
  })

  it("repeats no value", () => {
    const secret = "c2VjcmV0LWtleS1tYXRlcmlhbA=="
    assert.notInclude(found(secret, secret).join("\n"), secret)
  })
})
