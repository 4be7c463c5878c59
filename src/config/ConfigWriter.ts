/**
 * Changes the configuration where it is kept: what an admin interface, ACME and `--sync` do. One item or many, in one
 * commit; an item is changed in the document in which it stands, and everything around it stays as somebody wrote it.
 *
 * Nobody's change is lost: whoever says which revision is replaced is told when it is another one by then, and all
 * others are written on top of the newest text. What would break the configuration is refused with its findings,
 * before anything is written. Layouts are never converted as a side effect. Spec: config 15, admin 4 and 5.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import type { Sliced } from "../model/Sliced.ts"
import * as Slices from "../platform/Slices.ts"
import { Checks } from "./Config.ts"
import type { ConfigSourceError } from "./ConfigSource.ts"
import { type ConfigConflict, ConfigStore, type StoredDocument } from "./ConfigStore.ts"
import type { Section, Table } from "./Draft.ts"
import * as Export from "./Export.ts"
import * as Toml from "./format/Toml.ts"
import * as Render from "./format/TomlRender.ts"
import { keyOf, type Layout, SINGLE_KEY } from "./Layout.ts"
import { Decoder } from "./Snapshot.ts"
import { afterwards, type Change, type ChangeError, type Prepared, prepare, type Target } from "./writer/Changes.ts"
import * as Contents from "./writer/Contents.ts"
import { changesOf, renderAll, type Tables } from "./writer/Tables.ts"
import { checkFindings, checkForeign, checkReferences, errorsOf, isSame, verify } from "./writer/Verification.ts"
import {
  type AmbiguousItem,
  type DocumentUnreadable,
  type ForeignDocument,
  InvalidName,
  type ItemInUse,
  type ItemName,
  UnknownVersion,
  WriteRejected
} from "./writer/WriteError.ts"

export type { Exported } from "./Export.ts"
export type { Change } from "./writer/Changes.ts"
export type { Tables } from "./writer/Tables.ts"
export {
  AmbiguousItem,
  DocumentUnreadable,
  ForeignDocument,
  InvalidName,
  ItemInUse,
  type ItemName,
  NotWritable,
  UnknownVersion,
  WriteConflict,
  WriteRejected
} from "./writer/WriteError.ts"

/** An item as it is written. */
export interface Item extends ItemName {
  /** Its keys and values, not decoded. */
  readonly table: Table
  /** Changes whenever the table does. */
  readonly revision: string
  /** Name of its document, for people. */
  readonly file: string
}

/** An earlier table of an item. */
export interface ItemVersion {
  readonly id: string
  /** When it was replaced, in seconds since 1970. */
  readonly replacedAt: number
  readonly table: Table
}

export interface WriteOptions {
  /**
   * Whether the resulting configuration must be in order: no new errors, nothing that refers to what was removed.
   * Without it only the text and the names must be. Default: yes.
   */
  readonly check?: boolean | undefined
}

export interface ItemOptions extends WriteOptions {
  /** The revision that is replaced, or null when the item must not be there. Default: whatever there is. */
  readonly expected?: string | null | undefined
}

export interface ImportOptions extends WriteOptions {
  /** Whether items that are not in it are removed. */
  readonly replace: boolean
}

export type ReadError = ConfigSourceError | InvalidName | AmbiguousItem | DocumentUnreadable

export type WriteError = ConfigSourceError | ConfigConflict | ChangeError | WriteRejected | ItemInUse

export class ConfigWriter extends Context.Service<
  ConfigWriter,
  {
    /** The item, or undefined when there is none. The name of `[basic]` does not matter. */
    readonly get: (section: Section, name: string) => Effect.Effect<Item | undefined, ReadError>
    /** Every item of a section, in the order of the documents. */
    readonly list: (section: Section) => Effect.Effect<ReadonlyArray<Item>, ReadError>
    /** Creates or replaces an item. Returns its new revision. */
    readonly save: (
      section: Section,
      name: string,
      table: Readonly<Record<string, unknown>>,
      options?: ItemOptions
    ) => Effect.Effect<string, WriteError>
    /** Removes an item. One that is not there is no error. */
    readonly remove: (section: Section, name: string, options?: ItemOptions) => Effect.Effect<void, WriteError>
    /** Several changes, in the order given, all or none. */
    readonly edit: (changes: ReadonlyArray<Change>, options?: WriteOptions) => Effect.Effect<void, WriteError>
    /** The whole configuration as one TOML text: as it is written where that is possible. */
    readonly exportText: Effect.Effect<string, ReadError>
    /** The whole configuration as the documents of a layout. */
    readonly exportTo: (layout: Layout) => Effect.Effect<ReadonlyArray<Export.Exported>, ReadError>
    /** Takes over a configuration, TOML text or values, in the layout of the store and in one commit. */
    readonly importAll: (content: string | Tables, options: ImportOptions) => Effect.Effect<void, WriteError>
    /**
     * Makes another store hold this configuration and nothing else. Nothing but its form is checked, and that nothing
     * is lost there which is no configuration.
     */
    readonly copyTo: (
      store: ConfigStore["Service"]
    ) => Effect.Effect<void, ReadError | ConfigConflict | ForeignDocument>
    /** At most 10 earlier tables of an item, newest first. Empty when the store keeps none. */
    readonly history: (section: Section, name: string) => Effect.Effect<ReadonlyArray<ItemVersion>, ReadError>
    /** Saves an earlier table of an item again. Returns its new revision. */
    readonly restore: (
      section: Section,
      name: string,
      version: string,
      options?: ItemOptions
    ) => Effect.Effect<string, ReadError | WriteError | UnknownVersion>
    /**
     * Brings every item into the document that the layout of the store has for it, and removes documents that are
     * left empty. Returns the names of those.
     */
    readonly relayout: Effect.Effect<ReadonlyArray<string>, ReadError | WriteError>
  }
>()("pingap/config/ConfigWriter") {
  /** Writes to the store. */
  static readonly layer: Layer.Layer<ConfigWriter, never, ConfigStore> = Layer.effect(
    ConfigWriter,
    Effect.suspend(() => make)
  )
}

// Somebody else's commit came in between: again, on the newest text. The first waits are shorter than a commit.
const RETRIES = 20
const RETRY = Schedule.min([Schedule.exponential("5 millis"), Schedule.spaced("250 millis")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ times: RETRIES })
)
const again = <A, E extends { readonly _tag: string }>(self: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.retry(self, { schedule: RETRY, while: (error) => error._tag === "ConfigConflict" })

const make = Effect.gen(function* () {
  const store = yield* ConfigStore
  const reader = Contents.makeReader()
  const decoder = new Decoder(yield* Checks)
  const one = yield* Semaphore.make(1)
  const target: Target = { layout: store.layout, fileOf: (key) => (key === SINGLE_KEY ? store.place : key) }

  let last: Contents.Contents | undefined
  const readAll = (documents: ReadonlyArray<StoredDocument>) =>
    Effect.suspend(() => {
      // The texts are those of the last time, as a rule: what was written then is what is there now.
      if (last !== undefined && Contents.isSame(last.documents, documents)) {
        return Effect.succeed((last = { ...last, documents }))
      }
      return Effect.tap(Slices.run(Contents.read(reader, documents)), (all) => Effect.sync(() => void (last = all)))
    })
  const contents = Effect.flatMap(store.read, readAll)

  const commit = <A, E extends { readonly _tag: string }>(
    plan: (contents: Contents.Contents) => Effect.Effect<Prepared & { readonly result: A }, E>,
    options: WriteOptions = {}
  ) =>
    Effect.gen(function* () {
      const before = yield* contents
      const prepared = yield* plan(before)
      if (prepared.writes.length === 0) return prepared.result
      const after = yield* readAll(prepared.documents)
      yield* verify(before, prepared, after)
      if (options.check !== false) {
        yield* checkReferences(prepared, after)
        yield* checkFindings(decoder, before, prepared)
      }
      yield* store.commit(prepared.writes)
      return prepared.result
    }).pipe(again, one.withPermits(1))

  const edit = (changes: ReadonlyArray<Change>, options?: WriteOptions) =>
    commit(
      (before) =>
        Slices.run(prepare(before, target, changes)).pipe(
          Effect.flatMap(Effect.fromResult),
          Effect.map((prepared) => ({ ...prepared, result: prepared }))
        ),
      options
    )
  const save = (section: Section, name: string, table: Change["table"], options: ItemOptions = {}) =>
    edit([{ section, name, table, expected: options.expected }], options).pipe(
      Effect.map(({ expected }) => Contents.revisionOf(expected.get(Contents.idOf(section, name))?.[0]?.table ?? {}))
    )

  const find = Effect.fnUntraced(function* (section: Section, name: string) {
    if (!Contents.isName(section, name)) return yield* new InvalidName({ section, name })
    const all = yield* contents
    const found = all.items.get(Contents.idOf(section, name)) ?? []
    if (found.length > 1) return yield* Effect.fromResult(Result.fail(Export.ambiguous(found)))
    return { contents: all, item: found[0] }
  })

  const pieces = Effect.gen(function* () {
    const all = yield* contents
    return { contents: all, pieces: yield* Effect.fromResult(yield* Slices.run(Export.piecesOf(all))) }
  })
  const exportText = Effect.gen(function* () {
    const { contents: all, pieces: own } = yield* pieces
    const text = Export.joined(all.documents)
    const reading = yield* Slices.run(Contents.read(Contents.makeReader(), [documentOf(text)]))
    return isSame(reading, all.items)
      ? text
      : Export.documentsOf(own, "single")
          .map(({ text }) => text)
          .join("")
  })
  const exportTo = (layout: Layout): Effect.Effect<ReadonlyArray<Export.Exported>, ReadError> =>
    layout === "single"
      ? Effect.map(exportText, (text) => (text === "" ? [] : [{ key: SINGLE_KEY, text }]))
      : Effect.map(pieces, ({ pieces: own }) => Export.documentsOf(own, layout))

  const importText = Effect.fnUntraced(function* (text: string, options: WriteOptions) {
    const document = documentOf(text)
    const imported = yield* Slices.run(Contents.read(Contents.makeReader(), [document]))
    if (imported.broken.size > 0) {
      const decoded = yield* Slices.run(new Decoder().decode([document]))
      return yield* new WriteRejected({ diagnostics: errorsOf(decoded) })
    }
    for (const [{ name, section } = NOBODY] of imported.items.values()) {
      if (!Contents.isName(section, name)) return yield* new InvalidName({ section, name })
    }
    const own = yield* Effect.fromResult(yield* Slices.run(Export.piecesOf(imported)))
    // One document stays as somebody wrote it.
    const wanted = store.layout === "single" ? [{ key: SINGLE_KEY, text }] : Export.documentsOf(own, store.layout)
    const expected = imported.items
    yield* commit(({ documents }) => {
      const writes = Export.replacing(documents, wanted)
      const after = afterwards(documents, writes, target)
      return Effect.succeed({ writes, documents: after, expected, removed: new Set<string>(), result: undefined })
    }, options)
  })
  const importAll = Effect.fnUntraced(function* (content: string | Tables, { replace, ...options }: ImportOptions) {
    const text = typeof content === "string" ? content : yield* renderAll(content, store.place)
    if (replace) return yield* importText(text, options)
    const parsed = Toml.parse(text)
    if (parsed._tag === "TomlError") return yield* importText(text, options)
    yield* edit(changesOf(parsed.value), options)
  })

  const copyTo = (other: ConfigStore["Service"]) =>
    Effect.gen(function* () {
      const wanted = yield* exportTo(other.layout)
      const copy = Effect.gen(function* () {
        const documents = yield* other.read
        const writes = Export.replacing(documents, wanted)
        if (writes.length === 0) return
        const there = yield* Slices.run(Contents.read(Contents.makeReader(), documents))
        yield* checkForeign(there, writes, other.place)
        yield* other.commit(writes)
      })
      yield* again(copy)
    }).pipe(one.withPermits(1))

  const history = Effect.fnUntraced(function* (section: Section, name: string) {
    const { item } = yield* find(section, name)
    if (store.history === null) return []
    const id = Contents.idOf(section, name)
    const versions: Array<ItemVersion> = []
    let newer = item?.table
    for (const version of yield* store.history(item?.document.key ?? keyOf(store.layout, section, name))) {
      const { broken, items } = yield* Slices.run(Contents.read(Contents.makeReader(), [documentOf(version.text)]))
      const table = broken.size > 0 ? undefined : items.get(id)?.[0]?.table
      // A document of many items has versions in which this one is the same.
      if (table !== undefined && !Render.isSame(table, newer)) {
        versions.push({ id: version.id, replacedAt: version.replacedAt, table })
      }
      newer = table
    }
    return versions.slice(0, MAX_VERSIONS)
  })

  return ConfigWriter.of({
    get: (section, name) =>
      Effect.map(find(section, name), ({ item }) => (item === undefined ? undefined : shown(item))).pipe(
        one.withPermits(1)
      ),
    list: (section) =>
      Effect.flatMap(contents, ({ items }) => Slices.run(shownOf(items.values(), section))).pipe(one.withPermits(1)),
    save,
    remove: (section, name, options = {}) =>
      Effect.asVoid(edit([{ section, name, table: null, expected: options.expected }], options)),
    edit: (changes, options) => Effect.asVoid(edit(changes, options)),
    exportText: one.withPermits(1)(exportText),
    exportTo: (layout) => one.withPermits(1)(exportTo(layout)),
    importAll,
    copyTo,
    history: (section, name) => one.withPermits(1)(history(section, name)),
    restore: Effect.fnUntraced(function* (section, name, version, options) {
      const versions = yield* one.withPermits(1)(history(section, name))
      const found = versions.find(({ id }) => id === version)
      if (found === undefined) return yield* new UnknownVersion({ section, name, version })
      return yield* save(section, name, found.table, options)
    }),
    relayout: commit((before) =>
      Slices.run(Export.relayout(before, target)).pipe(
        Effect.flatMap(Effect.fromResult),
        Effect.map((prepared) => {
          const gone = new Set(prepared.writes.filter(({ text }) => text === null).map(({ key }) => key))
          return { ...prepared, result: before.documents.filter(({ key }) => gone.has(key)).map(({ file }) => file) }
        })
      )
    )
  })
})

const MAX_VERSIONS = 10

const NOBODY: ItemName = { section: "basic", name: "" }

const documentOf = (text: string): StoredDocument => ({ key: SINGLE_KEY, file: "import", text, revision: "" })

function* shownOf(items: Iterable<ReadonlyArray<Contents.WrittenItem>>, section: Section): Sliced<ReadonlyArray<Item>> {
  const found: Array<Item> = []
  for (const [item] of items) {
    if (item?.section === section) found.push(shown(item))
    if (found.length % ITEMS_PER_STEP === 0) yield
  }
  return found
}

const ITEMS_PER_STEP = 50

const shown = ({ document, name, section, table }: Contents.WrittenItem): Item => ({
  section,
  name,
  table,
  revision: Contents.revisionOf(table),
  file: document.file
})
