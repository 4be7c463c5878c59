/**
 * What in a configuration may be a secret, told by the names of keys and by the look of texts: one notion for
 * everything that shows configuration to people, in diagnostics, diffs, logs and notifications.
 *
 * It errs on the side of hiding: a name that only sounds like a secret costs a reader a moment, a secret in a log
 * costs its owner a new one.
 */

const KEY =
  /secret|passw|passphrase|pwd|token|auth|credential|keys?\b|sentry|dsn|pyroscope|\bwebhook\b|service_url|\bvalue\b/i

// Names of headers, cookies and query parameters whose value is one.
const WORDS = "secret|passw|pwd|token|auth|cookie|credential|key|sig"
const TELLING = `[\\w.-]*(?:${WORDS})[\\w.-]*`

// A name that holds blanks is no header, but what stands behind it is as secret as if it were.
const QUOTED_HEADER = new RegExp(`["'][\\w .-]*(?:${WORDS})[\\w.-]*[\\s:]`, "i")
const HEADER = new RegExp(`^(\\s*${TELLING}\\s*[:=\\s]\\s*).+$`, "is")
const PARAMETER = new RegExp(`([?&;]${TELLING}=)([^&;\\s#]+)`, "gi")
// Up to the last sign: passwords hold slashes and signs of their own, escaped or not.
const USER_INFO = /(:\/\/)(\S+)(?=@)/g
const SCHEME = /\b((?:Basic|Bearer|Digest|Negotiate)\s+)([\w+/=.~-]+)/gi

/** What stands for a secret. */
export const MASK = "***"

/** Whether the value under a key is a secret. `key` is a key, or a path of keys such as `authorizations.0.secret`. */
export const isSecretKey = (key: string): boolean => KEY.test(key)

/** Whether a line of a document holds a header with a telling name, in a list under any key. */
export const holdsSecretHeader = (line: string): boolean => QUOTED_HEADER.test(line)

/** Writes what stands for a secret. */
type Mask = (secret: string) => string

const asMask: Mask = () => MASK

/** Stars in its place, so that a line keeps its length, and what structures the line stays readable. */
export const starred: Mask = (secret) => secret.replace(/[^\s=[\]{},"']/g, "*")

/** A text with user information and telling parameters of the URLs in it masked. */
export const maskUrls = (text: string, mask: Mask = asMask): string => {
  const hide = (_: string, before: string, secret: string): string => before + mask(secret)
  return text.replace(USER_INFO, hide).replace(PARAMETER, hide)
}

/**
 * A value with the secrets inside it masked: user information and telling parameters of URLs, credentials behind their
 * scheme, PEM text. The cost grows faster than the text: cut it before.
 */
export const maskText = (text: string, mask: Mask = asMask): string =>
  text.includes("-----BEGIN ")
    ? mask(text)
    : maskUrls(text, mask).replace(SCHEME, (_, before: string, secret: string) => before + mask(secret))

/** The same for a text that may be a header, cookie or query condition, `name: value`: a telling name hides all of it. */
export const maskHeader = (text: string): string => maskText(text.replace(HEADER, `$1${MASK}`))
