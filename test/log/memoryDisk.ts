/** A disk in memory for log writers: it can fill up, hang, lose files and refuse to open them. */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { LogFileError, type LogFilesShape } from "../../src/log/LogFiles.ts"

export class MemoryDisk implements LogFilesShape {
  readonly events: Array<string> = []
  /** Error code of every write, or null. A write fails after `room` more bytes were taken. */
  full: string | null = null
  room = 0
  refusesOpen: string | null = null
  isHanging = false
  directories = new Set<string>()
  private readonly files = new Map<string, { id: number; text: string }>()
  private nextId = 1
  private readonly released = Latch.makeUnsafe(false)
  private readonly hang = this.released.await

  /** Ends the writes that hang, without a byte taken. */
  release(): void {
    this.isHanging = false
    this.released.openUnsafe()
  }

  text(path: string): string {
    return this.files.get(path)?.text ?? ""
  }

  lines(path: string): Array<string> {
    return this.text(path).split("\n").slice(0, -1)
  }

  paths(): Array<string> {
    return [...this.files.keys()].sort()
  }

  rename(from: string, to: string): void {
    const file = this.files.get(from)
    if (file === undefined) throw new Error(`no file ${from}`)
    this.files.delete(from)
    this.files.set(to, file)
  }

  readonly open: LogFilesShape["open"] = (path) =>
    Effect.suspend(() => {
      if (this.refusesOpen !== null)
        return Effect.fail(new LogFileError({ code: this.refusesOpen, message: this.refusesOpen }))
      let file = this.files.get(path)
      if (file === undefined) this.files.set(path, (file = { id: this.nextId++, text: "" }))
      const opened = file
      this.events.push(`open ${path}`)
      return Effect.succeed({
        identity: String(opened.id),
        write: (bytes: Uint8Array, offset: number) =>
          Effect.suspend(() => {
            if (this.isHanging) return Effect.andThen(this.hang, Effect.succeed(0))
            const count = this.full === null ? bytes.length - offset : Math.min(this.room, bytes.length - offset)
            if (count === 0) return Effect.fail(new LogFileError({ code: this.full!, message: `${this.full}: write` }))
            this.room -= count
            opened.text += Buffer.from(bytes).toString("utf8", offset, offset + count)
            return Effect.succeed(count)
          }),
        writeSync: (bytes: Uint8Array, offset: number) => {
          opened.text += Buffer.from(bytes).toString("utf8", offset)
        },
        close: Effect.sync(() => {
          this.events.push(`close ${path}`)
        })
      })
    })

  readonly identity: LogFilesShape["identity"] = (path) => Effect.sync(() => String(this.files.get(path)?.id ?? ""))

  readonly appendSync: LogFilesShape["appendSync"] = () => {
    throw new Error("nothing exits here")
  }

  readonly place: LogFilesShape["place"] = (path) =>
    Effect.sync(() => (this.directories.has(path) ? "directory" : "file"))
}
