/**
 * What a plugin is written with: the entry `pingap-effect/plugin`.
 *
 * The contract ({@link define} and the hooks), the responses a hook may answer with, the vocabulary of body stages, and
 * the option schemas of the built-in plugins.
 */
export { isConnectionField, isName, isValue } from "./model/Fields.ts"
export * as Options from "./plugin/Options.ts"
export {
  at,
  type BodyHook,
  type Decision,
  define,
  type Hooks,
  type PluginContext,
  type PluginDefinition,
  PluginError,
  type RequestHook,
  type ResponseHook,
  type Step
} from "./plugin/Plugin.ts"
export {
  type BodySink,
  type BodySource,
  type BodyStream,
  type BodyTransform,
  CONSUMED,
  type Flow,
  FULL,
  KEPT,
  slower,
  type TransformSink
} from "./proxy/Body.ts"
export type { Exchange } from "./proxy/Exchange.ts"
export {
  html,
  json,
  type LocalResponse,
  noContent,
  redirect,
  refuse,
  respond,
  respondStream,
  text
} from "./proxy/Response.ts"
