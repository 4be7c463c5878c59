/** The chunked coding: any cut reads alike, writing and reading are inverse, and no input makes the reader stray. */
import { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { ChunkedReader } from "../../src/http1/Chunked.ts"
import {
  MAX_BODY_EXTENSION_BYTES,
  MAX_CHUNK_EXTENSION_BYTES,
  MAX_TRAILER_BYTES,
  MAX_TRAILER_FIELDS
} from "../../src/http1/Limits.ts"
import { CHUNKED, MessageWriter } from "../../src/http1/MessageWriter.ts"
import { Fields } from "../../src/model/Fields.ts"
import { body, chunked, damaged, pieces, salad } from "./messages.ts"

interface Decoded {
  readonly data: string
  readonly trailers: string | null
  readonly used: number
  readonly state: "done" | "broken" | "open"
}

/** Reads pieces, each from a buffer of its own at an offset of its own, and checks what every read promises. */
const decode = (parts: ReadonlyArray<string>, offset = 0): Decoded => {
  const reader = new ChunkedReader()
  let data = ""
  let used = 0
  for (const part of parts) {
    const buffer = Buffer.from(`${"<".repeat(offset)}${part}>>`, "latin1")
    const end = offset + part.length
    const stopped = reader.read(buffer, offset, end)
    assert.isTrue(stopped >= offset && stopped <= end)
    assert.isTrue(reader.from >= offset && reader.from <= reader.to && reader.to <= end)
    // What is not the body's is left as it was.
    assert.strictEqual(buffer.toString("latin1", stopped), `${part.slice(stopped - offset)}>>`)
    data += buffer.toString("latin1", reader.from, reader.to)
    used += stopped - offset
    if (stopped < end) {
      assert.isTrue(reader.done || reader.broken)
      break
    }
  }
  const state = reader.done ? "done" : reader.broken ? "broken" : "open"
  return { data, trailers: reader.trailers?.text ?? null, used, state }
}

/** A socket that goes nowhere and remembers what was written. */
class Sink extends Socket {
  written = ""
  override _write(chunk: string | Buffer, encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.written +=
      typeof chunk === "string" ? Buffer.from(chunk, encoding).toString("latin1") : chunk.toString("latin1")
    done()
  }
  override _writev(
    chunks: Array<{ readonly chunk: string | Buffer; readonly encoding: BufferEncoding }>,
    done: (error?: Error) => void
  ): void {
    for (const { chunk, encoding } of chunks) this._write(chunk, encoding, () => {})
    done()
  }
}

describe("properties", () => {
  it("any chunks in any pieces give the same body, to the byte", () => {
    fc.assert(
      fc.property(
        body.chain((content) =>
          chunked(content).chain((bytes) => fc.tuple(fc.constant(content), fc.constant(bytes), pieces(`${bytes}NEXT`)))
        ),
        fc.nat({ max: 5 }),
        ([content, bytes, parts], offset) => {
          const decoded = decode(parts, offset)
          assert.deepStrictEqual(decoded, {
            data: content.toString("latin1"),
            trailers: null,
            used: bytes.length,
            state: "done"
          })
        }
      ),
      { numRuns: 1_000 }
    )
  })

  it("what is written is read again, trailers included", () => {
    fc.assert(
      fc.property(
        fc.array(body, { maxLength: 10 }),
        fc.option(fc.constantFrom("X: y\r\n", "X: y\r\nZ: \r\n")),
        (parts, trailers) => {
          const sink = new Sink()
          const writer = new MessageWriter(sink)
          writer.begin("", CHUNKED, -1)
          for (const part of parts) writer.write(part)
          assert.isTrue(writer.end(trailers === null ? null : new Fields(trailers)))
          const decoded = decode([sink.written])
          assert.strictEqual(decoded.data, Buffer.concat(parts).toString("latin1"))
          assert.strictEqual(decoded.trailers, trailers)
          assert.deepStrictEqual([decoded.used, decoded.state], [sink.written.length, "done"])
        }
      ),
      { numRuns: 300 }
    )
  })

  it("one damaged byte: any cut comes to the same end", () => {
    fc.assert(
      fc.property(
        body
          .chain((content) => chunked(content).chain(damaged))
          .chain((bytes) => fc.tuple(fc.constant(bytes), pieces(bytes))),
        ([bytes, parts]) => {
          const whole = decode([bytes])
          assert.deepStrictEqual(decode(parts), whole)
          assert.deepStrictEqual(decode(bytes.split("")), whole)
        }
      ),
      { numRuns: 1_000 }
    )
  })

  it("any bytes: done, broken or open, the same in any cut", () => {
    fc.assert(
      fc.property(
        salad.chain((bytes) => fc.tuple(fc.constant(bytes), pieces(bytes))),
        ([bytes, parts]) => {
          assert.deepStrictEqual(decode(parts), decode([bytes]))
        }
      ),
      { numRuns: 1_000 }
    )
  })

  it("limits hold for any size, in any cut", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 400 }),
        fc.nat({ max: 80 }),
        fc.nat({ max: 9_000 }),
        fc.nat({ max: 40 }),
        (extension, chunks, trailer, trailers) => {
          const one = `1;${"e".repeat(extension)}\r\nx\r\n`
          const rest = `0\r\n${"T: v\r\n".repeat(trailers)}X: ${"v".repeat(trailer)}\r\n\r\n`
          const allowed =
            (chunks === 0 || extension <= MAX_CHUNK_EXTENSION_BYTES) &&
            extension * chunks <= MAX_BODY_EXTENSION_BYTES &&
            trailers + 1 <= MAX_TRAILER_FIELDS &&
            rest.length - 3 <= MAX_TRAILER_BYTES
          assert.strictEqual(decode([one.repeat(chunks) + rest]).state, allowed ? "done" : "broken")
        }
      ),
      { numRuns: 300 }
    )
  })
})

it("one read yields its data as one piece", () => {
  const reader = new ChunkedReader()
  const buffer = Buffer.from("1\r\na\r\n1\r\nb\r\n3\r\ncde\r\n")
  assert.strictEqual(reader.read(buffer, 0, buffer.length), buffer.length)
  assert.strictEqual(buffer.toString("latin1", reader.from, reader.to), "abcde")
})

it("a size is a number of at most 32 bits", () => {
  for (const [size, state] of [
    ["ffffffff", "open"],
    ["FFFFFFFF", "open"],
    ["100000000", "broken"],
    ["0fffffff", "open"]
  ] as const) {
    assert.strictEqual(decode([`${size}\r\nx`]).state, state)
  }
})
