/**
 * What a writer leaves behind that did not come to its end: new files that were not renamed yet. They hold texts of
 * the configuration, so they must not lie around, and a writer that only slept must not rename them any more.
 */
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import type { FileSystemCalls } from "../../../platform/FileSystem.ts"
import type { Address } from "./Address.ts"
import { folderOf } from "./History.ts"
import { isTemporaryOf } from "./Names.ts"

const MAX_DEPTH = 16

/** Removes what the holder of a lock left beside a file, or below a folder. Behind links nothing is looked for. */
export const sweep = Effect.fnUntraced(function* (
  fs: FileSystemCalls,
  address: Address,
  { isSingle, target }: { readonly isSingle: boolean; readonly target: string },
  token: string
) {
  yield* visit(fs, isSingle ? dirname(target) : target, token, isSingle ? 0 : MAX_DEPTH)
  yield* visit(fs, folderOf(address), token, 0)
})

const visit: (fs: FileSystemCalls, folder: string, token: string, depth: number) => Effect.Effect<void> =
  Effect.fnUntraced(function* (fs, folder, token, depth) {
    for (const { kind, name } of yield* Effect.orElseSucceed(fs.list(folder), () => [])) {
      const path = join(folder, name)
      if (isTemporaryOf(token, name)) yield* Effect.ignore(fs.remove(path))
      else if (kind === "folder" && depth > 0 && !name.startsWith(".")) yield* visit(fs, path, token, depth - 1)
    }
  })
