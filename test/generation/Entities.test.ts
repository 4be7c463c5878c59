/** What outlives a reload: shared while equal, kept when its successor fails, closed with its last holder. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { type Assembly, Entities } from "../../src/generation/Entities.ts"

/** What an entity is asked to be; `how` is no part of its identity, it can change between two attempts. */
interface Conf {
  readonly value: string
}

type How =
  | "ok"
  | "fails"
  | "throws"
  | "fails to close"
  | "never"
  | "gives up"
  | "opens, then fails"
  | "opens, then fails to close"

interface Thing {
  readonly name: string
  readonly value: string
}

/** Records `+name=value` and `-name=value`; `how` says what becomes of a value. */
const workshop = (how: Record<string, How> = {}) => {
  const events: Array<string> = []
  const entities = new Entities<Conf, Thing>({
    section: "plugins",
    isSame: (a, b) => a.value === b.value,
    build: (name, { value }) =>
      Effect.gen(function* () {
        const label = `${name}=${value}`
        const fate = how[value] ?? "ok"
        if (fate === "fails") return yield* Effect.fail({ message: `${label} cannot be` })
        if (fate === "throws") throw new Error("boom")
        if (fate === "gives up") return yield* Effect.interrupt
        yield* Effect.acquireRelease(
          Effect.sync(() => events.push(`+${label}`)),
          () =>
            Effect.sync(() => {
              events.push(`-${label}`)
              if (fate.endsWith("fails to close")) throw new Error("stuck")
            })
        )
        if (fate === "never") return yield* Effect.never
        if (fate.startsWith("opens")) return yield* Effect.fail({ message: `${label} cannot be` })
        return { name, value }
      })
  })
  return { events, entities }
}

const confs = (values: Readonly<Record<string, string>>): ReadonlyArray<readonly [string, Conf]> =>
  Object.entries(values).map(([name, value]) => [name, { value }])

/** An assembly that is published, and its end. */
const publish = Effect.fnUntraced(function* (
  entities: Entities<Conf, Thing>,
  values: Readonly<Record<string, string>>
) {
  const scope = yield* Scope.make()
  const assembly = yield* Scope.provide(entities.assemble(confs(values)), scope)
  assembly.publish()
  return { ...assembly, close: Scope.close(scope, Exit.void) }
})

const silent = Effect.provide(Logger.layer([]))

const valuesOf = ({ values }: Assembly<Thing>): Record<string, string> =>
  Object.fromEntries(Array.from(values, ([name, { value }]) => [name, value]))

describe("an entity", () => {
  it.effect("is shared while its configuration is equal", () =>
    Effect.gen(function* () {
      const { entities, events } = workshop()
      const first = yield* publish(entities, { a: "1", b: "1" })
      const second = yield* publish(entities, { a: "1", b: "2" })
      assert.strictEqual(second.values.get("a"), first.values.get("a"))
      yield* first.close
      assert.deepStrictEqual(events, ["+a=1", "+b=1", "+b=2", "-b=1"])
      yield* second.close
      assert.deepStrictEqual(events.slice(4), ["-b=2", "-a=1"])
    })
  )

  it.effect("is not compared by value when its configuration is the same object", () =>
    Effect.gen(function* () {
      const entities = new Entities<Conf, number>({
        section: "upstreams",
        isSame: () => assert.fail("asked"),
        build: () => Effect.succeed(1)
      })
      const conf = { value: "1" }
      const first = yield* entities.assemble([["a", conf]])
      first.publish()
      yield* entities.assemble([["a", conf]])
    })
  )

  it.effect("is not compared with what was built and never published", () =>
    Effect.gen(function* () {
      const { entities, events } = workshop()
      const first = yield* publish(entities, { a: "1" })
      yield* Effect.scoped(entities.assemble(confs({ a: "2", b: "1" })))
      const second = yield* publish(entities, { a: "2" })
      assert.deepStrictEqual(events, ["+a=1", "+a=2", "+b=1", "-b=1", "-a=2", "+a=2"])
      yield* first.close
      yield* second.close
    })
  )

  it.effect("closes when its last holder lets go, whatever the order", () =>
    Effect.gen(function* () {
      const { entities, events } = workshop()
      const first = yield* publish(entities, { a: "1" })
      const second = yield* publish(entities, { a: "1" })
      const third = yield* publish(entities, {})
      yield* second.close
      yield* third.close
      assert.deepStrictEqual(events, ["+a=1"])
      yield* first.close
      assert.deepStrictEqual(events, ["+a=1", "-a=1"])
    })
  )

  it.effect("that was taken out is built anew when it comes back, also while the old one is still held", () =>
    Effect.gen(function* () {
      const { entities, events } = workshop()
      const first = yield* publish(entities, { a: "1" })
      yield* publish(entities, {})
      const third = yield* publish(entities, { a: "1" })
      assert.notStrictEqual(third.values.get("a"), first.values.get("a"))
      yield* first.close
      assert.deepStrictEqual(events, ["+a=1", "+a=1", "-a=1"])
    })
  )

  it.effect("keeps its previous version while it cannot be built, and is tried again each time", () =>
    Effect.gen(function* () {
      const how: Record<string, How> = { 2: "fails" }
      const { entities, events } = workshop(how)
      const first = yield* publish(entities, { a: "1", b: "1" })
      const second = yield* publish(entities, { a: "2", b: "1" })
      assert.deepStrictEqual(second.problems, [{ section: "plugins", name: "a", message: "a=2 cannot be", kept: true }])
      assert.strictEqual(second.values.get("a"), first.values.get("a"))
      yield* first.close
      const third = yield* publish(entities, { a: "2", b: "1" })
      yield* second.close
      assert.lengthOf(third.problems, 1)
      assert.deepStrictEqual(valuesOf(third), { a: "1", b: "1" })
      how["2"] = "ok"
      const fourth = yield* publish(entities, { a: "2", b: "1" })
      assert.deepStrictEqual([fourth.problems, valuesOf(fourth)], [[], { a: "2", b: "1" }])
      yield* third.close
      assert.deepStrictEqual(events, ["+a=1", "+b=1", "+a=2", "-a=1"])
    })
  )

  it.effect("goes back to its previous version without building it", () =>
    Effect.gen(function* () {
      const { entities, events } = workshop({ 2: "fails" })
      yield* publish(entities, { a: "1" })
      yield* publish(entities, { a: "2" })
      const third = yield* publish(entities, { a: "1" })
      assert.deepStrictEqual([third.problems, events], [[], ["+a=1"]])
    })
  )

  it.effect("that never could be built is not there", () =>
    Effect.gen(function* () {
      const { entities } = workshop({ 1: "fails" })
      const first = yield* publish(entities, { a: "1", b: "2" })
      assert.deepStrictEqual(valuesOf(first), { b: "2" })
      assert.deepStrictEqual(first.problems, [{ section: "plugins", name: "a", message: "a=1 cannot be", kept: false }])
    })
  )

  it.effect("that throws fails like any other", () =>
    Effect.gen(function* () {
      const { entities } = workshop({ 1: "throws" })
      const { problems, values } = yield* publish(entities, { a: "1", b: "2" })
      assert.deepStrictEqual([...values.keys()], ["b"])
      assert.deepStrictEqual(
        problems.map(({ message }) => message),
        ["could not be built: Error: boom"]
      )
    })
  )

  it.effect("that throws before there is an effect, too", () =>
    Effect.gen(function* () {
      const entities = new Entities<Conf, string>({
        section: "upstreams",
        isSame: () => false,
        build: (name) => {
          if (name === "a") throw new Error("boom")
          return Effect.succeed(name)
        }
      })
      const { problems, values } = yield* entities.assemble(confs({ a: "1", b: "2" }))
      assert.deepStrictEqual([...values.keys()], ["b"])
      assert.deepStrictEqual(problems, [
        { section: "upstreams", name: "a", message: "could not be built: Error: boom", kept: false }
      ])
    })
  )

  it.effect("that interrupts itself fails alone", () =>
    Effect.gen(function* () {
      const { entities } = workshop({ 1: "gives up" })
      const { problems, values } = yield* publish(entities, { a: "1", b: "2" })
      assert.deepStrictEqual([...values.keys()], ["b"])
      assert.deepStrictEqual(
        problems.map(({ message }) => message),
        ["could not be built: it was interrupted"]
      )
    })
  )

  it.effect("leaves nothing open when it fails half-way", () =>
    Effect.gen(function* () {
      const { entities, events } = workshop({ 1: "opens, then fails" })
      yield* publish(entities, { a: "1" })
      assert.deepStrictEqual(events, ["+a=1", "-a=1"])
    })
  )

  it.effect("fails alone when it cannot even close what it had opened", () =>
    Effect.gen(function* () {
      const { entities, events } = workshop({ 1: "opens, then fails to close" })
      const { problems, values } = yield* publish(entities, { a: "1", b: "2" })
      assert.deepStrictEqual([...values.keys()], ["b"])
      assert.deepStrictEqual(
        problems.map(({ message }) => message),
        ["a=1 cannot be"]
      )
      assert.deepStrictEqual(events, ["+a=1", "-a=1", "+b=2"])
    }).pipe(silent)
  )

  it.effect("that is never ready fails after 30 seconds, and closes what it had opened", () =>
    Effect.gen(function* () {
      const { entities, events } = workshop({ 1: "never" })
      const fiber = yield* Effect.forkChild(publish(entities, { a: "1", b: "2" }), { startImmediately: true })
      yield* TestClock.adjust(29_999)
      assert.deepStrictEqual(events, ["+a=1", "+b=2"])
      yield* TestClock.adjust(1)
      const { problems, values } = yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        problems.map(({ message }) => message),
        ["was not ready within 30 seconds"]
      )
      assert.deepStrictEqual([[...values.keys()], events], [["b"], ["+a=1", "+b=2", "-a=1"]])
    })
  )

  it.effect("that does not close does not keep others from closing", () =>
    Effect.gen(function* () {
      const { entities, events } = workshop({ 2: "fails to close" })
      const lines: Array<unknown> = []
      const logger = Logger.layer([Logger.make(({ message }) => void lines.push(message))])
      const { close } = yield* publish(entities, { a: "1", b: "2", c: "3" })
      yield* Effect.provide(close, logger)
      assert.deepStrictEqual(events.slice(3), ["-c=3", "-b=2", "-a=1"])
      assert.match(String(lines), /did not close.*stuck/)
      assert.lengthOf(lines, 1)
    })
  )
})

describe("an assembly", () => {
  it.effect("that is interrupted ends at once, and closes what it had built and what it was building", () =>
    Effect.gen(function* () {
      const { entities, events } = workshop({ 2: "never" })
      const first = yield* publish(entities, { a: "1", kept: "1" })
      const scope = yield* Scope.make()
      const fiber = yield* Effect.forkChild(
        Scope.provide(entities.assemble(confs({ kept: "1", a: "2", b: "1", c: "2" })), scope),
        { startImmediately: true }
      )
      assert.deepStrictEqual(events.slice(2), ["+a=2", "+b=1", "+c=2"])
      // No clock moves: it does not wait for the time-out of what it interrupts.
      const exit = yield* Effect.exit(Effect.andThen(Fiber.interrupt(fiber), Fiber.join(fiber)))
      assert.isTrue(Exit.isFailure(exit) && Exit.hasInterrupts(exit))
      yield* Scope.close(scope, Exit.void)
      assert.sameMembers(events.slice(5), ["-a=2", "-c=2", "-b=1"])
      assert.strictEqual(events.at(-1), "-b=1")
      // Nothing of it counts: the next one shares with what was published.
      const third = yield* publish(entities, { a: "1", kept: "1" })
      assert.deepStrictEqual(third.values, first.values)
      assert.lengthOf(events, 8)
    })
  )

  it.effect("builds 16 at a time", () =>
    Effect.gen(function* () {
      let running = 0
      const gate = yield* Deferred.make<void>()
      const entities = new Entities<number, number>({
        section: "plugins",
        isSame: () => false,
        build: (_name, conf) =>
          Effect.gen(function* () {
            running++
            yield* Deferred.await(gate)
            return conf
          })
      })
      const many = Array.from({ length: 40 }, (_, index) => [`e${index}`, index] as const)
      const fiber = yield* Effect.forkChild(entities.assemble(many), { startImmediately: true })
      yield* Effect.yieldNow
      assert.strictEqual(running, 16)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* Fiber.join(fiber)).values.size, 40)
    })
  )
})

/** A world in which confs come, fail, are overtaken and let go, next to what ought to be open. */
type Step =
  | { readonly type: "reload"; readonly values: Readonly<Record<string, string>>; readonly isDropped: boolean }
  | { readonly type: "overtaken"; readonly values: Readonly<Record<string, string>> }
  | { readonly type: "let go"; readonly which: number }
  | { readonly type: "fate"; readonly value: string; readonly how: How }

const steps = ((): fc.Arbitrary<ReadonlyArray<Step>> => {
  const values = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.constantFrom("1", "2", "3"), { maxKeys: 4 })
  return fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.record({ type: fc.constant("reload"), values, isDropped: fc.constant(false) }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant("reload"), values, isDropped: fc.constant(true) }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant("overtaken"), values }) },
      { weight: 3, arbitrary: fc.record({ type: fc.constant("let go"), which: fc.nat(10) }) },
      {
        weight: 2,
        arbitrary: fc.record({
          type: fc.constant("fate"),
          value: fc.constantFrom("1", "2", "3"),
          how: fc.constantFrom<How>(
            "ok",
            "fails",
            "throws",
            "fails to close",
            "opens, then fails",
            "opens, then fails to close"
          )
        })
      }
    ) as fc.Arbitrary<Step>,
    { maxLength: 30 }
  )
})()

/** An entity of the model. */
interface Model {
  readonly label: string
  readonly value: string
  holders: number
}

const walk = Effect.fnUntraced(function* (script: ReadonlyArray<Step>) {
  const how: Record<string, How> = {}
  const { entities, events } = workshop(how)
  let published = new Map<string, Model>()
  const held: Array<{ readonly entities: ReadonlyArray<Model>; readonly close: Effect.Effect<void> }> = []
  const open = (): ReadonlyArray<string> => {
    const labels: Array<string> = []
    for (const event of events) {
      if (event.startsWith("+")) labels.push(event.slice(1))
      else {
        const at = labels.indexOf(event.slice(1))
        assert.notStrictEqual(at, -1, `${event} was not open`)
        labels.splice(at, 1)
      }
    }
    return labels.sort()
  }
  const expected = new Set<Model>()
  const works = (value: string): boolean => ["ok", "fails to close"].includes(how[value] ?? "ok")
  const letGo = Effect.fnUntraced(function* (index: number) {
    const [generation] = held.splice(index, 1)
    for (const entity of generation!.entities) if (--entity.holders === 0) expected.delete(entity)
    yield* generation!.close
  })
  for (const step of script) {
    if (step.type === "fate") how[step.value] = step.how
    // The published generation holds its entities until it is replaced: the last one is never let go.
    else if (step.type === "let go") {
      if (held.length > 1) yield* letGo(step.which % (held.length - 1))
    } else {
      const scope = yield* Scope.make()
      const before = new Map(Object.entries(how))
      if (step.type === "overtaken") for (const value of ["1", "2", "3"]) how[value] = "never"
      const from = events.length
      const fiber = yield* Effect.forkChild(Scope.provide(entities.assemble(confs(step.values)), scope), {
        startImmediately: true
      })
      const changed = Object.entries(step.values).filter(([name, value]) => published.get(name)?.value !== value)
      if (step.type === "overtaken") {
        yield* Fiber.interrupt(fiber)
        yield* Scope.close(scope, Exit.void)
        for (const value of ["1", "2", "3"]) how[value] = before.get(value) ?? "ok"
      } else {
        const assembly = yield* Fiber.join(fiber)
        const next = new Map<string, Model>()
        for (const [name, value] of Object.entries(step.values)) {
          const known = published.get(name)
          const isNew = known?.value !== value && works(value)
          if (isNew) next.set(name, { label: `${name}=${value}`, value, holders: 0 })
          else if (known !== undefined) next.set(name, known)
        }
        assert.deepStrictEqual(
          Object.fromEntries(Array.from(assembly.values, ([name, { value }]) => [name, value])),
          Object.fromEntries(Array.from(next, ([name, { value }]) => [name, value]))
        )
        assert.deepStrictEqual(
          assembly.problems.map(({ kept, name }) => `${name} ${kept}`).sort(),
          changed
            .filter(([, value]) => !works(value))
            .map(([name]) => `${name} ${published.has(name)}`)
            .sort()
        )
        for (const entity of next.values()) {
          entity.holders++
          expected.add(entity)
        }
        held.push({ entities: [...next.values()], close: Scope.close(scope, Exit.void) })
        if (step.isDropped) yield* letGo(held.length - 1)
        else {
          assembly.publish()
          published = next
        }
      }
      // Unchanged means untouched: what is opened is what changed, once.
      const opens = (value: string): boolean =>
        step.type === "overtaken" || !["fails", "throws"].includes(how[value] ?? "ok")
      assert.deepStrictEqual(
        events
          .slice(from)
          .filter((event) => event.startsWith("+"))
          .sort(),
        changed
          .filter(([, value]) => opens(value))
          .map(([name, value]) => `+${name}=${value}`)
          .sort()
      )
    }
    assert.deepStrictEqual(open(), Array.from(expected, ({ label }) => label).sort())
  }
  while (held.length > 0) yield* letGo(0)
  assert.deepStrictEqual(open(), [])
})

describe("in any order of changes, failures, interruptions and releases", () => {
  it("nothing is closed while it is held, nothing leaks, and nothing is built while it is equal", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        await Effect.runPromise(walk(script).pipe(silent))
      }),
      { numRuns: 300 }
    )
  })
})
