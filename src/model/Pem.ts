/**
 * Certificates and keys as configuration holds them: PEM text (RFC 7468), the path of a PEM file, or base64 of PEM
 * text. What is inside the blocks is the business of a cryptographic library. Spec: config 2.3.
 *
 * {@link resolve} finds the text behind a value, {@link parse} its blocks, {@link certificates} and {@link privateKey}
 * pick those that count: a combined file may hold the key beside the chain, and a key file the parameters of its
 * curve in front of the key. No error repeats a value.
 */

/** One `-----BEGIN …-----` block. */
export interface Block {
  /** What it says it is: `CERTIFICATE`, `EC PRIVATE KEY`. */
  readonly label: string
  /** The whole block with its boundaries, ending with a line end. */
  readonly text: string
}

/** Why a text holds no usable blocks. */
export class PemError {
  readonly _tag = "PemError"
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

/** The three forms of a value. */
export type Form = "pem" | "path" | "base64"

/** The content of the regular file at a path, `undefined` when there is none, or why it cannot be read. */
export type ReadFile = (path: string) => string | PemError | undefined

const BEGIN = "-----BEGIN "
const LABEL = /^[A-Z0-9][A-Z0-9 .#-]*$/
// RFC 1421 headers, of keys with a passphrase, stand in front of the base64.
const BODY = /^(?:[\w-]+:[^\n]*\n(?:[ \t][^\n]*\n)*)*[A-Za-z0-9+/\s]*={0,2}$/

/** True for text that looks like PEM: a beginning, an end behind it, and nothing after that. */
export const isPem = (value: string): boolean => {
  const text = value.trim()
  const begin = text.indexOf(BEGIN)
  return begin !== -1 && text.indexOf("-----END ", begin) !== -1 && text.endsWith("-----")
}

/** The form of a value as far as the value alone tells. A file whose path reads as base64 of PEM goes first. */
export const classify = (value: string): Form =>
  isPem(value) ? "pem" : decodeBase64(value) === undefined ? "path" : "base64"

/** The PEM text behind a value: itself, the content of the file that it names, or what it decodes to, in this order. */
export const resolve = (value: string, readFile: ReadFile): string | PemError => {
  if (isPem(value)) return value
  const path = value.trim()
  const content = path === "" || path.includes("\0") || path.includes("\n") ? undefined : readFile(path)
  return content ?? decodeBase64(value) ?? new PemError(NO_FORM)
}

const NO_FORM = "neither PEM text, nor the path of a file, nor base64 of PEM text"

/** The blocks of a PEM text, at least one. Text around them is left out. */
export const parse = (text: string): ReadonlyArray<Block> | PemError => {
  const lines = text.replaceAll("\r\n", "\n").replace(/^[ \t]+|[ \t]+$/gm, "")
  const blocks: Array<Block> = []
  for (let at = lines.indexOf(BEGIN); at !== -1; at = lines.indexOf(BEGIN, at)) {
    const labelAt = at + BEGIN.length
    const bodyAt = lines.indexOf("-----", labelAt)
    const label = lines.slice(labelAt, Math.max(labelAt, bodyAt))
    if (!LABEL.test(label)) return new PemError("block has no label")
    const closing = `-----END ${label}-----`
    const end = lines.indexOf(closing, bodyAt + 5)
    if (end === -1) return new PemError(`block ${label} is not closed`)
    if (!BODY.test(lines.slice(bodyAt + 5, end).trim())) return new PemError(`block ${label} is not base64`)
    blocks.push({ label, text: `${lines.slice(at, end + closing.length)}\n` })
    at = end + closing.length
  }
  return blocks.length > 0 ? blocks : new PemError("no PEM block found")
}

/** The certificates among blocks, in their order: the leaf, then its chain. */
export const certificates = (blocks: ReadonlyArray<Block>): ReadonlyArray<Block> =>
  blocks.filter(({ label }) => CERTIFICATES.has(label))

/** The first private key among blocks. Spec: config 2.3, where parameters in front of it break the reference. */
export const privateKey = (blocks: ReadonlyArray<Block>): Block | undefined =>
  blocks.find(({ label }) => label === "PRIVATE KEY" || label.endsWith(" PRIVATE KEY"))

/** True for a key that needs a passphrase, which configuration has no place for. */
export const isEncrypted = ({ label, text }: Block): boolean =>
  label === "ENCRYPTED PRIVATE KEY" || /^Proc-Type:\s*4,\s*ENCRYPTED/m.test(text)

const CERTIFICATES: ReadonlySet<string> = new Set(["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"])

/** The PEM text that a standard padded base64 text stands for, which may be folded over lines. */
const decodeBase64 = (value: string): string | undefined => {
  const text = value.replace(/\s+/g, "")
  if (text === "" || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined
  // PEM is ASCII; atob gives one character per byte.
  const decoded = atob(text)
  return isPem(decoded) ? decoded : undefined
}
