/**
 * What stands between a change and the store: does the new text say what it should, is what was removed still needed,
 * and does the configuration have errors that it did not have before. Spec: config 12, 15.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Slices from "../../platform/Slices.ts"
import type { Diagnostic } from "../Diagnostic.ts"
import type { Section } from "../Draft.ts"
import * as Render from "../format/TomlRender.ts"
import type { Decoder } from "../Snapshot.ts"
import type { Prepared } from "./Changes.ts"
import type { Contents } from "./Contents.ts"
import { usersOf } from "./References.ts"
import { ForeignDocument, ItemInUse, NotWritable, WriteRejected } from "./WriteError.ts"

/** Whether documents hold exactly some tables. */
export const isSame = (contents: Contents, expected: Prepared["expected"]): boolean =>
  difference(contents, expected) === undefined

/** The id of an item that is not there as it is expected. */
const difference = ({ items }: Contents, expected: Prepared["expected"]): string | undefined => {
  for (const [id, wanted] of expected) {
    const found = items.get(id)
    if (found?.length !== wanted.length) return id
    if (!wanted.every(({ table }, at) => Render.isSame(found[at]!.table, table))) return id
  }
  if (items.size !== expected.size) for (const id of items.keys()) if (!expected.has(id)) return id
  return undefined
}

/** The last line of defence: documents that do not say what they should are not written. */
export const verify = (
  before: Contents,
  { expected, writes }: Prepared,
  after: Contents
): Effect.Effect<void, NotWritable> => {
  const wrong = difference(after, expected)
  const broken = [...after.broken.keys()].find(
    (key) => !before.broken.has(key) || writes.some((write) => write.key === key)
  )
  if (wrong === undefined && broken === undefined) return Effect.void
  const key = broken ?? writes[0]?.key ?? ""
  const file = after.documents.find((document) => document.key === key)?.file ?? key
  const [section, name = ""] = (wrong ?? "basic").split("\n") as [Section, string?]
  return Effect.fail(
    new NotWritable({ section, name, file, reason: "something else in the document would be damaged" })
  )
}

/** Refuses to remove what other items refer to. */
export const checkReferences = Effect.fnUntraced(function* ({ removed }: Prepared, after: Contents) {
  if (removed.size === 0) return
  const [inUse] = yield* Slices.run(usersOf(after, removed))
  if (inUse === undefined) return
  const [id, users] = inUse
  const [section, name = ""] = id.split("\n") as [Section, string?]
  return yield* new ItemInUse({ section, name, users })
})

/** Refuses errors that were not there before: whoever corrects one mistake need not correct all. */
export const checkFindings = Effect.fnUntraced(function* (decoder: Decoder, before: Contents, prepared: Prepared) {
  const after = yield* Slices.run(decoder.decode(prepared.documents))
  if (Result.isSuccess(after)) return
  const known = new Set(errorsOf(yield* Slices.run(decoder.decode(before.documents))).map(signature))
  const diagnostics = errorsOf(after).filter((error) => !known.has(signature(error)))
  if (diagnostics.length > 0) return yield* new WriteRejected({ diagnostics })
})

/**
 * Refuses to replace or remove documents that nobody has written as configuration: the place is a home directory, or
 * the root of an etcd that others use.
 */
export const checkForeign = (
  { broken, documents, items, withOthers }: Contents,
  writes: Prepared["writes"],
  place: string
): Effect.Effect<void, ForeignDocument> => {
  const ours = new Set<string>()
  for (const found of items.values()) for (const { document } of found) ours.add(document.key)
  const lost = new Set(writes.map(({ key }) => key))
  const foreign = documents.find(
    ({ key }) => lost.has(key) && (withOthers.has(key) || (broken.has(key) && !ours.has(key)))
  )
  return foreign === undefined ? Effect.void : Effect.fail(new ForeignDocument({ place, file: foreign.file }))
}

/** The errors among findings. */
export const errorsOf = (decoded: Result.Result<unknown, ReadonlyArray<Diagnostic>>): ReadonlyArray<Diagnostic> =>
  Result.isFailure(decoded) ? decoded.failure.filter(({ severity }) => severity === "error") : []

// Places move when something above them changes.
const signature = ({ message, path }: Diagnostic): string => `${path} ${message.replace(/:\d+:\d+/g, "")}`
