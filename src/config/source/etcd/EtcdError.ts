/**
 * What can go wrong between us and etcd, and how it is told: which endpoint, what happened, what helps. Names of users,
 * passwords, tokens and texts of documents are in none of it.
 */
import * as Data from "effect/Data"
import { ConfigSourceError } from "../../ConfigSource.ts"
import { Code, type Failure } from "./Wire.ts"

/** An endpoint that gave no answer. */
export class Unreachable extends Data.TaggedError("Unreachable")<{
  readonly endpoint: string
  readonly reason: string
  readonly hint?: string | undefined
  /** Whether the request may have been carried out all the same. */
  readonly inDoubt: boolean
  /** Whether it was sent on a connection that had been idle, and that etcd may have closed meanwhile. */
  readonly wasIdle: boolean
}> {}

/** None of the endpoints gave an answer. */
export class AllUnreachable extends Data.TaggedError("AllUnreachable")<{
  readonly attempts: ReadonlyArray<Unreachable>
  /** Whether the request may have been carried out all the same. */
  readonly inDoubt: boolean
}> {
  override get message(): string {
    return `etcd cannot be reached: ${this.attempts.map(({ endpoint, reason }) => `${endpoint} ${reason}`).join("; ")}`
  }

  get hint(): string | undefined {
    return this.attempts.find(({ hint }) => hint !== undefined)?.hint
  }
}

/** An answer that says no. */
export class Refused extends Data.TaggedError("Refused")<{
  readonly code: number
  readonly message: string
  readonly hint?: string | undefined
}> {}

/** A watch that etcd ended: it wanted revisions that are gone, or it may not watch. */
export class WatchEnded extends Data.TaggedError("WatchEnded")<{
  readonly message: string
  /** Oldest revision that there is, when that is the reason; else 0. */
  readonly compactRevision: number
}> {}

/** Why etcd did not do what it was asked for. */
export type EtcdError = AllUnreachable | Refused

/** The refusal that a failure means. */
export const refused = ({ code, message }: Failure): Refused => {
  const said = message.replace(/^etcdserver: /, "")
  return new Refused({ code, message: `etcd says: ${said}`, hint: hintFor(code, said) })
}

/** Which failures say that the token is not, or no longer, good. */
export const isTokenTrouble = ({ code, message }: Failure): boolean =>
  code === Code.unauthenticated ||
  /invalid auth token|user name is empty|revision (?:in header|of auth store) is old/.test(message)

/** Which failures another member of the cluster may not have. */
export const isUnavailable = ({ code }: Failure): boolean => code === Code.unavailable

const hintFor = (code: number, said: string): string | undefined => {
  if (code === Code.denied) return "grant the user's role this key prefix: etcdctl role grant-permission --prefix=true"
  if (said.includes("user name is empty")) return "add user=NAME&password=$ENV:VARIABLE to the address"
  if (said.includes("database space exceeded")) return "compact and defragment etcd, then: etcdctl alarm disarm"
  if (said.includes("request is too large")) return "raise --max-request-bytes of etcd, or make the document smaller"
  return undefined
}

/** The error as a source tells it. `file` is the document or the place that it is about. */
export const toSourceError = (file: string, error: EtcdError): ConfigSourceError => {
  const { hint, message } = error
  return new ConfigSourceError({ file, message, ...(hint === undefined ? undefined : { hint }) })
}
