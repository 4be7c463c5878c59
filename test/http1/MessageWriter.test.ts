/** What the writer puts on a socket, in how many writes, and that it never says more than was announced. */
import { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { CHUNKED, LENGTH, MessageWriter, NO_BODY, RAW } from "../../src/http1/MessageWriter.ts"
import { Fields } from "../../src/model/Fields.ts"
import { CONSUMED, FULL, KEPT } from "../../src/proxy/Body.ts"

/** Records what arrives in one go; takes everything at once, or keeps it until it is told to go on. */
class Recorder extends Socket {
  readonly writes: Array<string> = []
  blocked = false
  private release: (() => void) | null = null

  override _write(chunk: string | Buffer, encoding: BufferEncoding, done: (error?: Error) => void): void {
    this._writev([{ chunk, encoding }], done)
  }

  override _writev(
    chunks: Array<{ readonly chunk: string | Buffer; readonly encoding: BufferEncoding }>,
    done: (error?: Error) => void
  ): void {
    this.writes.push(
      chunks
        .map(({ chunk, encoding }) =>
          (typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk).toString("latin1")
        )
        .join("")
    )
    if (this.blocked) this.release = done
    else done()
  }

  unblock(): void {
    this.blocked = false
    this.release?.()
  }
}

const setup = (): { readonly socket: Recorder; readonly writer: MessageWriter } => {
  const socket = new Recorder()
  return { socket, writer: new MessageWriter(socket) }
}

describe("as few writes as possible", () => {
  it("a head waits for the first piece", () => {
    const { socket, writer } = setup()
    writer.begin("HEAD\r\n\r\n", LENGTH, 5)
    assert.deepStrictEqual(socket.writes, [])
    writer.write(Buffer.from("hello"))
    assert.isTrue(writer.end(null))
    assert.deepStrictEqual(socket.writes, ["HEAD\r\n\r\nhello"])
  })

  it("a head without body goes with the end", () => {
    const { socket, writer } = setup()
    writer.begin("HEAD\r\n\r\n", NO_BODY, 0)
    assert.isTrue(writer.end(null))
    assert.deepStrictEqual(socket.writes, ["HEAD\r\n\r\n"])
  })

  it("a head and an empty chunked body are one write", () => {
    const { socket, writer } = setup()
    writer.begin("HEAD\r\n\r\n", CHUNKED, -1)
    writer.end(new Fields("X: y\r\n"))
    assert.deepStrictEqual(socket.writes, ["HEAD\r\n\r\n0\r\nX: y\r\n\r\n"])
  })

  it("a chunk with its size is one write", () => {
    const { socket, writer } = setup()
    writer.begin("HEAD\r\n\r\n", CHUNKED, -1)
    writer.write(Buffer.alloc(0))
    writer.write(Buffer.from("hello, world!!!!"))
    writer.write(Buffer.from("x"))
    writer.end(null)
    assert.deepStrictEqual(socket.writes, ["HEAD\r\n\r\n10\r\nhello, world!!!!\r\n", "1\r\nx\r\n", "0\r\n\r\n"])
  })

  it("a flush sends what waits, once", () => {
    const { socket, writer } = setup()
    writer.begin("HEAD\r\n\r\n", RAW, 0)
    writer.flush()
    writer.flush()
    writer.write(Buffer.from("raw"))
    assert.deepStrictEqual(socket.writes, ["HEAD\r\n\r\n", "raw"])
  })
})

describe("never more nor less than announced", () => {
  it("what is too much is left out", () => {
    const { socket, writer } = setup()
    writer.begin("", LENGTH, 3)
    writer.write(Buffer.from("hello"))
    writer.write(Buffer.from("more"))
    assert.isTrue(writer.end(null))
    assert.strictEqual(socket.writes.join(""), "hel")
  })

  it("what is missing is told", () => {
    const { socket, writer } = setup()
    writer.begin("", LENGTH, 6)
    writer.write(Buffer.from("hello"))
    assert.isFalse(writer.end(null))
    assert.strictEqual(socket.writes.join(""), "hello")
  })

  it("a message without body has none", () => {
    const { socket, writer } = setup()
    writer.begin("HEAD\r\n\r\n", NO_BODY, 0)
    assert.strictEqual(writer.write(Buffer.from("hello")), CONSUMED)
    assert.isTrue(writer.end(new Fields("X: y\r\n")))
    assert.deepStrictEqual(socket.writes, ["HEAD\r\n\r\n"])
  })

  it("a message leaves nothing behind for the next", () => {
    const { socket, writer } = setup()
    writer.begin("ONE\r\n\r\n", CHUNKED, -1)
    writer.write(Buffer.from("a"))
    writer.end(null)
    writer.whole("TWO\r\n\r\nb")
    writer.begin("THREE\r\n\r\n", LENGTH, 1)
    writer.write(Buffer.from("c"))
    writer.end(null)
    assert.strictEqual(socket.writes.join(""), "ONE\r\n\r\n1\r\na\r\n0\r\n\r\nTWO\r\n\r\nbTHREE\r\n\r\nc")
  })
})

it("tells who reads slowly", () => {
  const { socket, writer } = setup()
  writer.begin("", RAW, 0)
  assert.strictEqual(writer.write(Buffer.alloc(100)), CONSUMED)
  socket.blocked = true
  assert.strictEqual(writer.write(Buffer.alloc(100)), KEPT)
  assert.strictEqual(writer.write(Buffer.alloc(socket.writableHighWaterMark)), FULL)
  socket.unblock()
})
