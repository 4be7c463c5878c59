/**
 * Differences as text, for logs and notifications: one line per entity, one or two per changed key, in groups.
 *
 *   ++ [ADDED] servers.web
 *
 *   [MODIFIED] upstreams.api
 *   - read_timeout = "10s"
 *   + read_timeout = "20s"
 *
 * Values stand as the file would write them. Secrets are masked, long values and long lists are shortened, and the
 * whole is bounded, so that it fits where people read it. Nothing in it acts on a terminal. Spec: config 16.
 */
import * as MutableHashMap from "effect/MutableHashMap"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { SECTIONS } from "./ConfigSchema.ts"
import { formatPath } from "./Diagnostic.ts"
import type { Diff, Entity, Modified } from "./Diff.ts"
import type { Section } from "./Draft.ts"
import { isSecretKey, MASK, maskHeader, maskText } from "./SecretKeys.ts"

/** Entities that are listed at most, and the size at which the text ends earlier. */
const MAX_ENTITIES = 40
const MAX_CHARACTERS = 4096
/** Lines of one changed list, for what was taken out and for what was put in. */
const MAX_ELEMENTS = 10
/** Lists that are longer are written element by element. */
const MAX_INLINE = 80
/** Beyond this a text is not shown at all, beyond that not to its end. */
const MAX_TEXT = 512
const MAX_SHOWN = 160
const MAX_VALUE = 400
/** How much of tables and lists inside a value is written. */
const MAX_MEMBERS = 20
const MAX_DEPTH = 3

/** Where an entity stands: `upstreams.api`, `basic`. */
export const pathOf = ({ name, section }: Entity): string =>
  inert(section === "basic" ? section : formatPath([section, cut(name)]))

/** The whole difference as text; empty when there is none. */
export const format = (diff: Diff): string => {
  const text = new BoundedText()
  text.group(diff.added, (entity) => [`++ [ADDED] ${pathOf(entity)}`])
  text.group(diff.removed, (entity) => [`-- [REMOVED] ${pathOf(entity)}`])
  text.group(diff.modified, modifiedLines)
  return text.end()
}

/** Groups of entities until there are enough. What is not listed is not written either, only counted. */
class BoundedText {
  private readonly blocks: Array<string> = []
  private room = MAX_CHARACTERS
  private listed = 0
  private left = 0

  group<E>(entities: ReadonlyArray<E>, linesOf: (entity: E) => ReadonlyArray<string>): void {
    const lines: Array<string> = []
    let at = 0
    for (; at < entities.length && this.listed < MAX_ENTITIES && this.room > 0; at++, this.listed++) {
      for (const line of linesOf(entities[at]!)) {
        if (this.room <= 0) {
          lines.push("…")
          break
        }
        lines.push(line)
        this.room -= line.length + 1
      }
    }
    this.left += entities.length - at
    if (lines.length > 0) this.blocks.push(lines.join("\n"))
  }

  end(): string {
    if (this.left > 0) this.blocks.push(`… and ${this.left} more`)
    return this.blocks.join("\n\n")
  }
}

const modifiedLines = (entity: Modified): ReadonlyArray<string> => [
  `[MODIFIED] ${pathOf(entity)}`,
  ...entity.changes.flatMap((change) => change.lines)
]

/** The change of one key. `undefined` is a key that is not there. */
export const linesOf = (section: Section, key: string, before: unknown, after: unknown): ReadonlyArray<string> => {
  const name = formatPath([cut(key)])
  const show = (value: unknown): string => cut(valueText(section, key, encode(section, key, value), 0), MAX_VALUE)
  const old = before === undefined ? undefined : show(before)
  const now = after === undefined ? undefined : show(after)
  const isLong = Math.max(old?.length ?? 0, now?.length ?? 0) > MAX_INLINE
  if (isLong && Array.isArray(before) && Array.isArray(after)) return listLines(section, key, name, before, after)
  const lines: Array<string> = []
  if (old !== undefined) lines.push(`- ${name} = ${old}`)
  // Where both are masked or shortened to the same text, that something changed is all that can be said.
  if (now !== undefined) lines.push(`+ ${name} = ${now}${now === old ? " (changed)" : ""}`)
  return lines.map(inert)
}

const listLines = (
  section: Section,
  key: string,
  name: string,
  before: ReadonlyArray<unknown>,
  after: ReadonlyArray<unknown>
): ReadonlyArray<string> => {
  const list = (sign: string, elements: ReadonlyArray<unknown>): ReadonlyArray<string> => {
    const lines = elements
      .slice(0, MAX_ELEMENTS)
      .map((element) => inert(`${sign} ${name}: ${cut(valueText(section, key, element, 1))}`))
    const left = elements.length - MAX_ELEMENTS
    return left > 0 ? [...lines, `${sign} ${name}: … and ${left} more`] : lines
  }
  const lines = [...list("-", without(before, after)), ...list("+", without(after, before))]
  return lines.length === 0 ? [`  ${name}: in another order`] : lines
}

/** Elements of `list` beyond those that `other` has too, each as often as it stands there. */
const without = (list: ReadonlyArray<unknown>, other: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  const left = MutableHashMap.empty<unknown, number>()
  const countOf = (element: unknown): number => Option.getOrElse(MutableHashMap.get(left, element), () => 0)
  for (const element of other) MutableHashMap.set(left, element, countOf(element) + 1)
  return list.filter((element) => {
    const count = countOf(element)
    if (count > 0) MutableHashMap.set(left, element, count - 1)
    return count === 0
  })
}

type Encoder = (value: unknown) => Option.Option<unknown>
const encoders = new Map<string, Encoder>()

/** A decoded value in the form of the file: durations and sizes as text. Tables of plugins are kept as written. */
const encode = (section: Section, key: string, value: unknown): unknown => {
  if (section === "plugins" || typeof value !== "number") return value
  const id = `${section}.${key}`
  let encoder = encoders.get(id)
  if (encoder === undefined) {
    const fields: Readonly<Record<string, Schema.ConstraintEncoder<unknown>>> = SECTIONS[section].fields
    encoder = Object.hasOwn(fields, key) ? Schema.encodeUnknownOption(fields[key]!) : Option.some
    encoders.set(id, encoder)
  }
  return Option.getOrElse(encoder(value), () => value)
}

// Certificates are no secret, but nobody reads them; cookies that grant something often are one.
const HIDDEN: ReadonlySet<string> = new Set(["tls_cert", "match_cookies"])
const HEADERS = /headers|query/

const valueText = (section: Section, path: string, value: unknown, depth: number): string => {
  if (typeof value === "boolean") return String(value)
  if (isSecretKey(path) || HIDDEN.has(path)) return `"${MASK}"`
  if (typeof value === "string") return stringText(value, section === "plugins" || HEADERS.test(path))
  if (typeof value === "number") return numberText(value)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "…" : value.toISOString()
  if (typeof value !== "object" || value === null) return String(value)
  if (depth === MAX_DEPTH) return "…"
  if (Array.isArray(value)) {
    const elements = value.slice(0, MAX_MEMBERS).map((element) => valueText(section, path, element, depth + 1))
    return `[${[...elements, ...andMore(value.length)].join(", ")}]`
  }
  const entries = Object.entries(value)
  const members = entries
    .slice(0, MAX_MEMBERS)
    .map(([key, inner]) => `${formatPath([cut(key)])} = ${valueText(section, `${path}.${key}`, inner, depth + 1)}`)
  return members.length === 0 ? "{}" : `{ ${[...members, ...andMore(entries.length)].join(", ")} }`
}

const numberText = (value: number): string =>
  Number.isFinite(value) ? String(value) : Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf"

const andMore = (length: number): ReadonlyArray<string> =>
  length > MAX_MEMBERS ? [`… ${length - MAX_MEMBERS} more`] : []

const stringText = (text: string, mayBeHeader: boolean): string => {
  // A text is shown whole or from its beginning after masking: a cut before could leave half a secret.
  if (text.length > MAX_TEXT) return `"…" (${text.length} characters)`
  return JSON.stringify(cut(mayBeHeader ? maskHeader(text) : maskText(text)))
}

const cut = (text: string, length = MAX_SHOWN): string => (text.length > length ? `${text.slice(0, length)}…` : text)

// JSON leaves these as they are; terminals and log viewers do not.
const inert = (text: string): string =>
  text.replace(
    /[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
