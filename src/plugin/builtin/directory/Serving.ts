/**
 * One request of a `directory` plugin while it waits for the disk: open, judge, read, answer, as one chain of callbacks.
 *
 * Owns what it opens until it hands it to the body of the response; from then on the exchange's end closes it at the
 * latest, whatever becomes of the response. {@link Serving.cancel} may come at any time.
 */
import type { BodySource, BodyStream } from "../../../proxy/Body.ts"
import { DONE, type Exchange } from "../../../proxy/Exchange.ts"
import type { LocalResponse } from "../../../proxy/Response.ts"
import { fromFile } from "../../BodyFromReadable.ts"
import * as Files from "./Files.ts"
import * as Heads from "./Heads.ts"
import * as Listing from "./Listing.ts"
import type { Target } from "./Target.ts"

/** A plugin's options, compiled. */
export interface Site {
  readonly root: Files.Root
  /** Path of the index file inside its directory. */
  readonly index: string
  readonly autoindex: boolean
  readonly heads: Heads.Heads
  /** Content up to this size is read before the response begins and sent as one piece. */
  readonly wholeBytes: number
  /** Bytes of one read of larger content. */
  readonly pieceBytes: number
}

const NOTHING: BodySource = { resume: () => {}, cancel: () => {} }

// Content of a response to HEAD: announced, never sent.
const unsent: BodyStream = (sink) => {
  sink.end(null)
  return NOTHING
}

export class Serving {
  private readonly site: Site
  private readonly exchange: Exchange
  private readonly target: Target
  private readonly answer: (response: LocalResponse) => void
  /** What was asked for: the target, or the index file in it. */
  private readonly path: string
  private readonly isIndex: boolean
  private readonly opening: Files.Opening
  private listing: AbortController | null = null
  private cancelled = false

  constructor(site: Site, exchange: Exchange, target: Target, answer: (response: LocalResponse) => void) {
    this.site = site
    this.exchange = exchange
    this.target = target
    this.answer = answer
    this.isIndex = target.directory && !site.autoindex
    this.path = this.isIndex ? indexOf(site, target) : target.path
    this.opening = new Files.Opening(site.root, this.path, this.opened)
  }

  start(): void {
    this.opening.start()
  }

  /** Nobody waits any more: nothing is answered, everything is closed. */
  cancel(): void {
    this.cancelled = true
    this.listing?.abort()
    this.opening.cancel()
  }

  private readonly opened = (found: Files.Found | Files.Refusal): void => {
    if (typeof found === "number") this.answer(refusalOf(found, this.exchange))
    else if (found.directory) this.directory(found)
    // A file is no directory, even when the path asks for one.
    else if (this.target.directory && !this.isIndex) this.close(found, Heads.notFound)
    else this.file(found)
  }

  private directory(found: Files.Found): void {
    if (this.isIndex) this.close(found, Heads.notFound)
    else if (this.target.directory) this.list(found)
    else if (this.site.autoindex) this.close(found, Heads.withSlash(this.exchange))
    else {
      found.file.close()
      Files.isFile(this.site.root, indexOf(this.site, this.target), (exists) => {
        if (!this.cancelled) this.answer(exists ? Heads.withSlash(this.exchange) : Heads.notFound)
      })
    }
  }

  private list(found: Files.Found): void {
    // A rewrite may have added the slash; for the client, links would still start one level higher.
    if (!this.exchange.requestPath.endsWith("/")) {
      this.close(found, Heads.withSlash(this.exchange))
      return
    }
    const path = this.target.path
    this.listing = new AbortController()
    Files.list(this.site.root, path, found, this.listing.signal)
      .then(({ entries, omitted }) => Heads.listing(Listing.render(path, entries, omitted)))
      .catch(() => Heads.listingFailed)
      .then((response) => {
        if (!this.cancelled) this.close(found, response)
      })
  }

  private file(found: Files.Found): void {
    const exchange = this.exchange
    const { status, fields, from, length } = this.site.heads.plan(exchange, this.path, found.size, found.modified)
    if (length === 0) this.close(found, { status, fields, body: "", length: -1, closes: false })
    else if (exchange.method === "HEAD") this.close(found, { status, fields, body: unsent, length, closes: false })
    else if (length <= this.site.wholeBytes) this.read(found, status, fields, from, Buffer.allocUnsafe(length), 0)
    else this.stream(found, status, fields, from, length)
  }

  private stream(found: Files.Found, status: number, fields: string, from: number, length: number): void {
    const file = found.file
    if (this.exchange.phase === DONE) {
      file.close()
      return
    }
    // The body closes the file when it ends; this is for the body that never begins.
    this.exchange.onDone(() => file.close())
    this.answer({ status, fields, body: fromFile(file, from, length, this.site.pieceBytes), length, closes: false })
  }

  private read(found: Files.Found, status: number, fields: string, from: number, body: Buffer, filled: number): void {
    found.file.read(body, filled, body.length - filled, from + filled, (error, bytes) => {
      // Shorter than a moment ago: there is no right answer with the length that was seen.
      if (error !== null || bytes === 0) this.close(found, Heads.accessError)
      else if (filled + bytes < body.length) this.read(found, status, fields, from, body, filled + bytes)
      else this.close(found, { status, fields, body, length: -1, closes: false })
    })
  }

  private close(found: Files.Found, response: LocalResponse): void {
    found.file.close()
    this.answer(response)
  }
}

const indexOf = (site: Site, target: Target): string =>
  target.path === "" ? site.index : `${target.path}/${site.index}`

const refusalOf = (refusal: Files.Refusal, exchange: Exchange): LocalResponse =>
  refusal === 404 ? Heads.notFound : refusal === 403 ? Heads.forbidden(exchange.path) : Heads.accessError
