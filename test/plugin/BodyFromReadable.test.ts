import { PassThrough, Readable } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import { fromReadable } from "../../src/plugin/BodyFromReadable.ts"
import { type BodySource, CONSUMED, type Flow, FULL } from "../../src/proxy/Body.ts"

// Records what a body does; `ended` settles with its end.
const record = (readable: Readable, answer: (piece: string) => Flow = () => CONSUMED) => {
  const events: Array<string> = []
  let settle: () => void = () => {}
  const ended = new Promise<void>((resolve) => {
    settle = resolve
  })
  const source: BodySource = fromReadable(readable)({
    write: (chunk) => {
      events.push(String(chunk))
      return answer(String(chunk))
    },
    end: () => {
      events.push("end")
      settle()
    },
    abort: ({ code }) => {
      events.push(`abort ${code}`)
      settle()
    }
  })
  return { events, ended, source }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

describe("fromReadable", () => {
  it("passes pieces on and ends", async () => {
    const { events, ended } = record(Readable.from([Buffer.from("a"), Buffer.from("b")]))
    await ended
    assert.deepEqual(events, ["a", "b", "end"])
  })

  it("turns text into UTF-8", async () => {
    const { events, ended } = record(Readable.from(["é"]))
    await ended
    assert.deepEqual(events, ["é", "end"])
  })

  it("waits for a slow reader", async () => {
    const stream = new PassThrough()
    const { events, ended, source } = record(stream, (piece) => (piece === "a" ? FULL : CONSUMED))
    stream.write("a")
    await turn()
    stream.write("b")
    stream.end()
    await turn()
    assert.deepEqual(events, ["a"])
    source.resume()
    await ended
    assert.deepEqual(events, ["a", "b", "end"])
  })

  it("breaks when the stream fails", async () => {
    const stream = new PassThrough()
    const { events, ended } = record(stream)
    stream.write("a")
    await turn()
    stream.destroy(new Error("disk"))
    await ended
    await turn()
    assert.deepEqual(events, ["a", "abort body.source"])
  })

  it("breaks when the stream is closed before its end", async () => {
    const stream = new PassThrough()
    const { events, ended } = record(stream)
    stream.destroy()
    await ended
    assert.deepEqual(events, ["abort body.source"])
  })

  it("breaks when the stream was closed before", async () => {
    const stream = new PassThrough()
    stream.destroy()
    await turn()
    const { events, ended } = record(stream)
    await ended
    assert.deepEqual(events, ["abort body.source"])
  })

  it("destroys the stream when nobody wants the rest, and says nothing more", async () => {
    const stream = new PassThrough()
    const { events, source } = record(stream)
    stream.write("a")
    await turn()
    source.cancel()
    source.cancel()
    source.resume()
    stream.emit("error", new Error("late"))
    await turn()
    assert.isTrue(stream.destroyed)
    assert.deepEqual(events, ["a"])
  })
})
