/**
 * How bytes of a body move between stages: pushed from a source into a sink, with backpressure, without promises.
 *
 * The source calls `write` for each piece and `end` once. What `write` returns tells the source how to go on. A sink
 * that returned {@link FULL} calls `resume` on the source when it wants more. Either side may give up: the source
 * calls `abort` on the sink, the sink calls `cancel` on the source; after that neither calls the other again.
 */
import type { Fields } from "../model/Fields.ts"
import type { Failure } from "./Failure.ts"

/** The piece was used up during the call: its memory may be reused, and more may come at once. */
export const CONSUMED = 0
/** The sink keeps a reference to the piece's memory; more may come at once. */
export const KEPT = 1
/**
 * The sink keeps a reference to the piece's memory and wants nothing more until it calls `resume`. The source stops
 * reading; what it has read already may still come.
 */
export const FULL = 2

export type Flow = typeof CONSUMED | typeof KEPT | typeof FULL

/** Takes the bytes of one body. */
export interface BodySink {
  /**
   * Takes one piece. The memory belongs to the source: it may be overwritten after the call unless the sink answers
   * {@link KEPT} or {@link FULL}. A sink that passes only part of it on, later, copies that part.
   */
  write(chunk: Buffer): Flow
  /** The body is complete. `trailers` is null when there are none. */
  end(trailers: Fields | null): void
  /** The body will never be complete: what follows must not look like a whole message. */
  abort(failure: Failure): void
}

/** Where the bytes of one body come from, as its sink sees it. */
export interface BodySource {
  /** The sink wants more after it answered {@link FULL}. Calling it without need is harmless. */
  resume(): void
  /** Nobody wants the rest. The source frees what it holds and calls nothing any more. */
  cancel(): void
}

/** Sends a body of a plugin's own making: called once, when the head is on its way. */
export type BodyStream = (sink: BodySink) => BodySource

/**
 * A rewriting stage in place. With a `resume` of its own it is told when the reader wants more after {@link FULL};
 * without one that goes straight to its source, which is right for stages that hold nothing back on purpose.
 */
export interface TransformSink extends BodySink {
  resume?(): void
}

/**
 * One rewriting stage: receives the body that is on its way to `next` and passes on what it makes of it. It is told
 * when the reader is slow through the result of `next.write`, and forwards or absorbs that. A stage that works
 * asynchronously answers {@link FULL} itself and calls `source.resume()` when it is ready.
 */
export type BodyTransform = (next: BodySink, source: BodySource) => TransformSink

/** The slower of two answers, for a sink that wrote more than once during one `write`. */
export const slower = (a: Flow, b: Flow): Flow => (a > b ? a : b)
