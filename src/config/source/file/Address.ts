/**
 * What `-c` names when it names files: a path, `~` and all, and the query that concerns writing. Spec: config 1, 1.1.
 */
import * as Result from "effect/Result"
import { didYouMean } from "../../../model/Suggestion.ts"
import { absolutePath } from "../../../platform/HomePath.ts"
import { ConfigSourceError } from "../../ConfigSource.ts"

export interface Address {
  /** The path as it was written, for people. */
  readonly shown: string
  /** The absolute path. */
  readonly path: string
  /** Whether new items of a folder get a file each. */
  readonly separation: boolean
  readonly keepsHistory: boolean
}

const KEYS = ["separation", "enable_history"]

/**
 * Reads the value of `-c`. Keys of the query that mean nothing are let through, as the reference does, unless one of
 * ours was probably meant.
 */
export const parse = (value: string): Result.Result<Address, ConfigSourceError> => {
  const mark = value.indexOf("?")
  const shown = mark === -1 ? value : value.slice(0, mark)
  const query = new URLSearchParams(mark === -1 ? "" : value.slice(mark + 1))
  const history = query.get("enable_history")
  if (history !== null && history !== "true" && history !== "false") {
    const message = `enable_history is ${JSON.stringify(history)} and must be true or false`
    return Result.fail(new ConfigSourceError({ file: shown, message, hint: "check the query of the path after -c" }))
  }
  for (const key of query.keys()) {
    const meant = KEYS.includes(key) ? undefined : didYouMean(key, KEYS)
    if (meant === undefined) continue
    const message = `the query of the path has no key ${JSON.stringify(key)}`
    return Result.fail(new ConfigSourceError({ file: shown, message, hint: meant }))
  }
  return Result.succeed({
    shown,
    path: absolutePath(shown),
    separation: (query.get("separation") ?? "false") !== "false",
    keepsHistory: history === "true"
  })
}
