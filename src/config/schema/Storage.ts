/**
 * `[storages.<name>]`: pieces of text that other parts of the configuration include. Spec: config 10.
 */
import * as Schema from "effect/Schema"
import * as Values from "./Values.ts"

export const Storage = Schema.Struct({
  category: Values.required(Values.Text, "What it is: `config` for text to include, `secret` for secrets."),
  value: Values.required(Values.Text, "The text."),
  secret: Values.optional(Values.Text, "Passphrase with which the text is encrypted."),
  remark: Values.optional(Values.Text, "Free text."),
  created_at: Values.optional(Values.Count, "Unix seconds of its creation.")
}).annotate({ identifier: "Storage", description: "Text to include elsewhere, or a secret." })

/** `[storages.<name>]`, decoded. */
export type StorageConf = typeof Storage.Type
