/**
 * Looking things up in a raw query, the text behind `?`. Spec: plugins 2.8.
 *
 * Names and values are compared and returned as they were sent, without percent-decoding.
 */

/** The value of the first `name=value` item, or `undefined`. An item without `=` has no value. */
export const value = (query: string, name: string): string | undefined => {
  let at = name === "" ? -1 : query.indexOf(name)
  while (at !== -1) {
    const equals = at + name.length
    if ((at === 0 || query.charCodeAt(at - 1) === AMPERSAND) && query.charCodeAt(equals) === EQUALS) {
      const end = query.indexOf("&", equals)
      return end === -1 ? query.slice(equals + 1) : query.slice(equals + 1, end)
    }
    at = query.indexOf(name, at + 1)
  }
  return undefined
}

/** The query without the items of a name, with or without a value; the others keep their order. */
export const remove = (query: string, name: string): string => {
  if (!query.includes(name)) return query
  const items = query.split("&")
  const kept = items.filter((item) => item !== name && !item.startsWith(`${name}=`))
  return kept.length === items.length ? query : kept.join("&")
}

const AMPERSAND = 38
const EQUALS = 61
