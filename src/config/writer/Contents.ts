/**
 * What a store holds at one moment: its documents, the items in them as they are written, and the documents that
 * cannot be read. Read in slices; tables that did not change since the last time are the same objects.
 */
import type { Sliced } from "../../model/Sliced.ts"
import { NAMED_SECTIONS } from "../ConfigSchema.ts"
import type { StoredDocument } from "../ConfigStore.ts"
import { isTable, type Section, type Table } from "../Draft.ts"
import type { TomlError } from "../format/Toml.ts"
import { TomlReader } from "../format/TomlReader.ts"
import type { ItemName } from "./WriteError.ts"

/** One table as it is written, with the document that it stands in. */
export interface WrittenItem extends ItemName {
  readonly table: Table
  readonly document: StoredDocument
}

export interface Contents {
  readonly documents: ReadonlyArray<StoredDocument>
  /** By {@link idOf}; several only when the configuration is wrong. */
  readonly items: ReadonlyMap<string, ReadonlyArray<WrittenItem>>
  /** The first mistake of documents that are no TOML, by their key. Items before and behind it are read all the same. */
  readonly broken: ReadonlyMap<string, TomlError>
  /** Keys of documents that hold something that is no item, such as an unknown section. */
  readonly withOthers: ReadonlySet<string>
}

/** Names an item among all. */
export const idOf = (section: Section, name: string): string => `${section}\n${section === "basic" ? "" : name}`

/** A reader for {@link read}, which keeps what it has seen. */
export const makeReader = (): TomlReader => new TomlReader({ named: NAMED_SECTIONS })

/** Reads documents. */
export function* read(reader: TomlReader, documents: ReadonlyArray<StoredDocument>): Sliced<Contents> {
  const items = new Map<string, Array<WrittenItem>>()
  const broken = new Map<string, TomlError>()
  const withOthers = new Set<string>()
  if (reader.size > documents.length) reader.keep(new Set(documents.map(({ key }) => key)))
  for (const document of documents) {
    const { errors, parts } = yield* reader.read(document.text, document.key)
    yield
    if (errors[0] !== undefined) broken.set(document.key, errors[0])
    for (const { path, value } of parts) {
      const section = sectionOf(path[0])
      const inner: ReadonlyArray<readonly [string, unknown]> =
        path.length > 1 || section === "basic"
          ? [[String(path[1] ?? ""), value]]
          : isTable(value)
            ? Object.entries(value)
            : []
      if (section === undefined || !isTable(value)) withOthers.add(document.key)
      else {
        for (const [name, table] of inner) {
          const id = idOf(section, name)
          if (!isTable(table)) withOthers.add(document.key)
          else {
            const item = { section, name, table, document }
            const others = items.get(id)
            if (others === undefined) items.set(id, [item])
            else others.push(item)
          }
        }
      }
    }
  }
  return { documents, items, broken, withOthers }
}

/** Whether documents have the same texts under the same keys. */
export const isSame = (a: ReadonlyArray<StoredDocument>, b: ReadonlyArray<StoredDocument>): boolean =>
  a.length === b.length &&
  a.every(({ file, key, text }, at) => {
    const other = b[at]!
    return key === other.key && file === other.file && text === other.text
  })

const sectionOf = (name: unknown): Section | undefined =>
  name === "basic" ? name : NAMED_SECTIONS.find((section) => section === name)

/** Whether an item may have a name. Spec: test-vectors 5.3. */
export const isName = (section: Section, name: string): boolean =>
  section === "basic" || !(name === "" || name === "." || name === ".." || FORBIDDEN.test(name) || PROTOTYPE.has(name))

const FORBIDDEN = /[/\\\0]/

// The parser refuses them: they could reach an object's prototype.
const PROTOTYPE: ReadonlySet<string> = new Set(["__proto__", "constructor"])

/** Changes whenever the table does, and only then; nothing of it can be read off. */
export const revisionOf = (table: Table): string => {
  const text = canonical(table)
  let [high, low] = [0x9e3779b9, 0x85ebca6b]
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    high = Math.imul(high ^ code, 0x9e3779b1)
    low = Math.imul(low ^ code, 0x5f356495)
  }
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35)
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35)
  return [high, low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("")
}

const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (!isTable(value)) return value instanceof Date ? value.toISOString() : (JSON.stringify(value) ?? "")
  const keys = Object.keys(value).sort()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join()}}`
}
