/**
 * The value types that options of plugins share, as schemas that carry their own documentation: the description and
 * default given here become the reference page. Spec: plugins 1.2, 2.1, 2.8.
 *
 * A value of the wrong type or form is an error with its place; Pingap reads it as absent. What a plugin accepts but
 * does not obey is a {@link notice}: a line in the log at start, a warning of `-t`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Duration from "../model/Duration.ts"
import { isName, isValue } from "../model/Fields.ts"
import { binary } from "../proxy/Response.ts"

const Text = Schema.String.annotate({ expected: "a text" })

/** Text, empty when absent. */
export const text = (description: string, fallback = "") => documented(Text, "a text", description, fallback)

/** `true` or `false`, false when absent. */
export const flag = (description: string, fallback = false) =>
  documented(Schema.Boolean, "true or false", description, fallback)

/** A whole number. */
export const integer = (description: string, fallback: number) =>
  documented(
    Schema.Number.annotate({ expected: "a whole number" }).check(Schema.isInt({ expected: "a whole number" })),
    "a whole number",
    description,
    fallback
  )

/** A list of texts, empty when absent. */
export const texts = (description: string) => documented(Schema.Array(Text), "a list of texts", description, [])

const documented = <S extends Schema.Top>(
  schema: S,
  expected: string,
  description: string,
  fallback: S["Type"] & S["Encoded"]
) =>
  schema.pipe(
    Schema.annotateEncoded({ description, default: fallback, expected }),
    Schema.withDecodingDefaultTypeKey(Effect.succeed(fallback))
  )

/** Milliseconds from a duration text; `fallback` when absent or empty. Spec: plugins 2.1. */
export const duration = (description: string, fallback = 0) =>
  Schema.String.pipe(
    Schema.annotateEncoded({ description, default: Duration.format(fallback), expected: "a duration such as 10s" }),
    Schema.decodeTo(Schema.Finite, {
      decode: SchemaGetter.transformEffect((text, options) => {
        const millis = text === "" ? fallback : Duration.parse(text)
        return typeof millis === "number" ? Effect.succeed(millis) : invalid(millis.message, text, options)
      }),
      encode: SchemaGetter.transform(Duration.format)
    }),
    Schema.withDecodingDefaultTypeKey(Effect.succeed(fallback))
  )

/** A header field of the configuration, checked and in wire form. */
export interface Header {
  /** The name as it was written. */
  readonly name: string
  readonly lowerName: string
  /** The value as a binary string, UTF-8 where the configuration goes beyond ASCII. */
  readonly value: string
}

/**
 * A field from the text `Name: value`, split at the first colon, or what is wrong with it. `null` for empty text, which
 * means nothing. Spec: plugins 2.8, test-vectors 11.1.
 */
export const parseHeader = (text: string): Header | string | null => {
  if (text.trim() === "") return null
  const colon = text.indexOf(":")
  // Values may be secrets: no message repeats one.
  if (colon === -1) return `header "${text.trim().split(/\s/, 1)[0]}" has no colon, expected "Name: value"`
  const name = text.slice(0, colon).trim()
  if (!isName(name)) return `invalid header name: ${name} - invalid HTTP header name`
  const value = binary(text.slice(colon + 1).trim())
  if (!isValue(value)) return `invalid header value of ${name} - failed to parse header value`
  return { name, lowerName: name.toLowerCase(), value }
}

const HeaderText = Text.pipe(
  Schema.decodeTo(Schema.NullOr(Schema.declare((input): input is Header => typeof input === "object")), {
    decode: SchemaGetter.transformEffect((text, options) => {
      const header = parseHeader(text)
      return typeof header === "string" ? invalid(header, text, options) : Effect.succeed(header)
    }),
    encode: SchemaGetter.transform((header) => (header === null ? "" : `${header.name}: ${header.value}`))
  })
)

/** A list of fields written `Name: value`. Empty texts are left out. */
export const headers = (description: string) =>
  Schema.Array(HeaderText).pipe(
    Schema.annotateEncoded({ description, default: [], expected: "a list of texts" }),
    Schema.decodeTo(Schema.Array(Schema.declare((input): input is Header => typeof input === "object")), {
      decode: SchemaGetter.transform((list) => list.filter((header) => header !== null)),
      encode: SchemaGetter.transform((list) => list)
    }),
    Schema.withDecodingDefaultTypeKey(Effect.succeed<ReadonlyArray<Header>>([]))
  )

const invalid = (message: string, input: unknown, options: ConstructorParameters<typeof SchemaIssue.InvalidValue>[2]) =>
  Effect.fail(new SchemaIssue.InvalidValue({ message }, input, options))

/** A place inside a plugin's table. */
export type Path = ReadonlyArray<string | number>

/** Takes what `make` accepts but does not obey. */
export type TakeNotice = (path: Path, message: string) => Effect.Effect<void>

/** Where {@link notice} goes: to the log, or into the report of `-t`. */
export const Notices = Context.Reference<TakeNotice>("pingap/plugin/Notices", {
  defaultValue: () => (path, message) => Effect.logWarning(`${path.join(".")}: ${message}`)
})

/** Tells the user that an option does not have the effect it seems to have. For use in `make`. */
export const notice = (path: string | Path, message: string): Effect.Effect<void> =>
  Effect.flatMap(Notices, (take) => take(typeof path === "string" ? [path] : path, message))
