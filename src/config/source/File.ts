/**
 * Configuration in one file, or in every file below a folder: read, followed, and saved.
 *
 * The path may start with `~` and may carry a `?query`, which only concerns writing: `separation` gives new items a
 * file each, `enable_history=true` keeps what is replaced. To read a path that does not exist is an error that names
 * it: the reference starts without listeners, and a typo looks like a healthy start. To whoever saves, it is an empty
 * store that the first commit creates. Spec: config 1, 15.
 *
 * Parts, in `file/`: a scan says which files there are, a tree keeps the scan up to date, documents are read along
 * it, a watch says when to look again, a commit replaces documents under a lock.
 */
import { extname } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as RcRef from "effect/RcRef"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { FileSystem } from "../../platform/FileSystem.ts"
import { ConfigSource, ConfigSourceError } from "../ConfigSource.ts"
import { ConfigStore } from "../ConfigStore.ts"
import type { Layout } from "../Layout.ts"
import * as Address from "./file/Address.ts"
import { commit } from "./file/Commit.ts"
import { Documents } from "./file/Documents.ts"
import { EXTENSIONS, Formats } from "./file/Formats.ts"
import * as History from "./file/History.ts"
import { Processes } from "./file/Holder.ts"
import { WAIT_MILLIS } from "./file/Lock.ts"
import { Tree } from "./file/Tree.ts"
import { watch } from "./file/Watch.ts"

export interface FileOptions {
  /** Whether the system's events are listened to. Without them changes are polled. Default: yes. */
  readonly events?: boolean
  /** How long a commit waits for another process that is saving. Default: 10 s. */
  readonly lockWaitMillis?: number
}

/** The file or folder at `path`, the value of `-c`, as a source and as a store. */
export const layer = (path: string, options: FileOptions = {}): Layer.Layer<ConfigSource | ConfigStore> =>
  Layer.effectContext(
    Effect.matchEffect(Effect.fromResult(Address.parse(path)), {
      onFailure: (error) => Effect.succeed(broken(path, error)),
      onSuccess: (address) => make(address, options)
    })
  )

const make = Effect.fnUntraced(function* (address: Address.Address, options: FileOptions) {
  const { events = true, lockWaitMillis = WAIT_MILLIS } = options
  const fs = yield* FileSystem
  const processes = yield* Processes
  const isSingle = yield* Effect.match(fs.stat(address.path), {
    onFailure: () => EXTENSIONS.includes(extname(address.path)),
    onSuccess: ({ kind }) => kind !== "folder"
  })
  const layout: Layout = isSingle ? "single" : address.separation ? "by-item" : "by-type"
  const tree = new Tree(fs, address)
  const documents = new Documents(fs, address, tree)
  const formats = new Formats()
  // One for all who follow, so that a change is looked at once. There is none while nobody does.
  const watching = yield* RcRef.make({ acquire: watch(fs, tree, documents, events) })
  const extension = isSingle
    ? Effect.succeed(extname(address.path))
    : Effect.map(tree.current, ({ scan }) => scan.extension)
  const place = { fs, address, isSingle, extension, lock: { processes, waitMillis: lockWaitMillis } }
  const one = Semaphore.makeUnsafe(1)
  return Context.make(ConfigSource, {
    read: Effect.flatMap(documents.read, ({ documents, scan }) => {
      if (scan.kind === "file" || scan.kind === "folder") return formats.toToml(documents)
      return Effect.fail(scan.kind === "missing" ? missing(address) : noConfiguration(address))
    }),
    changes: Stream.unwrap(
      Effect.gen(function* () {
        const changes = yield* PubSub.subscribe(yield* RcRef.get(watching))
        // The first comes by itself, so that no change between reading and following is lost.
        return Stream.concat(Stream.succeed(undefined), Stream.fromSubscription(changes))
      })
    )
  }).pipe(
    Context.add(ConfigStore, {
      place: address.shown,
      layout,
      read: Effect.flatMap(documents.read, ({ documents, scan }) =>
        scan.kind === "other" ? Effect.fail(noConfiguration(address)) : formats.toToml(documents)
      ),
      commit: (writes) =>
        commit(place, writes).pipe(
          Effect.onExit((exit) =>
            Effect.sync(() => {
              if (exit._tag === "Failure") tree.touchAll()
              else for (const { key } of writes) tree.touchKey(key)
            })
          ),
          // In turns within this process, so that they do not wait for the lock by the clock.
          one.withPermits(1)
        ),
      history: address.keepsHistory ? (key) => History.read(fs, address, key) : null
    })
  )
})

const missing = ({ path, shown }: Address.Address): ConfigSourceError =>
  new ConfigSourceError({ file: shown, message: `no configuration at ${path}`, hint: "check the path after -c" })

const noConfiguration = ({ shown }: Address.Address): ConfigSourceError =>
  new ConfigSourceError({ file: shown, message: "is neither a file nor a folder" })

/** A path that cannot be understood says so to everybody who uses it. */
const broken = (path: string, error: ConfigSourceError): Context.Context<ConfigSource | ConfigStore> =>
  Context.make(ConfigSource, { read: Effect.fail(error), changes: Stream.never }).pipe(
    Context.add(ConfigStore, {
      place: path,
      layout: "single",
      read: Effect.fail(error),
      commit: () => Effect.fail(error),
      history: null
    })
  )
