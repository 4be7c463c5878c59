/** Who may talk to etcd, and who it is that answers: users, tokens, TLS. Against a real etcd. */
import { copyFileSync } from "node:fs"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Environment } from "../../../src/platform/Environment.ts"
import {
  type Certificates,
  countChanges,
  describeWithEtcd,
  Etcd,
  hasOpenssl,
  makeCertificates,
  open,
  own,
  promise,
  texts,
  wait
} from "../../support/Etcd.ts"

const USER = { user: "app", password: "s3cret p&ss", prefix: "/app" }
const QUERY = "user=app&password=s3cret+p%26ss"

const put = (key: string, text: string, expected: string | null = null) => ({ key, text, expected })

describeWithEtcd("Etcd with users", () => {
  let etcd: Etcd
  beforeAll(async () => {
    etcd = await Etcd.start({ args: ["--auth-token-ttl", "1"] })
    await etcd.enableAuth("root", [USER])
  })
  afterAll(() => etcd[Symbol.asyncDispose]())

  it.live("reads, watches and writes with user and password, also from the environment", () =>
    Effect.gen(function* () {
      const { source, store } = yield* open(
        `etcd://${etcd.address}/app?user=$ENV:ETCD_USER&password=$ENV:ETCD_PASSWORD`
      )
      assert.deepStrictEqual(yield* source.read, [])
      const count = yield* countChanges(source)
      yield* store.commit([put("a.toml", "1")])
      yield* wait(() => count() === 1, "the change is announced", 10_000)
      assert.deepStrictEqual(texts(yield* source.read), ["a.toml=1"])
      assert.strictEqual(store.place, `etcd://${etcd.address}/app`)
    }).pipe(
      Effect.provideService(Environment, {
        hostname: "test",
        env: { ETCD_USER: USER.user, ETCD_PASSWORD: USER.password }
      })
    )
  )

  it.live("gets a new token when the old one has expired", () =>
    Effect.gen(function* () {
      const { source, store } = yield* open(`etcd://${etcd.address}/app?${QUERY}`)
      yield* source.read
      const count = yield* countChanges(source)
      const refused = (): number => etcd.log.split("invalid auth token").length - 1
      const before = refused()
      // The time that the tokens of this etcd live: 1 s, of which it takes notice once a second.
      yield* Effect.sleep("2200 millis")
      yield* store.commit([put("expired.toml", "1")])
      yield* wait(() => count() >= 1, "the watch outlives the token", 10_000)
      assert.include(texts(yield* source.read), "expired.toml=1")
      yield* wait(() => refused() > before, "etcd did not know the token any more", 10_000)
    })
  )

  it.live("gets a new token, and a new watch, when etcd has forgotten all of them", () =>
    Effect.gen(function* () {
      const { source, store } = yield* open(`etcd://${etcd.address}/app?${QUERY}`)
      yield* source.read
      const count = yield* countChanges(source)
      yield* promise(() => etcd.kill())
      yield* promise(() => etcd.start())
      yield* wait(() => count() >= 1, "the return is announced", 10_000)
      const before = count()
      yield* store.commit([put("restarted.toml", "1")])
      yield* wait(() => count() > before, "the new watch tells", 10_000)
    })
  )

  it.live.each([
    {
      what: "a wrong password",
      path: "/app?user=app&password=wrong-pa55",
      message: "etcd refuses this user or password",
      hint: /tried again after 30 s/
    },
    {
      what: "no credentials",
      path: "/app",
      message: "etcd says: user name is empty",
      hint: /user=NAME&password=/
    },
    {
      what: "a prefix that is not the user's",
      path: `/other?${QUERY}`,
      message: "etcd says: permission denied",
      hint: /grant-permission/
    }
  ])("says what is wrong with $what", ({ hint, message, path }) =>
    Effect.gen(function* () {
      const { source, store } = yield* open(`etcd://${etcd.address}${path}`)
      const write = Effect.catchTag(store.commit([put("a.toml", "1")]), "ConfigConflict", Effect.die)
      for (const failing of [source.read, write]) {
        const error = yield* Effect.flip(failing)
        assert.strictEqual(error.message, message)
        assert.match(error.hint ?? "", hint)
        assert.strictEqual(error.file, store.place)
        assert.notMatch(JSON.stringify(error), /wrong-pa55|s3cret/)
      }
    })
  )

  it.live("does without when etcd asks for no user", () =>
    Effect.gen(function* () {
      const plain = yield* own()
      const { source, store } = yield* open(`etcd://${plain.address}/app?${QUERY}`)
      yield* store.commit([put("a.toml", "1")])
      assert.deepStrictEqual(texts(yield* source.read), ["a.toml=1"])
      // And with, when it begins to ask.
      yield* promise(() => plain.enableAuth("root", [USER]))
      assert.deepStrictEqual(texts(yield* source.read), ["a.toml=1"])
    })
  )
})

describeWithEtcd("Etcd with TLS", () => {
  describe.skipIf(!hasOpenssl)("and certificates of a private authority", () => {
    let etcd: Etcd
    let certificates: Certificates
    beforeAll(async () => {
      certificates = makeCertificates()
      etcd = await Etcd.start({ certificates })
    })
    afterAll(async () => {
      await etcd[Symbol.asyncDispose]()
      certificates[Symbol.dispose]()
    })
    const at = (query: string): string => `etcd://${etcd.address}/tls?tls=true${query}`
    const ca = (): string => `&ca=${certificates.ca}`
    const identity = (): string => `&cert=${certificates.client.cert}&key=${certificates.client.key}`

    it.live.each([
      ["the host", ""],
      ["another name", "&server_name=etcd.test"]
    ])("reads, watches and writes when the certificate is for %s", ([, query]) =>
      Effect.gen(function* () {
        const { source, store } = yield* open(at(`${ca()}${identity()}${query}`))
        const [before] = yield* store.read
        const count = yield* countChanges(source)
        yield* store.commit([put("a.toml", `text${query}`, before?.revision ?? null)])
        yield* wait(() => count() === 1, "the change is announced", 10_000)
        assert.deepStrictEqual(texts(yield* source.read), [`a.toml=text${query}`])
      })
    )

    it.live("trusts nobody without being told to", () =>
      Effect.gen(function* () {
        const refusal = (query: string) =>
          Effect.map(
            Effect.flatMap(open(at(query)), ({ source }) => Effect.flip(source.read)),
            ({ hint, message }) => [message.replace(/^etcd cannot be reached: 127\.0\.0\.1:\d+ /, ""), hint]
          )
        assert.deepStrictEqual(yield* refusal(identity()), [
          "has a certificate of an unknown authority",
          "ca=FILE in the address says whom to trust"
        ])
        assert.deepStrictEqual(yield* refusal(`${ca()}${identity()}&server_name=other.test`), [
          "has a certificate for another name",
          "server_name=NAME in the address says which name the certificate has"
        ])
        assert.deepStrictEqual(yield* refusal(ca()), [
          "does not accept our certificate, or that there is none",
          "cert=FILE&key=FILE in the address say who we are"
        ])
        const { source } = yield* open(at(`${identity()}&tls_verify=false`))
        yield* source.read
      })
    )

    it.live("takes renewed files after a failure", () =>
      Effect.gen(function* () {
        const other = yield* Effect.acquireRelease(Effect.sync(makeCertificates), (made) =>
          Effect.sync(() => made[Symbol.dispose]())
        )
        const { source } = yield* open(at(`&ca=${other.ca}${identity()}`))
        assert.match((yield* Effect.flip(source.read)).message, /unknown authority$|nobody vouches for$/)
        copyFileSync(certificates.ca, other.ca)
        yield* source.read
      })
    )

    it.live("says that only one side speaks TLS", () =>
      Effect.gen(function* () {
        const plain = yield* own()
        const one = yield* Effect.flip((yield* open(`etcd://${plain.address}/tls?tls=true`)).source.read)
        assert.match(one.message, / reset the connection$/)
        assert.strictEqual(one.hint, "does etcd listen with TLS? if not, leave out tls=true")
        const two = yield* Effect.flip((yield* open(`etcd://${etcd.address}/tls`)).source.read)
        assert.match(two.message, / (?:speaks TLS only|reset the connection)$/)
        assert.match(two.hint ?? "", /add tls=true$/)
      })
    )

    it.live("refuses files that cannot be used before it asks anybody", () =>
      Effect.gen(function* () {
        const refusal = (query: string) =>
          Effect.map(Effect.flip(open(at(query))), ({ file, message }) => [file, message])
        assert.deepStrictEqual(yield* refusal("&ca=/nowhere/ca.pem"), [
          "/nowhere/ca.pem",
          "cannot be used as ca, no such file"
        ])
        assert.deepStrictEqual(yield* refusal("&ca=/dev/null"), ["/dev/null", "cannot be used as ca, not PEM"])
        const [file, message] = yield* refusal(
          `${ca()}&cert=${certificates.client.cert}&key=${certificates.server.key}`
        )
        assert.strictEqual(file, `etcd://${etcd.address}/tls`)
        assert.match(message ?? "", /^the TLS files cannot be used, /)
      })
    )
  })
})
