/**
 * Puts the body stages of several plugins behind each other: the first plugin of the list is nearest the source, the
 * last nearest the reader. Spec: plugins 3.1, 3.3; the contract of a stage is in `proxy/Body.ts`.
 *
 * A stage that throws breaks its body: the source is cancelled and the reader told that the rest will not come, so
 * that half a rewritten document never looks like a whole one. The same happens when a hook throws while it decides
 * whether to rewrite: a stage may be there to take secrets out, and passing the body untouched would be failing open.
 */
import type { Fields } from "../model/Fields.ts"
import {
  type BodySink,
  type BodySource,
  type BodyTransform,
  type Flow,
  FULL,
  type TransformSink
} from "../proxy/Body.ts"
import type { Exchange } from "../proxy/Exchange.ts"
import { type Failure, pluginFailed } from "../proxy/Failure.ts"
import type { BodyChain } from "../proxy/Runtime.ts"
import type { BodyHook } from "./Plugin.ts"

/** A plugin's part in one body. */
export interface Stage {
  readonly plugin: string
  readonly hook: BodyHook
}

type Report = (plugin: string, problem: unknown) => void

/** The stages of one body as one stage, or null for an exchange whose body no plugin wants to touch. */
export const compose =
  (stages: ReadonlyArray<Stage>, report: Report): BodyChain =>
  (exchange) => {
    let chain: BodyTransform | null = null
    for (let i = 0; i < stages.length; i++) {
      const transform = decide(stages[i]!, exchange, report)
      if (transform !== undefined) chain = chain === null ? transform : behind(chain, transform)
    }
    return chain
  }

const decide = (stage: Stage, exchange: Exchange, report: Report): BodyTransform | undefined => {
  try {
    const transform = stage.hook(exchange)
    return transform === undefined ? undefined : guarded(transform, stage.plugin, report)
  } catch (error) {
    report(stage.plugin, error)
    return broken
  }
}

const behind =
  (first: BodyTransform, second: BodyTransform): BodyTransform =>
  (next, source) => {
    const between = new Between(source)
    const last = second(next, between)
    between.stage = first(last, source)
    return new Joined(between.stage, last, between)
  }

/** The source that a stage sees: the stage before it, or the real one when that stage does not care to be resumed. */
class Between implements BodySource {
  stage: TransformSink | null = null
  private readonly source: BodySource

  constructor(source: BodySource) {
    this.source = source
  }

  resume(): void {
    if (this.stage?.resume === undefined) this.source.resume()
    else this.stage.resume()
  }

  cancel(): void {
    this.source.cancel()
  }
}

/** Two stages as one: written to at the front, resumed from behind. */
class Joined implements TransformSink {
  private readonly first: TransformSink
  private readonly last: TransformSink
  private readonly between: Between

  constructor(first: TransformSink, last: TransformSink, between: Between) {
    this.first = first
    this.last = last
    this.between = between
  }

  write(chunk: Buffer): Flow {
    return this.first.write(chunk)
  }

  end(trailers: Fields | null): void {
    this.first.end(trailers)
  }

  abort(failure: Failure): void {
    this.first.abort(failure)
  }

  resume(): void {
    if (this.last.resume === undefined) this.between.resume()
    else this.last.resume()
  }
}

const guarded =
  (transform: BodyTransform, plugin: string, report: Report): BodyTransform =>
  (next, source) => {
    try {
      return new Guarded(transform(next, source), next, source, plugin, report)
    } catch (error) {
      report(plugin, error)
      return new Broken(next, source)
    }
  }

const broken: BodyTransform = (next, source) => new Broken(next, source)

class Guarded implements TransformSink {
  private readonly stage: TransformSink
  private readonly next: BodySink
  private readonly source: BodySource
  private readonly plugin: string
  private readonly report: Report
  private failed = false

  constructor(stage: TransformSink, next: BodySink, source: BodySource, plugin: string, report: Report) {
    this.stage = stage
    this.next = next
    this.source = source
    this.plugin = plugin
    this.report = report
  }

  write(chunk: Buffer): Flow {
    if (this.failed) return FULL
    try {
      return this.stage.write(chunk)
    } catch (error) {
      this.fail(error)
      this.source.cancel()
      return FULL
    }
  }

  end(trailers: Fields | null): void {
    if (this.failed) return
    try {
      this.stage.end(trailers)
    } catch (error) {
      this.fail(error)
    }
  }

  abort(failure: Failure): void {
    if (this.failed) return
    try {
      this.stage.abort(failure)
    } catch (error) {
      this.fail(error)
    }
  }

  resume(): void {
    if (this.failed) return
    try {
      if (this.stage.resume === undefined) this.source.resume()
      else this.stage.resume()
    } catch (error) {
      this.fail(error)
      this.source.cancel()
    }
  }

  private fail(error: unknown): void {
    this.failed = true
    this.report(this.plugin, error)
    this.next.abort(pluginFailed)
  }
}

/** Stands where a stage should have been: the body never arrives. */
class Broken implements TransformSink {
  private readonly next: BodySink
  private readonly source: BodySource
  private done = false

  constructor(next: BodySink, source: BodySource) {
    this.next = next
    this.source = source
  }

  write(): Flow {
    if (!this.done) {
      this.source.cancel()
      this.abort(pluginFailed)
    }
    return FULL
  }

  end(): void {
    this.abort(pluginFailed)
  }

  abort(failure: Failure): void {
    if (this.done) return
    this.done = true
    this.next.abort(failure)
  }

  resume(): void {}
}
