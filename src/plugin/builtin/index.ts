/** Everything in a default build: the plugins, and the instances that need no configuration. Spec: plugins 1.6, 5. */
import type { Table } from "../Check.ts"
import { BasicAuth } from "./BasicAuth.ts"
import { Directory } from "./Directory.ts"
import { Mock } from "./Mock.ts"
import { Ping } from "./Ping.ts"
import { Redirect } from "./Redirect.ts"
import { RequestId } from "./RequestId.ts"
import { ResponseHeaders } from "./ResponseHeaders.ts"
import { SubFilter } from "./SubFilter.ts"

/** The plugins of a default build. */
export const builtins = [BasicAuth, Directory, Mock, Ping, Redirect, RequestId, ResponseHeaders, SubFilter] as const

/** Categories of the reference without a plugin in this version. A configuration may name them. Spec: plugins 1.6. */
export const notThereYet: ReadonlySet<string> = new Set([
  "accept_encoding",
  "admin",
  "cache",
  "combined_auth",
  "compression",
  "cors",
  "csrf",
  "forward_auth",
  "geo_restriction",
  "image_optim",
  "ip_restriction",
  "jwt",
  "key_auth",
  "limit",
  "referer_restriction",
  "stats",
  "traffic_splitting",
  "ua_restriction"
])

export type Builtin = (typeof builtins)[number]

/** An instance that exists without configuration. */
export interface BuiltinInstance {
  readonly name: string
  readonly table: Table
}

/** What locations may name without configuration. A table of the same name does not replace it. */
export const builtinInstances: ReadonlyArray<BuiltinInstance> = [
  { name: "pingap:ping", table: { category: "ping", path: "/ping" } },
  { name: "pingap:requestId", table: { category: "request_id" } }
]
