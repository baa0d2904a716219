/**
 * What listeners are told of a run: every event, in order, with delays; and what a bad listener can do to the engine: nothing.
 */
import * as assert from "node:assert/strict"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../core/mod.ts"
import type { Receiver } from "../../core/receiving/Receiver.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import { listenerEventsMaxDefault } from "../../runtime/driver/ListenerBus.ts"
import { it } from "../kit.ts"
import type { Collected } from "./collected.ts"
import * as Local from "./local.ts"

const numbers = Memory.stream({ numPartitions: 1, read: ({ batch }) => [batch] })

const appOf = (out: Collected<number>, millis = 0) => {
  const slow = numbers.pipe(DStream.mapEffect((n) => Effect.as(Effect.sleep(millis), n)))
  return StreamingApp.make({
    name: "listened",
    batchDuration: "1 second",
    outputs: [slow.pipe(DStream.collectTo(out, { name: "a" })), slow.pipe(DStream.collectTo([], { name: "b" }))]
  })
}

const line = (event: StreamingEvent): string => {
  switch (event.kind) {
    case "BatchSubmitted":
    case "BatchStarted":
    case "BatchCompleted": {
      const { time, records, schedulingDelay, processingDelay, totalDelay } = event.batch
      return `${event.kind} ${time}: ${records} records, delays ${schedulingDelay} ${processingDelay} ${totalDelay}`
    }
    case "OutputOperationStarted":
    case "OutputOperationCompleted": {
      const { output, time, startTime, endTime } = event.operation
      return `${event.kind} ${time} ${output}: ${startTime} to ${endTime}`
    }
    case "ReceiverStarted":
      return `${event.kind} ${event.receiver.active}`
    case "ReceiverStopped":
    case "ReceiverError":
      return `${event.kind} ${event.receiver.active} "${event.receiver.lastErrorMessage}"`
    default:
      return event.kind
  }
}

it("listeners are told each batch's life in Spark's order, with its delays", () =>
  Effect.gen(function* () {
    const told: Array<string> = []
    const context = yield* Local.start(appOf([], 400), { listeners: [(event) => void told.push(line(event))] })
    yield* TestClock.adjust("1900 millis")
    yield* context.stop()
    const batch = (time: number) => [
      `BatchSubmitted ${time}: 1 records, delays undefined undefined undefined`,
      `BatchStarted ${time}: 1 records, delays 0 undefined undefined`,
      `OutputOperationStarted ${time} a: ${time} to undefined`,
      `OutputOperationCompleted ${time} a: ${time} to ${time + 400}`,
      `OutputOperationStarted ${time} b: ${time + 400} to undefined`,
      `OutputOperationCompleted ${time} b: ${time + 400} to ${time + 800}`,
      `BatchCompleted ${time}: 1 records, delays 0 800 800`
    ]
    assert.deepEqual(told.filter((it) => !it.startsWith("Executor")), ["StreamingStarted", ...batch(1000)])
  }))

it("a batch that waits for the one before is told with its scheduling delay", () =>
  Effect.gen(function* () {
    const delays: Array<ReadonlyArray<number | undefined>> = []
    const observe = (event: StreamingEvent) => {
      if (event.kind !== "BatchCompleted") return
      delays.push([event.batch.schedulingDelay, event.batch.processingDelay, event.batch.totalDelay])
    }
    yield* Local.start(appOf([], 700), { observers: [observe] })
    yield* TestClock.adjust("6 seconds")
    assert.deepEqual(delays.slice(0, 3), [[0, 1400, 1400], [400, 1400, 1800], [800, 1400, 2200]])
  }))

it("listeners that throw, fail, or never return neither slow nor end the run; what the last loses is counted", () =>
  Effect.gen(function* () {
    const out: Collected<number> = []
    const lost: Array<number> = []
    let told = 0
    const context = yield* Local.start(appOf(out), {
      listeners: [
        () => {
          throw new Error("listener")
        },
        () => Effect.fail("listener"),
        () => Effect.never,
        (event) => {
          told++
          if (event.kind === "ListenerEventsDropped") lost.push(event.count)
        }
      ]
    })
    // Seven events a batch.
    const batches = Math.ceil(listenerEventsMaxDefault / 7) + 2
    yield* Effect.repeat(TestClock.adjust("1 second"), { times: batches - 1 })
    assert.equal(out.length, batches)
    assert.ok(told > listenerEventsMaxDefault)
    assert.deepEqual(lost, [1])
    // The stop waits a second for who has not seen all, not longer.
    const stopping = yield* Effect.forkChild(context.stop({ graceful: true }))
    yield* Local.settled
    // The batch of the next tick.
    yield* Effect.andThen(TestClock.adjust("1 second"), Local.settled)
    assert.equal(stopping.pollUnsafe(), undefined)
    yield* TestClock.adjust("1 second")
    assert.equal((yield* Fiber.join(stopping)).graceful, true)
    yield* context.awaitTermination
  }))

it("an observer that throws ends the context with its error", () =>
  Effect.gen(function* () {
    const observe = (event: StreamingEvent) => {
      if (event.kind === "BatchCompleted") throw new Error("our bug")
    }
    const context = yield* Local.start(appOf([]), { observers: [observe] })
    yield* TestClock.adjust("1 second")
    assert.match(String(yield* Effect.exit(context.awaitTermination)), /our bug/)
  }))

it("receivers that start, report, fail, start again and stop are told", () =>
  Effect.gen(function* () {
    const told: Array<string> = []
    let runs = 0
    const receiver: Receiver<number, Error, never> = {
      name: "fragile",
      onStart: (store) =>
        Effect.suspend(() => {
          store.reportError("a bad line")
          return ++runs === 1 ? Effect.delay(Effect.fail(new Error("connection lost")), "1500 millis") : Effect.void
        }),
      onStop: Effect.void,
      storageLevel: "MEMORY_ONLY",
      preferredHost: undefined
    }
    const app = StreamingApp.make({
      name: "received",
      batchDuration: "1 second",
      outputs: [
        DStream.fromInput<number, Error, never>("fragile", { kind: "receiver", receiver, decode: undefined })
          .pipe(DStream.collectTo([]))
      ]
    })
    const observe = (event: StreamingEvent) => void (event.kind.startsWith("Receiver") && told.push(line(event)))
    const context = yield* Local.start(app, { observers: [observe] })
    yield* TestClock.adjust("5 seconds")
    const stopping = yield* Effect.forkChild(context.stop({ graceful: true }))
    yield* Local.settled
    yield* TestClock.adjust("2 seconds")
    assert.notEqual(stopping.pollUnsafe(), undefined)
    assert.deepEqual(told, [
      "ReceiverStarted true",
      'ReceiverError true "a bad line"',
      'ReceiverStopped false "Receiver failed"',
      "ReceiverStarted true",
      'ReceiverError true "a bad line"',
      'ReceiverStopped false "Stopped by driver"'
    ])
  }))
