/** Media types by file name. Spec: plugins 6.9. */
import { mimes } from "mrmime"

const UNKNOWN = "application/octet-stream"
// A map: `constructor` and its like are extensions that a client can ask for.
const TYPES: ReadonlyMap<string, string> = new Map(Object.entries(mimes))

/** The media type that a file name's extension stands for. */
export const typeOf = (path: string): string => {
  const dot = path.lastIndexOf(".")
  return dot <= path.lastIndexOf("/") ? UNKNOWN : (TYPES.get(path.slice(dot + 1).toLowerCase()) ?? UNKNOWN)
}

/** Gives types of text their charset. */
export const withCharset = (type: string, charset: string): string =>
  charset !== "" && type.startsWith("text/") ? `${type}; charset=${charset}` : type
