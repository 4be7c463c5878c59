// `http-proxy-3` on its native path with a keep-alive agent.
//   node http-proxy-3.mjs <port> <origin port>
import { Agent, createServer } from "node:http"
import { createProxyServer } from "http-proxy-3"

const [port, originPort] = process.argv.slice(2).map(Number)
const agent = new Agent({ keepAlive: true, maxFreeSockets: 128, scheduling: "lifo" })
const proxy = createProxyServer({ target: `http://127.0.0.1:${originPort}`, agent })
proxy.on("error", (_error, _request, response) => {
  if ("writeHead" in response && !response.headersSent) response.writeHead(502).end()
  else response.destroy()
})
const server = createServer((request, response) => {
  if (request.url === "/ping") response.end("pong")
  else proxy.web(request, response)
})
server.keepAliveTimeout = 600_000
server.listen(port, "127.0.0.1")
