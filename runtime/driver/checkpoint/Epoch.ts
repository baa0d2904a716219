/**
 * Epoch: a driver's number, taken by creating its owner file: of two drivers that want one number, one gets the next.
 *
 * The place belongs to the first app that used it. A driver that sees a later epoch has been superseded: nothing that it writes from
 * then on is read, and it ends.
 *
 * All drivers of a place are of one line, which its first driver names: epochs of two lines have nothing to do with each other.
 */
import { Clock, Effect, Random, Schema } from "effect"
import * as names from "../../../core/checkpoint/names.ts"
import type { StableStorage, StorageError } from "../../storage/StableStorage.ts"

/** The place cannot be this app's. */
export class PlaceRefused extends Schema.TaggedError<PlaceRefused>()("PlaceRefused", {
  place: Schema.String,
  message: Schema.String
}) {}

/** Another driver has taken over. */
export class Superseded extends Schema.TaggedError<Superseded>()("Superseded", {
  place: Schema.String,
  epoch: Schema.Number,
  by: Schema.Number,
  message: Schema.String
}) {}

/** How the place is laid out. */
const layoutVersion = 1

const Owner = Schema.fromJsonString(
  Schema.Struct({ layout: Schema.Number, app: Schema.String, line: Schema.optionalKey(Schema.String) })
)

const decodeOwner = Schema.decodeUnknownEffect(Owner)

const textOf = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value)}\n`)

const refused = (storage: StableStorage, what: string) =>
  new PlaceRefused({ place: storage.place, message: `the checkpoint place ${storage.place} ${what}` })

/** Whose place it is; undefined: nobody's yet. */
const ownerOf = Effect.fnUntraced(function* (storage: StableStorage) {
  const bytes = yield* storage.read(names.app)
  if (bytes === undefined) return undefined
  return yield* Effect.mapError(
    decodeOwner(new TextDecoder().decode(bytes)),
    () => refused(storage, `holds a file "${names.app}" that is not dstreams': give another directory`)
  )
})

/** Whose place it is. Fails where it is another app's, or of a later version; changes nothing. */
export const check = Effect.fnUntraced(function* (storage: StableStorage, app: string) {
  const owner = yield* ownerOf(storage)
  if (owner === undefined) return undefined
  if (owner.layout !== layoutVersion) {
    return yield* refused(
      storage,
      `is laid out in version ${owner.layout}, and this is version ${layoutVersion}: use the version of dstreams that wrote it, or a later one`
    )
  }
  if (owner.app !== app) {
    return yield* refused(
      storage,
      `belongs to the app "${owner.app}", and this is "${app}": give each app a place of its own, or this one its old name`
    )
  }
  return owner
})

/** A driver, to what knows drivers of other lines too. */
export interface Driver {
  readonly epoch: number
  readonly line: string
}

/** Names a line: when it began, so that one that began later has a greater text; no two have the same. */
export const newLine: Effect.Effect<string> = Effect.gen(function* () {
  const now = yield* Clock.currentTimeMillis
  const chance = Math.abs(yield* Random.nextInt) % 2 ** 48
  return `${String(now).padStart(15, "0")}-${chance.toString(16).padStart(12, "0")}`
})

/** Of a place that was made before lines had names. */
const unnamedLine = ""

/** The epochs that are there, in order; the list may be late. */
export const list = (storage: StableStorage): Effect.Effect<ReadonlyArray<number>, StorageError> =>
  Effect.map(
    storage.list(names.epochs),
    (all) => [...new Set(all.map(names.epochOf).filter((epoch) => epoch !== undefined))].sort((a, b) => a - b)
  )

export interface Claim extends Driver {
  /** The epochs before it of which something is there. */
  readonly earlier: ReadonlyArray<number>
}

/** Takes the next epoch. */
export const claim = Effect.fnUntraced(function* (
  storage: StableStorage,
  app: string
): Effect.fn.Return<Claim, StorageError | PlaceRefused> {
  yield* Effect.catchTag(
    storage.create(names.app, textOf({ layout: layoutVersion, app, line: yield* newLine })),
    "NameTaken",
    () => Effect.void
  )
  const { line = unnamedLine } = (yield* check(storage, app)) ?? {}
  const known = yield* list(storage)
  let epoch = (known.at(-1) ?? 0) + 1
  while (!(yield* taken(storage, epoch, app))) epoch++
  const between = Array.from({ length: epoch - 1 - (known.at(-1) ?? 0) }, (_, i) => (known.at(-1) ?? 0) + 1 + i)
  return { epoch, line, earlier: [...known, ...between] }
})

const taken = (storage: StableStorage, epoch: number, app: string): Effect.Effect<boolean, StorageError> =>
  storage.create(names.owner(epoch), textOf({ app, epoch })).pipe(
    Effect.as(true),
    Effect.catchTag("NameTaken", () => Effect.succeed(false))
  )

/**
 * Fails if there is a driver after `epoch`. Numbers are taken in turn, and the next driver takes its own before it reads what this one
 * left: so what was durable before a look that found none is read by the next one.
 */
export const assertLatest = Effect.fnUntraced(function* (storage: StableStorage, epoch: number) {
  const by = epoch + 1
  if ((yield* storage.size(names.owner(by))) === undefined) return
  return yield* new Superseded({
    place: storage.place,
    epoch,
    by,
    message:
      `another driver (number ${by}) has taken over the checkpoint place ${storage.place} from this one (number ${epoch}): ` +
      "this one ends; run one driver at a time"
  })
})
