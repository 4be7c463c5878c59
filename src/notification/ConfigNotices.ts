/**
 * Tells about the configuration: what was rejected, what changed, what was taken over, what failed. It only listens;
 * no reload waits for it.
 *
 *   rejected ──▶ reload_config_fail
 *   reports ───▶ diff_config, reload_config for each kind of entity, reload_config_fail
 *   broken ───▶ reload_config_fail
 *
 * Spec: runtime 10 and 15.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { ConfigError } from "../config/Config.ts"
import { type Diagnostic, formatAll, formatPath } from "../config/Diagnostic.ts"
import * as Diff from "../config/Diff.ts"
import * as RestartKeys from "../config/RestartKeys.ts"
import type { ReloadProblem, ReloadReport } from "../generation/ReloadReport.ts"
import type { Notification } from "./Notification.ts"
import { Notifications } from "./Notifications.ts"

export interface ConfigEvents<R = never> {
  /** Reloads that were published. */
  readonly reports: Stream.Stream<ReloadReport, never, R>
  /** Configurations that were refused. */
  readonly rejected: Stream.Stream<Pick<ConfigError, "diagnostics">, never, R>
  /** What keeps a configuration that was taken from being in force, such as an address that cannot be bound. */
  readonly broken: Stream.Stream<ReadonlyArray<{ readonly message: string }>, never, R>
}

/** Listens to both as long as the layer lives. */
export const layer = <R = never>({
  rejected,
  reports,
  broken
}: ConfigEvents<R>): Layer.Layer<never, never, Notifications | R> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { send } = yield* Notifications
      yield* Stream.mergeAll(
        [
          Stream.map(reports, ofReport),
          Stream.map(rejected, ({ diagnostics }) => [ofRejection(diagnostics)]),
          Stream.map(broken, (errors) => [ofBroken(errors)])
        ],
        { concurrency: "unbounded" }
      ).pipe(
        Stream.runForEach((notifications) => Effect.forEach(notifications, send, { discard: true })),
        Effect.catchCause((cause) => Effect.logError("nobody is told about the configuration any more", cause)),
        Effect.annotateLogs({ category: "webhook" }),
        Effect.forkScoped({ startImmediately: true })
      )
    })
  )

const MAX_DIAGNOSTICS = 10
const MAX_NAMES = 40

/** A configuration that changed nothing, with the first of its mistakes. */
export const ofRejection = (diagnostics: ReadonlyArray<Diagnostic>): Notification => ({
  category: "reload_config_fail",
  level: "error",
  title: "Configuration is rejected, the previous one stays",
  message: formatAll(diagnostics, MAX_DIAGNOSTICS)
})

/** What keeps a configuration from being in force. */
export const ofBroken = (errors: ReadonlyArray<{ readonly message: string }>): Notification => ({
  category: "reload_config_fail",
  level: "error",
  title: "The configuration is not in force everywhere",
  message: errors.map(({ message }) => message).join("\n")
})

/** All that a reload has to tell, in order. */
export const ofReport = ({ diff, problems }: ReloadReport): ReadonlyArray<Notification> => {
  const notifications: Array<Notification> = []
  if (!Diff.isEmpty(diff)) notifications.push(ofDiff(diff))
  for (const message of reloaded(diff, problems)) {
    notifications.push({ category: "reload_config", level: "info", title: "Configuration is reloaded", message })
  }
  if (problems.length > 0) {
    notifications.push({
      category: "reload_config_fail",
      level: "error",
      title: "Part of the configuration could not be applied",
      message: bounded(problems.map(problemLine), MAX_DIAGNOSTICS, "\n")
    })
  }
  return notifications
}

const ofDiff = (diff: Diff.Diff): Notification => {
  const restart = RestartKeys.restartNeeded(diff)
  const paragraphs = [Diff.format(diff)]
  if (restart.length > 0) {
    paragraphs.push(`in effect after a restart: ${bounded(restart, MAX_NAMES, ", ")}`)
  }
  return {
    category: "diff_config",
    level: "info",
    title: `Configuration changed: ${Diff.summary(diff)}`,
    message: paragraphs.join("\n\n")
  }
}

/** Kinds of entities in the order in which the reference applies them, and what it calls them. */
const KINDS = [
  ["upstreams", "Upstream"],
  ["locations", "Location"],
  ["plugins", "Plugin"],
  ["certificates", "Certificate"]
] as const

/**
 * What has taken effect, one sentence for each kind: `Upstream(a) is modified`, `Upstreams(a,b) are modified`. New
 * entities count as modified, as in the reference; storages take effect through what includes them only.
 */
const reloaded = (diff: Diff.Diff, problems: ReadonlyArray<ReloadProblem>): ReadonlyArray<string> => {
  const failed = new Set(problems.map(({ name, section }) => `${section}/${name}`))
  const isHot = ({ changes, section }: Diff.Modified): boolean =>
    changes.some(({ key }) => !RestartKeys.isRestartKey(section, key))
  const modified = diff.modified.filter(isHot)
  const built = ({ name, section }: Diff.Entity): boolean => !failed.has(`${section}/${name}`)
  const namesOf = (entities: ReadonlyArray<Diff.Entity>, section: Diff.Entity["section"]): ReadonlyArray<string> =>
    entities.filter((entity) => entity.section === section && built(entity)).map(({ name }) => name)
  const isRouting = ({ changes }: Diff.Modified): boolean => changes.every(({ key }) => key === "locations")

  const messages = KINDS.map(([section, kind]) =>
    sentences(kind, [...namesOf(modified, section), ...namesOf(diff.added, section)], namesOf(diff.removed, section))
  )
  const others = modified.filter((entity) => !isRouting(entity))
  messages.push(
    sentences("Server Location", namesOf(modified.filter(isRouting), "servers"), []),
    sentences(
      "Server",
      [...namesOf(others, "servers"), ...namesOf(diff.added, "servers")],
      namesOf(diff.removed, "servers")
    ),
    modified.some(({ section }) => section === "basic") ? "Basic is modified" : ""
  )
  return messages.filter((message) => message !== "")
}

const sentences = (kind: string, modified: ReadonlyArray<string>, removed: ReadonlyArray<string>): string =>
  [sentence(kind, modified, "modified"), sentence(kind, removed, "removed")].filter((text) => text !== "").join("; ")

const sentence = (kind: string, names: ReadonlyArray<string>, what: string): string => {
  if (names.length === 0) return ""
  const list = bounded([...names].sort(), MAX_NAMES, ",")
  return names.length === 1 ? `${kind}(${list}) is ${what}` : `${kind}s(${list}) are ${what}`
}

const problemLine = ({ kept, message, name, section }: ReloadProblem): string =>
  `${formatPath([section, name])}: ${message}; ${kept ? "its previous version goes on" : "what needs it answers 503"}`

/** The first of many texts, and how many more there are. */
const bounded = (texts: ReadonlyArray<string>, max: number, separator: string): string => {
  const more = texts.length > max ? [`… and ${texts.length - max} more`] : []
  return [...texts.slice(0, max), ...more].join(separator)
}
