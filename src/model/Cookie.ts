/**
 * Looking up a cookie of a request. Spec: plugins 2.8.
 */
import type { Fields } from "./Fields.ts"

/** The value of a cookie in the first `Cookie` field, as it was sent, or `undefined`. */
export const value = (fields: Fields, name: string): string | undefined => {
  const cookies = fields.get("cookie")
  return cookies === undefined ? undefined : find(cookies, name)
}

/** The value of the first cookie of a name in the text of a `Cookie` field. */
export const find = (cookies: string, name: string): string | undefined => {
  let from = 0
  while (from < cookies.length) {
    let end = cookies.indexOf(";", from)
    if (end === -1) end = cookies.length
    while (from < end && isBlank(cookies.charCodeAt(from))) from++
    if (cookies.charCodeAt(from + name.length) === EQUALS && cookies.startsWith(name, from)) {
      return cookies.slice(from + name.length + 1, end).trimEnd()
    }
    from = end + 1
  }
  return undefined
}

const EQUALS = 61

const isBlank = (code: number): boolean => code === 32 || code === 9
