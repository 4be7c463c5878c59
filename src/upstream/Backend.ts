/**
 * One address of an upstream: its connections, idle ones last-in first-out, and its counters.
 *
 * The most recently used connection is taken first, so that the least recently used ones age out when load falls.
 */
import * as Address from "../model/Address.ts"
import type { Http1Client } from "./Http1Client.ts"

export class Backend {
  /** Host name or address, or the path of a unix socket when `port` is 0. */
  readonly host: string
  readonly port: number
  readonly weight: number
  /** `host:port` as logs and fields show it. */
  readonly address: string
  readonly idle: Array<Http1Client> = []
  /** Open connections, idle and connecting ones included. */
  open = 0

  constructor(host: string, port: number, weight: number) {
    this.host = host
    this.port = port
    this.weight = weight
    this.address = port === 0 ? host : Address.formatHostPort(host, port)
  }
}
