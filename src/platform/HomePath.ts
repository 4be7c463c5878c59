/** Paths as configuration writes them. */
import { homedir } from "node:os"
import { join, resolve } from "node:path"

/** The absolute path, with `~` for the home directory. */
export const absolutePath = (path: string, home: string = homedir()): string =>
  resolve(path === "~" || path.startsWith("~/") ? join(home, path.slice(1)) : path)
