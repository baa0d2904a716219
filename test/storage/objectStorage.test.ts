/**
 * Object storage against a real server: the contract of all makings, and what only a real server shows.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as path from "node:path"
import { after, test } from "node:test"
import { Effect, Exit, Scope } from "effect"
import { objectStorage } from "../../adapters/storage/objectStorage.ts"
import { openStorage } from "../../adapters/storage/places.ts"
import { it } from "../kit.ts"
import { bytesOf, storageContract, textOf } from "./contract.ts"
import { environment } from "./environment.ts"
import { accessKey, type S3Server, s3Server, secretKey } from "./s3Server.ts"

const scope = Scope.makeUnsafe()
const server = await Effect.runPromise(Scope.provide(scope)(s3Server))
after(() => Effect.runPromise(Scope.close(scope, Exit.void)))

let places = 0
const freshPlace = ({ bucket, endpoint }: S3Server) => `s3://${bucket}/place-${++places}?endpoint=${endpoint}`

const withKeys = environment({ AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey })

const realServerTests = (server: S3Server): void => {
  const fresh = Effect.andThen(withKeys, Effect.suspend(() => objectStorage(freshPlace(server))))

  storageContract("a bucket", fresh, { runs: 5, beneathObjects: false })

  it.live("of many clients that create one name, one has it", () =>
    Effect.gen(function* () {
      yield* withKeys
      const place = freshPlace(server)
      const clients = yield* Effect.all(Array.from({ length: 6 }, () => openStorage(place)), { concurrency: 6 })
      for (let epoch = 1; epoch <= 5; epoch++) {
        const tries = clients.map((storage, i) => Effect.exit(storage.create(`epochs/${epoch}/owner`, bytesOf(`${i}`))))
        const exits = yield* Effect.all(tries, { concurrency: "unbounded" })
        const winner = exits.findIndex(Exit.isSuccess)
        assert.equal(exits.filter(Exit.isSuccess).length, 1)
        assert.equal(textOf(yield* clients[0]!.read(`epochs/${epoch}/owner`)), `${winner}`)
      }
    }), { timeout: 60_000 })

  it.live("a list of more names than one answer holds is whole, and in order", () =>
    Effect.gen(function* () {
      const storage = yield* fresh
      const folder = path.join(server.folder, `place-${places}`, "many")
      fs.mkdirSync(folder, { recursive: true })
      const names = Array.from({ length: 1030 }, (_, i) => String(i).padStart(5, "0"))
      for (const name of names) fs.writeFileSync(path.join(folder, name), "x")
      yield* storage.create("more", bytesOf("x"))
      assert.deepEqual(yield* storage.list("many/"), names.map((name) => `many/${name}`))
      assert.equal((yield* storage.list("")).length, 1031)
    }), { timeout: 60_000 })

  it.live("an object of some megabytes comes back as it was, also in parts", () =>
    Effect.gen(function* () {
      const storage = yield* fresh
      const bytes = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * i) % 251)
      yield* storage.create("state/large", bytes)
      assert.deepEqual(yield* storage.read("state/large"), bytes)
      assert.deepEqual(
        yield* storage.read("state/large", { offset: 2_000_000, length: 70_000 }),
        bytes.slice(2_000_000, 2_070_000)
      )
    }), { timeout: 60_000 })

  it.live("wrong credentials and a bucket that is not there are told when the place is opened", () =>
    Effect.gen(function* () {
      const opened = (place: string, keys: Parameters<typeof environment>[0]) =>
        Effect.scoped(Effect.andThen(environment(keys), Effect.flip(objectStorage(place))))
      const right = { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey }
      const badSecret = yield* opened(freshPlace(server), { ...right, AWS_SECRET_ACCESS_KEY: "wrong-secret" })
      const badKey = yield* opened(freshPlace(server), { ...right, AWS_ACCESS_KEY_ID: "wrong-key" })
      for (const error of [badSecret, badKey]) {
        assert.equal(error.reason, "ReadOnly")
        assert.match(error.message, /its credentials are not accepted: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY/)
        assert.doesNotMatch(error.message, /wrong-/)
      }
      const none = yield* opened(`s3://no-bucket/a?endpoint=${server.endpoint}`, right)
      assert.equal(none.reason, "Invalid")
      assert.match(none.message, /s3:\/\/no-bucket\/a at http.* failed: the bucket does not exist: make it/)
    }))
}

if (typeof server === "string") {
  test("object storage keeps its contract over a real server", (context) => context.skip(server))
} else realServerTests(server)
