/**
 * The logs of receivers beside checkpoints: what a receiver writes to is not removed under it, however long nothing in it was needed.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { timed } from "../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import { memoryStorage } from "../../runtime/storage/memoryStorage.ts"
import * as local from "../driver/local.ts"
import { it } from "../kit.ts"
import { live } from "./lives.ts"

const pass = Effect.andThen(TestClock.adjust("500 millis"), local.settled)

it("a record that comes after a pause is in a batch, though the driver dies with it: its receiver's log was kept", () =>
  Effect.gen(function* () {
    const storage = memoryStorage()
    const out: Array<string> = []
    const app = StreamingApp.make({
      name: "pausing",
      batchDuration: "1 second",
      outputs: [
        timed([100, 20_100].map((time) => ({ time, value: `at ${time}` })), { origin: 0 }).pipe(
          DStream.foreachBatch((batch) => Effect.map(batch.collect, (records) => void out.push(...records)))
        )
      ]
    })
    // It dies half a second after the second record was stored, before its batch.
    const paused = Effect.gen(function* () {
      for (let i = 0; i < 41; i++) yield* pass
    })
    yield* live(app, { storage }, 0, paused)
    assert.deepEqual(out, ["at 100"])
    const removed = storage.journal.filter(({ call, name }) => call === "remove" && name.includes("/blocks/"))
    assert.deepEqual(removed, [], "who writes to a file that was removed is not told so by every storage")
    const { report } = yield* live(app, { storage }, 3)
    assert.deepEqual(report?.lost, [])
    assert.deepEqual(out, ["at 100", "at 20100"])
  }))
