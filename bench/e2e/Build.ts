/**
 * A copy of a built program for the length of the run, so that somebody who rebuilds meanwhile changes neither the
 * program nor half of its files under the measurement. Dependencies are linked, not copied.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from "node:fs"
import { dirname, join } from "node:path"
import { temporaryDirectory } from "./Processes.ts"

/** Copies the `dist` that `main` belongs to and returns the copy's `main`. */
export function freeze(name: string, main: string): string {
  const project = dirname(dirname(main))
  const copy = join(temporaryDirectory(), "build", name)
  mkdirSync(copy, { recursive: true })
  cpSync(dirname(main), join(copy, "dist"), { recursive: true })
  cpSync(join(project, "package.json"), join(copy, "package.json"))
  symlinkSync(join(project, "node_modules"), join(copy, "node_modules"))
  return join(copy, "dist", "main.js")
}

/** Whether a file of `source` is newer than the built `main`: yesterday's build is the commonest wrong measurement. */
export function isStale(main: string, source: string): boolean {
  const newest = readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .reduce((latest, file) => Math.max(latest, statSync(join(source, file)).mtimeMs), 0)
  return existsSync(main) && newest > statSync(main).mtimeMs
}
