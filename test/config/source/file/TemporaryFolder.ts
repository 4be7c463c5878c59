/** A folder on the real disk for the tests of a file, and what they need to write in it. */
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, beforeEach } from "@effect/vitest"

/** Paths in a folder that is new for every test of the file. */
export const temporaryFolder = () => {
  let root = ""
  beforeEach(() => {
    root = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "pingap-config-")))
  })
  afterEach(() => {
    fs.rmSync(root, { recursive: true, force: true })
  })
  const at = (...parts: ReadonlyArray<string>): string => join(root, ...parts)
  return {
    at,
    write: (path: string, text: string): string => {
      fs.mkdirSync(dirname(at(path)), { recursive: true })
      fs.writeFileSync(at(path), text)
      return at(path)
    },
    /** Replaces a file as editors do. */
    replace: (path: string, text: string): void => {
      fs.writeFileSync(at(`${path}~`), text)
      fs.renameSync(at(`${path}~`), at(path))
    },
    link: (target: string, path: string): void => {
      fs.mkdirSync(dirname(at(path)), { recursive: true })
      fs.symlinkSync(target, at(path))
    },
    /** Lets a link lead elsewhere in one step, as mounted config maps do. */
    relink: (target: string, path: string): void => {
      fs.symlinkSync(target, at(`${path}.new`))
      fs.renameSync(at(`${path}.new`), at(path))
    },
    remove: (path: string): void => fs.rmSync(at(path), { recursive: true }),
    text: (path: string): string => fs.readFileSync(at(path), "utf8"),
    mode: (path: string): number => fs.statSync(at(path)).mode & 0o777,
    /** Every path below, also the hidden ones. */
    list: (path = ""): ReadonlyArray<string> =>
      fs
        .readdirSync(at(path), { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(at(path).length + 1))
        .sort()
  }
}
