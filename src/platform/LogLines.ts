/**
 * Text of several lines in a log that has one line per record: a record for each line, so that carets stand where
 * they belong and lists can be read.
 */
import * as Effect from "effect/Effect"

/** Logs a text line by line; blank lines are left out. */
export const logLines = (log: (line: string) => Effect.Effect<void>, text: string): Effect.Effect<void> =>
  Effect.forEach(
    text.split("\n").filter((line) => line.trim() !== ""),
    (line) => log(line),
    { discard: true }
  )
