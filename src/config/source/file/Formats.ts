/**
 * The formats that files may have, by extension. TOML is read as it is, and is what is written; a text in another
 * format is turned into TOML and cannot be saved. Spec: config 1.2, 13, 14.
 */
import * as Effect from "effect/Effect"
import { ConfigSourceError } from "../../ConfigSource.ts"
import type { StoredDocument } from "../../ConfigStore.ts"

/** Extensions of configuration in a folder. The first of which there is a file is the format of the folder. */
export const EXTENSIONS: ReadonlyArray<string> = [".toml", ".hcl", ".kdl"]

/** Extensions of what can only be read. A file with another one is TOML, whatever it is called. */
export const READ_ONLY: ReadonlySet<string> = new Set([".hcl", ".kdl"])

const isToml = ({ file }: StoredDocument): boolean => !READ_ONLY.has(file.slice(file.lastIndexOf(".")))

/** Turns documents into TOML, each text once. What reads other formats is loaded when there is one. */
export class Formats {
  private known: ReadonlyMap<StoredDocument, StoredDocument> = new Map()

  toToml(documents: ReadonlyArray<StoredDocument>): Effect.Effect<ReadonlyArray<StoredDocument>> {
    if (documents.every(isToml)) return Effect.succeed(documents)
    return Effect.gen({ self: this }, function* () {
      const fresh = documents.filter((document) => !this.known.has(document))
      const conversion = yield* Effect.promise(() => import("../../format/Conversion.ts"))
      const converted = yield* conversion.toToml(fresh)
      const known = new Map(fresh.map((document, index) => [document, { ...document, ...converted[index] }]))
      for (const document of documents) known.set(document, known.get(document) ?? this.known.get(document)!)
      this.known = known
      return documents.map((document) => known.get(document)!)
    })
  }
}

/** The refusal to save what only can be read. */
export const readOnly = (file: string, extension: string): ConfigSourceError =>
  new ConfigSourceError({
    file,
    message: `${extension.slice(1).toUpperCase()} configuration can only be read, nothing was saved`,
    hint: "convert it to TOML to change it from here: --sync"
  })
