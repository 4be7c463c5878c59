/** Responses of upstreams: tables of the conformance tests, seeds of the fuzzer. */

export const OK = "HTTP/1.1 200 OK\r\n"

/** Refused with 502; nothing of them reaches a client. */
export const INVALID_RESPONSES: ReadonlyArray<readonly [name: string, answer: string]> = [
  ["lengths that differ", `${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`],
  ["the same length twice", `${OK}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
  ["a list of lengths", `${OK}Content-Length: 5, 5\r\n\r\nhello`],
  ["a length with sign", `${OK}Content-Length: +5\r\n\r\nhello`],
  ["an empty length", `${OK}Content-Length:\r\n\r\nhello`],
  ["a length of 20 digits", `${OK}Content-Length: 99999999999999999999\r\n\r\nhello`],
  ["two framings", `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ["two framings the other way round", `${OK}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`],
  ["another coding", `${OK}Transfer-Encoding: gzip\r\n\r\nhello`],
  ["two codings", `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ["chunked twice", `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ["chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["chunks in 204", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["status 099", "HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n"],
  ["status 2000", "HTTP/1.1 2000 X\r\nContent-Length: 0\r\n\r\n"],
  ["status 20", "HTTP/1.1 20 X\r\nContent-Length: 0\r\n\r\n"],
  ["status -20", "HTTP/1.1 -20 X\r\nContent-Length: 0\r\n\r\n"],
  ["garbage", "hello, world\r\n\r\n"],
  ["another version", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["another protocol", "ICY 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a status line with tab", "HTTP/1.1\t200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["NUL in the reason", "HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n"],
  ["a bare line feed", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"],
  ["NUL in a field", `${OK}X: a\0b\r\nContent-Length: 0\r\n\r\n`],
  ["a bare carriage return in a field", `${OK}X: a\rb\r\nContent-Length: 0\r\n\r\n`],
  ["a folded field", `${OK}X: a\r\n b\r\nContent-Length: 0\r\n\r\n`],
  ["a blank before the colon", `${OK}X : a\r\nContent-Length: 0\r\n\r\n`],
  ["a field without colon", `${OK}X\r\nContent-Length: 0\r\n\r\n`],
  ["201 fields", `${OK}${"x: y\r\n".repeat(200)}Content-Length: 0\r\n\r\n`],
  ["a head of 65 KiB", `${OK}X: ${"a".repeat(65 * 1024)}\r\nContent-Length: 0\r\n\r\n`],
  ["a head of 1 MiB without an end", `${OK}X: ${"a".repeat(1024 * 1024)}`],
  [
    "101 that nobody asked for",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
  ],
  ["21 interim responses", "HTTP/1.1 102 Processing\r\n\r\n".repeat(21)],
  ["10,000 interim responses", "HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000)]
]

/** Responses that must pass. Those without length end with the connection. */
export const VALID_RESPONSES: ReadonlyArray<string> = [
  `${OK}Content-Length: 5\r\n\r\nhello`,
  `${OK}Content-Length: 0\r\nConnection: close\r\n\r\n`,
  `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nX: y\r\n\r\n`,
  `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${OK}Date: x\r\nConnection: X\r\nX: y\r\nContent-Length: 2\r\n\r\nok`,
  "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
  "HTTP/1.1 204 No Content\r\nKeep-Alive: 5\r\n\r\n",
  'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 5\r\n\r\n',
  `${OK}X: y\r\n\r\nuntil the end`,
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes"
]
