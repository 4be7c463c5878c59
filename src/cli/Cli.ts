/**
 * From the command line to a running effect and an exit code: 0 done, 1 error, 2 wrong usage.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { VERSION } from "../platform/Version.ts"
import * as Arguments from "./Arguments.ts"

/** Runs the program that `argv` (without node and script) asks for, and sets the exit code when it has ended. */
export const run = (argv: ReadonlyArray<string>): void => {
  const command = Arguments.parse(argv, process.env)
  if (command instanceof Arguments.UsageError) {
    process.stderr.write(`pingap: ${command.message}\nTry 'pingap --help'.\n`)
    process.exitCode = 2
    return
  }
  if (command.kind === "print") {
    process.stdout.write(
      command.what === "help" ? Arguments.HELP : command.what === "version" ? `pingap ${VERSION}\n` : Arguments.TEMPLATE
    )
    return
  }
  Effect.runCallback(Effect.flatten(load(command)), {
    onExit: (exit) => {
      if (Exit.isSuccess(exit)) process.exitCode = exit.value
      else {
        const error = Cause.squash(exit.cause)
        process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
        process.exitCode = 1
      }
    }
  })
}

// Commands are loaded when they are asked for: starting the proxy does not pay for checking it.
const load = (
  command: Exclude<Arguments.Command, { readonly kind: "print" }>
): Effect.Effect<Effect.Effect<number, Error>> =>
  command.kind === "test"
    ? Effect.map(
        Effect.promise(() => import("./command/Test.ts")),
        (module) => module.test(command)
      )
    : Effect.map(
        Effect.promise(() => import("./command/Run.ts")),
        (module) => module.run(command)
      )
