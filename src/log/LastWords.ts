/**
 * What writers still hold when the process exits without closing its scopes (`process.exit`, an uncaught exception) is
 * written synchronously. One listener for all writers.
 */
const pending = new Set<() => void>()

const sayAll = (): void => {
  for (const say of pending) {
    try {
      say()
    } catch {
      // Nobody is left who could be told.
    }
  }
}

/** Runs `say` when the process exits. Returns what takes it back. */
export const onExit = (say: () => void): (() => void) => {
  if (pending.size === 0) process.on("exit", sayAll)
  pending.add(say)
  return () => {
    if (pending.delete(say) && pending.size === 0) process.off("exit", sayAll)
  }
}
