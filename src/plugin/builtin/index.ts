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
