/** What every row of one run shares. */
import type { Contender } from "./Contender.ts"
import type { Cores, Tool, ToolName } from "./Machine.ts"
import type { Options } from "./Options.ts"
import type { Origins } from "./Origin.ts"

/** One run of the benchmark. */
export interface Session {
  readonly options: Options
  readonly tools: ReadonlyMap<ToolName, Tool>
  /** Those that take part: the program under test first. */
  readonly contenders: readonly Contender[]
  readonly cores: Cores
  readonly origins: Origins
  /** Says on standard error what is being done. */
  readonly progress: (text: string) => void
}
