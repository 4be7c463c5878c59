/**
 * The whole configuration document as one schema, and the table of its sections.
 *
 * The document schema is what reference pages and the JSON Schema are generated from. Loading decodes item by item
 * instead ({@link SECTIONS}), so that one broken item hides no mistake of another. Spec: config 3 to 11.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Basic, type BasicConf } from "./schema/Basic.ts"
import { Certificate, type CertificateConf } from "./schema/Certificate.ts"
import { Location, type LocationConf } from "./schema/Location.ts"
import { Plugin, type PluginConf } from "./schema/Plugin.ts"
import { Server, type ServerConf } from "./schema/Server.ts"
import { Storage, type StorageConf } from "./schema/Storage.ts"
import { Upstream, type UpstreamConf } from "./schema/Upstream.ts"

export type { BasicConf, CertificateConf, LocationConf, PluginConf, ServerConf, StorageConf, UpstreamConf }

const named = <T, E>(item: Schema.Codec<T, E>) =>
  Schema.Record(Schema.String, item).pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed<Readonly<Record<string, T>>>({}))
  )

/** The document. Every section is optional; a missing `[basic]` has the defaults of its keys. */
export const ConfigSchema = Schema.Struct({
  basic: Basic.pipe(Schema.withDecodingDefaultKey(Effect.succeed({}))),
  servers: named(Server),
  locations: named(Location),
  upstreams: named(Upstream),
  plugins: named(Plugin),
  certificates: named(Certificate),
  storages: named(Storage)
}).annotate({ identifier: "PingapConfig", description: "A Pingap configuration document." })

/** A decoded configuration. Items are records by name without a prototype. */
export interface ProxyConfig {
  readonly basic: BasicConf
  readonly servers: Readonly<Record<string, ServerConf>>
  readonly locations: Readonly<Record<string, LocationConf>>
  readonly upstreams: Readonly<Record<string, UpstreamConf>>
  readonly plugins: Readonly<Record<string, PluginConf>>
  readonly certificates: Readonly<Record<string, CertificateConf>>
  readonly storages: Readonly<Record<string, StorageConf>>
}

/** The sections that hold items by name, in the order in which the reference writes them. */
export const NAMED_SECTIONS = ["servers", "upstreams", "locations", "plugins", "certificates", "storages"] as const

export type NamedSection = (typeof NAMED_SECTIONS)[number]

/** The schema of one item per section, and of `[basic]`. */
export const SECTIONS = {
  basic: Basic,
  servers: Server,
  locations: Location,
  upstreams: Upstream,
  plugins: Plugin,
  certificates: Certificate,
  storages: Storage
} as const

/** Keys that an item of a section may have, or `undefined` where any key may stand. */
export const KNOWN_KEYS: Readonly<Record<keyof typeof SECTIONS, ReadonlyArray<string> | undefined>> = {
  basic: Object.keys(Basic.fields),
  servers: Object.keys(Server.fields),
  locations: Object.keys(Location.fields),
  upstreams: Object.keys(Upstream.fields),
  plugins: undefined,
  certificates: Object.keys(Certificate.fields),
  storages: Object.keys(Storage.fields)
}
