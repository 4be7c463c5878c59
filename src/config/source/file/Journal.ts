/**
 * The journal of a commit of several documents: one hidden file with all new texts. Its appearance is the moment of
 * the commit. From then on every reader reads the documents as if it had been carried out, and it is carried out at
 * once, or by the next commit if this process or the machine is gone by then.
 *
 * It says of each document what it was and what it becomes. A document that is neither has been edited since by
 * somebody who does not know of journals; theirs is the newer word, and is left alone.
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { FileError, FileSystemCalls } from "../../../platform/FileSystem.ts"
import { ConfigSourceError } from "../../ConfigSource.ts"
import { unreadable } from "./Failure.ts"
import { JOURNAL, problemOfKey } from "./Names.ts"

// What reads a journal carries it out: it must not lead out of the folder, whoever wrote it.
const Key = Schema.String.check(Schema.makeFilter((key) => problemOfKey(key) === null))

const Change = Schema.Struct({
  key: Key,
  /** The new text, or null for a document that is removed. */
  text: Schema.NullOr(Schema.String),
  /** Revisions before and after; null where there is no document. */
  before: Schema.NullOr(Schema.String),
  after: Schema.NullOr(Schema.String)
})

/** What becomes of one document. */
export type Change = typeof Change.Type

const Content = Schema.fromJsonString(Schema.Struct({ version: Schema.Literal(1), changes: Schema.Array(Change) }))

const decode = Schema.decodeUnknownEffect(Content)

/** Largest journal that is written or read. */
export const MAX_BYTES = 256 * 1024 * 1024

/** The text of a journal. */
export const format = (changes: ReadonlyArray<Change>): string => JSON.stringify({ version: 1, changes })

/** What tells one journal of a folder from another, or null when there is none. */
export const identify = (fs: FileSystemCalls, folder: string): Effect.Effect<string | null, ConfigSourceError> => {
  const path = join(folder, JOURNAL)
  return Effect.catch(
    Effect.map(fs.inspect(path), ({ identity }) => identity),
    (error) => (isMissing(error) ? Effect.succeed(null) : Effect.fail(unreadable(path, error)))
  )
}

/** The commit that a folder's journal tells of, or null when there is none. */
export const load = Effect.fnUntraced(function* (fs: FileSystemCalls, folder: string) {
  const path = join(folder, JOURNAL)
  const bytes = yield* Effect.catch(
    Effect.map(fs.readOwn(path, MAX_BYTES), ({ bytes }): Buffer | null => bytes),
    (error) => (isMissing(error) ? Effect.succeed(null) : Effect.fail(unreadable(path, error)))
  )
  if (bytes === null) return null
  const { changes } = yield* Effect.mapError(
    decode(bytes.toString("utf8")),
    () =>
      // Written in one piece and renamed, so this is not a crash of ours. The cause would show the texts.
      new ConfigSourceError({
        file: path,
        message: "journal of a save that was not finished cannot be read",
        hint: "check the documents in the folder, then remove the journal"
      })
  )
  return changes
})

const isMissing = ({ code }: FileError): boolean => code === "ENOENT" || code === "ENOTDIR"
