/**
 * The keys that take effect only when the process starts anew: what was decided before the first listener opened, or
 * belongs to the process as the operating system sees it. Everything else takes effect while it runs. Spec: runtime 11.
 */
import { formatPath } from "./Diagnostic.ts"
import type { Diff } from "./Diff.ts"
import type { Section } from "./Draft.ts"
import * as Unsupported from "./Unsupported.ts"

/** Keys by section. Sections that are not here have none. */
export const RESTART_KEYS: Readonly<Partial<Record<Section, ReadonlySet<string>>>> = {
  basic: new Set(["threads", "pid_file", "upgrade_sock", "user", "group", "error_log"]),
  servers: new Set(["threads"])
}

export const isRestartKey = (section: Section, key: string): boolean => RESTART_KEYS[section]?.has(key) ?? false

/** Paths of what a difference changes and only a restart brings into effect, such as `basic.threads`. */
export const restartNeeded = (diff: Diff): ReadonlyArray<string> =>
  diff.modified.flatMap(({ changes, name, section }) =>
    changes
      // Of a key that has no effect at all, a warning has said so.
      .filter(({ key }) => isRestartKey(section, key) && !Unsupported.isReported(section, key))
      .map(({ key }) => formatPath(section === "basic" ? [section, key] : [section, name, key]))
  )
