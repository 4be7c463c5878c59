/**
 * What the benchmark was asked for: the command line decoded, every default in one place. A wrong option is an error
 * with the list of what exists, never ignored.
 */
import { parseArgs } from "node:util"

/** The decoded command line. */
export interface Options {
  /** Measured rounds of every row; each contender runs once per round. */
  readonly rounds: number
  /** Seconds of load per contender and round. */
  readonly seconds: number
  /** Seconds of unmeasured load per contender before the first round. */
  readonly warmSeconds: number
  /** Row ids in the order of the catalogue, or null for the default ones. */
  readonly rows: readonly string[] | null
  /** Peer names, or null for every one that is installed. */
  readonly peers: readonly string[] | null
  /** Measures the peers alone; for working on the benchmark itself. */
  readonly withoutOurs: boolean
  /** A second build of ours that joins every row, for before and after. */
  readonly against: string | null
  /** Writes `bench/RESULTS.md`. */
  readonly save: boolean
  /** Exits 3 when a bar is missed by more than 30 %. */
  readonly check: boolean
}

/** The text of `--help`. */
export const usage = `usage: npm run bench -- [options]

  --rounds N        measured rounds per row (5)
  --seconds N       seconds of load per contender and round (2)
  --rows A,B        only these rows; "all" adds the rows that are off by default
  --peers A,B       only these peers; "none" measures ours alone
  --quick           2 rounds of 1 second, rows small,direct,download,start
  --against FILE    another build's dist/main.js joins every row, for before and after
  --without-ours    peers only
  --save            write bench/RESULTS.md
  --check           exit 3 when a bar of bench/budget.json is missed by more than 30 %
  --list            list rows and contenders
  --help            this text
`

/** A command line that cannot be followed; the message says why. */
export class UsageError extends Error {}

/** What to do: measure with these options, or only print something. */
export type Command =
  | { readonly kind: "measure"; readonly options: Options }
  | { readonly kind: "list" }
  | { readonly kind: "help" }

/** Decodes the arguments; throws {@link UsageError}. */
export function parse(args: readonly string[]): Command {
  const values = readFlags(args)
  if (values.help) return { kind: "help" }
  if (values.list) return { kind: "list" }
  const quick = values.quick === true
  return {
    kind: "measure",
    options: {
      rounds: positive("rounds", values.rounds, quick ? 2 : 5),
      seconds: positive("seconds", values.seconds, quick ? 1 : 2),
      warmSeconds: quick ? 1 : 2,
      rows: list(values.rows) ?? (quick ? ["small", "direct", "download", "start"] : null),
      peers: values.peers === "none" ? [] : list(values.peers),
      withoutOurs: values["without-ours"] === true,
      against: values.against ?? null,
      save: values.save === true,
      check: values.check === true
    }
  }
}

function readFlags(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        rounds: { type: "string" },
        seconds: { type: "string" },
        rows: { type: "string" },
        peers: { type: "string" },
        against: { type: "string" },
        quick: { type: "boolean" },
        "without-ours": { type: "boolean" },
        save: { type: "boolean" },
        check: { type: "boolean" },
        list: { type: "boolean" },
        help: { type: "boolean" }
      }
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function positive(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`--${name} wants a whole number from 1, got "${text}"`)
  return value
}

function list(text: string | undefined): readonly string[] | null {
  if (text === undefined) return null
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "")
}
