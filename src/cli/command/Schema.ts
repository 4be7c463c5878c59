/**
 * `pingap schema`: the JSON Schema of configurations, for editors that complete and check TOML.
 */
import * as Effect from "effect/Effect"
import * as JsonSchema from "../../config/JsonSchema.ts"
import { builtins, notThereYet } from "../../plugin/builtin/index.ts"
import { type OutputError, print } from "../Output.ts"

/** Prints the schema. Succeeds with the exit code. */
export const schema: Effect.Effect<number, OutputError> = Effect.suspend(() =>
  Effect.as(print(`${JSON.stringify(JsonSchema.generate(builtins, notThereYet), undefined, 2)}\n`), 0)
)
