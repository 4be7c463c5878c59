/** The files behind a TLS connection to etcd: read, and checked for fitting together, before anybody is asked. */
import { readFileSync } from "node:fs"
import type { RequestOptions } from "node:https"
import * as tls from "node:tls"
import * as Effect from "effect/Effect"
import { absolutePath } from "../../../platform/HomePath.ts"
import { ConfigSourceError } from "../../ConfigSource.ts"
import type { TlsSettings } from "./EtcdUrl.ts"
import { reasonOf } from "./Reasons.ts"

/** What a TLS connection is made with. */
export type TlsOptions = Pick<
  RequestOptions,
  "ca" | "cert" | "key" | "servername" | "rejectUnauthorized" | "minVersion"
>

/** Reads the files. `place` names the configuration when they do not fit together. */
export const load = (place: string, settings: TlsSettings): Effect.Effect<TlsOptions, ConfigSourceError> =>
  Effect.gen(function* () {
    const { ca, identity, serverName, verify } = settings
    const options: TlsOptions = {
      minVersion: "TLSv1.2",
      rejectUnauthorized: verify,
      ...(serverName === null ? undefined : { servername: serverName }),
      ...(ca === null ? undefined : { ca: yield* readPem("ca", ca) }),
      ...(identity === null
        ? undefined
        : { cert: yield* readPem("cert", identity.cert), key: yield* readPem("key", identity.key) })
    }
    // What does not fit together is found now, not with the first connection.
    yield* Effect.try({
      try: () => tls.createSecureContext(options),
      catch: (cause) =>
        new ConfigSourceError({
          file: place,
          message: `the TLS files cannot be used, ${reasonOf(cause)}`,
          hint: "ca, cert and key are PEM files, and key is the one of cert, without a passphrase"
        })
    })
    return options
  })

const readPem = (part: string, path: string): Effect.Effect<string, ConfigSourceError> =>
  Effect.try({
    try: () => {
      const text = readFileSync(absolutePath(path), "latin1")
      if (!text.includes("-----BEGIN ")) throw new Error("not PEM")
      return text
    },
    catch: (cause) =>
      new ConfigSourceError({
        file: path,
        message: `cannot be used as ${part}, ${reasonOf(cause)}`,
        hint: `${part} in the address of etcd is the path of a PEM file`
      })
  })
