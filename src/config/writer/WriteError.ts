/**
 * Why something was not written. Every error names the item, the document and what can be done; none of them carries
 * a value of the configuration, which may be a secret. Nothing has been written when one of them is given.
 */
import * as Data from "effect/Data"
import { type Diagnostic, formatAll } from "../Diagnostic.ts"
import type { Section } from "../Draft.ts"

/** What an item is called in messages: `upstream(api)`. */
export const nameOf = (section: Section, name: string): string =>
  section === "basic" ? "basic" : `${KINDS[section]}(${name})`

const KINDS: Readonly<Record<Section, string>> = {
  basic: "basic",
  servers: "server",
  locations: "location",
  upstreams: "upstream",
  plugins: "plugin",
  certificates: "certificate",
  storages: "storage"
}

/** An item, by its section and name. */
export interface ItemName {
  readonly section: Section
  /** Empty for `[basic]`. */
  readonly name: string
}

/** A name that no item may have: it could leave the folder of the configuration. */
export class InvalidName extends Data.TaggedError("InvalidName")<ItemName> {
  override get message(): string {
    const rule = "a name is not empty, not a dot or two, and has no /, \\ or NUL"
    return `invalid config name: ${JSON.stringify(this.name)}; ${rule}`
  }
}

/** The item is not what the writer believed it to be. */
export class WriteConflict extends Data.TaggedError("WriteConflict")<
  ItemName & { readonly found: "changed" | "missing" | "present" }
> {
  override get message(): string {
    const item = nameOf(this.section, this.name)
    if (this.found === "present") return `${item} exists already: choose another name, or load it and change it`
    const what = this.found === "missing" ? "was removed" : "was changed"
    return `${item} ${what} by somebody else meanwhile: load it again and repeat the change`
  }
}

/** The configuration would have errors that it does not have now. */
export class WriteRejected extends Data.TaggedError("WriteRejected")<{
  readonly diagnostics: ReadonlyArray<Diagnostic>
}> {
  override get message(): string {
    return formatAll(this.diagnostics)
  }
}

/** Other items refer to the item that was to be removed. */
export class ItemInUse extends Data.TaggedError("ItemInUse")<ItemName & { readonly users: ReadonlyArray<ItemName> }> {
  override get message(): string {
    const { name, section, users } = this
    const shown = users.slice(0, MAX_USERS).map((user) => nameOf(user.section, user.name))
    const more = users.length > MAX_USERS ? ` and ${users.length - MAX_USERS} more` : ""
    const kind = section === "plugins" ? "proxy " : ""
    return `${kind}${nameOf(section, name)} is in used by ${shown.join(", ")}${more}`
  }
}

/** The item stands in several documents: nobody can tell which one is meant. */
export class AmbiguousItem extends Data.TaggedError("AmbiguousItem")<
  ItemName & { readonly files: ReadonlyArray<string> }
> {
  override get message(): string {
    return `${nameOf(this.section, this.name)} stands in more than one document: ${this.files.join(", ")}; remove all but one`
  }
}

/** A document that is no TOML is left to people. */
export class DocumentUnreadable extends Data.TaggedError("DocumentUnreadable")<{
  readonly file: string
  readonly line: number
  readonly column: number
  readonly reason: string
}> {
  override get message(): string {
    const { column, file, line, reason } = this
    return `${file}:${line}:${column}: ${reason}; correct the document before something in it is changed`
  }
}

/** The item cannot be written: its table is none of TOML's, or it cannot be changed where it stands. */
export class NotWritable extends Data.TaggedError("NotWritable")<
  ItemName & { readonly file: string; readonly reason: string }
> {
  override get message(): string {
    return `${nameOf(this.section, this.name)} cannot be written to ${this.file}: ${this.reason}`
  }
}

/** A place that is to hold a copy and nothing else holds something that is no configuration. */
export class ForeignDocument extends Data.TaggedError("ForeignDocument")<{
  readonly place: string
  readonly file: string
}> {
  override get message(): string {
    const { file, place } = this
    return `${file} is not a configuration of pingap, and would be lost: nothing was copied; choose a place of its own, or remove it from ${place} first`
  }
}

/** The store does not keep that version of the item, or none at all. */
export class UnknownVersion extends Data.TaggedError("UnknownVersion")<ItemName & { readonly version: string }> {
  override get message(): string {
    return `${nameOf(this.section, this.name)} has no version ${JSON.stringify(this.version)}: list its history again`
  }
}

const MAX_USERS = 5
