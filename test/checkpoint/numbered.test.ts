/**
 * Numbered records over lives of drivers: what was with the executors alone is asked for again, unless something came of it.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { type Batch, DStream, type JobFailed, Receiver, StreamingApp } from "../../core/mod.ts"
import { format } from "../../core/checkpoint/RecoveryReport.ts"
import { memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { it } from "../kit.ts"
import { live } from "./lives.ts"

/** Gives a record each 400 ms, from where its mark says. */
const journal = (begun: Array<number>) =>
  Receiver.make<number, Receiver.StoreError, never>({
    name: "journal",
    survives: "hot",
    onStart: (store) =>
      Effect.gen(function* () {
        let next = (store.highWaterMark("diary") ?? -1) + 1
        begun.push(next)
        while (true) {
          yield* Effect.sleep(400)
          yield* store.array([next], { range: { source: "diary", from: next, to: next } })
          next++
        }
      })
  })

const appOf = (begun: Array<number>, out: (batch: Batch<number>) => Effect.Effect<void, JobFailed>) =>
  StreamingApp.make({
    name: "numbered",
    batchDuration: "1 second",
    outputs: [DStream.receiverStream(journal(begun)).pipe(DStream.foreachBatch(out, { name: "out" }))]
  })

it("blocks that died with their driver are asked for again: those that waited, and those of a batch of which nothing came", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const begun: Array<number> = []
    const out: Array<readonly [time: number, records: ReadonlyArray<number>]> = []
    const app = (hangsAt?: number) =>
      appOf(
        begun,
        (batch) =>
          batch.time === hangsAt
            ? Effect.never
            : Effect.map(batch.collect, (records) => void out.push([batch.time, records]))
      )
    yield* live(app(3000), { storage, executors: 2 }, 3)
    assert.deepEqual(out, [[1000, [0, 1]], [2000, [2, 3]]])
    const { report } = yield* live(app(), { storage, executors: 2 }, 3)
    assert.deepEqual(begun, [0, 4])
    assert.deepEqual(out.slice(2).flatMap(([, records]) => records), [4, 5, 6, 7, 8, 9, 10])
    assert.deepEqual(report!.lost.map(({ askedAgain }) => askedAgain), [3])
    assert.match(format(report!), /; the source is asked again for what was in 3 blocks of them$/m)
  }))

it("records of a batch of which something came are not asked for again, though its other outputs see none of them", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const begun: Array<number> = []
    const seen = { first: [] as Array<number>, second: [] as Array<number> }
    const app = (hangsAt?: number) => {
      const records = DStream.receiverStream(journal(begun))
      const to = (out: Array<number>, hangs: boolean) => (batch: Batch<number>) =>
        hangs && batch.time === hangsAt ? Effect.never : Effect.map(batch.collect, (all) => void out.push(...all))
      return StreamingApp.make({
        name: "numbered",
        batchDuration: "1 second",
        outputs: [
          records.pipe(DStream.foreachBatch(to(seen.first, false), { name: "first" })),
          records.pipe(DStream.foreachBatch(to(seen.second, true), { name: "second" }))
        ]
      })
    }
    yield* live(app(2000), { storage, executors: 2 }, 3)
    const { report } = yield* live(app(), { storage, executors: 2 }, 2)
    assert.deepEqual(begun, [0, 4])
    assert.deepEqual(seen.first, [0, 1, 2, 3, 4, 5, 6, 7])
    assert.deepEqual(seen.second, [0, 1, 4, 5, 6, 7])
    assert.deepEqual(
      report!.lost.map(({ askedAgain, blocks }) => [blocks, askedAgain]),
      [[7, 3]],
      "with those of the batch that was done"
    )
  }))
