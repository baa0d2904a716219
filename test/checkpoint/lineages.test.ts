/**
 * Drivers one after the other, and two at once, over one place: what one acknowledged, the next one has; what one did after another took
 * over, nobody has.
 */
import * as assert from "node:assert/strict"
import { isDeepStrictEqual } from "node:util"
import { Effect, Exit, Scope } from "effect"
import fc from "fast-check"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import * as Memory from "../../adapters/memory/mod.ts"
import type { DriverLogEvent } from "../../core/checkpoint/DriverLogEvent.ts"
import * as DriverState from "../../core/checkpoint/DriverState.ts"
import * as names from "../../core/checkpoint/names.ts"
import * as DStreamGraph from "../../core/dstream/DStreamGraph.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import * as Settings from "../../core/settings/Settings.ts"
import * as Durability from "../../runtime/driver/checkpoint/Durability.ts"
import { memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { type AppendFile, type StableStorage, StoragePlaces } from "../../runtime/storage/StableStorage.ts"
import { it } from "../kit.ts"

const app = StreamingApp.make({
  name: "lineage",
  batchDuration: "1 second",
  outputs: [Memory.batches([]).pipe(DStream.print())]
})
const graph = DStreamGraph.make(app)
const settings = Settings.resolve([], { batchMillis: 1000, executors: 1 })

/** A driver that has not written a checkpoint yet, in a scope of its own, which is not closed: it may go on as a zombie. */
const opened = (storage: StableStorage) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const failures: Array<unknown> = []
    const durability = yield* Durability.open({
      place: "memory",
      graph,
      settings,
      program: "",
      codeFingerprint: "",
      master: "",
      fence: () => Effect.void,
      post: () => {},
      fail: (cause) => void failures.push(cause)
    }).pipe(
      Effect.provideService(StoragePlaces, { open: () => Effect.succeed(storage), codec: messagePack }),
      Scope.provide(scope)
    )
    return { durability, scope, failures }
  })

const driver = (storage: StableStorage) =>
  Effect.gen(function* () {
    const { durability, failures, scope } = yield* opened(storage)
    const writer = yield* Scope.provide(durability.begin({ zeroTime: 0, executors: 1 }), scope)
    return { durability, writer, scope, failures }
  })

/** Storage whose user dies between the writing of an append and its sync, from when `dies` says so. */
const dyingIn = (storage: StableStorage, dies: () => boolean): StableStorage => ({
  ...storage,
  open: (name) =>
    Effect.map(storage.open(name), (file): AppendFile => ({
      append: (bytes, options) =>
        Effect.suspend(() =>
          dies() ? Effect.andThen(file.append(bytes, { sync: false }), Effect.never) : file.append(bytes, options)
        )
    }))
})

const shown = (state: DriverState.DriverState) => ({
  pending: DriverState.pendingOf(state),
  plans: DriverState.plansOf(state),
  ended: [...state.ended].map(([time, outputs]) => [time, [...outputs]]),
  done: state.done
})

/**
 * `crash` is the machine's. `died`: the driver alone, in the middle of an append; the next one dies before its first checkpoint, and the
 * third goes on. `diedBoth`: then the machine dies too, before the third.
 */
const kinds = ["allocate", "output", "done", "checkpoint", "crash", "takeOver", "zombie", "died", "diedBoth"] as const

type Step = typeof kinds[number]

const steps: fc.Arbitrary<ReadonlyArray<Step>> = fc.array(fc.constantFrom<Step>("allocate", ...kinds), {
  maxLength: 30
})

/** Plays the steps; a model keeps what was acknowledged. */
const play = (sequence: ReadonlyArray<Step>) =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const model = DriverState.make()
    let dying = false
    const disk = dyingIn(storage, () => dying)
    let current = yield* driver(disk)
    /** Written, not acknowledged: the next driver has it or not. */
    let doubtful: DriverLogEvent | undefined
    const next = Effect.gen(function* () {
      const started = yield* driver(disk)
      const state = shown(started.durability.log.state)
      if (doubtful !== undefined && !isDeepStrictEqual(state, shown(model))) DriverState.apply(model, doubtful)
      doubtful = undefined
      return started
    })
    let zombie: typeof current | undefined
    let time = 0
    let done = 0
    const log = Effect.fnUntraced(function* (event: DriverLogEvent) {
      yield* current.durability.log.append([event])
      DriverState.apply(model, event)
    })
    for (const step of sequence) {
      if (step === "allocate") {
        time += 1000
        yield* log({
          kind: "BatchAllocation",
          time,
          blocks: [],
          asked: { zeroTime: 0, inputs: [], sideValues: [["a#b", time]] }
        })
      } else if (step === "output" && done < time) {
        yield* log({ kind: "OutputEnded", time: done + 1000, output: "print-0", result: "done" })
      } else if (step === "done" && done < time) {
        yield* log({ kind: "BatchesDone", upTo: done += 1000 })
      } else if (step === "checkpoint") {
        current.writer.hurry()
        assert.equal(yield* current.writer.checkpoint(time), true)
        yield* current.writer.clear
      } else if (step === "crash") {
        storage.crash()
        yield* Scope.close(current.scope, Exit.void)
        current = yield* next
      } else if (step === "died" || step === "diedBoth") {
        doubtful = { kind: "OutputEnded", time: done + 1000, output: "unsynced", result: "skipped" }
        dying = true
        // Never heard of again: its scope stays open.
        yield* Effect.forkDetach(current.durability.log.append([doubtful]), { startImmediately: true })
        yield* Effect.yieldNow
        dying = false
        const idle = yield* opened(disk)
        yield* Scope.close(idle.scope, Exit.void)
        if (step === "diedBoth") storage.crash()
        current = yield* next
      } else if (step === "takeOver") {
        zombie = current
        current = yield* next
      } else if (step === "zombie" && zombie !== undefined) {
        const late: DriverLogEvent = { kind: "OutputEnded", time: time + 5000, output: "late", result: "done" }
        const { log } = zombie.durability
        const exit = yield* Effect.exit(log.append([late]))
        assert.ok(Exit.isFailure(exit), "a driver that was taken over from acknowledges nothing")
        zombie = undefined
      }
      assert.deepEqual(shown(current.durability.log.state), shown(model))
    }
    storage.crash()
    const last = yield* next
    assert.deepEqual(shown(last.durability.log.state), shown(model))
  })

it("what a driver acknowledged the next one has, whatever crashes, takes over and is written late", () =>
  Effect.promise(() =>
    fc.assert(fc.asyncProperty(steps, (sequence) => Effect.runPromise(Effect.scoped(play(sequence)))), { numRuns: 60 })
  ))

const allocation = (of: string): DriverLogEvent => ({
  kind: "BatchAllocation",
  time: 1000,
  blocks: [],
  asked: { zeroTime: 0, inputs: [], sideValues: [["a#b", of]] }
})

it("a driver that was taken over from before its first checkpoint writes none", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    yield* driver(storage)
    const second = yield* opened(storage)
    yield* driver(storage)
    const begun = Scope.provide(second.durability.begin({ zeroTime: 0, executors: 1 }), second.scope)
    assert.match((yield* Effect.flip(begun)).message, /another driver \(number 3\) has taken over/)
    assert.equal(storage.sizes(names.checkpoint(2, 1)), undefined)
  }))

it("a checkpoint of a driver that was taken over from meanwhile is told and passed over, its log too", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    yield* driver(storage)
    let isBlind = false
    const second = yield* opened({
      ...storage,
      size: (name) => isBlind && name === names.owner(3) ? Effect.succeed(undefined) : storage.size(name)
    })
    const third = yield* driver(storage)
    yield* third.durability.log.append([allocation("third")])
    isBlind = true
    yield* Scope.provide(second.durability.begin({ zeroTime: 0, executors: 1 }), second.scope)
    isBlind = false
    assert.ok(Exit.isFailure(yield* Effect.exit(second.durability.log.append([allocation("second")]))))
    storage.alter(names.checkpoint(3, 1), (bytes) => void (bytes[bytes.length - 3]! ^= 1))
    const { durability } = yield* driver(storage)
    assert.deepEqual([...durability.log.state.asked.values()].map(({ sideValues }) => sideValues), [[["a#b", "third"]]])
    const { from, passedOver } = durability.recovery!.report
    assert.equal(from.epoch, 1)
    assert.match(
      passedOver.find(({ file }) => file === names.checkpoint(2, 1))!.reason,
      /its driver had been taken over from/
    )
  }))

it("of drivers that start at once one is left: the others are told who took over, at the latest when they log something", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const starts = Array.from({ length: 5 }, () => Effect.exit(driver(storage)))
    const all = (yield* Effect.all(starts, { concurrency: "unbounded" })).flatMap((exit) =>
      Exit.isSuccess(exit) ? [exit.value] : []
    )
    const epochs = all.map(({ durability }) => durability.epoch)
    assert.equal(new Set(epochs).size, epochs.length)
    const event: DriverLogEvent = { kind: "BatchesDone", upTo: 1000 }
    const left = yield* Effect.filter(
      all,
      ({ durability }) =>
        Effect.map(
          Effect.exit(durability.log.append([event])),
          Exit.isSuccess
        )
    )
    assert.deepEqual(left.map(({ durability }) => durability.epoch), [5])
  }))
