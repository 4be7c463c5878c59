import { assert } from "@effect/vitest"
import type { RawDocument } from "../../../src/config/Draft.ts"
import type { Converted } from "../../../src/config/format/Nested.ts"
import { Places } from "../../../src/config/format/Places.ts"
import * as Toml from "../../../src/config/format/Toml.ts"
import type { Path } from "../../../src/config/format/TomlPositions.ts"

/** The configuration that a converted document stands for. */
export const valueOf = ({ text }: RawDocument): unknown => {
  const parsed = Toml.parse(text)
  assert.strictEqual(parsed._tag, "TomlDocument", text)
  return parsed._tag === "TomlDocument" ? plain(parsed.value) : undefined
}

// With prototypes, so that it compares with literals.
const plain = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(plain)
    : typeof value === "object" && value !== null
      ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
      : value

/** What is wrong with a converted document, as text. */
export const problemsOf = ({ problems }: Converted): ReadonlyArray<string> =>
  problems.map(
    ({ hint, message, severity, span: { column, line } }) =>
      `${line}:${column} ${severity}: ${message}${hint === undefined ? "" : ` [${hint}]`}`
  )

/** The text at the place of a path, or of what is around it. */
export const textAt = ({ placed, source }: Converted, ...path: Path): string => {
  const places = new Places(source, placed)
  const { column, length, line } = places.locate(path).span
  return `${line}: ${places.lineText(line).slice(column - 1, column - 1 + length)}`
}
