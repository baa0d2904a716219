/**
 * ReceiverTracker on the driver: what counts is in the log first, what cannot be logged is refused, answers go out once, restarts
 * come by the clock, a stop waits for every receiver.
 */
import * as assert from "node:assert/strict"
import { Cause, Deferred, Effect, Fiber, Latch, Schema } from "effect"
import { TestClock } from "effect/testing"
import { blockId } from "../../core/blocks/ReceivedBlock.ts"
import { ReceivedBlockTrackerLogEvent } from "../../core/blocks/ReceivedBlockTrackerLogEvent.ts"
import type { ReceiverMessage, ToExecutor } from "../../core/protocol/ExecutorProtocol.ts"
import { leastLoaded } from "../../core/receiving/ReceiverSchedulingPolicy.ts"
import { defaults } from "../../core/receiving/ReceivingSettings.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import { BlockLocations } from "../../runtime/driver/BlockLocations.ts"
import * as ReceiverTracker from "../../runtime/driver/ReceiverTracker.ts"
import * as EventLog from "../../runtime/storage/EventLog.ts"
import { it } from "../kit.ts"

const tracked = (log: EventLog.EventLog<ReceivedBlockTrackerLogEvent> = EventLog.memory()) =>
  Effect.gen(function* () {
    const sent: Array<readonly [executor: string, message: ToExecutor]> = []
    const events: Array<StreamingEvent> = []
    const locations = new BlockLocations()
    for (const executor of ["e1", "e2"]) locations.executorJoined(executor)
    const failed = yield* Deferred.make<Cause.Cause<never>>()
    const tracker = yield* ReceiverTracker.make({
      epoch: 0,
      receivers: ["a", "b"].map((stream) => ({ stream, name: stream, preferredHost: undefined })),
      policy: leastLoaded,
      settings: defaults,
      log,
      locations,
      send: (executor, message) => void sent.push([executor, message]),
      post: (event) => void events.push(event),
      fail: (cause) => void Deferred.doneUnsafe(failed, Effect.succeed(cause))
    })
    let request = 0
    const say = (executor: string, message: ReceiverMessage) => tracker.receive(executor, ++request, message)
    const add = (stream: string, attempt: number, sequence: number, executor = "e1") => {
      const block = blockId({ stream, epoch: 0, attempt, sequence })
      say(executor, {
        kind: "AddBlock",
        info: { block, stream, attempt, sequence, records: 1, bytes: 1, locations: [executor] }
      })
      return request
    }
    const answerTo = (asked: number) =>
      sent.flatMap(([, m]) => m.kind === "ReceiverAnswer" && m.request === asked ? [m.answer] : [])
    const started = Effect.gen(function* () {
      tracker.executorJoined({ executor: "e1", host: "h" })
      tracker.start()
      for (const stream of ["a", "b"]) say("e1", { kind: "RegisterReceiver", stream, attempt: 1, receiver: stream })
      yield* TestClock.adjust(0)
    })
    const namesOf = (blocks: ReadonlyMap<string, ReadonlyArray<{ readonly block: string }>>) =>
      Array.from(blocks, ([stream, infos]) => [stream, infos.map(({ block }) => block)])
    return { tracker, locations, sent, events, failed, say, add, answerTo, started, namesOf }
  })

it("blocks are added, allocated to batches, told again for old times, cleaned up and forgotten by executors", () =>
  Effect.gen(function* () {
    const log = EventLog.memory<ReceivedBlockTrackerLogEvent>()
    const { tracker, sent, events, add, answerTo, started, namesOf } = yield* tracked(log)
    yield* started
    assert.deepEqual(events.map(({ kind }) => kind), ["ReceiverStarted", "ReceiverStarted"])
    const asked = [add("a", 1, 0), add("b", 1, 0), add("a", 1, 0), add("a", 1, 1)]
    yield* TestClock.adjust(0)
    assert.equal(tracker.hasUnallocatedBlocks(), true)
    const batch = yield* tracker.allocateBlocksToBatch(1000)
    assert.deepEqual(namesOf(batch), [["a", ["a/0/1/0", "a/0/1/1"]], ["b", ["b/0/1/0"]]])
    for (const request of asked) assert.deepEqual(answerTo(request), [{ kind: "Accepted" }])
    assert.equal(tracker.hasUnallocatedBlocks(), false)
    assert.deepEqual(namesOf(yield* tracker.allocateBlocksToBatch(2000)), [["a", []], ["b", []]])
    add("a", 1, 2)
    yield* TestClock.adjust(0)
    assert.deepEqual(yield* tracker.allocateBlocksToBatch(1000), batch)
    yield* TestClock.adjust("10 seconds")
    assert.match((yield* Effect.flip(tracker.cleanup(10_000))).message, /has to lie in the past/)
    yield* tracker.cleanup(2000)
    yield* TestClock.adjust(0)
    assert.equal(tracker.blocksOfBatch(1000).size, 0)
    assert.deepEqual(sent.filter(([, m]) => m.kind === "Forget").map(([executor, m]) => [executor, m]), [
      ["e1", { kind: "Forget", before: 0, blocks: ["a/0/1/0", "a/0/1/1", "b/0/1/0"] }]
    ])
    assert.deepEqual(log.journal.map(({ kind }) => kind), [
      "BlockAddition",
      "BlockAddition",
      "BlockAddition",
      "BatchAllocation",
      "BatchAllocation",
      "BlockAddition",
      "BatchCleanup"
    ])
    // A new driver folds the log, as it is written.
    const codec = Schema.fromJsonString(Schema.Array(ReceivedBlockTrackerLogEvent))
    const written = Schema.decodeUnknownSync(codec)(Schema.encodeSync(codec)(log.journal))
    const again = yield* tracked(EventLog.memory(written))
    assert.equal(again.tracker.hasUnallocatedBlocks(), true)
    assert.equal(again.tracker.blocksOfBatch(1000).size, 0)
    assert.deepEqual(namesOf(yield* again.tracker.allocateBlocksToBatch(3000)), [["a", ["a/0/1/2"]], ["b", []]])
  }))

it("a registration is answered behind what was added before, with how far each source is stored; what is stored is repeated", () =>
  Effect.gen(function* () {
    const gate = Latch.makeUnsafe(false)
    const log = { append: () => gate.await, readAll: Effect.succeed([]) }
    const { answerTo, say, started, add, tracker } = yield* tracked(log)
    yield* started
    const info = (sequence: number, to: number) => ({
      block: blockId({ stream: "a", epoch: 0, attempt: 1, sequence }),
      stream: "a",
      attempt: 1,
      sequence,
      records: 1,
      bytes: 1,
      locations: ["e1"],
      ranges: [{ source: "s", from: 0, to }]
    })
    say("e1", { kind: "AddBlock", info: info(0, 9) })
    const asked = add("b", 1, 0)
    say("e1", { kind: "RegisterReceiver", stream: "a", attempt: 1, receiver: "a" })
    say("e1", { kind: "RegisterReceiver", stream: "b", attempt: 1, receiver: "b" })
    yield* TestClock.adjust(1)
    assert.deepEqual(answerTo(asked + 1), [])
    gate.openUnsafe()
    yield* TestClock.adjust(1)
    assert.deepEqual(answerTo(asked + 1), [{ kind: "Accepted", marks: [["s", 9]] }])
    assert.deepEqual(answerTo(asked + 2), [{ kind: "Accepted" }])
    say("e1", { kind: "AddBlock", info: info(1, 9) })
    say("e1", { kind: "AddBlock", info: info(2, 10) })
    yield* TestClock.adjust(1)
    assert.deepEqual(answerTo(asked + 3), [{ kind: "Accepted", repeated: true }])
    assert.match((answerTo(asked + 4)[0] as { readonly reason: string }).reason, /holds records 0 to 10 of source "s"/)
    const batch = yield* tracker.allocateBlocksToBatch(1000)
    assert.deepEqual(batch.get("a")!.map(({ sequence }) => sequence), [0])
  }))

it("an addition counts only when it is logged, and what waits for the log is logged together", () =>
  Effect.gen(function* () {
    const gate = Latch.makeUnsafe(false)
    const appends: Array<number> = []
    const log: EventLog.EventLog<ReceivedBlockTrackerLogEvent> = {
      append: (events) => Effect.andThen(gate.await, Effect.sync(() => void appends.push(events.length))),
      readAll: Effect.succeed([])
    }
    const { tracker, add, answerTo, started } = yield* tracked(log)
    yield* started
    const first = add("a", 1, 0)
    yield* TestClock.adjust(1)
    const others = [add("a", 1, 1), add("a", 1, 2), add("a", 1, 2)]
    yield* TestClock.adjust(1)
    assert.deepEqual(answerTo(first), [])
    assert.equal(tracker.hasUnallocatedBlocks(), true)
    gate.openUnsafe()
    yield* TestClock.adjust(1)
    for (const request of [first, ...others]) assert.deepEqual(answerTo(request), [{ kind: "Accepted" }])
    assert.deepEqual(appends, [1, 2])
  }))

it("holders that are told later are told to forget a block with the others, and at once what nobody knows", () =>
  Effect.gen(function* () {
    const gate = Latch.makeUnsafe(false)
    const log = { append: () => gate.await, readAll: Effect.succeed([]) }
    const { tracker, locations, sent, add, started } = yield* tracked(log)
    yield* started
    tracker.executorJoined({ executor: "e2", host: "h" })
    add("a", 1, 0)
    // A block is known as soon as it was added before, though it is not logged yet.
    tracker.blocksHeld("e2", ["a/0/1/0", "a/0/1/1"])
    tracker.blocksHeld("gone", ["a/0/1/1"])
    yield* TestClock.adjust(1)
    gate.openUnsafe()
    yield* TestClock.adjust(1)
    const forgets = () => sent.flatMap(([executor, m]) => m.kind === "Forget" ? [[executor, m.blocks]] : [])
    assert.deepEqual(forgets(), [["e2", ["a/0/1/1"]]])
    assert.deepEqual(locations.of("a/0/1/0"), ["e1", "e2"])
    yield* tracker.allocateBlocksToBatch(1000)
    yield* TestClock.adjust("10 seconds")
    yield* tracker.cleanup(2000)
    yield* TestClock.adjust(0)
    assert.deepEqual(forgets().slice(1), [["e1", ["a/0/1/0"]], ["e2", ["a/0/1/0"]]])
    assert.equal(locations.size, 0)
    tracker.blocksHeld("e2", ["a/0/1/0"])
    yield* TestClock.adjust(0)
    assert.deepEqual(forgets().slice(3), [["e2", ["a/0/1/0"]]])
  }))

it("a log that fails refuses additions and fails allocations, and what was unallocated stays so", () =>
  Effect.gen(function* () {
    let fails = false
    const memory = EventLog.memory<ReceivedBlockTrackerLogEvent>()
    const log: EventLog.EventLog<ReceivedBlockTrackerLogEvent> = {
      append: (events) =>
        Effect.suspend(() =>
          fails ? Effect.fail(new EventLog.EventLogError({ message: "disk full" })) : memory.append(events)
        ),
      readAll: memory.readAll
    }
    const { tracker, add, answerTo, started, namesOf } = yield* tracked(log)
    yield* started
    add("a", 1, 0)
    yield* TestClock.adjust(0)
    fails = true
    const refused = add("a", 1, 1)
    const known = add("a", 1, 0)
    yield* TestClock.adjust(0)
    const [answer] = answerTo(refused)
    assert.ok(answer?.kind === "Refused" && /could not be logged: disk full/.test(answer.reason))
    assert.deepEqual(answerTo(known), [{ kind: "Accepted" }])
    assert.equal((yield* Effect.flip(tracker.allocateBlocksToBatch(1000))).message, "disk full")
    fails = false
    assert.deepEqual(namesOf(yield* tracker.allocateBlocksToBatch(1000)), [["a", ["a/0/1/0"]], ["b", []]])
    assert.deepEqual(namesOf(yield* tracker.allocateBlocksToBatch(2000)), [["a", []], ["b", []]])
  }))

it("a receiver that ended is started again after the pause, and a block of its old attempt is refused", () =>
  Effect.gen(function* () {
    const { tracker, sent, say, add, answerTo, started } = yield* tracked()
    yield* started
    const launches = () => sent.flatMap(([, m]) => m.kind === "StartReceiver" ? [`${m.stream}/${m.attempt}`] : [])
    say("e1", { kind: "ReceiverEnded", stream: "a", attempt: 1, stopped: false })
    yield* TestClock.adjust(1999)
    assert.deepEqual(launches(), ["a/1", "b/1"])
    yield* TestClock.adjust(1)
    assert.deepEqual(launches(), ["a/1", "b/1", "a/2"])
    say("e1", { kind: "RegisterReceiver", stream: "a", attempt: 2, receiver: "a" })
    const old = add("a", 1, 0)
    const current = add("a", 2, 0)
    yield* TestClock.adjust(0)
    assert.equal(answerTo(old)[0]!.kind, "Refused")
    assert.equal(answerTo(current)[0]!.kind, "Accepted")
    assert.deepEqual(tracker.allReceiverIds(), ["a", "b"])
  }))

it("a graceful stop waits for every receiver, another for at most its limit", () =>
  Effect.gen(function* () {
    const { tracker, sent, say, started } = yield* tracked()
    yield* started
    const graceful = yield* Effect.forkChild(tracker.stop({ graceful: true }))
    yield* TestClock.adjust("1 hour")
    assert.deepEqual(sent.slice(-2).map(([, m]) => m.kind), ["StopReceiver", "StopReceiver"])
    assert.equal(graceful.pollUnsafe(), undefined)
    const atOnce = yield* Effect.forkChild(tracker.stop({ graceful: false }))
    yield* TestClock.adjust(defaults.stopWaitMillis)
    yield* Fiber.join(atOnce)
    say("e1", { kind: "ReceiverEnded", stream: "a", attempt: 1, stopped: true })
    tracker.executorLost("e1", "exit 1")
    yield* TestClock.adjust(0)
    yield* Fiber.join(graceful)
    yield* tracker.stop({ graceful: true })
  }))

it("a log that breaks ends the context with the cause", () =>
  Effect.gen(function* () {
    const { failed, add, started } = yield* tracked({
      append: () => Effect.die(new Error("a bug in the log")),
      readAll: Effect.succeed([])
    })
    yield* started
    add("a", 1, 0)
    assert.match(String(Cause.squash(yield* Deferred.await(failed))), /a bug in the log/)
  }))
