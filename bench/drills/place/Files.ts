/**
 * Configurations in files, changed in the ways in which people and their tools change files: written over, replaced by
 * a rename as editors do, one file of a folder, and the swapped link of a mounted config map.
 */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type { Place, PlaceKind } from "./Place.ts"

/** A file that is written over. */
export const inPlace: PlaceKind = files("file", {
  conf: (folder) => join(folder, "pingap.toml"),
  documentOf: () => "pingap.toml",
  write: writeFileSync
})

/** A file that another one is renamed over. */
export const renamed: PlaceKind = files("file, rename over", {
  conf: (folder) => join(folder, "pingap.toml"),
  documentOf: () => "pingap.toml",
  write: replace
})

/** A folder with a file per section. */
export const byType: PlaceKind = files("folder by type", {
  conf: (folder) => folder,
  documentOf: (key) => `${key.split("/")[0]}.toml`,
  write: writeFileSync
})

/** A folder with a file per item. */
export const byItem: PlaceKind = files("folder by item", {
  conf: (folder) => `${folder}?separation`,
  documentOf: (key) => `${key}.toml`,
  write: writeFileSync
})

/** A mounted config map that is named as a folder, as Kubernetes makes it. */
export const configMap: PlaceKind = linked("config map, folder", (folder) => folder)

/** The file in a mounted config map. */
export const configMapFile: PlaceKind = linked("config map, file", (folder) => join(folder, "pingap.toml"))

interface Kind {
  readonly conf: (folder: string) => string
  readonly documentOf: (key: string) => string
  readonly write: (file: string, text: string) => void
}

function files(name: string, { conf, documentOf, write }: Kind): PlaceKind {
  return {
    name,
    open: async (folder): Promise<Place> => {
      const documents = new Map<string, Map<string, string>>()
      const save = (document: string, how: Kind["write"]): void => {
        const file = join(folder, document)
        const text = [...(documents.get(document)?.values() ?? [])].join("\n")
        mkdirSync(dirname(file), { recursive: true })
        if (text === "") rmSync(file)
        else how(file, text)
      }
      const keep = (key: string, text: string | null): string => {
        const document = documentOf(key)
        const items = documents.get(document) ?? new Map<string, string>()
        documents.set(document, items)
        if (text === null) items.delete(key)
        else items.set(key, text)
        return document
      }
      return {
        name,
        conf: conf(folder),
        etcdPort: 0,
        fill: async (items) => {
          for (const [key, text] of items) keep(key, text)
          for (const document of documents.keys()) save(document, writeFileSync)
        },
        put: async (key, text) => save(keep(key, text), write),
        close: async () => rmSync(folder, { recursive: true, force: true })
      }
    }
  }
}

function replace(file: string, text: string): void {
  const fresh = join(dirname(file), ".pingap.toml.swp")
  writeFileSync(fresh, text)
  renameSync(fresh, file)
}

// pingap.toml → ..data/pingap.toml, ..data → ..2; a change makes ..3 and renames a link to it over ..data.
function linked(name: string, conf: (folder: string) => string): PlaceKind {
  return {
    name,
    open: async (folder): Promise<Place> => {
      const items = new Map<string, string>()
      let version = 0
      const publish = (): void => {
        const before = version
        const folderOf = (number: number): string => join(folder, `..data-${number}`)
        version++
        mkdirSync(folderOf(version), { recursive: true })
        writeFileSync(join(folderOf(version), "pingap.toml"), [...items.values()].join("\n"))
        symlinkSync(`..data-${version}`, join(folder, "..data_tmp"))
        renameSync(join(folder, "..data_tmp"), join(folder, "..data"))
        if (before === 0) symlinkSync("..data/pingap.toml", join(folder, "pingap.toml"))
        else rmSync(folderOf(before), { recursive: true })
      }
      return {
        name,
        conf: conf(folder),
        etcdPort: 0,
        fill: async (filled) => {
          for (const [key, text] of filled) items.set(key, text)
          publish()
        },
        put: async (key, text) => {
          if (text === null) items.delete(key)
          else items.set(key, text)
          publish()
        },
        close: async () => rmSync(folder, { recursive: true, force: true })
      }
    }
  }
}
