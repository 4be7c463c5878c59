/**
 * Changes one table of a TOML text, `[section.name]` or `[basic]`, and leaves everything else as it was written:
 * comments, order, layout, line ends. Inside the table, keys that keep their value keep their text.
 *
 * It does not matter how the table is written: with a header, several of them, dotted keys or inline. What comes out
 * is compared with what should: the same configuration with the one change. When an edit in place does not give that,
 * the table is written anew; when that does not either, the text is refused. A damaged text never comes out.
 */
import { now, type Sliced } from "../../model/Sliced.ts"
import { formatPath } from "../Diagnostic.ts"
import * as Toml from "./Toml.ts"
import { contentEnd, outline, type Part, startsWith } from "./TomlOutline.ts"
import { pairsOf } from "./TomlPairs.ts"
import * as Render from "./TomlRender.ts"
import { get, plan, put } from "./TomlSurgery.ts"
import { applyAll, type Edit } from "./TomlValueEdit.ts"

/** `["locations", "root"]`, or one name for a table at the top. */
export type ItemPath = readonly [section: string, name?: string]

type Path = ReadonlyArray<string>

export interface EditOptions {
  /** The text is known to be valid TOML: what the change leaves alone is not parsed. Default: it is checked. */
  readonly isValid?: boolean
}

/** The text with a table replaced, or added behind the last one of its section. */
export const set = (
  text: string,
  path: ItemPath,
  table: Render.Table,
  options?: EditOptions
): string | Toml.TomlError => now(edit(text, path, table, options))

/** The text without a table, and without the comments directly above it. */
export const remove = (text: string, path: ItemPath, options?: EditOptions): string | Toml.TomlError =>
  now(edit(text, path, undefined, options))

/** The text with a table replaced or added, or removed when it is `undefined`; in slices. */
export function* edit(
  text: string,
  itemPath: ItemPath,
  table: Render.Table | undefined,
  { isValid = false }: EditOptions = {}
): Sliced<string | Toml.TomlError> {
  const path = itemPath.flatMap((name) => (name === undefined ? [] : [name]))
  const cleaned = table === undefined ? undefined : Render.clean(table)
  if (cleaned instanceof Render.NotToml) {
    return new Toml.TomlError(`${formatPath([...path, ...cleaned.path])} ${cleaned.message}`, 1, 1)
  }
  if (!isValid) {
    const parsed = Toml.parse(text)
    if (parsed._tag === "TomlError") return parsed
  }
  const before = { text, parts: yield* outline(text) }
  for (const isRewrite of [false, true]) {
    const edits = plan(text, before.parts, { path, table: cleaned, isRewrite })
    const next = applyAll(text, edits)
    yield
    if (isExpected(before, { text: next, parts: yield* outline(next) }, edits, path, cleaned)) return next
  }
  const parsed = Toml.parse(text)
  const { column, line } = parsed._tag === "TomlError" ? parsed : parsed.positions.locate(path).span
  const message = `${formatPath(path)} cannot be changed where it stands: give it a header of its own`
  return new Toml.TomlError(message, line, column)
}

interface Outlined {
  readonly text: string
  readonly parts: ReadonlyArray<Part>
}

/** Whether a text says what it said before, and the wanted table. */
const isExpected = (
  before: Outlined,
  after: Outlined,
  edits: ReadonlyArray<Edit>,
  path: Path,
  table: Render.Table | undefined
): boolean => {
  if (!isApart(before, path) || !isApart(after, path)) return isExpectedAsAWhole(before.text, after.text, path, table)
  const own = after.parts.filter(({ header }) => isOwn(header, path))
  const parsed = Toml.parse(own.map(({ end, start }) => after.text.slice(start, end)).join("\n"))
  if (parsed._tag === "TomlError" || !Render.isSame(get(parsed.value, path), table)) return false
  return areOthersUntouched(before, after, edits, path)
}

const areOthersUntouched = (before: Outlined, after: Outlined, edits: ReadonlyArray<Edit>, path: Path): boolean => {
  const from = Math.min(...edits.map(({ start }) => start))
  const to = Math.max(...edits.map(({ end }) => end))
  const shift = after.text.length - before.text.length
  let at = 0
  for (const part of before.parts) {
    if (isOwn(part.header, path)) continue
    while (at < after.parts.length && isOwn(after.parts[at]!.header, path)) at++
    const other = after.parts[at++]
    if (other === undefined) return false
    // Where nothing was edited it is enough that the text is still cut at the same places.
    const moved = part.end <= from ? 0 : part.start >= to ? shift : undefined
    const isSameCut = moved !== undefined && other.start === part.start + moved && other.end === part.end + moved
    if (!isSameCut && contentOf(before.text, part) !== contentOf(after.text, other)) return false
  }
  return after.parts.slice(at).every(({ header }) => isOwn(header, path))
}

const isOwn = (header: Path, path: Path): boolean => header.length > 0 && startsWith(header, path)

/** Whether a table is written under headers of its own: then nothing else in the text can be about it. */
const isApart = ({ parts, text }: Outlined, path: Path): boolean =>
  parts.every((part) => {
    if (isOwn(part.header, path) || !startsWith(path, part.header)) return true
    const { element, header } = part
    return !element && pairsOf(text, part).every(({ keys }) => keys[0] !== path[header.length])
  })

// Without the comments and empty lines behind it, which may be those of the table that was changed.
const contentOf = (text: string, part: Part): string => text.slice(part.start, contentEnd(text, part)).trimEnd()

const isExpectedAsAWhole = (before: string, after: string, path: Path, table: Render.Table | undefined): boolean => {
  const [was, is] = [Toml.parse(before), Toml.parse(after)]
  if (was._tag === "TomlError" || is._tag === "TomlError") return false
  if (!Render.isSame(get(is.value, path), table)) return false
  return Render.isSame(withoutEmpty(put(was.value, path, table), path), withoutEmpty(is.value, path))
}

// A section without tables is the same as none.
const withoutEmpty = (value: unknown, path: Path): unknown => {
  const section = get(value, path.slice(0, 1))
  const isEmpty = path.length > 1 && Render.isTable(section) && Object.keys(section).length === 0
  return isEmpty ? put(value, path.slice(0, 1), undefined) : value
}
