/**
 * What is forgotten behind batches that are done: by the driver, and by executors because it tells them.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import type { ReceivedBlockInfo } from "../../../core/blocks/ReceivedBlock.ts"
import type { ToExecutor } from "../../../core/protocol/ExecutorProtocol.ts"
import * as RDD from "../../../core/rdd/RDD.ts"
import { BlockLocations } from "../../../runtime/driver/BlockLocations.ts"
import { cluster } from "../../executor/cluster.ts"
import { it } from "../../kit.ts"
import * as Local from "../local.ts"

test("the holders of a block are those that are there and were said to hold it, until it is forgotten", () => {
  const locations = new BlockLocations()
  const info = (block: string, ...executors: ReadonlyArray<string>): ReceivedBlockInfo => ({
    block,
    stream: "s",
    attempt: 1,
    sequence: 0,
    records: 1,
    bytes: 1,
    locations: executors
  })
  const known = () => ["a", "b", "c"].map((block) => locations.of(block))
  for (const executor of ["e1", "e2"]) locations.executorJoined(executor)
  for (const block of [info("a", "e1"), info("b", "e1", "e2"), info("c", "e0", "e2")]) locations.add(block)
  locations.add(info("a", "e2"))
  assert.deepEqual(known(), [["e1"], ["e1", "e2"], ["e2"]])
  assert.deepEqual([...locations.onlyHolders()], ["e1", "e2"])
  locations.executorLost("e1")
  assert.deepEqual(known(), [[], ["e2"], ["e2"]])
  locations.executorJoined("e3")
  assert.deepEqual(["b", "b", "unknown"].map((block) => locations.held(block, "e3")), [true, true, false])
  assert.ok(locations.held("c", "e1"), "of an executor that is gone it is known, but not held")
  locations.notAt("c", "e2")
  assert.deepEqual(known(), [[], ["e2", "e3"], []])
  assert.deepEqual(["e2", "e3", "e4"].map((executor) => locations.isSpare(executor)), [false, false, true])
  assert.deepEqual([...locations.onlyHolders()], [])
  locations.executorJoined("e4")
  locations.held("b", "e4")
  assert.deepEqual(["e2", "e3", "e4"].map((executor) => locations.isSpare(executor)), [true, true, true])
  locations.forget("b")
  assert.deepEqual(known(), [[], [], []])
  assert.equal(locations.size, 2)
})

it("the task scheduler forgets the shuffles of batches before a time, and tells every executor that is there", () =>
  Effect.gen(function* () {
    const pairs = RDD.of([["a", 1], ["b", 2]] as Array<[string, number]>, 2)
    const two = yield* cluster({ program: { sums: () => pairs.pipe(RDD.reduceByKey((a, b) => a + b)) } })
    for (const time of [1, 2, 3]) {
      two.plan({ time })
      yield* two.collect("sums", time)
    }
    assert.equal(two.scheduler.counts().stages, 3)
    two.scheduler.forget({ before: 3, blocks: [] })
    assert.deepEqual(two.scheduler.counts(), { jobs: 0, stages: 1, executors: 2 })
    const told = two.sent.filter(([, { kind }]) => kind === "Forget")
    assert.deepEqual(told.map(([executor]) => executor), ["executor-1", "executor-2"])
    yield* two.settled(({ members }) => [...members.values()].every(({ lineage }) => lineage.log.size === 1))
  }))

const counts = Memory.stream({ numPartitions: 2, read: ({ batch, partition }) => [batch, partition] }).pipe(
  DStream.map((n) => `key ${n}`),
  DStream.countByValue(),
  DStream.foreachBatch((batch) => batch.collect)
)

it("behind each batch every executor is told to forget, and one that comes later is told of no forgotten plan", () =>
  Effect.gen(function* () {
    const kill = new Local.Killer()
    const heard: Array<ToExecutor> = []
    const app = StreamingApp.make({ name: "forgetful", batchDuration: "1 second", outputs: [counts] })
    const context = yield* Local.start(app, { executors: 2, kill, heard: (message) => void heard.push(message) })
    const pass = Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    for (let batch = 0; batch < 5; batch++) yield* pass
    const before = heard.flatMap((message) => message.kind === "Forget" ? [message.before] : [])
    // Of the batch that was done last nothing is forgotten.
    assert.deepEqual(before, [1, 1, 1001, 1001, 2001, 2001, 3001, 3001, 4001, 4001])
    kill.now("executor-1")
    yield* Local.settled
    heard.length = 0
    yield* pass
    const plans = heard.flatMap((message) => message.kind === "RunTasks" ? message.plans.map(({ time }) => time) : [])
    assert.deepEqual(plans.toSorted(), [5000, 6000, 6000])
    yield* context.stop()
  }))
