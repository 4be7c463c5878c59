/**
 * One exchange on its way through an upstream: from the choice of a backend to the last byte of the response.
 *
 * Owns attempts and retries, runs the header hooks of both directions, and connects the bodies: the client's to the
 * stream, the stream's through rewriting stages to the client. Receives what the stream reports and is, towards the
 * client side, the source of the response body.
 */
import type { Fields } from "../model/Fields.ts"
import { type BodySink, type BodySource, type Flow, FULL, type TransformSink } from "./Body.ts"
import type { Exchange, UpstreamReceiver, UpstreamStream } from "./Exchange.ts"
import * as Phase from "./Exchange.ts"
import * as Failure from "./Failure.ts"
import { fail } from "./Lifecycle.ts"
import type { UpstreamRuntime } from "./Runtime.ts"
import { isIdempotent, reasonOf } from "./Status.ts"

/** Attempts in total, whatever `max_retries` says. Spec: upstreams 9. */
const MAX_ATTEMPTS = 16

export class Forward implements UpstreamReceiver, BodySource {
  private readonly exchange: Exchange
  private readonly upstream: UpstreamRuntime
  private stream: UpstreamStream | null = null
  private giveUp: (() => void) | null = null
  /** Where the response body goes: the client, or the first rewriting stage. */
  private sink: BodySink
  /** The client's body has been asked for: the request cannot be repeated any more. */
  private bodyStarted = false
  private requestBody: BodySource | null = null
  private retries = 0
  private retriedDead = false

  constructor(exchange: Exchange, upstream: UpstreamRuntime) {
    this.exchange = exchange
    this.upstream = upstream
    this.sink = exchange.downstream
  }

  start(): void {
    this.exchange.interrupt = () => this.cancel()
    this.attempt(false)
  }

  private attempt(fresh: boolean): void {
    const exchange = this.exchange
    exchange.attempts++
    if (exchange.server.measured) exchange.upstreamStartedAt = performance.now()
    this.giveUp = this.upstream.open(exchange, this, fresh)
  }

  // ---- request

  opened(stream: UpstreamStream): void {
    const exchange = this.exchange
    this.giveUp = null
    this.stream = stream
    exchange.upstreamReused = stream.reused
    if (exchange.server.measured) exchange.upstreamConnectedAt = performance.now()
    const location = exchange.location!
    const fields = location.upstreamFields === null ? exchange.fields.text : location.upstreamFields(exchange)
    if (exchange.requestLength === 0) {
      stream.head(exchange, fields, 0)
      return
    }
    const transform = location.requestBody === null ? null : location.requestBody(exchange)
    stream.head(exchange, fields, transform === null ? exchange.requestLength : -1)
    this.bodyStarted = true
    // The body may flow before `readBody` has returned its source; this stands in for it.
    const source: BodySource = {
      resume: () => this.requestBody?.resume(),
      cancel: () => this.requestBody?.cancel()
    }
    const sink = transform === null ? stream : transform(stream, source)
    // The stream has a `resume`, too: that of the response. Only a stage's own is asked for more of the request.
    stream.source =
      transform !== null && resumes(sink) ? { resume: () => sink.resume!(), cancel: source.cancel } : source
    this.requestBody = exchange.downstream.readBody(exchange, sink)
    stream.flush()
  }

  // ---- response

  informational(status: number, fields: Fields): void {
    this.exchange.downstream.informational(this.exchange, status, fields)
  }

  whole(status: number, reason: string, fields: Fields, length: number, body: string): void {
    const exchange = this.exchange
    // The connection may serve somebody else already, while a rewriting stage still works: it is no business of ours.
    this.stream = null
    const transforms = this.edit(status, fields)
    if (transforms) {
      this.sendHead(status, reason, fields, length)
      this.sink.write(Buffer.from(body, "latin1"))
      this.end(null)
      return
    }
    if (exchange.server.measured) exchange.upstreamEndAt = exchange.upstreamHeadAt
    exchange.interrupt = null
    exchange.responseLength = length
    exchange.downstream.whole(exchange, exchange.status, this.reason(status, reason), fields.text, body)
  }

  head(status: number, reason: string, fields: Fields, length: number): void {
    if (status === 101) {
      this.switchProtocols(fields)
      return
    }
    this.edit(status, fields)
    this.sendHead(status, reason, fields, length)
  }

  // Runs the header hooks. True when the body has to pass through rewriting stages.
  private edit(status: number, fields: Fields): boolean {
    const exchange = this.exchange
    const location = exchange.location!
    exchange.phase = Phase.RESPONDING
    exchange.responded = true
    exchange.status = status
    exchange.upstreamStatus = status
    exchange.response = fields
    if (exchange.server.measured) exchange.upstreamHeadAt = performance.now()
    if (location.upstreamResponse !== null) location.upstreamResponse(exchange)
    if (location.response !== null) location.response(exchange)
    return location.upstreamBody !== null || location.responseBody !== null
  }

  private sendHead(status: number, reason: string, fields: Fields, length: number): void {
    const exchange = this.exchange
    const downstream = exchange.downstream
    const location = exchange.location!
    let sink: BodySink = downstream
    let source: BodySource = this
    const later = location.responseBody === null ? null : location.responseBody(exchange)
    const first = location.upstreamBody === null ? null : location.upstreamBody(exchange)
    // What a rewriting stage makes of a body has another length; that holds for the answer to HEAD as well (RFC 9110 8.6).
    if (later !== null || first !== null) length = -1
    if (exchange.method !== "HEAD" && status !== 204 && status !== 304) {
      // Built from the client backwards. What the client's side wakes is the nearest stage with a `resume` of its own.
      let wake: BodySource = this
      if (later !== null) {
        const behind: BodySource = { resume: () => wake.resume(), cancel: () => this.cancel() }
        const stage = later(sink, behind)
        if (resumes(stage)) source = this.sourceOf(stage)
        sink = stage
      }
      if (first !== null) {
        const stage = first(sink, this)
        if (resumes(stage)) wake = this.sourceOf(stage)
        if (source === this) source = wake
        sink = stage
      }
    }
    this.sink = sink
    exchange.responseLength = length
    downstream.source = source
    downstream.head(exchange, exchange.status, this.reason(status, reason), fields.text, length)
  }

  // Hooks may have changed the status, and the upstream's phrase belongs to its own.
  private reason(status: number, reason: string): string {
    return this.exchange.status === status ? reason : reasonOf(this.exchange.status)
  }

  private sourceOf(stage: TransformSink): BodySource {
    return { resume: () => stage.resume!(), cancel: () => this.cancel() }
  }

  private switchProtocols(fields: Fields): void {
    const exchange = this.exchange
    const stream = this.stream!
    this.edit(101, fields)
    exchange.downstream.source = this
    this.requestBody = exchange.downstream.upgrade(exchange, fields.text, stream)
    stream.source = this.requestBody
  }

  write(chunk: Buffer): Flow {
    return this.exchange.phase === Phase.DONE ? FULL : this.sink.write(chunk)
  }

  end(trailers: Fields | null): void {
    const exchange = this.exchange
    this.stream = null
    if (exchange.phase === Phase.DONE) return
    if (exchange.server.measured) exchange.upstreamEndAt = performance.now()
    // A rewriting stage may still work: until it is through, the client leaving must reach it.
    if (this.sink === exchange.downstream) exchange.interrupt = null
    this.sink.end(trailers)
  }

  pause(): void {
    if (this.exchange.responded && this.exchange.phase !== Phase.DONE) this.exchange.downstream.flush()
  }

  failed(failure: Failure.Failure, before: boolean): void {
    const exchange = this.exchange
    const stream = this.stream
    this.stream = null
    this.giveUp = null
    if (exchange.phase === Phase.DONE) return
    if (!exchange.responded) {
      if (before && stream !== null && this.mayRepeat(stream)) {
        this.retriedDead = true
        this.attempt(true)
        return
      }
      if (stream === null && this.mayRetry(failure)) {
        this.retries++
        this.attempt(false)
        return
      }
    }
    if (this.sink !== exchange.downstream) this.sink.abort(failure)
    exchange.interrupt = null
    fail(exchange, failure)
  }

  // A pooled connection may die while we write to it: the backend closed it when it was idle. Safe once, when nothing of
  // a response has come and repeating cannot do anything twice (RFC 9110 9.2.2).
  private mayRepeat(stream: UpstreamStream): boolean {
    return stream.reused && !this.retriedDead && !this.bodyStarted && isIdempotent(this.exchange.method)
  }

  // Nothing has been sent when connecting failed: any method may be tried again.
  private mayRetry(failure: Failure.Failure): boolean {
    const exchange = this.exchange
    const location = exchange.location!
    if (this.retries >= location.maxRetries || exchange.attempts >= MAX_ATTEMPTS) return false
    if (failure === Failure.noUpstream || failure === Failure.upstreamBusy) return false
    return (
      location.maxRetryWindowMillis === 0 || performance.now() - exchange.startedAt <= location.maxRetryWindowMillis
    )
  }

  // ---- as the source of the response body

  resume(): void {
    this.stream?.resume()
  }

  cancel(): void {
    this.giveUp?.()
    this.giveUp = null
    const stream = this.stream
    this.stream = null
    if (this.sink !== this.exchange.downstream) this.sink.abort(Failure.clientGone)
    stream?.cancel()
  }
}

const resumes = (sink: TransformSink): boolean => sink.resume !== undefined
