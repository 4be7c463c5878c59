/**
 * How bytes move through the rules of one `sub_filter`: each rule rewrites what it is given and passes it on, in pieces,
 * during the same call. What a rule cannot decide on yet it holds back, in memory of its own.
 */

/** Takes pieces of text. */
export interface Output {
  /**
   * `stable` memory never changes any more and may be kept. Other memory belongs to the source of the body and is only
   * valid during the call.
   */
  write(piece: Buffer, stable: boolean): void
}

/** One rule at work on one body. */
export interface Rewriter {
  write(piece: Buffer, stable: boolean, out: Output): void
  /** The body is complete: what was held back goes out. */
  end(out: Output): void
}

/** A rule, compiled. Makes a rewriter for each body. */
export type Rule = () => Rewriter
