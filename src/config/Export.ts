/**
 * A configuration on its way from one layout to another: every table takes its text along, with the comments that
 * belong to it. Comments that belong to no table stay behind, and so does what is no item. Spec: config 1.1, 1.2, 15.
 */
import * as Result from "effect/Result"
import type { Sliced } from "../model/Sliced.ts"
import { NAMED_SECTIONS } from "./ConfigSchema.ts"
import type { StoredDocument, Write } from "./ConfigStore.ts"
import type { Section } from "./Draft.ts"
import { bodyEnd, leadStart, outline, type Part, removal } from "./format/TomlOutline.ts"
import { pairsOf } from "./format/TomlPairs.ts"
import * as Render from "./format/TomlRender.ts"
import { applyAll, type Edit } from "./format/TomlValueEdit.ts"
import { keyOf, type Layout } from "./Layout.ts"
import { afterwards, type Prepared, type Target } from "./writer/Changes.ts"
import * as Contents from "./writer/Contents.ts"
import { AmbiguousItem, DocumentUnreadable, type ItemName, NotWritable } from "./writer/WriteError.ts"

/** One item with its text. */
export interface Piece extends ItemName {
  readonly text: string
}

/** A document that is not in a store yet. */
export interface Exported {
  readonly key: string
  readonly text: string
}

export type ExportError = AmbiguousItem | DocumentUnreadable

/** Every item with its text. Fails when a document cannot be read or an item stands in several. */
export function* piecesOf(contents: Contents.Contents): Sliced<Result.Result<ReadonlyArray<Piece>, ExportError>> {
  const problem = problemOf(contents)
  if (problem !== undefined) return Result.fail(problem)
  const texts = new Map<string, ReadonlyMap<string, string>>()
  for (const { key, text } of contents.documents) texts.set(key, yield* textsOf(text))
  const pieces: Array<Piece> = []
  for (const [id, items] of contents.items) {
    const { document, name, section, table } = items[0]!
    const text = texts.get(document.key)?.get(id)
    pieces.push({ section, name, text: text ?? Render.table(pathOf(section, name), table, Render.styleOf("")) })
  }
  return Result.succeed(pieces)
}

const problemOf = ({ broken, documents, items }: Contents.Contents): ExportError | undefined => {
  for (const [key, { column, line, message }] of broken) {
    const { file } = documents.find((document) => document.key === key)!
    return new DocumentUnreadable({ file, line, column, reason: message })
  }
  for (const found of items.values()) if (found.length > 1) return ambiguous(found)
  return undefined
}

/** The error about an item that stands in several documents. */
export const ambiguous = (found: ReadonlyArray<Contents.WrittenItem>): AmbiguousItem => {
  const { name, section } = found[0]!
  return new AmbiguousItem({ section, name, files: found.map(({ document }) => document.file) })
}

const pathOf = (section: Section, name: string): ReadonlyArray<string> =>
  section === "basic" ? [section] : [section, name]

/** The texts of the tables of a document by id; none when it is not written table by table. */
function* textsOf(text: string): Sliced<ReadonlyMap<string, string>> {
  const parts = yield* outline(text)
  const texts = new Map<string, string>()
  for (const [index, { from, id, to }] of runsOf(parts).entries()) {
    if (index % RUNS_PER_STEP === 0) yield
    if (id === undefined) {
      if (isForItems(text, parts, from, to)) return new Map()
      continue
    }
    const own = `${text.slice(leadStart(text, parts, from), bodyEnd(text, parts, to)).replace(/\r?\n$/, "")}\n`
    const before = texts.get(id)
    texts.set(id, before === undefined ? own : `${before}\n${own}`)
  }
  return texts
}

const RUNS_PER_STEP = 20

/** Tables of one item that follow each other. */
interface Run {
  readonly id: string | undefined
  readonly from: number
  readonly to: number
}

const runsOf = (parts: ReadonlyArray<Part>): ReadonlyArray<Run> => {
  const runs: Array<Run> = []
  for (const [index, { element, header }] of parts.entries()) {
    const section = NAMED_SECTIONS.find((section) => section === header[0])
    const isItem =
      section !== undefined ? header.length > 2 || (header.length === 2 && !element) : header[0] === "basic"
    const id = isItem ? Contents.idOf(section ?? "basic", header[1] ?? "") : undefined
    const last = runs.at(-1)
    if (last !== undefined && id !== undefined && last.id === id) runs[runs.length - 1] = { ...last, to: index }
    else runs.push({ id, from: index, to: index })
  }
  return runs
}

/** Whether a table that is no item's may hold some all the same, with dotted keys or inline. */
const isForItems = (text: string, parts: ReadonlyArray<Part>, from: number, to: number): boolean =>
  parts.slice(from, to + 1).some((part) => {
    const names = [...NAMED_SECTIONS, "basic"] as ReadonlyArray<string | undefined>
    return (part.header.length === 0 || names.includes(part.header[0])) && pairsOf(text, part).length > 0
  })

/** The documents of a layout that hold the pieces. */
export const documentsOf = (pieces: ReadonlyArray<Piece>, layout: Layout): ReadonlyArray<Exported> => {
  const texts = new Map<string, Array<string>>()
  for (const { name, section, text } of [...pieces].sort(
    (a, b) => ORDER.indexOf(a.section) - ORDER.indexOf(b.section)
  )) {
    const key = keyOf(layout, section, name)
    const own = texts.get(key)
    if (own === undefined) texts.set(key, [text])
    else own.push(text)
  }
  return Array.from(texts, ([key, own]) => ({ key, text: own.join("\n") }))
}

const ORDER: ReadonlyArray<Section> = ["basic", ...NAMED_SECTIONS]

/** All documents as one text, as they are written. Whether it says the same is for the caller to see. */
export const joined = (documents: ReadonlyArray<StoredDocument>): string =>
  documents
    .map(({ text }) => text.replace("\ufeff", "").replace(/\s+$/, ""))
    .filter((text) => text !== "")
    .map((text) => `${text}\n`)
    .join("\n")

/** The writes that make a store hold exactly some documents. */
export const replacing = (
  current: ReadonlyArray<StoredDocument>,
  wanted: ReadonlyArray<Exported>
): ReadonlyArray<Write> => {
  const before = new Map(current.map((document) => [document.key, document]))
  const writes: Array<Write> = []
  for (const { key, text } of wanted) {
    const { revision = null, text: old } = before.get(key) ?? {}
    if (old !== text) writes.push({ key, text, expected: revision })
    before.delete(key)
  }
  for (const { key, revision } of before.values()) writes.push({ key, text: null, expected: revision })
  return writes
}

/** The writes that bring every item into the document that the layout has for it. Others are not touched. */
export function* relayout(
  contents: Contents.Contents,
  target: Target
): Sliced<Result.Result<Prepared, ExportError | NotWritable>> {
  const pieces = yield* piecesOf(contents)
  if (Result.isFailure(pieces)) return Result.fail(pieces.failure)
  const moved = new Map<string, Set<string>>()
  const added = new Map<string, Array<string>>()
  const staying = new Set<string>(contents.withOthers)
  for (const { name, section, text } of pieces.success) {
    const id = Contents.idOf(section, name)
    const { document } = contents.items.get(id)![0]!
    const key = keyOf(target.layout, section, name)
    if (key === document.key) staying.add(key)
    else {
      moved.set(document.key, (moved.get(document.key) ?? new Set()).add(id))
      const own = added.get(key)
      if (own === undefined) added.set(key, [text])
      else own.push(text)
    }
  }
  const writes: Array<Write> = []
  for (const { file, key, revision, text } of contents.documents) {
    const ids = moved.get(key)
    const own = added.get(key) ?? []
    added.delete(key)
    if (ids === undefined && own.length === 0) continue
    const isKept = staying.has(key)
    const rest = ids === undefined ? text : isKept ? yield* without(text, ids) : ""
    if (rest === undefined) {
      const { name, section } = contents.items.get([...ids!][0]!)![0]!
      const reason = "the document cannot be taken apart: give its items tables with headers of their own"
      return Result.fail(new NotWritable({ section, name, file, reason }))
    }
    const next = [rest.replace(/\s+$/, ""), ...own.map((piece) => piece.trimEnd())].filter((part) => part !== "")
    writes.push({ key, text: next.length === 0 ? null : `${next.join("\n\n")}\n`, expected: revision })
  }
  for (const [key, own] of added) writes.push({ key, text: own.join("\n"), expected: null })
  return Result.succeed({
    writes,
    documents: afterwards(contents.documents, writes, target),
    expected: contents.items,
    removed: new Set()
  })
}

/** A document without some of its items, or `undefined` when they cannot be cut out. */
function* without(text: string, ids: ReadonlySet<string>): Sliced<string | undefined> {
  const parts = yield* outline(text)
  const edits: Array<Edit> = []
  for (const [index, { from, id, to }] of runsOf(parts).entries()) {
    if (index % RUNS_PER_STEP === 0) yield
    if (id === undefined && isForItems(text, parts, from, to)) return undefined
    if (id !== undefined && ids.has(id)) edits.push(removal(text, parts, from, to))
  }
  return applyAll(text, edits)
}
