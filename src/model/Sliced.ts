/**
 * Work that can be interrupted by other work: a generator that yields wherever it may pause and returns its result.
 *
 * What computes for long on large configurations is written this way, so that requests are served in between. It
 * stays a plain function of its input: {@link now} runs it in one go, `platform/Slices.ts` in slices.
 */

export type Sliced<A> = Generator<void, A, void>

/** Runs work to its end at once. */
export const now = <A>(work: Sliced<A>): A => {
  while (true) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}
