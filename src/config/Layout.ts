/**
 * Which document holds which item: all in one, one per section, or one per item. Spec: config 1.1.
 *
 * Reading does not depend on it: whatever a folder or a key prefix holds is read. Writing keeps an item in the
 * document in which it stands; the layout decides where a new one goes, and where everything goes on import.
 */
import type { Section } from "./Draft.ts"

/** `single`: one document. `by-type`: `upstreams.toml`. `by-item`: `upstreams/<name>.toml`. */
export type Layout = "single" | "by-type" | "by-item"

/** Key of the only document of a single layout. */
export const SINGLE_KEY = ""

/** Key of the document for an item, relative to the folder or prefix. The name of `[basic]` is empty. */
export const keyOf = (layout: Layout, section: Section, name: string): string => {
  if (layout === "single") return SINGLE_KEY
  return layout === "by-type" || section === "basic" ? `${section}.toml` : `${section}/${name}.toml`
}
