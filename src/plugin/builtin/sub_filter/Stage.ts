/**
 * The rules of one `sub_filter` as one stage of a body. What the rules make of one piece leaves as one piece, so that
 * a page full of matches does not turn into thousands of writes.
 *
 * Memory: a piece that no rule touches is passed on as it came, and the answer of what follows goes back unchanged.
 * Everything else leaves in memory that nobody writes to again, so that the source may reuse its own.
 */
import type { Fields } from "../../../model/Fields.ts"
import { type BodySink, type BodyTransform, CONSUMED, type Flow, KEPT } from "../../../proxy/Body.ts"
import type { Failure } from "../../../proxy/Failure.ts"
import type { Output, Rewriter, Rule } from "./Rewriter.ts"

/** A stage that applies `rules` in order. */
export const compile =
  (rules: ReadonlyArray<Rule>): BodyTransform =>
  (next) =>
    new Stage(rules, next)

/** Hands what one rule passes on to the next. */
class Link implements Output {
  private readonly rewriter: Rewriter
  private readonly next: Output

  constructor(rewriter: Rewriter, next: Output) {
    this.rewriter = rewriter
    this.next = next
  }

  write(piece: Buffer, stable: boolean): void {
    this.rewriter.write(piece, stable, this.next)
  }

  end(): void {
    this.rewriter.end(this.next)
  }
}

class Stage implements BodySink {
  private readonly sink: BodySink
  private readonly links: ReadonlyArray<Link>
  private readonly first: Output
  private pieces: Array<Buffer> = []
  /** A single piece is the source's own memory. */
  private borrowed = false

  constructor(rules: ReadonlyArray<Rule>, sink: BodySink) {
    this.sink = sink
    const links: Array<Link> = []
    let output: Output = { write: (piece, stable) => this.collect(piece, stable) }
    for (let i = rules.length - 1; i >= 0; i--) {
      const link = new Link(rules[i]!(), output)
      links.unshift(link)
      output = link
    }
    this.links = links
    this.first = output
  }

  write(chunk: Buffer): Flow {
    this.first.write(chunk, false)
    return this.send()
  }

  end(trailers: Fields | null): void {
    // From the front: what one rule lets go passes the rules behind it before they end.
    for (const link of this.links) link.end()
    this.send()
    this.sink.end(trailers)
  }

  abort(failure: Failure): void {
    this.sink.abort(failure)
  }

  private collect(piece: Buffer, stable: boolean): void {
    if (piece.length === 0) return
    this.pieces.push(piece)
    this.borrowed = !stable
  }

  private send(): Flow {
    const pieces = this.pieces
    if (pieces.length === 0) return CONSUMED
    const single = pieces.length === 1
    const piece = single ? pieces[0]! : Buffer.concat(pieces)
    this.pieces = []
    const flow = this.sink.write(piece)
    return flow === KEPT && !(single && this.borrowed) ? CONSUMED : flow
  }
}
