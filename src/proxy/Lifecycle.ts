/**
 * The phases of a request, in order, and every way out of them. Spec: proxy-behaviour 1.
 *
 *   begin → EARLY → REWRITE → REQUEST → PROXY_UPSTREAM → FORWARD → (Forward.ts) → RESPONDING → finish
 *              ╰── a hook answers ─ respond ──────────────────────────────────────────╯
 *              ╰── something fails ─ fail: an error page, or a broken response once the head is out
 *
 * All of it is synchronous until a hook has to wait (`PENDING`) or a socket does. Codecs call `begin` with a parsed
 * request, `finish` when the response has left or broken off, and `clientGone` when nobody waits for it any more.
 */
import { Fields } from "../model/Fields.ts"
import { type BodySink, type BodySource, FULL } from "./Body.ts"
import type { Exchange } from "./Exchange.ts"
import * as Phase from "./Exchange.ts"
import * as Failure from "./Failure.ts"
import { Forward } from "./Forward.ts"
import type { LocalResponse } from "./Response.ts"
import { type Outcome, PENDING } from "./Runtime.ts"
import { reasonOf } from "./Status.ts"

/** Takes a request from a codec. May answer before it returns. */
export const begin = (exchange: Exchange): void => {
  const server = exchange.server
  server.retain()
  const counters = server.counters
  counters.accepted++
  exchange.processing = ++counters.processing
  exchange.startedAt = performance.now()
  try {
    enter(exchange)
  } catch (error) {
    defect(exchange, error)
  }
}

const enter = (exchange: Exchange): void => {
  const server = exchange.server

  const location = server.route(exchange)
  if (location === null) return fail(exchange, Failure.noLocation)
  exchange.location = location
  location.counters.accepted++
  const processing = ++location.counters.processing
  if (location.broken !== null) return fail(exchange, location.broken)
  if (location.maxBodyBytes > 0 && exchange.requestLength > location.maxBodyBytes) {
    return fail(exchange, Failure.bodyTooLarge)
  }
  if (location.maxProcessing > 0 && processing > location.maxProcessing) return fail(exchange, Failure.tooManyRequests)
  advance(exchange)
}

/** Goes on after a hook that had to wait. Nothing happens when the exchange has ended meanwhile. */
export const proceed = (exchange: Exchange, outcome: Exclude<Outcome, typeof PENDING>): void => {
  exchange.interrupt = null
  if (exchange.phase >= Phase.RESPONDING) return
  try {
    if (outcome === undefined) advance(exchange)
    else settle(exchange, outcome)
  } catch (error) {
    defect(exchange, error)
  }
}

/** Something threw while it worked for an exchange: reported, and the exchange fails (hardening 1.9). */
export const defect = (exchange: Exchange, error: unknown): void => {
  exchange.server.report(error)
  fail(exchange, Failure.internal)
}

// Runs phases until one has to wait or ends the exchange. `exchange.phase` names the phase to run next.
const advance = (exchange: Exchange): void => {
  const location = exchange.location!
  for (;;) {
    let outcome: Outcome
    switch (exchange.phase) {
      case Phase.EARLY:
        exchange.phase = Phase.REWRITE
        if (location.early === null) continue
        outcome = location.early.run(exchange)
        break
      case Phase.REWRITE:
        exchange.phase = Phase.REQUEST
        if (location.rewrite === null) continue
        outcome = location.rewrite(exchange)
        break
      case Phase.REQUEST:
        exchange.phase = Phase.PROXY_UPSTREAM
        if (location.request === null) continue
        outcome = location.request.run(exchange)
        break
      case Phase.PROXY_UPSTREAM:
        exchange.phase = Phase.FORWARD
        if (location.proxyUpstream === null) continue
        outcome = location.proxyUpstream.run(exchange)
        break
      default:
        return forward(exchange)
    }
    if (outcome === PENDING) return
    if (outcome !== undefined) return settle(exchange, outcome)
  }
}

const settle = (exchange: Exchange, outcome: LocalResponse | Failure.Failure): void =>
  "code" in outcome ? fail(exchange, outcome) : respond(exchange, outcome)

const forward = (exchange: Exchange): void => {
  const { server } = exchange
  const location = exchange.location!
  const upstream =
    exchange.upstreamName !== ""
      ? server.upstream(resolveName(exchange, exchange.upstreamName))
      : location.upstreamVariable !== ""
        ? server.upstream(exchange.variable(location.upstreamVariable) ?? "")
        : location.upstream
  if (upstream === null) return fail(exchange, Failure.noUpstream)
  exchange.upstream = upstream
  upstream.counters.accepted++
  upstream.counters.processing++
  new Forward(exchange, upstream).start()
}

const resolveName = (exchange: Exchange, name: string): string =>
  name.startsWith("$") ? (exchange.variable(name.slice(1)) ?? "") : name

/** Answers with a response of our own. Response hooks do not run for it (spec: plugins 3.2). */
export const respond = (exchange: Exchange, response: LocalResponse): void => {
  if (exchange.phase >= Phase.RESPONDING) return
  exchange.phase = Phase.RESPONDING
  exchange.status = response.status
  exchange.response = new Fields(response.fields)
  if (response.closes) exchange.closes = true
  const reason = reasonOf(response.status)
  const body = response.body
  exchange.responded = true
  if (typeof body === "string" && body.length <= PIECE_BYTES) {
    // A 304 has the length of the representation it stands for, which is not known here (RFC 9110 8.6).
    exchange.responseLength = response.status === 304 && body === "" ? -1 : body.length
    exchange.downstream.whole(exchange, response.status, reason, response.fields, body)
    return
  }
  const downstream = exchange.downstream
  exchange.responseLength = typeof body === "function" ? response.length : body.length
  downstream.source = NOTHING
  downstream.head(exchange, response.status, reason, response.fields, exchange.responseLength)
  if (exchange.phase === Phase.DONE) return
  if (exchange.method === "HEAD") {
    downstream.end(null)
    return
  }
  const source = typeof body === "function" ? body(downstream) : new BytesSource(downstream, body)
  // The stream may have ended, and the next request begun, before it returned.
  if ((exchange.phase as number) === Phase.DONE) return
  downstream.source = source
  exchange.interrupt = () => source.cancel()
  downstream.flush()
}

/** More than this at hand leaves piece by piece, so that a slow client is seen to make progress. */
const PIECE_BYTES = 64 * 1024

/** The source of a body that is at hand. Begins when it is made. */
class BytesSource implements BodySource {
  private readonly sink: BodySink
  private readonly bytes: Buffer
  private at = 0
  private ended = false

  constructor(sink: BodySink, bytes: Buffer | string) {
    this.sink = sink
    this.bytes = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes
    this.resume()
  }

  resume(): void {
    const { bytes } = this
    while (this.at < bytes.length && !this.ended) {
      const from = this.at
      this.at = from + PIECE_BYTES
      if (this.sink.write(bytes.subarray(from, this.at)) === FULL && this.at < bytes.length) return
    }
    if (this.ended) return
    this.ended = true
    this.sink.end(null)
  }

  cancel(): void {
    this.ended = true
  }
}

const NOTHING: BodySource = { resume: () => {}, cancel: () => {} }

/** Ends an exchange that cannot succeed: with an error page while that is possible, else by breaking the response. */
export const fail = (exchange: Exchange, failure: Failure.Failure): void => {
  if (exchange.phase === Phase.DONE) return
  if (exchange.failure === null) exchange.failure = failure
  if (exchange.responded) {
    stop(exchange)
    exchange.downstream.abort(failure)
    return
  }
  stop(exchange)
  if (failure.closes) exchange.closes = true
  respond(exchange, exchange.server.errorPage(failure))
}

/** The client left before its response was complete: everything that runs for it is given up. */
export const clientGone = (exchange: Exchange, failure: Failure.Failure = Failure.clientGone): void => {
  if (exchange.phase === Phase.DONE) return
  exchange.failure ??= failure
  if (!exchange.responded) exchange.status = failure.status
  stop(exchange)
  finish(exchange)
}

const stop = (exchange: Exchange): void => {
  const interrupt = exchange.interrupt
  if (interrupt === null) return
  exchange.interrupt = null
  interrupt()
}

/** The exchange is over: counts, logs, and lets go of what it held. Codecs call it once per exchange. */
export const finish = (exchange: Exchange): void => {
  if (exchange.phase === Phase.DONE) return
  exchange.phase = Phase.DONE
  exchange.interrupt = null
  const server = exchange.server
  server.counters.processing--
  if (exchange.location !== null) exchange.location.counters.processing--
  if (exchange.upstream !== null) exchange.upstream.counters.processing--
  const finalizers = exchange.finalizers
  if (finalizers !== null) for (const finalizer of finalizers) finalize(exchange, finalizer)
  try {
    if (server.accessLog !== null) server.accessLog(exchange)
  } catch (error) {
    server.report(error)
  }
  server.release()
}

// One that throws keeps no other from giving back what it holds.
const finalize = (exchange: Exchange, finalizer: (exchange: Exchange) => void): void => {
  try {
    finalizer(exchange)
  } catch (error) {
    exchange.server.report(error)
  }
}
