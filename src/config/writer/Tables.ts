/**
 * A whole configuration as values, for whoever imports one that is no text.
 */
import * as Effect from "effect/Effect"
import { NAMED_SECTIONS } from "../ConfigSchema.ts"
import type { Section, Table } from "../Draft.ts"
import * as Render from "../format/TomlRender.ts"
import type { Change } from "./Changes.ts"
import { NotWritable } from "./WriteError.ts"

/** A whole configuration as values. */
export type Tables = { readonly basic?: Record<string, unknown> } & {
  readonly [S in Exclude<Section, "basic">]?: Readonly<Record<string, Record<string, unknown>>>
}

/** The changes that save every item of a configuration, in the order in which the reference writes sections. */
export const changesOf = (content: Table): ReadonlyArray<Change> =>
  (["basic", ...NAMED_SECTIONS] as const).flatMap((section): ReadonlyArray<Change> => {
    const found = content[section]
    if (!Render.isTable(found)) return []
    if (section === "basic") return [{ section, name: "", table: found }]
    return Object.entries(found).map(([name, table]) => ({ section, name, table: Render.isTable(table) ? table : {} }))
  })

/** A configuration as one text. */
export const renderAll = (content: Tables, file: string): Effect.Effect<string, NotWritable> => {
  const texts: Array<string> = []
  for (const { name, section, table } of changesOf(content)) {
    const cleaned = Render.clean(table ?? {})
    if (cleaned instanceof Render.NotToml) {
      const reason = `${cleaned.path.join(".")} ${cleaned.message}`.trim()
      return Effect.fail(new NotWritable({ section, name, file, reason }))
    }
    texts.push(Render.table(section === "basic" ? [section] : [section, name], cleaned, Render.styleOf("")))
  }
  return Effect.succeed(texts.join("\n"))
}
