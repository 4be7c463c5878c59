/**
 * The address of a configuration in etcd:
 *
 *   etcd://host1:port1,host2:port2/<prefix>?timeout=10s&user=U&password=P&enable_history=true&tls=true&ca=ca.pem
 *
 * Credentials stand in the query only, as text or as `$ENV:NAME`, which keeps them off the command line. A text with an
 * `@` before the query is refused, and an error never repeats a text that may hold a secret: it names the part. A
 * parameter that is nearly one of ours is an error, because a misspelt `tls` must not send a password in the clear;
 * other unknown ones are only listed. Spec: config 1.3.
 */
import * as Redacted from "effect/Redacted"
import * as Address from "../../../model/Address.ts"
import * as Duration from "../../../model/Duration.ts"
import { suggest } from "../../../model/Suggestion.ts"

/** A member of the cluster, or a proxy in front of it. */
export interface Endpoint {
  /** A name or an IP literal, IPv6 without brackets. */
  readonly host: string
  readonly port: number
  /** `host:port` for people. */
  readonly name: string
}

/** How a TLS connection is made. Files are PEM. */
export interface TlsSettings {
  /** File with the certificates that are trusted; null for those that Node trusts. */
  readonly ca: string | null
  /** Files with the certificate that is shown to etcd and its key. */
  readonly identity: { readonly cert: string; readonly key: string } | null
  /** Name that the server's certificate must have, when it is not the host. */
  readonly serverName: string | null
  /** Whether the server's certificate is checked. */
  readonly verify: boolean
}

export interface Credentials {
  readonly user: Redacted.Redacted<string>
  readonly password: Redacted.Redacted<string>
}

export interface EtcdUrl {
  /** Never empty. */
  readonly endpoints: ReadonlyArray<Endpoint>
  /** What keys begin with: empty, or with a slash in front and none at the end. */
  readonly prefix: string
  /** The address without its query. */
  readonly place: string
  /** Budget of one request over all endpoints. */
  readonly timeoutMillis: number
  readonly connectTimeoutMillis: number
  readonly credentials: Credentials | null
  readonly tls: TlsSettings | null
  /** Whether replaced documents are kept below `<prefix>-history/`. */
  readonly history: boolean
  /** How many parameters mean nothing here. They are not named: a piece of a password may look like one. */
  readonly ignored: number
}

/** Why a text is no address. Neither text repeats a secret. */
export class EtcdUrlError {
  readonly _tag = "EtcdUrlError"
  readonly message: string
  readonly hint: string

  constructor(message: string, hint: string) {
    this.message = message
    this.hint = hint
  }
}

/** What addresses of this source begin with. */
export const SCHEME = "etcd://"

const DEFAULT_PORT = 2379
const DEFAULT_TIMEOUT_MILLIS = 10_000
const DEFAULT_CONNECT_TIMEOUT_MILLIS = 5_000
// Timers of Node end there.
const MAX_MILLIS = 2 ** 31 - 1

/** The parameters that mean something. */
export const PARAMETERS = [
  "timeout",
  "connect_timeout",
  "user",
  "password",
  "enable_history",
  "tls",
  "tls_verify",
  "ca",
  "cert",
  "key",
  "server_name"
] as const

type Parameter = (typeof PARAMETERS)[number]
type Parameters = ReadonlyMap<Parameter, string>

/** Reads an address; `env` resolves `$ENV:NAME`. */
export const parse = (text: string, env: Readonly<Record<string, string | undefined>>): EtcdUrl | EtcdUrlError => {
  if (text.startsWith("etcds://")) return new EtcdUrlError("unknown scheme etcds", `write ${SCHEME}…?tls=true`)
  if (!text.startsWith(SCHEME)) return new EtcdUrlError("not an address of etcd", `begin it with ${SCHEME}`)
  const rest = text.slice(SCHEME.length)
  const question = rest.indexOf("?")
  const address = question === -1 ? rest : rest.slice(0, question)
  // A password with a slash or a question mark in it may end up in any part: with an `@` around, nothing is repeated.
  const mayTell = !rest.includes("@")
  if (address.includes("@")) {
    return new EtcdUrlError("credentials do not belong before the host", "write ?user=NAME&password=$ENV:VARIABLE")
  }
  const slash = address.indexOf("/")
  if (slash === -1) {
    return new EtcdUrlError(
      "the key prefix is missing",
      "write it after the hosts, for example etcd://host:2379/pingap"
    )
  }
  const endpoints = parseHosts(address.slice(0, slash), mayTell)
  if (endpoints instanceof EtcdUrlError) return endpoints
  const prefix = address.slice(slash).replace(/\/$/, "")
  const query = parseQuery(question === -1 ? "" : rest.slice(question + 1))
  if (query instanceof EtcdUrlError) return query
  const { ignored, parameters } = query

  const timeoutMillis = duration(parameters, "timeout", DEFAULT_TIMEOUT_MILLIS)
  if (timeoutMillis instanceof EtcdUrlError) return timeoutMillis
  const connectTimeoutMillis = duration(parameters, "connect_timeout", DEFAULT_CONNECT_TIMEOUT_MILLIS)
  if (connectTimeoutMillis instanceof EtcdUrlError) return connectTimeoutMillis
  const history = boolean(parameters, "enable_history") ?? false
  if (history instanceof EtcdUrlError) return history
  if (history && prefix === "") {
    return new EtcdUrlError("a history needs a key prefix", "write one after the hosts: etcd://host:2379/pingap?…")
  }
  const credentials = parseCredentials(parameters, env)
  if (credentials instanceof EtcdUrlError) return credentials
  const tls = parseTls(parameters)
  if (tls instanceof EtcdUrlError) return tls
  const place = `${SCHEME}${endpoints.map(({ name }) => name).join(",")}${prefix}`
  return { endpoints, prefix, place, timeoutMillis, connectTimeoutMillis, credentials, tls, history, ignored }
}

const parseHosts = (text: string, mayTell: boolean): ReadonlyArray<Endpoint> | EtcdUrlError => {
  const example = "write host:port, several separated by commas, without a scheme"
  const endpoints: Array<Endpoint> = []
  const items = text.split(",")
  for (const [index, item] of items.entries()) {
    const parsed = /\s/.test(item) ? new Address.AddressError("has blanks") : Address.parseUpstream(item, DEFAULT_PORT)
    if (parsed instanceof Address.AddressError || parsed.address.kind === "unix") {
      const shown = mayTell && item !== "" ? ` ${JSON.stringify(item)}` : ""
      const which = items.length === 1 ? "the host" : `host ${index + 1} of ${items.length}`
      return new EtcdUrlError(`${which}${shown} is not a host with a port`, example)
    }
    const { host, port } = parsed.address
    const name = Address.format(parsed.address)
    if (!endpoints.some((other) => other.name === name)) endpoints.push({ host, port, name })
  }
  return endpoints
}

interface Query {
  readonly parameters: Parameters
  readonly ignored: number
}

const parseQuery = (text: string): Query | EtcdUrlError => {
  const parameters = new Map<Parameter, string>()
  let ignored = 0
  for (const pair of text.split("&")) {
    const equals = pair.indexOf("=")
    // Every item has its own key here, with or without this parameter of folders.
    if (pair === "" || pair === "separation" || pair.startsWith("separation=")) continue
    // Without an equals sign nobody knows whether it is a name or the rest of a password with an ampersand.
    if (equals === -1) {
      return new EtcdUrlError("a parameter has no value", "write name=value, and %26 for & inside a value")
    }
    const name = pair.slice(0, equals)
    const value = decodeForm(pair.slice(equals + 1))
    if (!isParameter(name)) {
      const near = suggest(name, PARAMETERS)
      if (near !== undefined) return new EtcdUrlError(`unknown parameter ${name}`, `did you mean ${near}?`)
      ignored++
    } else if (parameters.has(name)) {
      return new EtcdUrlError(`parameter ${name} is given twice`, "give it once, and %26 for & inside a value")
    } else if (value === undefined) {
      return new EtcdUrlError(`parameter ${name} has a broken escape`, "write %25 for a percent sign")
    } else parameters.set(name, value)
  }
  return { parameters, ignored }
}

const isParameter = (name: string): name is Parameter => PARAMETERS.some((parameter) => parameter === name)

/** A value as forms encode it, which is how the reference reads it. */
const decodeForm = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text.replaceAll("+", " "))
  } catch {
    return undefined
  }
}

const duration = (parameters: Parameters, name: Parameter, fallback: number): number | EtcdUrlError => {
  const text = parameters.get(name)
  if (text === undefined) return fallback
  const millis = Duration.parse(text)
  return typeof millis === "number" && millis >= 1
    ? Math.min(millis, MAX_MILLIS)
    : new EtcdUrlError(`parameter ${name} is not a duration`, "write for example 10s or 500ms")
}

const boolean = (parameters: Parameters, name: Parameter): boolean | undefined | EtcdUrlError => {
  const text = parameters.get(name)
  if (text === undefined) return undefined
  if (text === "true" || text === "false") return text === "true"
  return new EtcdUrlError(`parameter ${name} is neither true nor false`, `write ${name}=true or ${name}=false`)
}

const REFERENCE = /^\$ENV:(.*)$/s

const parseCredentials = (
  parameters: Parameters,
  env: Readonly<Record<string, string | undefined>>
): Credentials | null | EtcdUrlError => {
  const values: Array<string> = []
  for (const name of ["user", "password"] as const) {
    const text = parameters.get(name) ?? ""
    const variable = REFERENCE.exec(text)?.[1]
    const value = variable === undefined ? text : env[variable]
    if (value === undefined || (variable !== undefined && value === "")) {
      const named = /^\w{1,64}$/.test(variable ?? "") ? ` ${variable}` : ""
      return new EtcdUrlError(`the environment variable${named} for ${name} is not set`, "set it, or check its name")
    }
    values.push(value)
  }
  const [user = "", password = ""] = values
  if (user === "" && password === "") return null
  if (user === "") return new EtcdUrlError("there is a password and no user", "add user=NAME")
  if (password === "") return new EtcdUrlError("there is a user and no password", "add password=$ENV:VARIABLE")
  return { user: Redacted.make(user), password: Redacted.make(password) }
}

const parseTls = (parameters: Parameters): TlsSettings | null | EtcdUrlError => {
  const enabled = boolean(parameters, "tls")
  if (enabled instanceof EtcdUrlError) return enabled
  const verify = boolean(parameters, "tls_verify")
  if (verify instanceof EtcdUrlError) return verify
  const [ca, cert, key, serverName] = (["ca", "cert", "key", "server_name"] as const).map(
    (name) => parameters.get(name) || null
  ) as [string | null, string | null, string | null, string | null]
  const meant = verify !== undefined || [ca, cert, key, serverName].some((value) => value !== null)
  if (enabled !== true) {
    return meant ? new EtcdUrlError("there are TLS parameters and TLS is off", "add tls=true") : null
  }
  if ((cert === null) !== (key === null)) {
    return new EtcdUrlError(`there is a ${cert === null ? "key and no cert" : "cert and no key"}`, "give both or none")
  }
  const identity = cert === null || key === null ? null : { cert, key }
  return { ca, identity, serverName, verify: verify ?? true }
}
