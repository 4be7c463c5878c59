import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { RawDocument } from "../../../src/config/Draft.ts"
import * as Conversion from "../../../src/config/format/Conversion.ts"
import type { Converted } from "../../../src/config/format/Nested.ts"
import { Places } from "../../../src/config/format/Places.ts"
import * as Toml from "../../../src/config/format/Toml.ts"
import type { Path } from "../../../src/config/format/TomlPositions.ts"

/**
 * All of these texts by one thread, because starting it takes longer than reading them. Whatever keeps a reader busy
 * for ever fails the test that asks: in the thread of the test itself nothing could end it.
 */
export const readAll = (format: "hcl" | "kdl", texts: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Converted>> =>
  Effect.map(
    Conversion.toToml(
      texts.map((text, index) => ({ file: `${index}.${format}`, text })),
      { deadline: "5 seconds" }
    ),
    (documents) => documents.filter(Conversion.isConverted)
  )

/** Reads texts of which nothing is known: each has to be TOML then, or to have an error that is about the text. */
export const assertAnswered = Effect.fnUntraced(function* (format: "hcl" | "kdl", texts: ReadonlyArray<string>) {
  const converted = yield* readAll(format, texts)
  assert.strictEqual(converted.length, texts.length)
  for (const document of converted) {
    const errors = document.problems.filter(({ severity }) => severity === "error")
    assert.isFalse(
      errors.some(({ message }) => message.includes("in the time that is allowed")),
      JSON.stringify(document.source)
    )
    if (errors.length === 0) assert.isObject(valueOf(document))
    assert.isAbove(new Places(document.source, document.placed).locate(["servers", "a"]).span.line, 0)
  }
})

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
