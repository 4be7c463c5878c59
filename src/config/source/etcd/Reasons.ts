/** What an error of Node's sockets, TLS and files means for somebody who runs a proxy. */

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refuses connections",
  ECONNRESET: "reset the connection",
  EPIPE: "closed the connection",
  ETIMEDOUT: "does not answer",
  EHOSTUNREACH: "has no route",
  ENETUNREACH: "has no route",
  ENOTFOUND: "is a name that does not exist",
  EAI_AGAIN: "is a name that cannot be looked up now",
  ENOENT: "no such file",
  EACCES: "permission denied",
  ERR_TLS_CERT_ALTNAME_INVALID: "has a certificate for another name",
  CERT_HAS_EXPIRED: "has a certificate that has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "has a certificate that nobody vouches for",
  SELF_SIGNED_CERT_IN_CHAIN: "has a certificate of an unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "has a certificate of an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "has a certificate of an unknown authority",
  ERR_SSL_WRONG_VERSION_NUMBER: "does not speak TLS",
  EPROTO: "does not speak TLS as we do"
}

const HINTS: Readonly<Record<string, string>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: "server_name=NAME in the address says which name the certificate has",
  DEPTH_ZERO_SELF_SIGNED_CERT: "ca=FILE in the address says whom to trust",
  SELF_SIGNED_CERT_IN_CHAIN: "ca=FILE in the address says whom to trust",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "ca=FILE in the address says whom to trust",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "ca=FILE in the address says whom to trust",
  ERR_SSL_WRONG_VERSION_NUMBER: "does etcd listen with TLS? if not, leave out tls=true"
}

/** What a server says that does not like the client's certificate, or that there is none. */
const CERTIFICATE_ALERT = /ALERT_(?:\w*_)?(?:CERTIFICATE|UNKNOWN_CA)/

/** The code of an error, or nothing. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : ""

/** What happened, as the end of a sentence. Codes and our own words only: a message may quote what it is about. */
export const reasonOf = (error: unknown): string => {
  const code = codeOf(error)
  const known = REASONS[code]
  if (known !== undefined) return known
  if (CERTIFICATE_ALERT.test(code)) return "does not accept our certificate, or that there is none"
  if (error instanceof AggregateError) return reasonOf(error.errors[0])
  return code === "" ? (error instanceof Error ? error.message : "failed") : `failed with ${code}`
}

/** What may help. */
export const hintOf = (error: unknown): string | undefined =>
  CERTIFICATE_ALERT.test(codeOf(error)) ? "cert=FILE&key=FILE in the address say who we are" : HINTS[codeOf(error)]
