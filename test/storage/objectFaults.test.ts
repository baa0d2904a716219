import * as assert from "node:assert/strict"
import { Effect, Fiber, type Scope } from "effect"
import { objectStorage } from "../../adapters/storage/objectStorage.ts"
import type { StableStorage, StorageError } from "../../runtime/storage/StableStorage.ts"
import { it } from "../kit.ts"
import { environment, secret, token } from "./environment.ts"
import { type Answer, type Around, type Request, type ScriptedS3, scriptedS3 } from "./scriptedS3.ts"

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array | undefined) => bytes === undefined ? undefined : new TextDecoder().decode(bytes)

interface World {
  readonly store: ScriptedS3
  readonly storage: StableStorage
}

const world = Effect.fnUntraced(function* (
  around?: Around,
  requestMillis?: number
): Effect.fn.Return<World, StorageError, Scope.Scope> {
  yield* environment()
  const store = yield* scriptedS3(around)
  return { store, storage: yield* objectStorage(store.place, { requestMillis }) }
})

const refused = Effect.fnUntraced(function* (around: Around) {
  yield* environment()
  const store = yield* scriptedS3(around)
  return yield* Effect.flip(objectStorage(store.place))
})

const isPut = (request: Request, key: string) => request.method === "PUT" && request.key === key

it.live("a store that takes If-None-Match and does not keep it is refused at opening", () =>
  Effect.gen(function* () {
    const error = yield* refused((request, body, store) =>
      store.done({ ...request, headers: { ...request.headers, "if-none-match": undefined } }, body)
    )
    assert.equal(error.reason, "Invalid")
    assert.match(
      error.message,
      /s3:\/\/bucket\/app at http.* If-None-Match: \* and does not keep it, .* use a store with/
    )
  }))

it.live("a store that has no conditional writes is refused at opening", () =>
  Effect.gen(function* () {
    const error = yield* refused((request) =>
      request.headers["if-none-match"] === undefined ? undefined : { status: 501, code: "NotImplemented" }
    )
    assert.equal(error.reason, "Invalid")
    assert.match(error.message, /the store cannot do it \(NotImplemented, status 501\)/)
  }))

it.live("the first opening of a place makes two requests, each later one a single one", () =>
  Effect.gen(function* () {
    const { store } = yield* world()
    assert.equal(store.requests.length, 2)
    yield* objectStorage(store.place)
    assert.deepEqual(
      store.requests.map(({ method, key }) => `${method} ${key}`),
      Array(3).fill("PUT app/.conditional-writes")
    )
  }))

it.live("a creation is done whose answer was lost, though the repeated one is refused", () =>
  Effect.gen(function* () {
    const { store, storage } = yield* world((request, body, store) =>
      isPut(request, "app/a") && request.before === 0 ? { ...store.done(request, body), breakAfter: 0 } : undefined
    )
    yield* storage.create("a", bytesOf("mine"))
    assert.equal(store.objects.get("app/a")?.bytes, "mine")
    assert.equal(store.requests.filter((request) => isPut(request, "app/a")).length, 2)
    assert.equal((yield* Effect.flip(storage.create("a", bytesOf("again"))))._tag, "NameTaken")
  }))

it.live("a name that another took between two tries is taken", () =>
  Effect.gen(function* () {
    const { storage } = yield* world((request, _, store) => {
      if (!isPut(request, "app/a") || request.before > 0) return undefined
      store.objects.set("app/a", { bytes: "another's", mark: "another's" })
      return { status: 200, breakAfter: 0 }
    })
    const error = yield* Effect.flip(storage.create("a", bytesOf("mine")))
    assert.equal(error._tag, "NameTaken")
    assert.match(error.message, /^a is there already in s3:\/\/bucket\/app at http/)
  }))

it.live("a creation of which no answer comes is looked after: done if the object is there, and is ours", () =>
  Effect.gen(function* () {
    const { storage } = yield* world((request, body, store) => {
      if (request.method !== "PUT" || !request.key.startsWith("app/lost")) return undefined
      if (request.key === "app/lost-after") store.done(request, body)
      return { status: 200, breakAfter: 0 }
    })
    yield* storage.create("lost-after", bytesOf("mine"))
    const error = yield* Effect.flip(storage.create("lost-before", bytesOf("mine")))
    assert.equal(error._tag === "StorageError" && error.reason, "Unavailable")
    assert.match(
      error.message,
      /^creating lost-before in s3:\/\/.* failed: the connection broke \(ECONNRESET, 3 attempts\)$/
    )
  }))

it.live("a creation that the store refuses for a conflict is tried again, but not for ever", () =>
  Effect.gen(function* () {
    const { store, storage } = yield* world((request) => {
      const conflicts = request.key === "app/some" ? 2 : request.key === "app/many" ? 99 : 0
      return request.method === "PUT" && request.before < conflicts
        ? { status: 409, code: "ConditionalRequestConflict" }
        : undefined
    })
    yield* storage.create("some", bytesOf("mine"))
    assert.equal(store.objects.get("app/some")?.bytes, "mine")
    const error = yield* Effect.flip(storage.create("many", bytesOf("mine")))
    assert.equal(error._tag === "StorageError" && error.reason, "Unavailable")
    assert.match(error.message, /others made or removed it at the same time/)
  }))

it.live("a read that ends early is repeated, and never gives fewer bytes", () =>
  Effect.gen(function* () {
    const { storage } = yield* world((request, body, store) => {
      const cuts = request.key === "app/sometimes" ? 2 : request.key === "app/always" ? 99 : 0
      return request.method === "GET" && request.before < cuts
        ? { ...store.done(request, body), breakAfter: 3 }
        : undefined
    })
    for (const name of ["sometimes", "always"]) yield* storage.create(name, bytesOf("0123456789"))
    assert.equal(textOf(yield* storage.read("sometimes")), "0123456789")
    const error = yield* Effect.flip(storage.read("always", { offset: 2, length: 5 }))
    assert.equal(error.reason, "Unavailable")
    assert.match(error.message, /^reading always in s3/)
  }))

it.live("a store that answers with another range than was asked for is told", () =>
  Effect.gen(function* () {
    const { storage } = yield* world((request, body, store) =>
      request.method === "GET"
        ? store.done({ ...request, headers: { ...request.headers, range: undefined } }, body)
        : undefined
    )
    yield* storage.create("a", bytesOf("0123456789"))
    assert.equal((yield* Effect.flip(storage.read("a", { offset: 2, length: 3 }))).reason, "Invalid")
    assert.equal((yield* Effect.flip(storage.read("a", { offset: 0, length: 3 }))).reason, "Invalid")
    assert.equal(textOf(yield* storage.read("a", { offset: 0, length: 30 })), "0123456789")
  }))

it.live("a list has all pages in order, beneath the prefix alone, and only names", () =>
  Effect.gen(function* () {
    const { store, storage } = yield* world()
    const foreign = ["app/", "app/folder/", "app/a b", "app/.hidden", "app/x/.hidden", "application/no", "app", "other"]
    for (const key of foreign) store.objects.set(key, { bytes: "", mark: undefined })
    const names = [
      "a",
      "a-b",
      "a/b",
      "a/b.c",
      "epochs/00000001/owner",
      "epochs/00000002/owner",
      "n%20m",
      "~".replace("~", "z")
    ]
    for (const name of names.toReversed()) yield* storage.create(name, bytesOf(name))
    assert.deepEqual(yield* storage.list(""), names.toSorted())
    assert.deepEqual(yield* storage.list("epochs/0000000"), names.slice(4, 6))
    assert.deepEqual(yield* storage.list("none/"), [])
  }))

it.live("a list that goes on without end is an error", () =>
  Effect.gen(function* () {
    const page = (next: string): Answer => ({
      status: 200,
      headers: { "content-type": "application/xml" },
      body: `<ListBucketResult><IsTruncated>true</IsTruncated>${next}</ListBucketResult>`
    })
    const { storage } = yield* world((request) => {
      if (!request.query.has("list-type")) return undefined
      return page(request.query.get("prefix") === "app/a" ? "" : "<NextContinuationToken>x</NextContinuationToken>")
    })
    assert.match((yield* Effect.flip(storage.list("a"))).message, /listing a in .*goes on, and does not say where/)
    assert.match((yield* Effect.flip(storage.list("b"))).message, /listing b in .*goes on, and does not say where/)
  }))

it.live("a store that is busy for a moment is asked again; one that stays so is Unavailable", () =>
  Effect.gen(function* () {
    const { storage } = yield* world((request) =>
      request.method === "HEAD" && (request.key === "app/b" || request.before === 0)
        ? { status: 503, code: "SlowDown" }
        : undefined
    )
    assert.equal(yield* storage.size("a"), undefined)
    const error = yield* Effect.flip(storage.size("b"))
    assert.equal(error.reason, "Unavailable")
    assert.match(error.message, /asked more than it can take \(.*status 503, 3 attempts\)/)
  }))

it.live("a store that does not answer is given up in time", () =>
  Effect.gen(function* () {
    const { storage } = yield* world((request) => request.method === "GET" ? "never" : undefined, 100)
    const error = yield* Effect.flip(storage.read("a"))
    assert.equal(error.reason, "Unavailable")
    assert.match(error.message, /no answer in time \(\w+, 3 attempts\)/)
  }))

it.live("what is not wanted any more ends its request", () =>
  Effect.gen(function* () {
    const { store, storage } = yield* world((request) => request.method === "GET" ? "never" : undefined)
    const fiber = yield* Effect.forkChild(storage.read("a"))
    while (store.requests.length < 3) yield* Effect.sleep(1)
    yield* Fiber.interrupt(fiber)
    assert.equal(yield* storage.size("a"), undefined)
  }))

const meanings: ReadonlyArray<
  readonly [status: number, code: string, reason: StorageError["reason"], sentence: RegExp]
> = [
  [404, "NoSuchBucket", "Invalid", /the bucket does not exist/],
  [403, "InvalidAccessKeyId", "ReadOnly", /credentials are not accepted: check AWS_ACCESS_KEY_ID/],
  [403, "SignatureDoesNotMatch", "ReadOnly", /credentials are not accepted/],
  [400, "ExpiredToken", "ReadOnly", /credentials have expired/],
  [301, "PermanentRedirect", "Invalid", /another region/],
  [400, "AuthorizationHeaderMalformed", "Invalid", /another region/],
  [403, "QuotaExceeded", "Full", /no room/],
  [507, "XMinioStorageFull", "Full", /no room/],
  [400, "EntityTooLarge", "Invalid", /larger than the store takes/],
  [400, "SomethingElse", "Invalid", /words of the server \(SomethingElse, status 400/],
  [500, "InternalError", "Unavailable", /the store failed/]
]

for (const [status, code, reason, sentence] of meanings) {
  it.live(`an answer ${status} ${code} at opening is ${reason}, and told`, () =>
    Effect.gen(function* () {
      const error = yield* refused(() => ({ status, code }))
      assert.equal(error.reason, reason)
      assert.match(error.message, sentence)
    }))
}

it.live("without the right to write a place opens, reads and says what is missing; with it, it is proven first", () =>
  Effect.gen(function* () {
    let isGranted = false
    const { store, storage } = yield* world((request) =>
      request.method === "PUT" && !isGranted ? { status: 403, code: "AccessDenied" } : undefined
    )
    store.objects.set("app/a", { bytes: "there", mark: undefined })
    assert.equal(textOf(yield* storage.read("a")), "there")
    const error = yield* Effect.flip(storage.create("b", bytesOf("b")))
    assert.equal(error._tag === "StorageError" && error.reason, "ReadOnly")
    assert.match(
      error.message,
      /creating b in .* failed: the credentials do not permit it: grant s3:GetObject, s3:PutObject/
    )
    isGranted = true
    yield* storage.create("b", bytesOf("b"))
    yield* storage.create("c", bytesOf("c"))
    assert.deepEqual(
      store.requests.filter(({ method }) => method === "PUT").slice(-4).map(({ key }) => key),
      ["app/.conditional-writes", "app/.conditional-writes", "app/b", "app/c"]
    )
  }))

it.live("no error repeats what is secret, whatever the store says", () =>
  Effect.gen(function* () {
    yield* environment({ AWS_SESSION_TOKEN: token })
    const store = yield* scriptedS3((request) => ({
      status: 400,
      code: "Strange",
      message: `${secret} ${JSON.stringify(request.headers)}`.replaceAll(/[<>&]/g, "")
    }))
    const error = yield* Effect.flip(objectStorage(store.place))
    assert.match(error.message, /\(secret\)/)
    for (const hidden of [secret, token, "key-of-the-test"]) {
      assert.ok(!JSON.stringify([error, error.message, error.stack]).includes(hidden), error.message)
    }
  }))

it.live("without credentials, and without a region, it is said what to set", () =>
  Effect.gen(function* () {
    yield* environment({ AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined })
    const store = yield* scriptedS3()
    const none = yield* Effect.flip(objectStorage(store.place))
    assert.match(
      none.message,
      /no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE/
    )
    assert.equal(store.requests.length, 0)
    const nowhere = yield* Effect.flip(objectStorage("s3://bucket/app"))
    assert.match(nowhere.message, /no region is known: name it, with \?region= or AWS_REGION/)
  }))

it.live("a store that cannot be reached is Unavailable, with its address", () =>
  Effect.gen(function* () {
    yield* environment()
    const { endpoint } = yield* Effect.scoped(scriptedS3())
    const error = yield* Effect.flip(objectStorage(`s3://bucket?endpoint=${endpoint}`))
    assert.equal(error.reason, "Unavailable")
    assert.match(
      error.message,
      /s3:\/\/bucket at http:\/\/127\.0\.0\.1:\d+ failed: the store cannot be reached: see that it runs/
    )
  }))

it.live("names that are none, and files that grow, are refused without a request", () =>
  Effect.gen(function* () {
    const { store, storage } = yield* world()
    const before = store.requests.length
    for (const name of ["", "/a", "a/", "a//b", "a/../b", ".a", "a b", "a\\b", "é", "a".repeat(3) + "\n"]) {
      for (
        const call of [storage.create(name, bytesOf("")), storage.read(name), storage.size(name), storage.remove(name)]
      ) {
        const error = yield* Effect.flip(call as Effect.Effect<unknown, StorageError>)
        assert.equal(error.reason, "Invalid")
      }
    }
    const growing = yield* Effect.flip(Effect.scoped(storage.open("a")))
    assert.equal(growing._tag === "StorageError" && growing.reason, "Invalid")
    assert.equal(storage.appends, false)
    assert.equal(store.requests.length, before)
  }))
