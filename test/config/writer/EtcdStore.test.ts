/** The writer on a real etcd. */
import { afterAll, beforeAll } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describeWithEtcd, Etcd, open } from "../../support/Etcd.ts"
import { crudSuite } from "./CrudSuite.ts"

describeWithEtcd("the writer on etcd", () => {
  let etcd: Etcd
  beforeAll(async () => {
    etcd = await Etcd.start()
  })
  afterAll(() => etcd[Symbol.asyncDispose]())

  let count = 0
  crudSuite("etcd", () => Effect.map(open(`etcd://${etcd.address}/writer${++count}`), ({ store }) => store))
})
