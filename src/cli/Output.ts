/**
 * Standard output, for what somebody asked for. That it cannot be written is a failure of the command; a reader that
 * has seen enough and left is none.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** Standard output takes no more: the disk behind it is full, say. */
export class OutputError extends Data.TaggedError("OutputError")<{ readonly message: string }> {}

/** Writes a text and waits until it is out. */
export const print = (text: string, stream: NodeJS.WritableStream = process.stdout): Effect.Effect<void, OutputError> =>
  Effect.callback((resume) => {
    stream.write(text, (error?: NodeJS.ErrnoException | null) => {
      if (error === undefined || error === null || error.code === "EPIPE") return resume(Effect.void)
      resume(Effect.fail(new OutputError({ message: `standard output cannot be written: ${error.message}` })))
    })
  })

/** Keeps an error of the standard streams from ending the process: {@link print} tells, and nobody hears of stderr's. */
export const survive = (): void => {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined)
}
