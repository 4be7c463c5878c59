// The origin without nginx, and of every request with a body (nginx answers before it has read one): bare sockets, one
// request at a time per connection, as little work as possible. Not a server for anything else.
//   GET  /bytes/N   N bytes, as fast as the reader takes them      GET or POST elsewhere   60 bytes, after the body
//   node origin.mjs <port>
import { createServer } from "node:net"

const port = Number(process.argv[2])
const filler = Buffer.alloc(256 * 1024, "x")
const head = (length) => `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n\r\n`
const small = Buffer.from(head(60) + "x".repeat(60))

createServer({ noDelay: true, highWaterMark: 256 * 1024 }, (socket) => {
  let awaited = 0
  let partial = ""
  let path = ""
  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk) => {
    if (awaited > 0) {
      awaited = awaited === Number.POSITIVE_INFINITY && endsChunked(chunk) ? 0 : awaited - chunk.length
      if (awaited <= 0) respond(socket, path)
      return
    }
    partial += chunk.latin1Slice()
    const end = partial.indexOf("\r\n\r\n")
    if (end < 0) return
    const request = partial.slice(0, end)
    const rest = partial.length - end - 4
    partial = ""
    path = request.slice(request.indexOf(" ") + 1, request.indexOf(" ", request.indexOf(" ") + 1))
    awaited = bodyLength(request) - rest
    if (awaited <= 0 || (awaited === Number.POSITIVE_INFINITY && endsChunked(chunk))) {
      awaited = 0
      respond(socket, path)
    }
  })
}).listen(port, "127.0.0.1")

function bodyLength(request) {
  if (/\r\ntransfer-encoding: *chunked/i.test(request)) return Number.POSITIVE_INFINITY
  return Number(/\r\ncontent-length: *(\d+)/i.exec(request)?.[1] ?? 0)
}

// Enough for bodies of one repeated letter; a last chunk split over two reads would be missed and show as an error.
function endsChunked(chunk) {
  return chunk.latin1Slice(Math.max(0, chunk.length - 5)) === "0\r\n\r\n"
}

function respond(socket, path) {
  const size = path.startsWith("/bytes/") ? Number(path.slice(7)) : 60
  if (size === 60) {
    socket.write(small)
    return
  }
  socket.write(head(size))
  send(socket, size)
}

function send(socket, left) {
  while (left > 0) {
    const part = left < filler.length ? filler.subarray(0, left) : filler
    left -= part.length
    if (!socket.write(part) && left > 0) {
      socket.once("drain", () => send(socket, left))
      return
    }
  }
}
