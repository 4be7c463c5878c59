/**
 * The thread that reads HCL and KDL. It gets one document after the other and answers each with its conversion.
 * Whatever goes wrong in a parser ends the thread; the other side starts a new one for what is left.
 */
import { parentPort, workerData } from "node:worker_threads"
import type { RawDocument } from "../Draft.ts"
import type { ListKeys } from "./Kdl.ts"
import type { Converted } from "./Nested.ts"

/** What the thread is asked. */
export interface Request extends RawDocument {
  readonly format: "hcl" | "kdl"
}

/** What it answers; the other side has the rest. */
export type Answer = Pick<Converted, "text" | "placed" | "problems">

const lists: ListKeys = workerData

// Neither parser is loaded for the other.
const convert = async ({ file, format, text }: Request): Promise<Converted> => {
  if (format === "kdl") return (await import("./Kdl.ts")).toToml({ file, text }, lists)
  return (await import("./Hcl.ts")).toToml({ file, text })
}

parentPort?.on("message", async (request: Request) => {
  const { placed, problems, text } = await convert(request)
  parentPort?.postMessage({ text, placed, problems } satisfies Answer)
})
