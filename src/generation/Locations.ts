/**
 * The locations of a generation: what stands for each while requests run.
 *
 * A location holds nothing open. It is built anew when its configuration changed, or one of the things it uses; every
 * other one is the same object in the next generation.
 */
import type { LocationConf } from "../config/ConfigSchema.ts"
import type { LocationRule } from "../location/Matcher.ts"
import * as Rewrite from "../location/Rewrite.ts"
import * as UpstreamFields from "../location/UpstreamFields.ts"
import type { Sliced } from "../model/Sliced.ts"
import * as Pipeline from "../plugin/Pipeline.ts"
import type { Instance } from "../plugin/Plugins.ts"
import * as ContextValue from "../proxy/ContextValue.ts"
import { unbuilt } from "../proxy/Failure.ts"
import { proceed } from "../proxy/Lifecycle.ts"
import type { Counters, LocationRuntime, UpstreamRuntime } from "../proxy/Runtime.ts"

/** A location at work, and what it was made of. */
export interface BuiltLocation {
  readonly conf: LocationConf
  readonly runtime: LocationRuntime
  /** The same object as before while the location matches the same requests. */
  readonly rule: LocationRule
  /** A header value of its own reads time marks, such as `:upstream_connect_time`. */
  readonly readsMarks: boolean
  readonly members: ReadonlyArray<Instance | undefined>
}

/** Something to say about a location that was built. */
export interface Note {
  readonly level: "error" | "warning"
  readonly location: string
  readonly message: string
}

export interface LocationsOptions {
  readonly environment: Parameters<typeof UpstreamFields.compile>[1]
  readonly runner: Pipeline.Runner
  readonly counters: (name: string) => Counters
  /** Tells, once per location, that a rewrite gave no path. */
  readonly reportRewrite: (location: string, path: string, result: string) => void
}

/** What locations are made of. */
export interface Parts {
  readonly pools: ReadonlyMap<string, UpstreamRuntime>
  readonly instances: ReadonlyMap<string, Instance>
}

export interface AssembledLocations {
  readonly built: ReadonlyMap<string, BuiltLocation>
  readonly notes: ReadonlyArray<Note>
  /** From now on, these are what the next configuration is compared with. */
  readonly publish: () => void
}

const LOCATIONS_PER_STEP = 50

export class Locations {
  private readonly options: LocationsOptions
  private published: ReadonlyMap<string, BuiltLocation> = new Map()
  private parts: Parts = { pools: new Map(), instances: new Map() }

  constructor(options: LocationsOptions) {
    this.options = options
  }

  /** Builds what changed. */
  *assemble(confs: Readonly<Record<string, LocationConf>>, parts: Parts): Sliced<AssembledLocations> {
    const built = new Map<string, BuiltLocation>()
    const notes: Array<Note> = []
    const isSameParts = isSameMap(parts.pools, this.parts.pools) && isSameMap(parts.instances, this.parts.instances)
    let count = 0
    for (const name in confs) {
      if (++count % LOCATIONS_PER_STEP === 0) yield
      const conf = confs[name]!
      const before = this.published.get(name)
      const isSame = before?.conf === conf && (isSameParts || usesSame(before, parts))
      built.set(name, isSame ? before : this.build(name, conf, parts, before, notes))
    }
    const publish = (): void => {
      this.published = built
      this.parts = parts
    }
    return { built, notes, publish }
  }

  private build(
    name: string,
    conf: LocationConf,
    { instances, pools }: Parts,
    before: BuiltLocation | undefined,
    notes: Array<Note>
  ): BuiltLocation {
    const problems: Array<string> = []
    const members = (conf.plugins ?? []).map((plugin) => {
      const instance = instances.get(plugin)
      if (instance === undefined) problems.push(`plugin ${plugin} is not there`)
      return instance
    })
    const rewrite = this.rewriteOf(name, conf)
    if (rewrite instanceof Rewrite.RewriteError) problems.push(`rewrite: ${rewrite.message}`)
    for (const problem of problems) {
      notes.push({ level: "error", location: name, message: `${problem}; the location answers 503` })
    }
    for (const message of UpstreamFields.problems(conf)) notes.push({ level: "warning", location: name, message })
    const upstream = conf.upstream ?? ""
    const isVariable = upstream.startsWith("$")
    const runtime: LocationRuntime = {
      name,
      counters: this.options.counters(name),
      maxBodyBytes: conf.client_max_body_size,
      maxProcessing: conf.max_processing,
      maxRetries: conf.max_retries ?? 0,
      maxRetryWindowMillis: conf.max_retry_window ?? 0,
      rewrite: rewrite instanceof Rewrite.RewriteError ? null : rewrite,
      upstreamFields: UpstreamFields.compile(conf, this.options.environment),
      upstream: isVariable ? null : (pools.get(upstream) ?? null),
      upstreamVariable: isVariable ? upstream.slice(1) : "",
      ...Pipeline.compile(
        members.filter((member) => member !== undefined),
        { runner: this.options.runner, proceed }
      ),
      broken: problems.length > 0 ? unbuilt : null
    }
    const { conf: was, rule: known } = before ?? {}
    const rule = was !== undefined && matchesSame(was, conf) ? known! : ruleOf(name, conf)
    return {
      conf,
      runtime,
      rule,
      members,
      readsMarks: [conf.proxy_add_headers, conf.proxy_set_headers].some(readsMarks)
    }
  }

  private rewriteOf(location: string, conf: LocationConf) {
    let reported = false
    const onInvalid: Rewrite.OnInvalid = (exchange, result) => {
      if (reported) return
      reported = true
      this.options.reportRewrite(location, exchange.path, result)
    }
    return (conf.rewrite ?? "") === "" ? null : Rewrite.compile(conf.rewrite!, onInvalid)
  }
}

const isSameMap = <A>(a: ReadonlyMap<string, A>, b: ReadonlyMap<string, A>): boolean => {
  if (a.size !== b.size) return false
  for (const [name, value] of a) if (b.get(name) !== value) return false
  return true
}

const usesSame = ({ conf, members, runtime }: BuiltLocation, { instances, pools }: Parts): boolean => {
  if (runtime.upstreamVariable === "" && runtime.upstream !== (pools.get(conf.upstream ?? "") ?? null)) return false
  if (conf.plugins === undefined) return true
  for (const [index, name] of conf.plugins.entries()) if (instances.get(name) !== members[index]) return false
  return true
}

const MATCHING = ["path", "host", "weight", "match_headers", "match_query", "match_cookies"] as const

const ruleOf = (name: string, conf: LocationConf): LocationRule => {
  const rule: Record<string, unknown> = { name }
  for (const key of MATCHING) rule[key] = conf[key]
  return rule as unknown as LocationRule
}

const matchesSame = (a: LocationConf, b: LocationConf): boolean =>
  MATCHING.every((key) => {
    const [before, now] = [a[key], b[key]]
    if (before === now) return true
    if (typeof before !== "object" || typeof now !== "object" || before.length !== now.length) return false
    return before.every((text, index) => text === now[index])
  })

/** Whether a configured value, or one inside it, is a header value that reads time marks. */
export const readsMarks = (value: unknown): boolean => {
  if (typeof value === "string") {
    const key = /(?:^|\s):([a-z_]+)\s*$/.exec(value)?.[1]
    return key !== undefined && ContextValue.readsMarks(key)
  }
  return typeof value === "object" && value !== null && Object.values(value).some(readsMarks)
}
