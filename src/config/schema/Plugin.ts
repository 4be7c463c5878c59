/**
 * `[plugins.<name>]`: a free-form table whose `category` names the implementation. Only what all plugins share is
 * checked here; the rest belongs to the plugin's own schema, which the registry applies. Spec: config 11.
 */
import * as Schema from "effect/Schema"
import * as Values from "./Values.ts"

export const Plugin = Schema.StructWithRest(
  Schema.Struct({
    category: Values.required(
      Values.Text.check(Schema.isNonEmpty({ expected: "the name of a plugin implementation", message: "is empty" })),
      "Name of the implementation."
    ),
    step: Values.optional(
      Values.Text,
      "Where it runs, for plugins that can choose: `early_request`, `request`, `proxy_upstream`, `upstream_response` " +
        "or `response`."
    ),
    remark: Values.optional(Values.Text, "Free text.")
  }),
  [Schema.Record(Schema.String, Schema.Unknown)]
).annotate({ identifier: "Plugin", description: "A plugin instance; further keys depend on its category." })

/** `[plugins.<name>]` as written; the plugin's own schema decodes the rest. */
export type PluginConf = typeof Plugin.Type
