/**
 * A context that is stopped from within: by an output, by a listener, after so many batches.
 */
import * as assert from "node:assert/strict"
import { Deferred, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import type * as StreamingContext from "../../../runtime/driver/StreamingContext.ts"
import { it } from "../../kit.ts"
import * as Local from "../local.ts"

const stopping = (graceful: boolean) =>
  Effect.gen(function* () {
    const self = yield* Deferred.make<StreamingContext.StreamingContext<never>>()
    const app = StreamingApp.make({
      name: "stops itself",
      batchDuration: "1 second",
      settings: { gracefulStopTimeout: "5 seconds" },
      outputs: [
        Memory.batches([[1]]).pipe(
          DStream.foreachBatch(() => Effect.flatMap(Deferred.await(self), (context) => context.stop({ graceful })))
        )
      ]
    })
    const context = yield* Local.start(app)
    yield* Deferred.succeed(self, context)
    yield* TestClock.adjust("12 seconds")
    assert.equal(context.state(), "Stopped")
    yield* context.awaitTermination
  })

it("an output may stop its context at once", () => stopping(false))

it("an output that stops its context gracefully waits for itself, up to the deadline", () => stopping(true))

it("a listener may stop its context, and listeners may come and go while it runs", () =>
  Effect.gen(function* () {
    const app = StreamingApp.make({
      name: "listened",
      batchDuration: "1 second",
      outputs: [Memory.batches([[1]]).pipe(DStream.foreachBatch(() => Effect.void))]
    })
    const context = yield* Local.start(app)
    const seen: Array<number> = []
    const { remove } = yield* context.addListener((event) =>
      event.kind === "BatchCompleted" ? void seen.push(event.batch.time) : undefined
    )
    yield* TestClock.adjust("2 seconds")
    yield* remove
    yield* context.addListener((event) =>
      event.kind === "BatchCompleted" ? Effect.asVoid(context.stop({ graceful: true })) : undefined
    )
    yield* TestClock.adjust("15 seconds")
    assert.deepEqual(seen, [1000, 2000])
    assert.equal(context.state(), "Stopped")
  }))

it("settings of a run are checked as those of the app are", () =>
  Effect.gen(function* () {
    const app = StreamingApp.make({
      name: "checked",
      batchDuration: "1 second",
      outputs: [Memory.batches([[1]]).pipe(DStream.print())]
    })
    const error = yield* Effect.flip(Local.start(app, { settings: { concurrentJobs: 0 } }))
    assert.match(String((error as Error).message), /concurrentJobs/)
  }))

it("listeners are told how many records came, not which", () =>
  Effect.gen(function* () {
    const told: Array<string> = []
    const app = StreamingApp.make({
      name: "told",
      batchDuration: "1 second",
      outputs: [Memory.batches([["secret"]]).pipe(DStream.foreachBatch(() => Effect.void))]
    })
    const context = yield* Local.start(app, { observers: [(event) => void told.push(JSON.stringify(event))] })
    yield* TestClock.adjust("1 second")
    yield* context.stop()
    assert.ok(told.some((event) => event.includes(`"records":1`)))
    assert.ok(!told.some((event) => event.includes("partitions")))
  }))
