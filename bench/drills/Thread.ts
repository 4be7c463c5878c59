/**
 * Functions that run in a thread of their own: origins, load and clients must not wait for each other or for the
 * drill. They end with the process whatever happens.
 */
import { parentPort, Worker } from "node:worker_threads"

/** The functions that a thread offers. Arguments and results are copied. */
export type Api = Readonly<Record<string, (argument: never) => unknown>>

interface Question {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

interface Reply {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** Offers functions; called once by the module of a thread. */
export function serve(api: Api): void {
  parentPort!.on("message", async ({ argument, id, name }: Question) => {
    let reply: Reply
    try {
      reply = { id, value: await api[name]!(argument as never) }
    } catch (error) {
      reply = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
    }
    parentPort!.postMessage(reply)
  })
}

export class Thread<A extends Api> {
  private readonly worker: Worker
  private readonly waiting = new Map<number, PromiseWithResolvers<unknown>>()
  private failure: Error | null = null
  private last = 0

  /** Starts the module in `thread/`. */
  constructor(module: string) {
    this.worker = new Worker(new URL(`./thread/${module}.ts`, import.meta.url))
    this.worker.on("message", ({ error, id, value }: Reply) => {
      const waiting = this.waiting.get(id)
      this.waiting.delete(id)
      if (error === undefined) waiting?.resolve(value)
      else waiting?.reject(new Error(error))
    })
    this.worker.on("error", (error) => {
      this.failure = error
      for (const { reject } of this.waiting.values()) reject(error)
    })
  }

  call<K extends keyof A & string>(
    name: K,
    ...[argument]: Parameters<A[K]> extends [] ? [] : [argument: Parameters<A[K]>[0]]
  ): Promise<Awaited<ReturnType<A[K]>>> {
    if (this.failure !== null) return Promise.reject(this.failure)
    const waiting = Promise.withResolvers<unknown>()
    const id = ++this.last
    this.waiting.set(id, waiting)
    this.worker.postMessage({ id, name, argument } satisfies Question)
    return waiting.promise as Promise<Awaited<ReturnType<A[K]>>>
  }

  async end(): Promise<void> {
    await this.worker.terminate()
  }
}
