/**
 * objectStorage: StableStorage in a bucket of an object store that speaks the S3 protocol, by Amazon's own client.
 *
 * | call | requests |
 * | --- | --- |
 * | create | one PUT with `If-None-Match: *` |
 * | read | one GET, with `Range`; HEAD where no bytes are wanted |
 * | size | one HEAD |
 * | list | one for each 1,000 names |
 * | remove | one DELETE |
 * | opening | one PUT of `.conditional-writes`, which is refused where the object is there already; the first time two |
 *
 * - Objects do not grow: `appends` is false.
 * - Without conditional writes two drivers could take one epoch. A store that takes `If-None-Match` and ignores it is found out at
 *   opening: it makes one object twice. Where the right to write is missing, that is looked at before the first `create`.
 * - The client repeats what failed (`AWS_MAX_ATTEMPTS`, 3), and so may the host beneath it. A repeated PUT whose first answer was
 *   lost is refused as if another had the name; each creation therefore marks its object, and whose it is decides. After a failure
 *   that cannot be decided (no answer, then or later) the object may be there, or come to be there, as when a process dies while it
 *   creates.
 * - An answer that ends early, or is not the range that was asked for, is a failure and never fewer bytes.
 * - Every request has a time limit, requests under way and names in a list a number.
 *
 * The package `@aws-sdk/client-s3` is loaded when a place is opened, not before: programs that keep nothing in a bucket do without.
 */
import { randomUUID } from "node:crypto"
import process from "node:process"
import { Effect, type Scope, Semaphore } from "effect"
import { describeError } from "../../core/protocol/describeError.ts"
import { type ByteRange, NameTaken, type StableStorage, StorageError } from "../../runtime/storage/StableStorage.ts"
import { invalidName, invalidRange } from "../../runtime/storage/storageName.ts"
import {
  isDenied,
  isMissing,
  isTaken,
  isUncertain,
  OwnError,
  type Refusal,
  refusalOf,
  storageError
} from "./objectErrors.ts"
import { type ObjectPlace, objectPlace } from "./objectPlace.ts"

type Package = typeof import("@aws-sdk/client-s3")
type Client = InstanceType<Package["S3Client"]>

export interface ObjectStorageLimits {
  /** Until an answer begins; each 1,000 bytes that travel get a millisecond more. 30,000. */
  readonly requestMillis?: number | undefined
}

const requestMillisDefault = 30_000
const connectMillis = 5_000
const bytesPerMilli = 1000
const requestsAtOnceMax = 32
/** Of two that make one name at the same time a store may refuse both. */
const conflictsMax = 4
const conflictMillis = 50
const cutAnswersMax = 2
const namesMax = 1_000_000

/** Stays in the place. It begins with a dot, so that it is no name. */
const probeName = ".conditional-writes"
const probeText = "Shows dstreams that this bucket keeps conditional writes. It may be removed.\n"
const markName = "dstreams-creation"

interface Bucket {
  readonly s3: Package
  readonly client: Client
  readonly place: ObjectPlace
  readonly requestMillis: number
  readonly permits: Semaphore.Semaphore
}

/** The storage of an `s3:` place; connections are closed with the scope. */
export const objectStorage = Effect.fnUntraced(function* (
  text: string,
  limits: ObjectStorageLimits = {}
): Effect.fn.Return<StableStorage, StorageError, Scope.Scope> {
  const place = yield* objectPlace(text, process.env)
  const s3 = yield* loadPackage(place)
  const requestMillis = limits.requestMillis ?? requestMillisDefault
  const client = yield* Effect.acquireRelease(
    Effect.try({
      try: () => makeClient(s3, place, requestMillis),
      catch: (error) => storageError(refusalOf(error), "opening", "", place, process.env)
    }),
    (client) => Effect.sync(() => client.destroy())
  )
  const bucket: Bucket = { s3, client, place, requestMillis, permits: yield* Semaphore.make(requestsAtOnceMax) }
  // who may only read can open it all the same
  const isProven = yield* Effect.as(prove(bucket), true).pipe(
    Effect.catchIf(isDenied, () => Effect.succeed(false)),
    failing(bucket, "opening: creating", probeName)
  )
  return storageOf(bucket, isProven)
})

const loadPackage = (place: ObjectPlace): Effect.Effect<Package, StorageError> =>
  Effect.tryPromise({
    try: () => import("@aws-sdk/client-s3"),
    catch: (error) =>
      new StorageError({
        reason: "Invalid",
        name: "",
        message: `${place.shown} cannot be opened without the package @aws-sdk/client-s3, which does not load ` +
          `(${describeError(error)}): npm install @aws-sdk/client-s3`
      })
  })

const makeClient = (s3: Package, place: ObjectPlace, requestMillis: number): Client => {
  const agent = { keepAlive: true, maxSockets: requestsAtOnceMax }
  return new s3.S3Client({
    ...(place.endpoint === undefined ? {} : { endpoint: place.endpoint }),
    ...(place.region === undefined ? {} : { region: place.region }),
    forcePathStyle: place.pathStyle,
    requestHandler: {
      connectionTimeout: Math.min(connectMillis, requestMillis),
      requestTimeout: requestMillis,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent
    }
  })
}

const storageOf = (bucket: Bucket, isProvenAtFirst: boolean): StableStorage => {
  const { place } = bucket
  let isProven = isProvenAtFirst
  return {
    place: place.shown,
    appends: false,
    create: Effect.fnUntraced(function* (name, bytes) {
      yield* check(invalidName(name))
      const proof = isProven ? Effect.void : prove(bucket)
      const made = yield* Effect.andThen(proof, make(bucket, name, bytes)).pipe(failing(bucket, "creating", name))
      isProven = true
      if (made === "taken") {
        return yield* new NameTaken({ name, message: `${name} is there already in ${place.shown}` })
      }
    }),
    open: (name) =>
      Effect.fail(
        invalidName(name) ?? new StorageError({
          reason: "Invalid",
          name,
          message:
            `${name} cannot be opened in ${place.shown}: objects do not grow, they are created whole (appends is false)`
        })
      ),
    read: (name, range) =>
      Effect.andThen(
        check(invalidName(name) ?? invalidRange(name, range)),
        failing(bucket, "reading", name)(read(bucket, name, range))
      ),
    size: (name) =>
      Effect.andThen(
        check(invalidName(name)),
        Effect.map(failing(bucket, "looking for", name)(head(bucket, name)), (found) => found?.bytes)
      ),
    list: (prefix) => failing(bucket, "listing", prefix)(list(bucket, prefix)),
    remove: (name) => Effect.andThen(check(invalidName(name)), failing(bucket, "removing", name)(remove(bucket, name)))
  }
}

const check = (mistake: StorageError | undefined): Effect.Effect<void, StorageError> =>
  mistake === undefined ? Effect.void : Effect.fail(mistake)

/** The error that others see. */
const failing = (bucket: Bucket, doing: string, name: string) => <A>(work: Effect.Effect<A, Refusal>) =>
  Effect.mapError(work, (refusal) => storageError(refusal, doing, name, bucket.place, process.env))

/** What a request is told: how long it may take, and that it is not wanted any more. */
interface RequestOptions {
  readonly abortSignal: AbortSignal
  readonly requestTimeout: number
}

const ask = <A>(
  bucket: Bucket,
  bytes: number,
  request: (options: RequestOptions) => Promise<A>
): Effect.Effect<A, Refusal> =>
  bucket.permits.withPermit(Effect.tryPromise({
    try: (abortSignal) => request({ abortSignal, requestTimeout: millisFor(bucket, bytes) }),
    catch: refusalOf
  }))

const millisFor = (bucket: Bucket, bytes: number): number => bucket.requestMillis + Math.ceil(bytes / bytesPerMilli)

const keyOf = ({ place }: Bucket, name: string) => ({ Bucket: place.bucket, Key: place.prefix + name })

/** Fails if the bucket does not keep conditional writes. */
const prove = Effect.fnUntraced(function* (bucket: Bucket): Effect.fn.Return<void, Refusal> {
  const bytes = new TextEncoder().encode(probeText)
  const probe = put(bucket, probeName, bytes, randomUUID())
  // the first of all openings makes it
  const refusal = (yield* probe) ?? (yield* probe)
  if (refusal === undefined) yield* Effect.fail(refusalOf(new OwnError("ConditionsNotKept")))
  else if (!isTaken(refusal)) yield* Effect.fail(refusal)
})

/** Makes an object, unless there is one. */
const make = Effect.fnUntraced(function* (
  bucket: Bucket,
  name: string,
  bytes: Uint8Array
): Effect.fn.Return<"made" | "taken", Refusal> {
  for (let conflicts = 1;; conflicts++) {
    const mark = randomUUID()
    const refusal = yield* put(bucket, name, bytes, mark)
    if (refusal === undefined) return "made"
    if (!isTaken(refusal)) {
      const isMade = isUncertain(refusal) &&
        (yield* Effect.orElseSucceed(head(bucket, name), () => undefined))?.mark === mark
      return isMade ? "made" : yield* Effect.fail(refusal)
    }
    // Deno itself repeats a request on a connection that broke, and does not say so: the mark alone tells
    const found = yield* head(bucket, name)
    if (found?.mark === mark) return "made"
    if (found !== undefined || refusal.status === 412) return "taken"
    if (conflicts === conflictsMax) return yield* Effect.fail(refusal)
    yield* Effect.sleep(conflictMillis * conflicts)
  }
})

/** undefined: it is made. */
const put = (bucket: Bucket, name: string, bytes: Uint8Array, mark: string): Effect.Effect<Refusal | undefined> => {
  const command = new bucket.s3.PutObjectCommand({
    ...keyOf(bucket, name),
    Body: bytes,
    ContentType: "application/octet-stream",
    IfNoneMatch: "*",
    Metadata: { [markName]: mark }
  })
  return Effect.match(ask(bucket, bytes.length, (options) => bucket.client.send(command, options)), {
    onFailure: (refusal) => refusal,
    onSuccess: () => undefined
  })
}

/** undefined: there is no such object. */
const head = (bucket: Bucket, name: string) => {
  const command = new bucket.s3.HeadObjectCommand(keyOf(bucket, name))
  return ask(bucket, 0, (options) => bucket.client.send(command, options)).pipe(
    Effect.map(({ ContentLength, Metadata }) => ({ bytes: ContentLength ?? 0, mark: Metadata?.[markName] })),
    Effect.catchIf(isMissing, () => Effect.succeed(undefined))
  )
}

const read = (bucket: Bucket, name: string, range: ByteRange | undefined) => {
  if (range?.length === 0) {
    return Effect.map(head(bucket, name), (found) => found === undefined ? undefined : new Uint8Array(0))
  }
  return ask(bucket, 0, (options) => fetchBytes(bucket, name, range, options)).pipe(
    Effect.retry({ times: cutAnswersMax, while: (refusal) => refusal.code === "CutAnswer" }),
    Effect.catchIf(isMissing, () => Effect.succeed(undefined)),
    // it is there, and ends before the range begins
    Effect.catchIf((refusal) => refusal.status === 416, () => Effect.succeed(new Uint8Array(0)))
  )
}

const fetchBytes = async (
  bucket: Bucket,
  name: string,
  range: ByteRange | undefined,
  options: RequestOptions
): Promise<Uint8Array> => {
  const last = range === undefined ? 0 : Math.min(range.offset + range.length - 1, Number.MAX_SAFE_INTEGER)
  const asked = range === undefined ? {} : { Range: `bytes=${range.offset}-${last}` }
  const command = new bucket.s3.GetObjectCommand({ ...keyOf(bucket, name), ...asked })
  const { Body, ContentLength: length = 0, ContentRange } = await bucket.client.send(command, options)
  if (Body === undefined) throw new OwnError("CutAnswer", "an answer had no body")
  const stop = (error: Error) => (Body as { destroy?: (error: Error) => void }).destroy?.(error)
  const isRight = range === undefined ||
    (length <= range.length && (ContentRange?.startsWith(`bytes ${range.offset}-`) ?? range.offset === 0))
  if (!isRight) {
    const error = new OwnError("WrongRange")
    stop(error)
    throw error
  }
  const timer = setTimeout(() => stop(new OwnError("CutAnswer", "it came too slowly")), millisFor(bucket, length))
  try {
    const bytes = await Body.transformToByteArray()
    if (bytes.length === length) return bytes
    throw new OwnError("CutAnswer", `of ${length} bytes came ${bytes.length}`)
  } catch (error) {
    throw error instanceof OwnError ? error : new OwnError("CutAnswer", describeError(error))
  } finally {
    clearTimeout(timer)
  }
}

const list = Effect.fnUntraced(function* (bucket: Bucket, prefix: string) {
  const { place } = bucket
  const names: Array<string> = []
  let from: string | undefined
  do {
    const command = new bucket.s3.ListObjectsV2Command({
      Bucket: place.bucket,
      Prefix: place.prefix + prefix,
      ...(from === undefined ? {} : { ContinuationToken: from })
    })
    const page = yield* ask(bucket, 0, (options) => bucket.client.send(command, options))
    for (const { Key = "" } of page.Contents ?? []) {
      const name = Key.slice(place.prefix.length)
      // what others put there, markers of folders, and the probe are no names
      if (Key.startsWith(place.prefix + prefix) && invalidName(name) === undefined) names.push(name)
    }
    const next = page.IsTruncated ? page.NextContinuationToken : undefined
    if (page.IsTruncated && (next === undefined || next === from)) {
      return yield* Effect.fail(refusalOf(new OwnError("CutAnswer", "a list goes on, and does not say where")))
    }
    if (names.length > namesMax) {
      return yield* Effect.fail(refusalOf(new OwnError("TooManyNames", `there are more than ${namesMax} names`)))
    }
    from = next
  } while (from !== undefined)
  return names.sort()
})

/** What is not there is removed. */
const remove = (bucket: Bucket, name: string): Effect.Effect<void, Refusal> => {
  const command = new bucket.s3.DeleteObjectCommand(keyOf(bucket, name))
  return ask(bucket, 0, (options) => bucket.client.send(command, options)).pipe(
    Effect.asVoid,
    Effect.catchIf(isMissing, () => Effect.void)
  )
}
