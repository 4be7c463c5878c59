/**
 * What is built from items of the configuration and outlives a reload: pools of upstreams, instances of plugins.
 *
 * Each entity has a scope of its own and is counted by the generations that use it. One whose configuration did not
 * change is handed on with everything it knows; one that cannot be built keeps its previous version. An entity closes
 * when the last generation that holds it has let go.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Section } from "../config/Draft.ts"
import type { ReloadProblem } from "./ReloadReport.ts"

/** How long building one entity may take, in milliseconds. */
const BUILD_MILLIS = 30_000
/** Entities that are built at the same time. */
const CONCURRENCY = 16

export interface EntitiesOptions<Conf, A> {
  readonly section: Section
  /** Whether two configurations need no new entity. Not asked for one and the same object. */
  readonly isSame: (a: Conf, b: Conf) => boolean
  readonly build: (name: string, conf: Conf) => Effect.Effect<A, { readonly message: string }, Scope.Scope>
}

/** The entities of one configuration. */
export interface Assembly<A> {
  readonly values: ReadonlyMap<string, A>
  readonly problems: ReadonlyArray<ReloadProblem>
  /** From now on, these are what the next configuration is compared with. */
  readonly publish: () => void
}

interface Entity<Conf, A> {
  readonly conf: Conf
  readonly value: A
  readonly scope: Scope.Closeable
  holders: number
}

export class Entities<Conf, A> {
  private readonly options: EntitiesOptions<Conf, A>
  private published: ReadonlyMap<string, Entity<Conf, A>> = new Map()

  constructor(options: EntitiesOptions<Conf, A>) {
    this.options = options
  }

  /** Finds or builds what a configuration asks for, and holds it until the surrounding scope closes. */
  assemble(confs: Iterable<readonly [name: string, conf: Conf]>): Effect.Effect<Assembly<A>, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const held: Array<Entity<Conf, A>> = []
      yield* Effect.addFinalizer(() => releaseAll(held))
      const next = new Map<string, Entity<Conf, A>>()
      const problems: Array<ReloadProblem> = []
      const changed: Array<readonly [string, Conf]> = []
      for (const entry of confs) {
        const [name, conf] = entry
        const before = this.published.get(name)
        if (before === undefined || !this.isSame(before.conf, conf)) changed.push(entry)
        else next.set(name, hold(held, before))
      }
      yield* Effect.forEach(
        changed,
        ([name, conf]) =>
          Effect.map(Effect.result(this.build(name, conf, held)), (built) => {
            const before = this.published.get(name)
            if (built._tag === "Success") next.set(name, built.success)
            else {
              const { message } = built.failure
              problems.push({ section: this.options.section, name, message, kept: before !== undefined })
              if (before !== undefined) next.set(name, hold(held, before))
            }
          }),
        { concurrency: CONCURRENCY, discard: true }
      )
      const values = new Map(Array.from(next, ([name, { value }]) => [name, value]))
      return { values, problems, publish: () => void (this.published = next) }
    })
  }

  private isSame(a: Conf, b: Conf): boolean {
    return a === b || this.options.isSame(a, b)
  }

  /** Builds an entity in a scope of its own, held once. */
  private build(
    name: string,
    conf: Conf,
    held: Array<Entity<Conf, A>>
  ): Effect.Effect<Entity<Conf, A>, { readonly message: string }> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function* () {
        const scope = yield* Scope.make()
        const value = yield* Effect.suspend(() => this.options.build(name, conf)).pipe(
          Scope.provide(scope),
          // One that throws, or interrupts itself, must not take the whole configuration down.
          Effect.catchCause((cause) => Effect.fail({ message: reasonOf(cause) })),
          Effect.timeoutOrElse({
            duration: BUILD_MILLIS,
            orElse: () => Effect.fail({ message: `was not ready within ${BUILD_MILLIS / 1000} seconds` })
          }),
          // The waiting too: the next configuration must not wait for what this one cannot get.
          restore,
          Effect.onError((cause) => close(scope, Exit.failCause(cause)))
        )
        const entity = { conf, value, scope, holders: 0 }
        return hold(held, entity)
      })
    )
  }
}

const reasonOf = (cause: Cause.Cause<{ readonly message: string }>): string => {
  const failure = Cause.findErrorOption(cause)
  if (failure._tag === "Some") return failure.value.message
  return `could not be built: ${Cause.hasInterruptsOnly(cause) ? "it was interrupted" : String(Cause.squash(cause))}`
}

const hold = <Conf, A>(held: Array<Entity<Conf, A>>, entity: Entity<Conf, A>): Entity<Conf, A> => {
  entity.holders++
  held.push(entity)
  return entity
}

const releaseAll = <Conf, A>(held: ReadonlyArray<Entity<Conf, A>>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const unused = held.filter((entity) => --entity.holders === 0)
    // In turns, in the reverse of the order in which they were built.
    return Effect.forEach(unused.reverse(), ({ scope }) => close(scope, Exit.void), { discard: true })
  })

/** Whatever goes wrong in it concerns nothing else: not the entity's own failure, not those that close after it. */
const close = (scope: Scope.Closeable, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.catchCause(Scope.close(scope, exit), (cause) =>
    Effect.logError("Something of a replaced configuration did not close", Cause.pretty(cause))
  )
