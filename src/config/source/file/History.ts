/**
 * Earlier texts of documents: before a text is replaced or removed, it is kept in a folder beside the configuration,
 * `<path>-history/<key>-<seconds>` with `-` for the `/` of the key. Spec: config 1.3.
 *
 * Here it works in every layout, two saves in one second are two versions, and old versions go. The folder and its
 * files are readable by their owner alone: what was a secret once may still be one.
 */
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import type { FileSystemCalls } from "../../../platform/FileSystem.ts"
import type { Version } from "../../ConfigStore.ts"
import type { Address } from "./Address.ts"
import { unreadable } from "./Failure.ts"
import type { Held } from "./Lock.ts"
import { makeFolders, remove, save } from "./Save.ts"
import * as Text from "./Text.ts"

/** Versions that are kept of a document. */
export const MAX_KEPT = 100

/** Versions that are given back. */
const MAX_GIVEN = 10

const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

interface Kept {
  readonly name: string
  /** What follows the key: seconds, and a number when there are several of one second. */
  readonly id: string
  readonly seconds: number
  readonly number: number
}

/** A text that is about to be replaced. */
export interface Replaced {
  readonly key: string
  readonly text: string
}

/** Where the versions of all documents are. */
export const folderOf = ({ path }: Address): string => `${path}-history`

/** What stands for a document in the names of its versions. A single file goes by its own name. */
const stemOf = ({ path }: Address, key: string): string => (key === "" ? basename(path) : key.replaceAll("/", "-"))

/** Keeps texts that are about to be replaced, and lets go of the oldest ones. */
export const keep = Effect.fnUntraced(function* (
  fs: FileSystemCalls,
  held: Held,
  address: Address,
  replaced: ReadonlyArray<Replaced>,
  seconds: number
) {
  if (replaced.length === 0) return
  const folder = folderOf(address)
  yield* makeFolders(fs, folder, FOLDER_MODE)
  const kept = yield* list(fs, address)
  for (const { key, text } of replaced) {
    const stem = stemOf(address, key)
    const versions = kept.get(stem) ?? []
    const last = versions.find((version) => version.seconds === seconds)
    const id = last === undefined ? `${seconds}` : `${seconds}.${last.number + 1}`
    yield* save(fs, held, join(folder, `${stem}-${id}`), text, { mode: FILE_MODE })
    for (const { name } of versions.slice(MAX_KEPT - 1)) yield* remove(fs, join(folder, name))
  }
  yield* fs.syncFolder(folder)
})

/** The newest versions of a document, newest first. */
export const read = Effect.fnUntraced(function* (fs: FileSystemCalls, address: Address, key: string) {
  const folder = folderOf(address)
  const kept = yield* Effect.mapError(list(fs, address), (error) => unreadable(folder, error))
  const versions: Array<Version> = []
  for (const { id, name, seconds } of (kept.get(stemOf(address, key)) ?? []).slice(0, MAX_GIVEN)) {
    const path = join(folder, name)
    const info = yield* Effect.mapError(fs.stat(path), (error) => unreadable(path, error))
    const text = yield* Text.read(fs, { file: path, path, size: info.size, identity: info.identity })
    if (text !== null) versions.push({ id, replacedAt: seconds, text })
  }
  return versions
})

/** All versions by the stem of their names, newest first. */
const list = (fs: FileSystemCalls, address: Address) =>
  fs.list(folderOf(address)).pipe(
    Effect.map((entries) => {
      const kept = new Map<string, Array<Kept>>()
      for (const { name } of entries) {
        const [, stem, id, seconds, number = 0] = /^(.+)-((\d+)(?:\.(\d+))?)$/s.exec(name) ?? []
        if (stem === undefined || id === undefined) continue
        const versions = kept.get(stem) ?? []
        kept.set(stem, versions)
        versions.push({ name, id, seconds: Number(seconds), number: Number(number) })
      }
      for (const versions of kept.values()) versions.sort((a, b) => b.seconds - a.seconds || b.number - a.number)
      return kept
    }),
    Effect.catchIf(
      ({ code }) => code === "ENOENT",
      () => Effect.succeed(new Map<string, Array<Kept>>())
    )
  )
