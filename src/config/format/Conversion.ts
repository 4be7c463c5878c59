/**
 * Documents in HCL and KDL as TOML documents, each with its places and with what is wrong with it. Read only: nothing
 * writes these formats. Spec: config 1.2, 13, 14.
 *
 * Reading happens in a thread that lives as long as one conversion: ten thousand locations take the HCL parser more
 * than a second, its memory never shrinks, and some text breaks it. Here no request waits for it, the memory is used
 * again by what comes next, a document that breaks the parser or keeps it busy beyond its deadline is reported, and
 * the rest is read by another thread. Starting costs about 60 ms for KDL and 250 ms for HCL; whoever has neither pays
 * nothing.
 */
import { Worker } from "node:worker_threads"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { SECTIONS } from "../ConfigSchema.ts"
import type { RawDocument } from "../Draft.ts"
import type { Answer, Request } from "./ConversionWorker.ts"
import type { ListKeys } from "./Kdl.ts"
import { type Converted, unreadable } from "./Nested.ts"

/** Keys of the plugins' tables that are lists, by category. Spec: plugins 6. */
export const PLUGIN_LISTS: ListKeys["plugins"] = {
  admin: ["authorizations"],
  basic_auth: ["authorizations"],
  cache: ["headers", "purge_ip_list"],
  combined_auth: ["authorizations", "ip_list"],
  directory: ["headers"],
  forward_auth: ["request_headers", "add_headers"],
  geo_restriction: ["country_codes"],
  ip_restriction: ["ip_list"],
  key_auth: ["keys"],
  mock: ["headers"],
  referer_restriction: ["referer_list"],
  response_headers: ["add_headers", "remove_headers", "set_headers", "set_headers_not_exists", "rename_headers"],
  sub_filter: ["filters"],
  ua_restriction: ["ua_list"]
}

const listsOf = (fields: Schema.Struct.Fields): ReadonlyArray<string> =>
  Object.entries(fields).flatMap(([key, field]) => (Schema.toEncoded(field).ast._tag === "Arrays" ? [key] : []))

/** The keys of sections that are lists, by their schemas, and those of plugins. */
export const listKeys = (plugins: ListKeys["plugins"] = PLUGIN_LISTS): ListKeys => ({
  sections: {
    basic: listsOf(SECTIONS.basic.fields),
    servers: listsOf(SECTIONS.servers.fields),
    locations: listsOf(SECTIONS.locations.fields),
    upstreams: listsOf(SECTIONS.upstreams.fields),
    certificates: listsOf(SECTIONS.certificates.fields),
    storages: listsOf(SECTIONS.storages.fields)
  },
  plugins
})

export interface ConversionOptions {
  /** Time for one document. Default: 30 s. */
  readonly deadline?: Duration.Input
  /** List keys of plugins that are not in the default build, by category. */
  readonly pluginLists?: ListKeys["plugins"]
}

/** True for a document that was not written in TOML. */
export const isConverted = (document: RawDocument): document is Converted => "placed" in document

/**
 * Every document as TOML, in the given order. The end of its name tells the format: `.hcl`, `.kdl`, anything else is
 * TOML and stays as it is. What cannot be read has an error among its problems.
 */
export const toToml = (
  documents: ReadonlyArray<RawDocument>,
  { deadline = "30 seconds", pluginLists = {} }: ConversionOptions = {}
): Effect.Effect<ReadonlyArray<RawDocument | Converted>> =>
  Effect.suspend(() => {
    const requests = documents.flatMap(({ file, text }) => {
      const format = formatOf(file)
      return format === undefined ? [] : [{ file, text, format }]
    })
    if (requests.length === 0) return Effect.succeed(documents)
    const lists = listKeys({ ...PLUGIN_LISTS, ...pluginLists })
    return Effect.map(convert(requests, lists, deadline), (converted) => {
      const rest = converted.values()
      return documents.map((document) =>
        formatOf(document.file) === undefined ? document : (rest.next().value ?? document)
      )
    })
  })

const formatOf = (file: string): Request["format"] | undefined =>
  file.endsWith(".hcl") ? "hcl" : file.endsWith(".kdl") ? "kdl" : undefined

const convert = Effect.fnUntraced(function* (
  requests: ReadonlyArray<Request>,
  lists: ListKeys,
  deadline: Duration.Input
) {
  const converted: Array<Converted> = []
  // One after another until a thread fails; the rest goes to the next one.
  const use = Effect.fnUntraced(function* (worker: Worker) {
    while (converted.length < requests.length) {
      const request = requests[converted.length]!
      const answer = yield* ask(worker, request).pipe(
        Effect.timeoutOrElse({ duration: deadline, orElse: () => Effect.fail(new ReadFailure({ message: TOO_SLOW })) }),
        Effect.result
      )
      if (Result.isSuccess(answer)) converted.push(answer.success)
      else {
        const span = { line: 1, column: 1, length: 1 }
        converted.push(unreadable(request, [{ severity: "error", span, path: [], message: answer.failure.message }]))
        return
      }
    }
  })
  while (converted.length < requests.length) {
    yield* Effect.acquireUseRelease(
      Effect.sync(() => start(lists)),
      use,
      (worker) => Effect.promise(() => worker.terminate())
    )
  }
  return converted
})

const TOO_SLOW = "text cannot be read in the time that is allowed for it"

class ReadFailure extends Data.TaggedError("ReadFailure")<{ readonly message: string }> {}

const start = (lists: ListKeys): Worker => {
  // The same file before and after the build.
  const file = new URL(`./ConversionWorker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url)
  const worker = new Worker(file, {
    name: "conversion",
    workerData: lists,
    // Nothing of this process is its business, nor are the flags that this process was started with.
    env: {},
    execArgv: [],
    // What a parser prints when it breaks may hold parts of the text.
    stdout: true,
    stderr: true
  })
  // Without a listener, a failure between two documents would end the process.
  worker.on("error", () => {})
  return worker
}

const ask = (worker: Worker, request: Request): Effect.Effect<Converted, ReadFailure> =>
  Effect.callback<Converted, ReadFailure>((resume) => {
    const forget = (): void => {
      worker.off("message", answer).off("error", fail).off("exit", fail)
    }
    const answer = (answer: Answer): void => {
      forget()
      resume(Effect.succeed({ file: request.file, source: request.text, ...answer }))
    }
    const fail = (cause: unknown): void => {
      forget()
      const tooDeep = String(cause).includes("Maximum call stack")
      const message = tooDeep ? "text is nested too deep" : `text cannot be read as ${request.format.toUpperCase()}`
      resume(Effect.fail(new ReadFailure({ message })))
    }
    // A thread that has ended says no more.
    if (worker.threadId === -1) return fail("ended")
    worker.on("message", answer).on("error", fail).on("exit", fail)
    worker.postMessage(request)
    return Effect.sync(forget)
  })
