/**
 * Names of files: those that a commit makes for itself, which are hidden and never read as configuration, and those
 * that documents may have.
 */

/** What the names of our own files start with. */
const OWN = ".pingap-"

/** The commit that is being written out. See `Journal.ts`. */
export const JOURNAL = `${OWN}journal`

/** Whether a name is one of ours. */
export const isOwn = (name: string): boolean => name.startsWith(OWN)

/** Whether a name is that of a file which the holder of a lock had not renamed yet. See {@link temporaryName}. */
export const isTemporaryOf = (token: string, name: string): boolean =>
  name.startsWith(`${OWN}${token}.`) && name.endsWith(".tmp")

/** Whether a name is that of a lock that was taken away. */
export const isStaleLock = (name: string): boolean => isOwn(name) && name.endsWith(".stale")

/** Name of the lock on a folder, or on a single file in it. */
export const lockName = (file?: string): string => (file === undefined ? `${OWN}lock` : `${OWN}lock-${file}`)

/**
 * A name that nobody else has, for a file that will be renamed. It says by which lock, so that whoever takes the lock
 * away knows what to remove: a holder that only slept finds its new file gone, and renames nothing.
 */
export const temporaryName = (token: string): string => `${OWN}${token}.${crypto.randomUUID()}.tmp`

/** A name for a lock that is taken from a dead process. */
export const staleName = (): string => `${OWN}${crypto.randomUUID()}.stale`

/**
 * What is wrong with the key of a document in a folder, or null. A key that would leave the folder, or that would be
 * written and never read, is refused.
 */
export const problemOfKey = (key: string): string | null => {
  if (key.includes("\0") || key.includes("\\")) return "must not contain \\ or NUL"
  for (const part of key.split("/")) {
    if (part === "") return "must be relative and without empty parts"
    if (part.startsWith(".")) return "must not leave the folder or be hidden"
  }
  return key.endsWith(".toml") ? null : "must end with .toml"
}
