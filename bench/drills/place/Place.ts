/** Where a configuration lives and how somebody changes it there. */
import type { Items } from "../Items.ts"

export interface Place {
  readonly name: string
  /** The value of `-c`. */
  readonly conf: string
  /** Port of the etcd that it is in, or 0. */
  readonly etcdPort: number
  /** Writes many items at once: in a single file, all of it is one write. */
  readonly fill: (items: Items) => Promise<void>
  /** Writes one item anew; null removes it. Done when whoever reads now sees it. */
  readonly put: (key: string, text: string | null) => Promise<void>
  readonly close: () => Promise<void>
}

/** Makes a place of its kind in a folder that does not exist yet. */
export interface PlaceKind {
  readonly name: string
  readonly open: (folder: string) => Promise<Place>
}
