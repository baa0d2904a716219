/**
 * Received blocks in a whole engine whose executors die: what is in a log is read from there, what is to be ignored is empty and told.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { timed } from "../../adapters/memory/mod.ts"
import type { TestReceiverOptions } from "../../adapters/memory/TestReceiver.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import { crc32 } from "../../core/wal/crc32.ts"
import { memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import { StableSpace } from "../../runtime/executor/blocks/StableSpace.ts"
import { it } from "../kit.ts"
import * as Local from "./local.ts"

const values = [100, 400, 1700].map((time, i) => ({ time, value: "abc"[i]! }))

/** Counts and collects what was stored before the only executor died, in the middle of the first batch. */
const losing = (options: TestReceiverOptions, stable: StableSpace | undefined) =>
  Effect.gen(function* () {
    const out: Array<ReadonlyArray<string>> = []
    const counts: Array<number> = []
    const input = timed(values, { origin: 0, ...options })
    const app = StreamingApp.make({
      name: "cold",
      batchDuration: "1 second",
      settings: { receiverRestartDelay: 1 },
      outputs: [
        input.pipe(DStream.foreachBatch((batch) => Effect.map(batch.collect, (all) => void out.push(all)))),
        input.pipe(DStream.foreachBatch((batch) => Effect.map(batch.count, (count) => void counts.push(count))))
      ]
    })
    const kill = new Local.Killer()
    const events: Array<StreamingEvent> = []
    const context = yield* Local.start(app, {
      coded: true,
      kill,
      observers: [(event) => void events.push(event)]
    }).pipe(Effect.provideService(StableSpace, stable))
    yield* TestClock.adjust(650)
    kill.now(kill.alive()[0]!)
    yield* TestClock.adjust(2350)
    yield* context.stop()
    const lost = events.flatMap((event) => event.kind === "BlocksLost" ? [event.reason] : [])
    return { out, counts, lost }
  })

it("blocks that are in a log outlive the executors, and each is read once from there for all outputs of its batch", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    let reads = 0
    const counting = {
      ...storage,
      read: (...asked: Parameters<typeof storage.read>) => (reads++, storage.read(...asked))
    }
    const { counts, lost, out } = yield* losing({}, { storage: counting, epoch: 1, checksum: crc32 })
    assert.deepEqual(out.slice(0, 2), [["a", "b"], ["c"]])
    assert.deepEqual(counts.slice(0, 2), [2, 1])
    assert.deepEqual([lost, reads], [[], 2])
    const files = yield* storage.list("epochs/00000001/blocks/")
    assert.equal(files.length, 2, "each attempt has a log of its own")
  }))

it("a block that is to be ignored is empty when it is lost, whatever the settings say, and that is told", () =>
  Effect.gen(function* () {
    const { counts, lost, out } = yield* losing({ survives: "ignore" }, undefined)
    assert.deepEqual([out.slice(0, 2), counts.slice(0, 2)], [[[], ["c"]], [0, 1]])
    assert.equal(lost.length, 2)
    assert.match(lost[0]!, /is held by no executor and is read as empty/)
  }))
