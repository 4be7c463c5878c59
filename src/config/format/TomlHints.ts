/**
 * What was probably meant by a line that is no TOML: habits from other formats and from word processors.
 */

const HINTS: ReadonlyArray<readonly [line: RegExp, hint: string]> = [
  [/[\u201c\u201d\u2018\u2019\u00ab\u00bb]/, "the quotes are typographic ones: write \" or '"],
  [/=\s*(?:True|TRUE|yes|Yes|on|On)\s*(?:#.*)?$/, "write true"],
  [/=\s*(?:False|FALSE|no|No|off|Off)\s*(?:#.*)?$/, "write false"],
  [/^\s*[\w.-]+\s*:(?:\s|$)/, "a key and its value are joined by =, not by :"],
  [/^\s*[\w.-]+\s*\{\s*$/, "a table begins with its name in brackets, such as [upstreams.name]"],
  [/;\s*$/, "a line ends without ;"],
  [/^\s*(?:\/\/|--)/, "a remark begins with #"],
  [/^\s*[\w.-]+\s*=\s*(?![\d+.-])[^"'[{\s#]/, "text needs quotes"],
  [/^\s*[\w.-]+\s*=\s*\d+[a-zA-Z]/, "a value with a unit needs quotes"],
  [/^\s*[\w.-]+\s*=\s*$/, "the value is missing"]
]

/** A remedy for a syntax error in a line, if the line looks like something well known. */
export const hintFor = (line: string, message: string): string | undefined =>
  message.includes("table") || message.includes("key,") ? undefined : HINTS.find(([pattern]) => pattern.test(line))?.[1]
