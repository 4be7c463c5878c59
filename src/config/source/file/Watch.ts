/**
 * Says when a path may have changed: by events, with polling as the safety net, and by polling alone where events do
 * not tell everything. A burst is one change. A read that failed for a reason that has nothing to do with the files is
 * announced again when it works. Spec: runtime 10 (there every ten seconds).
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import type { FileSystemCalls } from "../../../platform/FileSystem.ts"
import * as Burst from "../Burst.ts"
import type { Documents } from "./Documents.ts"
import type { Tree } from "./Tree.ts"
import { Watchers } from "./Watchers.ts"

/** Between two looks at a change that polling has found: whoever writes is perhaps not done. */
const QUIET_MILLIS = 100

/** Between two polls where events tell everything as far as is known. */
const SAFETY_MILLIS = 5_000

/** Between two polls where they do not: with the scan and the quiet moment, a change is announced within a second. */
const POLL_MILLIS = 600
const POLL_ROUNDS = 3

/** However slow a scan is, polling takes no more than this part of the time… */
const POLL_SHARE = 0.05

/** …and is not put off for longer: a scan that hung once for minutes says nothing about the next. */
const MAX_MILLIS = 30_000

/** How long to wait for an event before looking, when the last scan took `scanMillis`. */
export const pollMillis = (isTrusted: boolean, scanMillis: number): number =>
  Math.min(MAX_MILLIS, Math.max(isTrusted ? SAFETY_MILLIS : POLL_MILLIS, scanMillis / POLL_SHARE))

/** Watches as long as its scope is open. What it gives hears of every change after that. */
export const watch = Effect.fnUntraced(function* (
  fs: FileSystemCalls,
  tree: Tree,
  documents: Documents,
  events: boolean
) {
  const changes = yield* PubSub.sliding<void>(1)
  const signals = yield* Queue.sliding<void>(1)
  const watchers = events
    ? new Watchers(fs, (folder, name) => {
        if (tree.touch(folder, name)) Queue.offerUnsafe(signals, undefined)
      })
    : null
  yield* Effect.acquireRelease(
    Effect.sync(() => tree.attach(watchers)),
    () =>
      Effect.sync(() => {
        tree.attach(null)
        watchers?.close()
      })
  )
  yield* tree.current
  let announced = tree.version

  const poll = Effect.gen(function* () {
    for (let round = 0; round < POLL_ROUNDS; round++) {
      const before = tree.version
      tree.touchAll()
      yield* tree.current
      if (tree.version === before) return
      yield* Effect.sleep(QUIET_MILLIS)
    }
  })

  const round = Effect.gen(function* () {
    if (watchers !== null) yield* watchers.tell
    const millis = pollMillis(watchers?.isTrusted() === true, tree.scanMillis)
    const signal = yield* Effect.timeoutOption(Queue.take(signals), millis)
    yield* Option.isSome(signal) ? Burst.end(signals) : poll
    yield* tree.current
    const isChanged = tree.version !== announced
    if (!(yield* documents.hasRecovered) && !isChanged) return
    announced = tree.version
    yield* PubSub.publish(changes, undefined)
  }).pipe(
    Effect.catchDefect((defect) =>
      Effect.andThen(
        Effect.logError("watching the configuration failed, it goes on", defect),
        Effect.sleep(POLL_MILLIS)
      )
    ),
    Effect.annotateLogs({ category: "config" })
  )
  yield* Effect.forkScoped(Effect.forever(round))
  return changes
})
