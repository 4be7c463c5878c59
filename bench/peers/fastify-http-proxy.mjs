// `@fastify/http-proxy` with the connection settings its documentation shows for undici.
//   node fastify-http-proxy.mjs <port> <origin port>
import proxy from "@fastify/http-proxy"
import Fastify from "fastify"

const [port, originPort] = process.argv.slice(2).map(Number)
const app = Fastify({ logger: false, keepAliveTimeout: 600_000, bodyLimit: 64 * 1024 * 1024 })
app.get("/ping", (_request, reply) => reply.send("pong"))
app.register(proxy, {
  upstream: `http://127.0.0.1:${originPort}`,
  undici: { connections: 128, pipelining: 1, keepAliveTimeout: 60_000 }
})
await app.listen({ host: "127.0.0.1", port })
