/**
 * Behaviours that vectors of the area scheduling tell in words, with their numbers: what listeners are told.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, Receiver, StreamingApp } from "../../../core/mod.ts"
import type { BatchInfo } from "../../../core/scheduling/BatchInfo.ts"
import type { StreamingEvent } from "../../../core/scheduling/StreamingListener.ts"
import * as Local from "../../driver/local.ts"
import { it } from "../../kit.ts"

const ones = Memory.batches([[1], [2], [3], [4]])

type Output = StreamingApp.StreamingApp["outputs"][number]

const running = Effect.fnUntraced(function* (batchMillis: number, outputs: ReadonlyArray<Output>) {
  const events: Array<StreamingEvent> = []
  const app = StreamingApp.make({ name: "listened", batchDuration: batchMillis, outputs })
  const context = yield* Local.start(app as StreamingApp.StreamingApp, {
    executors: 2,
    listeners: [(event) => Effect.sync(() => events.push(event))]
  })
  const pass = (batches: number) =>
    Effect.repeat(Effect.andThen(TestClock.adjust(batchMillis), Local.settled), { times: batches - 1 })
  const batches = (kind: StreamingEvent["kind"]): ReadonlyArray<BatchInfo> =>
    events.flatMap((event) => event.kind === kind && "batch" in event ? [event.batch] : [])
  return { context, events, pass, batches }
})

const isDelay = (delay: number | undefined): boolean => delay !== undefined && delay >= 0

const isAscending = (times: ReadonlyArray<number | undefined>): boolean =>
  times.every((time, index) => index === 0 || time! >= times[index - 1]!)

it("four batches are told submitted, started and completed, with the delays that are known by then", () =>
  Effect.gen(function* () {
    const { pass, batches } = yield* running(100, [
      ones.pipe(DStream.named("in"), DStream.foreachBatch((batch) => Effect.andThen(Effect.sleep(10), batch.count)))
    ])
    yield* pass(5)
    const submitted = batches("BatchSubmitted").slice(0, 4)
    const started = batches("BatchStarted").slice(0, 4)
    const completed = batches("BatchCompleted").slice(0, 4)
    for (const told of [submitted, started, completed]) {
      assert.equal(told.length, 4)
      for (const { inputs, records } of told) {
        assert.equal(records, 1)
        assert.deepEqual(inputs.map(({ stream, records }) => [stream, records]), [["in", 1]])
      }
      assert.ok(isAscending(told.map(({ submissionTime }) => submissionTime)))
    }
    for (const { schedulingDelay, processingDelay, totalDelay } of submitted) {
      assert.deepEqual([schedulingDelay, processingDelay, totalDelay], [undefined, undefined, undefined])
    }
    for (const { schedulingDelay, processingDelay, totalDelay } of started) {
      assert.ok(isDelay(schedulingDelay))
      assert.deepEqual([processingDelay, totalDelay], [undefined, undefined])
    }
    for (const { schedulingDelay, processingDelay, totalDelay } of completed) {
      assert.ok([schedulingDelay, processingDelay, totalDelay].every(isDelay))
    }
    assert.ok(isAscending(completed.map(({ processingStartTime }) => processingStartTime)))
    assert.ok(isAscending(completed.map(({ processingEndTime }) => processingEndTime)))
  }))

it("a receiver that reports an error and stops is told started, in error with its cause, and stopped", () =>
  Effect.gen(function* () {
    const receiver = Receiver.make<number, never, never>({
      name: "reporter",
      storageLevel: "MEMORY_ONLY",
      onStart: (store) =>
        Effect.sync(() => {
          store.reportError("test report error", new Error("test report exception"))
          store.stop("stopped")
        })
    })
    const { events, pass } = yield* running(100, [
      DStream.receiverStream(receiver).pipe(DStream.named("in"), DStream.foreachBatch((batch) => batch.count))
    ])
    yield* pass(3)
    const told = events.flatMap((event) => "receiver" in event ? [[event.kind, event.receiver] as const] : [])
    assert.deepEqual(told.map(([kind, { stream }]) => [kind, stream]), [
      ["ReceiverStarted", "in"],
      ["ReceiverError", "in"],
      ["ReceiverStopped", "in"]
    ])
    assert.equal(told[1]![1].lastErrorMessage, "test report error")
    assert.match(told[1]![1].lastError!, /test report exception/)
  }))

const failing = (message: string): Output => ones.pipe(DStream.foreachBatch(() => Effect.fail(new Error(message))))

/** The failure reasons of the first batch, and how the wait for termination ends. */
const reasonsOf = Effect.fnUntraced(function* (outputs: ReadonlyArray<Output>) {
  const { batches, context, pass } = yield* running(100, outputs)
  yield* pass(2)
  const [first] = batches("BatchCompleted")
  const ended = yield* Effect.result(context.awaitTerminationOrTimeout(0))
  return { reasons: first!.outputs.map(({ failureReason }) => failureReason), ended: ended._tag }
})

it("a good batch has no failure reason", () =>
  Effect.gen(function* () {
    const good = ones.pipe(DStream.foreachBatch((batch) => batch.count))
    assert.deepEqual(yield* reasonsOf([good]), { reasons: [undefined], ended: "Success" })
  }))

it("an output that fails has the reason, and the wait for termination fails", () =>
  Effect.gen(function* () {
    const { ended, reasons } = yield* reasonsOf([failing("This is a failed job")])
    assert.equal(ended, "Failure")
    assert.equal(reasons.length, 1)
    assert.match(reasons[0]!, /This is a failed job/)
  }))

it("each of two outputs that fail has its own reason, and the wait for termination fails", () =>
  Effect.gen(function* () {
    const { ended, reasons } = yield* reasonsOf([
      failing("This is a failed job"),
      failing("This is another failed job")
    ])
    assert.equal(ended, "Failure")
    assert.equal(reasons.length, 2)
    assert.match(reasons[0]!, /This is a failed job/)
    assert.match(reasons[1]!, /This is another failed job/)
  }))
