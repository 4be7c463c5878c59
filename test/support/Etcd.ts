/**
 * A real etcd of the tests' own: a single member on free ports of loopback with its data in a temporary folder, which
 * can be killed, stopped in its tracks and started again on the same data. Next to it a relay that can lose
 * connections, and certificates of a private authority. Every wait has a deadline.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as http from "node:http"
import * as https from "node:https"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { describe } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ConfigSource, type ConfigSourceError } from "../../src/config/ConfigSource.ts"
import { ConfigStore } from "../../src/config/ConfigStore.ts"
import type { RawDocument } from "../../src/config/Draft.ts"
import * as EtcdSource from "../../src/config/source/Etcd.ts"

const DEADLINE_MILLIS = 15_000

const find = (program: string): string | undefined =>
  ["/usr/bin", ...(process.env["PATH"] ?? "").split(delimiter)]
    .map((folder) => join(folder, program))
    .find((file) => existsSync(file))

const ETCD = find("etcd")
const OPENSSL = find("openssl")

let isTold = false

/** A group of tests that need etcd; without it they are left out, which one line in each file says. */
export const describeWithEtcd = (name: string, tests: () => void): void => {
  if (ETCD === undefined && !isTold) {
    isTold = true
    console.warn(`etcd is not installed (Debian: etcd-server), left out: ${name}`)
  }
  describe.skipIf(ETCD === undefined)(name, tests)
}

/** Whether certificates can be made. */
export const hasOpenssl = OPENSSL !== undefined

export interface EtcdSettings {
  readonly certificates?: Certificates
  readonly args?: ReadonlyArray<string>
}

export interface Entry {
  readonly key: string
  readonly value: string
  readonly revision: number
}

export class Etcd implements AsyncDisposable {
  /** What it has logged, over all its lives. */
  log = ""
  readonly port: number
  private readonly folder: string
  private readonly peerPort: number
  private readonly settings: EtcdSettings
  private child: ChildProcess | null = null
  private token: string | undefined

  private constructor(port: number, peerPort: number, settings: EtcdSettings) {
    this.port = port
    this.peerPort = peerPort
    this.settings = settings
    this.folder = mkdtempSync(join(tmpdir(), "pingap-etcd-"))
  }

  /** A new etcd that answers. */
  static async start(settings: EtcdSettings = {}): Promise<Etcd> {
    const etcd = new Etcd(await freePort(), await freePort(), settings)
    await etcd.start()
    return etcd
  }

  /** `127.0.0.1:port` */
  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Starts it again on the same ports and data. */
  async start(): Promise<void> {
    const { args = [], certificates } = this.settings
    const client = `${certificates === undefined ? "http" : "https"}://${this.address}`
    const peer = `http://127.0.0.1:${this.peerPort}`
    const child = spawn(
      ETCD!,
      [
        ...["--name", "t1", "--data-dir", join(this.folder, "data")],
        ...["--listen-client-urls", client, "--advertise-client-urls", client],
        ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `t1=${peer}`],
        ...(certificates === undefined
          ? []
          : [
              ...["--cert-file", certificates.server.cert, "--key-file", certificates.server.key],
              ...["--client-cert-auth", "--trusted-ca-file", certificates.ca]
            ]),
        ...args
      ],
      { stdio: ["ignore", "pipe", "pipe"] }
    )
    this.child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.log += text
      })
    }
    const isHealthy = (): Promise<boolean> =>
      this.request("GET", "/health", undefined).then(
        (text) => text.includes("true"),
        () => false
      )
    await until(isHealthy, () => `etcd is healthy\n${this.log}`)
  }

  /** Ends it and waits until it is gone. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.child
    this.child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once("close", resolve))
    child.kill(signal)
    await gone
  }

  /** Asks its gateway. */
  async post(path: string, body: object): Promise<Record<string, unknown>> {
    return JSON.parse(await this.request("POST", path, JSON.stringify(body)))
  }

  /** Sets a key and returns the revision. */
  async put(key: string, value: string | Buffer): Promise<number> {
    const { header } = await this.post("/v3/kv/put", { key: base64(key), value: base64(value) })
    return Number((header as { revision: string }).revision)
  }

  async remove(key: string): Promise<void> {
    await this.post("/v3/kv/deleterange", { key: base64(key) })
  }

  /** Everything whose key begins so. */
  async entries(prefix: string): Promise<ReadonlyArray<Entry>> {
    const end = Buffer.from(prefix)
    end[end.length - 1]! += 1
    const { kvs = [] } = (await this.post("/v3/kv/range", { key: base64(prefix), range_end: base64(end) })) as {
      kvs?: ReadonlyArray<{ key: string; value?: string; mod_revision: string }>
    }
    return kvs.map((kv) => ({
      key: Buffer.from(kv.key, "base64").toString(),
      value: Buffer.from(kv.value ?? "", "base64").toString(),
      revision: Number(kv.mod_revision)
    }))
  }

  /** Forgets everything before the current revision, which it returns. */
  async compact(): Promise<number> {
    const revision = await this.put("/compacted", "")
    await this.post("/v3/kv/compaction", { revision: String(revision), physical: true })
    return revision
  }

  /** Switches authentication on: `root`, and users who may do everything below a prefix. */
  async enableAuth(
    root: string,
    users: ReadonlyArray<{ user: string; password: string; prefix: string }>
  ): Promise<void> {
    await this.post("/v3/auth/user/add", { name: "root", password: root })
    await this.post("/v3/auth/role/add", { name: "root" })
    await this.post("/v3/auth/user/grant", { user: "root", role: "root" })
    for (const { password, prefix, user } of users) {
      const end = Buffer.from(prefix)
      end[end.length - 1]! += 1
      await this.post("/v3/auth/user/add", { name: user, password })
      await this.post("/v3/auth/role/add", { name: user })
      await this.post("/v3/auth/user/grant", { user, role: user })
      const perm = { permType: "READWRITE", key: base64(prefix), range_end: base64(end) }
      await this.post("/v3/auth/role/grant", { name: user, perm })
    }
    await this.post("/v3/auth/enable", {})
    await this.authenticate(root)
  }

  /** Makes the next requests those of `root`. */
  async authenticate(password: string): Promise<void> {
    this.token = undefined
    this.token = (await this.post("/v3/auth/authenticate", { name: "root", password }))["token"] as string
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }

  private request(method: string, path: string, body: string | undefined): Promise<string> {
    const { certificates } = this.settings
    const options = {
      host: "127.0.0.1",
      port: this.port,
      method,
      path,
      agent: false,
      headers: this.token === undefined ? {} : { authorization: this.token },
      timeout: DEADLINE_MILLIS
    }
    return new Promise((resolve, reject) => {
      const request =
        certificates === undefined
          ? http.request(options)
          : https.request({
              ...options,
              ca: readFileSync(certificates.ca),
              cert: readFileSync(certificates.client.cert),
              key: readFileSync(certificates.client.key)
            })
      request.on("error", reject)
      request.on("timeout", () => request.destroy(new Error(`${path}: no answer`)))
      request.on("response", (response) => {
        let text = ""
        response.setEncoding("utf8").on("data", (piece: string) => {
          text += piece
        })
        response.on("error", reject)
        response.on("end", () =>
          response.statusCode === 200 ? resolve(text) : reject(new Error(`${path}: ${response.statusCode} ${text}`))
        )
      })
      request.end(body)
    })
  }
}

const base64 = (value: string | Buffer): string => Buffer.from(value as string).toString("base64")

/** Waits until something holds that may take a question to find out; asks every few milliseconds. */
export const until = async (
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
  deadlineMillis = DEADLINE_MILLIS
): Promise<void> => {
  const deadline = performance.now() + deadlineMillis
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`not within ${deadlineMillis} ms: ${typeof what === "string" ? what : what()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A port that nobody listens on. */
export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = net.createServer()
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })

/** A way to etcd that can break. */
export class Relay implements AsyncDisposable {
  /** Connections made so far. */
  accepted = 0
  private readonly server: net.Server
  private readonly pairs = new Set<readonly [net.Socket, net.Socket]>()
  private state: "open" | "cut" | "stalled" = "open"

  private constructor(target: number) {
    this.server = net.createServer((near) => {
      this.accepted++
      near.on("error", () => {})
      if (this.state === "cut") return near.destroy()
      const far = net.connect(target, "127.0.0.1")
      const pair = [near, far] as const
      this.pairs.add(pair)
      far.on("error", () => near.destroy())
      near.on("close", () => far.destroy())
      far.on("close", () => {
        near.destroy()
        this.pairs.delete(pair)
      })
      near.pipe(far)
      far.pipe(near)
      if (this.state === "stalled") stall(pair)
      return undefined
    })
  }

  static start(target: number): Promise<Relay> {
    const relay = new Relay(target)
    return new Promise((resolve) => relay.server.listen(0, "127.0.0.1", () => resolve(relay)))
  }

  /** Open connections. */
  get connected(): number {
    return this.pairs.size
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as net.AddressInfo).port}`
  }

  /** Closes every connection and every new one. */
  cut(): void {
    this.state = "cut"
    for (const [near] of this.pairs) near.destroy()
  }

  /** Nothing gets through any more, and nobody is told. */
  stall(): void {
    this.state = "stalled"
    for (const pair of this.pairs) stall(pair)
  }

  /** New connections work; old ones stay as they are. */
  open(): void {
    this.state = "open"
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.server.close(resolve))
  }
}

const stall = ([near, far]: readonly [net.Socket, net.Socket]): void => {
  near.unpipe(far).pause()
  far.unpipe(near).pause()
}

interface Identity {
  readonly cert: string
  readonly key: string
}

/** Files of a private authority, a server for `127.0.0.1` and `etcd.test`, and a client. */
export interface Certificates extends Disposable {
  readonly ca: string
  readonly server: Identity
  readonly client: Identity
}

export const makeCertificates = (): Certificates => {
  const folder = mkdtempSync(join(tmpdir(), "pingap-ca-"))
  const file = (name: string): string => join(folder, name)
  const openssl = (...args: ReadonlyArray<string>): void => {
    execFileSync(OPENSSL!, args, { cwd: folder, stdio: "ignore" })
  }
  const key = (name: string): ReadonlyArray<string> => [
    ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-keyout", file(`${name}.key`)]
  ]
  openssl("req", "-x509", ...key("ca"), "-subj", "/CN=test authority", "-days", "2", "-out", file("ca.pem"))
  const issue = (name: string, extensions: string): Identity => {
    writeFileSync(file(`${name}.ext`), extensions)
    openssl("req", ...key(name), "-subj", `/CN=${name}`, "-out", file(`${name}.csr`))
    openssl(
      ...["x509", "-req", "-in", file(`${name}.csr`), "-CA", file("ca.pem"), "-CAkey", file("ca.key")],
      ...["-CAcreateserial", "-days", "2", "-extfile", file(`${name}.ext`), "-out", file(`${name}.pem`)]
    )
    return { cert: file(`${name}.pem`), key: file(`${name}.key`) }
  }
  return {
    ca: file("ca.pem"),
    // The gateway of etcd is a client of its own server.
    server: issue(
      "server",
      "subjectAltName=IP:127.0.0.1,DNS:etcd.test\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE"
    ),
    client: issue("client", "extendedKeyUsage=clientAuth\nbasicConstraints=CA:FALSE"),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true })
  }
}

/** The services of a source. */
export interface Opened {
  readonly source: ConfigSource["Service"]
  readonly store: ConfigStore["Service"]
}

/** The source at an address, as long as the scope. */
export const open = (
  url: string,
  options?: EtcdSource.EtcdOptions
): Effect.Effect<Opened, ConfigSourceError, Scope.Scope> =>
  Effect.map(Layer.build(EtcdSource.layer(url, options)), (context) => ({
    source: Context.get(context, ConfigSource),
    store: Context.get(context, ConfigStore)
  }))

/** An etcd of the test's own. */
export const own = (settings?: EtcdSettings): Effect.Effect<Etcd, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => Etcd.start(settings)),
    (etcd) => Effect.promise(() => etcd[Symbol.asyncDispose]())
  )

/** A relay to it. */
export const relayTo = (etcd: Etcd): Effect.Effect<Relay, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => Relay.start(etcd.port)),
    (relay) => Effect.promise(() => relay[Symbol.asyncDispose]())
  )

/** Counts announcements from now on. */
export const countChanges = (source: ConfigSource["Service"]): Effect.Effect<() => number, never, Scope.Scope> =>
  Effect.gen(function* () {
    let count = 0
    yield* Effect.forkScoped(Stream.runForEach(source.changes, () => Effect.sync(() => void count++)))
    return () => count
  })

/** Follows as the configuration does: reads, then reads again with every change. A read that fails keeps the last. */
export const mirror = (
  source: ConfigSource["Service"]
): Effect.Effect<() => ReadonlyArray<string>, ConfigSourceError, Scope.Scope> =>
  Effect.gen(function* () {
    let documents = yield* source.read
    yield* source.changes.pipe(
      Stream.runForEach(() =>
        Effect.ignore(
          Effect.map(source.read, (read) => {
            documents = read
          })
        )
      ),
      Effect.forkScoped
    )
    return () => texts(documents)
  })

/** The last part of each name, and the text. */
export const texts = (documents: ReadonlyArray<RawDocument>) =>
  documents.map(({ file, text }) => `${file.slice(file.lastIndexOf("/") + 1)}=${text}`)

/** {@link until} as an effect. */
export const wait = (condition: () => boolean | Promise<boolean>, what: string | (() => string), millis?: number) =>
  Effect.promise(() => until(condition, what, millis))

/** What the test itself does at etcd. */
export const promise = <T>(run: () => Promise<T>): Effect.Effect<T> => Effect.promise(run)
