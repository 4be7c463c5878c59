/**
 * Compares what a client presents with configured secrets so that the time it takes says nothing about them. Spec:
 * plugins 2.10, hardening 10.
 *
 * Secrets are kept and compared as SHA-256 digests: all have one length, so neither the length of a secret nor the
 * number of right characters at its beginning shows. Every candidate is compared, also after a hit.
 */
import { hash, timingSafeEqual } from "node:crypto"

const digestOf = (bytes: Buffer): Buffer => hash("sha256", bytes, "buffer")

/** A fixed list of secrets. */
export class Secrets {
  private readonly digests: ReadonlyArray<Buffer>

  /** `secrets` as they stand in the configuration. */
  constructor(secrets: Iterable<string>) {
    this.digests = Array.from(secrets, (secret) => digestOf(Buffer.from(secret, "utf8")))
  }

  /**
   * Position of the secret that equals `presented`, -1 when there is none. `presented` is text from the wire, one
   * character per byte.
   */
  find(presented: string): number {
    const digest = digestOf(Buffer.from(presented, "latin1"))
    let found = -1
    for (let i = 0; i < this.digests.length; i++) if (timingSafeEqual(this.digests[i]!, digest)) found = i
    return found
  }

  has(presented: string): boolean {
    return this.find(presented) !== -1
  }
}

/** True when both texts are the same. For secrets that are made per request, such as signatures. */
export const equal = (a: string, b: string): boolean =>
  timingSafeEqual(digestOf(Buffer.from(a, "utf8")), digestOf(Buffer.from(b, "utf8")))
