/**
 * Kind recovery: an app runs so many batches, crashes, and another driver goes on from its checkpoint place to the end.
 */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { StreamingApp } from "../../../core/mod.ts"
import { type MemoryStorage, memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import * as lives from "../../checkpoint/lives.ts"
import type { Collected } from "../../driver/collected.ts"
import * as Local from "../../driver/local.ts"
import { folder } from "../../save/folder.ts"
import { type Order, same, sameBatches } from "../compare.ts"
import { snapshotsOf } from "../pipelines/operators.ts"
import { batchMsDefault, build, collect, type Pipeline } from "../pipelines/run.ts"
import { type Json, onlyFields, type Vector } from "../Vector.ts"
import { kind } from "./kind.ts"

/** Files are saved outside of the virtual clock. */
const turnOfTheWorld = Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 1)))

const turnsMax = 5000

interface Place {
  readonly storage: MemoryStorage
  readonly saveIn: string
}

/** One life: so many batches, then a crash. Gives what came out. */
const live = Effect.fnUntraced(function* (vector: Vector, { saveIn, storage }: Place, batches: number) {
  const out: Collected<any> = []
  const states: Collected<any> = []
  let completed = 0
  const { mapped, saved, stream } = build({ ...(vector as unknown as Pipeline), saveIn })
  const snapshots = vector["expectedState"] === undefined ? [] : [collect(snapshotsOf(mapped!), states)]
  const app = StreamingApp.make({
    name: "recovery",
    batchDuration: vector["batchMs"] ?? batchMsDefault,
    outputs: [collect(stream, out), ...snapshots, ...saved]
  })
  yield* Effect.scoped(Effect.gen(function* () {
    yield* lives.start(app as StreamingApp.StreamingApp, {
      storage,
      executors: 3,
      coded: true,
      observers: [({ kind }) => void (kind === "BatchCompleted" && completed++)]
    })
    for (let batch = 0; batch < batches; batch++) {
      yield* TestClock.adjust(app.batchMillis)
      yield* Local.settled
      for (let turn = 0; turn < turnsMax && completed <= batch; turn++) yield* turnOfTheWorld
    }
    yield* Local.settled
  }))
  storage.crash()
  return { out: out.map(({ records }) => records), states: states.map(({ records }) => records) }
})

const fields = [
  "batchMs",
  "checkpointMs",
  "inputs",
  "ops",
  "stopAfterBatches",
  "ordered",
  "groupsOrdered",
  "expected",
  "expectedState",
  "afterRestartExpected",
  "batches"
]

export const recovery = kind(
  fields,
  Effect.fnUntraced(function* (vector) {
    const { afterRestartExpected, batches, expected, expectedState, groupsOrdered, ordered, stopAfterBatches } = vector
    const place = { storage: memoryStorage(), saveIn: yield* folder }
    const before = yield* live(vector, place, stopAfterBatches)
    const after = yield* live(vector, place, batches - stopAfterBatches)
    if (afterRestartExpected !== undefined) {
      onlyFields("afterRestartExpected", afterRestartExpected, ["batches", "lastTwo"])
      same("number of batches after the recovery", afterRestartExpected.batches, after.out.length)
      sameBatches("the last two", afterRestartExpected.lastTwo, after.out.slice(-2), { ordered })
    }
    /** After the crash all that is left, and at most the last one before it once more. */
    const compare = (what: string, all: Json, [first, second]: ReadonlyArray<Json>, order: Order) => {
      const again = Math.max(0, Math.min(1, second.length - (batches - stopAfterBatches)))
      sameBatches(`${what} before the crash`, all.slice(0, stopAfterBatches), first, order)
      sameBatches(`${what} after the recovery`, all.slice(stopAfterBatches - again), second, order)
    }
    compare("batches", expected, [before.out, after.out], { ordered, groupsOrdered })
    if (expectedState === undefined) return
    compare("states", expectedState, [before.states, after.states], { ordered: false })
  })
)
