/**
 * Checkpoint places that are damaged or an enemy's: whoever reads one is told in a typed error which file it is and what is wrong with
 * it, or goes on with what is good; in time, and what was there is not changed.
 */
import * as assert from "node:assert/strict"
import { Cause, Effect, Exit, Layer, Result } from "effect"
import fc from "fast-check"
import { TestClock } from "effect/testing"
import { showCheckpoint } from "../../adapters/cli/inspect/showCheckpoint.ts"
import { showLog } from "../../adapters/cli/inspect/showLog.ts"
import { showState } from "../../adapters/cli/inspect/showState.ts"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import * as File from "../../adapters/file/mod.ts"
import { timed } from "../../adapters/memory/mod.ts"
import * as Checkpoints from "../../core/checkpoint/Checkpoint.ts"
import * as CheckpointFile from "../../core/checkpoint/CheckpointFile.ts"
import * as DriverStates from "../../core/checkpoint/DriverState.ts"
import * as names from "../../core/checkpoint/names.ts"
import { DStream, Receiver, StreamingApp } from "../../core/mod.ts"
import { crc32 } from "../../core/wal/crc32.ts"
import { decodedEvent, recover } from "../../runtime/driver/checkpoint/recover.ts"
import * as Epoch from "../../runtime/driver/checkpoint/Epoch.ts"
import { type MemoryStorage, memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { readLog } from "../../runtime/storage/readLog.ts"
import * as WriteAheadLog from "../../runtime/storage/WriteAheadLog.ts"
import { change, changed, intruded, intrusion } from "../damage.ts"
import * as local from "../driver/local.ts"
import { it } from "../kit.ts"
import { live, start } from "./lives.ts"

/** Files, received blocks in logs and with executors alone, numbered records, states. */
const appOf = (files: File.MemoryFiles) => {
  const received = timed(Array.from({ length: 40 }, (_, i) => ({ time: i * 250, value: `r${i % 3}` })), { origin: 0 })
  const numbered = DStream.receiverStream(Receiver.make<string, Receiver.StoreError, never>({
    name: "numbered",
    survives: "hot",
    onStart: (store) =>
      Effect.gen(function* () {
        for (let next = (store.highWaterMark("source") ?? -1) + 1;; next++) {
          yield* Effect.sleep(300)
          yield* store.array([`n${next % 3}`], { range: { source: "source", from: next, to: next } })
        }
      })
  }))
  return StreamingApp.make({
    name: "damaged",
    batchDuration: "1 second",
    outputs: [
      DStream.unionAll<string, unknown, never>([File.textStream({ directory: "/in" }), received, numbered]).pipe(
        DStream.mapToPair((word) => [word, 1]),
        DStream.updateStateByKey((ones, sum: number | undefined) => ones.length + (sum ?? 0)),
        DStream.named("sums"),
        DStream.checkpoint("2 seconds"),
        DStream.foreachBatch((batch) => Effect.asVoid(batch.collect), { name: "out" })
      )
    ],
    layer: Layer.succeed(File.FileWorld, files)
  })
}

/** What three lives leave, the last of which ended in the middle of its batches. */
const left = Effect.gen(function* () {
  const storage = memoryStorage()
  const files = File.memoryFiles()
  for (let i = 1; i <= 30; i++) files.write(`/in/${i}`, `f${i % 3}\n`, i * 1000 - 500)
  for (const seconds of [4, 3, 5]) yield* live(appOf(files), { storage, executors: 2 }, seconds)
  return { storage, files, all: yield* contentsOf(storage) }
})

type Contents = ReadonlyMap<string, Uint8Array>

const contentsOf = (storage: MemoryStorage): Effect.Effect<Contents, unknown> =>
  Effect.map(
    Effect.flatMap(storage.list(""), (all) =>
      Effect.forEach(all, (name) => Effect.map(storage.read(name), (bytes) => [name, bytes!] as const))),
    (entries) =>
      new Map(entries)
  )

const storageOf = (contents: Contents): MemoryStorage => {
  const storage = memoryStorage()
  for (const [name, bytes] of contents) storage.put(name, bytes)
  return storage
}

const readingOf = (storage: MemoryStorage) => ({ storage, codec: messagePack, checksum: crc32 })

const typed = [
  "PlaceRefused",
  "NoUsableCheckpoint",
  "LogNotUnderstood",
  "LogDamaged",
  "StorageError",
  "NothingThere",
  "SnapshotDamaged"
]

/** It ends well, or with a typed error that says which file, in a sentence. */
const isTold = <A>(exit: Exit.Exit<A, unknown>): string => {
  if (Exit.isSuccess(exit)) return "read"
  const [reason] = exit.cause.reasons
  assert.ok(reason?._tag === "Fail", Cause.pretty(exit.cause))
  const { _tag, message } = reason.error as { readonly _tag: string; readonly message: string }
  assert.ok(typed.includes(_tag), `${_tag}: ${message}`)
  assert.match(message, /epochs\/\d+|"app"|there is no snapshot|version|belongs to|no checkpoint/)
  return _tag
}

const readers = (storage: MemoryStorage): ReadonlyArray<Effect.Effect<unknown, unknown>> => {
  const reading = readingOf(storage)
  return [
    Effect.andThen(
      Epoch.check(storage, "damaged"),
      Effect.flatMap(Epoch.list(storage), (epochs) => recover(reading, epochs, []))
    ),
    showCheckpoint(reading),
    showLog(reading),
    showState(reading, { kind: "state show", place: "memory", operator: "sums", key: undefined })
  ]
}

it(
  "whatever becomes of the bytes of its files, a place is read as far as it is good, or refused by file; nothing is changed",
  () =>
    Effect.gen(function* () {
      const { all } = yield* left
      const names = [...all.keys()]
      assert.ok(
        ["/log/", "/checkpoints/", "/state/", "/blocks/"].every((part) => names.some((name) => name.includes(part)))
      )
      const outcomes = new Map<string, number>()
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(
            fc.array(fc.tuple(fc.nat(names.length - 1), fc.oneof(change, fc.constant(undefined))), {
              minLength: 1,
              maxLength: 12
            }),
            async (changes) => {
              const bytes = new Map(all)
              for (const [which, one] of changes) {
                const name = names[which]!
                const before = bytes.get(name)
                if (one === undefined || before === undefined) bytes.delete(name)
                else bytes.set(name, changed(before, one))
              }
              const storage = storageOf(bytes)
              for (const reader of readers(storage)) {
                const told = isTold(await Effect.runPromiseExit(reader))
                outcomes.set(told, (outcomes.get(told) ?? 0) + 1)
              }
              assert.deepEqual(await Effect.runPromise(contentsOf(storage)), bytes)
            }
          ),
          { numRuns: 300 }
        )
      )
      for (const told of ["read", "LogDamaged", "SnapshotDamaged"]) assert.ok(outcomes.has(told), `${told} never came`)
    }),
  { timeout: 120_000 }
)

/** The place with its newest checkpoint alone, and after it just these records in the log of its epoch. */
const placeOf = Effect.fnUntraced(function* (
  all: Contents,
  change: (checkpoint: Checkpoints.Checkpoint) => unknown,
  records: ReadonlyArray<Uint8Array>
) {
  const furthest = names.furthestFirst(all.keys())
  const { epoch, name } = furthest[0]!
  const checkpoint = Result.getOrThrow(CheckpointFile.decode(all.get(name)!, messagePack, crc32))
  const fromStart = { ...checkpoint, log: { segment: 1, offset: 0 } }
  const hurt = new Map(all)
  for (const other of furthest) hurt.delete(other.name)
  for (const file of all.keys()) if (file.startsWith(names.logPrefix(epoch))) hurt.delete(file)
  hurt.set(name, CheckpointFile.encode(change(fromStart) as Checkpoints.Checkpoint, messagePack, crc32))
  const storage = storageOf(hurt)
  yield* Effect.scoped(Effect.flatMap(
    WriteAheadLog.make({ storage, prefix: names.logPrefix(epoch) }),
    (log) => log.append(records)
  ))
  return storage
})

/** The records of the newest log. */
const eventsOf = (all: Contents) => {
  const { epoch } = names.furthestFirst(all.keys())[0]!
  return Effect.map(
    readLog(storageOf(all), names.logPrefix(epoch)),
    ({ records }) => records.map(({ bytes }) => messagePack.decode(bytes.slice().buffer))
  )
}

const encoded = (value: unknown) => new Uint8Array(messagePack.encode(value))

const hurtEvents = (events: ReadonlyArray<unknown>) =>
  fc.array(fc.tuple(fc.nat(events.length - 1), intrusion), { minLength: 1, maxLength: 3 }).map((changes) =>
    changes.reduce((hurt, [at, one]) => hurt.with(at, intruded(hurt[at], one)), events)
  )

it(
  "events and checkpoints of an enemy's, check sums and all, are refused in a sentence, or fold to a state",
  () =>
    Effect.gen(function* () {
      const { all } = yield* left
      const events = yield* eventsOf(all)
      const { name } = names.furthestFirst(all.keys())[0]!
      const checkpoint = Result.getOrThrow(CheckpointFile.decode(all.get(name)!, messagePack, crc32))
      let folded = 0
      fc.assert(
        fc.property(hurtEvents(events), fc.array(intrusion, { maxLength: 3 }), (hurt, changes) => {
          const body = changes.reduce(intruded, checkpoint as unknown)
          const file = CheckpointFile.encode(body as Checkpoints.Checkpoint, messagePack, crc32)
          const decoded = CheckpointFile.decode(file, messagePack, crc32)
          if (Result.isFailure(decoded)) return assert.ok(decoded.failure.length > 10 && decoded.failure.length < 5000)
          const state = Checkpoints.stateOf(decoded.success, [])
          for (const event of hurt) {
            const understood = decodedEvent(encoded(event), messagePack)
            if (Result.isFailure(understood)) {
              assert.ok(understood.failure.length > 10 && understood.failure.length < 5000)
            } else DriverStates.apply(state, understood.success)
          }
          DriverStates.pendingOf(state)
          DriverStates.plansOf(state)
          DriverStates.keptOf(state)
          DriverStates.unusedBlocks(state)
          encoded(Checkpoints.capture(decoded.success, state))
          folded++
        }),
        { numRuns: 2000 }
      )
      assert.ok(folded > 20, `${folded}`)
      assert.equal(({} as { readonly kind?: unknown }).kind, undefined)
    }),
  { timeout: 60_000 }
)

/** How a driver ends that is to go on from such a checkpoint, with just these events after it. */
const outcomeOf = Effect.fnUntraced(function* (
  { all, files }: { readonly all: Contents; readonly files: File.MemoryFiles },
  change: (checkpoint: Checkpoints.Checkpoint) => unknown,
  events: ReadonlyArray<unknown>
) {
  const going = Effect.gen(function* () {
    const storage = yield* placeOf(all, change, events.map(encoded))
    yield* TestClock.adjust("12 seconds")
    const context = yield* start(appOf(files), { storage, executors: 2 })
    for (let second = 0; second < 3; second++) {
      yield* TestClock.adjust("1 second")
      yield* local.settled
    }
    if (context.state() !== "Active") yield* context.awaitTermination
  })
  const exit = yield* Effect.exit(Effect.scoped(Effect.provide(going, TestClock.layer())))
  if (Exit.isSuccess(exit)) return { _tag: "went on", message: "" }
  const [reason] = exit.cause.reasons
  assert.ok(reason?._tag === "Fail", Cause.pretty(exit.cause))
  return reason.error as { readonly _tag: string; readonly message: string }
})

it(
  "a driver that is to go on from an enemy's checkpoint or log goes on, or fails with a typed error",
  () =>
    Effect.gen(function* () {
      const place = yield* left
      const events = yield* eventsOf(place.all)
      const outcomes = new Map<string, number>()
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(hurtEvents(events), fc.array(intrusion, { maxLength: 2 }), async (hurt, changes) => {
            const outcome = outcomeOf(place, (one) => changes.reduce(intruded, one as unknown), hurt)
            const { _tag, message } = await Effect.runPromise(outcome)
            if (_tag !== "went on") assert.match(message, /^[^]{20,}$/)
            outcomes.set(_tag, (outcomes.get(_tag) ?? 0) + 1)
          }),
          { numRuns: 150 }
        )
      )
      for (const told of ["went on", "LogNotUnderstood", "NoUsableCheckpoint"]) {
        assert.ok(outcomes.has(told), `${told} never came`)
      }
    }),
  { timeout: 120_000 }
)

it("batches that cannot be are refused: of times that are none of the app's, and without what they are made of", () =>
  Effect.gen(function* () {
    const place = yield* left
    const events = yield* eventsOf(place.all)
    const moved = (to: number) =>
      events.map((event: any) => event.kind === "BatchAllocation" ? { ...event, time: to } : event)
    const far = yield* outcomeOf(place, (one) => one, moved(2 ** 32 - 1))
    assert.equal(far._tag, "LogNotUnderstood")
    assert.match(
      far.message,
      /^the record at byte \d+ of epochs\/\d+\/log\/\d+ is of a batch of 4294967295 ms, where batches/
    )
    for (const asked of [2 ** 32 - 1, 1_000_000_000_000, -1000]) {
      const { _tag, message } = yield* outcomeOf(
        place,
        (one) => ({ ...one, asked: [...one.asked, [asked, one.asked[0]![1]]] }),
        []
      )
      assert.equal(_tag, "NoUsableCheckpoint")
      assert.match(message, new RegExp(`epochs/.*: what it says cannot be: a batch of ${asked} ms`))
    }
    const { _tag, message } = yield* outcomeOf(
      place,
      (one) => ({ ...one, tracker: { ...one.tracker, batches: [] }, snapshots: [] }),
      events
    )
    assert.equal(_tag, "JobFailed")
    assert.match(message, /the plan of the batch \d+ ms is not known/)
  }))
