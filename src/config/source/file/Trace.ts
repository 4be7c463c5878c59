/**
 * Where a path really leads, and which names on the way decide it.
 *
 * Whoever wants to know about a change has to watch every link on the way, not only its end: mounted config maps are
 * changed by swapping a link in the middle, releases by swapping one at the start.
 */
import { basename, dirname, isAbsolute, join, parse, sep } from "node:path"
import * as Effect from "effect/Effect"
import type { FileSystemCalls } from "../../../platform/FileSystem.ts"

/** A name in a folder. */
export interface Point {
  readonly folder: string
  readonly name: string
}

export interface Trace {
  /** The path without links. What is missing of it is kept as it was written. */
  readonly end: string
  /** The links on the way, and the end, or the first name that is missing. */
  readonly points: ReadonlyArray<Point>
}

// The limit of Linux.
const MAX_LINKS = 40

/** Follows an absolute path. With `from`, a folder without links above it, only what comes below that is looked at. */
export const trace = Effect.fnUntraced(function* (fs: FileSystemCalls, path: string, from?: string) {
  const points: Array<Point> = []
  let at = from ?? parse(path).root
  let rest = path.slice(at.length).split(sep).filter(Boolean)
  let links = 0
  while (rest.length > 0) {
    const name = rest.shift()!
    if (name === ".") continue
    if (name === "..") {
      at = dirname(at)
      continue
    }
    const full = join(at, name)
    const target = yield* Effect.match(fs.readLink(full), {
      onFailure: () => undefined,
      onSuccess: (target) => target
    })
    if (target === undefined || ++links > MAX_LINKS) {
      points.push({ folder: at, name })
      return { end: join(full, ...rest), points }
    }
    if (target === null) {
      links--
      at = full
      continue
    }
    points.push({ folder: at, name })
    if (isAbsolute(target)) at = parse(target).root
    rest = [...target.split(sep).filter(Boolean), ...rest]
  }
  points.push({ folder: dirname(at), name: basename(at) })
  return { end: at, points }
})
