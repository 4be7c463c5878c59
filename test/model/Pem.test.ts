import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as Pem from "../../src/model/Pem.ts"
import * as pems from "../support/pems.ts"

const base64 = (text: string): string => Buffer.from(text, "utf8").toString("base64")

const labels = (text: string): ReadonlyArray<string> | string => {
  const blocks = Pem.parse(text)
  return blocks instanceof Pem.PemError ? blocks.message : blocks.map(({ label }) => label)
}

describe("classify", () => {
  it.each([
    ["PEM text", pems.certificate, "pem"],
    ["PEM text with blanks around it", `\n  ${pems.certificate}\t\n`, "pem"],
    ["PEM text with words in front", `Subject: example\n${pems.certificate}`, "pem"],
    ["base64 of PEM text", base64(pems.certificate), "base64"],
    ["folded base64", base64(pems.certificate).replace(/.{76}/g, "$&\n"), "base64"],
    ["a path", "~/certs/example.pem", "path"],
    ["a path of base64 letters", "certs/key1", "path"],
    ["base64 of something else", base64("hello"), "path"],
    ["base64 without padding", base64(`${pems.certificate}x`).replaceAll("=", ""), "path"],
    ["PEM text that goes on", `${pems.certificate}more`, "path"],
    ["an end without a beginning", "-----END X----------BEGIN X-----", "path"],
    ["nothing", "", "path"]
  ])("1.5 %s", (_, value, form) => {
    assert.strictEqual(Pem.classify(value), form)
  })
})

describe("resolve", () => {
  const files: Pem.ReadFile = (path) =>
    path === "/c.pem" ? pems.certificate : path === "/locked.pem" ? new Pem.PemError("permission denied") : undefined

  it.each([
    ["PEM text", pems.certificate],
    ["the path of a PEM file", "/c.pem"],
    ["a path with a line end", "/c.pem\n"],
    ["base64 of PEM text", base64(pems.certificate)]
  ])("1.5, UT4 accepts %s", (_, value) => {
    assert.strictEqual(Pem.resolve(value, files), pems.certificate)
  })

  it("prefers a file over what its name decodes to", () => {
    const name = base64(pems.certificate)
    assert.strictEqual(
      Pem.resolve(name, (path) => (path === name ? "content" : undefined)),
      "content"
    )
  })

  it.each([
    ["/missing.pem", "neither PEM text, nor the path of a file, nor base64 of PEM text"],
    ["", "neither PEM text, nor the path of a file, nor base64 of PEM text"],
    ["/c.pem\0", "neither PEM text, nor the path of a file, nor base64 of PEM text"],
    ["/locked.pem", "permission denied"]
  ])("says what is wrong with %j", (value, message) => {
    const resolved = Pem.resolve(value, files)
    assert.instanceOf(resolved, Pem.PemError)
    assert.strictEqual(resolved instanceof Pem.PemError && resolved.message, message)
  })

  it("asks for no file whose name cannot be one", () => {
    const asked: Array<string> = []
    Pem.resolve("two\nlines", (path) => void asked.push(path))
    assert.deepStrictEqual(asked, [])
  })
})

describe("parse", () => {
  it.each([
    ["a chain", pems.certificate + pems.otherCertificate, ["CERTIFICATE", "CERTIFICATE"]],
    ["a key with its parameters", pems.ecKey, ["EC PARAMETERS", "EC PRIVATE KEY"]],
    ["a key with a passphrase", pems.encryptedEcKey, ["EC PRIVATE KEY"]],
    ["CR LF", pems.certificate.replaceAll("\n", "\r\n"), ["CERTIFICATE"]],
    ["indented text", pems.certificate.replace(/^/gm, "    "), ["CERTIFICATE"]],
    ["words between blocks", `a\n${pems.certificate}b\n${pems.pkcs8Key}c`, ["CERTIFICATE", "PRIVATE KEY"]]
  ])("reads %s", (_, text, expected) => {
    assert.deepStrictEqual(labels(text), expected)
  })

  it.each([
    ["no block", "hello", "no PEM block found"],
    ["nothing", "", "no PEM block found"],
    ["an open block", "-----BEGIN X-----\nAAAA\n", "block X is not closed"],
    ["another end", "-----BEGIN X-----\nAAAA\n-----END Y-----", "block X is not closed"],
    ["an open label", "-----BEGIN X", "block has no label"],
    ["strange text inside", "-----BEGIN X-----\n§\n-----END X-----", "block X is not base64"],
    ["a block in a block", "-----BEGIN X-----\n-----BEGIN Y-----\n-----END X-----", "block X is not base64"]
  ])("refuses %s", (_, text, message) => {
    assert.strictEqual(labels(text), message)
  })

  it("gives blocks that stand on their own", () => {
    const [first, second] = Pem.parse(`  ${pems.certificate.replaceAll("\n", "\r\n  ")}${pems.otherCertificate}`) as [
      Pem.Block,
      Pem.Block
    ]
    assert.strictEqual(first.text, pems.certificate)
    assert.strictEqual(second.text, pems.otherCertificate)
  })

  it("returns for any text, in time that grows with it", () => {
    const part = fc.constantFrom("-----BEGIN ", "-----END ", "-----", "X", " ", "\n", "AA==", "a:b\n", "=")
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const text = parts.join("")
        const blocks = Pem.parse(text)
        assert.isTrue(blocks instanceof Pem.PemError || blocks.length > 0)
        Pem.classify(text)
      })
    )
    for (const text of ["-----BEGIN X-----\n", "-----BEGIN ", " \n", "a:\n", "A "]) {
      const began = process.cpuUsage()
      Pem.parse(`-----BEGIN K-----\n${text.repeat(100_000)}§\n-----END K-----`)
      Pem.parse(text.repeat(100_000))
      assert.isBelow(process.cpuUsage(began).user, 1_000_000, JSON.stringify(text))
    }
  })
})

describe("blocks that count", () => {
  const parsed = (text: string): ReadonlyArray<Pem.Block> => {
    const blocks = Pem.parse(text)
    assert.isArray(blocks)
    return blocks as ReadonlyArray<Pem.Block>
  }

  it("are the certificates of a combined file", () => {
    const blocks = Pem.certificates(parsed(pems.pkcs8Key + pems.certificate + pems.otherCertificate))
    assert.deepStrictEqual(
      blocks.map(({ text }) => text),
      [pems.certificate, pems.otherCertificate]
    )
  })

  it("are the first private key, whatever stands in front of it", () => {
    assert.strictEqual(Pem.privateKey(parsed(pems.ecKey))?.label, "EC PRIVATE KEY")
    assert.strictEqual(Pem.privateKey(parsed(pems.certificate + pems.pkcs8Key))?.label, "PRIVATE KEY")
    assert.isUndefined(Pem.privateKey(parsed(pems.certificate)))
  })

  it.each([
    [pems.ecKey, false],
    [pems.pkcs8Key, false],
    [pems.encryptedEcKey, true],
    [pems.encryptedKey, true]
  ])("tell whether a key has a passphrase %#", (text, encrypted) => {
    assert.strictEqual(Pem.isEncrypted(Pem.privateKey(parsed(text))!), encrypted)
  })
})
