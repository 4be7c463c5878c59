/** The revision of a text: a digest of it, so that it is the same wherever and whenever the text is. */
import { hash } from "node:crypto"

/** The revision of a text, or null where there is none. */
export const revisionOf = <T extends string | null>(text: T): T extends null ? null : string =>
  (text === null ? null : hash("sha256", text, "hex")) as T extends null ? null : string
