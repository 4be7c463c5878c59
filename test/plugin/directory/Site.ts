/** A `directory` plugin over a temporary directory, and what it answers as plain data. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as nodePath from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Fields } from "../../../src/model/Fields.ts"
import { Directory } from "../../../src/plugin/builtin/Directory.ts"
import * as Options from "../../../src/plugin/Options.ts"
import type { Step } from "../../../src/plugin/Plugin.ts"
import { type BodySink, type BodyStream, CONSUMED, type Flow } from "../../../src/proxy/Body.ts"
import type { LocalResponse } from "../../../src/proxy/Response.ts"
import { type FakeOptions, fakeExchange } from "../../support/FakeExchange.ts"

/** An empty directory that is removed with the scope. Its name holds no link. */
export const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.realpathSync(fs.mkdtempSync(nodePath.join(os.tmpdir(), "pingap-directory-")))),
  (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
)

/** 2024-02-03 04:05:06 UTC. */
export const MTIME = 1_706_933_106

/** Writes files, and directories for names that end in a slash, all of the same age. */
export const write = (root: string, files: Readonly<Record<string, string | Buffer>>): void => {
  for (const [name, content] of Object.entries(files)) {
    const path = nodePath.join(root, name)
    fs.mkdirSync(name.endsWith("/") ? path : nodePath.dirname(path), { recursive: true })
    if (name.endsWith("/")) continue
    fs.writeFileSync(path, content)
    fs.utimesSync(path, MTIME, MTIME)
  }
}

export interface Answer {
  readonly status: number
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly body: Buffer
  readonly length: number
  readonly get: (lowerName: string) => string | undefined
}

/** What a stream sends, and how it ends. */
export const collect = (stream: BodyStream, flow: Flow = CONSUMED) =>
  new Promise<{ readonly body: Buffer; readonly end: string }>((resolve) => {
    const pieces: Array<Buffer> = []
    const settle = (end: string) => resolve({ body: Buffer.concat(pieces), end })
    const sink: BodySink = {
      write: (chunk) => {
        pieces.push(Buffer.from(chunk))
        return flow
      },
      end: () => settle("end"),
      abort: (failure) => settle(failure.code)
    }
    stream(sink)
  })

const answerOf = (response: LocalResponse, method: string) =>
  Effect.promise(async (): Promise<Answer> => {
    const fields = new Fields(response.fields)
    const { body } = response
    const bytes =
      typeof body === "string"
        ? Buffer.from(body, "latin1")
        : typeof body !== "function"
          ? body
          : method === "HEAD"
            ? Buffer.alloc(0)
            : (await collect(body)).body
    const length = typeof body === "function" ? response.length : body.length
    return { status: response.status, headers: fields.entries(), body: bytes, length, get: (name) => fields.get(name) }
  })

const decode = Schema.decodeUnknownSync(Directory.options)

/** The plugin's hook and the notices that building it gave. */
export const build = (options: object, step: Step = "request") =>
  Effect.gen(function* () {
    const notices: Array<string> = []
    const take: Options.TakeNotice = (path, message) =>
      Effect.sync(() => {
        notices.push(`${path.join(".")}: ${message}`)
      })
    const hooks = yield* Directory.make(decode(options), { name: "files", step }).pipe(
      Effect.provideService(Options.Notices, take),
      Effect.scoped
    )
    return { hooks, notices, hook: (step === "request" ? hooks.request : hooks.proxyUpstream)! }
  })

/** Asks the plugin and waits for its response. */
export const respond = (options: object, request: FakeOptions) =>
  Effect.gen(function* () {
    const { hook } = yield* build(options)
    const decision = hook(fakeExchange(request))
    const response = Effect.isEffect(decision) ? yield* decision : decision
    if (response === undefined) throw new Error("the plugin always answers")
    return response
  })

/** Asks the plugin for `uri`. */
export const ask = (options: object, request: FakeOptions) =>
  Effect.flatMap(respond(options, request), (response) => answerOf(response, request.method ?? "GET"))

/** Descriptors of this process that are open below `root`. */
export const openBelow = (root: string): number => {
  let count = 0
  for (const fd of fs.readdirSync("/proc/self/fd")) {
    try {
      if (fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(root)) count++
    } catch {
      // The descriptor of this listing itself.
    }
  }
  return count
}

/** Waits until nothing is open below `root`. */
export const allClosed = (root: string) =>
  Effect.promise(async () => {
    const deadline = performance.now() + 5_000
    while (openBelow(root) > 0) {
      if (performance.now() > deadline) throw new Error(`${openBelow(root)} descriptors are still open`)
      await new Promise((resolve) => setImmediate(resolve))
    }
  })
