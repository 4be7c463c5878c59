/**
 * Field values of the configuration that depend on the request: `$host`, `$http_origin`, `:connection_id` and their
 * like. Spec: config 7.7, plugins 2.9.
 *
 * A value is dynamic only when all of it is one reference; everything else is literal text. What can be known when the
 * configuration is built (machine name, environment) is resolved then.
 */
import { isName, isValue } from "../model/Fields.ts"
import * as IpRules from "../model/IpRules.ts"
import { contextValue } from "./ContextValue.ts"
import type { Exchange } from "./Exchange.ts"

/** The value for one exchange; `undefined` when there is none, the field is then left out. */
export type Resolve = (exchange: Exchange) => string | undefined

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Prepares a configured value. The result is text when it is the same for every request; the caller has checked that
 * literal text is a valid field value, everything resolved here is valid.
 */
export const compile = (value: string, hostname: string, env: Environment): string | Resolve => {
  if (value.startsWith(":")) {
    const read = contextValue(value.slice(1))
    // Text that names no context value is only text.
    return read === undefined ? value : (exchange) => present(read(exchange))
  }
  if (!value.startsWith("$")) return value
  const name = value.slice(1)
  if (name === "hostname") return hostname
  if (Object.hasOwn(CONNECTION, name)) return CONNECTION[name]!
  if (name.startsWith("http_") && isName(name.slice(5))) return requestField(name.slice(5).toLowerCase())
  return ENVIRONMENT_NAME.test(name) ? environment(env, name) : value
}

const present = (text: string): string | undefined => (text === "" ? undefined : text)

const port = (number: number): string | undefined => (number === 0 ? undefined : String(number))

/**
 * The `X-Forwarded-For` to send on: what a trusted peer sent, all lines of it, and the peer. The codec removes the
 * field when the peer is not trusted.
 */
const forwardedFor: Resolve = (exchange) => {
  const peer = IpRules.plain(exchange.client.remoteAddress)
  if (!exchange.fields.has("x-forwarded-for")) return present(peer)
  const elements = exchange.fields.getAll("x-forwarded-for").filter((line) => line !== "")
  if (peer !== "") elements.push(peer)
  return present(elements.join(", "))
}

const CONNECTION: Readonly<Record<string, Resolve>> = {
  host: (exchange) => present(exchange.host),
  scheme: (exchange) => exchange.scheme,
  remote_addr: (exchange) => present(IpRules.plain(exchange.client.remoteAddress)),
  remote_port: (exchange) => port(exchange.client.remotePort),
  server_addr: (exchange) => present(IpRules.plain(exchange.client.localAddress)),
  server_port: (exchange) => port(exchange.client.localPort),
  upstream_addr: (exchange) => present(exchange.upstreamAddress),
  proxy_add_x_forwarded_for: forwardedFor
}

const ENVIRONMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

const requestField = (name: string): Resolve => {
  const dashed = name.replaceAll("_", "-")
  if (dashed === name) return (exchange) => exchange.fields.get(name)
  // Underscores stand for dashes when there is no field as it is written.
  return (exchange) => exchange.fields.get(name) ?? exchange.fields.get(dashed)
}

const environment = (env: Environment, name: string): string | Resolve => {
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  return value === undefined || value === "" || !isValue(value) ? unresolved : value
}

const unresolved: Resolve = () => undefined
