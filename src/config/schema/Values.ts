/**
 * Codecs of the values that configuration is made of, and the two ways to declare a key. Sections and plugins build
 * their schemas from these; reference pages and JSON Schema are generated from the annotations.
 *
 * A codec reads the file's form (text, integer) and yields the form that programs use: milliseconds, bytes, a
 * normalised choice. Its messages say what is wrong, its `expected` annotation what would be right; neither repeats
 * a value that may be a secret. Spec: config 2.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Bytes from "../../model/ByteSize.ts"
import * as Millis from "../../model/Duration.ts"
import { isName, isValue } from "../../model/Fields.ts"

const EXPECT_DURATION = "a duration with units, such as 500ms, 10s or 1m 30s"
const EXPECT_SIZE = "bytes as an integer, or a size with a unit such as 10kb or 1 MiB"

const invalid = (message: string, expected: string, input: unknown, options: object) =>
  Effect.fail(new SchemaIssue.InvalidValue({ message, expected }, input, options))

/** A duration text, decoded to milliseconds. Integers are refused, as in the reference. Spec: config 2.1. */
export const Duration = Schema.String.annotate({ expected: EXPECT_DURATION }).pipe(
  Schema.decodeTo(Schema.Finite, {
    decode: SchemaGetter.transformEffect((text: string, options) => {
      const millis = Millis.parse(text)
      return typeof millis === "number"
        ? Effect.succeed(millis)
        : invalid(`invalid duration: ${millis.message}`, EXPECT_DURATION, text, options)
    }),
    encode: SchemaGetter.transform(Millis.format)
  })
)

/** A byte size, an integer or a text with a unit, decoded to bytes. Spec: config 2.2. */
export const ByteSize = Schema.Union([Schema.Natural, Schema.String])
  .annotate({ expected: EXPECT_SIZE })
  .pipe(
    Schema.decodeTo(Schema.Finite, {
      decode: SchemaGetter.transformEffect((value: number | string, options) => {
        const bytes = typeof value === "number" ? value : Bytes.parse(value)
        return typeof bytes === "number"
          ? Effect.succeed(bytes)
          : invalid(`invalid size: ${bytes.message}`, EXPECT_SIZE, value, options)
      }),
      encode: SchemaGetter.transform(Bytes.format)
    })
  )

/** A whole number between two bounds, both allowed. */
export const integer = (minimum: number, maximum: number, message = "out of range") => {
  const bounds = maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`
  const expected = `an integer ${bounds}`
  return Schema.Int.annotate({ expected }).check(Schema.isBetween({ minimum, maximum }, { expected, message }))
}

export const U8 = integer(0, 255)
export const U16 = integer(0, 65_535)
export const U32 = integer(0, 4_294_967_295)
/** Whole numbers that the reference keeps in 64 bits; here they end where integers stop being exact. */
export const Count = integer(0, Number.MAX_SAFE_INTEGER)

/**
 * One of a few words, compared without case and outer blanks, decoded to its normal form. Other text is refused, or
 * means `otherwise` where the reference is lenient; a warning is then the business of validation.
 */
export const choice = <const V extends string>(
  words: Readonly<Record<string, V>>,
  expected: string,
  options: {
    /** What other text means; without it other text is refused. */
    readonly otherwise?: NoInfer<V>
    readonly refuse?: (text: string) => string
  } = {}
) =>
  Schema.String.annotate({ expected }).pipe(
    Schema.decodeTo(Schema.Literals([...new Set(Object.values(words))]), {
      decode: SchemaGetter.transformEffect((text: string, parseOptions) => {
        const word = lookup(words, text) ?? options.otherwise
        return word === undefined
          ? invalid(options.refuse?.(text) ?? `${JSON.stringify(text)} is unknown`, expected, text, parseOptions)
          : Effect.succeed(word)
      }),
      encode: SchemaGetter.transform((word: string) => word)
    })
  )

/** The value of a word in a table of choices, compared without case and outer blanks. */
export const lookup = <V>(words: Readonly<Record<string, V>>, text: string): V | undefined => {
  const key = text.trim().toLowerCase()
  return Object.hasOwn(words, key) ? words[key] : undefined
}

export const Text = Schema.String.annotate({ expected: "a string" })
export const Flag = Schema.Boolean.annotate({ expected: "true or false" })
export const Texts = Schema.Array(Text).annotate({ expected: "a list of strings" })

/** A `Name: value` line whose halves may go on the wire. Spec: config 6. */
export const HeaderLine = Text.check(
  Schema.makeFilter(
    (line: string) => {
      const problem = headerProblem(line)
      return problem === undefined ? true : problem
    },
    { expected: "a header such as X-Name: value" }
  )
)

/** A list of `Name: value` lines. */
export const HeaderLines = Schema.Array(HeaderLine).annotate({ expected: "a list of headers such as X-Name: value" })

/** Why a `Name: value` line cannot be a header, or `undefined` when it can. Tells its first word at most. */
const headerProblem = (line: string): string | undefined => {
  const colon = line.indexOf(":")
  if (colon === -1) return `header ${line.trim().split(/\s/, 1)[0]} is invalid`
  const name = line.slice(0, colon).trim()
  const value = line.slice(colon + 1).trim()
  if (!isName(name)) return `header name(${name}) is invalid, error: invalid HTTP header name`
  if (!isValue(value)) return `value of header ${name} is invalid, error: failed to parse header value`
  return undefined
}

/** A key without a default: absent in the file means absent in the decoded table. */
export const optional = <T, E>(schema: Schema.Codec<T, E>, description: string) =>
  Schema.optionalKey(Schema.annotateEncoded<Schema.Codec<T, E>>({ description })(schema))

/** A key with a default, given as the decoded value and as the file would write it. */
export const withDefault = <T, E>(schema: Schema.Codec<T, E>, value: T, written: NoInfer<E>, description: string) =>
  Schema.annotateEncoded<Schema.Codec<T, E>>({ description, default: written })(schema).pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed(value))
  )

/** A key that must be there. */
export const required = <T, E>(schema: Schema.Codec<T, E>, description: string) =>
  Schema.annotateEncoded<Schema.Codec<T, E>>({ description })(schema)

/** A duration key with a default, `written` as the file would write it. */
export const durationKey = (millis: number, description: string) =>
  withDefault(Duration, millis, Millis.format(millis), description)

/** A byte-size key with a default. */
export const sizeKey = (bytes: number, description: string, minimum = 0) => {
  const expected = `at least ${Bytes.format(minimum)}`
  const schema = ByteSize.check(Schema.isGreaterThanOrEqualTo(minimum, { expected, message: "is too small" }))
  return withDefault(minimum === 0 ? ByteSize : schema, bytes, Bytes.format(bytes), description)
}

/** A flag that is off unless the file turns it on. */
export const flagKey = (value: boolean, description: string) => withDefault(Flag, value, value, description)
