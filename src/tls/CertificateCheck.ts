/**
 * What is wrong with a certificate and its key, as far as this machine can tell: files are read, X.509 is parsed.
 * Spec: config 2.3 and 9.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto"
import { readFileSync, statSync } from "node:fs"
import * as Certificate from "../config/validation/Certificate.ts"
import { PemError } from "../model/Pem.ts"
import { absolutePath } from "../platform/HomePath.ts"

/** Largest file that is read as a certificate or key. */
const MAX_BYTES = 4 * 1024 * 1024

/** Checks the values of `tls_cert` and `tls_key`; empty text is left out. */
export const check = (cert: string, key: string): ReadonlyArray<Certificate.CertificateFinding> =>
  Certificate.check(cert, key, readFile, x509)

const readFile = (path: string): string | PemError | undefined => {
  try {
    const absolute = absolutePath(path)
    const stats = statSync(absolute, { throwIfNoEntry: false })
    if (stats === undefined || !stats.isFile()) return undefined
    return stats.size > MAX_BYTES ? new PemError("the file is too large") : readFileSync(absolute, "latin1")
  } catch (error) {
    const { code = "unknown reason" } = error as NodeJS.ErrnoException
    // What cannot be a path is another form: base64 of a certificate is far longer than any name.
    return code === "ENAMETOOLONG" ? undefined : new PemError(`the file cannot be read, ${code}`)
  }
}

const attempt = <A>(parse: () => A): A | undefined => {
  try {
    return parse()
  } catch {
    return undefined
  }
}

const x509: Certificate.X509<X509Certificate, KeyObject> = {
  certificate: (pem) => attempt(() => new X509Certificate(pem)),
  privateKey: (pem) => attempt(() => createPrivateKey(pem)),
  matches: (certificate, key) => certificate.checkPrivateKey(key)
}
