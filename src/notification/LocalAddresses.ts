/**
 * Addresses of this machine as others see it: a reference, so that a test or an embedding program can answer
 * differently. They are asked for each time, because interfaces come and go.
 */
import * as os from "node:os"
import * as Context from "effect/Context"

export const LocalAddresses = Context.Reference<() => ReadonlyArray<string>>("pingap/notification/LocalAddresses", {
  defaultValue: () => () => {
    try {
      return of(os.networkInterfaces())
    } catch {
      // Some sandboxes forbid the question.
      return []
    }
  }
})

/** Every address but loopback, each once, IPv4 before IPv6. */
export const of = (interfaces: NodeJS.Dict<ReadonlyArray<os.NetworkInterfaceInfo>>): ReadonlyArray<string> => {
  const all = Object.values(interfaces).flatMap((addresses) => addresses ?? [])
  const outside = all.filter(({ internal }) => !internal)
  const family = (wanted: "IPv4" | "IPv6") => outside.filter(({ family }) => family === wanted)
  return [...new Set([...family("IPv4"), ...family("IPv6")].map(({ address }) => address))]
}
