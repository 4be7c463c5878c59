/**
 * From the command line to a running effect and an exit code: 0 done, 1 error, 2 wrong usage.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { VERSION } from "../platform/Version.ts"
import * as Arguments from "./Arguments.ts"
import { print, survive } from "./Output.ts"

/** Runs the program that `argv` (without node and script) asks for, and sets the exit code when it has ended. */
export const run = (argv: ReadonlyArray<string>): void => {
  survive()
  // Lists of processes show arguments to everybody.
  if (argv.some((argument) => /[?&]password=(?!\$ENV:)/.test(argument))) process.title = "pingap"
  const command = Arguments.parse(argv, process.env)
  if (command instanceof Arguments.UsageError) {
    process.stderr.write(`pingap: ${command.message}\nTry 'pingap --help'.\n`)
    process.exitCode = 2
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
const load = (command: Arguments.Command): Effect.Effect<Effect.Effect<number, Error>> =>
  Effect.promise(async () => {
    switch (command.kind) {
      case "print":
        return Effect.as(print(TEXTS[command.what]), 0)
      case "run":
        return (await import("./command/Run.ts")).run(command)
      case "test":
        return (await import("./command/Test.ts")).test(command)
      case "sync":
        return (await import("./command/Sync.ts")).sync(command)
      case "schema":
        return (await import("./command/Schema.ts")).schema
      case "encrypt":
        return (await import("./command/Encrypt.ts")).encrypt
    }
  })

const TEXTS = { help: Arguments.HELP, version: `pingap ${VERSION}\n`, template: Arguments.TEMPLATE } as const
