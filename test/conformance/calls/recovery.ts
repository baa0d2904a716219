/**
 * Functions of recovery: whether a start goes on from a place, which batches it runs again, in which order checkpoints are looked at.
 */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import * as names from "../../../core/checkpoint/names.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import { NoUsableCheckpoint } from "../../../runtime/driver/checkpoint/recover.ts"
import { type MemoryStorage, memoryStorage } from "../../../runtime/storage/memoryStorage.ts"
import * as lives from "../../checkpoint/lives.ts"
import * as Local from "../../driver/local.ts"
import { checkpointsOf } from "../machines/checkpoint/driver.ts"
import { inOurNames } from "../machines/checkpoint/sparkNames.ts"
import { known } from "../Vector.ts"
import { type Call, of } from "./call.ts"

const counting = StreamingApp.make({
  name: "recovered",
  batchDuration: "1 second",
  outputs: [Memory.batches([[1]]).pipe(DStream.foreachBatch((batch) => batch.count))]
})

const garbage = (storage: MemoryStorage) =>
  Effect.map(checkpointsOf(storage), (all) => all.forEach(({ name }) => storage.put(name, new Uint8Array([1, 2, 3]))))

const places: Readonly<Record<string, (storage: MemoryStorage) => Effect.Effect<unknown, unknown>>> = {
  empty: () => Effect.void,
  valid: (storage) => lives.live(counting, { storage }, 2),
  corrupt: (storage) => Effect.andThen(lives.live(counting, { storage }, 2), garbage(storage))
}

/** A start never begins anew over what it cannot read: to create on error is to catch it, and to start in another place. */
const getOrCreate = Effect.fnUntraced(function* (path: string, createOnError: boolean) {
  const storage = memoryStorage()
  yield* known("path", places, path)(storage)
  const { report } = yield* lives.live(counting, { storage }, 1).pipe(
    Effect.catchIf(
      (error) => createOnError && error instanceof NoUsableCheckpoint,
      () => lives.live(counting, { storage: memoryStorage() }, 1)
    )
  )
  return report === undefined ? "created" : "recovered"
})

/** A driver whose jobs of the pending batches hang dies behind the checkpoint of its last batch; the next starts at `now`. */
const restart = Effect.fnUntraced(function* (
  zero: number,
  batchMillis: number,
  checkpoint: number,
  pending: ReadonlyArray<number>,
  now: number
) {
  const storage = memoryStorage()
  const app = (hangs: boolean) =>
    StreamingApp.make({
      name: "restarted",
      batchDuration: batchMillis,
      outputs: [
        Memory.batches<number>([]).pipe(
          DStream.foreachBatch(({ time }) => hangs && pending.includes(time) ? Effect.never : Effect.void)
        )
      ]
    })
  yield* TestClock.setTime(zero)
  yield* Effect.scoped(Effect.gen(function* () {
    yield* lives.start(app(true), { storage })
    for (let time = zero + batchMillis; time <= checkpoint; time += batchMillis) {
      yield* TestClock.setTime(time)
      yield* Local.settled
    }
  }))
  storage.crash()
  yield* TestClock.setTime(now)
  const submitted: Array<number> = []
  yield* lives.start(app(false), {
    storage,
    observers: [(event) => void (event.kind === "BatchSubmitted" && submitted.push(event.batch.time))]
  })
  const rerunMs = submitted.splice(0)
  yield* TestClock.adjust(batchMillis)
  yield* Local.settled
  return { rerunMs, nextMs: submitted[0] }
}, Effect.scoped)

const checkpointFilesOldestFirst = (files: ReadonlyArray<string>): ReadonlyArray<string> => {
  const byOurs = new Map(files.map((file) => [inOurNames(file), file]))
  return names.furthestFirst(byOurs.keys()).map(({ name }) => byOurs.get(name)!).toReversed()
}

export const recoveryCalls: Readonly<Record<string, Call>> = {
  checkpointFilesOldestFirst: of(checkpointFilesOldestFirst),
  getOrCreate: of(getOrCreate),
  getActiveOrCreate: () => {
    throw new Error("there is no active context of the process: whoever started one has it")
  },
  restart: of(restart)
}
