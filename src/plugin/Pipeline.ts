/**
 * Compiles the hooks of a location's plugins into the chains that a generation hands to the data plane: one loop per
 * step, nothing for a step that no plugin takes part in. Spec: plugins 3.1, 3.2.
 *
 * A request chain runs hooks during the call until one returns an effect. That one effect runs on the generation's
 * runner; if it does not end at once, the chain answers PENDING, and when it has ended runs the remaining hooks and
 * hands the outcome to `proceed`. While it waits, `exchange.interrupt` stops it; an exchange that was interrupted
 * never proceeds.
 *
 * ```
 *   run ──► hook ──► undefined ──► next hook ──► … ──► undefined: go on
 *             │ ├──► response ──────────────────────► response
 *             │ └──► effect ──► ended at once: as above
 *             │            └──► PENDING ──► ended: next hook … ──► proceed
 *             └──► throws, fails, dies, returns nonsense ──► pluginFailed: the request fails closed
 * ```
 *
 * Nothing is thrown out of a chain.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import { sparingly } from "../platform/Sparingly.ts"
import type { Exchange } from "../proxy/Exchange.ts"
import { type Failure, pluginFailed, shuttingDown } from "../proxy/Failure.ts"
import type { LocalResponse } from "../proxy/Response.ts"
import {
  type BodyChain,
  type LocationRuntime,
  type Outcome,
  PENDING,
  type RequestChain,
  type ResponseChain
} from "../proxy/Runtime.ts"
import * as BodyStages from "./BodyStages.ts"
import type { Decision, Hooks, RequestHook, ResponseHook } from "./Plugin.ts"

/** What a location needs of a plugin instance. */
export interface Member {
  readonly name: string
  readonly hooks: Hooks
}

/** Starts an effect at once and owns its fiber: it is interrupted when the generation's scope closes. */
export type Runner = <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>

/** A runner that lives as long as the surrounding scope and runs with the surrounding services. */
export const makeRunner: Effect.Effect<Runner, never, Scope.Scope> = FiberSet.makeRuntime()

/** How a chain that had to wait hands the exchange back. Must not throw: nobody stands above it. */
export type Proceed = (exchange: Exchange, outcome: Exclude<Outcome, typeof PENDING>) => void

type Report = (plugin: string, problem: unknown) => void

export interface CompileOptions {
  readonly runner: Runner
  readonly proceed: Proceed
}

/** The part of a location's runtime that comes from its plugins. */
export type Chains = Pick<
  LocationRuntime,
  | "early"
  | "request"
  | "proxyUpstream"
  | "upstreamResponse"
  | "response"
  | "requestBody"
  | "upstreamBody"
  | "responseBody"
>

const REPORTS_PER_SECOND = 5

/** The chains of a location whose `plugins` list names these instances, in this order. */
export const compile = (members: ReadonlyArray<Member>, options: CompileOptions): Chains => {
  // A hook may fail on every request of somebody who found out how.
  const report: Report = sparingly(REPORTS_PER_SECOND, (plugin, problem) => {
    options.runner(Effect.logError("Plugin failed", problem).pipe(Effect.annotateLogs({ category: "plugin", plugin })))
  })
  const requestChain = (phase: "earlyRequest" | "request" | "proxyUpstream"): RequestChain | null => {
    const turns = turnsOf(members, phase)
    return turns.length === 0 ? null : new Chain(turns, options, report)
  }
  const responseChain = (phase: "upstreamResponse" | "response"): ResponseChain | null => {
    const turns = turnsOf(members, phase)
    return turns.length === 0 ? null : editor(turns, report)
  }
  const bodyChain = (phase: "requestBody" | "upstreamBody" | "responseBody"): BodyChain | null => {
    const turns = turnsOf(members, phase)
    return turns.length === 0 ? null : BodyStages.compose(turns, report)
  }
  return {
    early: requestChain("earlyRequest"),
    request: requestChain("request"),
    proxyUpstream: requestChain("proxyUpstream"),
    upstreamResponse: responseChain("upstreamResponse"),
    response: responseChain("response"),
    requestBody: bodyChain("requestBody"),
    upstreamBody: bodyChain("upstreamBody"),
    responseBody: bodyChain("responseBody")
  }
}

/** One plugin's hook in one phase. */
interface Turn<Hook> {
  readonly plugin: string
  readonly hook: Hook
}

const turnsOf = <Phase extends keyof Hooks>(
  members: ReadonlyArray<Member>,
  phase: Phase
): ReadonlyArray<Turn<NonNullable<Hooks[Phase]>>> =>
  members.flatMap(({ name, hooks }) => {
    const hook = hooks[phase]
    return hook === undefined ? [] : [{ plugin: name, hook }]
  })

class Chain implements RequestChain {
  private readonly turns: ReadonlyArray<Turn<RequestHook>>
  private readonly runner: Runner
  private readonly proceed: Proceed
  private readonly report: Report

  constructor(turns: ReadonlyArray<Turn<RequestHook>>, options: CompileOptions, report: Report) {
    this.turns = turns
    this.runner = options.runner
    this.proceed = options.proceed
    this.report = report
  }

  run(exchange: Exchange): Outcome {
    return this.from(exchange, 0)
  }

  private from(exchange: Exchange, start: number): Outcome {
    for (let i = start; i < this.turns.length; i++) {
      const outcome = this.step(exchange, i)
      if (outcome !== undefined) return outcome
    }
    return undefined
  }

  /** One plugin's turn: the place to measure its time for `server-timing` (the rest of it is in {@link wait}). */
  private step(exchange: Exchange, index: number): Outcome {
    let decision: ReturnType<RequestHook>
    try {
      decision = this.turns[index]!.hook(exchange)
    } catch (error) {
      return this.failed(index, error)
    }
    if (decision === undefined) return undefined
    return Effect.isEffect(decision) ? this.wait(exchange, index, decision) : this.checked(index, decision)
  }

  private wait(exchange: Exchange, index: number, effect: Effect.Effect<Decision>): Outcome {
    const fiber = this.runner(effect)
    const ended = fiber.pollUnsafe()
    if (ended !== undefined) return this.settled(index, ended)
    let left = false
    exchange.interrupt = () => {
      left = true
      exchange.interrupt = null
      fiber.interruptUnsafe()
    }
    fiber.addObserver((exit) => {
      if (left) return
      exchange.interrupt = null
      let outcome = this.settled(index, exit)
      if (outcome === undefined) outcome = this.from(exchange, index + 1)
      if (outcome !== PENDING) this.proceed(exchange, outcome)
    })
    return PENDING
  }

  private settled(index: number, exit: Exit.Exit<Decision>): Outcome {
    if (exit._tag === "Success") return exit.value === undefined ? undefined : this.checked(index, exit.value)
    // Only the end of the generation's scope interrupts an effect whose client is still there.
    return Cause.hasInterruptsOnly(exit.cause) ? shuttingDown : this.failed(index, exit.cause)
  }

  /** Plugins written without types return promises, `null` and the like: that must not count as "go on". */
  private checked(index: number, decision: LocalResponse): Outcome {
    if (typeof decision?.status === "number" && typeof decision.fields === "string") return decision
    return this.failed(index, "a hook returned neither undefined nor a response nor an Effect")
  }

  private failed(index: number, problem: unknown): Failure {
    this.report(this.turns[index]!.plugin, problem)
    return pluginFailed
  }
}

/**
 * Response hooks run when a response is there already, so one that throws is reported and the others still run; what
 * protects something belongs into a request hook.
 */
const editor =
  (turns: ReadonlyArray<Turn<ResponseHook>>, report: Report): ResponseChain =>
  (exchange) => {
    for (let i = 0; i < turns.length; i++) {
      try {
        turns[i]!.hook(exchange)
      } catch (error) {
        report(turns[i]!.plugin, error)
      }
    }
  }
