/**
 * The text of `access_log`: what a line looks like and which file it goes to. Spec: access-log 1 and 4.2, config 8.1.
 *
 * Every text is accepted, as the reference does; {@link check} names what is probably a mistake, for the configuration
 * test and for the log. A first word that holds a tag is part of the format and not a path.
 */
import * as Duration from "../model/Duration.ts"
import * as Format from "./Format.ts"
import { parseTarget, type Rolling, rollingOf } from "./Rotation.ts"

/** The file of a directive, as written. */
export interface FileTarget {
  readonly path: string
  readonly rolling: Rolling
  /** Lines that may wait for a file that cannot be written. */
  readonly maxPending: number
  readonly flushMillis: number
}

export interface Directive {
  readonly format: string
  /** Null: lines go to the application log. */
  readonly file: FileTarget | null
}

const DEFAULT_MAX_PENDING = 1_000
const DEFAULT_FLUSH_MILLIS = 10_000

export const parse = (text: string): Directive => {
  const { format, target } = split(text)
  const file = target === null ? null : parseFile(target)
  return { format, file: file === null || file.path === "" ? null : file }
}

const split = (text: string): { readonly format: string; readonly target: string | null } => {
  // A format written as a multi-line string in TOML ends in a line break that nobody means.
  const directive = text.replace(/^[\r\n]+|[\r\n]+$/g, "")
  const blank = directive.indexOf(" ")
  if (blank === -1) return { format: directive, target: null }
  const first = directive.slice(0, blank)
  const rest = directive.slice(blank + 1)
  const isFormat = rest.startsWith("{") || Format.PRESETS.has(rest)
  return isFormat && !first.includes("{") ? { format: rest, target: first } : { format: directive, target: null }
}

const parseFile = (text: string): FileTarget => {
  const { path, rolling, parameters } = parseTarget(text)
  return {
    path,
    rolling: rollingOf(rolling),
    maxPending: wholeNumber(parameters.get("channel_buffer")) ?? DEFAULT_MAX_PENDING,
    flushMillis: millis(parameters.get("flush_timeout")) ?? DEFAULT_FLUSH_MILLIS
  }
}

const wholeNumber = (text: string | null): number | undefined => {
  const number = text !== null && /^[0-9]{1,9}$/.test(text) ? Number(text) : 0
  return number > 0 ? number : undefined
}

const millis = (text: string | null): number | undefined => {
  const duration = text === null ? 0 : Duration.parse(text)
  return typeof duration === "number" && duration >= 1 ? duration : undefined
}

const KNOWN_PARAMETERS = new Set(["rolling", "channel_buffer", "flush_timeout"])
const ROLLING_NAMES = new Set(["", "daily", "hourly", "minutely", "never"])

/** What in a directive is probably not meant, one sentence each; empty for a good one. */
export const check = (text: string): Array<string> => {
  const { format, target } = split(text)
  const problems: Array<string> = []
  const pieces = Format.parse(format)
  for (const piece of pieces) {
    if (piece.kind === "unknown") problems.push(`unknown tag {${piece.name}}`)
  }
  if (pieces.every((piece) => piece.kind === "text")) {
    problems.push(`"${format}" is neither a preset (${[...Format.PRESETS.keys()].join(", ")}) nor holds a tag`)
  }
  if (target !== null) problems.push(...checkTarget(target))
  return problems
}

const checkTarget = (target: string): Array<string> => {
  const { path, rolling, parameters } = parseTarget(target)
  const problems: Array<string> = []
  if (path === "") problems.push("the target names no file, lines go to the application log")
  if (!ROLLING_NAMES.has(rolling)) problems.push(`unknown rolling "${rolling}", daily is used`)
  for (const [name, value] of parameters) {
    if (!KNOWN_PARAMETERS.has(name)) problems.push(`unknown parameter "${name}"`)
    else if (name === "channel_buffer" && wholeNumber(value) === undefined) {
      problems.push(`channel_buffer "${value}" is not a number of lines, ${DEFAULT_MAX_PENDING} is used`)
    } else if (name === "flush_timeout" && millis(value) === undefined) {
      problems.push(`flush_timeout "${value}" is not a duration, 10s is used`)
    }
  }
  return problems
}
