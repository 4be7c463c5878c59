/**
 * Replaces a byte string in a stream. What is held back between pieces is always a beginning of the string itself
 * (Knuth, Morris, Pratt), so a number remembers it and nothing of a piece is ever copied or kept.
 */
import type { Output, Rewriter, Rule } from "./Rewriter.ts"

/** A rule that replaces `needle`, which is not empty, everywhere or where it first occurs. */
export const compile = (needle: Buffer, replacement: Buffer, everywhere: boolean): Rule => {
  const borders = bordersOf(needle)
  return () => new Literal(needle, borders, replacement, everywhere)
}

/** For each prefix of the needle (by its last index) the length of its longest proper border. */
const bordersOf = (needle: Buffer): Int32Array => {
  const borders = new Int32Array(needle.length)
  let length = 0
  for (let i = 1; i < needle.length; i++) {
    while (length > 0 && needle[i] !== needle[length]) length = borders[length - 1]!
    if (needle[i] === needle[length]) length++
    borders[i] = length
  }
  return borders
}

class Literal implements Rewriter {
  private readonly needle: Buffer
  private readonly borders: Int32Array
  private readonly replacement: Buffer
  private readonly everywhere: boolean
  /** Bytes of the needle that the text so far ends with, held back. */
  private held = 0
  private done = false

  constructor(needle: Buffer, borders: Int32Array, replacement: Buffer, everywhere: boolean) {
    this.needle = needle
    this.borders = borders
    this.replacement = replacement
    this.everywhere = everywhere
  }

  write(piece: Buffer, stable: boolean, out: Output): void {
    const start = this.held === 0 ? 0 : this.continue(piece, out)
    if (start === -1) return
    this.search(piece, start, stable, out)
  }

  // Goes on with a match that began in an earlier piece. Returns where in this piece the rest begins, -1 when the whole
  // piece was taken.
  private continue(piece: Buffer, out: Output): number {
    const { needle, borders } = this
    let matched = this.held
    // How much of what matched lies in earlier pieces.
    let old = matched
    for (let i = 0; i < piece.length; i++) {
      const byte = piece[i]
      while (needle[matched] !== byte) {
        const shorter = matched === 0 ? 0 : borders[matched - 1]!
        const freed = Math.min(matched - shorter, old)
        out.write(needle.subarray(0, freed), true)
        old -= freed
        matched = shorter
        if (old === 0) {
          // All that is left of the match lies in this piece, where the search finds it again.
          this.held = 0
          return 0
        }
      }
      if (++matched === needle.length) {
        this.held = 0
        this.replace(out)
        return i + 1
      }
    }
    this.held = matched
    return -1
  }

  private search(piece: Buffer, start: number, stable: boolean, out: Output): void {
    const { needle } = this
    let from = start
    while (!this.done) {
      const at = piece.indexOf(needle, from)
      if (at === -1) break
      if (at > from) out.write(piece.subarray(from, at), stable)
      this.replace(out)
      from = at + needle.length
    }
    this.held = this.done ? 0 : this.borderAtEnd(piece, Math.max(from, piece.length - needle.length + 1))
    const to = piece.length - this.held
    if (to > from) out.write(from === 0 && to === piece.length ? piece : piece.subarray(from, to), stable)
  }

  private replace(out: Output): void {
    out.write(this.replacement, true)
    this.done = !this.everywhere
  }

  // Length of the longest end of the piece, not before `from`, that begins the needle.
  private borderAtEnd(piece: Buffer, from: number): number {
    const { needle, borders } = this
    let matched = 0
    for (let i = from; i < piece.length; i++) {
      while (matched > 0 && needle[matched] !== piece[i]) matched = borders[matched - 1]!
      if (needle[matched] === piece[i]) matched++
    }
    return matched
  }

  end(out: Output): void {
    if (this.held > 0) out.write(this.needle.subarray(0, this.held), true)
  }
}
