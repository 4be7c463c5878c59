/**
 * Who holds a lock: a process that can be recognised from another, and asked for whether it still runs.
 *
 * A process id alone is not enough. Ids are used again, in a container most processes have the id 1, and machines and
 * containers that share a folder may share a host name. So the holder says when its process was started, and in which
 * namespace of which system its id counts, as far as the system tells.
 */
import { readFileSync, readlinkSync } from "node:fs"
import { hostname } from "node:os"
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"

export const Holder = Schema.Struct({
  pid: Schema.Int,
  /** Name of the host, for people. */
  host: Schema.String,
  /** Names the run of the system, and the namespace of process ids in it; empty when it does not tell. */
  system: Schema.String,
  /** When the process was started, in the system's own terms; empty when it does not tell. */
  started: Schema.String,
  /** Names this one holding. */
  token: Schema.String
})

/** A process in the act of saving. */
export type Holder = typeof Holder.Type

/** What is known of a process. Of one on another machine nothing is. */
export type Fate = "running" | "gone" | "unknown"

/** The processes of this machine. */
export interface ProcessTable extends Omit<Holder, "token"> {
  readonly fateOf: (holder: Holder) => Fate
}

const startOf = (pid: number | "self"): string | undefined => {
  try {
    // Field 22; the second one is a name in parentheses that may hold anything.
    return readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\)/s, "").split(" ")[20]
  } catch {
    return undefined
  }
}

const systemName = (): string => {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`
  } catch {
    return ""
  }
}

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return cause instanceof Error && "code" in cause && cause.code !== "ESRCH"
  }
}

const processTable = (): ProcessTable => {
  const [host, system] = [hostname(), systemName()]
  return {
    pid: process.pid,
    host,
    system,
    started: startOf("self") ?? "",
    fateOf: (holder) => {
      if (holder.host !== host || holder.system !== system) return "unknown"
      if (!isRunning(holder.pid)) return "gone"
      const started = startOf(holder.pid)
      if (started === undefined || holder.started === "") return "unknown"
      return started === holder.started ? "running" : "gone"
    }
  }
}

/** The processes of this machine, unless a test says otherwise. */
export const Processes = Context.Reference<ProcessTable>("pingap/config/source/file/Processes", {
  defaultValue: processTable
})
