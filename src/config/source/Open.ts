/**
 * From the value of `-c` to the source and the store behind it: etcd, a file, a folder. Spec: config 1.
 *
 * The etcd client is loaded when an address asks for it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ConfigSource, ConfigSourceError } from "../ConfigSource.ts"
import type { ConfigStore } from "../ConfigStore.ts"
import * as File from "./File.ts"

const ETCD = /^etcds?:\/\//

/** The source and the store at `conf`. */
export const layer = (conf: string): Layer.Layer<ConfigSource | ConfigStore, ConfigSourceError> =>
  ETCD.test(conf)
    ? Layer.unwrap(
        Effect.map(
          Effect.promise(() => import("./Etcd.ts")),
          (etcd) => etcd.layer(conf)
        )
      )
    : File.layer(conf)
