/**
 * Rules of `[certificates.*]`: certificate and key can be read, and belong to each other. Spec: config 2.3 and 9.
 *
 * X.509 itself is read by whoever calls ({@link X509}), as are files, so that this stays independent of the machine.
 * No finding repeats a value: what is no certificate may well be a key in the wrong place.
 */
import * as Pem from "../../model/Pem.ts"

/** What validation needs of a cryptographic library. Each answers `undefined` for a text that it cannot read. */
export interface X509<Certificate, Key> {
  readonly certificate: (pem: string) => Certificate | undefined
  readonly privateKey: (pem: string) => Key | undefined
  /** True when the public key in the certificate is that of the key. */
  readonly matches: (certificate: Certificate, key: Key) => boolean
}

/** Something wrong with one of the two keys of a certificate. */
export interface CertificateFinding {
  readonly severity: "error" | "warning"
  readonly key: "tls_cert" | "tls_key"
  readonly message: string
  readonly expected?: string
  readonly hint?: string
}

const EXPECTED = "PEM text, the path of a PEM file, or base64 of PEM text"

/** What is wrong with the texts of `tls_cert` and `tls_key`. Empty texts are left out, as in the reference. */
export const check = <Certificate, Key>(
  certText: string,
  keyText: string,
  readFile: Pem.ReadFile,
  x509: X509<Certificate, Key>
): ReadonlyArray<CertificateFinding> => {
  const findings: Array<CertificateFinding> = []
  const leaf = certText === "" ? undefined : readCertificates(certText, readFile, x509, findings)
  const key = keyText === "" ? undefined : readKey(keyText, readFile, x509, findings)
  if (leaf !== undefined && key !== undefined && !x509.matches(leaf, key)) {
    findings.push({
      severity: "warning",
      key: "tls_key",
      message: "private key does not belong to the certificate",
      expected: "the key of the first certificate in tls_cert"
    })
  }
  return findings
}

/** The first certificate of a chain in which every certificate can be read. */
const readCertificates = <Certificate, Key>(
  value: string,
  readFile: Pem.ReadFile,
  x509: X509<Certificate, Key>,
  findings: Array<CertificateFinding>
): Certificate | undefined => {
  const report = (message: string, details: { readonly expected?: string; readonly hint?: string } = {}): undefined => {
    findings.push({ severity: "error", key: "tls_cert", message, ...details })
  }
  const blocks = read(value, readFile)
  if (blocks instanceof Pem.PemError) {
    return report(`failed to parse certificate: ${blocks.message}`, {
      expected: EXPECTED,
      ...pathHint(value, readFile)
    })
  }
  const chain = Pem.certificates(blocks)
  if (chain.length === 0) {
    return report("no valid certificates found in input", {
      expected: "a CERTIFICATE block",
      ...(Pem.privateKey(blocks) === undefined ? undefined : { hint: "this is a private key; it belongs in tls_key" })
    })
  }
  const parsed = chain.map(({ text }) => x509.certificate(text))
  for (const [index, certificate] of parsed.entries()) {
    if (certificate !== undefined) continue
    return report(
      `failed to parse certificate${chain.length === 1 ? "" : `: the ${ordinal(index)} of ${chain.length} is broken`}`
    )
  }
  return parsed[0]
}

const readKey = <Certificate, Key>(
  value: string,
  readFile: Pem.ReadFile,
  x509: X509<Certificate, Key>,
  findings: Array<CertificateFinding>
): Key | undefined => {
  const report = (why: string, details: { readonly expected?: string; readonly hint?: string } = {}): undefined => {
    const message = `failed to parse private key${why === "" ? "" : `: ${why}`}`
    findings.push({ severity: "error", key: "tls_key", message, ...details })
  }
  const blocks = read(value, readFile)
  if (blocks instanceof Pem.PemError)
    return report(blocks.message, { expected: EXPECTED, ...pathHint(value, readFile) })
  const block = Pem.privateKey(blocks)
  if (block === undefined) {
    return report("no private key found in input", {
      expected: "a PRIVATE KEY block",
      ...(Pem.certificates(blocks).length === 0 ? undefined : { hint: "this is a certificate; it belongs in tls_cert" })
    })
  }
  if (Pem.isEncrypted(block)) return report("it is encrypted with a passphrase", { expected: "a key without one" })
  return x509.privateKey(block.text) ?? report("")
}

const read = (value: string, readFile: Pem.ReadFile): ReadonlyArray<Pem.Block> | Pem.PemError => {
  const text = Pem.resolve(value, readFile)
  return text instanceof Pem.PemError ? text : Pem.parse(text)
}

const PATH = /^(?:\.{0,2}|~)\/|^[\w .-]+(?:\/[\w .-]+)*\.(?:pem|crt|cer|key)$/i

/** For a value that is meant to be a path, as far as its looks tell. */
const pathHint = (value: string, readFile: Pem.ReadFile): { readonly hint?: string } => {
  const path = value.trim()
  // Base64 begins with a slash as often as not.
  if (path.length > 255 || !PATH.test(path) || readFile(path) !== undefined) return {}
  const start = /^[/~]/.test(path) ? "" : "; a relative path starts in the folder in which the program was started"
  return { hint: `there is no such file${start}` }
}

const ordinal = (index: number): string => ["first", "second", "third"][index] ?? `${index + 1}th`
